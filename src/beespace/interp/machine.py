"""What instructions do.

First the arithmetic, comparing and atomic ones: functions in dicts keyed by ``Row.name``; decoding (code.py) puts them
into each Op. Operands and results are unsigned words of *bits* (32 or 64) bits; the loop truncates a result to that
width, so the functions may leave garbage above. Immediates arrive sign-extended to 64 bits, truncated to *bits*.
Then the loop, with all others: memory, jumps, calls, exits. The most frequent operations have kinds of their own there,
which call the same functions: they are in this module so that the C compiler can inline them.

:see: RFC 9669 sections 4 and 5, kernel/bpf/core.c:___bpf_prog_run
"""

# mypy: disable-error-code="no-any-return, has-type, misc"
# (what is cimported, the base class among it, is Any)

from __future__ import annotations

import cython

from beespace.decl.events import CallEvent
from beespace.decl.run import BpfThrow

if cython.compiled:
    from cython.cimports.beespace.decl.call import BoundCall
    from cython.cimports.beespace.interp import code as k
    from cython.cimports.beespace.interp.frames import Frames
    from cython.cimports.beespace.mem import raw as mem
    from cython.cimports.cpython.exc import PyErr_CheckSignals
else:
    from beespace.decl.call import BoundCall
    from beespace.interp import kinds as k
    from beespace.interp.frames import Frames
    from beespace.mem import raw as mem

__all__ = ["ALU", "ATOMIC", "JMP", "SWAP", "Machine"]

SLICE = cython.declare(cython.ulonglong, 1 << 22)  # instructions between looks at signals
U32 = cython.declare(cython.ulonglong, 0xFFFFFFFF)
U64 = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
ONE = cython.declare(cython.ulonglong, 1)


# Wrap to 64 bits; compiled, words wrap by themselves.
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def w64(x: cython.ulonglong) -> cython.ulonglong:
    return x if cython.compiled else x & 0xFFFFFFFFFFFFFFFF


# Sign-extend the low *bits* of x to 64.
@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def sext(x: cython.ulonglong, bits: cython.int) -> cython.ulonglong:
    sign: cython.ulonglong = ONE << (bits - 1)
    return w64(((x & w64((sign << 1) - 1)) ^ sign) - sign)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def magnitude(x: cython.ulonglong) -> cython.ulonglong:
    return w64(-x) if x >> 63 else x


def add(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return w64(a + b)


def sub(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return w64(a - b)


def mul(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return w64(a * b)


# By zero: 0.
def div(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return a // b if b else 0


# Truncates towards zero; by zero: 0; INT_MIN / -1: INT_MIN.
def sdiv(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    if b == 0:
        return 0
    a = sext(a, bits)
    b = sext(b, bits)
    quotient: cython.ulonglong = magnitude(a) // magnitude(b)
    return w64(-quotient) if (a ^ b) >> 63 else quotient


# By zero: unchanged.
def mod(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return a % b if b else a


# Sign of the dividend; by zero: unchanged; INT_MIN % -1: 0.
def smod(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    if b == 0:
        return a
    a = sext(a, bits)
    rest: cython.ulonglong = magnitude(a) % magnitude(sext(b, bits))
    return w64(-rest) if a >> 63 else rest


def or_(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return a | b


def and_(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return a & b


def xor(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return a ^ b


# Shifts use the low five or six bits of the amount.
def lsh(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return w64(a << (b & (bits - 1)))


def rsh(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return a >> (b & (bits - 1))


def arsh(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    shift: cython.ulonglong = b & (bits - 1)
    a = sext(a, bits)
    return w64(~(w64(~a) >> shift)) if a >> 63 else a >> shift


def neg(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return w64(-a)


def mov(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return b


# ``off`` is the width of the source in bits.
def movsx(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return sext(b, off)


ALU = {
    "ADD": add, "SUB": sub, "MUL": mul, "DIV": div, "SDIV": sdiv, "OR": or_, "AND": and_, "LSH": lsh, "RSH": rsh,
    "NEG": neg, "MOD": mod, "SMOD": smod, "XOR": xor, "MOV": mov, "MOVSX": movsx, "ARSH": arsh,
}  # fmt: skip


# This machine is little endian: to little endian is truncation, to big endian is a swap.
def le(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    return a & w64((ONE << (bits - 1) << 1) - 1)


def bswap(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int, off: cython.int) -> cython.ulonglong:
    swapped: cython.ulonglong = 0
    for _ in range(bits // 8):
        swapped = w64(swapped << 8) | a & 0xFF
        a >>= 8
    return swapped


SWAP = {"LE": le, "BE": bswap, "BSWAP": bswap}


def jeq(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    return a == b


def jne(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    return a != b


def jset(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    return a & b != 0


def jgt(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    return a > b


def jge(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    return a >= b


def jlt(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    return a < b


def jle(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    return a <= b


# Signed order is unsigned order with the sign bits flipped.
def jsgt(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    sign: cython.ulonglong = ONE << (bits - 1)
    return a ^ sign > b ^ sign


def jsge(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    sign: cython.ulonglong = ONE << (bits - 1)
    return a ^ sign >= b ^ sign


def jslt(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    sign: cython.ulonglong = ONE << (bits - 1)
    return a ^ sign < b ^ sign


def jsle(a: cython.ulonglong, b: cython.ulonglong, bits: cython.int) -> cython.bint:
    sign: cython.ulonglong = ONE << (bits - 1)
    return a ^ sign <= b ^ sign


JMP = {
    "JEQ": jeq, "JGT": jgt, "JGE": jge, "JSET": jset, "JNE": jne, "JSGT": jsgt, "JSGE": jsge, "JLT": jlt,
    "JLE": jle, "JSLT": jslt, "JSLE": jsle,
}  # fmt: skip


# Read-modify-write of 4 or 8 bytes at *addr*; *r0* is only compared with. They return the old value, which the machine
# stores where the instruction says.
def atomic_add(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    return mem.fetch_add64(addr, value) if size == 8 else mem.fetch_add32(addr, value)


def atomic_or(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    return mem.fetch_or64(addr, value) if size == 8 else mem.fetch_or32(addr, value)


def atomic_and(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    return mem.fetch_and64(addr, value) if size == 8 else mem.fetch_and32(addr, value)


def atomic_xor(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    return mem.fetch_xor64(addr, value) if size == 8 else mem.fetch_xor32(addr, value)


def atomic_xchg(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    return mem.xchg64(addr, value) if size == 8 else mem.xchg32(addr, value)


def atomic_cmpxchg(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    return mem.cmpxchg64(addr, r0, value) if size == 8 else mem.cmpxchg32(addr, r0, value)


# x86 orders 1- and 2-byte accesses like the wider ones; raw has no acquire and release for them.
def load_acquire(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    if size == 8:
        return mem.load_acquire64(addr)
    if size == 4:
        return mem.load_acquire32(addr)
    return mem.load16(addr) if size == 2 else mem.load8(addr)


def store_release(
    addr: cython.ulonglong, value: cython.ulonglong, r0: cython.ulonglong, size: cython.int
) -> cython.ulonglong:
    if size == 8:
        mem.store_release64(addr, value)
    elif size == 4:
        mem.store_release32(addr, value)
    elif size == 2:
        mem.store16(addr, value)
    else:
        mem.store8(addr, value)
    return 0


ATOMIC = {
    "ATOMIC_ADD": atomic_add, "ATOMIC_OR": atomic_or, "ATOMIC_AND": atomic_and, "ATOMIC_XOR": atomic_xor,
    "ATOMIC_FETCH_ADD": atomic_add, "ATOMIC_FETCH_OR": atomic_or, "ATOMIC_FETCH_AND": atomic_and,
    "ATOMIC_FETCH_XOR": atomic_xor, "ATOMIC_XCHG": atomic_xchg, "ATOMIC_CMPXCHG": atomic_cmpxchg,
    "LOAD_ACQ": load_acquire, "STORE_REL": store_release,
}  # fmt: skip


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def load(addr: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    if not cython.compiled:
        return (mem.load8, mem.load16, mem.load32, mem.load64)[size.bit_length() - 1](addr)
    if size == 8:
        return cython.cast(cython.p_ulonglong, addr)[0]
    if size == 4:
        return cython.cast(cython.p_uint, addr)[0]
    if size == 2:
        return cython.cast(cython.p_ushort, addr)[0]
    return cython.cast(cython.p_uchar, addr)[0]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def store(addr: cython.ulonglong, size: cython.int, value: cython.ulonglong) -> cython.void:
    if not cython.compiled:
        (mem.store8, mem.store16, mem.store32, mem.store64)[size.bit_length() - 1](addr, value)
    elif size == 8:
        cython.cast(cython.p_ulonglong, addr)[0] = value
    elif size == 4:
        cython.cast(cython.p_uint, addr)[0] = cython.cast(cython.uint, value)
    elif size == 2:
        cython.cast(cython.p_ushort, addr)[0] = cython.cast(cython.ushort, value)
    else:
        cython.cast(cython.p_uchar, addr)[0] = cython.cast(cython.uchar, value)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def extend_sign(value: cython.ulonglong, size: cython.int) -> cython.ulonglong:
    sign: cython.ulonglong = cython.cast(cython.ulonglong, 1) << (8 * size - 1)
    return w64((value ^ sign) - sign)


@cython.final
@cython.cclass
class Machine(Frames):
    """One execution. Made by InterpExecutable; step() runs one instruction, finish() all."""

    def step(self) -> bool:
        """Execute one instruction; False when there was none left."""
        if self.finished:
            return False
        self._guarded(1)
        return True

    def finish(self) -> int:
        """Execute to the exit of the first frame.

        :return: R0 as u64.
        :raises GuestFault: an unverified program misbehaved, or went over its instruction limit.
        """
        while not self.finished:
            if cython.compiled:
                PyErr_CheckSignals()
            self._guarded(SLICE)
        return self.r[0]

    # bpf_throw() unwinds to the nearest frame of a program, and through a callback's caller.
    def _guarded(self, budget: cython.ulonglong) -> cython.void:
        try:
            self._execute(budget)
        except BpfThrow as thrown:
            while not self.main and self.depth > 0:
                self._leave_frame()
            if not self.main:
                self.abandon()
                raise
            self._unwound(thrown.cookie)
        except BaseException:
            self.abandon()
            raise

    # --- the loop -----------------------------------------------------------------------------------------------

    # Execute up to *budget* instructions, less if the first frame exits.
    def _execute(self, budget: cython.ulonglong) -> cython.int:
        limit: cython.ulonglong = self.run.words.insn_limit
        if limit:
            if self.run.words.insn_count >= limit:
                self._fault(f"limit of {limit} instructions", 0)
            budget = min(budget, limit - self.run.words.insn_count)
        left: cython.ulonglong = budget
        r: cython.p_ulonglong = self.r
        ops: k.Ops = self.code.ops
        pc: cython.Py_ssize_t = self.pc
        addr: cython.ulonglong
        a: cython.ulonglong
        b: cython.ulonglong
        kind: cython.int
        dst: cython.int
        size: cython.uint
        taken: cython.bint
        call: BoundCall
        try:
            while left:
                left -= 1
                kind = ops[pc].kind
                dst = ops[pc].dst
                b = (r[ops[pc].src] & ops[pc].mask) | ops[pc].imm
                if kind == k.K_MOV64:
                    r[dst] = mov(r[dst], b, 64, 0)
                elif kind == k.K_ADD64:
                    r[dst] = add(r[dst], b, 64, 0)
                elif kind == k.K_AND64:
                    r[dst] = and_(r[dst], b, 64, 0)
                elif kind == k.K_OR64:
                    r[dst] = or_(r[dst], b, 64, 0)
                elif kind == k.K_XOR64:
                    r[dst] = xor(r[dst], b, 64, 0)
                elif kind == k.K_LSH64:
                    r[dst] = lsh(r[dst], b, 64, 0)
                elif kind == k.K_RSH64:
                    r[dst] = rsh(r[dst], b, 64, 0)
                elif kind == k.K_SUB64:
                    r[dst] = sub(r[dst], b, 64, 0)
                elif kind == k.K_MUL64:
                    r[dst] = mul(r[dst], b, 64, 0)
                elif kind == k.K_MOV32:
                    r[dst] = mov(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_ADD32:
                    r[dst] = add(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_AND32:
                    r[dst] = and_(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_OR32:
                    r[dst] = or_(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_XOR32:
                    r[dst] = xor(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_LSH32:
                    r[dst] = lsh(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_RSH32:
                    r[dst] = rsh(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_SUB32:
                    r[dst] = sub(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_MUL32:
                    r[dst] = mul(r[dst] & U32, b & U32, 32, 0) & U32
                elif kind == k.K_JEQ64:
                    if jeq(r[dst], b, 64):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_JEQ32:
                    if jeq(r[dst] & U32, b & U32, 32):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_JNE64:
                    if jne(r[dst], b, 64):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_JNE32:
                    if jne(r[dst] & U32, b & U32, 32):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_JGT64:
                    if jgt(r[dst], b, 64):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_JGT32:
                    if jgt(r[dst] & U32, b & U32, 32):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_JLT64:
                    if jlt(r[dst], b, 64):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_JLT32:
                    if jlt(r[dst] & U32, b & U32, 32):
                        pc = ops[pc].target
                        continue
                elif kind == k.K_LDX:
                    addr = w64(r[ops[pc].src] + ops[pc].off)
                    size = ops[pc].size
                    a = w64(addr - self.window)
                    if not (ops[pc].frame or (a < self.window_bytes and self.window_bytes - a >= size)):
                        self.pc = pc
                        self._check(addr, size, False)
                    r[dst] = load(addr, size)
                    if ops[pc].sext:
                        r[dst] = extend_sign(r[dst], size)
                elif kind == k.K_ALU64:
                    if cython.compiled:
                        r[dst] = cython.cast(k.alu_fn, ops[pc].function)(r[dst], b, ops[pc].bits, ops[pc].off)
                    else:
                        r[dst] = self.code.functions[pc](r[dst], b, ops[pc].bits, ops[pc].off)
                elif kind == k.K_ALU32:
                    a = r[dst] & U32
                    b &= U32
                    if cython.compiled:
                        r[dst] = cython.cast(k.alu_fn, ops[pc].function)(a, b, 32, ops[pc].off) & U32
                    else:
                        r[dst] = self.code.functions[pc](a, b, 32, ops[pc].off) & U32
                elif kind in (k.K_JMP64, k.K_JMP32):
                    a = r[dst]
                    if kind == k.K_JMP32:
                        a &= U32
                        b &= U32
                    if cython.compiled:
                        taken = cython.cast(k.jmp_fn, ops[pc].function)(a, b, ops[pc].bits)
                    else:
                        taken = self.code.functions[pc](a, b, ops[pc].bits)
                    if taken:
                        pc = ops[pc].target
                        continue
                elif kind in (k.K_STX, k.K_ST):
                    addr = w64(r[dst] + ops[pc].off)
                    size = ops[pc].size
                    a = w64(addr - self.window)
                    if not (
                        ops[pc].frame
                        or (a < self.window_bytes and self.window_bytes - a >= size and self.window_writable)
                    ):
                        self.pc = pc
                        self._check(addr, size, True)
                    store(addr, size, b)
                elif kind == k.K_JA:
                    pc = ops[pc].target
                    continue
                elif kind == k.K_IMM64:
                    r[dst] = ops[pc].imm
                    pc += 1
                elif kind == k.K_CALL:
                    self.pc = pc
                    call = self.code.calls[ops[pc].target]
                    if self.sink is None:
                        r[0] = call.call(self.run, r[1], r[2], r[3], r[4], r[5])
                    else:
                        r[0] = self._traced(call, pc)
                    self.window_bytes = 0
                    if self.run.words.aborted:
                        self._aborted()
                        return 0
                elif kind == k.K_CALL_SUBPROG:
                    self.pc = pc
                    self._call_subprog(ops[pc].target)
                    pc = self.pc
                    continue
                elif kind == k.K_EXIT:
                    self.pc = pc
                    self._leave()
                    if self.finished:
                        self.run.words.last_insn_idx = pc
                        return 0
                    pc = self.pc
                    ops = self.code.ops
                    continue
                elif kind in (k.K_ATOMIC, k.K_ARENA_ATOMIC):
                    size = ops[pc].size
                    self.pc = pc
                    if kind == k.K_ATOMIC:
                        addr = w64(r[dst] + ops[pc].off)
                        self._check(addr, size, not ops[pc].x)
                    else:
                        addr = self._arena(r[dst], ops[pc].off, size)
                    if addr == 0:
                        r[ops[pc].result] = 0
                    elif cython.compiled:
                        r[ops[pc].result] = cython.cast(k.atomic_fn, ops[pc].function)(addr, r[ops[pc].src], r[0], size)
                    else:
                        r[ops[pc].result] = self.code.functions[pc](addr, r[ops[pc].src], r[0], size)
                elif kind == k.K_MAY_GOTO:
                    if self.loops == 0:
                        pc = ops[pc].target
                        continue
                    self.loops -= 1
                elif kind == k.K_TAIL_CALL:
                    self.pc = pc
                    if self._tail_call(pc):
                        if self.finished:
                            self.run.words.last_insn_idx = pc
                            return 0
                        pc = self.pc
                        ops = self.code.ops
                        self.window_bytes = 0
                        continue
                elif kind == k.K_PROBE_LDX:
                    addr = w64(r[ops[pc].src] + ops[pc].off)
                    size = ops[pc].size
                    r[dst] = load(addr, size) if self.space.check(addr, size, False) else 0
                    if ops[pc].sext:
                        r[dst] = extend_sign(r[dst], size)
                elif kind == k.K_ARENA_LDX:
                    size = ops[pc].size
                    addr = self._arena(r[ops[pc].src], ops[pc].off, size)
                    r[dst] = load(addr, size) if addr else 0
                    if ops[pc].sext:
                        r[dst] = extend_sign(r[dst], size)
                elif kind == k.K_ARENA_STORE:
                    size = ops[pc].size
                    addr = self._arena(r[dst], ops[pc].off, size)
                    if addr:
                        store(addr, size, b)
                elif kind == k.K_CAST_USER:
                    a = r[ops[pc].src] & U32
                    r[dst] = self.code.arena_user & ~U32 | a if a else 0
                else:
                    self.pc = pc
                    self._illegal(pc)
                pc += 1
            self.pc = pc
        finally:
            self.run.words.insn_count += budget - left
        return 0

    def _traced(self, call: BoundCall, insn_idx: cython.Py_ssize_t) -> cython.ulonglong:
        args = self.registers[1 : 1 + call.arity]
        result = call.call(self.run, self.r[1], self.r[2], self.r[3], self.r[4], self.r[5])
        self.sink(CallEvent(insn_idx, call.name, args, result))
        return result
