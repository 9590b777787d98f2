# A training that burns all cpus, and an inference beside it: the inference gets most of the time.
. "$(dirname "$0")/lib.sh"
need cpu pids

if [ -n "${ORCH_GUEST:-}" ]; then
    # The guest has one cpu whose time it counts by ticks, which is no measure: what the kernel was told is.
    cat >told.yaml <<'Y'
name: told
steps: {a: {run: 'cat $(dirname "$(find /sys/fs/cgroup -path "*$(cut -d: -f3 /proc/self/cgroup)" -type d)")/cpu.weight', resources: {cpu: 1}}}
Y
    run 0 orchctl run told.yaml
    run 0 orchctl logs last
    check [ "$out" -lt 100 ]
    finish
fi

cat >burn.py <<'Y'
import os, sys, time
cpus = sorted(os.sched_getaffinity(0))[:1]
os.sched_setaffinity(0, cpus)     # both on one cpu, or there is no competition
end = time.time() + float(sys.argv[1])
while time.time() < end:
    pass
print(time.process_time())
Y
cat >beside.yaml <<Y
name: beside
steps:
  train: {run: [$PYTHON, burn.py, "5"], resources: {cpu: 1, pids: 10}}
Y
orchctl run beside.yaml -q >beside.txt 2>&1 &
orch=$!
eventually 10 pgrep -f "burn.py 5"
ours=$(setsid $PYTHON burn.py 3)
wait $orch; is "$?" 0
run 0 orchctl show last --json
theirs=$(json '.steps[0].attempts[0].cpu_seconds')
# 3 s of competition, 2 s alone: at a weight of 20 against 100 the step gets about half a second of the 3.
check [ "$(jq -n "$ours > 1.8")" = true ]
check [ "$(jq -n "$theirs < 4")" = true ]
finish
