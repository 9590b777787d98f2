# orchctl run: from a file to a recorded run; first use in an empty folder.
. "$(dirname "$0")/lib.sh"

# ---- first use: nothing exists, no ORCH_HOME
mkdir first && cd first
saved=$ORCH_HOME; unset ORCH_HOME
run 4 orchctl runs;             has "no runs are recorded" "$err"
run 6 orchctl run pipeline.yaml; has "pipeline.yaml" "$err"
check test ! -e .orch
cat >pipeline.yaml <<'Y'
name: hello
steps:
  greet: {run: echo hello}
Y
run 0 orchctl run pipeline.yaml
has "run hello#1"; has "greet: succeeded"; has "hello#1 succeeded"
check test -d .orch
is "$(cat .orch/.gitignore)" "*"
mkdir -p sub/deep && cd sub/deep
run 0 orchctl show last;        has "hello#1"
cd ../..
run 0 orchctl runs;             has "hello#1"; has "succeeded"
export ORCH_HOME=$saved
cd "$work"

# ---- a chain, parameters, the record
cat >p.yaml <<'Y'
name: press-line
description: Simulated
params:
  days: 14
  algo: {type: string, enum: [rf, gbm], default: rf}
  rate: {type: number, default: 0.5, min: 0, max: 1}
steps:
  ingest:
    kind: ingest
    run: |
      echo "days ${{ params.days }}"
      echo rows=42 >> "$ORCH_OUTPUT"
      echo data > "$ORCH_OUT/raw.csv"
    outputs: {raw: {path: raw.csv}}
  train:
    kind: train
    needs: ingest
    run: |
      test "$(cat ${{ steps.ingest.outputs.raw }})" = data
      echo "rows ${{ steps.ingest.outputs.rows }} algo ${{ params.algo }}"
      echo "f1 0.83" >> "$ORCH_METRICS"
Y
run 0 orchctl run p.yaml -p days=3 --param=algo=gbm
has "press-line#1 succeeded"; has "f1=0.83"
run 0 orchctl logs last; has "ingest: days 3"; has "train: rows 42 algo gbm"
run 0 orchctl show press-line#1 --json
is "$(json .pipeline)" press-line
is "$(json .status)" succeeded
is "$(json .params.days)" 3
is "$(json .params.algo)" gbm
is "$(json .params.rate)" 0.5
is "$(json .trigger.type)" manual
is "$(json '.steps|map(.name)|join(",")')" ingest,train
is "$(json '.steps[1].needs[0]')" ingest
is "$(json '.steps[0].kind')" ingest
is "$(json '.steps[0].outputs.rows')" 42
is "$(json '.steps[1].metrics.f1')" 0.83
is "$(json '.steps[1].attempts[0].exit_code')" 0
is "$(json '.steps[1].attempts[0].executor')" process
is "$(json '.steps[1].attempts[0].status')" succeeded
check test "$(json '.steps[1].attempts[0].cpu_seconds >= 0')" = true
check test "$(json '.steps[1].attempts[0].peak_memory_bytes > 0')" = true
printf '%s' "$(json .created_at)" | grep -Eq '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z$' || bad "created_at: $(json .created_at)"
printf '%s' "$(json .id)" | grep -Eq '^[0-9a-f]{32}$' || bad "id: $(json .id)"
id=$(json .id)
run 0 orchctl show "${id:0:14}" --json; is "$(json .id)" "$id"

# ---- parameters from a file; -p goes before it; wrong ones
printf 'days: 7\nalgo: gbm\n' >v.yaml
run 0 orchctl run p.yaml --params-file v.yaml -p days=8 -q; is "$out" ""
run 0 orchctl show last --json; is "$(json '.params|"\(.days) \(.algo)"')" "8 gbm"
run 2 orchctl run p.yaml -p dayz=3;  has "dayz" "$err"; has "days" "$err"
run 2 orchctl run p.yaml -p days=x;  has "days" "$err"
run 2 orchctl run p.yaml -p algo=svm; has "rf" "$err"
run 2 orchctl run p.yaml -p rate=2;  has "rate" "$err"
run 2 orchctl run p.yaml -p days;    has "NAME=VALUE" "$err"
run 6 orchctl run p.yaml --params-file none.yaml; has "none.yaml" "$err"
printf 'dayz: 7\n' >v.yaml
run 3 orchctl run p.yaml --params-file v.yaml; has "dayz" "$err"
run 0 orchctl runs --json; is "$(json length)" 2

# ---- values from outside never become syntax
cat >quote.yaml <<'Y'
name: quote
params: {v: x}
steps:
  show:
    run: printf '[%s]' ${{ params.v }} "a ${{ params.v }}"
Y
run 0 orchctl run quote.yaml -p 'v=$(touch pwned); `touch pwned` "x" '"'y'" -q
check test ! -e pwned
run 0 orchctl logs last show
has '[$(touch pwned); `touch pwned` "x" '"'y'][a "

# ---- a dry run and a plan start nothing
run 0 orchctl run p.yaml --dry-run; has "ingest"; has "after ingest"
run 0 orchctl plan p.yaml --json; is "$(json '.steps|map(.what)|join(",")')" run,run
run 0 orchctl runs --pipeline press-line --json; is "$(json length)" 2

# ---- parts of a pipeline
run 0 orchctl run ./p.yaml --from train
has "ingest: reused"
run 0 orchctl show last --json
is "$(json '.steps|map(.status)|join(",")')" reused,succeeded
is "$(json '.steps[0].attempts|length')" 0
run 0 orchctl logs last train; has "rows 42"
run 0 orchctl run p.yaml --only ingest; has "train: skipped"
run 2 orchctl run p.yaml --only trian; has "train" "$err"
run 2 orchctl run p.yaml --from a --only b; has "exclude" "$err"

# ---- a failing run
cat >bad.yaml <<'Y'
name: bad
steps:
  boom: {run: "sleep 0.1; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; echo oops >&2; exit 3"}
  next: {needs: boom, run: echo never}
Y
run 1 orchctl run bad.yaml
has "boom: running (attempt 1)"; has "boom: failed"; has "exit code 3"; has "| oops"; has "| line 12"; lacks "| line 2
"; has "orchctl logs"; has "next: skipped"; has "bad#1 failed"
run 0 orchctl show last; has "failed"; has "exit code 3"
run 0 orchctl runs --status failed --json; is "$(json '.[0].pipeline')" bad; is "$(json '.[0].steps')" null
run 0 orchctl runs --status cancelled; has "no run" "$err"

# ---- events as JSON, the last line is what show prints
run 1 orchctl run bad.yaml --json
printf '%s\n' "$out" | while IFS= read -r line; do printf '%s' "$line" | jq -e . >/dev/null || echo bad; done | grep -q bad && bad "a line is no JSON"
is "$(printf '%s\n' "$out" | tail -n 1 | jq -r '.status')" failed
id=$(printf '%s\n' "$out" | tail -n 1 | jq -r '.id')
is "$(printf '%s\n' "$out" | tail -n 1 | jq -S .)" "$(orchctl show "$id" --json | jq -S .)"
is "$(printf '%s\n' "$out" | jq -r 'select(.event=="step" and .status=="failed")|.step')" boom

# ---- detached
cat >slow.yaml <<'Y'
name: slow
steps: {nap: {run: "sleep 0.5; echo rested"}}
Y
run 0 orchctl run slow.yaml --detach
id=$out
printf '%s' "$id" | grep -Eq '^[0-9a-f]{32}$' || bad "not an id: $id"
run 0 orchctl logs "$id" -f; has "nap: rested"
run 0 orchctl show "$id" --json; is "$(json .status)" succeeded
eventually 5 grep -q "slow#1 succeeded" "$ORCH_HOME/runs/$id/engine.log"
run 0 orchctl run slow.yaml -d --json; printf '%s' "$(json .id)" | grep -Eq '^[0-9a-f]{32}$' || bad "no id"
orchctl logs "$(json .id)" -f >/dev/null
run 3 orchctl run --detach <(echo 'name: x')
run 6 orchctl run --detach ./none.yaml

# ---- a NAME is a daemon's
run 4 orchctl run slow;   has "slow.yaml" "$err"; has "no daemon" "$err"
run 4 orchctl run nosuch; has "./nosuch" "$err"

# ---- at most -j together
cat >par.yaml <<'Y'
name: par
steps:
  a: &s {run: 'echo + >> par.log; sleep 0.2; echo - >> par.log'}
  b: *s
  c: *s
Y
run 0 orchctl run par.yaml -j1 -q
is "$(tr -d '\n' <par.log)" "+-+-+-"
rm par.log
run 0 orchctl run par.yaml -j 3 -q
is "$(tr -d '\n' <par.log)" "+++---"

# ---- the working directory is the pipeline's folder, whatever the current one is
mkdir -p elsewhere/deep
cat >elsewhere/w.yaml <<'Y'
name: where
steps:
  here: {run: pwd}
  there: {workdir: deep, run: [pwd]}
Y
run 0 orchctl run elsewhere/w.yaml -q
run 0 orchctl logs last here;  is "$out" "$(realpath elsewhere)"
run 0 orchctl logs last there; is "$out" "$(realpath elsewhere/deep)"

# ---- several on one data folder at a time
for i in 1 2 3 4; do orchctl run slow.yaml -q & done; wait
run 0 orchctl runs --pipeline slow --json
is "$(json '[.[]|select(.status=="succeeded")]|length')" 6

# ---- a step may call orchctl, although its ORCH_STEP is no path
printf 'name: inner\nsteps: {i: {run: echo inside}}\n' >inner.yaml
printf 'name: outer\nsteps: {o: {run: orchctl run inner.yaml --data "$ORCH_ARTIFACTS/inner"}}\n' >outer.yaml
run 0 orchctl run outer.yaml
run 0 orchctl logs last; has "inner#1 succeeded"
finish
