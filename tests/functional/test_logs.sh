# orchctl logs: order, filters, following, and bytes that must not reach a terminal.
. "$(dirname "$0")/lib.sh"

cat >p.yaml <<'Y'
name: logs
steps:
  one:
    run: |
      echo first; sleep 0.05
      echo warn: low >&2; sleep 0.05
      i=0; while [ $i -lt 20 ]; do echo "line $i"; i=$((i+1)); done
  two:
    needs: one
    retry: {limit: 1, delay: 10ms}
    run: |
      echo "try $ORCH_ATTEMPT"
      test "$ORCH_ATTEMPT" = 2
  evil:
    needs: two
    run: printf '\033[2Jcleared\007\n\302\233x\nbad \377 utf\nno newline'
Y
run 0 orchctl run p.yaml -q
run 0 orchctl logs last
is "$(printf '%s\n' "$out" | head -n 1)" "one: first"
has "one: warn: low"; has "two: try 1"; has "two: try 2"; has "evil: no newline"
run 0 orchctl logs last one --tail 3;               is "$out" "line 17
line 18
line 19"
run 0 orchctl logs last --tail 1 --grep '^line 1';  is "$out" "one: line 19"
run 0 orchctl logs last one --grep 'first|warn';    is "$(printf '%s\n' "$out" | wc -l)" 2
run 0 orchctl logs last two;                        is "$out" "try 2"
run 0 orchctl logs last two --attempt 1;            is "$out" "try 1"
run 6 orchctl logs last two --attempt 7;            has "2 attempts" "$err"
run 6 orchctl logs last tow;                        has "did you mean 'two'" "$err"
run 2 orchctl logs last --attempt 1
run 2 orchctl logs last --grep '(';                 has "grep" "$err"
run 2 orchctl logs last --since yesterday;          has "duration" "$err"
run 0 orchctl logs last --since 1h --grep first;    is "$out" "one: first"
run 0 orchctl logs last --since 2099-01-01T00:00:00Z; is "$out" ""
run 0 orchctl logs last --since '2020-01-01 10:00' --grep first; is "$out" "one: first"
run 0 orchctl logs last one --timestamps --tail 1
printf '%s' "$out" | grep -Eq '^[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z line 19$' || bad "timestamps: $out"
run 0 orchctl logs last --json
is "$(printf '%s\n' "$out" | jq -r 'select(.text=="warn: low")|"\(.step) \(.stream) \(.attempt)"')" "one stderr 1"

# Bytes: to a pipe as they were written, to a terminal escaped.
run 0 orchctl logs last evil; has $'\033[2Jcleared'
if command -v script >/dev/null; then
    run 0 script -qec "orchctl logs last evil --color never" /dev/null
    has '^[[2Jcleared^G'; has '<U+009B>x'; has 'bad \xFF utf'; lacks $'\033[2J'; lacks $'\007'
    run 0 script -qec "orchctl logs last evil --raw" /dev/null
    has $'\033[2Jcleared'
fi

# A line longer than the log's is one line again.
cat >long.yaml <<'Y'
name: long
steps: {a: {run: 'printf "%050000d\n" 0; printf tail'}}
Y
run 0 orchctl run long.yaml -q
is "$(orchctl logs last a | wc -l)" 2
is "$(orchctl logs last a | head -n 1 | wc -c)" 50001
is "$(orchctl logs last a --tail 1)" tail

# Following: what is there, what comes, and the end. The lines come while the step runs.
cat >slow.yaml <<'Y'
name: slow
steps:
  a: {run: 'echo begin; while [ ! -e go ]; do sleep 0.05; done; echo end'}
  b: {needs: a, run: 'echo after'}
Y
run 0 orchctl run slow.yaml --detach
id=$out
orchctl logs "$id" -f >follow.txt &
follower=$!
eventually 5 grep -q "a: begin" follow.txt
check test ! -e go
lacks "end" "$(cat follow.txt)"
touch go
wait $follower || bad "logs -f: exit code $?"
is "$(cat follow.txt)" "a: begin
a: end
b: after"

# A step that never ran.
cat >skip.yaml <<'Y'
name: skip
steps:
  a: {run: exit 1}
  b: {needs: a, run: echo}
Y
run 1 orchctl run skip.yaml -q
run 0 orchctl logs last b; has "has not run" "$err"
run 6 orchctl logs 0000000; has "0000000" "$err"

# A reader that goes away ends us quietly.
run 0 bash -c 'orchctl logs slow#1 | head -n 1'; is "$out" "a: begin"
finish
