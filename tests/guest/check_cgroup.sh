# What both guests must have: sourced by check_plain.sh and check_systemd.sh.
# shellcheck shell=bash
# shellcheck source=../functional/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../functional/lib.sh"

# cgroup_checks FOLDER: controllers, limits and cgroup.kill, in a new cgroup below FOLDER
cgroup_checks() {
    local controller group=$1/check pid
    for controller in cpu memory pids io; do
        has "$controller" "$(cat /sys/fs/cgroup/cgroup.controllers)"
        has "$controller" "$(cat /sys/fs/cgroup/cgroup.subtree_control)"
    done
    is "$(stat -f -c %T /sys/fs/cgroup)" cgroup2fs
    # A cgroup with processes gives no controllers to its children, but for the root.
    if [ -f "$1/cgroup.type" ]; then
        mkdir "$1/shell"
        echo $$ >"$1/shell/cgroup.procs"
        echo "+cpu +memory +pids +io" >"$1/cgroup.subtree_control"
    fi
    mkdir "$group"
    echo 16M >"$group/memory.max"
    is "$(cat "$group/memory.max")" 16777216
    echo 7 >"$group/pids.max"
    echo "50000 100000" >"$group/cpu.max"

    # shellcheck disable=SC2016  # for the inner shell
    sh -c 'echo $$ >"$1/cgroup.procs"; sleep 100 & exec sleep 100' sh "$group" &
    pid=$!
    eventually 10 grep -q "$pid" "$group/cgroup.procs"
    echo 1 >"$group/cgroup.kill"
    wait "$pid" 2>/dev/null
    is $? 137
    eventually 10 grep -q "populated 0" "$group/cgroup.events"

    # shellcheck disable=SC2016  # for the inner shell
    sh -c 'echo $$ >"$1/cgroup.procs"; exec head -c 64M /dev/zero | tail -c 64M | wc -c' sh "$group" >/dev/null 2>&1
    lacks "oom_kill 0" "$(cat "$group/memory.events")"
    check test "$(cat "$group/memory.peak")" -gt 8000000
    rmdir "$group"
}

# disk_checks FOLDER: a limit of io on the disk holds, in a new cgroup below FOLDER
disk_checks() {
    local group=$1/check-io began taken
    mkdir "$group"
    echo "$(cat /sys/class/block/ubdb/dev) wbps=1048576" >"$group/io.max"
    began=$(date +%s%N)
    # shellcheck disable=SC2016  # for the inner shell
    check sh -c 'echo $$ >"$1/cgroup.procs"; dd if=/dev/zero of="$2/file" bs=256k count=8 oflag=direct status=none' \
        sh "$group" "$ORCH_GUEST_DISK"
    taken=$((($(date +%s%N) - began) / 1000000))
    check test "$taken" -ge 1000 # 2 MiB at 1 MiB/s
    has "wbytes=2" "$(cat "$group/io.stat")"
    rm "$ORCH_GUEST_DISK/file"
    rmdir "$group"
}

program_checks() {
    run 0 orchctl --version
    check test -x "$BIN/orch-step"
    check test -f "$ORCH_SOURCE/CMakeLists.txt"
    check test -w "$TMPDIR"
    check test ! -t 0
    check test ! -t 1
}
