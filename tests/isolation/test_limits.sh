# What a step asks for binds it, and the record says so: memory, pids, cpu, io; strict and best-effort.
. "$(dirname "$0")/lib.sh"
need cpu memory pids

# ---- memory: the hog is killed and named, with limit and peak; also where only a child of the step is killed
cat >oom.yaml <<Y
name: oom
steps:
  fits:  {run: [$PYTHON, -c, "x = bytearray(20 << 20)"], resources: {memory: 64MiB}}
  hog:   {run: [$PYTHON, -c, "x = bytearray(200 << 20); print(len(x))"], resources: {memory: 48MiB}, continue_on_error: true}
  child: {run: '$PYTHON -c "x = bytearray(200 << 20)" || true; sleep 0.1; echo went on', resources: {memory: 48MiB}, continue_on_error: true}
  page:  {run: 'cd ${ORCH_GUEST_DISK:-.}; head -c 100M /dev/zero > big; cat big > /dev/null; rm big', resources: {memory: 32MiB}}
Y
run 0 orchctl run oom.yaml
run 0 orchctl show last --json
is "$(json '.steps|map("\(.name) \(.status) \(.reason)")|join(", ")')" "fits succeeded null, hog failed oom, child failed oom, page succeeded null"
has "48MiB" "$(json '.steps[1].attempts[0].message')"
has "peak" "$(json '.steps[1].attempts[0].message')"
check [ "$(json '.steps[1].attempts[0].peak_memory_bytes')" -le $((49 << 20)) ]
check [ "$(json '.steps[1].attempts[0].peak_memory_bytes')" -ge $((24 << 20)) ]
check [ "$(json '.steps[0].attempts[0].peak_memory_bytes')" -ge $((20 << 20)) ]
run 0 orchctl show last; has "oom"

# ---- pids: a fork bomb stays small, is told of, and is gone at the end
cat >bomb.yaml <<'Y'
name: bomb
steps:
  bomb: {run: 'i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i + 1)); done; wait', resources: {pids: 20}, timeout: 20s}
Y
run 1 orchctl run bomb.yaml
run 0 orchctl show last --json
is "$(json '.steps[0].status')" failed
has "resources.pids" "$(json '.steps[0].attempts[0].message')"
check [ "$(json '.steps[0].attempts[0].usage.pids_peak')" -le 20 ]
is "$(alive "ORCH_RUN_ID=$(json .id)")" 0

cat >forks.yaml <<'Y'
name: forks
steps:
  b: {run: 'f() { f | f & }; f; sleep 30', shell: [/bin/bash], resources: {pids: 64, memory: 256MiB}, timeout: 1s, grace: 200ms}
Y
run 1 orchctl run forks.yaml
run 0 orchctl show last --json; is "$(json '.steps[0].reason')" timeout
is "$(alive "ORCH_RUN_ID=$(json .id)")" 0

# ---- cpu: two cpus' worth of work in a fifth of one
cat >cpu.yaml <<Y
name: cpu
steps:
  burn: {run: [$PYTHON, -c, "import time; end = time.time() + 2\nwhile time.time() < end: pass"], resources: {cpu: 0.2}}
Y
run 0 orchctl run cpu.yaml
run 0 orchctl show last --json
check [ "$(json '.steps[0].attempts[0]|(.cpu_seconds < 1)')" = true ]
check [ "$(json '.steps[0].attempts[0]|(.usage.throttled_seconds > 0)')" = true ]

# ---- strict is the default: what does not hold is an error that names the key and the way out
missing=''
for fact in io.weight io.write io.read cores; do holds $fact || missing=$fact; done
if [ -n "$missing" ]; then
    case $missing in
    io.weight) key=io value='{weight: 50}' ;;
    io.write) key=io value='{write: 1MiB}' ;;
    io.read) key=io value='{read: 1MiB}' ;;
    cores) key=cores value=1 ;;
    esac
    cat >strict.yaml <<Y
name: strict
steps:
  a: {run: 'echo ran >> ran', resources: {$key: $value}}
Y
    orchctl run strict.yaml >strict.txt 2>&1 && bad "strict ran although $missing does not hold"
    has "resources.$key" "$(cat strict.txt)"
    has "best-effort" "$(cat strict.txt)"
    check test ! -e ran
    sed -i 's/resources:/isolation: best-effort, resources:/' strict.yaml
    run 0 orchctl run strict.yaml
    run 0 orchctl logs last; has "best-effort"
fi

# ---- more than the host has is an error before anything runs
cat >huge.yaml <<'Y'
name: huge
steps:
  a: {run: 'echo ran >> ran2', resources: {memory: 900000GiB}}
Y
orchctl run huge.yaml >huge.txt 2>&1 && bad "more memory than there is"
has "memory" "$(cat huge.txt)"
check test ! -e ran2

# ---- limits of one step are not those of the next, also where its place is used again
cat >again.yaml <<Y
name: again
steps:
  small: {run: ['/bin/true'], resources: {memory: 16MiB, pids: 5, cpu: 0.1}}
  large: {needs: small, run: [$PYTHON, -c, "x = bytearray(100 << 20)"], resources: {cpu: 1, memory: 200MiB, pids: 50}}
  none:  {needs: large, run: [$PYTHON, -c, "x = bytearray(100 << 20)"], resources: {pids: 50}}
  tiny:  {needs: none, run: ['/bin/true'], resources: {memory: 300MiB}}
Y
run 0 orchctl run again.yaml -j 1
run 0 orchctl show last --json
check [ "$(json '.steps[3].attempts[0].peak_memory_bytes')" -lt $((30 << 20)) ]

if when io.read; then
    # Read past the page cache: 8 MiB at 4 MiB a second take two seconds, give or take.
    disk=${ORCH_GUEST_DISK:-$work}
    head -c 8M /dev/urandom >"$disk/blob"; sync "$disk/blob"
    if dd if="$disk/blob" of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null; then
        cat >io.yaml <<Y
name: io
steps:
  free:  {run: ['dd', 'if=$disk/blob', 'of=/dev/null', 'bs=1M', 'iflag=direct']}
  bound: {needs: free, run: ['dd', 'if=$disk/blob', 'of=/dev/null', 'bs=1M', 'iflag=direct'], resources: {io: {read: 4MiB}}}
Y
        run 0 orchctl run io.yaml
        run 0 orchctl show last --json
        check [ "$(json '.steps[1].attempts[0].usage.read_bytes')" -ge $((8 << 20)) ]
        ms() { json ".steps[$1].attempts[0]|((.finished_at[17:23]|tonumber) - (.started_at[17:23]|tonumber) + 60) % 60 * 1000|floor"; }
        check [ "$(ms 1)" -gt $(($(ms 0) + 700)) ]
    else
        echo "left out: $disk cannot be read directly"
    fi
    rm -f "$disk/blob"
fi
if when io.write; then
    disk=${ORCH_GUEST_DISK:-$work}
    cat >write.yaml <<Y
name: write
steps:
  bound: {run: ['dd', 'if=/dev/zero', 'of=$disk/blob', 'bs=1M', 'count=6', 'conv=fsync'], resources: {io: {write: 3MiB}}}
Y
    run 0 orchctl run write.yaml
    run 0 orchctl show last --json
    check [ "$(json '.steps[0].attempts[0]|((.finished_at[17:23]|tonumber) - (.started_at[17:23]|tonumber) + 60) % 60 * 1000|floor')" -gt 700 ]
    rm -f "$disk/blob"
fi

no_new_places
finish
