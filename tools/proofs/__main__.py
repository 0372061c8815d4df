"""Proofs of the number domain: ``python -m proofs --help``."""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from proofs import exhaustive, mutants, page, results
from proofs.domain import W8, W64
from proofs.obligations import GROUPS
from proofs.prove import Outcome, prove_group

WIDTHS = {64: W64, 8: W8}
FIGURES = results.FILE.with_name("figures.json")
# The longest first, so that two processes end together.
LONG = ("reg_bounds_sync", "sub 64", "sub 32", "lsh 64", "rsh 64", "arsh 64", "tnum_sub", "ptr_sub", "add 64", "or 64")

console = Console(soft_wrap=True)


def in_parallel(title: str, func: Callable[..., Any], jobs: list[tuple[Any, ...]], processes: int) -> Iterable[Any]:
    """Results of *func* for each of *jobs*, as they come, with progress."""
    columns = TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    context = multiprocessing.get_context("spawn")
    with Progress(*columns, console=console) as progress, ProcessPoolExecutor(processes, context) as pool:
        task = progress.add_task(title, total=len(jobs))
        futures = [pool.submit(func, *job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
            progress.advance(task)


def prove(width: int, processes: int, only: list[str]) -> list[Outcome]:
    groups = [group for group in GROUPS if not only or any(word in group for word in only)]
    groups.sort(key=lambda group: LONG.index(group) if group in LONG else len(LONG))
    jobs = [(group, WIDTHS[width]) for group in groups]
    found = list(in_parallel(f"proofs at {width} bits", prove_group, jobs, processes))
    return sorted(found, key=lambda outcome: list(GROUPS).index(outcome.group))


def report_proofs(outcomes: list[Outcome], width: int, seconds: float) -> bool:
    table = Table("operator", "clauses", "CPU s", "slowest clause", title=f"{width} bits")
    for o in outcomes:
        table.add_row(o.group, str(o.clauses), f"{o.seconds:.2f}", f"{o.slowest[0]} {o.slowest[1]:.2f}")
    console.print(table)
    failures = [(o.group, *failure) for o in outcomes for failure in o.failures]
    for group, clause, what in failures:
        console.print(f"NOT PROVEN {group}: {clause}: {what}", style="red")
    clauses, cpu = sum(o.clauses for o in outcomes), sum(o.seconds for o in outcomes)
    verdict = "all proven" if not failures else f"{len(failures)} NOT PROVEN"
    console.print(
        f"{clauses} clauses of {len(outcomes)} operators at {width} bits: {verdict}; {cpu:.0f} s CPU, {seconds:.0f} s"
    )
    return not failures


def run_exhaustive(stride: int, update: bool, processes: int) -> tuple[bool, dict[str, exhaustive.Figure]]:
    """All pairs of 5-bit states; figures as recorded, and nothing unsound."""
    began = time.perf_counter()
    found: dict[str, exhaustive.Figure] = {}
    jobs = [(None, stride, part) for part in reversed(exhaustive.PARTS)]
    for part in in_parallel("5 bits", exhaustive.part_figures, jobs, processes):
        found |= part
    good = True
    recorded = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if update:
        recorded[str(stride)] = {name: figure.as_dict() for name, figure in found.items()}
        FIGURES.write_text(json.dumps(recorded, indent=0) + "\n")
    expected = recorded.get(str(stride), {})
    for name, figure in found.items():
        if figure.unsound:
            console.print(f"UNSOUND {name}: {figure}", style="red")
            good = False
        elif expected.get(name) != figure.as_dict():
            console.print(
                f"OTHER PRECISION {name}: {figure}, recorded {expected.get(name)} (--update if meant)", style="red"
            )
            good = False
    cases = sum(figure.cases for figure in found.values())
    console.print(f"{cases} cases of {len(found)} operations at 5 bits in {time.perf_counter() - began:.0f} s")
    return good, found


def historical(processes: int) -> tuple[bool, list[mutants.Verdict]]:
    """Every historical bug is noticed."""
    jobs = [(number,) for number in range(len(mutants.HISTORICAL))]
    found = list(in_parallel("historical bugs", mutants.judge_historical, jobs, processes))
    found.sort(key=lambda verdict: verdict.mutant.number)
    alive = [verdict.mutant.change for verdict in found if not verdict.killed]
    for change in alive:
        console.print(f"NOT NOTICED {change}", style="red")
    console.print(f"{len(found) - len(alive)} of {len(found)} historical bugs noticed")
    return not alive, found


def seeded(count: int, seed: int, processes: int) -> tuple[bool, list[mutants.Verdict]]:
    """At least 98 % of seeded mutants are noticed, not counting those proven to be no change."""
    jobs = [(mutant,) for mutant in mutants.mutants(count, seed)]
    found = list(in_parallel(f"{count} mutants, seed {seed}", mutants.judge, jobs, processes))
    found.sort(key=lambda verdict: verdict.mutant.number)
    for verdict in found:
        if not verdict.killed:
            what = "is no change (proven)" if verdict.equivalent else "SURVIVES"
            console.print(f"{what}: {verdict.mutant.function}:{verdict.mutant.line}: {verdict.mutant.change}")
    killed = sum(verdict.killed for verdict in found)
    real = sum(not verdict.equivalent for verdict in found)
    console.print(f"{killed} of {real} mutants noticed ({100 * killed / real:.1f} %)")
    return killed >= 0.98 * real, found


def oracle(programs: int, seed: int) -> tuple[bool, dict[str, Any]]:
    """One-operation programs print on the running kernel what we say (needs bpf(2))."""
    import numbers_oracle

    counts: collections.Counter[str] = collections.Counter()
    found = list(numbers_oracle.differences(programs, seed, counts))
    for difference in found:
        how = "ours is tighter" if difference.tighter else "NOT THE SAME"
        console.print(f"{how} {difference.operation}: R{difference.reg} {difference.kernels}, ours {difference.ours}")
    differ = collections.Counter(("tighter " if d.tighter else "other ") + d.operation.split()[0] for d in found)
    total = {name: counts[name] for name in ("programs", "states", "registers")}
    console.print(f"kernel {platform.release()}: {total}; differences: {dict(differ) or 'none'}")
    answer = {"kernel": platform.release(), "asked": programs, "seed": seed, **total, "differences": dict(differ)}
    return all(d.tighter for d in found), answer


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    parser.add_argument("only", nargs="*", help="groups whose name contains one of these")
    parser.add_argument("--width", type=int, choices=WIDTHS, default=64, help="bits of a word")
    parser.add_argument("-j", "--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="8 bits, every 8th state: before a commit")
    parser.add_argument("--full", action="store_true", help="also every pair of 5-bit states, and historical bugs")
    parser.add_argument("--mutants", type=int, default=0, metavar="N", help="also N seeded mutants")
    parser.add_argument("--oracle", type=int, default=0, metavar="N", help="also N programs on the running kernel")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--update", action="store_true", help="record the precision found")
    parser.add_argument("--record", action="store_true", help=f"record all that is found, for the page: {results.FILE}")
    parser.add_argument("--page", type=Path, help="write the page of documentation, from what is recorded")
    args = parser.parse_args()
    width = 8 if args.quick else args.width
    found: dict[str, Any] = {}
    began = time.perf_counter()
    outcomes = prove(width, args.processes, args.only)
    seconds = time.perf_counter() - began
    good = report_proofs(outcomes, width, seconds)
    if not args.only:
        found[f"proofs {width}"] = results.of_proofs(outcomes, seconds)
    if args.quick and not args.only:
        good &= run_exhaustive(mutants.STRIDE, args.update, args.processes)[0]
    if args.full:
        began = time.perf_counter()
        exact, _ = run_exhaustive(1, args.update, args.processes)
        found["exhaustive seconds"] = round(time.perf_counter() - began)
        noticed, history = historical(args.processes)
        found["historical"] = results.of_historical(history)
        good &= exact and noticed
    if args.mutants:
        enough, verdicts = seeded(args.mutants, args.seed, args.processes)
        found["mutants"] = results.of_mutants(verdicts, args.seed)
        good &= enough
    if args.oracle:
        same, found["oracle"] = oracle(args.oracle, args.seed)
        good &= same
    if args.record:
        results.write(found)
    if args.page:
        args.page.write_text(page.render(results.read(), json.loads(FIGURES.read_text())["1"]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
