#!/usr/bin/env bash
# check_examples.sh BIN: runs every example from a copy of it and looks at what came out.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
bin=$(cd "$1" && pwd)
PATH=$bin:$PATH
work=$(mktemp -d "$ROOT/build/examples.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT # stored folders are read-only
cp -r "$ROOT/examples" "$work/"
cd "$work/examples"
export ORCH_HOME=$work/data

# expect WHAT GOT WANTED
expect() {
    [ "$2" = "$3" ] || die "$1: got '$2', expected '$3'"
    echo "$1: $2"
}
# step NAME FILTER: of the newest run
step() {
    orchctl show last --json | jq -r --arg name "$1" ".steps[] | select(.name == \$name) | $2"
}

for file in */pipeline.yaml; do
    orchctl validate "$file"
    orchctl plan "$file" >/dev/null
    orchctl graph "$file" --format json | jq -e . >/dev/null
done

orchctl run hello/pipeline.yaml
expect "hello" "$(orchctl logs last | grep -c 'hello from greet')" 1

orchctl run retry-and-conditions/pipeline.yaml
expect "fetch attempts" "$(step fetch '.attempts | length')" 3
expect "slow-check" "$(step slow-check '.status + " " + .reason')" "failed timeout"
expect "alarm" "$(step alarm .status)" skipped
expect "big-batch" "$(step big-batch .status)" succeeded
status=0
orchctl run retry-and-conditions/pipeline.yaml -p broken=true || status=$?
expect "exit code of the failed run" "$status" 1
expect "alarm" "$(step alarm .status)" succeeded
expect "big-batch" "$(step big-batch .status)" skipped

began=$SECONDS
orchctl run scrap-detector/pipeline.yaml
echo "the scrap detector took $((SECONDS - began)) s"
expect "promote" "$(step evaluate .outputs.promote)" true
expect "report" "$(step report .status)" succeeded
f1=$(step evaluate .outputs.f1)
# The simulation is seeded: the same numbers on every machine with these versions of numpy and scikit-learn.
expect "f1 at least 0.80" "$(jq -n --argjson f1 "$f1" '$f1 >= 0.8')" true
model=$(step train .outputs.model)
PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c 'import joblib, sys; print(type(joblib.load(sys.argv[1])).__name__)' "$model"
status=0
orchctl run scrap-detector/pipeline.yaml -p dropout=0.2 || status=$?
expect "exit code with bad data" "$status" 1
expect "check" "$(step check '.status + " " + .reason')" "failed exit"
expect "train" "$(step train '.status + " " + .reason')" "skipped upstream"
expect "the log names the problem" "$(orchctl logs last check | grep -c 'tool_temp_c: .* of the readings are missing')" 1
orchctl run scrap-detector/pipeline.yaml -p algo=gbm -p min_f1=0.99 -p days=8
expect "report" "$(step report '.status + " " + .reason')" "skipped condition"
