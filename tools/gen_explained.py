"""Writes docs/explained: for each C file in docs/explained/src its refusal, our explanation and the mended source.

    python tools/gen_explained.py [--check] [--linux]

Each source holds two programs, without and with FIXED defined: the first must be refused, the second accepted. --check
compares instead of writing; --linux lets the running kernel be the verifier (with --check: its explanations are the
same text). Needs clang (the newest of clang-19, clang) and the headers of libbpf.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import beespace
from beespace.debug.explain import as_text, explain
from beespace.errors import InputError
from beespace.testing.conformance import Judged, judge_object

PAGES = Path(__file__).parents[1] / "docs" / "explained"
SOURCES = PAGES / "src"
CLANG = next((name for name in ("clang-19", "clang") if shutil.which(name)), "")
FLAGS = ("-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-idirafter", "/usr/include/x86_64-linux-gnu")
INDEX = """# Refusals explained

What the verifier says to common mistakes, what it means, and what mends it. Each page has a program as people write it,
the output of `beespace verify --explain` for it, and the lines that change. All of it is compiled and verified when the
tests run: the first version is refused with just this explanation, the second is accepted; by the simulated kernel and
by the running one. Written by `tools/gen_explained.py` from `docs/explained/src`.

| | |
|---|---|
"""


class Unexpected(Exception):
    """A program that should be refused is accepted, or the other way round."""


def compiled(name: str, lines: list[str], folder: Path) -> Path:
    """The object of a program, compiled as it is shown, so that lines have the numbers a reader counts."""
    (folder / name).write_text("\n".join(lines) + "\n")
    args = [CLANG, *FLAGS, "-c", name, "-o", "out.bpf.o"]
    done = subprocess.run(args, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise InputError(done.stderr, path=name)
    return folder / "out.bpf.o"


def version(text: str, fixed: bool) -> Iterator[str]:
    """The lines of *text* with its #ifdef FIXED resolved."""
    shown = [True]
    for line in text.splitlines():
        match line.split():
            case ["#ifdef", "FIXED"]:
                shown.append(fixed)
            case ["#ifndef", "FIXED"]:
                shown.append(not fixed)
            case ["#else"]:
                shown[-1] = not shown[-1]
            case ["#endif"]:
                shown.pop()
            case _:
                if all(shown):
                    yield line


def verdict(path: Path, make_kernel: Any) -> Judged:
    """The verdict on the only program of an object."""
    (one,) = judge_object(path, make_kernel, log_level=1 | 4)
    return one


def page(source: Path, make_kernel: Any) -> tuple[str, str]:
    """(title, text) of a page. :raises Unexpected: a verdict is not what the page is about."""
    text = source.read_text()
    title = text.splitlines()[0].removeprefix("// ")
    before, after = ("\n".join(list(version(text, fixed))[1:]).strip().splitlines() for fixed in (False, True))
    with tempfile.TemporaryDirectory() as folder:
        refused, accepted = (verdict(compiled(source.name, c, Path(folder)), make_kernel) for c in (before, after))
    if refused.verdict != "failure":
        raise Unexpected(f"{source.name}: {refused.verdict} {refused.message}, a refusal was expected")
    if accepted.verdict != "success":
        raise Unexpected(f"{source.name} mended: {accepted.verdict}: {accepted.message}")
    explained = explain(refused.log, refused.message)
    if not explained.rule:
        raise Unexpected(f"{source.name}: no rule explains {explained.message!r}")
    name = source.name.removesuffix(".bpf.c")
    parts = [
        f"# {name}\n\n{title}\n",
        "```c\n" + "\n".join(before) + "\n```\n",
        f"```console\n$ beespace verify --explain {name}.bpf.o\n{as_text(refused.prog, explained)}\n```\n",
        "What mends it:\n\n```diff\n" + "\n".join(changes(before, after)) + "\n```\n",
    ]
    return title, "\n".join(parts)


def changes(before: list[str], after: list[str]) -> list[str]:
    """The lines that differ, with a few around them, as a unified diff without its header."""
    from difflib import unified_diff

    return [line for line in unified_diff(before, after, n=2, lineterm="") if not line.startswith(("---", "+++", "@@"))]


def pages(make_kernel: Any) -> dict[str, str]:
    """File name -> text."""
    made, index = {}, INDEX
    for source in sorted(SOURCES.glob("*.bpf.c")):
        name = source.name.removesuffix(".bpf.c")
        title, made[f"{name}.md"] = page(source, make_kernel)
        index += f"| [{name}]({name}.md) | {title} |\n"
    return made | {"README.md": index}


def main() -> int:
    parser = argparse.ArgumentParser(description="write docs/explained")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    parser.add_argument("--linux", action="store_true", help="the running kernel's verifier")
    args = parser.parse_args()
    if not CLANG:
        print("there is no clang", file=sys.stderr)
        return 77
    made = pages(beespace.LinuxKernel if args.linux else beespace.Kernel)
    stale = [name for name, text in made.items() if not (PAGES / name).exists() or (PAGES / name).read_text() != text]
    stale += [path.name for path in PAGES.glob("*.md") if path.name not in made]
    if args.check:
        print("\n".join(f"docs/explained/{name} is not current: run tools/gen_explained.py" for name in stale))
        return bool(stale)
    for name, text in made.items():
        (PAGES / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
