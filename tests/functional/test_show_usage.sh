# What attempts took: in the record, as JSON, in the table, and while they run.
. "$(dirname "$0")/lib.sh"

# The record of a step's attempts, as if it had taken more than a test can wait for.
took() { # STEP JSON
    /usr/bin/python3 - "$ORCH_HOME/orch.db" "$1" "$2" <<'P' || bad "the record of $1 could not be changed"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
count = db.execute("UPDATE attempts SET usage = ? WHERE step = ?", (sys.argv[3], sys.argv[2])).rowcount
db.commit()
sys.exit(count < 1)
P
}
width() { printf '%s\n' "$1" | awk '{ if (length($0) > w) w = length($0) } END { print w + 0 }'; }
table() { sed -n '/^STEP/,/^$/p' <<<"$out"; }

cat >p.yaml <<'Y'
name: press-line
steps:
  ingest: {run: 'echo "f1 0.5" >> "$ORCH_METRICS"'}
  train: {needs: ingest, run: exit 3, retry: {limit: 1, delay: 1ms}, continue_on_error: true}
  absent: {run: [/nosuch/program], continue_on_error: true}
Y
run 0 orchctl run p.yaml
lacks "READ/WRITE"; lacks "THROTTLED"; lacks " CPU "

# ---- as JSON: the six figures are always there, null where nothing was measured
run 0 orchctl show last --json
is "$(json '.steps[0].attempts[0].usage|keys|sort|join(" ")')" \
    "cpu_seconds peak_memory_bytes pids_peak read_bytes throttled_seconds write_bytes"
is "$(json '.steps[0].attempts[0]|.cpu_seconds == .usage.cpu_seconds')" true
is "$(json '.steps[0].attempts[0]|.peak_memory_bytes == .usage.peak_memory_bytes')" true
check test "$(json '.steps[0].attempts[0].usage.cpu_seconds > 0')" = true
is "$(json '.steps[2].attempts[0]|[.cpu_seconds, .peak_memory_bytes, .usage.cpu_seconds]|map(type)|unique|join(" ")')" null
is "$(json '.steps[0].attempts[0]|has("samples")')" false
run 0 orchctl show last --json --samples
is "$(json '.steps[0].attempts[0].samples|type')" array
run 2 orchctl show last --samples; has "--json" "$err"

took train '{"cpu_us": 125300000, "peak_bytes": 148000000, "read_bytes": 1300000000, "write_bytes": 315000000, "throttled_us": 4500, "pids_peak": 9}'
run 0 orchctl show last --json
is "$(json '.steps[1].attempts[0].usage|"\(.cpu_seconds) \(.peak_memory_bytes) \(.read_bytes) \(.write_bytes) \(.throttled_seconds) \(.pids_peak)"')" \
    "125.3 148000000 1300000000 315000000 0.0045 9"

# ---- as a table: all attempts together, the highest peak, and a column only where it says something
run 0 orchctl show last
has "CPU"; has "THROTTLED"; has "READ/WRITE"; has "4m11s"; has "141.1MiB"; has "2.4GiB/600MiB"
has "%"; has "f1=0.5"; has "ATTEMPTS"
took train '{"cpu_us": 49999, "peak_bytes": 148000000, "read_bytes": 500000, "write_bytes": 0, "throttled_us": 0}'
took ingest '{}'
took absent '{"cpu_us": 1.5, "peak_bytes": "no", "memory_bytes": 7, "what_later_versions_measure": 8}'
run 0 orchctl show last
lacks "THROTTLED"; lacks "READ/WRITE"; has "141.1MiB"
took train '[1, 2]'
took absent '{"peak_bytes": -9223372036854775808, "cpu_us": 9223372036854775807, "throttled_us": 9223372036854775807}'
run 0 orchctl show last; lacks "PEAK"
run 0 orchctl show last --json
is "$(json '.steps[1].attempts[0].usage.cpu_seconds')" null
is "$(json '.steps[2].attempts[0].usage.peak_memory_bytes')" null

# ---- 80 columns hold, whatever was measured
took train '{"cpu_us": 35999000000, "peak_bytes": 1072000000, "read_bytes": 999000000000, "write_bytes": 999000000000, "throttled_us": 900000000}'
run 0 orchctl show last
has "STEP"; check test "$(width "$(table)")" -le 80
for columns in 80 60; do
    command -v script >/dev/null || break
    run 0 script -qec "stty cols $columns; orchctl show last --color=never" /dev/null
    out=$(tr -d '\r' <<<"$out")
    has "STEP"; has "PEAK"
    check test "$(width "$(table)")" -le $columns
done

# ---- while it runs: the newest sample, and the share of a cpu between the last two
cat >long.yaml <<'Y'
name: long
steps:
  train: {run: touch ready; sleep 100}
  later: {needs: train, run: 'true'}
Y
id=$(orchctl run long.yaml --detach) || bad "not started"
eventually 10 test -e ready
usage=$ORCH_HOME/runs/$id/train@1/usage
rm -f "$usage"
run 0 orchctl show "$id"; lacks "Running"
cat >"$usage.new" <<'U'
t_ms cpu_us peak_bytes what_later_versions_measure memory_bytes pids
1790000000000 1000000 1638400 7 1638400 1
1790000002000 4000000 2147483648 7 1073741824 14
1790000004000 9
U
mv "$usage.new" "$usage"
run 0 orchctl show "$id"
has "Running"; has "train: 1.50 cpus, 1GiB of memory, 14 processes and threads"; has "2GiB"; lacks "later: "
run 0 orchctl show "$id" --json --samples
is "$(json '.steps[0].attempts[0].usage|"\(.cpu_seconds) \(.memory_bytes) \(.pids) \(.peak_memory_bytes) \(.read_bytes)"')" \
    "4 1073741824 14 2147483648 null"
is "$(json '.steps[0].attempts[0].cpu_seconds')" null
is "$(json '.steps[0].attempts[0].samples|length')" 2
is "$(json '.steps[0].attempts[0].samples[1].at')" 2026-09-21T14:13:22.000Z
is "$(json '.steps[0].attempts[0].samples[1]|"\(.cpu_seconds) \(.memory_bytes) \(.read_bytes)"')" "4 1073741824 null"
# What a step puts there instead harms nobody.
for bad in 'hello' 't_ms cpu_us\nx y\n' ''; do
    printf "$bad" >"$usage"
    run 0 orchctl show "$id"; lacks "Running"
    run 0 orchctl show "$id" --json --samples; is "$(json '.steps[0].attempts[0].samples|length')" 0
done
rm "$usage"; mkfifo "$usage"
run 0 timeout 10 orchctl show "$id"; lacks "Running"
rm "$usage"; ln -s /etc/passwd "$usage"
run 0 orchctl show "$id" --json --samples; lacks "root:"
rm "$usage"; truncate -s 2M "$usage"
run 0 orchctl show "$id"; lacks "Running"
run 0 orchctl cancel "$id" --kill
ended() { orchctl show "$id" --json | jq -e '.finished_at != null'; }
eventually 10 ended
finish
