"""Judges the model on the newest days, which it has never seen, and says whether to promote it."""
import argparse

import joblib
import pandas as pd
from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score, roc_auc_score

import orch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--holdout-days", type=int, required=True)
    parser.add_argument("--min-f1", type=float, required=True)
    args = parser.parse_args()

    _, holdout = orch.split_by_day(pd.read_csv(orch.given("data"), parse_dates=["produced_at"]), args.holdout_days)
    truth = holdout[orch.LABEL]
    if truth.nunique() < 2:
        raise SystemExit(f"the {len(holdout)} held-out parts are all alike: no judgement is possible, take more days")
    model = joblib.load(orch.given("model"))
    probability = model.predict_proba(holdout[orch.FEATURES])[:, 1]
    said = (probability >= 0.5).astype(int)

    scores = {"f1": f1_score(truth, said), "precision": precision_score(truth, said, zero_division=0),
              "recall": recall_score(truth, said), "roc_auc": roc_auc_score(truth, probability)}
    for name, value in scores.items():
        orch.metric(name, value)
        print(f"{name:9s} {value:.4f}")
    promote = bool(scores["f1"] >= args.min_f1)
    print(f"f1 {scores['f1']:.4f} {'reaches' if promote else 'misses'} the gate of {args.min_f1:g}")

    daily = [{"day": str(day), "parts": len(part), "scrap": int(part[orch.LABEL].sum()),
              "found": int((part[orch.LABEL] & pd.Series(said, index=holdout.index)[part.index]).sum())}
             for day, part in holdout.groupby(holdout["produced_at"].dt.date)]
    orch.write_json(orch.out("evaluation.json"), {
        "scores": {name: round(float(value), 4) for name, value in scores.items()}, "min_f1": args.min_f1, "promote": promote,
        "confusion": confusion_matrix(truth, said).tolist(), "daily": daily,
        "importance": dict(sorted(zip(orch.FEATURES, map(float, model.feature_importances_)), key=lambda kv: -kv[1]))})
    orch.output(promote=promote, f1=f"{scores['f1']:.4f}")


if __name__ == "__main__":
    main()
