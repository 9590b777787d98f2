"""A page for the people at the line: one HTML file that needs nothing else."""
import argparse
import html
import json
import os

import orch

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:15px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}}table{{border-collapse:collapse}}
td,th{{border:1px solid #bbb;padding:.2em .7em;text-align:right}}th:first-child,td:first-child{{text-align:left}}</style>
<h1>{title}</h1><p>Run {run}. F1 <b>{f1:.3f}</b>, the gate is {gate:g}.</p>
<h2>Scores on the held-out days</h2><table><tr>{heads}</tr><tr>{values}</tr></table>
<h2>What happened to the parts</h2><table><tr><th></th><th>called good</th><th>called scrap</th></tr>
<tr><td>good</td><td>{c[0][0]}</td><td>{c[0][1]}</td></tr><tr><td>scrap</td><td>{c[1][0]}</td><td>{c[1][1]}</td></tr></table>
<h2>Day by day</h2><table><tr><th>day</th><th>parts</th><th>scrap</th><th>found</th></tr>{daily}</table>
<h2>What the model looks at</h2><svg width="560" height="{height}" role="img" aria-label="feature importance">{bars}</svg></html>
"""


def bar(row, name, value, largest):
    y = 22 * row
    return (f'<text x="0" y="{y + 15}" font-size="13">{html.escape(name)}</text>'
            f'<rect x="180" y="{y + 3}" width="{300 * value / largest:.1f}" height="15" fill="#37699b"/>'
            f'<text x="{186 + 300 * value / largest:.1f}" y="{y + 15}" font-size="13">{value:.3f}</text>')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    title = parser.parse_args().title
    with open(orch.given("evaluation"), encoding="utf-8") as f:
        result = json.load(f)
    importance = result["importance"]
    page = PAGE.format(
        title=html.escape(title), run=html.escape(os.environ.get("ORCH_RUN_ID", "by hand")),
        f1=result["scores"]["f1"], gate=result["min_f1"], c=result["confusion"], height=22 * len(importance) + 4,
        heads="".join(f"<th>{html.escape(name)}</th>" for name in result["scores"]),
        values="".join(f"<td>{value:.3f}</td>" for value in result["scores"].values()),
        daily="".join(f"<tr><td>{d['day']}</td><td>{d['parts']}</td><td>{d['scrap']}</td><td>{d['found']}</td></tr>" for d in result["daily"]),
        bars="".join(bar(i, name, value, max(importance.values())) for i, (name, value) in enumerate(importance.items())))
    target = orch.artifact("report.html")
    target.write_text(page, encoding="utf-8")
    print(f"wrote {target.name}, {len(page)} bytes")


if __name__ == "__main__":
    main()
