"""Conformance vectors: small programs with inputs and the results every engine and kernel must give.

The ``.data`` files here are text::

    == ADD.alu64.X                    name; the first word is the key of the row it is about
    kind: packet                      optional: the input is a packet, R1 the context, the result R0's lower 32 bits
    fd_array: cells                   optional: maps that MAP_IDX and MAP_IDX_VALUE refer to
    asm:
        r0 = *(u64 *)(r1 + 0)         R1 is 64 bytes of memory, R2 their number; beespace.isa.asm's syntax
        r3 = *(u64 *)(r1 + 8)
        r0 += r3
        exit
    cases:
        0x1 0x2 -> 0x3                u64 words of the memory (the rest is zero) -> R0
        0x1 0x2 -> 0x3 ; 0x1 0x2      and the words afterwards

A program may name the maps of ENVIRONMENT (``r1 = map:cells ll``), helpers and kfuncs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from functools import cache
from importlib.resources import files

from beespace.errors import InputError
from beespace.isa import Assembly, Row, assemble, row_of
from beespace.values import frozen

__all__ = ["MEMORY_BYTES", "Case", "Mismatch", "Vector", "parse", "rows_of", "vectors"]

MEMORY_BYTES = 64


@frozen
class Case:
    """One input and what must come out: ``words`` before and ``after`` are u64, ``packet`` bytes."""

    words: tuple[int, ...]
    r0: int
    after: tuple[int, ...] = ()
    packet: bytes = b""
    line: int = 0

    @property
    def memory(self) -> bytes:
        """The 64 bytes R1 points to."""
        return _bytes(self.words).ljust(MEMORY_BYTES, b"\0")


@frozen
class Vector:
    """One program and its cases.

    :ivar kind: "memory" or "packet".
    """

    file: str
    line: int
    name: str
    asm: str
    cases: tuple[Case, ...]
    kind: str = "memory"
    fd_array: tuple[str, ...] = ()

    @property
    def row_id(self) -> str:
        """Key of the row it is about."""
        return self.name.split()[0]

    @property
    def is_standalone(self) -> bool:
        """Whether it needs nothing but memory: no packet, map, helper or kfunc. An engine runs it without a kernel."""
        names = ("map:", "map_value:", "call bpf_", "kfunc:", "ksym:", ".insn")
        return self.kind == "memory" and not any(name in self.asm for name in names)

    def check(self, case: Case, r0: int, memory: bytes) -> Mismatch | None:
        """Compare what a run of *case* gave with what it must give.

        :param r0: u64; of a packet vector only the lower half counts.
        """
        if self.kind == "packet":
            r0 &= 0xFFFFFFFF
        expected = _bytes(case.after)
        if r0 == case.r0 and memory[: len(expected)] == expected:
            return None
        return Mismatch(self, case, r0, memory)


@frozen
class Mismatch:
    """A run that gave something else."""

    vector: Vector
    case: Case
    r0: int
    memory: bytes = field(repr=False)

    def __str__(self) -> str:
        text = f"{self.vector.file}:{self.case.line}: {self.vector.name}: r0 is {self.r0:#x}, not {self.case.r0:#x}"
        if self.case.after:
            words = [int.from_bytes(self.memory[8 * i : 8 * i + 8], "little") for i in range(len(self.case.after))]
            text += f"; memory {' '.join(map(hex, words))}, not {' '.join(map(hex, self.case.after))}"
        return text


def _bytes(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(8, "little") for word in words)


@cache
def vectors() -> tuple[Vector, ...]:
    """All vectors of this package, by file and line."""
    found: list[Vector] = []
    for entry in sorted(files(__name__).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".data"):
            found.extend(parse(entry.read_text(), entry.name))
    return tuple(found)


def rows_of(vector: Vector) -> frozenset[Row]:
    """Rows of all instructions of the vector's program."""
    assembly: Assembly = assemble(vector.asm)
    second = {idx + 1 for idx, insn in enumerate(assembly.insns) if insn.code == 0x18}
    rows = (row_of(insn) for idx, insn in enumerate(assembly.insns) if idx not in second)
    return frozenset(row for row in rows if row is not None)


def parse(text: str, file: str) -> Iterator[Vector]:
    """The vectors of a .data file. :raises InputError: a line that means nothing."""
    blocks: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("== "):
            blocks.append((number, [line[3:].strip()]))
        elif blocks:
            blocks[-1][1].append(line)
        elif line.strip() and not line.startswith("#"):
            raise InputError(f"line {number}: {line!r} before the first vector", path=file)
    for number, lines in blocks:
        yield _vector(file, number, lines)


_CASE = re.compile(r"(?P<before>[^>;]*?)\s*->\s*(?P<r0>\S+)(?:\s*;\s*(?P<after>.*))?")


def _vector(file: str, first: int, lines: list[str]) -> Vector:
    section, asm, cases = "", [], []
    fields = {"kind": "memory", "fd_array": ""}
    for number, line in enumerate(lines[1:], first + 1):
        bare = line.strip()
        if bare in ("asm:", "cases:"):
            section = bare
        elif not section and (setting := re.fullmatch(r"(kind|fd_array):\s*(.*)", bare)):
            fields[setting[1]] = setting[2]
        elif section == "asm:":
            asm.append(line)
        elif section == "cases:" and (found := _CASE.fullmatch(bare)):
            cases.append(_case(found, number, fields["kind"]))
        elif bare and not bare.startswith("#"):
            raise InputError(f"line {number}: {line!r} is no part of a vector", path=file)
    if not asm or not cases:
        raise InputError(f"line {first}: vector {lines[0]!r} has no program or no cases", path=file)
    return Vector(
        file, first, lines[0], "\n".join(asm), tuple(cases), fields["kind"], tuple(fields["fd_array"].split())
    )


def _case(found: re.Match[str], line: int, kind: str) -> Case:
    r0 = int(found["r0"], 0)
    if kind == "packet":
        return Case((), r0, packet=bytes.fromhex(found["before"]), line=line)
    words = tuple(int(word, 0) for word in found["before"].split())
    return Case(words, r0, tuple(int(word, 0) for word in (found["after"] or "").split()), line=line)
