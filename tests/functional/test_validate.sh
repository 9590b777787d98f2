# orchctl validate, graph, schema: files and what is wrong with them.
. "$(dirname "$0")/lib.sh"

cat >good.yaml <<'Y'
name: good
steps:
  a: {run: echo a}
  b: {needs: a, run: [echo, b]}
Y
run 0 orchctl validate good.yaml; has "good.yaml: valid"
run 0 orchctl validate good.yaml --json
is "$(json .valid)" true; is "$(json '.diagnostics|length')" 0
run 0 orchctl validate - <good.yaml; has "valid"

cat >bad.yaml <<'Y'
name: bad
params: {days: 14}
steps:
  ingest: {run: "echo ${{ params.dayz }}"}
  train: {needs: ingset, run: echo, depends_on: ingest}
  loop: {needs: pool, run: echo}
  pool: {needs: loop, run: echo}
Y
run 3 orchctl validate bad.yaml
has "bad.yaml:4:" "$err"; has "dayz" "$err"; has "days" "$err"; has "ingset" "$err"; has "depends_on" "$err"; has "^" "$err"
run 3 orchctl validate bad.yaml --json
is "$(json .valid)" false
is "$(json '.diagnostics|map(.severity)|unique|join(",")')" error
check test "$(json '.diagnostics|length')" -ge 4
is "$(json '.diagnostics[0]|keys_unsorted|join(",")')" severity,file,line,column,code,message,hint
is "$(json '.diagnostics[0].file')" bad.yaml
is "$(json '.diagnostics[0].line')" 4
check test "$(json '[.diagnostics[]|select(.code=="cycle")]|length')" = 1
run 3 orchctl run bad.yaml; has "dayz" "$err"; check test ! -e "$ORCH_HOME"
run 3 orchctl run bad.yaml --json; is "$(json .error.code)" invalid; check test "$(json '.error.diagnostics|length')" -ge 4
run 3 orchctl plan bad.yaml
run 3 orchctl graph bad.yaml

run 3 orchctl validate good.yaml bad.yaml; has "good.yaml: valid"
run 6 orchctl validate none.yaml; has "none.yaml" "$err"
run 6 orchctl validate none.yaml --json; is "$(json .valid)" false; is "$(json '.diagnostics[0].code')" unreadable
run 3 orchctl validate /dev/null

# Larger than a pipeline may be: a fault of the file.
{ echo 'name: big'; head -c 17000000 /dev/zero | tr '\0' '#'; } >big.yaml
run 3 orchctl validate big.yaml; has "big.yaml: error:" "$err"; has "[too-large]" "$err"
run 3 orchctl validate - <big.yaml; has "[too-large]" "$err"
run 3 orchctl validate big.yaml --json; is "$(json .valid)" false; is "$(json '.diagnostics|map(.code)|join(",")')" too-large
for verb in run plan graph; do run 3 orchctl $verb ./big.yaml; has "[too-large]" "$err"; done
run 3 orchctl run ./big.yaml --json
is "$(json '"\(.error.code) \(.error.diagnostics[0].code)"')" "invalid too-large"
run 3 orchctl run good.yaml --params-file big.yaml; has "[too-large]" "$err"
run 3 orchctl run good.yaml --params-file big.yaml --json; is "$(json '.error.diagnostics[0].code')" too-large
rm big.yaml
printf 'name: x\0y\nsteps: {}\n' >nul.yaml;    run 3 orchctl validate nul.yaml
printf 'name: x\nsteps: {a: {run: "\xff"}}\n' >utf.yaml; run 3 orchctl validate utf.yaml

# Terminal sequences in a file are shown, not obeyed.
printf 'name: "x\\e[2Jy"\nsteps: {a: {run: echo}}\n' >esc.yaml
run 3 orchctl validate esc.yaml; lacks $'\033' "$err"
printf 'name: x\nsteps:\n  a: {run: echo, "k\x1b[31m": 1}\n' >esc.yaml
run 3 orchctl validate esc.yaml; lacks $'\033[31m' "$err"

# Valid, but not to be run by this version: a note.
cat >later.yaml <<'Y'
name: later
steps:
  train: {run: echo, matrix: {a: [1, 2]}}
Y
run 0 orchctl validate later.yaml; has "matrix" "$err"
run 0 orchctl validate later.yaml --json
is "$(json .valid)" true
is "$(json '.diagnostics[0]|"\(.severity) \(.code)"')" "warning not-yet"
run 3 orchctl run later.yaml; has "matrix" "$err"

# Colours.
run 3 orchctl validate bad.yaml --color always; has $'\033[' "$err"
run 3 orchctl validate bad.yaml --color=never;  lacks $'\033[' "$err"

run 0 orchctl graph good.yaml;                  has a; has b
run 0 orchctl graph good.yaml --format dot;     has "digraph"; has "->"
run 0 orchctl graph good.yaml --format mermaid; has "-->"
run 0 orchctl graph good.yaml --format json;    check test "$(json type)" = object
run 0 orchctl graph good.yaml --json;           check test "$(json type)" = object
run 2 orchctl graph good.yaml --format svg;     has "text|dot|mermaid|json" "$err"

run 0 orchctl schema
is "$(json '."$schema"')" "https://json-schema.org/draft/2020-12/schema"
finish
