"""Where verification spends its instructions: how often each instruction, and so each C line, was processed.

The verifier's budget is a million *processed* instructions; a line in a loop, or behind many branches, is processed
once for each path that no earlier one covers.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from beespace.api.verifier_log import SOURCE, source_line
from beespace.errors import SourceLine
from beespace.values import frozen

if TYPE_CHECKING:
    from beespace.decl.prog import LineInfo, Program, VerifiedProgram
    from beespace.decl.registry import Registry

__all__ = ["HotLine", "Profile", "hot_lines_of_log"]

_INSN = re.compile(r"(\d+): (?:\([0-9a-f]{2}\) |safe$)|from \d+ to (?P<to>\d+)(?: \(speculative execution\))?: safe$")


@frozen
class HotLine:
    """*count* instructions of *source* were processed, of *insns* different ones."""

    source: SourceLine
    count: int
    insns: int


class Profile:
    """Counts what the simulated kernel's verifier processes; ``verify`` is for ``Pipeline(verify=...)``.

    :ivar counts: of the program verified last, by instruction.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self._lines: tuple[LineInfo, ...] = ()

    def verify(self, program: Program, registry: Registry, *, log_level: int, **more: Any) -> VerifiedProgram:
        """beespace.verifier.verify(), counted."""
        from beespace.verifier import VerifyEvent, verify

        self.counts.clear()
        self._lines = program.line_info

        def count(event: VerifyEvent) -> None:
            if event.what in (
                "insn",
                "pruned",
            ):  # a visit that is covered by an earlier one counts, as in the statistics
                self.counts[event.insn_idx] += 1

        return verify(program, registry, log_level=log_level, sink=count, **more)

    def lines(self) -> list[HotLine]:
        """The lines of the program verified last, the hottest first."""
        counts: Counter[SourceLine] = Counter()
        insns: Counter[SourceLine] = Counter()
        at, source = -1, SourceLine("", 0, 0, "")
        for idx in sorted(self.counts):
            while at + 1 < len(self._lines) and self._lines[at + 1].insn_off <= idx:
                at += 1
                info = self._lines[at]
                source = SourceLine(info.file_name, info.line_num, 0, info.line.strip())
            counts[source] += self.counts[idx]
            insns[source] += 1
        return _sorted(counts, insns)


def hot_lines_of_log(log: str) -> list[HotLine]:
    """The same out of a log of level 2, which has each processed instruction (as far as it was kept)."""
    counts: Counter[SourceLine] = Counter()
    source = SourceLine("", 0, 0, "")
    seen: dict[SourceLine, set[int]] = {}
    at: dict[int, SourceLine] = {}
    for line in log.splitlines():
        if match := SOURCE.match(line):
            source = source_line(match, source)
        elif match := _INSN.match(line):
            # a line is printed when it changes, and the walk jumps about: an instruction keeps the line it had first
            idx = int(match.group(1) or match.group("to"))
            where = at.setdefault(idx, source)
            counts[where] += 1
            seen.setdefault(where, set()).add(idx)
    return _sorted(counts, Counter({where: len(idxs) for where, idxs in seen.items()}))


def _sorted(counts: Counter[SourceLine], insns: Counter[SourceLine]) -> list[HotLine]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].file, item[0].line))
    return [HotLine(source, count, insns[source]) for source, count in ordered]
