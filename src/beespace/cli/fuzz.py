"""`beespace fuzz`: generated programs on the simulated and the real kernel."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beespace.cli.kernels import Backend, open_kernel
from beespace.cli.main import EXIT_NO, reports_errors

if TYPE_CHECKING:
    from beespace.api import Kernel, LinuxKernel
    from beespace.testing.fuzz.campaign import Case, Report

__all__ = ["make_kernels", "register"]

# A difference of these kinds makes the command fail; the others are shown.
_SERIOUS = ("unsound", "result")
_SHOWN = 300  # characters of a difference


def make_kernels() -> tuple[Kernel | LinuxKernel, Kernel | LinuxKernel]:
    """(simulated, real), with the same number of CPUs."""
    linux = open_kernel(Backend.linux)
    return open_kernel(Backend.sim, cpus=linux.features.cpus), linux


@reports_errors
def fuzz(
    count: Annotated[int, typer.Option("--count", "-n", help="programs to generate")] = 1000,
    seed: Annotated[int, typer.Option(help="seed of the first program; program n has seed + n")] = 0,
    risk: Annotated[float, typer.Option(help="probability that a memory access misses its check")] = 0.03,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="processes; 0: one for each CPU")] = 0,
    corpus: Annotated[
        list[Path] | None, typer.Option(help="change programs of these objects or folders instead; may be repeated")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="write the report as JSON")] = None,
    cases: Annotated[Path | None, typer.Option(help="folder for shrunk differences")] = None,
) -> None:
    """Generate programs (or change those of a corpus), verify and run them on both kernels, shrink what differs.

    Fails (1) when a program is accepted here that the kernel rejects for safety, or when a result differs.
    """
    from beespace.testing.fuzz.campaign import run_campaign, run_corpus, save_cases
    from beespace.testing.fuzz.mutate import find_corpus

    open_kernel(Backend.linux)  # its absence is an error of this process, not of a worker
    processes = jobs or len(os.sched_getaffinity(0))
    with _progress(count) as show:
        if corpus:
            result = run_corpus(
                make_kernels, find_corpus(corpus), first_seed=seed, count=count, jobs=processes, progress=show
            )
        else:
            result = run_campaign(make_kernels, first_seed=seed, count=count, risk=risk, jobs=processes, progress=show)
    print_report(result)
    if report is not None:
        report.write_text(result.to_json() + "\n")
    if cases is not None:
        for path in save_cases(result, cases):
            print(path)
    if any(result.kinds[kind] for kind in _SERIOUS):
        raise typer.Exit(EXIT_NO)


@contextmanager
def _progress(count: int) -> Iterator[Callable[[int, Report], None]]:
    # A bar on a terminal; a line for each twentieth in a file.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    def summary(so_far: Report) -> str:
        return ", ".join(f"{number} {kind}" for kind, number in so_far.kinds.most_common(3)) or "no difference"

    console = Console(stderr=True)
    if not console.is_terminal:
        told = 0

        def line(done: int, so_far: Report) -> None:
            nonlocal told
            if (done - told) * 20 >= count:
                told = done
                print(f"{done} of {count} programs: {summary(so_far)}", file=sys.stderr, flush=True)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("programs", total=count)
        yield lambda done, so_far: bar.update(task, completed=done, description=summary(so_far))


def print_report(result: Report) -> None:
    """Counts, then one line for each kept case."""
    print(f"programs            {result.programs}")
    print(f"kernel accepts      {result.accepted}")
    print(f"kernel rejects      {result.rejected}")
    print(f"same insn_processed {result.same_processed}")
    print(f"run on both         {result.ran}")
    for kind, number in sorted(result.kinds.items()):
        print(f"{kind:<19} {number}")
    for name, why in sorted(result.left_out.items()):
        print(f"left out: {name}: {why}")
    for case in result.cases:
        print()
        print_case(case)


def print_case(case: Case) -> None:
    """What differs, the program, and the ends of both logs side by side."""
    from beespace.testing.fuzz.show import listing, side_by_side

    what = f"mutant of {case.source}" if case.source else f"generated, {case.nodes} statements left"
    print(f"seed {case.seed}: {case.kind} ({what})")
    print(f"  {case.detail[:_SHOWN]}")
    for line in listing(case):
        print(f"  {line}")
    for line in side_by_side(case, width=shutil.get_terminal_size((140, 0)).columns - 2):
        print(f"  {line}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(fuzz)
