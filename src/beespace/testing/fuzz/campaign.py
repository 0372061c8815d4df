"""Many seeds, two kernels, all cores: what `beespace fuzz` and `make oracle` run."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from beespace.errors import BpfError, InputError
from beespace.isa import encode_insns
from beespace.testing.fuzz.emit import emit
from beespace.testing.fuzz.judge import Bench, Difference, Outcome, compare, judge
from beespace.testing.fuzz.mutate import MUTABLE_TYPES, CorpusBench, Edit, apply_edits, mutations
from beespace.testing.fuzz.program import FuzzProgram, generate
from beespace.testing.fuzz.shrink import shrink
from beespace.values import frozen, mutable

__all__ = ["Case", "Report", "run_campaign", "run_corpus", "save_cases"]

_T = TypeVar("_T")
_CHUNK = 50


@frozen
class Case:
    """A difference, shrunk: enough to repeat it without the generator.

    :ivar insns: the instructions as hexadecimal text; map references carry indices into ``MAPS``. Of a mutant: as the
        simulated kernel got them.
    :ivar nodes: statements left; of a mutant: edits left.
    :ivar source: "" for a generated program; "OBJECT:PROGRAM: EDITS" for a mutant.
    """

    seed: int
    kind: str
    detail: str
    prog_type: int
    insns: str
    nodes: int
    ours: str
    kernels: str
    source: str = ""


@mutable
class Report:
    """Counts and cases of a campaign."""

    programs: int = 0
    accepted: int = 0
    rejected: int = 0
    same_processed: int = 0
    ran: int = 0  # accepted by both and run on both
    kinds: Counter[str] = field(default_factory=Counter)
    cases: list[Case] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # corpus programs that one kernel cannot load: why

    def count(self, ours: Outcome, kernels: Outcome, difference: Difference | None) -> None:
        """Count one program in."""
        self.programs += 1
        self.accepted += kernels.verdict == "accepted"
        self.rejected += kernels.verdict == "rejected"
        self.same_processed += ours.processed == kernels.processed
        self.ran += bool(ours.runs and kernels.runs)
        if difference is not None:
            self.kinds[difference.kind] += 1

    def add(self, other: Report) -> None:
        """Count *other* in."""
        self.programs += other.programs
        self.accepted += other.accepted
        self.rejected += other.rejected
        self.same_processed += other.same_processed
        self.ran += other.ran
        self.left_out |= other.left_out
        self.kinds += other.kinds
        self.cases += other.cases

    def wants(self, kind: str, keep: int) -> bool:
        """Whether fewer than *keep* cases of that kind are there."""
        return sum(case.kind == kind for case in self.cases) < keep

    def to_json(self) -> str:
        """The report as JSON text, cases sorted by kind and seed."""
        cases = sorted(self.cases, key=lambda case: (case.kind, case.seed))
        return json.dumps(
            {
                "programs": self.programs,
                "accepted": self.accepted,
                "rejected": self.rejected,
                "same_processed": self.same_processed,
                "ran": self.ran,
                "left_out": dict(sorted(self.left_out.items())),
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


def _stay_on_one_cpu() -> None:
    # All runs of a program on one CPU, or per-CPU maps would depend on where the scheduler put this process.
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[os.getpid() % len(cpus)]})


def _chunk(args: tuple[Callable[[], tuple[Any, Any]], int, int, float, int]) -> Report:
    make, first, count, risk, keep = args
    report = Report()
    _stay_on_one_cpu()
    sim, linux = make()
    ours, kernels = Bench(sim), Bench(linux)
    for seed in range(first, first + count):
        program = generate(seed, risk=risk)
        difference, mine, theirs = judge(ours, kernels, emit(program), seed)
        report.count(mine, theirs, difference)
        if difference is not None and report.wants(difference.kind, keep):
            report.cases.append(_case(ours, kernels, program, difference.kind))
    return report


def corpus_programs(kernel: Any, paths: Sequence[Path]) -> tuple[list[tuple[Path, str]], dict[str, str]]:
    """(object, program) of all programs that *kernel* can read and that need no attach target; what was left out."""
    found, left_out = [], {}
    for path in paths:
        try:
            obj = kernel.open(path)
        except BpfError as err:
            left_out[path.name] = str(err).splitlines()[0]
            continue
        found += [(path, prog.name) for prog in obj.progs if prog.autoload and prog.prog_type in MUTABLE_TYPES]
        obj.close()
    return found, left_out


def _mutants(args: tuple[Callable[[], tuple[Any, Any]], Path, str, int, int, int]) -> Report:
    make, path, name, first, count, keep = args
    report = Report()
    _stay_on_one_cpu()
    sim, linux = make()
    with sim, linux:
        try:
            ours, kernels = CorpusBench(sim, path, name), CorpusBench(linux, path, name)
        except BpfError as err:
            report.left_out[f"{path.name}:{name}"] = str(err).splitlines()[0]
            return report
        for seed in range(first, first + count):
            edits = mutations(ours.insns, Random(seed))
            mine, theirs = ours.outcome(edits, seed), kernels.outcome(edits, seed)
            difference = compare(mine, theirs)
            if difference is not None and difference.kind == "result" and ours.leaks_pointers(edits):
                difference = None
            report.count(mine, theirs, difference)
            if difference is not None and report.wants(difference.kind, keep):
                report.cases.append(_mutant_case(ours, kernels, edits, seed, difference.kind))
    return report


def _mutant_case(ours: CorpusBench, kernels: CorpusBench, edits: tuple[Edit, ...], seed: int, kind: str) -> Case:
    def judged(chosen: tuple[Edit, ...]) -> tuple[Difference | None, Outcome, Outcome]:
        mine, theirs = ours.outcome(chosen, seed), kernels.outcome(chosen, seed)
        return compare(mine, theirs), mine, theirs

    for edit in edits:
        fewer = tuple(other for other in edits if other is not edit)
        difference = judged(fewer)[0]
        if difference is not None and difference.kind == kind:
            edits = fewer
    difference, mine, theirs = judged(edits)
    detail = difference.detail if difference is not None else "gone when repeated"
    insns = encode_insns(apply_edits(ours.insns, edits)).hex()
    source = f"{ours.path.name}:{ours.name}: " + "; ".join(map(str, edits))
    logs = mine.log or mine.message, theirs.log
    return Case(seed, kind, detail, ours.prog_type, insns, len(edits), *logs, source)


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
    return _run(_chunk, chunks, jobs, progress)


def run_corpus(
    make: Callable[[], tuple[Any, Any]],
    paths: Sequence[Path],
    *,
    first_seed: int,
    count: int,
    jobs: int = 1,
    keep: int = 2,
    progress: Callable[[int, Report], None] | None = None,
) -> Report:
    """Judge *count* mutants of the programs of object files, 50 of one program after the other.

    :param paths: objects; see find_corpus().
    :raises InputError: no program to change in any of them.
    """
    sim, _ = make()
    with sim:
        progs, left_out = corpus_programs(sim, paths)
    if not progs:
        raise InputError(
            "no program to change", expected="objects with packet or tracing programs", found=f"{len(paths)} objects"
        )
    chunks = [
        (make, *progs[seed // _CHUNK % len(progs)], seed, min(_CHUNK, first_seed + count - seed), keep)
        for seed in range(first_seed, first_seed + count, _CHUNK)
    ]
    report = _run(_mutants, chunks, jobs, progress)
    report.left_out |= left_out
    return report


def _run(
    work: Callable[[_T], Report], chunks: list[_T], jobs: int, progress: Callable[[int, Report], None] | None
) -> Report:
    report = Report()

    def take(part: Report) -> None:
        report.add(part)
        if progress is not None:
            progress(report.programs, report)

    if jobs <= 1:
        for chunk in chunks:
            take(work(chunk))
    else:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            for part in pool.imap_unordered(work, chunks):
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
