"""Pruning leaves out only paths that are safe: accepted with it implies accepted without.

The verifier does not walk a path that reaches a state which an earlier, safe one covers. If the comparison of states is
too generous, an unsafe path is never seen. Without comparisons every path is walked, which finds that out for programs
with few enough of them.

:see: kernel/bpf/verifier.c:is_state_visited, states_equal
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import field
from typing import Any

from beespace.errors import VerifierError
from beespace.kernel import Kernel, Pipeline
from beespace.testing.fuzz.emit import Emitted
from beespace.testing.fuzz.joins import joins
from beespace.testing.fuzz.judge import Bench
from beespace.values import mutable
from beespace.verifier import VerifierOptions, verify

__all__ = ["BothWays", "PruneReport", "check_seeds"]

_E2BIG = 7


class BothWays:
    """``verify`` for ``Pipeline(verify=...)``: an accepted program is verified again without pruning.

    :param insn_limit: instructions after which the second walk is given up.
    :ivar outcome: of the last program: "rejected", "same", "too many paths" or "DIFFERENT" (with ``message``).
    """

    def __init__(self, insn_limit: int = 50_000) -> None:
        self.options = VerifierOptions(insn_limit=insn_limit, prune=False)
        self.outcome = ""
        self.message = ""
        self.saved = 0  # instructions that pruning saved

    def __call__(self, program: Any, registry: Any, *, log_level: int) -> Any:
        """Verify *program* both ways; the verdict is the one with pruning."""
        self.outcome, self.message, self.saved = "rejected", "", 0
        verified = verify(program, registry, log_level=log_level)
        try:
            whole = verify(program, registry, log_level=0, options=self.options)
        except VerifierError as err:
            gave_up = err.errno == _E2BIG or "too complex" in err.message
            self.outcome = "too many paths" if gave_up else "DIFFERENT"
            self.message = err.message
        else:
            self.outcome = "same"
            self.saved = whole.insn_processed - verified.insn_processed
        return verified


@mutable
class PruneReport:
    """*counts* of outcomes; seeds and messages of programs that only pruning lets through; instructions saved."""

    counts: Counter[str] = field(default_factory=Counter)
    different: list[tuple[int, str]] = field(default_factory=list)
    saved: int = 0
    pruned: int = 0  # programs for which pruning saved something

    def add(self, other: PruneReport) -> None:
        """Join two reports."""
        self.counts += other.counts
        self.different += other.different
        self.saved += other.saved
        self.pruned += other.pruned


def check_seeds(
    first: int, count: int, make: Callable[[int], Emitted] = joins, *, insn_limit: int = 50_000
) -> PruneReport:
    """The programs that *make* generates of *count* seeds, each verified with and without pruning."""
    report = PruneReport()
    both = BothWays(insn_limit)
    with Kernel(cpus=2, pipeline=Pipeline(verify=both)) as kernel:
        bench = Bench(kernel)
        for seed in range(first, first + count):
            bench.outcome(make(seed), seed, runs=0, log_level=0)
            report.counts[both.outcome] += 1
            report.saved += both.saved
            report.pruned += both.saved > 0
            if both.outcome == "DIFFERENT":
                report.different.append((seed, both.message))
    return report
