# Cancelling: by the verb, by Ctrl-C, with and without grace, with and without a living orchctl.
. "$(dirname "$0")/lib.sh"

cat >p.yaml <<'Y'
name: c
steps:
  obey:   {run: 'trap "echo bye; exit 0" TERM; echo up > obey.up; while :; do sleep 0.05; done'}
  ignore: {grace: 300ms, run: 'trap "" TERM; echo $$ > ignore.up; while :; do sleep 0.05; done'}
  after:  {needs: [obey, ignore], run: echo never}
Y
gone() { ! kill -0 "$1" 2>/dev/null; }

up() { eventually 10 test -s obey.up -a -s ignore.up; }
down() { rm -f obey.up ignore.up; }

# ---- the verb, while orchctl lives
run 0 orchctl run p.yaml --detach; id=$out; up
pid=$(cat ignore.up)
run 0 orchctl cancel "$id"; has "cancelling"
orchctl logs "$id" -f >/dev/null
run 0 orchctl show "$id" --json
is "$(json .status)" cancelled
is "$(json '.steps|map(.status)|join(",")')" cancelled,cancelled,cancelled
is "$(json '.steps[2].attempts|length')" 0
run 0 orchctl logs "$id" obey; has bye
check gone "$pid"
run 2 orchctl cancel "$id"; has "ended" "$err"
down

# ---- at once
sed -i 's/300ms/60s/' p.yaml
run 0 orchctl run p.yaml --detach; id=$out; up
started=$(date +%s)
run 0 orchctl cancel "$id" --kill
orchctl logs "$id" -f >/dev/null
check test $(($(date +%s) - started)) -lt 10
run 0 orchctl show "$id" --json; is "$(json .status)" cancelled
sed -i 's/60s/300ms/' p.yaml
down

# ---- a foreground run whose run somebody else cancels ends with 1
(orchctl run p.yaml >fg.txt 2>&1; echo $? >fg.code) &
up
run 0 orchctl cancel last
wait
is "$(cat fg.code)" 1; has "cancelled" "$(cat fg.txt)"
down

# ---- Ctrl-C: once
orchctl run p.yaml >fg.txt 2>&1 &
pid=$!
up
kill -INT $pid
wait $pid; is "$?" 130
has "cancelling" "$(cat fg.txt)"
run 0 orchctl show last --json; is "$(json .status)" cancelled
down

# ---- twice: kills
sed -i 's/300ms/60s/' p.yaml
orchctl run p.yaml >fg.txt 2>&1 &
pid=$!
up
kill -TERM $pid; eventually 5 grep -q cancelling fg.txt
kill -TERM $pid
wait $pid; is "$?" 130
has "killing" "$(cat fg.txt)"
down

# ---- SIGHUP: the terminal has gone, the run goes on
cat >h.yaml <<'Y'
name: hup
steps: {a: {run: 'echo > hup.up; while [ ! -e hup.go ]; do sleep 0.05; done'}}
Y
orchctl run h.yaml >/dev/null 2>&1 &
pid=$!
eventually 10 test -e hup.up
kill -HUP $pid; sleep 0.2; touch hup.go
wait $pid; is "$?" 0

# ---- the reader of our output goes away: the run goes on
rm -f hup.up hup.go
orchctl run h.yaml | head -n 1 >/dev/null &
eventually 10 test -e hup.up; touch hup.go
eventually 10 sh -c 'orchctl show last --json | jq -e ".pipeline == \"hup\" and .status == \"succeeded\""'

# ---- no orchctl lives: cancel takes the run over
rm -f hup.go hup.up
sed -i 's/60s/300ms/' p.yaml
run 0 orchctl run p.yaml --detach; id=$out; up
pid=$(cat ignore.up)
kill -9 "$(engine_pid "$id")"
eventually 10 sh -c 'orchctl runs | grep -q interrupted' # it is not dead at once
run 0 orchctl runs; has "interrupted"; has "orchctl resume"
check kill -0 "$pid"
run 0 orchctl cancel "$id"
check gone "$pid"
run 0 orchctl show "$id" --json; is "$(json .status)" cancelled
finish
