#!/usr/bin/python3
"""Writes the same work for each tool: generate.py FOLDER STEPS CHAIN

  list.yaml string.yaml Makefile build.ninja             STEPS independent no-ops
  limits-N.yaml                                          the same, each step bounded by N controllers
  chain.yaml chain.mk chain.ninja                        CHAIN no-ops, each after the one before
  plain.yaml rich.yaml                                   STEPS steps to be read only: the least, and what real steps carry
"""
import pathlib
import sys


LIMITS = {
    1: "{pids: 256}",
    3: "{cpu: 1, memory: 256MiB, pids: 256}",
    4: "{cpu: 1, memory: 256MiB, pids: 256, io: {read: 1GiB}}",
}


def pipeline(path, name, steps):
    path.write_text(f"name: {name}\n" + steps[0] + "steps:\n" + "".join(steps[1:]), encoding="utf-8")


def name(i):
    return f"s{i:05d}"


def rich_step(i):
    """Two needs in the layer of a hundred before it, an expression, outputs and a retry."""
    layer = i // 100
    needs = f"needs: [{name((layer - 1) * 100 + i % 100)}, {name((layer - 1) * 100 + (i * 7 + 3) % 100)}]" if layer else "needs: []"
    return (f"  {name(i)}:\n    kind: train\n    {needs}\n    run: python3 train.py --days ${{{{ params.days }}}} --part {i}\n"
            f"    timeout: 30m\n    retry: {{limit: 2, delay: 5s}}\n    outputs: {{model: {{path: model-{i}.pkl}}}}\n")


def main():
    folder, steps, chain = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    many = range(steps)
    pipeline(folder / "list.yaml", "list", ["", *(f"  {name(i)}: {{run: [/bin/true]}}\n" for i in many)])
    pipeline(folder / "string.yaml", "string", ["", *(f"  {name(i)}: {{run: 'true'}}\n" for i in many)])
    for count, limits in LIMITS.items():
        pipeline(folder / f"limits-{count}.yaml", f"limits-{count}",
                 [f"defaults: {{resources: {limits}}}\n", *(f"  {name(i)}: {{run: [/bin/true]}}\n" for i in many)])
    pipeline(folder / "chain.yaml", "chain",
             ["", *(f"  {name(i)}: {{run: [/bin/true]{f', needs: {name(i - 1)}' if i else ''}}}\n" for i in range(chain))])
    pipeline(folder / "plain.yaml", "plain", ["", *(f"  {name(i)}: {{run: echo {i}}}\n" for i in many)])
    pipeline(folder / "rich.yaml", "rich", ["params: {days: 14}\n", *(rich_step(i) for i in many)])

    targets = " ".join(map(name, many))
    (folder / "Makefile").write_text(f".PHONY: all {targets}\nall: {targets}\n{targets}:\n\t@/bin/true\n")
    rule = "rule noop\n  command = /bin/true\n"
    (folder / "build.ninja").write_text(rule + "".join(f"build {name(i)}: noop\n" for i in many))
    links = " ".join(map(name, range(chain)))
    (folder / "chain.mk").write_text(f".PHONY: {links}\nall: {name(chain - 1)}\n" + "".join(
        f"{name(i)}:{' ' + name(i - 1) if i else ''}\n\t@/bin/true\n" for i in range(chain)))
    (folder / "chain.ninja").write_text(rule + "".join(f"build {name(i)}: noop{' ' + name(i - 1) if i else ''}\n" for i in range(chain)))


if __name__ == "__main__":
    main()
