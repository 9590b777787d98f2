#!/usr/bin/env bash
# Builds with the options of the preset `release` and prints the figures beside their peers. How to read them: README.md here.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

need "${BUILD_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
mkdir -p "$ROOT/build"
log=$ROOT/build/bench-build.log
if ! { configure bench -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS="-fPIE -fcf-protection" \
    -DCMAKE_EXE_LINKER_FLAGS="-Wl,-z,relro,-z,now" && cmake --build "$ROOT/build/bench" -j "$JOBS"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    die "The build failed; all of it is in $log"
fi

# On the disk of the build folder: on a tmpfs a durable write costs nothing, and the figures would flatter.
work=$ROOT/build/bench/work
rm -rf "$work"
/usr/bin/python3 "$ROOT/bench/generate.py" "$work" "${ORCH_BENCH_STEPS:-10000}" "${ORCH_BENCH_CHAIN:-1000}"
if [ "$(stat -f -c %T "$work")" = tmpfs ]; then
    echo "note: $work lies on a tmpfs, durable writes cost nothing there"
fi
exec /usr/bin/python3 "$ROOT/bench/compare.py" "$ROOT/build/bench/bin" "$work"
