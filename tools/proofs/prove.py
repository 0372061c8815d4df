"""Runs z3 on the obligations of obligations.py."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import z3

from proofs.domain import Width
from proofs.obligations import clauses

__all__ = ["Outcome", "prove_group", "refuted"]

TIMEOUT_MS = 120_000


@dataclass(frozen=True)
class Outcome:
    """What became of a group.

    :ivar seconds: of CPU time.
    :ivar failures: (clause, "refuted" with the counterexample, "unknown" or "vacuous").
    :ivar slowest: (clause, seconds of CPU time).
    """

    group: str
    clauses: int
    seconds: float
    failures: tuple[tuple[str, str], ...]
    slowest: tuple[str, float]


def prove_group(group: str, width: Width, source: str | ast.Module | None = None) -> Outcome:
    """Prove every clause of *group*; assumptions that nothing satisfies are a failure too."""
    start = time.process_time()
    failures: list[tuple[str, str]] = []
    slowest = ("", 0.0)
    count = 0
    satisfiable: set[tuple[int, ...]] = set()
    keep: list[Any] = []  # terms whose ids are in `satisfiable` must live
    for name, given, goal in clauses(group, width, source):
        count += 1
        began = time.process_time()
        solver = _solver()
        solver.add(*given)
        key = tuple(sorted(z3.simplify(term).get_id() for term in given))
        if key not in satisfiable:
            keep.extend(z3.simplify(term) for term in given)
            satisfiable.add(key)
            if solver.check() != z3.sat:
                failures.append((name, "vacuous: nothing satisfies the assumptions"))
        solver.add(z3.Not(goal))
        answer = solver.check()
        if answer == z3.sat:
            failures.append((name, f"refuted: {solver.model()}"))
        elif answer == z3.unknown:
            failures.append((name, f"unknown: {solver.reason_unknown()}"))
        slowest = max(slowest, (name, time.process_time() - began), key=lambda pair: pair[1])
    return Outcome(group, count, time.process_time() - start, tuple(failures), slowest)


def refuted(groups: Iterator[str] | list[str], width: Width, source: str | ast.Module) -> str:
    """The first clause of *groups* that is false of *source*, or "" (a mutant survives; no answer is no refutation)."""
    for group in groups:
        for name, given, goal in clauses(group, width, source):
            solver = z3.Solver()
            solver.set("timeout", 20_000)
            solver.add(*given, z3.Not(goal))
            if solver.check() == z3.sat:
                return f"{group}: {name}"
    return ""


def _solver() -> Any:
    solver = z3.Solver()
    solver.set("timeout", TIMEOUT_MS)
    return solver
