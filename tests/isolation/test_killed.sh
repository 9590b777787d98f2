# The supervisor is killed, or the launcher: nothing of a step goes on without somebody who knows of it.
. "$(dirname "$0")/lib.sh"
need pids memory

cat >p.yaml <<'Y'
name: killed
steps:
  a:
    run: 'echo "a $ORCH_ATTEMPT" >> ran; [ "$ORCH_ATTEMPT" = 2 ] && exit 0; setsid sh -c "sleep 311 & exec env -i sleep 312" & sleep 313'
    resources: {pids: 30, memory: 256MiB}
Y
# ---- supervisor: the launcher empties the cgroup, the step runs again
run 0 orchctl run p.yaml --detach; id=$out
eventually 10 grep -q "a 1" ran
eventually 10 pgrep -f 'sleep 312'
kill -9 "$(holders orch-step "$ORCH_HOME/runs/$id/a@1/record" | head -n 1)"
eventually 15 sh -c "orchctl show $id --json | jq -e '.status == \"succeeded\"'"
check [ "$(pgrep -fc 'sleep 31[123]')" = 0 ]
run 0 orchctl show "$id" --json
is "$(json '.steps[0].attempts|map(.status)|join(",")')" lost,succeeded
no_new_places

# ---- launcher, engine and supervisor: what is left is found by the record
rm -f ran
run 0 orchctl run p.yaml --detach; id=$out
eventually 10 grep -q "a 1" ran
eventually 10 pgrep -f 'sleep 312'
engine=$(engine_pid "$id")
supervisor=$(holders orch-step "$ORCH_HOME/runs/$id/a@1/record" | head -n 1)
launcher=$(awk '{ print $4 }' "/proc/$supervisor/stat")
kill -9 "$engine" "$launcher"
kill -9 "$supervisor"
check pgrep -f 'sleep 312' >/dev/null
run 0 orchctl resume "$id"
check [ "$(pgrep -fc 'sleep 31[123]')" = 0 ]
is "$(grep -c 'a 2' ran)" 1

# ---- launcher alone: the step goes on, is picked up, and its place is tidied by whoever comes next
cat >q.yaml <<'Y'
name: orphan
steps:
  a: {run: 'while [ ! -e go ]; do sleep 0.05; done; echo through', resources: {pids: 30, memory: 256MiB}}
  b: {needs: a, run: 'echo b', resources: {pids: 30}}
Y
run 0 orchctl run q.yaml --detach; id=$out
eventually 10 test -e "$ORCH_HOME/runs/$id/a@1/record"
eventually 10 sh -c "orchctl show $id --json | jq -e '.steps[0].status == \"running\"'"
supervisor=$(holders orch-step "$ORCH_HOME/runs/$id/a@1/record" | head -n 1)
kill -9 "$(awk '{ print $4 }' "/proc/$supervisor/stat")"
sleep 0.3
touch go
eventually 15 sh -c "orchctl show $id --json | jq -e '.status == \"succeeded\"'"
run 0 orchctl logs "$id" a; has through
# What kill -9 of a launcher leaves are folders without processes.
for place in $(new_places); do is "$(cat "$place/cgroup.procs" 2>/dev/null)" ""; done
finish
