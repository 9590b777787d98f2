#!/usr/bin/env bash
# Runs a script inside a small Linux of its own (User-Mode Linux, a kernel that is a plain program): cgroup v2 and nothing
# else, root in it, its own disk. What the host has of cgroups does not matter, and nothing can be broken but the guest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

usage() {
    cat <<'HELP'
usage: run.sh [OPTION...] FLAVOUR SCRIPT [ARG...]

Runs `bash SCRIPT ARG...` as root in a guest, passes on what it prints (one stream) and ends with its exit code.

FLAVOUR
  plain      the host's own files, read-only; cgroup v2 at /sys/fs/cgroup and the script at its root
  systemd    Debian 12 with systemd; the script is a service with Delegate=yes, and a user `line` (1000) lingers

OPTION
  --build DIR         folder of the cmake build whose bin/ is tested (default: build/gcc)
  --timeout SECONDS   ends the guest after that time (default: 300)
  --memory SIZE       of the guest (default: 1G)
  --console           print the guest's console to stderr, whatever happens

What the script finds
  ORCH_BIN, ORCH_BUILD, ORCH_SOURCE   as tests/CMakeLists.txt sets them, and every ORCH_TEST_* of the caller
  ORCH_GUEST                          the flavour
  ORCH_GUEST_DISK                     a writable ext4 folder on a disk of its own (/dev/ubdb), for io limits
  TMPDIR, the working folder          writable, empty, gone with the guest

Exit code: the script's; 77 where no guest can be had here (with the reason), 124 after the time-out, 125 where the
guest ended without a result.
HELP
}

none() {
    echo "skipped: no guest: $*"
    exit 77
}

build=$ROOT/build/gcc limit=300 memory=1G console=''
while [ $# -gt 0 ]; do
    case $1 in
    --build | --timeout | --memory)
        [ $# -ge 2 ] || die "$1 needs a value. See run.sh --help"
        case $1 in
        --build) build=$2 ;;
        --timeout) limit=$2 ;;
        --memory) memory=$2 ;;
        esac
        shift 2
        ;;
    --console)
        console=1
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) die "No option $1. See run.sh --help" ;;
    *) break ;;
    esac
done
[ $# -ge 2 ] || die "FLAVOUR and SCRIPT are missing. See run.sh --help"
flavour=$1 script=$2
shift 2
case $flavour in plain | systemd) ;; *) die "No flavour $flavour: plain or systemd" ;; esac
[ -f "$script" ] || die "No script $script"
[ -d "$build" ] || die "No build folder $build: build first, or name another with --build"
build=$(cd "$build" && pwd -P)
script=$(realpath "$script")

[ "$(uname -m)" = x86_64 ] || none "user-mode-linux exists for x86_64 only, this is $(uname -m)"
PATH=$PATH:/usr/sbin:/sbin # an unprivileged user's may lack mke2fs
[ -e /proc/self/fd ] || none "/proc is not mounted"
command -v linux.uml >/dev/null || none "Debian's package user-mode-linux is not installed"
command -v mke2fs >/dev/null || none "Debian's package e2fsprogs is not installed"

image=''
if [ "$flavour" = systemd ]; then
    image=$(bash "$ROOT/tests/guest/make-image.sh") || {
        [ $? -eq 77 ] || die "The image cannot be made, see above"
        none "$image"
    }
fi

# The guest's memory is a file that it maps executable: not every /dev/shm allows that, nor is every one large enough.
holds_memory() { # FOLDER
    local probe free code=0
    free=$(df --output=avail -B1M "$1" 2>/dev/null | tail -n 1)
    [ "${free:-0}" -gt 1200 ] || return 1
    probe=$(mktemp "$1/orch-guest.XXXXXX" 2>/dev/null) || return 1
    cp "$(type -P true)" "$probe"
    chmod 700 "$probe"
    "$probe" 2>/dev/null || code=$?
    rm -f "$probe"
    return $code
}

base=${TMPDIR:-/tmp}
[[ $base =~ ^/[A-Za-z0-9._/-]+$ ]] || base=/tmp # it becomes an argument of a kernel
job=$(mktemp -d "$base/orch-guest.XXXXXX")
uml='' watch=''

# No way out of here leaves a process: the kernel ends its children on TERM, and they are all of its process group.
# shellcheck disable=SC2317  # a trap calls it
cleanup() {
    trap '' INT TERM HUP
    if [ -n "$uml" ] && kill -0 "$uml" 2>/dev/null; then
        kill -TERM "$uml" 2>/dev/null || true
        timeout 3 tail --pid="$uml" -s 0.1 -f /dev/null || true
    fi
    [ -z "$uml" ] || kill -KILL -- "-$uml" 2>/dev/null || true
    [ -z "$watch" ] || kill -TERM "$watch" 2>/dev/null || true
    rm -rf "$job"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir "$job/kernel" "$job/memory"
cp "$ROOT"/tests/guest/*.sh "$job/"
ln -s "$ROOT" "$job/source"
ln -s "$build" "$job/build"
ln -s "$(dirname "$script")" "$job/script"
case $script in
"$ROOT"/*) inside=/mnt/source/${script#"$ROOT"/} ;;
*) inside=/mnt/script/$(basename "$script") ;;
esac
{
    for name in "${!ORCH_TEST_@}"; do
        printf 'export %s=%q\n' "$name" "${!name}"
    done
    printf 'exec bash %q' "$inside"
    [ $# -eq 0 ] || printf ' %q' "$@"
    printf '\n'
} >"$job/job.sh"
truncate -s 256M "$job/disk"
mke2fs -q -F -t ext4 -O ^has_journal -m 0 "$job/disk"

# shellcheck disable=SC2054  # these commas are the kernel's
options=("mem=$memory" "ubd1=$job/disk" "orch_job=$job" "uml_dir=$job/kernel/" umid=guest quiet security=none
    con=null con0=null,fd:2 ssl=null ssl0=null,fd:1)
if [ "$flavour" = plain ]; then
    options+=(rootfstype=hostfs rootflags=/ ro "init=$job/init-plain.sh")
else
    ln -s "$image" "$job/image"
    options+=("ubd0=$job/changes,$job/image" root=/dev/ubda rootfstype=ext4 rw init=/lib/systemd/systemd
        systemd.unified_cgroup_hierarchy=1 systemd.show_status=0 systemd.getty_auto=no)
fi

export TMPDIR=$job/memory
if holds_memory /dev/shm; then
    TMPDIR=/dev/shm
fi

# The pipe: the kernel makes its output non-blocking, which is not to happen to ours.
exec 3> >(exec cat)
cat=$!
setpriv --pdeathsig TERM linux.uml "${options[@]}" </dev/null >&3 2>"$job/console" 3>&- &
uml=$!
exec 3>&-
setpriv --pdeathsig TERM timeout "$limit" tail --pid="$uml" -s 0.1 -f /dev/null &
watch=$!
code=125
wait "$watch" || code=124
watch=''
if [ $code -eq 124 ]; then
    echo "The guest was ended after $limit s."
    console=1
else
    wait "$uml" || true
    wait "$cat" || true
    if [ -s "$job/code" ]; then
        code=$(cat "$job/code")
    elif grep -qiE 'ptrace|PROT_EXEC' "$job/console"; then # what a container may forbid
        none "$(grep -m 1 -iE 'ptrace|PROT_EXEC' "$job/console")"
    else
        echo "The guest ended without a result."
        console=1
    fi
fi
if [ -n "$console" ]; then
    {
        echo "--- the guest's console"
        tail -n 60 "$job/console" | tr -d '\r'
    } >&2
fi
exit "$code"
