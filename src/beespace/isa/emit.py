"""The second half of the assembler: instructions, labels and relocations in the making."""

from __future__ import annotations

import re

from beespace.errors import AsmError
from beespace.isa.check import LD_IMM64
from beespace.isa.insn import Insn
from beespace.isa.rows import row_by_key
from beespace.uapi import bpf
from beespace.values import frozen

__all__ = ["Emitter", "Reloc", "s32"]


@frozen
class Reloc:
    """A name that the program alone does not define.

    :ivar kind: ``map`` and ``map_value`` (LD_IMM64 of a map's address, of a byte ``off`` of its value), ``kfunc`` and
        ``func`` (calls), ``ksym`` (LD_IMM64 of a kernel variable), ``data`` (LD_IMM64 of any other symbol).
    """

    insn_idx: int
    kind: str
    name: str
    off: int = 0


class Emitter:
    """Takes instructions in order and resolves labels at the end; the handlers of forms.py write into it.

    Two passes: emit() appends and target() notes what a field has to reach, resolve() fills in the distances.
    """

    def __init__(self) -> None:
        self.line = 0
        self.insns: list[Insn] = []
        self.lines: list[int] = []
        self.labels: dict[str, int] = {}
        self.numeric: dict[str, list[int]] = {}
        self.relocs: list[Reloc] = []
        self.targets: list[tuple[int, str, str]] = []  # insn_idx, field, label

    def error(self, message: str) -> AsmError:
        """An AsmError at the current line."""
        return AsmError(message, line=self.line)

    def emit(self, insn: Insn) -> None:
        """Append one slot. :raises AsmError: a value that does not fit its field."""
        for name, value, low, high in (
            ("dst_reg", insn.dst_reg, 0, 15),
            ("src_reg", insn.src_reg, 0, 15),
            ("off", insn.off, -(1 << 15), (1 << 15) - 1),
            ("imm", insn.imm, -(1 << 31), (1 << 31) - 1),
        ):
            if not low <= value <= high:
                raise self.error(f"{name} {value} does not fit")
        self.insns.append(insn)
        self.lines.append(self.line)

    def row(self, key: tuple[str, str, str], **fields: int) -> None:
        """Append the instruction of a row. :raises AsmError: there is no such instruction."""
        try:
            row = row_by_key(*key)
        except KeyError:
            raise self.error(f"there is no instruction {'.'.join(filter(None, key))}") from None
        self.emit(row.insn(**fields))

    def imm64(self, dst: int, src_reg: int, low: int, high: int = 0) -> None:
        """Append the two slots of LD_IMM64; *low* and *high* are taken modulo 2**32."""
        self.emit(Insn(LD_IMM64, dst, src_reg, 0, s32(low)))
        self.emit(Insn(0, 0, 0, 0, s32(high)))

    def define(self, name: str) -> None:
        """A label here. :raises AsmError: it is somewhere else already."""
        if name.isdigit():
            self.numeric.setdefault(name, []).append(len(self.insns))
        elif name in self.labels:
            raise self.error(f"label {name} is defined twice")
        else:
            self.labels[name] = len(self.insns)

    def target(self, text: str, field_name: str) -> int:
        """The distance *text* gives, or 0 for a label: the next instruction's *field_name* is filled in later."""
        if relative := re.fullmatch(r"(?:pc)?([+-])\s*(0x[0-9a-fA-F]+|\d+)", text):
            return int(relative[1] + relative[2], 0)
        self.targets.append((len(self.insns), field_name, text))
        return 0

    def resolve(self) -> None:
        """Fill in what target() noted. :raises AsmError: a label that is not defined or too far away."""
        for idx, field_name, name in self.targets:
            self.line = self.lines[idx]
            if self._is_undefined_call(idx, name):
                self.relocs.append(Reloc(idx, "func", name))
                self.insns[idx] = self.insns[idx]._replace(imm=-1)
                continue
            distance = self._find(name, idx) - idx - 1
            if field_name == "off" and not -(1 << 15) <= distance < 1 << 15:
                raise self.error(f"{name} is {distance} instructions away: too far for goto")
            self.insns[idx] = self.insns[idx]._replace(**{field_name: distance})

    # A call of a name that is no label here: a function of another section.
    def _is_undefined_call(self, idx: int, name: str) -> bool:
        return self.insns[idx].code == bpf.BPF_JMP | bpf.BPF_CALL and name not in self.labels

    def _find(self, name: str, idx: int) -> int:
        if name in self.labels:
            return self.labels[name]
        if local := re.fullmatch(r"(\d+)([bf])", name):
            places = self.numeric.get(local[1], [])
            before, after = [p for p in places if p <= idx], [p for p in places if p > idx]
            if local[2] == "b" and before:
                return before[-1]
            if local[2] == "f" and after:
                return after[0]
        raise self.error(f"label {name} is not defined")

    def number(self, text: str, *, bits32: bool = False) -> int:
        """An immediate; with *bits32* up to 2**32 - 1. :raises AsmError: it does not fit."""
        value = int(text.replace(" ", ""), 0)
        if bits32 and value < 1 << 32:
            value = s32(value)
        if not -(1 << 31) <= value < 1 << 31:
            raise self.error(f"immediate {text} does not fit in 32 bits")
        return value


def s32(value: int) -> int:
    """*value* modulo 2**32 as a signed number."""
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
