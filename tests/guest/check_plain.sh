# Run inside the plain guest by `tests/guest/run.sh plain`: is it the guest that the tests count on?
# shellcheck shell=bash
. "$(dirname "$0")/check_cgroup.sh"

is "$ORCH_GUEST" plain
is "$(cat /proc/self/cgroup)" 0::/
is "$(cat /proc/1/comm)" init-plain.sh
check test ! -w /etc
cgroup_checks /sys/fs/cgroup
disk_checks /sys/fs/cgroup
program_checks
finish
