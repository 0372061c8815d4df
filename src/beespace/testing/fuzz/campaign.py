"""Many seeds, two kernels, all cores: what `beespace fuzz` and `make oracle` run."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from beespace.isa import encode_insns
from beespace.testing.fuzz.emit import emit
from beespace.testing.fuzz.judge import Bench, judge
from beespace.testing.fuzz.program import FuzzProgram, generate
from beespace.testing.fuzz.shrink import shrink
from beespace.values import frozen, mutable

__all__ = ["Case", "Report", "run_campaign"]

_CHUNK = 50


@frozen
class Case:
    """A difference, shrunk: enough to repeat it without the generator.

    :ivar insns: the instructions as hexadecimal text; map references carry indices into ``MAPS``.
    """

    seed: int
    kind: str
    detail: str
    prog_type: int
    insns: str
    nodes: int
    ours: str
    kernels: str


@mutable
class Report:
    """Counts and cases of a campaign."""

    programs: int = 0
    accepted: int = 0
    rejected: int = 0
    same_processed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    cases: list[Case] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Count *other* in."""
        self.programs += other.programs
        self.accepted += other.accepted
        self.rejected += other.rejected
        self.same_processed += other.same_processed
        self.kinds += other.kinds
        self.cases += other.cases

    def to_json(self) -> str:
        """The report as JSON text, cases sorted by kind and seed."""
        cases = sorted(self.cases, key=lambda case: (case.kind, case.seed))
        return json.dumps(
            {
                "programs": self.programs,
                "accepted": self.accepted,
                "rejected": self.rejected,
                "same_processed": self.same_processed,
                "kinds": dict(sorted(self.kinds.items())),
                "cases": [asdict(case) for case in cases],
            },
            indent=1,
        )


def _case(ours: Bench, kernels: Bench, program: FuzzProgram, kind: str) -> Case:
    def still_fails(candidate: FuzzProgram) -> bool:
        difference, _, _ = judge(ours, kernels, emit(candidate), candidate.seed)
        return difference is not None and difference.kind == kind

    small = shrink(program, still_fails)
    code = emit(small)
    difference, mine, theirs = judge(ours, kernels, code, small.seed)
    detail = difference.detail if difference is not None else "gone after shrinking"
    text = encode_insns(code.insns).hex()
    return Case(program.seed, kind, detail, code.prog_type, text, small.size(), mine.log or mine.message, theirs.log)


def _chunk(args: tuple[Callable[[], tuple[Any, Any]], int, int, float, int]) -> Report:
    make, first, count, risk, keep = args
    report = Report()
    # All runs of a program on one CPU, or per-CPU maps would depend on where the scheduler put this process.
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[os.getpid() % len(cpus)]})
    sim, linux = make()
    ours, kernels = Bench(sim), Bench(linux)
    for seed in range(first, first + count):
        program = generate(seed, risk=risk)
        difference, mine, theirs = judge(ours, kernels, emit(program), seed)
        report.programs += 1
        report.accepted += theirs.verdict == "accepted"
        report.rejected += theirs.verdict == "rejected"
        report.same_processed += mine.processed == theirs.processed
        if difference is not None:
            report.kinds[difference.kind] += 1
            if sum(case.kind == difference.kind for case in report.cases) < keep:
                report.cases.append(_case(ours, kernels, program, difference.kind))
    return report


def run_campaign(
    make: Callable[[], tuple[Any, Any]],
    *,
    first_seed: int,
    count: int,
    risk: float = 0.03,
    jobs: int = 1,
    keep: int = 2,
    progress: Callable[[int, Report], None] | None = None,
) -> Report:
    """Judge the programs of ``count`` seeds.

    :param make: makes (simulated kernel, real kernel); called once for each chunk, in the worker, so it must be
        picklable when *jobs* > 1.
    :param keep: cases of one kind to shrink and keep for each chunk of 50 programs.
    :param progress: told (programs done, report so far) after each chunk.
    """
    chunks = [
        (make, seed, min(_CHUNK, first_seed + count - seed), risk, keep)
        for seed in range(first_seed, first_seed + count, _CHUNK)
    ]
    report = Report()

    def take(part: Report) -> None:
        report.add(part)
        if progress is not None:
            progress(report.programs, report)

    if jobs <= 1:
        for chunk in chunks:
            take(_chunk(chunk))
    else:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            for part in pool.imap_unordered(_chunk, chunks):
                take(part)
    return report


def save_cases(report: Report, folder: Path) -> list[Path]:
    """One JSON file for each case, named by kind and seed; they become tests."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for case in report.cases:
        path = folder / f"{case.kind}-{case.seed}.json"
        path.write_text(json.dumps(asdict(case), indent=1) + "\n")
        paths.append(path)
    return paths
