# Run inside the systemd guest by `tests/guest/run.sh systemd`: is it the guest that the tests count on?
# shellcheck shell=bash disable=SC2317  # functions are called by run
. "$(dirname "$0")/check_cgroup.sh"

own=$(sed 's/^0:://' /proc/self/cgroup)
is "$ORCH_GUEST" systemd
is "$own" /system.slice/guest-script.service
is "$(cat /proc/1/comm)" systemd
run 0 timeout 60 systemctl is-system-running --wait
cgroup_checks "/sys/fs/cgroup$own"
disk_checks /sys/fs/cgroup
program_checks

# ---- a unit that may divide its own cgroup
# shellcheck disable=SC2016  # for the inner shell
delegated='
    group=/sys/fs/cgroup$(sed s/^0::// /proc/self/cgroup)
    mkdir "$group/leaf" && echo 0 >"$group/leaf/cgroup.procs" && echo "+memory +pids" >"$group/cgroup.subtree_control" &&
    mkdir "$group/step" && echo 8M >"$group/step/memory.max" && id -un && cat "$group/step/memory.max"'
run 0 systemd-run --quiet --wait --pipe -p Delegate=yes sh -c "$delegated"
is "$out" "root
8388608"

# ---- an unprivileged user with a manager of its own, logged in or not
run 0 id -u line
is "$out" 1000
as_line() { (cd / && runuser -u line -- env XDG_RUNTIME_DIR=/run/user/1000 "$@"); }
run 0 as_line systemd-run --user --scope -p Delegate=yes true
run 0 as_line systemd-run --user --scope --quiet -p Delegate=yes sh -c "$delegated"
is "$out" "line
8388608"
finish
