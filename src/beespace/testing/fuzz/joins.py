"""Programs whose paths meet with different values, then use them: what a comparison of states must tell apart.

Variables live in registers and stack slots. Branches on bits that nobody knows give them constants, bounded unknowns,
copies, sums or a pointer; where the ways meet again, some variable is used: as an index into a map value that holds 48
bytes, as a pointer, or behind a check of another variable that may be its copy. Whether the use is safe depends on the
path, so more than half of the programs must be refused, most of them because of a path that is not the first.
"""

from __future__ import annotations

from random import Random

from beespace.isa import LD_IMM64, assemble
from beespace.testing.fuzz.emit import Emitted
from beespace.uapi import bpf as uapi

__all__ = ["joins"]

_REGISTERS = ("r7", "r8")
_SLOTS = ("*(u64 *)(r10 -16)", "*(u64 *)(r10 -24)", "*(u64 *)(r10 -32)")
_VALUE_SIZE = 48  # of MAPS[0]
_PROLOGUE = """
    r6 = *(u32 *)(r1 +8)
    r1 = 0
    *(u32 *)(r10 -4) = r1
    r2 = r10
    r2 += -4
    r1 = 0 ll
    call 1
    if r0 == 0 goto out
    r9 = r0
"""


class _Writer:
    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.lines: list[str] = []
        self.labels = 0
        self.pointers = rng.choice((0, 0, 0.5))  # how often a pointer is among the values

    def put(self, *lines: str) -> None:
        self.lines += lines

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def variable(self) -> str:
        return self.rng.choice((*_REGISTERS, *_SLOTS))

    def load(self, register: str, variable: str) -> None:
        self.put(f"{register} = {variable}")

    def assign(self) -> None:
        rng, to = self.rng, self.variable()
        match rng.choice((0, 0, 0, 3, 3, 4, 4, 5, 6, 7)):
            case 0:
                self.put(f"r1 = {rng.choice((0, 1, 7, 8, 16, 40, 47, 48, -1))}")
            case 3:
                self.put("r1 = r6", f"r1 >>= {rng.randrange(16)}", f"r1 &= {rng.choice((7, 15, 31, 63))}")
            case 4:
                self.load("r1", self.variable())
            case 5:
                self.put("r1 = r6", "r1 &= 31", f"r1 += {rng.choice((0, 8, 16, 17, 32))}")
            case 6:
                self.put("r1 = r6")
            case _:
                if rng.random() < self.pointers:
                    self.put("r1 = r9", f"r1 += {rng.choice((0, 8, 40))}")
                else:
                    self.put("r1 = 8")
        self.put(f"{to} = r1")

    def branch(self) -> None:
        # r6 is a number that nobody knows; a test of one of its bits says nothing about any other
        other, join = self.label(), self.label()
        self.put("r1 = r6", f"r1 &= {1 << self.rng.randrange(20)}", f"if r1 == 0 goto {other}")
        for _ in range(self.rng.randrange(3)):
            self.assign()
        self.put(f"goto {join}", f"{other}:")
        for _ in range(self.rng.randrange(1, 3)):
            self.assign()
        self.put(f"{join}:")

    def use(self) -> None:
        rng, over = self.rng, self.label()
        self.load("r3", self.variable())
        match rng.choice((0, 1, 1, 2, 2, 3, 3, 4 if self.pointers else 1)):
            case 0:  # an index that must be small enough
                self.put("r2 = r9", "r2 += r3", "r3 = *(u8 *)(r2 +0)")
            case 1:  # bounded here
                self.put(f"if r3 > {rng.choice((7, 40, 47, 48))} goto {over}")
                self.put("r2 = r9", "r2 += r3", "r3 = *(u8 *)(r2 +0)", f"{over}:")
            case 2:  # bounded by way of another variable, which may be a copy
                self.load("r4", self.variable())
                self.put(f"if r4 > {rng.choice((7, 40, 47))} goto {over}")
                self.put("r2 = r9", "r2 += r3", "r3 = *(u8 *)(r2 +0)", f"{over}:")
            case 3:  # used only for some value of another
                self.load("r4", self.variable())
                self.put(f"if r4 != {rng.choice((0, 1, 7, 8))} goto {over}")
                self.put("r2 = r9", "r2 += r3", "r3 = *(u8 *)(r2 +0)", f"{over}:")
            case _:  # must be a pointer
                self.put("r4 = *(u8 *)(r3 +0)")


def joins(seed: int) -> Emitted:
    """The program of *seed*: a socket filter, for the maps of ``program.MAPS``."""
    rng = Random(seed)
    writer = _Writer(rng)
    writer.put(*_PROLOGUE.split("\n"))
    safe = rng.random() < 0.7
    for variable in (*_REGISTERS, *_SLOTS):
        if safe or rng.random() < 0.8:
            writer.put(f"r1 = {rng.choice((0, 1, 7, 8))}", f"{variable} = r1")
    for _ in range(rng.randrange(2, 6)):
        for _ in range(rng.randrange(1, 3)):
            writer.branch()
        if rng.random() < 0.5:
            writer.use()
    writer.use()
    writer.put("out:", "r0 = 0", "exit")
    insns = list(assemble("\n".join(line for line in writer.lines if line.strip())).insns)
    load = next(index for index, insn in enumerate(insns) if insn.code == LD_IMM64)
    insns[load] = insns[load]._replace(src_reg=uapi.BPF_PSEUDO_MAP_FD, imm=0)
    return Emitted(uapi.BPF_PROG_TYPE_SOCKET_FILTER, tuple(insns))
