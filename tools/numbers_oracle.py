"""The number domain compared with the running kernel, bit for bit.

Random programs: two registers of unknown words, narrowed by masks, shifts, jumps and spills; then one operation on
them. The kernel verifies the program at log level 2 and prints every register after every insn; a few lines of verifier
here (scalars only) run the same program on `beespace.verifier.numbers` and compare every printed register.

``python tools/numbers_oracle.py --programs 10000 --seed 1`` prints what was compared and all differences.
"""

from __future__ import annotations

import argparse
import collections
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import livekernel
from beespace.verifier import numbers as n
from livekernel import insn

__all__ = ["Difference", "Insn", "compare", "differences", "random_program"]

Insn = tuple[int, int, int, int, int]  # code, dst, src, off, imm

ALU32, ALU64, JMP, JMP32, LDX, STX = 4, 7, 5, 6, 1, 3
X = 8
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR, MOV, ARSH, END = range(0, 0xE0, 0x10)
JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
JLT, JLE, JSLT, JSLE = 0xA0, 0xB0, 0xC0, 0xD0
JUMPS = (JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE, JLT, JLE, JSLT, JSLE)
CALL, EXIT, LD_IMM64 = 0x85, 0x95, 0x18
MEM, MEMSX = 0x60, 0x80
SIZE_BYTES = {0x10: 1, 0x08: 2, 0x00: 4, 0x18: 8}
GET_PRANDOM_U32 = 7
U64 = (1 << 64) - 1
NAMES = {
    ADD: "add", SUB: "sub", MUL: "mul", DIV: "div", OR: "or", AND: "and", LSH: "lsh", RSH: "rsh", NEG: "neg",
    MOD: "mod", XOR: "xor", MOV: "mov", ARSH: "arsh", END: "end",
}  # fmt: skip
JUMP_NAMES = {
    JEQ: "jeq", JGT: "jgt", JGE: "jge", JSET: "jset", JNE: "jne", JSGT: "jsgt", JSGE: "jsge", JLT: "jlt", JLE: "jle",
    JSLT: "jslt", JSLE: "jsle",
}  # fmt: skip


# Programs --------------------------------------------------------------------------------------------------------


def interesting(rng: random.Random, bits: int) -> int:
    """A number near the edges of something."""
    kind = rng.randrange(5)
    if kind == 0:
        return rng.getrandbits(bits)
    if kind == 1:
        return rng.getrandbits(rng.randrange(1, bits + 1))
    if kind == 2:
        return (1 << rng.randrange(bits)) + rng.choice((-1, 0, 1)) & (1 << bits) - 1
    if kind == 3:
        return -rng.getrandbits(rng.randrange(1, bits + 1)) & (1 << bits) - 1
    return rng.randrange(16)


def random_program(rng: random.Random) -> tuple[list[Insn], str]:
    """A program and the name of its one operation."""
    body: list[Insn] = []
    exits: list[int] = []

    def jump(op: int, cls: int, dst: int, src: int, imm: int) -> None:
        exits.append(len(body))
        body.append((op | cls | (X if src else 0), dst, src, 0, 0 if src else imm))

    def imm64(reg: int) -> None:
        value = interesting(rng, 64)
        body.append((LD_IMM64, reg, 0, 0, value & 0xFFFFFFFF))
        body.append((0, 0, 0, 0, value >> 32))

    def load(reg: int, mode: int, size: int) -> None:
        body.append((STX | MEM | 0x18, 10, reg, -8, 0))
        body.append((LDX | mode | size, reg, 10, -8, 0))

    def constrain(reg: int) -> None:
        kind = rng.randrange(9)
        cls = rng.choice((ALU32, ALU64))
        if kind < 4:
            if rng.randrange(3):
                jump(rng.choice(JUMPS), rng.choice((JMP, JMP32)), reg, 0, interesting(rng, 32))
            else:
                imm64(8)
                jump(rng.choice(JUMPS), rng.choice((JMP, JMP32)), reg, 8, 0)
        elif kind == 4:
            body.append((rng.choice((AND, OR)) | cls, reg, 0, 0, interesting(rng, 32)))
        elif kind == 5:
            width = 32 if cls == ALU32 else 64
            body.append((rng.choice((LSH, RSH, ARSH)) | cls, reg, 0, 0, rng.randrange(width)))
        elif kind == 6:
            body.append((rng.choice((ADD, XOR, SUB)) | cls, reg, 0, 0, interesting(rng, 32)))
        elif kind == 7:
            load(reg, rng.choice((MEM, MEMSX)), rng.choice((0x10, 0x08, 0x00)))
        else:
            imm64(8)
            body.append((rng.choice((AND, OR, ADD)) | ALU64 | X, reg, 8, 0, 0))

    for reg in (6, 7):
        body.append((CALL, 0, 0, 0, GET_PRANDOM_U32))
        body.append((MOV | ALU64 | X, reg, 0, 0, 0))
        for _ in range(rng.randrange(4)):
            constrain(reg)
    if not rng.randrange(8):
        body.append((MOV | ALU64, rng.choice((6, 7)), 0, 0, interesting(rng, 32)))

    kind = rng.randrange(20)
    cls = rng.choice((ALU32, ALU64))
    width = "32" if cls == ALU32 else "64"
    if kind < 9:
        op = rng.choice((ADD, SUB, MUL, AND, OR, XOR, LSH, RSH, ARSH, NEG, DIV, MOD))
        name = NAMES[op] + width
        if op == NEG:
            body.append((op | cls, 6, 0, 0, 0))
        elif op in (LSH, RSH, ARSH) and rng.randrange(8):
            body.append((op | cls, 6, 0, 0, rng.randrange(int(width))))
        elif rng.randrange(4):
            body.append((op | cls | X, 6, 7, rng.randrange(2) if op in (DIV, MOD) else 0, 0))
        else:
            body.append((op | cls, 6, 0, 0, interesting(rng, 32) or 1))
            if op in (LSH, RSH, ARSH):
                body[-1] = (*body[-1][:4], rng.randrange(int(width)))
    elif kind < 15:
        op = rng.choice(JUMPS)
        jmp = rng.choice((JMP, JMP32))
        name = JUMP_NAMES[op] + ("32" if jmp == JMP32 else "64")
        jump(op, jmp, 6, 7 if rng.randrange(4) else 0, interesting(rng, 32))
    elif kind == 15:
        bits = rng.choice((8, 16)) if cls == ALU32 else rng.choice((8, 16, 32))
        name = f"movsx{bits}to{width}"
        body.append((MOV | cls | X, 8, 6, bits, 0))
    elif kind == 16:
        name = "mov32"
        body.append((MOV | ALU32 | X, 8, 6, 0, 0))
    elif kind == 17:
        mode, size = rng.choice((MEM, MEMSX)), rng.choice((0x10, 0x08, 0x00))
        name = f"load{'_sx' if mode == MEMSX else ''}{SIZE_BYTES[size] * 8}"
        load(6, mode, size)
    elif kind == 18:
        name = "end"
        body.append((END | rng.choice((ALU32, ALU32 | X, ALU64)), 6, 0, 0, rng.choice((16, 32, 64))))
    else:
        name = "linked"
        body.append((MOV | ALU64 | X, 8, 6, 0, 0))
        body.append((ADD | ALU64, rng.choice((6, 8)), 0, 0, interesting(rng, 31)))
        if rng.randrange(2):
            body.append((MOV | ALU64 | X, 9, 6, 0, 0))
            body.append((ADD | ALU64, 9, 0, 0, interesting(rng, 31)))
        jump(rng.choice(JUMPS), rng.choice((JMP, JMP32)), rng.choice((6, 8)), 0, interesting(rng, 32))
    return finish(body, exits), name


def finish(body: list[Insn], exits: list[int]) -> list[Insn]:
    """Each jump gets an exit of its own, so that no path is pruned and every taken state is printed."""
    out = [*body, (MOV | ALU64, 0, 0, 0, 0), (EXIT, 0, 0, 0, 0)]
    for at in exits:
        code, dst, src, _, imm = out[at]
        out[at] = (code, dst, src, len(out) - at - 1, imm)
        out += [(MOV | ALU64, 0, 0, 0, 0), (EXIT, 0, 0, 0, 0)]
    return out


# Our side: a verifier of scalars ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reg:
    """A scalar: what is known, and ``reg->id`` with its constant offset (``None`` without BPF_ADD_CONST)."""

    bounds: n.Bounds
    id: int = 0
    off: int | None = None


@dataclass
class Path:
    """State of one path: registers and the one spill."""

    pc: int
    regs: dict[int, Reg]
    spill: Reg | None = None


@dataclass
class Event:
    """A state of ours that the log shows: after insn *idx*, or on arrival at *idx* (came_from is then its jump)."""

    idx: int
    regs: dict[int, Reg]
    came_from: int | None = None


@dataclass
class Machine:
    """Runs a program over all paths in the kernel's order."""

    prog: list[Insn]
    live: dict[int, set[int]]  # registers live before each insn: others are not linked
    ids: int = 0
    pending: list[tuple[int, Path]] = field(default_factory=list)

    def events(self) -> Iterator[Event]:
        path = Path(0, {})
        while True:
            idx = path.pc
            code = self.prog[idx][0]
            if code == EXIT:
                yield Event(idx, dict(path.regs))
                if not self.pending:
                    return
                came_from, path = self.pending.pop()
                yield Event(path.pc, dict(path.regs), came_from)
                continue
            self.step(path)
            yield Event(idx, dict(path.regs))

    def step(self, path: Path) -> None:
        code, dst, src, _, imm = self.prog[path.pc]
        cls, op = code & 7, code & 0xF0
        regs = path.regs
        at = path.pc
        path.pc += 1
        if code == CALL:
            for reg in range(6):
                regs.pop(reg, None)
            regs[0] = Reg(n.unknown())
        elif code == LD_IMM64:
            regs[dst] = Reg(n.const(imm & 0xFFFFFFFF | (self.prog[path.pc][4] & 0xFFFFFFFF) << 32))
            path.pc += 1
        elif cls == STX:
            regs[src] = path.spill = self.with_id(regs[src])
        elif cls == LDX:
            size = SIZE_BYTES[code & 0x18]
            assert path.spill is not None
            narrow = n.coerce_reg_to_size_sx if code & 0xE0 == MEMSX else n.coerce_reg_to_size
            keeps = n.reg_width(path.spill.bounds) <= size * 8 and code & 0xE0 == MEM
            link = path.spill if keeps else Reg(path.spill.bounds)
            regs[dst] = replace(link, bounds=narrow(path.spill.bounds, size))
        elif cls in (ALU32, ALU64):
            self.alu(path, at, cls == ALU64, op)
        elif cls in (JMP, JMP32):
            self.jump(path, at, cls == JMP32, op)
        else:
            raise AssertionError(f"code {code:#x}")

    def with_id(self, reg: Reg) -> Reg:
        if n.is_const(reg.bounds) or (reg.id and reg.off is None):
            return reg
        self.ids += 1
        return Reg(reg.bounds, self.ids)

    def source(self, path: Path, at: int) -> Reg:
        code, _, src, _, imm = self.prog[at]
        return path.regs[src] if code & X else Reg(n.const((imm ^ 1 << 31) - (1 << 31) & U64 if imm >> 31 else imm))

    def alu(self, path: Path, at: int, is64: bool, op: int) -> None:
        code, dst, _, _, imm = self.prog[at]
        regs = path.regs
        if op == MOV:
            self.mov(path, at, is64)
            return
        if op == END:
            swaps = is64 or code & X != 0  # on a little-endian host
            link = regs[dst] if not swaps and imm == 64 else Reg(regs[dst].bounds)
            regs[dst] = replace(link, bounds=n.byte_swap(link.bounds, imm, swaps))
            return
        b = regs[dst] if op == NEG else self.source(path, at)
        a = regs[dst]
        if op in (AND, OR) and n.is_const(b.bounds) and (width := n.fork_width(a.bounds)):
            zero = n.const(0) if width == 64 else n.mark_reg32_known(a.bounds, 0)
            ones = n.const(U64) if width == 64 else n.mark_reg32_known(a.bounds, 0xFFFFFFFF)
            fork = Path(at, {**regs, dst: replace(a, bounds=zero)}, path.spill)
            self.pending.append((at, fork))
            a = replace(a, bounds=ones)
        result = Reg(n.alu(op, a.bounds, b.bounds, is64))
        constant = n.is_const(b.bounds) and op == ADD and is64
        if constant and a.id and a.off is None and n.const_value(b.bounds) <= 0x7FFFFFFF:
            result = replace(result, id=a.id, off=n.const_value(b.bounds))
        regs[dst] = result

    def mov(self, path: Path, at: int, is64: bool) -> None:
        code, dst, src, off, _ = self.prog[at]
        regs = path.regs
        if not code & X:
            value = self.source(path, at).bounds
            regs[dst] = Reg(value if is64 else n.const(n.const_value(value) & 0xFFFFFFFF))
            return
        keeps = n.reg_width(regs[src].bounds) <= (64 if is64 else 32) if not off else (
            regs[src].bounds.umax_value < 1 << off - 1
        )  # fmt: skip
        if keeps:
            regs[src] = self.with_id(regs[src])
        a = regs[src] if keeps else Reg(regs[src].bounds)
        if off:
            a = replace(a, bounds=n.movsx(a.bounds, off, is64))
        elif not is64:
            a = replace(a, bounds=n.zext_32(a.bounds))
        regs[dst] = a

    def jump(self, path: Path, at: int, is32: bool, op: int) -> None:
        code, dst, src, off, _ = self.prog[at]
        a, b = path.regs[dst], self.source(path, at)
        taken = n.branch(op, a.bounds, b.bounds, is32)
        if taken == 1:
            path.pc += off
        if taken != -1:
            return
        true, false = n.refine(op, a.bounds, b.bounds, is32)
        other = Path(path.pc + off, dict(path.regs), path.spill)
        self.pending.append((at, other))
        for side, (new_a, new_b) in ((other, true), (path, false)):
            self.narrow(side, dst, new_a)
            if code & X:
                self.narrow(side, src, new_b)
            if code & X:
                self.sync_linked(side, src, self.live[at])
            self.sync_linked(side, dst, self.live[at])

    def narrow(self, path: Path, reg: int, bounds: n.Bounds) -> None:
        if n.reg_bounds_sanity_check(bounds):
            bounds = n.mark_reg_unbounded(bounds)
        path.regs[reg] = replace(path.regs[reg], bounds=bounds)

    def sync_linked(self, path: Path, regno: int, live: set[int]) -> None:
        known = path.regs[regno]
        if not known.id:
            return
        for other, reg in path.regs.items():
            if other != regno and other in live:
                path.regs[other] = follow(reg, known)
        if path.spill is not None:
            path.spill = follow(path.spill, known)


def follow(reg: Reg, known: Reg) -> Reg:
    """*reg* after more was learnt of *known*."""
    if reg.id != known.id:
        return reg
    if reg.off == known.off:
        return known
    return replace(reg, bounds=n.linked(known.bounds, (reg.off or 0) - (known.off or 0)))


# The kernel's side -----------------------------------------------------------------------------------------------

_INSN = re.compile(r"^(\d+): \([0-9a-f]{2}\) [^;]*(?:; (.*))?$")
_LIVE = re.compile(r"^ +(\d+): ([.0-9]{10}) \(", re.MULTILINE)
_FROM = re.compile(r"^from (\d+) to (\d+)(?: \([^)]*\))?: (.*)$")
_REG = re.compile(r"\bR(\d+)(?:_w)?=(P?scalar\([^()]*(?:\([^()]*\)[^()]*)*\)|P?-?(?:0x[0-9a-f]+|\d+)\b)")
_VAR_OFF = re.compile(r"var_off=\((0x[0-9a-f]+); (0x[0-9a-f]+)\)")
_RANGE = re.compile(r"((?:[su](?:min|max)(?:32)?=)+)(-?(?:0x[0-9a-f]+|\d+))")


def parse_reg(text: str) -> n.Bounds:
    """The Bounds that the log prints."""
    text = text.removeprefix("P")
    if not text.startswith("scalar"):
        return n.const(int(text, 0) & U64)
    fields = {
        "smin": -(1 << 63), "smax": (1 << 63) - 1, "umin": 0, "umax": U64,
        "smin32": -(1 << 31), "smax32": (1 << 31) - 1, "umin32": 0, "umax32": (1 << 32) - 1,
    }  # fmt: skip
    for names, number in _RANGE.findall(text):
        for name in names.split("=")[:-1]:
            bits = 32 if name.endswith("32") else 64
            value = int(number, 0) & (1 << bits) - 1
            fields[name] = value - (1 << bits) if name[0] == "s" and value >> bits - 1 else value
    var_off = _VAR_OFF.search(text)
    t = n.tnum_unknown() if var_off is None else n.tnum(int(var_off[1], 16), int(var_off[2], 16))
    return n.make_bounds(t, *fields.values())


@dataclass(frozen=True)
class Difference:
    """*ours* and *kernels* differ in register *reg* after insn *idx*."""

    operation: str
    idx: int
    reg: int | None
    kernels: str
    ours: str
    tighter: bool
    program: tuple[Insn, ...]
    log: str


def log_events(log: str) -> Iterator[tuple[int | None, int, dict[int, n.Bounds]]]:
    """(jump it came from or None, insn_idx, printed registers)."""
    for came_from, idx, text in log_lines(log):
        yield came_from, idx, printed(text)


def log_lines(log: str) -> Iterator[tuple[int | None, int, str]]:
    """(jump it came from or None, insn_idx, text of the registers)."""
    body = log[log.index("0: R1=ctx()") :]
    for line in body.splitlines():
        if match := _FROM.match(line):
            yield int(match[1]), int(match[2]), match[3]
        elif match := _INSN.match(line):
            yield None, int(match[1]), match[2] or ""


def same_print(mine: n.Bounds, theirs: n.Bounds) -> bool:
    """Of a constant only the value is printed, whatever its ranges say."""
    if n.is_const(mine) and n.is_const(theirs):
        return bool(mine.var_off == theirs.var_off)
    return bool(mine == theirs)


def live_registers(log: str) -> dict[int, set[int]]:
    return {int(idx): {int(reg) for reg in regs if reg != "."} for idx, regs in _LIVE.findall(log)}


def printed(text: str) -> dict[int, n.Bounds]:
    return {int(reg): parse_reg(value) for reg, value in _REG.findall(text)}


def compare(prog: list[Insn], operation: str, counts: collections.Counter[str]) -> Difference | None:
    """Verify *prog* on both sides; the first difference."""
    verdict = livekernel.load(1, b"".join(insn(*i) for i in prog), log_level=2)
    assert isinstance(verdict, livekernel.Verdict)

    def differ(idx: int, reg: int | None, kernels: object, ours: object, tighter: bool = False) -> Difference:
        name = f"{operation} at {idx}"
        return Difference(name, idx, reg, str(kernels), str(ours), tighter, tuple(prog), verdict.log)

    if verdict.errno:
        return differ(-1, None, f"errno {verdict.errno}", "accepted")
    counts["programs"] += 1
    if "REG INVARIANTS VIOLATION" in verdict.log:
        counts["programs with an impossible path"] += 1
    # Only where `&=` or `|=` forked the state does a path come to an insn that another has been at. We do not prune.
    pruned = ": safe" in verdict.log
    events = Machine(prog, live_registers(verdict.log)).events()
    for came_from, idx, regs in log_events(verdict.log):
        event = next(events, None)
        if event is None or (event.came_from, event.idx) != (came_from, idx):
            if pruned:
                counts["programs with a pruned path"] += 1
                return None
            return differ(idx, None, f"path {came_from} to {idx}", f"path {event and (event.came_from, event.idx)}")
        counts["states"] += 1
        for reg, theirs in regs.items():
            counts["registers"] += 1
            mine = event.regs[reg].bounds
            if not same_print(mine, theirs):
                return differ(idx, reg, theirs, mine, n.scalar_within(theirs, mine))
    rest = next(events, None)
    if rest is not None and not pruned:
        return differ(rest.idx, None, "no such path", f"path {rest.came_from} to {rest.idx}")
    counts[f"operation {operation}"] += 1
    return None


def differences(programs: int, seed: int, counts: collections.Counter[str]) -> Iterator[Difference]:
    """Compare *programs* random programs."""
    rng = random.Random(seed)
    for _ in range(programs):
        prog, operation = random_program(rng)
        found = compare(prog, operation, counts)
        if found is not None:
            yield found


# Pointers --------------------------------------------------------------------------------------------------------

_STATE = re.compile(r"^(\d+): (R.*)$")
_PKT = re.compile(r"\bR9(?:_w)?=pkt(\([^()]*(?:\([^()]*\)[^()]*)*\))")
IFINDEX = 12  # a u32 of struct xdp_md
XDP = 6


def pointer_program(rng: random.Random) -> list[Insn]:
    """r9, a packet pointer, plus or minus three scalars."""

    def scalar(reg: int) -> list[Insn]:
        out: list[Insn] = [(LDX | MEM, reg, 1, IFINDEX, 0)]
        shift = [(LSH | ALU64, reg, 0, 0, 32), (ARSH | ALU64, reg, 0, 0, 32 + rng.randrange(4, 20))]
        kind = rng.randrange(5)
        if kind == 0:
            out.append((AND | ALU64, reg, 0, 0, interesting(rng, 28)))
        elif kind == 1:
            out += shift
        elif kind == 2:
            narrow = ((op | ALU64, reg, 0, 0, interesting(rng, bits)) for op, bits in ((AND, 20), (ADD, 20), (XOR, 12)))
            out += narrow
        elif kind == 3:
            out += [
                *shift,
                (SUB | ALU64, reg, 0, 0, interesting(rng, 20)),
                (OR | ALU64, reg, 0, 0, interesting(rng, 9)),
            ]
        else:
            out += [(AND | ALU64, reg, 0, 0, 0xFFFF), (NEG | ALU64, reg, 0, 0, 0)]
        return out

    prog: list[Insn] = [(LDX | MEM, 9, 1, 0, 0)]
    for reg in (6, 7, 8):
        prog += scalar(reg)
    prog += [(rng.choice((ADD, ADD, SUB)) | ALU64 | X, 9, reg, 0, 0) for reg in (6, 7, 8)]
    return [*prog, (MOV | ALU64, 0, 0, 0, 0), (EXIT, 0, 0, 0, 0)]


def pointer_differences(programs: int, seed: int, counts: collections.Counter[str]) -> Iterator[Difference]:
    """Compare the variable part of packet pointers."""
    rng = random.Random(seed)
    for _ in range(programs):
        prog = pointer_program(rng)
        verdict = livekernel.load(XDP, b"".join(insn(*i) for i in prog), log_level=2)
        assert isinstance(verdict, livekernel.Verdict)
        states: dict[int, str] = {}
        for line in verdict.log.splitlines():
            # What was marked precise on the way comes between an insn and its registers, which then stand alone.
            if match := _STATE.match(line):
                states[int(match[1]) - 1] = match[2]
            elif match := _INSN.match(line):
                states[int(match[1])] = match[2] or ""
        ours = n.const(0)
        scalars: dict[int, n.Bounds] = {}
        for idx in sorted(states):
            scalars |= printed(states[idx])
            code, dst, src, *_ = prog[idx]
            if dst != 9 or not code & X or code & 7 != ALU64 or (pkt := _PKT.search(states[idx])) is None:
                continue
            if n.is_const(scalars[src]):
                break  # goes to the fixed offset, which is not a matter of ranges
            ours = (n.ptr_sub if code & 0xF0 == SUB else n.ptr_add)(ours, scalars[src])
            counts["pointers"] += 1
            theirs = parse_reg(f"scalar{pkt[1]}")
            if ours != theirs:
                yield Difference("pointer", idx, 9, str(theirs), str(ours), False, tuple(prog), verdict.log)
                break


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5, help="differences shown with their log")
    args = parser.parse_args()
    if reason := livekernel.available():
        print(reason)
        return 2
    counts: collections.Counter[str] = collections.Counter()
    kinds: collections.Counter[str] = collections.Counter()
    for number, found in enumerate(differences(args.programs, args.seed, counts)):
        kinds[found.operation.split(" at ")[0] + (" (tighter)" if found.tighter else "")] += 1
        if number < args.show:
            print(f"{found.operation} R{found.reg}\n  kernel {found.kernels}\n  ours   {found.ours}\n{found.log}")
    for key, count in sorted(counts.items()):
        print(f"{count:8} {key}")
    for key, count in sorted(kinds.items()):
        print(f"{count:8} DIFFERENT {key}")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
