# What plan and a dry run say of resources, and what keeps a run from starting before anybody is asked to enforce it.
. "$(dirname "$0")/lib.sh"

# ---- what a step takes, in words and as JSON; usable without orch-step
cat >p.yaml <<'Y'
name: p
defaults: {resources: {memory: 64MiB}}
steps:
  a: {run: echo a}
  b: {run: echo b, needs: a, resources: {cpu: 0.5, pids: 32, io: 50, reserve: {memory: 1MiB}}}
  c: {run: echo c, needs: a, user: root, network: none, resources: {memory: 1GiB, cores: 1, gpu: [2, 0]}}
Y
run 0 env ORCH_STEP=/nonexistent orchctl plan p.yaml
has "cpu 0.5, memory 64MiB, pids 32, reserves memory 1MiB"
has "memory 1GiB, cores 1, gpu 2, no network, as root"
has "not known: what can be enforced here"
is "$(awk 'length > 80' <<<"$out")" ""
run 0 env ORCH_STEP=/nonexistent orchctl plan p.yaml --json
is "$(json '.steps[1].resources|tojson')" '{"cpu":0.5,"memory":67108864,"pids":32,"io":{"weight":50}}'
is "$(json '.steps[2].resources|tojson')" '{"memory":1073741824,"cores":1,"gpu":[0,2]}'
is "$(json '.steps[1].reserve|tojson')" '{"cpu":0.5,"memory":1048576,"cores":0,"gpus":0}'
is "$(json '.steps[2]|[.user,.network,.problem]|tojson')" '["root","none",null]'
is "$(json '.capacity.most|tojson')" '{"cpu":1.5,"memory":1074790400,"cores":1,"gpus":2}'
is "$(json '.capacity|[.cores, .gpus, (.unknown != null), (.cpu >= 1), (.memory > 0)]|tojson')" '[null,null,true,true,true]'

# ---- a pipeline that asks for nothing is planned as ever, and asks nobody
printf 'name: q\nsteps: {a: {run: echo}}\n' >q.yaml
run 0 env ORCH_STEP=/nonexistent orchctl plan q.yaml
lacks "This host"
run 0 env ORCH_STEP=/nonexistent orchctl plan q.yaml --json; is "$(json '.capacity.unknown')" null

# ---- more than there is, and a user who is not: named with step and key, before anything runs
cat >big.yaml <<'Y'
name: big
isolation: best-effort
steps:
  small: {run: touch ran}
  large: {run: touch ran, resources: {cpu: 100000, memory: 900TiB}}
  other: {run: touch ran, user: no-such-user-here}
Y
run 3 orchctl run big.yaml
has "step 'large'" "$err"; has '`resources.cpu` asks for 100000, but this host has' "$err"; has "another step" "$err"
run 3 orchctl run big.yaml --dry-run; has "error: \`user\`: there is no user 'no-such-user-here' on this host"
run 0 orchctl plan big.yaml; has 'error: `resources.cpu` asks for 100000'
run 0 orchctl plan big.yaml --json; is "$(json '.steps|map(.problem == null)|tojson')" '[true,false,false]'
run 3 orchctl run big.yaml --only other; has "step 'other' cannot run here: \`user\`: there is no user" "$err"
check test ! -e ran
run 0 orchctl run big.yaml --only small -q # what does not run is not asked
check test -e ran

finish
