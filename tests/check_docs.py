#!/usr/bin/python3
"""check_docs.py BIN: runs what the documents show, so that they cannot drift from the programs.

README.md, docs/*.md and the examples' READMEs are read in a fresh copy of the project, with orchctl on the PATH and one
empty data folder per document. Blocks of a document share both and run in order:
  ```sh     runs under `sh -e` and must exit with 0
  ```yaml   is validated if it has `steps:` at the left edge; with a first line `# name.yaml` it is written to that file
A comment on the line before a block says otherwise: <!-- exit 3 --> the code it must end with, <!-- not run: why -->.
Blocks that call the project's own long scripts are not run: CI does that.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?:^<!-- *(?P<note>.*?) *-->\n)?^```(?P<kind>sh|yaml)\n(?P<text>.*?)^```$", re.M | re.S)
OWN_SCRIPTS = re.compile(r"(scripts/(demo|test)|bench/run)\.sh|\.ci/run|\b(cmake|ctest)\b")
SECONDS = 300


def project_copy(target):
    names = subprocess.run(["git", "-C", str(ROOT), "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                            "--exclude-standard"], check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)


def command_of(kind, text, scratch):
    if kind == "sh":
        return None if OWN_SCRIPTS.search(text) else ["sh", "-e", "-c", text]
    if not re.search(r"^steps:", text, re.M):
        return None
    named = re.match(r"# ([\w.-]+\.ya?ml)$", text, re.M)
    path = scratch / "project" / (named.group(1) if named else "snippet.yaml")
    path.write_text(text, encoding="utf-8")
    return ["orchctl", "validate", str(path)]


def run_document(document, scratch, env):
    """-> (blocks run, blocks not run, problems)"""
    text, ran, left, problems = (ROOT / document).read_text(encoding="utf-8"), 0, 0, []
    for match in BLOCK.finditer(text):
        where = f"{document}:{text.count(chr(10), 0, match.start('kind')) + 1}"
        note = match.group("note") or ""
        command = command_of(match.group("kind"), match.group("text"), scratch)
        if command is None or note.startswith("not run"):
            left += 1
            continue
        wanted = int(note.split()[1]) if note.startswith("exit ") else 0
        try:
            got = subprocess.run(command, cwd=scratch / "project", env=env, stdin=subprocess.DEVNULL, timeout=SECONDS,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        except subprocess.TimeoutExpired:
            problems.append(f"{where}: still running after {SECONDS} s\n{match.group('text')}")
            continue
        ran += 1
        if got.returncode != wanted:
            problems.append(f"{where}: exit code {got.returncode}, expected {wanted}\n{match.group('text')}---\n{got.stdout}")
    return ran, left, problems


def main():
    documents = [d for d in ["README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
                             *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("examples/*/README.md"))] if (ROOT / d).is_file()]
    failed = 0
    for document in documents:
        with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="docs.") as folder:
            scratch = pathlib.Path(folder)
            project_copy(scratch / "project")
            env = {**os.environ, "PATH": f"{pathlib.Path(sys.argv[1]).resolve()}:{os.environ['PATH']}",
                   "ORCH_HOME": str(scratch / "data"), "NO_COLOR": "1"}
            ran, left, problems = run_document(document, scratch, env)
        print(f"{document}: {ran} blocks ran, {left} not run, {len(problems)} problems")
        for problem in problems:
            print(problem, file=sys.stderr)
        failed += len(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
