# Steps that do what no step should: they must fail, or harm nobody but themselves; nothing may hang.
. "$(dirname "$0")/lib.sh"

cat >hostile.yaml <<'Y'
name: hostile
defaults: {continue_on_error: true, timeout: 20s, grace: 1s}
steps:
  fifo-log: {run: "mkfifo $ORCH_OUT/../log; echo one; echo two; exit 3"}
  open-fifo-log: {run: 'mkfifo $ORCH_OUT/../log; exec 7<>$ORCH_OUT/../log; seq 1 100000; exit 3'}
  own-pipe:
    run: |
      timeout 1 cat /proc/self/fd/1 >/dev/null 2>&1 &
      timeout 1 cat /proc/self/fd/1 >/dev/null 2>&1 &
      i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i + 1)); done; wait
  link-output: {run: 'echo k=v >$ORCH_OUT/z; ln -sf $ORCH_OUT/z $ORCH_OUTPUT'}
  link-metrics: {run: 'ln -sf /etc/passwd $ORCH_METRICS'}
  fifo-output: {run: 'rm -f $ORCH_OUTPUT; mkfifo $ORCH_OUTPUT'}
  special: {run: 'mkfifo $ORCH_ARTIFACTS/p; ln -s /etc/passwd $ORCH_ARTIFACTS/l; echo x >$ORCH_ARTIFACTS/kept'}
  closed: {run: 'exec 0<&- 1>&- 2>&-; sleep 0.1'}
  daemon: {run: 'setsid sleep 100 & (trap "" TERM HUP; setsid sleep 100) & echo ok'}
  no-modes: {run: 'mkdir $ORCH_ARTIFACTS/d; echo 1 >$ORCH_ARTIFACTS/d/f; chmod 000 $ORCH_ARTIFACTS/d/f; chmod 000 $ORCH_OUT/..'}
  gone: {run: 'd=$(dirname $ORCH_OUT); rm -rf $d; mkdir $d; echo x >$d/record'}
  stops-us: {run: 'kill -STOP $PPID; sleep 100', timeout: 1s}
  deep:
    run: |
      printf 'v=%s%s\n' "$(head -c 100000 /dev/zero | tr '\0' '[')" "$(head -c 100000 /dev/zero | tr '\0' ']')" >>$ORCH_OUTPUT
    outputs: {v: {type: list}}
Y
run 0 timeout 60 orchctl run hostile.yaml -q -j 4
run 0 orchctl show last --json
no_modes='succeeded null' # root reads what has no modes; for others it cannot be kept
[ "$(id -u)" = 0 ] || no_modes='failed output'
is "$(json '.steps|map("\(.name) \(.status) \(.reason)")|join("\n")')" "fifo-log failed exit
open-fifo-log failed exit
own-pipe succeeded null
link-output failed output
link-metrics failed output
fifo-output failed output
special succeeded null
closed succeeded null
daemon succeeded null
no-modes $no_modes
gone succeeded null
stops-us failed timeout
deep failed output"
is "$(json '.steps[]|select(.name=="special")|.artifacts|map(.name)|join(",")')" kept
run 0 timeout 10 orchctl logs last fifo-log

# ---- what takes for ever to store can be cancelled, by an engine that has come only then, too
truncate -s 1T hole || skip "this file system has no sparse files of a terabyte"
cat >store.yaml <<'Y'
name: store
steps: {a: {run: 'truncate -s 1T $ORCH_ARTIFACTS/hole', grace: 1s}}
Y
begun() { id=$(orchctl runs --limit 1 --json | jq -r '.[0]|select(.pipeline=="store").id') && [ -s "$ORCH_HOME/runs/$id/a@1/artifacts/hole" ]; }
orchctl run store.yaml -q >o 2>e &
pid=$!
eventually 10 begun
sleep 0.3
run 0 timeout 10 orchctl cancel "$id"
wait $pid; is $? 1
run 0 orchctl show "$id" --json
is "$(json '.status+" "+.steps[0].status')" "cancelled cancelled"
has "cancelled while" "$(json '.steps[0].attempts[0].message // empty')$(orchctl show "$id")"

orchctl run store.yaml -q >o 2>e &
pid=$!
sleep 0.2
eventually 10 begun
sleep 0.3
kill -9 $pid
wait $pid 2>/dev/null
run 0 timeout 20 orchctl cancel "$id" -q
run 0 orchctl show "$id" --json
is "$(json '.status+" "+.steps[0].status')" "cancelled cancelled"

# ---- a clock that was set back: a retry waits no longer than its delay
cat >clock.yaml <<'Y'
name: clock
steps: {a: {run: 'test $ORCH_ATTEMPT = 2', retry: {limit: 1, delay: 1s}}}
Y
orchctl run clock.yaml -q >o 2>e &
pid=$!
waits() { id=$(orchctl runs --limit 1 --json | jq -r '.[0]|select(.pipeline=="clock").id') && orchctl show "$id" | grep -q waiting; }
eventually 10 waits
kill -9 $pid
wait $pid 2>/dev/null
/usr/bin/python3 - "$ORCH_HOME/orch.db" <<'PY'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("update steps set due_ms = due_ms + 31536000000 where due_ms is not null")
c.commit()
PY
run 0 timeout 20 orchctl resume "$id" -q

# ---- a cancel that comes while another takes the run over is not lost, and nothing runs twice
cat >two.yaml <<'Y'
name: two
params: {ledger: /dev/null}
steps:
  a: {run: 'echo begin >>$ORCH_PARAM_LEDGER; exec sleep 100', grace: 1s}
  b: {needs: a, run: 'echo b >>$ORCH_PARAM_LEDGER'}
Y
for round in 1 2 3; do
    : >ledger
    orchctl run two.yaml -p "ledger=$work/ledger" -q >o 2>e &
    pid=$!
    eventually 10 grep -q begin ledger
    kill -9 $pid
    wait $pid 2>/dev/null
    id=$(orchctl runs --limit 1 --json | jq -r '.[0].id')
    orchctl resume "$id" -q >o1 2>e1 &
    first=$!
    orchctl resume "$id" -q >o2 2>e2 &
    second=$!
    run 0 timeout 20 orchctl cancel "$id" -q
    wait $first $second
    is "$(cat ledger)" begin
    run 0 orchctl show "$id" --json
    is "$(json .status)" cancelled
done

# ---- an attempt whose folder or record is taken away while it runs is killed before it runs again
cat >away.yaml <<'Y'
name: away
params: {ledger: /dev/null}
steps:
  a: {run: 'echo begin >>$ORCH_PARAM_LEDGER; sleep 3; echo done >>$ORCH_PARAM_LEDGER'}
Y
for what in a@1/record a@1; do
    : >ledger
    orchctl run away.yaml -p "ledger=$work/ledger" -q >o 2>e &
    pid=$!
    eventually 10 grep -q begin ledger
    sleep 0.2
    kill -9 $pid
    wait $pid 2>/dev/null
    id=$(orchctl runs --limit 1 --json | jq -r '.[0].id')
    mv "$ORCH_HOME/runs/$id/$what" "$work/away.$$" && rm -rf "$work/away.$$"
    run 0 timeout 20 orchctl resume "$id" -q
    is "$(tr '\n' ' ' <ledger)" "begin begin done "
done

# ---- what a put that was killed left in the store goes when it is old and nobody writes it
cd "$ORCH_HOME/artifacts" || exit 1
touch .tmp-new .tmp-held .tmp-old
touch -d '2 hours ago' .tmp-held .tmp-old
exec 8<.tmp-held
flock 8
run 0 orchctl run "$work/clock.yaml" -q
is "$(ls -d .tmp-* | tr '\n' ' ')" ".tmp-held .tmp-new "
exec 8<&-
cd "$work" || exit 1

finish
