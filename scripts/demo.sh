#!/usr/bin/env bash
# From a fresh Debian 12 to a recorded run: installs what is missing, builds, and runs the scrap detector on the
# embedded database. Everything it makes lies below build/.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need "${BUILD_PACKAGES[@]}" "${EXAMPLE_PACKAGES[@]}"

say "Building orchctl and orch-step into build/demo"
mkdir -p "$ROOT/build"
log=$ROOT/build/demo-build.log
# The options of the preset `release`, with a folder of its own.
if ! { configure demo -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS="-fPIE -fcf-protection" \
    -DCMAKE_EXE_LINKER_FLAGS="-Wl,-z,relro,-z,now" &&
    cmake --build "$ROOT/build/demo" -j "$JOBS" --target orchctl orch-step; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "The build failed; all of it is in $log"
fi
export PATH="$ROOT/build/demo/bin:$PATH"
export ORCH_HOME=$ROOT/build/demo-data
chmod -R u+w "$ORCH_HOME" 2>/dev/null || true # stored folders are read-only
rm -rf "$ORCH_HOME"
ls -l "$ROOT/build/demo/bin/orchctl" "$ROOT/build/demo/bin/orch-step"

run() {
    printf '\n%s$ %s%s\n' "$BOLD" "$*" "$PLAIN"
    "$@"
}

cd "$ROOT"
say "A pipeline is checked before anything runs, and can be looked at"
run orchctl version
run orchctl validate examples/scrap-detector/pipeline.yaml
run orchctl graph examples/scrap-detector/pipeline.yaml

say "One run: simulate a press, check its data, train, judge on the newest days, report"
run orchctl run examples/scrap-detector/pipeline.yaml

say "The same with other parameters: the gate is too high now, so there is nothing to report"
run orchctl run examples/scrap-detector/pipeline.yaml -p algo=gbm -p min_f1=0.99

say "Bad data stops before a model learns from it: a fifth of the sensor readings is lost here"
status=0
run orchctl run examples/scrap-detector/pipeline.yaml -p dropout=0.2 || status=$?
[ "$status" -eq 1 ] || die "A failed run exits with 1, this one did with $status"
run orchctl logs last check

say "Everything is on record"
run orchctl runs
run orchctl show scrap-detector#1
run orchctl logs scrap-detector#1 evaluate

say "Done. The record stays in build/demo-data; look around with:"
echo "    export PATH=$ROOT/build/demo/bin:\$PATH ORCH_HOME=$ORCH_HOME"
