"""`beespace fuzz`: generated programs on the simulated and the real kernel."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from beespace.cli.kernels import Backend, open_kernel
from beespace.cli.main import EXIT_NO, reports_errors

if TYPE_CHECKING:
    from beespace.api import Kernel, LinuxKernel
    from beespace.testing.fuzz.campaign import Report

__all__ = ["make_kernels", "register"]

# A difference of these kinds makes the command fail; the others are shown.
_SERIOUS = ("unsound", "result")


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
    report: Annotated[Path | None, typer.Option(help="write the report as JSON")] = None,
    cases: Annotated[Path | None, typer.Option(help="folder for shrunk differences")] = None,
) -> None:
    """Generate programs, verify and run them on both kernels, shrink what differs.

    Fails (1) when a program is accepted here that the kernel rejects for safety, or when a result differs.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from beespace.testing.fuzz.campaign import run_campaign, save_cases

    open_kernel(Backend.linux)  # its absence is an error of this process, not of a worker
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("programs", total=count)

        def show(done: int, so_far: Report) -> None:
            kinds = ", ".join(f"{number} {kind}" for kind, number in so_far.kinds.most_common(3))
            bar.update(task, completed=done, description=kinds or "no difference")

        progress: Callable[[int, Report], None] = show
        result = run_campaign(
            make_kernels,
            first_seed=seed,
            count=count,
            risk=risk,
            jobs=jobs or len(os.sched_getaffinity(0)),
            progress=progress,
        )
    print_report(result)
    if report is not None:
        report.write_text(result.to_json() + "\n")
    if cases is not None:
        for path in save_cases(result, cases):
            print(path)
    if any(result.kinds[kind] for kind in _SERIOUS):
        raise typer.Exit(EXIT_NO)


def print_report(result: Report) -> None:
    """Counts, then one line for each kept case."""
    print(f"programs            {result.programs}")
    print(f"kernel accepts      {result.accepted}")
    print(f"kernel rejects      {result.rejected}")
    print(f"same insn_processed {result.same_processed}")
    for kind, number in sorted(result.kinds.items()):
        print(f"{kind:<19} {number}")
    for case in result.cases:
        print(f"  seed {case.seed}: {case.kind}, {case.nodes} statements: {case.detail}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(fuzz)
