"""A found difference for people: the program as assembly, and what each kernel's verifier said, side by side."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from beespace.isa import decode_insns, disasm
from beespace.testing.fuzz.program import MAPS

if TYPE_CHECKING:
    from beespace.testing.fuzz.campaign import Case

__all__ = ["listing", "side_by_side"]

_SAME = 3  # equal lines shown before a difference


def listing(case: Case) -> list[str]:
    """The program's instructions, in the syntax of the verifier's log."""
    insns = decode_insns(bytes.fromhex(case.insns))
    lines = []
    second = False
    for idx, insn in enumerate(insns):
        if second:  # the other half of a 64-bit constant
            second = False
            continue
        second = insn.code == 0x18
        if second and insn.src_reg == 1 and not case.source:
            lines.append(f"{idx:4}: (18) r{insn.dst_reg} = map {MAPS[insn.imm].name}")
        else:
            lines.append(f"{idx:4}: {disasm(insn, insns[idx + 1] if second else None)}")
    return lines


def side_by_side(case: Case, width: int = 140) -> list[str]:
    """Both logs in two columns from shortly before the first line that differs; "|" marks lines that differ.

    :param width: characters of a line.
    """
    half = (width - 3) // 2
    ours, kernels = _lines(case.ours), _lines(case.kernels)
    rows: list[tuple[str, str, str]] = []
    for tag, a, b, c, d in SequenceMatcher(None, ours, kernels, autojunk=False).get_opcodes():
        left, right = ours[a:b], kernels[c:d]
        for n in range(max(len(left), len(right))):
            row = left[n] if n < len(left) else "", right[n] if n < len(right) else ""
            rows.append((*row, " " if tag == "equal" else "|"))
    first = next((n for n, row in enumerate(rows) if row[2] == "|"), len(rows))
    shown = rows[max(0, first - _SAME) :]
    if not rows or first == len(rows):
        return ["both verifiers say the same; the runs differ"]
    header = [f"{'simulated':<{half}}   kernel", f"{'-' * half}   {'-' * half}"]
    return header + [f"{left[:half]:<{half}} {mark} {right[:half]}".rstrip() for left, right, mark in shown]


def _lines(log: str) -> list[str]:
    return [line for line in log.splitlines() if line]
