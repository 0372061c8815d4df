"""Interpreter and JIT agree on R0, memory, instruction count, last instruction and call trace.

Programs are random but safe: what a verifier would accept. Registers: R9 points to 64 bytes of memory, R0 and R2-R8 are
numbers, R1 is scratch; the stack has numbers in [-64, 0) and a spilled pointer at -72.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.decl import InsnAux, KfuncProto, declare
from beespace.interp import Interp
from beespace.isa import ROWS, Insn, row_by_key, row_of
from beespace.jit import Jit, JitOptions
from beespace.testing.engines import BareRun, trusted
from beespace.uapi import bpf as uapi

MEMORY = 64
STACK = 64
NUMBERS = (0, 2, 3, 4, 5, 6, 7, 8)
SAVED = (6, 7, 8)
ALU_ROWS = [row for row in ROWS if row.family in ("alu", "swap") and row.name != "ADDR_SPACE_CAST"]
JMP_ROWS = [row for row in ROWS if row.family == "jmp"]
LOADS = [row for row in ROWS if row.family == "ldx"]
STORES = [row for row in ROWS if row.family in ("st", "stx")]
ATOMICS = [row for row in ROWS if row.family == "atomic"]
IMMEDIATES = (0, 1, -1, 2, 7, 8, 31, 32, 63, 64, 255, 0x7FFFFFFF, -0x80000000, 0x12345678)
MIX = 0x9E3779B97F4A7C15
TEXT = 0x10000


def mixed(*words):
    total = 1
    for word in words:
        total = (total * MIX + word) % 2**64
    return total


def touch(run, memory, seed):
    # reads and changes what the pointer refers to, with the checks that helpers make
    data = run.mem.read(memory, 8)
    run.mem.write(memory, (int.from_bytes(data, "little") ^ seed).to_bytes(8, "little"))
    return mixed(seed, *data)


def call_back(run, callback, count, context):
    return sum(run.invoke(callback, index, context) for index in range(count % 4))


HELPERS = (
    KfuncProto("mix", "u64 mix(u64 a, u32 b, int c, s16 d, u8 e)", impl=lambda run, *words: mixed(*words)),
    KfuncProto("half", "u32 half(u64 a)", impl=lambda run, a: mixed(a)),
    KfuncProto("nothing", "void nothing(void)", impl=lambda run: None),
    declare("long bpf_ktime_get_ns(void)", uapi.RET_INTEGER, impl=lambda run: -run.ktime_ns(1)),
)
TOUCH = KfuncProto("touch", "u64 touch(void *memory, u64 seed)", impl=touch)
CALL_BACK = KfuncProto("call_back", "u64 call_back(void *callback, u32 count, void *context)", impl=call_back)


def insn(name, cls, variant="", **fields):
    return row_by_key(name, cls, variant).insn(**fields)


MOV_X = row_by_key("MOV", "alu64", "X")
MOV_K = row_by_key("MOV", "alu64", "K")


class Generator:
    """Writes one program: the main part, subprograms and a callback."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.insns = []
        self.calls = {}
        self.aux = {}
        self.patches = []  # (insn_idx of a subprogram call, which)
        self.callback_loads = []  # insn_idx of LD_IMM64 of the callback
        self.depth = 0

    def emit(self, *insns):
        self.insns.extend(insns)

    def number(self):
        return self.rng.choice(NUMBERS)

    # R1 = address of 8 aligned bytes that may be read and written, constant or not.
    def pointer(self, constant=False):
        kind = self.rng.randrange(2 if constant else 4)
        if kind == 0:
            self.emit(
                MOV_X.insn(dst_reg=1, src_reg=9), insn("ADD", "alu64", "K", dst_reg=1, imm=8 * self.rng.randrange(8))
            )
        elif kind == 1:
            self.emit(
                MOV_X.insn(dst_reg=1, src_reg=10),
                insn("ADD", "alu64", "K", dst_reg=1, imm=-8 * self.rng.randrange(1, 9)),
            )
        elif kind == 2:  # variable offset, from either side of the addition
            self.emit(MOV_X.insn(dst_reg=1, src_reg=self.number()), insn("AND", "alu64", "K", dst_reg=1, imm=56))
            self.emit(insn("ADD", "alu64", "X", dst_reg=1, src_reg=9))
        else:
            self.emit(
                insn("STX", "stx", "64", dst_reg=10, src_reg=9, off=-72),
                insn("LDX", "ldx", "64", dst_reg=1, src_reg=10, off=-72),
                insn("SUB", "alu64", "K", dst_reg=1, imm=-8 * self.rng.randrange(8)),
            )

    def alu(self):
        row = self.rng.choice(ALU_ROWS)
        imm = row.imm if row.imm is not None else self.rng.choice(IMMEDIATES)
        if row.src == "K" and row.name in ("LSH", "RSH", "ARSH"):
            imm = self.rng.randrange(row.width)
        if row.src == "K" and row.name in ("DIV", "MOD", "SDIV", "SMOD"):
            imm = imm or 3
        if row.name == "NEG" or row.src == "X":
            imm = 0
        source = self.number() if row.src == "X" else 0
        self.emit(row.insn(dst_reg=self.number(), src_reg=source, imm=imm))

    def memory(self):
        kind = self.rng.choice(("load", "store", "atomic", "frame"))
        if kind == "frame":
            row = self.rng.choice(LOADS + STORES)
            size = row.width // 8
            off = -size * self.rng.randrange(1, STACK // size + 1)
            base = {"ldx": "src_reg"}.get(row.family, "dst_reg")
            other = {"ldx": "dst_reg"}.get(row.family, "src_reg")
            fields = {base: 10, other: self.number(), "off": off}
            if row.family == "st":
                fields.pop("src_reg")
                fields["imm"] = self.rng.choice(IMMEDIATES)
            self.emit(row.insn(**fields))
            return
        self.pointer()
        row = self.rng.choice({"load": LOADS, "store": STORES, "atomic": ATOMICS}[kind])
        off = (row.width // 8) * self.rng.randrange(8 // (row.width // 8))
        if row.family == "ldx" or row.name == "LOAD_ACQ":
            self.emit(row.insn(dst_reg=self.number(), src_reg=1, off=off))
        elif row.family == "st":
            self.emit(row.insn(dst_reg=1, off=off, imm=self.rng.choice(IMMEDIATES)))
        else:
            self.emit(row.insn(dst_reg=1, src_reg=self.number(), off=off))

    def imm64(self):
        value = self.rng.getrandbits(64)
        low, high = value & 0xFFFFFFFF, value >> 32
        first = insn("IMM64", "ld", dst_reg=self.number(), imm=(low ^ 1 << 31) - (1 << 31))
        self.emit(first, Insn(0, 0, 0, 0, (high ^ 1 << 31) - (1 << 31)))

    def branch(self):
        row = self.rng.choice(JMP_ROWS)
        at = len(self.insns)
        fields = {"src_reg": self.number()} if row.src == "X" else {"imm": self.rng.choice(IMMEDIATES)}
        self.emit(row.insn(dst_reg=self.number(), **fields))
        self.body(self.rng.randrange(1, 4))
        if self.rng.randrange(2):  # with an else
            over = len(self.insns)
            self.emit(insn("JA", "jmp32") if self.rng.randrange(2) else insn("JA", "jmp"))
            self.land(at)
            self.body(self.rng.randrange(1, 4))
            self.land(over)
        else:
            self.land(at)

    def land(self, at):
        distance = len(self.insns) - at - 1
        field = "imm" if row_of(self.insns[at]).key[:2] == ("JA", "jmp32") else "off"
        self.insns[at] = self.insns[at]._replace(**{field: distance})

    # The counter is in the stack, out of reach of the body.
    def loop(self):
        slot = -80 - 8 * self.depth
        self.emit(insn("ST", "st", "64", dst_reg=10, off=slot, imm=self.rng.randrange(1, 6)))
        top = len(self.insns)
        self.body(self.rng.randrange(1, 5))
        self.emit(
            insn("LDX", "ldx", "64", dst_reg=1, src_reg=10, off=slot),
            insn("ADD", "alu64", "K", dst_reg=1, imm=-1),
            insn("STX", "stx", "64", dst_reg=10, src_reg=1, off=slot),
        )
        self.emit(insn("JNE", "jmp", "K", dst_reg=1, imm=0, off=top - len(self.insns) - 1))

    def arguments(self):
        for reg in range(2, 6):
            self.emit(MOV_X.insn(dst_reg=reg, src_reg=self.number()))

    # After a call R1-R5 are gone: they get new numbers.
    def after_call(self):
        for reg in range(2, 6):
            self.emit(insn("LDX", "ldx", "64", dst_reg=reg, src_reg=9, off=8 * reg))

    def helper(self):
        self.emit(MOV_X.insn(dst_reg=1, src_reg=self.number()))
        self.call(self.rng.choice(HELPERS))

    def touch(self):
        self.pointer()
        self.call(TOUCH)

    def call(self, proto):
        self.calls[len(self.insns)] = proto
        self.emit(insn("CALL_KFUNC", "jmp", imm=1))
        self.after_call()

    def subprogram(self, which):
        self.arguments()
        self.pointer(constant=True)
        self.patches.append((len(self.insns), which))
        self.emit(insn("CALL_SUBPROG", "jmp"))
        self.after_call()

    def call_callback(self):
        self.emit(MOV_X.insn(dst_reg=3, src_reg=self.rng.choice((9, 10))), MOV_X.insn(dst_reg=2, src_reg=self.number()))
        self.emit(insn("ADD", "alu64", "K", dst_reg=3, imm=0))
        if self.insns[-3].src_reg == 10:
            self.insns[-1] = insn("ADD", "alu64", "K", dst_reg=3, imm=-8)
        self.callback_loads.append(len(self.insns))
        self.emit(insn("IMM64", "ld", dst_reg=1), Insn(0, 0, 0, 0, 0))
        self.call(CALL_BACK)

    def body(self, length):
        self.depth += 1
        for _ in range(length):
            kinds = ["alu"] * 6 + ["memory"] * 4 + ["imm64", "helper", "touch"]
            if self.depth < 4:
                kinds += ["branch"] * 2 + ["loop"]
            getattr(self, self.rng.choice(kinds))()
        self.depth -= 1

    def prologue(self, memory_reg):
        self.emit(MOV_X.insn(dst_reg=9, src_reg=memory_reg))
        for off in range(-STACK, 0, 8):
            self.emit(insn("ST", "st", "64", dst_reg=10, off=off, imm=self.rng.choice(IMMEDIATES)))

    def program(self, helpers=True):
        rng = self.rng
        subprogs = rng.randrange(3)
        self.prologue(1)
        for reg in NUMBERS:
            self.emit(insn("LDX", "ldx", "64", dst_reg=reg, src_reg=9, off=8 * (reg % 8)))
        for _ in range(rng.randrange(1, 5)):
            self.body(rng.randrange(1, 8))
            if subprogs and rng.randrange(2):
                self.subprogram(rng.randrange(subprogs))
            if rng.randrange(4) == 0:
                self.call_callback()
        self.emit(insn("EXIT", "jmp"))
        starts = {}
        for which in range(subprogs):
            starts[which] = len(self.insns)
            # R9 is the caller's: the pointer it gave may be into its stack, 8 bytes of it
            for reg in SAVED:
                self.emit(MOV_X.insn(dst_reg=reg, src_reg=2 + reg % 4))
            self.emit(insn("LDX", "ldx", "64", dst_reg=0, src_reg=1, off=0))
            self.emit(insn("STX", "stx", "64", dst_reg=10, src_reg=1, off=-72))
            self.body_without_memory(rng.randrange(1, 6))
            self.emit(insn("LDX", "ldx", "64", dst_reg=1, src_reg=10, off=-72))
            self.emit(insn("STX", "stx", "64", dst_reg=1, src_reg=0, off=0))
            if which + 1 < subprogs and rng.randrange(2):
                self.emit(MOV_X.insn(dst_reg=1, src_reg=10), insn("ADD", "alu64", "K", dst_reg=1, imm=-8))
                self.emit(insn("STX", "stx", "64", dst_reg=10, src_reg=0, off=-8))
                self.patches.append((len(self.insns), which + 1))
                self.emit(insn("CALL_SUBPROG", "jmp"))
            self.emit(insn("EXIT", "jmp"))
        callback = len(self.insns)
        if self.callback_loads:
            self.emit(
                MOV_X.insn(dst_reg=0, src_reg=1),
                insn("LDX", "ldx", "64", dst_reg=3, src_reg=2, off=0),
                insn("MUL", "alu64", "K", dst_reg=3, imm=0x1234567),
                insn("ADD", "alu64", "X", dst_reg=0, src_reg=3),
                insn("STX", "stx", "64", dst_reg=2, src_reg=0, off=0),
                insn("EXIT", "jmp"),
            )
        for at, which in self.patches:
            self.insns[at] = self.insns[at]._replace(imm=starts[which] - at - 1)
        imm64 = {}
        for at in self.callback_loads:
            self.insns[at] = self.insns[at]._replace(src_reg=uapi.BPF_PSEUDO_FUNC)
            imm64[at] = TEXT + 8 * callback
            self.aux[at] = InsnAux(seen=True, imm64=("func", 1, 0))
        return trusted(
            self.insns,
            calls=self.calls,
            aux=self.aux,
            callbacks=[callback] if self.callback_loads else [],
            imm64=imm64,
            text=TEXT,
        )

    def body_without_memory(self, length):
        for _ in range(length):
            self.alu()


def outcome(engine, prog, data, sink):
    run = BareRun()
    try:
        memory = run.mem.alloc(MEMORY, name="memory")
        run.mem.write(memory.base, data)
        r0 = run.execute(engine.prepare(prog), memory.base)
        base = run.mem.base
        trace = [(e.insn_idx, e.name, [a - base if a >= base else a for a in e.args], e.ret) for e in sink]
        return r0, run.mem.read(memory.base, MEMORY), run.insn_count, run.last_insn_idx, trace
    finally:
        run.mem.close()


INSTRUMENTED = {
    level: JitOptions(opt_level=level, count_insns=True, trace_calls=True) for level in (0, 1)
}  # fmt: skip


def check(seed, data, level, jits):
    prog = Generator(seed).program()
    sink = []
    expected = outcome(Interp(sink.append), prog, data, sink)
    events = []
    jits["traced", level].sink = events.append
    assert outcome(jits["traced", level], prog, data, events) == expected
    assert outcome(jits["plain", 2 * level], prog, data, [])[:2] == expected[:2]


@pytest.fixture(scope="module")
def jits():
    made = {("traced", level): Jit(options) for level, options in INSTRUMENTED.items()}
    return made | {("plain", level): Jit(JitOptions(opt_level=level)) for level in (0, 2)}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.binary(min_size=MEMORY, max_size=MEMORY), level=st.sampled_from((0, 1)))
def test_engines_agree(jits, seed, data, level):
    check(seed, data, level, jits)


def test_the_generator_reaches_all_rows():
    reached = {row_of(i).id for seed in range(300) for i in Generator(seed).program().insns if row_of(i)}
    families = ("alu", "swap", "jmp", "ldx", "st", "stx", "atomic", "exit", "call")
    wanted = {row.id for row in ROWS if row.family in families and row.name not in ("ADDR_SPACE_CAST", "CALL_HELPER")}
    assert wanted - reached == set()
