"""Programs that mean harm, on engines without a verifier: nothing outside of guest memory may change.

A program is random instructions, most of them legal, whose registers and immediates hold addresses worth attacking: of
the guest (edges of regions, freed memory, the table behind them) and of the host (canaries, the run's own words, code).
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from beespace.decl.func import declare
from beespace.errors import GuestFault
from beespace.isa import LD_IMM64, ROWS, Insn
from beespace.testing.engines import BareRun
from beespace.uapi import bpf as uapi
from beespace.values import frozen
from beespace.xlate import raw as unverified

if TYPE_CHECKING:
    from beespace.decl.func import FuncProto
    from beespace.decl.prog import XlatedProgram
    from beespace.decl.run import Engine

__all__ = ["INSN_LIMIT", "Arena", "Outcome", "hostile", "run_hostile"]

INSN_LIMIT = 20_000
_ROWS = [row for row in ROWS if row.name not in ("CALL_HELPER", "CALL_KFUNC")]
_JUMPS = [row for row in ROWS if row.family in ("jmp", "goto")]
_ACCESSES = [row for row in ROWS if row.family in ("ldx", "st", "stx", "atomic")]
_CANARY_BYTES = 1 << 14
_OFFSETS = (0, 1, -1, 4, 7, 8, -8, 16, -16, 63, 64, 65, -512, -520, 0x7FFF, -0x8000)
_IMMEDIATES = (0, 1, -1, 2, 8, 64, -64, 0x7FFFFFFF, -0x80000000, 4096, -4096, 1 << 28)


@frozen
class Outcome:
    """What became of a program: R0, or the fault."""

    r0: int | None
    fault: str = ""
    insn_idx: int = -1


def _poke(run: Any, memory: int, size: int) -> int:
    # a helper that does what helpers do with an address: through the checks
    size &= 0xFFFF
    run.mem.write(memory, bytes(byte ^ 0xFF for byte in run.mem.read(memory, size)))
    return size


def _call_back(run: Any, callback: int, times: int) -> int:
    return sum(run.invoke(callback, number) for number in range(times % 5))


_HELPERS: tuple[FuncProto, ...] = (
    declare("long bpf_poke(void *memory, u32 size)", uapi.RET_INTEGER, func_id=1, impl=_poke),
    declare("long bpf_back(void *callback, u32 times)", uapi.RET_INTEGER, func_id=2, impl=_call_back),
)


class Arena:
    """Guest memory to play in, and host memory that must not change.

    :ivar run: what programs run in.
    """

    def __init__(self) -> None:
        self.run = BareRun()
        space = self.run.mem
        self.memory = space.alloc(64, name="memory")
        self.table = space.alloc(256, name="elements", stride=32, low=8, high=24, write_low=16)
        self.fixed = space.alloc(64, name="fixed", writable=False)
        gone = space.alloc(64, name="gone")
        space.free(gone)
        self._canary = ctypes.create_string_buffer(bytes(range(256)) * (_CANARY_BYTES // 256), _CANARY_BYTES)
        regions = (self.memory, self.table, self.fixed, gone)
        self._guest = [space.relative(region.first) for region in regions] + [0, 8, 40]
        libc = ctypes.CDLL(None)
        self._host = [
            ctypes.addressof(self._canary) + _CANARY_BYTES // 2,
            self.run.address,
            id(self.run),
            id(space),
            ctypes.cast(libc.memcpy, ctypes.c_void_p).value or 0,
            space.base - 8,
            space.limit - 4,
        ]
        self._expected = self._digest()

    def addresses(self) -> list[int]:
        """What is worth attacking."""
        return [self.run.mem.absolute(off) for off in self._guest] + self._host

    def execute(self, engine: Engine, prog: XlatedProgram) -> Outcome:
        """Run a program on fresh guest memory; everything but a GuestFault passes through."""
        run = self.run
        for region in (self.memory, self.table):
            ctypes.memset(region.first, 0x5A, region.extent)
        ctypes.memset(run.stack, 0, run.stack_bytes)
        run.insn_limit = INSN_LIMIT
        top = run.sp
        try:
            found = Outcome(run.execute(engine.prepare(prog), self.memory.base))
        except GuestFault as fault:
            found = Outcome(None, fault.message, fault.insn_idx)
            run.sp = top
        run.texts.clear()
        return found

    def is_intact(self) -> bool:
        """Whether what programs may not write is as it was."""
        return self._digest() == self._expected

    # The canary, what is read-only, what elements do not show, where regions are.
    def _digest(self) -> bytes:
        digest = hashlib.blake2b(self._canary.raw)
        digest.update(ctypes.string_at(self.fixed.first, self.fixed.extent))
        digest.update(repr((self.run.stack, self.run.stack_bytes, self.run.cpu)).encode())
        for region in (self.memory, self.table, self.fixed):
            allowed = [self.run.mem.check(region.base + off, 1, bool(off & 1)) for off in range(region.extent)]
            digest.update(bytes(allowed))
        return digest.digest()


def hostile(seed: int, addresses: list[int], length: int = 14) -> XlatedProgram:
    """The program of *seed*: *length* instructions and a few that load addresses."""
    rng = Random(seed)
    insns: list[Insn] = []
    calls: dict[int, FuncProto] = {}
    for _ in range(rng.randrange(1, 4)):
        insns += _load(rng.choice((1, 6, 7, 9)), rng.choice(addresses) + rng.choice((0, 0, 0, *_OFFSETS)))
    while len(insns) < length:
        choice = rng.random()
        if choice < 0.4:
            insns.append(_any(rng, rng.choice(_ACCESSES)))
        elif choice < 0.5:
            insns.append(_any(rng, rng.choice(_JUMPS))._replace(off=rng.randrange(-6, 7)))
        elif choice < 0.55:
            calls[len(insns)] = helper = rng.choice(_HELPERS)
            insns.append(Insn(uapi.BPF_JMP | uapi.BPF_CALL, 0, 0, 0, helper.func_id))
        elif choice < 0.6:
            target = rng.randrange(-len(insns) - 2, 8)
            insns.append(Insn(uapi.BPF_JMP | uapi.BPF_CALL, 0, uapi.BPF_PSEUDO_CALL, 0, target))
        elif choice < 0.61:
            insns.append(Insn(rng.randrange(256), rng.randrange(16), rng.randrange(16), 0, rng.randrange(-9, 9)))
        elif choice < 0.68:
            insns += _load(rng.choice((1, 6, 7, 9)), rng.choice(addresses))
        else:
            insns.append(_any(rng, rng.choice(_ROWS)))
    insns.append(Insn(uapi.BPF_JMP | uapi.BPF_EXIT, 0, 0, 0, 0))
    return unverified(insns, name=f"hostile {seed}", calls=calls)


# An instruction of a row; most accesses go through registers that addresses were loaded into.
def _any(rng: Random, row: Any) -> Insn:
    insn: Insn = row.insn()
    is_access = row.family in ("ldx", "st", "stx", "atomic")
    base = rng.choice((1, 1, 6, 7, 10)) if is_access and rng.random() < 0.8 else rng.randrange(11)
    other = rng.randrange(11 if rng.random() < 0.05 else 10)
    if row.family == "ldx" or row.name == "LOAD_ACQ":
        insn = insn._replace(dst_reg=other, src_reg=base)
    elif is_access:
        insn = insn._replace(dst_reg=base)
    elif row.family not in ("goto", "exit"):
        insn = insn._replace(dst_reg=other)
    if row.src == "X" or row.family in ("stx", "atomic"):
        insn = insn._replace(src_reg=rng.randrange(10) if row.name != "LOAD_ACQ" else base)
    if is_access:
        insn = insn._replace(off=rng.choice(_OFFSETS) & ~(row.width // 8 - 1 if rng.random() < 0.9 else 0))
    if row.imm is None and row.family in ("alu", "st", "jmp") and row.src != "X":
        insn = insn._replace(imm=rng.choice(_IMMEDIATES))
    return insn


def _load(reg: int, value: int) -> list[Insn]:
    value &= (1 << 64) - 1
    low, high = (_signed(half) for half in (value & 0xFFFFFFFF, value >> 32))
    return [Insn(LD_IMM64, reg, 0, 0, low), Insn(0, 0, 0, 0, high)]


def _signed(half: int) -> int:
    return half - (1 << 32) if half >> 31 else half


def run_hostile(
    engine: Engine, seeds: range, report: Callable[[int, Outcome], None], arena: Arena | None = None
) -> None:
    """The programs of *seeds*. :raises AssertionError: one changed what it may not.

    :param arena: where they run; two engines see the same addresses only in the same one.
    """
    arena = arena or Arena()
    for seed in seeds:
        outcome = arena.execute(engine, hostile(seed, arena.addresses()))
        if not arena.is_intact():
            raise AssertionError(f"the program of seed {seed} changed memory of the host on {engine.name}")
        report(seed, outcome)
