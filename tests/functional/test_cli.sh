# The command line: every verb's help, typos, exit codes, and JSON that always parses.
. "$(dirname "$0")/lib.sh"

VERBS="run resume cancel resolve runs show logs validate plan graph schema doctor version help"
LATER="approve artifacts audit backfill bundle completion context datasets deployments diff drift feedback gc hosts
maturity metrics models monitors note pipelines plugins projects reject reproduce retry schedule token top trigger why"

run 0 orchctl --version;  has "orchctl "
run 0 orchctl version;    has "orchctl "
run 0 orchctl version --json; check test -n "$(json .version)"
run 0 orchctl --help;     main=$out
run 0 orchctl help;       is "$out" "$main"
run 0 orchctl -h;         is "$out" "$main"
run 2 orchctl;            has "Usage: orchctl" "$err"; is "$out" ""
for verb in $VERBS; do
    has "
  $verb " "$main"
    run 0 orchctl "$verb" --help; has "Usage: orchctl $verb"; has "Examples"; is "$err" ""
    [ "$(printf '%s\n' "$out" | awk '{ if (length > 100) n++ } END { print n + 0 }')" = 0 ] || bad "$verb: help is wider than 100"
    run 0 orchctl help "$verb"; has "Usage: orchctl $verb"
    run 2 orchctl "$verb" --hlep; has "did you mean '--help'?" "$err"
    run 2 orchctl "$verb" --hlep --json; is "$(json .error.code)" usage; is "$err" ""
done
COLUMNS=60 run 0 orchctl help run
[ "$(printf '%s\n' "$out" | sed '/^Examples/,$d' | awk '{ if (length > 60) n++ } END { print n + 0 }')" -le 2 ] || bad "help is not wrapped at 60"
for verb in $LATER; do
    run 2 orchctl "$verb" x; has "'orchctl $verb' is not in this version" "$err"
    run 2 orchctl "$verb" --json; is "$(json .error.code)" unsupported
    run 2 orchctl help "$verb"; has "not in this version" "$err"
    has " $verb" "$main"
done

# ---- words
run 2 orchctl rnu;      has "did you mean 'orchctl run'?" "$err"
run 2 orchctl valdiate x; has "did you mean 'orchctl validate'?" "$err"
run 2 orchctl stop x;   has "did you mean 'orchctl cancel'?" "$err"
run 2 orchctl ls;       has "did you mean 'orchctl runs'?" "$err"
run 2 orchctl status;   has "did you mean 'orchctl show'?" "$err"
run 2 orchctl p.yaml;   has "orchctl run p.yaml" "$err"
run 2 orchctl xyzzyplugh; has "orchctl help" "$err"
run 2 orchctl help xyzzyplugh
run 2 orchctl run;      has "needs FILE" "$err"; has "Usage: orchctl run" "$err"
run 2 orchctl show;     has "needs RUN" "$err"
run 2 orchctl show a b; has "'b'" "$err"
run 2 orchctl --bogus runs; has "--bogus" "$err"
run 2 orchctl runs --limit 0;  has "--limit" "$err"
run 2 orchctl runs --limit;    has "needs an argument" "$err"
run 2 orchctl runs --limit=x;  has "'x'" "$err"
run 2 orchctl runs --status sleeping; has "succeeded" "$err"
run 2 orchctl runs --json=1;   has "takes no argument" "$err"
run 2 orchctl run p.yaml -j0;  has "--jobs" "$err"
run 2 orchctl run p.yaml --only ,; has "names no step" "$err"
run 2 orchctl show "";         has "empty" "$err"
run 2 orchctl run p.yaml -z;   has "'-z'" "$err"
run 2 orchctl runs --color blue; has "auto|always|never" "$err"
run 2 orchctl runs --server http://x; has "--server is not in this version" "$err"
ORCH_SERVER=http://x run 2 orchctl runs;        has "ORCH_SERVER is not in this version" "$err"
ORCH_SERVER=http://x run 2 orchctl runs --json; is "$(json .error.code)" usage
ORCH_SERVER=http://x run 0 orchctl runs --help
ORCH_SERVER='' run 4 orchctl runs
run 2 orchctl run p.yaml --only -p s=x; has "--only needs the name of a step, not the option '-p'" "$err"
run 2 orchctl run p.yaml --only; has "needs an argument" "$err"
run 2 orchctl resolve last a maybe --reason x; has "rerun" "$err"
run 2 orchctl resolve last a failed; has "--reason" "$err"

# ---- no storage
run 4 orchctl runs;        has "no runs are recorded in $ORCH_HOME" "$err"
run 4 orchctl runs --json; is "$(json .error.code)" unavailable; is "$err" ""
run 4 orchctl show last
run 4 orchctl logs last
run 4 orchctl cancel last
run 4 orchctl resume last
check test ! -e "$ORCH_HOME"
run 4 orchctl runs --storage postgresql://x; has "PostgreSQL" "$err"

# ---- options in every place and form
cat >p.yaml <<'Y'
name: p
params: {a: 1, b: x}
steps:
  one: {run: "echo ${{ params.a }}${{ params.b }}"}
  two: {needs: one, run: echo}
Y
run 0 orchctl run -pa=2 p.yaml -p b=y -j2 -q
run 0 orchctl logs last one; is "$out" 2y
run 0 orchctl run --param a=3 --param=b= -qj 1 -- p.yaml
run 0 orchctl logs last one; is "$out" 3
run 0 orchctl --json runs; is "$(json length)" 2
run 0 orchctl --data "$ORCH_HOME" runs; has "p#2"
ORCH_HOME=/nonexistent run 0 orchctl runs --data="$ORCH_HOME"; has "p#2"
run 0 orchctl runs --limit 1; has "p#2"; lacks "p#1"
run 0 orchctl runs -n1; lacks "p#1"
run 0 orchctl run p.yaml --only one two --dry-run; has two
run 0 orchctl run --only one,two p.yaml --dry-run; has two
run 0 orchctl run --only one p.yaml --only two --dry-run; has two
run 0 orchctl run p.yaml --color always; has $'\033[32msucceeded'
NO_COLOR=1 run 0 orchctl run p.yaml --color always; has $'\033['
run 0 orchctl run p.yaml; lacks $'\033'
run 0 orchctl runs --storage "sqlite:$ORCH_HOME/orch.db"; has "p#1"
ORCH_STORAGE=sqlite:$work/other.db run 0 orchctl run p.yaml -q
check test -f "$work/other.db"
ORCH_STORAGE=sqlite:$work/other.db run 0 orchctl runs --json; is "$(json length)" 1

# ---- which run
run 6 orchctl show p#99;      has "p#99" "$err"
run 6 orchctl show ffffffff;  has "ffffffff" "$err"
run 6 orchctl show nosuch#1 --json; is "$(json .error.code)" not_found
run 0 orchctl show last --json; id=$(json .id)
run 0 orchctl show "$id"
run 3 orchctl show "${id:0:5}"; has "fits several runs" "$err"
run 0 orchctl show last; has "one"; has "succeeded"; has "$id"
run 2 orchctl cancel last;    has "ended" "$err"
run 2 orchctl resume last;    has "ended" "$err"
run 2 orchctl resume last --json; check test -n "$(json .error.message)"

# ---- doctor
run 0 orchctl doctor; has "database"; has "orch-step"; has "limits"
run 0 orchctl doctor --json
is "$(json .ok)" true
is "$(json '[.checks[]|select(.name=="database")|.status][0]')" ok
is "$(json '[.checks[]|select(.name=="orch-step")|.status][0]')" ok
ORCH_STEP=/nonexistent run 1 orchctl doctor; has "fail  orch-step"

# ---- closed standard streams do no harm
run 0 sh -c "orchctl run p.yaml <&- >&- 2>&-"

# ---- a full standard output is not silent
if [ -w /dev/full ]; then
    orchctl runs >/dev/full 2>full.txt && bad "a full standard output went unnoticed"
    has "standard output" "$(cat full.txt)"
fi

# ---- a terminal: nothing wider than it, no garbage left
if command -v script >/dev/null; then
    run 0 script -qec "stty cols 80; TERM=xterm orchctl run p.yaml" /dev/null
    has "p#"; has $'\033[32m'
    [ "$(printf '%s' "$out" | sed 's/\x1b\[[0-9;]*[mK]//g; s/\r$//; s/.*\r//' | awk '{ if (length > 80) n++ } END { print n + 0 }')" = 0 ] || bad "wider than 80: $out"
    run 0 script -qec "TERM=dumb orchctl run p.yaml" /dev/null; lacks $'\033'
    NO_COLOR=1 run 0 script -qec "orchctl runs" /dev/null; lacks $'\033[3'
fi
finish
