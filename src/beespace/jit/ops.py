"""What the arithmetic, comparing and atomic instructions do, as LLVM IR: three dicts keyed by ``Row.name``.

Operands and results are iN values of the width of the operation; constants are signed decimal text.

:see: RFC 9669 sections 4 and 5.3
"""

from __future__ import annotations

from collections.abc import Callable

from beespace.jit.ir import Text

__all__ = ["ALU", "ATOMIC", "JMP", "SWAP", "is_number"]

Operation = Callable[[Text, str, str, int, int], str]


def is_number(value: str) -> bool:
    """Whether an operand is a constant."""
    return not value.startswith("%")


def _plain(op: str) -> Operation:
    def lower(text: Text, a: str, b: str, bits: int, off: int) -> str:
        return text.binary(op, bits, a, b)

    return lower


# Shift amounts use their low bits only; more would be poison.
def _shift(op: str) -> Operation:
    def lower(text: Text, a: str, b: str, bits: int, off: int) -> str:
        amount = str(int(b) & (bits - 1)) if is_number(b) else text.binary("and", bits, b, str(bits - 1))
        return text.binary(op, bits, a, amount)

    return lower


# By zero: the quotient is 0, the remainder the dividend.
def _unsigned(op: str, by_zero_is_dividend: bool) -> Operation:
    def lower(text: Text, a: str, b: str, bits: int, off: int) -> str:
        by_zero = a if by_zero_is_dividend else "0"
        if is_number(b):
            return text.binary(op, bits, a, b) if int(b) else _moved(text, by_zero, bits)
        is_zero = text.compare("eq", bits, b, "0")
        safe = text.select(is_zero, bits, "1", b)
        return text.select(is_zero, bits, by_zero, text.binary(op, bits, a, safe))

    return lower


# In addition INT_MIN / -1, which LLVM leaves undefined: division by -1 is negation, its remainder is 0.
def _signed(op: str, by_zero_is_dividend: bool) -> Operation:
    def lower(text: Text, a: str, b: str, bits: int, off: int) -> str:
        by_zero = a if by_zero_is_dividend else "0"
        if is_number(b) and int(b) not in (0, -1):
            return text.binary(op, bits, a, b)
        by_minus_one = "0" if op == "srem" else text.binary("sub", bits, "0", a)
        if is_number(b):
            return _moved(text, by_zero, bits) if int(b) == 0 else _moved(text, by_minus_one, bits)
        is_zero = text.compare("eq", bits, b, "0")
        is_minus_one = text.compare("eq", bits, b, "-1")
        special = text.value(f"or i1 {is_zero}, {is_minus_one}")
        safe = text.select(special, bits, "1", b)
        result = text.select(is_minus_one, bits, by_minus_one, text.binary(op, bits, a, safe))
        return text.select(is_zero, bits, by_zero, result)

    return lower


# A value under a name of its own.
def _moved(text: Text, value: str, bits: int) -> str:
    return text.binary("add", bits, value, "0") if is_number(value) else value


def _neg(text: Text, a: str, b: str, bits: int, off: int) -> str:
    return text.binary("sub", bits, "0", a)


def _mov(text: Text, a: str, b: str, bits: int, off: int) -> str:
    return b


# ``off`` is the width of the source in bits.
def _movsx(text: Text, a: str, b: str, bits: int, off: int) -> str:
    return text.cast("sext", off, text.cast("trunc", bits, b, off), bits)


ALU: dict[str, Operation] = {
    "ADD": _plain("add"),
    "SUB": _plain("sub"),
    "MUL": _plain("mul"),
    "DIV": _unsigned("udiv", by_zero_is_dividend=False),
    "SDIV": _signed("sdiv", by_zero_is_dividend=False),
    "OR": _plain("or"),
    "AND": _plain("and"),
    "LSH": _shift("shl"),
    "RSH": _shift("lshr"),
    "NEG": _neg,
    "MOD": _unsigned("urem", by_zero_is_dividend=True),
    "SMOD": _signed("srem", by_zero_is_dividend=True),
    "XOR": _plain("xor"),
    "MOV": _mov,
    "MOVSX": _movsx,
    "ARSH": _shift("ashr"),
}


# Of 64-bit registers: the low *bits*, zero-extended.
def _le(text: Text, a: str, b: str, bits: int, off: int) -> str:
    return text.cast("zext", bits, text.cast("trunc", 64, a, bits), 64)


def _bswap(text: Text, a: str, b: str, bits: int, off: int) -> str:
    low = text.cast("trunc", 64, a, bits)
    return text.cast("zext", bits, text.value(f"call i{bits} @llvm.bswap.i{bits}(i{bits} {low})"), 64)


SWAP: dict[str, Operation] = {"LE": _le, "BE": _bswap, "BSWAP": _bswap}


def _condition(name: str) -> Operation:
    def lower(text: Text, a: str, b: str, bits: int, off: int) -> str:
        return text.compare(name, bits, a, b)

    return lower


def _jset(text: Text, a: str, b: str, bits: int, off: int) -> str:
    return text.compare("ne", bits, text.binary("and", bits, a, b), "0")


JMP: dict[str, Operation] = {  # results are i1
    "JEQ": _condition("eq"),
    "JGT": _condition("ugt"),
    "JGE": _condition("uge"),
    "JSET": _jset,
    "JNE": _condition("ne"),
    "JSGT": _condition("sgt"),
    "JSGE": _condition("sge"),
    "JLT": _condition("ult"),
    "JLE": _condition("ule"),
    "JSLT": _condition("slt"),
    "JSLE": _condition("sle"),
}

# Of a pointer, a value and R0's value, with the width in bits; the result is the old value (of stores: nothing).
# Operations that return nothing order nothing, as in the kernel (Documentation/bpf/linux-notes.rst, LKMM).
Atomic = Callable[[Text, str, str, str, int], str]


def _rmw(op: str, ordering: str) -> Atomic:
    def lower(text: Text, pointer: str, value: str, r0: str, bits: int) -> str:
        return text.value(f"atomicrmw {op} ptr {pointer}, i{bits} {value} {ordering}, align {bits // 8}")

    return lower


def _cmpxchg(text: Text, pointer: str, value: str, r0: str, bits: int) -> str:
    pair = text.value(
        f"cmpxchg ptr {pointer}, i{bits} {r0}, i{bits} {value} seq_cst seq_cst, align {bits // 8}"
    )  # fmt: skip
    return text.value(f"extractvalue {{ i{bits}, i1 }} {pair}, 0")


def _load_acquire(text: Text, pointer: str, value: str, r0: str, bits: int) -> str:
    return text.value(f"load atomic i{bits}, ptr {pointer} acquire, align {bits // 8}")


def _store_release(text: Text, pointer: str, value: str, r0: str, bits: int) -> str:
    text.emit(f"store atomic i{bits} {value}, ptr {pointer} release, align {bits // 8}")
    return "0"


ATOMIC: dict[str, Atomic] = {
    "ATOMIC_ADD": _rmw("add", "monotonic"),
    "ATOMIC_OR": _rmw("or", "monotonic"),
    "ATOMIC_AND": _rmw("and", "monotonic"),
    "ATOMIC_XOR": _rmw("xor", "monotonic"),
    "ATOMIC_FETCH_ADD": _rmw("add", "seq_cst"),
    "ATOMIC_FETCH_OR": _rmw("or", "seq_cst"),
    "ATOMIC_FETCH_AND": _rmw("and", "seq_cst"),
    "ATOMIC_FETCH_XOR": _rmw("xor", "seq_cst"),
    "ATOMIC_XCHG": _rmw("xchg", "seq_cst"),
    "ATOMIC_CMPXCHG": _cmpxchg,
    "LOAD_ACQ": _load_acquire,
    "STORE_REL": _store_release,
}
