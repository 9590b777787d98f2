# In a container: cgroups and mounts of its own, the shell of the container in the root of its cgroups.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root to make a container"
need cpu memory pids
unshare -C -m -p --fork true 2>/dev/null || skip "no cgroup namespaces here"

cat >inner.yaml <<Y
name: inner
steps:
  fits: {run: [$PYTHON, -c, "x = bytearray(20 << 20)"], resources: {cpu: 1, memory: 64MiB, pids: 20}}
  hog:  {run: [$PYTHON, -c, "x = bytearray(200 << 20)"], resources: {memory: 48MiB}, continue_on_error: true}
Y
cat >inside.sh <<'S'
set -e
mount --make-rprivate /
mount -t proc proc /proc
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    umount /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
else
    findmnt -rno TARGET,FS-OPTIONS -t cgroup | while read -r target options; do
        umount "$target"
        mount -t cgroup -o "$(echo "$options" | tr , '\n' | grep -vE '^(rw|ro|noprefix|xattr|release_agent.*)$' | paste -sd, -)" none "$target"
    done
fi
sleep 100 &
sleeper=$!
orchctl run inner.yaml
orchctl show last --json | jq -r '.steps|map("\(.status) \(.reason)")|join(", ")' > result
kill $sleeper
S
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
    mkdir -p /sys/fs/cgroup/nested
    enter='echo 0 > /sys/fs/cgroup/nested/cgroup.procs'
else
    for mount in $(findmnt -rno TARGET -t cgroup); do mkdir -p "$mount/nested"; done
    for c in cpuset.cpus cpuset.mems; do
        f=$(findmnt -rno TARGET,FS-OPTIONS -t cgroup | awk '$2 ~ /cpuset/ { print $1 }')
        [ -z "$f" ] || cat "$f/$c" >"$f/nested/$c"
    done
    enter='for m in $(findmnt -rno TARGET -t cgroup); do echo 0 > $m/nested/cgroup.procs; done'
fi
cat >enter.sh <<S
$enter
exec unshare -C -m sh inside.sh
S
run 0 unshare -m -p --fork sh enter.sh
is "$(cat result)" "succeeded null, failed oom"
# What it made lay inside the container's own cgroups, and is gone.
no_new_places
find /sys/fs/cgroup -depth -type d -path '*/nested*' -exec rmdir {} + 2>/dev/null
finish
