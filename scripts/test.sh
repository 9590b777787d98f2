#!/usr/bin/env bash
# Everything that must hold, from a clean clone of a fresh Debian 12. Ends with `N passed, N failed, N skipped`.
#   scripts/test.sh             all stages
#   scripts/test.sh gcc asan    these stages only (names: see the end of this file)
# ORCH_TEST_BUDGET=quick|normal|long scales random tests and fuzzing; ORCH_FUZZ_SECONDS, ORCH_SEEDS and ORCH_SIM_SEEDS
# set one by one. Full logs are in build/test-logs/.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

case ${ORCH_TEST_BUDGET:-normal} in
quick) fuzz=2 seeds=2000 slow_seeds=500 ;;
normal) fuzz=5 seeds=20000 slow_seeds=2000 ;;
long) fuzz=60 seeds=500000 slow_seeds=20000 ;;
*) die "ORCH_TEST_BUDGET is quick, normal or long" ;;
esac
FUZZ_SECONDS=${ORCH_FUZZ_SECONDS:-$fuzz}
export ORCH_SIM_SEEDS=${ORCH_SIM_SEEDS:-$seeds}
SLOW_SIM_SEEDS=$slow_seeds
unset ORCH_HOME ORCH_STORAGE ORCH_STEP ORCH_SERVER # the tests make their own
export LC_ALL=C.UTF-8

LOGS=$ROOT/build/test-logs
PASSED=0 FAILED=0 SKIPPED=0
FAILURES=()

passed() {
    PASSED=$((PASSED + 1))
    printf 'ok      %s\n' "$*"
}

skipped() {
    SKIPPED=$((SKIPPED + 1))
    printf 'skipped %s\n' "$*"
}

failed() {
    FAILED=$((FAILED + 1))
    FAILURES+=("$1")
    printf '%sFAILED  %s%s\n' "$RED" "$1" "$PLAIN"
    if [ $# -gt 1 ] && [ -f "$2" ]; then
        grep -m 1 -A 12 -E '==ERROR: |runtime error: ' "$2" | sed 's/^/        /' || true
        tail -n "${3:-40}" "$2" | sed 's/^/        /'
    fi
}

# check NAME COMMAND...: one check, its output in a log
check() {
    local name=$1 log=$LOGS/${1//[ \/]/-}.log
    shift
    if "$@" >"$log" 2>&1; then
        passed "$name"
    else
        failed "$name" "$log"
        return 1
    fi
}

# Old sanitizer runtimes stumble over the address layouts of new kernels; where the layout may be fixed, it is.
fixed_layout() {
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        setarch "$(uname -m)" -R "$@"
    else
        "$@"
    fi
}

# build NAME OPTION... [-- TARGET...]
build() {
    local name=$1 options=() log=$LOGS/build-$1.log
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    [ $# -gt 0 ] && shift
    if configure "$name" "${options[@]}" >"$log" 2>&1 &&
        cmake --build "build/$name" -j "$JOBS" ${1:+--target "$@"} >>"$log" 2>&1; then
        passed "build $name"
    else
        failed "build $name" "$log" 60
        return 1
    fi
}

# tests NAME [CTEST OPTION...]: runs the tests of build/NAME and counts each
tests() {
    local name=$1 log=$LOGS/tests-$1.log result test
    shift
    fixed_layout ctest --test-dir "build/$name" -j "$JOBS" --output-on-failure --no-tests=error "$@" >"$log" 2>&1 || true
    local none=1
    while IFS=$'\t' read -r result test; do
        none=0
        case $result in
        Passed) PASSED=$((PASSED + 1)) ;;
        *Skipped) skipped "$name: $test" ;;
        *) failed "$name: $test ($result)" ;;
        esac
    done < <(sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.*\.? *(\*\*\*)?([A-Za-z][A-Za-z ]*[A-Za-z]) .*/\3\t\1/p' "$log")
    if [ $none -eq 1 ] || grep -qE '\*\*\*(Failed|Timeout|Exception|Not Run)' "$log"; then
        [ $none -eq 1 ] && failed "$name: no tests ran"
        grep -vE '^ +Start +[0-9]+:|   Passed |^\[ RUN |^\[ +OK ' "$log" | tail -n 150 | sed 's/^/        /'
    fi
    grep -E '^[0-9]+% tests passed|^Total Test time' "$log" | sed "s/^/        $name: /" || true
}

stage_style() {
    check "shell scripts (shellcheck)" shell_style || true
    check "format (clang-format)" c_format || true
    check "arrows between modules" /usr/bin/python3 tests/check_arrows.py || true
    check "banned calls" bash tests/check_banned.sh || true
}
shell_style() {
    files '*.sh' .ci/run ':!tests/functional' ':!tests/isolation' | xargs -0 shellcheck -x -P SCRIPTDIR || return
    # These are sourced into one frame and compare texts full of $: only what is plainly wrong counts there.
    files 'tests/functional/*.sh' 'tests/isolation/*.sh' | xargs -0 shellcheck -s bash -S error
}
c_format() {
    files '*.c' '*.h' | xargs -0 -n 20 -P "$JOBS" clang-format --dry-run -Werror
}

stage_gcc() {
    build gcc -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DORCH_TESTS=ON || return 0
    tests gcc
}

# What a packager does: default options, no test packages, its binaries installed somewhere and working there.
stage_release() {
    build release -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS="-fPIE -fcf-protection" \
        -DCMAKE_EXE_LINKER_FLAGS="-Wl,-z,relro,-z,now" -DCMAKE_INSTALL_PREFIX=/usr || return 0
    check "installed programs run" installed_run || true
}
installed_run() {
    local home=$ROOT/build/install-data
    rm -rf "$ROOT/build/install" "$home"
    DESTDIR=$ROOT/build/install cmake --install build/release
    ORCH_HOME=$home "$ROOT/build/install/usr/bin/orchctl" run examples/hello/pipeline.yaml
}

stage_clang() {
    build clang -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DORCH_TESTS=ON || return 0
}

stage_asan() {
    build asan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Debug -DORCH_TESTS=ON -DORCH_SANITIZE=address,undefined || return 0
    ORCH_SIM_SEEDS=$SLOW_SIM_SEEDS ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1 \
        UBSAN_OPTIONS=print_stacktrace=1 tests asan
}

# Only these two have threads.
stage_tsan() {
    local targets=() file
    while IFS= read -r -d '' file; do
        file=${file#tests/unit/}
        file=${file//\//_}
        targets+=("${file%.c}")
    done < <(files 'tests/unit/storage/test_*.c' 'tests/unit/engine/test_*.c')
    build tsan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Debug -DORCH_TESTS=ON -DORCH_SANITIZE=thread -- \
        "${targets[@]}" || return 0
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 tests tsan -R '^unit/(storage|engine)/'
}

stage_fuzz() {
    build fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo -DORCH_FUZZ=ON \
        -DORCH_SANITIZE=address,undefined || return 0
    local source name
    for source in tests/fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        mkdir -p "build/fuzz/found/$name"
        check "fuzz ${name#fuzz_}, $FUZZ_SECONDS s" fixed_layout "build/fuzz/bin/$name" "build/fuzz/found/$name" \
            "tests/fuzz/corpus/${name#fuzz_}" -max_total_time="$FUZZ_SECONDS" -timeout=20 -rss_limit_mb=2048 \
            -artifact_prefix="build/fuzz/$name-" || true
    done
}

stage_tidy() {
    [ -f build/clang/compile_commands.json ] || build clang -DCMAKE_C_COMPILER=clang -DORCH_TESTS=ON || return 0
    check "clang-tidy" tidy || true
}
tidy() {
    files '*.c' | tr '\0' '\n' | grep -E '^(base|dag|scheduler|executor|storage|engine|cli|bench)/' |
        xargs -n 4 -P "$JOBS" clang-tidy --quiet -p build/clang 2> >(grep -v 'warnings\? generated' >&2)
}

stage_examples() {
    if [ ! -x build/gcc/bin/orchctl ]; then
        build gcc -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DORCH_TESTS=ON || return 0
    fi
    check "examples run" bash tests/check_examples.sh build/gcc/bin || true
    check "every snippet of the documents runs" /usr/bin/python3 tests/check_docs.py build/gcc/bin || true
}

# What needs cgroup v2 for itself runs in a guest: each script in each flavour boots one of its own.
stage_guest() {
    local log=$LOGS/guest-image.log flavours=(plain systemd) flavour script name code
    if [ "$(uname -m)" != x86_64 ]; then
        skipped "guest: user-mode-linux exists for x86_64 only"
        return 0
    fi
    (need "${GUEST_PACKAGES[@]}") || {
        failed "guest: its packages"
        return 0
    }
    if [ ! -x build/gcc/bin/orchctl ]; then
        build gcc -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo -DORCH_TESTS=ON || return 0
    fi
    code=0
    (cd build/gcc && cpack -G DEB) >"$LOGS/package.log" 2>&1 || code=$?
    outcome "package" "$code" "$LOGS/package.log"
    code=0
    bash tests/guest/make-image.sh >"$log" 2>&1 || code=$?
    outcome "guest image" "$code" "$log"
    [ "$code" -eq 0 ] || flavours=(plain)

    rm -rf build/guest/codes
    mkdir -p build/guest/codes
    export LOGS
    export -f in_guest
    for flavour in "${flavours[@]}"; do
        for script in "tests/guest/check_$flavour.sh" tests/isolation/test_*.sh; do
            [ ! -f "$script" ] || printf '%s\0%s\0' "$flavour" "$script"
        done
    done | xargs -0 -r -n 2 -P "$JOBS" bash -c 'in_guest "$@"' in_guest
    for name in build/guest/codes/*; do
        code=$(cat "$name")
        name=${name##*/}
        script=${name#guest-}
        outcome "guest ${script%%-*}: ${script#*-}" "$code" "$LOGS/$name.log"
    done
}
# in_guest FLAVOUR SCRIPT: its output into a log, its exit code into build/guest/codes
in_guest() {
    local name code=0
    name=guest-$1-$(basename "$2" .sh)
    bash tests/guest/run.sh --build build/gcc "$1" "$2" >"$LOGS/$name.log" 2>&1 </dev/null || code=$?
    echo "$code" >"build/guest/codes/$name"
}
# outcome NAME EXIT-CODE LOG: counts a script by the code that it ended with
outcome() {
    case $2 in
    0) passed "$1" ;;
    77) skipped "$1: $(tail -n 1 "$3" | sed 's/^skipped: //')" ;;
    *) failed "$1" "$3" ;;
    esac
}

STAGES=(style gcc examples guest asan release clang tsan fuzz tidy)
if [ $# -gt 0 ]; then
    for stage in "$@"; do
        declare -F "stage_$stage" >/dev/null || die "No stage $stage. Stages: ${STAGES[*]}"
    done
    STAGES=("$@")
fi

need "${BUILD_PACKAGES[@]}" "${EXAMPLE_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
rm -rf "$LOGS"
mkdir -p "$LOGS"
SECONDS=0
for stage in "${STAGES[@]}"; do
    began=$SECONDS
    say "$stage"
    "stage_$stage"
    printf '        %s took %d s\n' "$stage" $((SECONDS - began))
done

printf '\n'
for name in "${FAILURES[@]}"; do
    printf 'failed: %s\n' "$name"
done
printf 'took %d s\n' "$SECONDS"
printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
[ "$FAILED" -eq 0 ]
