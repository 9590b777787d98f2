# Kills orchctl (-9) at random moments of a run, resumes it, kills that too, and at last lets it end. Every step must have run
# exactly once, with the attempt's own exit code, however often its engine died. ORCH_KILL_ROUNDS sets how often (15).
# In every third round the supervisors are killed as well: then attempts are lost and run again, but none runs twice at a time.
. "$(dirname "$0")/lib.sh"

rounds=${ORCH_KILL_ROUNDS:-15}
seed=${ORCH_KILL_SEED:-$$}
RANDOM=$seed
echo "seed $seed (ORCH_KILL_SEED)"

cat >p.yaml <<'YAML'
name: killed
params: {ledger: /dev/null}
defaults:
  on_lost: rerun
steps:
YAML
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    needs=''
    [ $i -gt 3 ] && needs="needs: [s$((i - 3)), s$((i - 2))], "
    code=0
    [ $i = 5 ] && code=3
    [ $i = 5 ] && needs="${needs}continue_on_error: true, "
    printf '  s%d: {%srun: "echo begin $ORCH_STEP $ORCH_ATTEMPT >> $ORCH_PARAM_LEDGER; sleep 0.05; echo done $ORCH_STEP $ORCH_ATTEMPT >> $ORCH_PARAM_LEDGER; exit %d"}\n' \
        $i "$needs" $code >>p.yaml
done

nap() { sleep "0.$(printf %03d $((RANDOM % $1)))"; }

# One after the other, as a person would find them. A step that is lost three times would fail: one kill a resume is enough.
kill_supervisors() {
    local record pid
    for record in "$ORCH_HOME"/runs/"$1"/*/record; do
        for pid in $(holders orch-step "$record"); do
            kill -9 "$pid" && lost=$((lost + 1)) && return
        done
    done
}
lost=0

for round in $(seq "$rounds"); do
    ledger=$work/ledger.$round
    : >"$ledger"
    orchctl run p.yaml -p "ledger=$ledger" >/dev/null 2>&1 &
    pid=$!
    nap 400
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    id=$(orchctl runs --limit 1 --json | jq -r '.[0].id // empty')
    [ -n "$id" ] && grep -q . "$ledger" || continue # it died before the run existed
    for _ in 1 2; do
        [ $((round % 3)) = 0 ] && kill_supervisors "$id"
        orchctl resume "$id" >/dev/null 2>&1 &
        pid=$!
        nap 250
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
    done
    orchctl resume "$id" >"$work/resume.out" 2>&1
    run 0 orchctl show "$id" --json
    is "$(json .status)" succeeded || cat "$work/resume.out"
    is "$(json '[.steps[] | select(.status != "succeeded")] | map(.name) | join(" ")')" s5
    is "$(json '.steps[4].attempts[-1].exit_code')" 3
    # As many beginnings as attempts, one end each, and no beginning twice.
    is "$(sort "$ledger" | uniq -d)" ''
    is "$(grep -c ^begin "$ledger")" "$(json '[.steps[].attempts[] | select(.started_at != null)] | length')"
    is "$(grep ^done "$ledger" | cut -d' ' -f2 | sort -u | wc -l)" 12
    [ $((round % 3)) = 0 ] || is "$(grep -c ^done "$ledger")" 12
    [ $((round % 3)) = 0 ] || is "$(json '[.steps[].attempts | length] | max')" 1
done
echo "$lost supervisors killed"
run 0 orchctl doctor
finish
