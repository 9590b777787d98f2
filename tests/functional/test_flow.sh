# The rules of flow: conditions, skips, continue_on_error, fail_fast, retries, time-outs, priorities.
. "$(dirname "$0")/lib.sh"

states() { orchctl show last --json | jq -r '.steps|map("\(.name)=\(.status)\(if .reason then ":" + .reason else "" end)")|join(" ")'; }

cat >if.yaml <<'Y'
name: if
params: {deploy: false}
steps:
  a: {run: 'echo go=true >> "$ORCH_OUTPUT"'}
  yes: {needs: a, if: '${{ steps.a.outputs.go == "true" }}', run: echo}
  no: {needs: a, if: params.deploy, run: echo}
  after: {needs: no, run: echo}
  anyway: {needs: no, if: always(), run: echo}
Y
run 0 orchctl run if.yaml -q
is "$(states)" "a=succeeded yes=succeeded no=skipped:condition after=skipped:upstream anyway=succeeded"
run 0 orchctl run if.yaml -q -p deploy=true
is "$(states)" "a=succeeded yes=succeeded no=succeeded after=succeeded anyway=succeeded"

cat >fail.yaml <<'Y'
name: fail
steps:
  bad: {run: exit 3}
  other: {run: echo}
  next: {needs: bad, run: echo}
  clean: {needs: bad, if: failure(), run: 'echo "was ${{ steps.bad.status }} ${{ steps.bad.exit_code }}"'}
  both: {needs: [bad, other], if: always(), run: echo}
Y
run 1 orchctl run fail.yaml -q; has "bad: failed" "$err"
is "$(states)" "bad=failed:exit other=succeeded next=skipped:upstream clean=succeeded both=succeeded"
run 0 orchctl logs last clean; is "$out" "was failed 3"

cat >cont.yaml <<'Y'
name: cont
steps:
  bad: {run: exit 3, continue_on_error: true}
  next: {needs: bad, run: echo}
Y
run 0 orchctl run cont.yaml -q
is "$(states)" "bad=failed:exit next=succeeded"

cat >fast.yaml <<'Y'
name: fast
steps:
  long: {run: sleep 30}
  bad: {run: 'sleep 0.2; exit 1', fail_fast: true}
  later: {needs: long, run: echo}
Y
started=$(date +%s)
run 1 orchctl run fast.yaml -j 2 -q
check test $(($(date +%s) - started)) -lt 10
has "bad=failed:exit" "$(states)"; has "long=cancelled" "$(states)"; has "later=cancelled" "$(states)"

# ---- retries
cat >retry.yaml <<'Y'
name: retry
steps:
  third: {retry: {limit: 2, delay: 20ms, jitter: 0}, run: 'echo try $ORCH_ATTEMPT; test $ORCH_ATTEMPT = 3'}
  codes: {retry: {limit: 5, delay: 10ms, exit_codes: [75]}, run: 'test $ORCH_ATTEMPT = 1 && exit 75; exit 4'}
Y
run 1 orchctl run retry.yaml
has "third: attempt 1 failed: "; has "exit code 1; retry in 20ms"; has "third: succeeded"
is "$(states)" "third=succeeded codes=failed:exit"
run 0 orchctl show last --json
is "$(json '.steps|map(.attempts|length)|join(",")')" 3,2
is "$(json '.steps[0].attempts|map(.status)|join(",")')" failed,failed,succeeded
run 0 orchctl logs last third --attempt 2; is "$out" "try 2"

# ---- time-outs: of an attempt, of the run
cat >time.yaml <<'Y'
name: time
steps:
  slow: {timeout: 300ms, grace: 100ms, run: 'trap "echo told" TERM; while :; do sleep 0.05; done'}
Y
run 1 orchctl run time.yaml; has "timeout"
is "$(states)" "slow=failed:timeout"
run 0 orchctl logs last slow; has "told"
cat >runtime.yaml <<'Y'
name: runtime
timeout: 400ms
steps:
  slow: {run: sleep 30}
  next: {needs: slow, run: echo}
Y
run 124 orchctl run runtime.yaml -q
run 0 orchctl show last --json; is "$(json .reason)" timeout; has "$(json .status)" "failed cancelled"

# ---- priorities decide who is first where not all fit
cat >prio.yaml <<'Y'
name: prio
steps:
  low: {priority: -1, run: echo low >> order}
  mid: {run: echo mid >> order}
  high: {priority: 5, run: echo high >> order}
Y
run 0 orchctl run prio.yaml -j1 -q
is "$(tr '\n' ' ' <order)" "high mid low "

# ---- resources: more than the host has is an error before anything runs
cat >big.yaml <<'Y'
name: big
isolation: best-effort
steps: {a: {resources: {memory: 900TiB}, run: echo}}
Y
orchctl run big.yaml >o 2>e && bad "900TiB were granted"
has "memory" "$(cat e)"

# ---- killed by a signal
printf 'name: k\nsteps: {a: {run: "kill -SEGV $$"}}\n' >k.yaml
run 1 orchctl run k.yaml
is "$(states)" "a=failed:signal"
run 0 orchctl show last --json; is "$(json '.steps[0].attempts[0].signal')" 11

# ---- what a step starts in the background ends with it
printf 'name: bg\nsteps: {a: {run: "sleep 300 & echo $! > bg.pid"}}\n' >bg.yaml
run 0 orchctl run bg.yaml -q
gone() { ! kill -0 "$(cat bg.pid)" 2>/dev/null; }
eventually 3 gone

# ---- another shell, a list without a shell
cat >shells.yaml <<'Y'
name: shells
params: {v: "a b; $HOME"}
steps:
  list: {run: [printf, "%s|", "${{ params.v }}", "x  y"]}
  py: {shell: [/usr/bin/python3, -u], run: "import os\nprint(os.environ['ORCH_PARAM_V'])"}
Y
run 0 orchctl run shells.yaml -q
run 0 orchctl logs last list; is "$out" 'a b; $HOME|x  y|'
run 0 orchctl logs last py; is "$out" 'a b; $HOME'

# ---- all parameters as one map
cat >params.yaml <<'Y'
name: params
params: {a: 1, b: {type: list, default: [x]}}
steps:
  json: {run: 'echo ${{ toJSON(params) }} ${{ keys(params) }}'}
  cond: {if: "length(params) == 2", run: 'echo ${{ params }}'}
Y
run 0 orchctl run params.yaml -q
run 0 orchctl logs last; has 'json: {"a":1,"b":["x"]} ["a","b"]'; has 'cond: {"a":1,"b":["x"]}'
finish
