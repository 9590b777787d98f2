#!/usr/bin/python3
"""Which module may include which, that private headers stay private, and that headers compile alone.

The table is the one of the design: an arrow that is not in it is an error, never a warning.
"""
import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANY = None
ARROWS = {
    "base": set(),
    "dag": {"base"},
    "scheduler": {"base", "dag"},
    "executor/step": {"base"},
    "executor": {"base", "dag", "executor/step"},
    "storage": {"base"},
    "engine": {"base", "dag", "scheduler", "executor", "executor/step", "storage"},
    "cli": {"base", "dag", "scheduler", "executor", "executor/step", "storage", "engine"},
    "bench": ANY,
    "tests": ANY,
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)


def tracked():
    names = subprocess.run(["git", "-C", str(ROOT), "-c", "safe.directory=*", "ls-files", "--cached", "--others",
                            "--exclude-standard", "*.c", "*.h"], check=True, capture_output=True, text=True).stdout.split("\n")
    return [name for name in sorted(set(names)) if name and (ROOT / name).is_file()]


def module_of(path):
    """The longest row of the table that the path lies in."""
    folder = os.path.dirname(path)
    while folder:
        if folder in ARROWS:
            return folder
        folder = os.path.dirname(folder)
    return None


def is_public(header, module):
    return module == "base" or header == f"{module}/{os.path.basename(module)}.h"


def problems_of(path):
    module = module_of(path)
    if module is None:
        yield f"{path}: lies in no module of the table in tests/check_arrows.py"
        return
    text = (ROOT / path).read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        header, where = match.group(1), f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        if module == "tests" and (ROOT / os.path.dirname(path) / header).is_file():
            continue                    # a test's own helper, beside it
        target = module_of(header)
        if not (ROOT / header).is_file() or target is None:
            yield f'{where}: "{header}" is no path from the root of the project'
        elif target == module or ARROWS[module] is ANY:
            continue
        elif target not in ARROWS[module]:
            allowed = ", ".join(sorted(ARROWS[module])) or "nothing"
            yield f"{where}: {module} may not include {target} ({header}); it may include: {allowed}"
        elif not is_public(header, target):
            yield f"{where}: {header} is private to {target}; its public header is {target}/{os.path.basename(target)}.h"


def compiles_alone(header):
    got = subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused", f"-I{ROOT}", "-fsyntax-only", "-x", "c",
                          "-include", str(ROOT / header), "/dev/null"], capture_output=True, text=True)
    return [] if got.returncode == 0 else [f"{header}: does not compile alone\n{got.stderr.rstrip()}"]


def main():
    paths = tracked()
    problems = [problem for path in paths for problem in problems_of(path)]
    headers = [path for path in paths if path.endswith(".h") and not path.startswith("tests/")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(compiles_alone, headers):
            problems += found
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(paths)} files, {len(headers)} headers compiled alone, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
