"""Refuses data a model must not learn from: wrong columns, impossible readings, too many gaps, or a
label that is suspiciously rare or frequent. Everything found is reported, not just the first."""
import argparse
import json
import sys

import pandas as pd

import orch

CASTS = {"integer": lambda s: pd.to_numeric(s, errors="coerce"),
         "number": lambda s: pd.to_numeric(s, errors="coerce"),
         "time": lambda s: pd.to_datetime(s, errors="coerce")}


def check_column(data, name, rule, problems):
    """Casts the column in place; a reading out of range counts as missing."""
    text = data[name]
    values = CASTS[rule["type"]](text)
    garbled = int((values.isna() & text.notna()).sum())
    if garbled:
        problems.append(f"{name}: {garbled} values are no {rule['type']}, the first is {text[values.isna() & text.notna()].iloc[0]!r}")
    if rule["type"] == "integer" and not (values.dropna() % 1 == 0).all():
        problems.append(f"{name}: has fractions, integers are expected")
    if rule.get("required") and values.isna().any():
        problems.append(f"{name}: {int(values.isna().sum())} values are missing, none may be")
    outside = pd.Series(False, index=data.index)
    if "min" in rule:
        outside |= values < rule["min"]
    if "max" in rule:
        outside |= values > rule["max"]
    if outside.any():
        problems.append(f"{name}: {int(outside.sum())} values lie outside {rule['min']} to {rule['max']} {rule.get('unit', '')}".rstrip()
                        + f" (seen: {values[outside].min():g} to {values[outside].max():g})")
    data[name] = values


def check(data, schema):
    problems = []
    missing = [c for c in schema["columns"] if c not in data.columns]
    unknown = [c for c in data.columns if c not in schema["columns"]]
    if missing or unknown:
        return [f"columns differ from the schema: missing {missing or 'none'}, unknown {unknown or 'none'}"]
    if len(data) < schema["min_rows"]:
        problems.append(f"{len(data)} rows, at least {schema['min_rows']} are needed")
    for name, rule in schema["columns"].items():
        check_column(data, name, rule, problems)
    if data[schema["key"]].duplicated().any():
        problems.append(f"{schema['key']}: {int(data[schema['key']].duplicated().sum())} values appear twice")
    orch.metric("missing_share", data.isna().any(axis=1).mean())
    for name, share in data.isna().mean().items():
        if share > schema["max_missing_share"] and not schema["columns"][name].get("required"):
            problems.append(f"{name}: {share:.1%} of the readings are missing, at most {schema['max_missing_share']:.1%} may be")
    share, (low, high) = data[schema["label"]].mean(), schema["label_share"]
    orch.metric("label_share", share)
    if not low <= share <= high:
        problems.append(f"{schema['label']}: {share:.1%} of the parts carry the label, {low:.0%} to {high:.0%} are plausible")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schema", required=True)
    with open(parser.parse_args().schema, encoding="utf-8") as f:
        schema = json.load(f)
    data = pd.read_csv(orch.given("raw"))
    problems = check(data, schema)
    orch.metric("problems", len(problems))
    if problems:
        print(f"the data is not fit for training, {len(problems)} problem(s):", file=sys.stderr)
        for problem in problems:
            print(f"  - {problem}", file=sys.stderr)
        sys.exit(1)

    clean = data.dropna()
    clean.to_csv(orch.out("clean.csv"), index=False, float_format="%.5f")
    orch.output(rows=len(clean), dropped=len(data) - len(clean), scrap_share=f"{clean[schema['label']].mean():.4f}")
    orch.metric("rows", len(clean))
    print(f"{len(clean)} of {len(data)} rows are complete, {clean[schema['label']].mean():.2%} of them scrap")


if __name__ == "__main__":
    main()
