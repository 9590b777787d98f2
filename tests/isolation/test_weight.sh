# A training that burns all cpus, and an inference beside it: the inference gets most of the time.
. "$(dirname "$0")/lib.sh"
need cpu pids

if [ -n "${ORCH_GUEST:-}" ]; then
    # The guest has one cpu whose time it counts by ticks, which is no measure: what the kernel was told is.
    cat >told.yaml <<'Y'
name: told
steps: {a: {run: 'cat "/sys/fs/cgroup$(dirname "$(cut -d: -f3 /proc/self/cgroup)")/cpu.weight"', resources: {cpu: 1}}}
Y
    run 0 orchctl run told.yaml
    run 0 orchctl logs last a
    is "${out##* }" 20
    finish
fi

cat >burn.py <<'Y'
import os, sys, time
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])     # both on one cpu, or there is no competition
open(sys.argv[1] + ".ready", "w").close()
while not (os.path.exists("step.ready") and os.path.exists("other.ready")):
    time.sleep(0.01)
before, end = time.process_time(), time.time() + 3
while time.time() < end:
    pass
open(sys.argv[1], "w").write(str(time.process_time() - before))
Y
cat >beside.yaml <<Y
name: beside
steps:
  train: {run: [$PYTHON, burn.py, step], resources: {cpu: 1, pids: 10}}
Y
orchctl run beside.yaml -q >beside.txt 2>&1 &
orch=$!
setsid $PYTHON burn.py other
wait $orch; is "$?" 0
# Whatever else this machine does: at a weight of 20 against 100 the other one gets about five times as much.
check [ "$(jq -n "$(cat other) > 2 * $(cat step)")" = true ] || echo "other $(cat other) s, step $(cat step) s"
finish
