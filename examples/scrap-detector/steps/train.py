"""Fits a random forest or gradient boosting on the older days and records how it got better."""
import argparse
import hashlib
import os
import platform

import joblib
import pandas as pd
import sklearn
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

import orch


def fit_forest(x, y, trees, seed):
    """Grown in rounds, so that the out-of-bag score of each size is known. It tells whether more
    trees would help without touching the held-out days."""
    rare = float((y == 0).sum()) / float(max(1, (y == 1).sum()))             # so much more counts a scrap part
    model = RandomForestClassifier(n_estimators=1, min_samples_leaf=3, class_weight={0: 1.0, 1: rare ** 0.5},
                                   oob_score=True, warm_start=True, n_jobs=2, random_state=seed)
    rounds = [max(10, trees * i // 6) for i in range(2, 7)]
    for size in sorted(set(rounds)):
        model.set_params(n_estimators=size).fit(x, y)
        orch.metric("oob_score", model.oob_score_, size)
        print(f"{size:4d} trees: out-of-bag accuracy {model.oob_score_:.4f}", flush=True)
    return model


def fit_boosting(x, y, trees, seed):
    model = GradientBoostingClassifier(n_estimators=trees, learning_rate=0.12, max_depth=3, subsample=0.8, random_state=seed)
    model.fit(x, y)
    for size, loss in enumerate(model.train_score_, start=1):
        orch.metric("train_deviance", loss, size)
        if size % max(1, trees // 6) == 0:
            print(f"{size:4d} rounds: deviance {loss:.4f}", flush=True)
    return model


ALGORITHMS = {"rf": fit_forest, "gbm": fit_boosting}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algo", choices=ALGORITHMS, required=True)
    parser.add_argument("--trees", type=int, required=True)
    parser.add_argument("--holdout-days", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()

    source = orch.given("data")
    train, holdout = orch.split_by_day(pd.read_csv(source, parse_dates=["produced_at"]), args.holdout_days)
    print(f"training {args.algo} on {len(train)} parts, {len(holdout)} are held out", flush=True)
    model = ALGORITHMS[args.algo](train[orch.FEATURES], train[orch.LABEL], args.trees, args.seed)

    joblib.dump(model, orch.out("model.pkl"))
    importance = dict(zip(orch.FEATURES, (round(float(v), 4) for v in model.feature_importances_)))
    with open(source, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    orch.write_json(orch.artifact("model-card.json"), {
        "name": "scrap-detector", "algorithm": args.algo, "trees": args.trees, "seed": args.seed,
        "features": orch.FEATURES, "importance": importance,
        "trained_on": {"rows": len(train), "scrap_share": round(float(train[orch.LABEL].mean()), 4),
                       "from": str(train["produced_at"].min()), "to": str(train["produced_at"].max()), "sha256": digest},
        "intended_use": "Sorting out parts for manual inspection on press 3. Not for other presses or sheet thicknesses.",
        "limits": "Trained on simulated data; learn again on the line's own parts before use.",
        "versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "pandas": pd.__version__},
    })
    orch.metric("train_rows", len(train))
    orch.metric("model_bytes", os.path.getsize(orch.out("model.pkl")))
    orch.output(algo=args.algo, train_rows=len(train), top_feature=max(importance, key=importance.get))


if __name__ == "__main__":
    main()
