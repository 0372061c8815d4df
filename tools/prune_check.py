"""Accepted with pruning implies accepted without: over generated programs and over objects.

    python tools/prune_check.py [COUNT] [--seed N] [--jobs N] [--mixed] [--objects FOLDER] [--limit INSNS]

Generated are programs whose paths meet with different values (--mixed: those of `beespace fuzz`, with loops, maps and
functions). Each accepted program is verified again with every path walked to its end, up to --limit instructions.
Prints how many were the same, how many have too many paths, and every one that is accepted only with pruning; exits
with 1 if there is one. Generated programs are reproducible by their seed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

import beespace
from beespace.kernel import Pipeline
from beespace.testing.conformance import judge_object
from beespace.testing.fuzz.emit import Emitted, emit
from beespace.testing.fuzz.joins import joins
from beespace.testing.fuzz.program import generate
from beespace.testing.fuzz.pruning import BothWays, PruneReport, check_seeds

CHUNK = 50


def check_object(path: Path, limit: int) -> PruneReport:
    """The programs of an object, both ways."""
    report = PruneReport()
    with beespace.Kernel() as kernel:
        try:
            names = [prog.name for prog in kernel.open(path).progs]
        except beespace.BpfError:
            names = []
    for name in names:
        both = BothWays(limit)
        judge_object(path, lambda both=both: beespace.Kernel(pipeline=Pipeline(verify=both)), progs=[name])
        report.counts[both.outcome or "not verified"] += 1
        report.saved += both.saved
        report.pruned += both.saved > 0
        if both.outcome == "DIFFERENT":
            report.different.append((0, f"{path.name} {name}: {both.message}"))
    return report


def mixed(seed: int) -> Emitted:
    """A program of `beespace fuzz`."""
    return emit(generate(seed))


def check_chunk(first: int, limit: int, end: int, make: Callable[[int], Emitted]) -> PruneReport:
    """Up to CHUNK seeds from *first* on."""
    return check_seeds(first, min(CHUNK, end - first), make, insn_limit=limit)


def main() -> int:
    parser = argparse.ArgumentParser(description="pruning leaves out only what is safe")
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--objects", type=Path)
    parser.add_argument("--limit", type=int, default=50_000)
    args = parser.parse_args()
    end = args.seed + args.count
    work: list[object]
    if args.objects:
        work, check = sorted(args.objects.rglob("*.o")), partial(check_object, limit=args.limit)
    else:
        work, check = (
            list(range(args.seed, end, CHUNK)),
            partial(check_chunk, limit=args.limit, end=end, make=mixed if args.mixed else joins),
        )
    total = PruneReport()
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        results = pool.imap_unordered(check, work)
        for part in track(results, total=len(work), description="both ways", console=Console(stderr=True)):
            total.add(part)
    for outcome, count in sorted(total.counts.items()):
        print(f"{count:9}  {outcome}")
    print(f"{total.pruned:9}  programs had paths pruned, {total.saved} instructions in all")
    for seed, message in total.different:
        print(f"ACCEPTED ONLY WITH PRUNING: {f'seed {seed}: ' if seed else ''}{message}")
    return bool(total.different)


if __name__ == "__main__":
    sys.exit(main())
