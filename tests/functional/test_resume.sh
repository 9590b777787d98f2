# kill -9 of orchctl in the middle of steps: they live on, resume picks them up, nothing runs twice.
. "$(dirname "$0")/lib.sh"

cat >p.yaml <<'Y'
name: r
steps:
  done:  {run: 'echo done >> ran; echo n=1 >> "$ORCH_OUTPUT"'}
  live:  {needs: done, run: 'echo live >> ran; while [ ! -e go ]; do sleep 0.05; done; echo "still ${{ steps.done.outputs.n }}"; echo out > "$ORCH_OUT/o"; echo m=2 >> "$ORCH_OUTPUT"; echo "f1 0.5" >> "$ORCH_METRICS"', outputs: {o: {path: o}}}
  short: {needs: done, run: 'echo short >> ran; while [ ! -e killed ]; do sleep 0.05; done; exit 7', continue_on_error: true}
  after: {needs: [live, short], run: 'echo "after ${{ steps.live.outputs.m }}" >> ran; cat ${{ steps.live.outputs.o }} >> ran'}
Y

run 0 orchctl run p.yaml --detach; id=$out
eventually 10 grep -q short ran; eventually 10 grep -q live ran
pid=$(engine_pid "$id"); check test -n "$pid"
kill -9 "$pid"
touch killed
eventually 10 test ! -e "/proc/$pid"
run 0 orchctl show "$id"; has "interrupted"; has "orchctl resume"
run 0 orchctl runs --json; is "$(json '.[0].status')" running
run 0 orchctl logs "$id" live -f; has "orchctl resume" "$err"
# A short step ended while nobody looked; the live one still runs.
sleep 0.3
date -u +%Y-%m-%dT%H:%M:%S.%3NZ >taken-in
orchctl resume "$id" >resume.txt 2>&1 &
resumed=$!
eventually 10 grep -q "short: failed" resume.txt
run 2 orchctl resume "$id"; has "$(printf %.12s "$id")" "$err"; has "another orchctl drives it" "$err"
run 2 orchctl resume "$id" --json; is "$(json .error.code)" busy
touch go
wait $resumed; is "$?" 0
has "live: succeeded" "$(cat resume.txt)"
run 0 orchctl show "$id" --json
# A step ends when its attempt ends, also when nobody listened.
is "$(json '[.steps[]|.finished_at == .attempts[-1].finished_at]|all')" true
is "$(json '.finished_at == (.steps|map(.finished_at)|max)')" true
check test "$(json '.steps[2].finished_at')" \< "$(cat taken-in)"
is "$(sort ran | tr '\n' ' ')" "after 2 done live out short "
run 0 orchctl show "$id" --json
is "$(json .status)" succeeded
is "$(json '.steps[2]|"\(.status) \(.reason) \(.attempts[0].exit_code)"')" "failed exit 7"
is "$(json '.steps|map(.attempts|length)|join(",")')" 1,1,1,1
is "$(json '.steps[1].metrics.f1')" 0.5
run 0 orchctl logs "$id" live; is "$out" "still 1"
run 2 orchctl resume "$id"

# ---- the supervisor dies too: the step is lost, and runs again without counting as a retry
rm -f go killed ran
cat >lost.yaml <<'Y'
name: lost
steps:
  a: {run: 'echo "a $ORCH_ATTEMPT" >> ran; [ $ORCH_ATTEMPT = 2 ] || sleep 60'}
  b: {on_lost: ask, run: 'echo b >> ran; sleep 60'}
  c: {on_lost: fail, run: 'echo c >> ran; sleep 60', continue_on_error: true}
  d: {needs: [b], run: 'echo d >> ran'}
Y
run 0 orchctl run lost.yaml --detach -j 4; id=$out
eventually 10 sh -c 'test "$(wc -l <ran)" = 3'
kill -9 "$(engine_pid "$id")"
for record in "$ORCH_HOME/runs/$id"/*@1/record; do # the supervisors of its attempts
    for pid in $(holders orch-step "$record"); do kill -9 "$pid"; done
done
orchctl resume "$id" -q >resume.txt 2>quiet.txt &
resumed=$!
eventually 15 grep -q "b: waiting" quiet.txt
has "orchctl resolve $(printf %.12s "$id") b" "$(cat quiet.txt)"
kill -9 $resumed
wait $resumed 2>/dev/null
orchctl resume "$id" >resume.txt 2>&1 &
resumed=$!
eventually 15 grep -q "b: waiting" resume.txt
has "orchctl resolve" "$(cat resume.txt)"
eventually 10 sh -c "orchctl show $id --json | jq -e '.steps[0].status == \"succeeded\"'"
run 0 orchctl show "$id"; has "waiting"; has "resolve"
run 2 orchctl resolve "$id" a failed --reason x
run 0 orchctl resolve "$id" b succeeded --reason "looked at the line"
wait $resumed; is "$?" 0
run 0 orchctl show "$id" --json
is "$(json '.steps|map(.status)|join(",")')" succeeded,succeeded,failed,succeeded
is "$(json '.steps[0].attempts|map(.status)|join(",")')" lost,succeeded
is "$(json '.steps[2].reason')" lost
is "$(grep -c b ran)" 1

# ---- killed again and again: each step runs once, the run ends
rm -f ran
cat >chain.yaml <<'Y'
name: chain
steps:
  s1: {run: 'echo 1 >> ran; sleep 0.15'}
  s2: {needs: s1, run: 'echo 2 >> ran; sleep 0.15'}
  s3: {needs: s2, run: 'echo 3 >> ran; sleep 0.15'}
  s4: {needs: s3, run: 'echo 4 >> ran; sleep 0.15'}
  s5: {needs: s4, run: 'echo 5 >> ran; sleep 0.15'}
Y
run 0 orchctl run chain.yaml --detach; id=$out
for pause in 0.05 0.12 0.2 0.07 0.15; do
    sleep $pause
    pid=$(engine_pid "$id")
    [ -n "$pid" ] && kill -9 "$pid"
    orchctl resume "$id" >>resume.txt 2>&1 &
done
wait
orchctl resume "$id" >/dev/null 2>&1
run 0 orchctl show "$id" --json; is "$(json .status)" succeeded
is "$(tr -d '\n' <ran)" 12345
is "$(json '.steps|map(.attempts|length)|join("")')" 11111
finish
