#!/usr/bin/python3
"""compare.py BIN WORK: times the tools over the files of generate.py, in rounds, and prints medians side by side.

In each round every tool runs once, so that whatever else the machine does falls on all of them alike.
"""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

RUNS = max(1, int(os.environ.get("ORCH_BENCH_RUNS", "5")))
STEPS = int(os.environ.get("ORCH_BENCH_STEPS", "10000"))
CHAIN = int(os.environ.get("ORCH_BENCH_CHAIN", "1000"))
BIN, WORK = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
ORCHCTL = str(BIN / "orchctl")


def once(command):
    """-> seconds, peak MB"""
    # A data folder of its own each time, and none is removed before the end: ext4 passes over inodes that were deleted in the last seconds,
    # and the search for others would be taken for ours.
    once.count += 1
    data = WORK / f"data-{once.count}"
    os.sync()                    # what the one before left to be written is not for this one to pay
    got = subprocess.run([str(BIN / "bench_run"), *command], cwd=WORK, check=True, capture_output=True, text=True,
                         env={**os.environ, "ORCH_HOME": str(data)})
    seconds, peak_kb, code = got.stdout.split()
    if code != "0":
        raise SystemExit(f"{' '.join(command)}: exit code {code}\n{got.stderr}")
    return float(seconds), float(peak_kb) / 1024


once.count = 0


def measure(rows):
    """rows: (name, command) -> {name: (median seconds, median peak MB)}"""
    taken = {name: [] for name, _ in rows}
    for _ in range(RUNS):
        for name, command in rows:
            taken[name].append(once(command))
    return {name: tuple(statistics.median(column) for column in zip(*values)) for name, values in taken.items()}


def table(title, got, base, unit, scale):
    """One row a tool, with its ratio to each tool of `base`."""
    print(f"\n{title}\n")
    print(f"  {'':30s} {unit:>10s} {'peak MB':>8s}" + "".join(f" {'x ' + b:>18s}" for b in base))
    for name, (seconds, peak) in got.items():
        print(f"  {name:30s} {seconds * scale:10.3f} {peak:8.1f}" + "".join(f" {seconds / got[b][0]:18.2f}" for b in base))


def verdict(what, value, limit, unit=""):
    print(f"  {'reached' if value <= limit else 'MISSED '}  {what}: {value:.2f}{unit}, at most {limit:g}{unit}")


def independent():
    raw2, raw4, ninja = "posix_spawn, 2 in flight", "posix_spawn, 4 in flight", "ninja -j4"
    got = measure([
        (raw2, [str(BIN / "bench_spawn"), str(STEPS), "2", "/bin/true"]),
        (raw4, [str(BIN / "bench_spawn"), str(STEPS), "4", "/bin/true"]),
        ("make -j4", ["make", "-s", "-j4", "-f", "Makefile"]),
        (ninja, ["ninja", "-j4", "--quiet", "-f", "build.ninja"]),
        ("ninja -j8", ["ninja", "-j8", "--quiet", "-f", "build.ninja"]),
        ("xargs -P4", ["sh", "-c", f"seq {STEPS} | xargs -P4 -n1 /bin/true"]),
        ("orchctl -j 4, [/bin/true]", [ORCHCTL, "run", "list.yaml", "-j", "4", "-q"]),
        ("orchctl -j 2, [/bin/true]", [ORCHCTL, "run", "list.yaml", "-j", "2", "-q"]),
        ("orchctl -j 8, [/bin/true]", [ORCHCTL, "run", "list.yaml", "-j", "8", "-q"]),
        ("orchctl -j 4, 'true' by sh", [ORCHCTL, "run", "string.yaml", "-j", "4", "-q"]),
    ])
    raw = min(raw2, raw4, key=lambda name: got[name][0])
    table(f"{STEPS} independent no-op steps; orchctl's are supervised, logged and durably recorded", got, [raw, ninja], "s", 1)
    print()
    ours = got["orchctl -j 4, [/bin/true]"][0]
    verdict("orchctl -j 4 against ninja -j4", ours / got[ninja][0], 0.8)
    verdict("orchctl -j 8 against ninja -j8", got["orchctl -j 8, [/bin/true]"][0] / got["ninja -j8"][0], 0.8)
    verdict("orchctl -j 4 against the faster posix_spawn", ours / got[raw][0], 1.6)


def limited():
    """What a place in the cgroups costs: the same steps in none, and bounded by 1, 3 and 4 controllers."""
    ninja, bare = "ninja -j4", "orchctl -j 4, no limits"
    got = measure([
        (ninja, ["ninja", "-j4", "--quiet", "-f", "build.ninja"]),
        (bare, [ORCHCTL, "run", "list.yaml", "-j", "4", "-q"]),
        *((f"orchctl -j 4, {what}", [ORCHCTL, "run", f"limits-{count}.yaml", "-j", "4", "-q"])
          for count, what in ((1, "pids"), (3, "cpu, memory, pids"), (4, "and io"))),
    ])
    table(f"{STEPS} independent no-op steps with limits", got, [ninja, bare], "s", 1)
    print()
    verdict("orchctl -j 4 with cpu, memory and pids against ninja -j4", got["orchctl -j 4, cpu, memory, pids"][0] / got[ninja][0], 1.1)
    print(subprocess.run([str(BIN / "bench_cgroup")], capture_output=True, text=True, check=False).stdout)


def chain():
    got = measure([
        ("posix_spawn, 1 in flight", [str(BIN / "bench_spawn"), str(CHAIN), "1", "/bin/true"]),
        ("make", ["make", "-s", "-j4", "-f", "chain.mk"]),
        ("ninja", ["ninja", "-j4", "--quiet", "-f", "chain.ninja", f"s{CHAIN - 1:05d}"]),
        ("orchctl", [ORCHCTL, "run", "chain.yaml", "-j", "4", "-q"]),
    ])
    table(f"a chain of {CHAIN} no-op steps", got, ["ninja"], "ms a step", 1000 / CHAIN)
    print()
    verdict("orchctl", got["orchctl"][0] * 1000 / CHAIN, 2, " ms a step")


def reading():
    for kind in ("plain", "rich"):
        file = f"{kind}.yaml"
        size_mb = (WORK / file).stat().st_size / 1e6
        got = measure([
            ("libyaml, events only", [str(BIN / "bench_yaml"), file]),
            ("orchctl validate", [ORCHCTL, "validate", file, "-q"]),
            ("orchctl plan", [ORCHCTL, "plan", file, "-q"]),
        ])
        table(f"reading a file of {STEPS} {kind} steps, {size_mb:.1f} MB", got, ["libyaml, events only"], "ms", 1000)
        print()
        seconds, peak = got["orchctl plan"]
        verdict(f"validate + plan ({kind}) against libyaml", seconds / got["libyaml, events only"][0], 3)
        verdict(f"peak memory ({kind})", peak, 64, " MB")


def main():
    sys.stdout.reconfigure(line_buffering=True)
    for path, what in ((BIN / "orchctl", "the build"), (WORK / "rich.yaml", "generate.py")):
        if not path.exists():
            raise SystemExit(f"{path} is missing: {what} failed")
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        cpu = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown processor")
    print(f"{cpu}, {os.cpu_count()} cores, kernel {os.uname().release}; medians of {RUNS} runs")
    try:
        for part in (independent, limited, chain, reading):
            part()
    finally:
        for data in WORK.glob("data-*"):
            shutil.rmtree(data)


if __name__ == "__main__":
    main()
