# lib.sh - sourced by test_*.sh. Each test runs in a folder of its own with its own data folder, and drives the real
# binaries. A check that does not hold is told with its line; the script goes on and fails at its end (finish).
#
#   check CONDITION...                 a test(1)-like command that must succeed
#   run CODE COMMAND...                runs it: its exit code must be CODE; $out and $err hold what it printed
#   has TEXT [WHERE] / lacks TEXT      TEXT stands (does not stand) in $out (or in WHERE)
#   json FILTER                        jq -r over $out
#   is ACTUAL EXPECTED                 the same text
#   eventually SECONDS COMMAND...      succeeds within that time
#   engine_pid RUN                     the pid of the orchctl that drives a run; nothing where none does
#   skip WHY                           ends the test as skipped
set -u
BIN=${ORCH_BIN:?ORCH_BIN must name the folder of the binaries}
PATH=$BIN:$PATH
unset ORCH_STORAGE ORCH_SERVER ORCH_LOG ORCH_STEP NO_COLOR COLUMNS
export LC_ALL=C.UTF-8 TZ=UTC

failures=0
out='' err=''
work=$(mktemp -d "${TMPDIR:-/tmp}/orch-test.XXXXXX")
export ORCH_HOME=$work/home
cd "$work" || exit 1

# Whatever a test leaves running is below its data folder, and is ended by the run's own verb.
cleanup() {
    cd /
    if [ -d "$ORCH_HOME/runs" ]; then
        for run in "$ORCH_HOME"/runs/*; do
            timeout 20 orchctl cancel "$(basename "$run")" --kill >/dev/null 2>&1
        done
    fi
    if [ -n "${ORCH_TEST_KEEP:-}" ]; then echo "kept: $work"; else chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"; fi
}
trap cleanup EXIT

bad() {
    local i=1
    while [ "${BASH_SOURCE[$i]}" = "${BASH_SOURCE[0]}" ]; do i=$((i + 1)); done
    echo "FAILED $(basename "${BASH_SOURCE[$i]}"):${BASH_LINENO[$((i - 1))]}: $*" >&2
    failures=$((failures + 1))
    return 1
}

check() { "$@" || bad "not so: $*"; }

run() {
    local want=$1 code
    shift
    "$@" >"$work/.out" 2>"$work/.err"
    code=$?
    out=$(tr -d '\0' <"$work/.out")
    err=$(tr -d '\0' <"$work/.err")
    [ "$code" = "$want" ] || bad "exit code $code instead of $want: $*
--- stdout
$(head -c 3000 "$work/.out")
--- stderr
$(head -c 3000 "$work/.err")"
}

has() {
    case "${2-$out}" in
    *"$1"*) ;;
    *) bad "'$1' does not stand in: $(printf %s "${2-$out}" | head -c 2000)" ;;
    esac
}

lacks() {
    case "${2-$out}" in
    *"$1"*) bad "'$1' stands in: $(printf %s "${2-$out}" | head -c 2000)" ;;
    esac
}

is() { [ "$1" = "$2" ] || bad "'$1' instead of '$2'"; }

json() { printf '%s' "$out" | jq -r "$1"; }

eventually() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $until ]; then
            bad "did not come true: $*"
            return 1
        fi
        sleep 0.05
    done
}

# The pids of the processes called NAME that hold FILE open.
holders() { # NAME FILE
    local dir fd name
    for dir in /proc/[0-9]*; do
        name=''
        { read -r name <"$dir/comm"; } 2>/dev/null
        [ "$name" = "$1" ] || continue
        for fd in "$dir"/fd/*; do
            [ "$fd" -ef "$2" ] && echo "${dir#/proc/}" && break
        done
    done
}

engine_pid() { holders orchctl "$ORCH_HOME/runs/$1/engine.lock" | head -n 1; }

skip() {
    echo "skipped: $*"
    exit 77
}

finish() {
    if [ $failures -gt 0 ]; then
        echo "$failures checks failed"
        exit 1
    fi
    exit 0
}
