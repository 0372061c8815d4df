"""What the arithmetic, comparing and atomic instructions do: three dicts keyed by ``Row.name``.

Operands and results are unsigned words of *bits* (32 or 64) bits; the machine truncates a result to that width, so
the functions may leave garbage above. Immediates arrive sign-extended to 64 bits and truncated to *bits*.

:see: RFC 9669 sections 4 and 5.3, kernel/bpf/core.c:___bpf_prog_run
"""

# mypy: disable-error-code="no-any-return"
# (what comes from cimported functions is Any)

from __future__ import annotations

import cython

if cython.compiled:
    from cython.cimports.beespace.mem import raw as mem
else:
    from beespace.mem import raw as mem

__all__ = ["ALU", "ATOMIC", "JMP", "SWAP"]

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
