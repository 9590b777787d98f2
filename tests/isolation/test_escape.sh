# A step that tries to get out of its place: daemons, other cgroups, mounts, another namespace's root.
. "$(dirname "$0")/lib.sh"
need cpu memory pids

# ---- daemonised and double-forked grandchildren die with the step
cat >daemon.yaml <<'Y'
name: daemon
steps:
  d:
    run: |
      setsid sh -c 'sleep 300 & sleep 300' >/dev/null 2>&1 </dev/null &
      (setsid sh -c '(sleep 301 &) ; exec env -i sleep 302' &) >/dev/null 2>&1
      sleep 0.3
      echo main has ended
    resources: {pids: 50, memory: 256MiB}
Y
run 0 orchctl run daemon.yaml
run 0 orchctl logs last; has "main has ended"; has "left running"
check [ "$(pgrep -fc 'sleep 30[0-2]')" = 0 ]

# ---- it cannot write itself into another cgroup, nor take its limits away
cat >leave.yaml <<'Y'
name: leave
steps:
  l:
    resources: {cpu: 0.5, memory: 128MiB, pids: 40}
    run: |
      cat /proc/self/cgroup > before
      for procs in $(find /sys/fs/cgroup /proc/1/root/sys/fs/cgroup -maxdepth 3 -name cgroup.procs 2>/dev/null); do
          { echo $$ > "$procs"; } 2>/dev/null && echo "wrote $procs"
      done
      for file in $(find /sys/fs/cgroup -path '*orchd.*' \( -name memory.max -o -name memory.limit_in_bytes -o -name pids.max -o -name cpu.max -o -name cpu.cfs_quota_us \) 2>/dev/null); do
          { echo -1 > "$file" || echo max > "$file"; } 2>/dev/null && echo "wrote $file"
      done
      mount -o remount,rw /sys/fs/cgroup 2>/dev/null && echo remounted
      mkdir -p m; mount -t cgroup2 none m 2>/dev/null && echo mounted
      mount -t tmpfs none m 2>/dev/null && echo mounted tmpfs
      nsenter -t 1 -m true 2>/dev/null && echo entered
      cat /proc/self/cgroup > after
      cmp before after && echo stayed
Y
run 0 orchctl run leave.yaml
run 0 orchctl logs last
has stayed
lacks wrote; lacks remounted; lacks mounted; lacks entered

# ---- said so, it may
if [ "$(id -u)" = 0 ]; then
    cat >may.yaml <<'Y'
name: may
steps:
  m: {run: 'mkdir -p m; mount -t tmpfs none m && umount m && echo mounted', sandbox: {privileged: true}}
Y
    run 0 orchctl run may.yaml
    run 0 orchctl logs last; has mounted
fi

# ---- names of steps never reach a path of the cgroups
cat >names.yaml <<'Y'
name: names
steps:
  "-": {run: [/bin/true], resources: {pids: 9}}
  cgroup-procs: {run: [/bin/true], resources: {pids: 9}}
  memory-max: {run: [/bin/true], resources: {pids: 9}}
  _______________________________________________________________________________________________________________: {run: [/bin/true], resources: {pids: 9}}
Y
orchctl validate names.yaml >/dev/null 2>&1 || sed -i '/"-"/d' names.yaml
run 0 orchctl run names.yaml
no_new_places
finish
