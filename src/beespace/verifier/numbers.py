# cython: infer_types=True
"""The number domain: what is known of a scalar, and what every instruction does to that knowledge.

Five domains at once, as in ``struct bpf_reg_state``: the tnum ``var_off`` (bits known and unknown) and the ranges
u64, s64, u32, s32. A `Bounds` stands for the set of 64-bit words that all five admit; a transfer function is sound
when the concrete result of members is a member of its result.

The file has two readers. Cython compiles it to machine integers; ``make proofs`` loads it uncompiled, replaces the
primitives (``w64``, ``ult``, ``sel`` and the like) by z3's, and proves every operator as it stands here, at 64 bits.
Hence the style of everything from "Operators" to "end of the restricted style" (a test holds it): no ``<``, no ``>>``,
no ``and``; ``if`` only on what the instruction says (``op``, ``is32``, ``is64``, ``bits``), never on data.

Words are unsigned inside. The signed fields of `Bounds` are stored signed, so that ``reg.smin_value < 0`` means the
same compiled, uncompiled and in the kernel; operators read them through ``w64`` and store them through ``s64``. 32-bit
values are words, zero-extended (u32) or sign-extended (s32).

Values are immutable. Operators named like the kernel's that return nothing refine a Bounds *in place*: one that they
have copied and not yet given away.

:see: kernel/bpf/tnum.c, kernel/bpf/verifier.c:adjust_scalar_min_max_vals, reg_bounds_sync, regs_refine_cond_op
"""

from __future__ import annotations

import cython

__all__ = [
    "Bounds",
    "Tnum",
    "alu",
    "bounds_from_tnum",
    "branch",
    "byte_swap",
    "coerce_reg_to_size",
    "coerce_reg_to_size_sx",
    "const",
    "const_subreg_value",
    "const_value",
    "fork_width",
    "is_const",
    "is_const_subreg",
    "is_unknown",
    "linked",
    "make_bounds",
    "mark_reg32_known",
    "mark_reg32_unbounded",
    "mark_reg_s32_range",
    "mark_reg_unbounded",
    "movsx",
    "ptr_add",
    "ptr_sub",
    "range_within",
    "refine",
    "reg_bounds_sanity_check",
    "reg_width",
    "same_bounds",
    "same_tnum",
    "scalar_within",
    "set_range",
    "set_srange",
    "sync_bounds",
    "tnum",
    "tnum_add",
    "tnum_and",
    "tnum_arshift",
    "tnum_bswap",
    "tnum_cast",
    "tnum_clear_subreg",
    "tnum_const",
    "tnum_const_subreg",
    "tnum_contains",
    "tnum_in",
    "tnum_intersect",
    "tnum_is_aligned",
    "tnum_lshift",
    "tnum_mul",
    "tnum_neg",
    "tnum_or",
    "tnum_overlap",
    "tnum_range",
    "tnum_rshift",
    "tnum_sub",
    "tnum_subreg",
    "tnum_union",
    "tnum_unknown",
    "tnum_with_subreg",
    "tnum_xor",
    "unknown",
    "zext_32",
]

# Constants: of C in numbers.pxd when compiled. The proofs and the exhaustive tests load this file with other widths.
if not cython.compiled:
    BITS = 64
    HALF = 32
    BYTE = 8
    SHIFT_MASK = 63
    U64 = 0xFFFFFFFFFFFFFFFF
    S64_MIN = 0x8000000000000000
    S64_MAX = 0x7FFFFFFFFFFFFFFF
    U32 = 0xFFFFFFFF
    S32_SIGN = 0x80000000
    S32_MIN = 0xFFFFFFFF80000000
    S32_MAX = 0x7FFFFFFF
    UPPER = 0xFFFFFFFF00000000  # the upper half of a word
    ONE_UP = 0x100000000  # the lowest bit of the upper half
    # BPF_OP(code), RFC 9669 sections 4.1 and 4.3.
    BPF_ADD = 0x00
    BPF_SUB = 0x10
    BPF_MUL = 0x20
    BPF_OR = 0x40
    BPF_AND = 0x50
    BPF_LSH = 0x60
    BPF_RSH = 0x70
    BPF_NEG = 0x80
    BPF_XOR = 0xA0
    BPF_ARSH = 0xC0
    BPF_JEQ = 0x10
    BPF_JGT = 0x20
    BPF_JGE = 0x30
    BPF_JSET = 0x40
    BPF_JNE = 0x50
    BPF_JSGT = 0x60
    BPF_JSGE = 0x70
    BPF_JLT = 0xA0
    BPF_JLE = 0xB0
    BPF_JSLT = 0xC0
    BPF_JSLE = 0xD0
    BPF_NOT_JSET = 0x48  # BPF_JSET | BPF_X: where a JSET was not taken


# Primitives ------------------------------------------------------------------------------------------------------


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def w64(x: cython.ulonglong) -> cython.ulonglong:
    # Wrap around: nothing to do on machine words.
    return x if cython.compiled else x & U64


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def s64(x: cython.ulonglong) -> cython.longlong:
    # The signed reading of a word.
    return cython.cast(cython.longlong, x) if cython.compiled else (x ^ S64_MIN) - S64_MIN


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def ult(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    return a < b


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def slt(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    return (a ^ S64_MIN) < (b ^ S64_MIN)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def eq(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    return a == b


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def ne(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    return a != b


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def no(c: cython.bint) -> cython.bint:
    return c == False  # noqa: E712 (`not` is not one of z3's operators)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def may(c: cython.bint) -> cython.bint:
    # Guards what would change nothing if not c: saves time, decides nothing. In the proofs it is always true.
    return c


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def sel(c: cython.bint, a: cython.ulonglong, b: cython.ulonglong) -> cython.ulonglong:
    return a if c else b


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def shl(x: cython.ulonglong, n: cython.ulonglong) -> cython.ulonglong:
    return x << (n & SHIFT_MASK) if cython.compiled else (x << (n & SHIFT_MASK)) & U64


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def lshr(x: cython.ulonglong, n: cython.ulonglong) -> cython.ulonglong:
    return x >> (n & SHIFT_MASK)


@cython.cfunc
@cython.exceptval(check=False)
def umul_high(a: cython.ulonglong, b: cython.ulonglong) -> cython.ulonglong:
    # Upper word of the 128-bit product, from products of halves.
    if not cython.compiled:
        return (a * b) >> BITS
    al, ah, bl, bh = a & U32, a >> 32, b & U32, b >> 32
    mid = (al * bl >> 32) + (ah * bl & U32) + al * bh
    return ah * bh + (ah * bl >> 32) + (mid >> 32)


@cython.cfunc
@cython.exceptval(check=False)
def umul_overflows(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    return umul_high(a, b) != 0


@cython.cfunc
@cython.exceptval(check=False)
def smul_overflows(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    high = w64(umul_high(a, b) - (b if slt(a, 0) else 0) - (a if slt(b, 0) else 0))
    return high != (U64 if slt(w64(a * b), 0) else 0)


# Values ----------------------------------------------------------------------------------------------------------


@cython.cclass
class Tnum:
    """Bits known and unknown: the words ``x`` with ``x & ~mask == value``. Immutable; make one with `tnum`.

    :ivar value: ``u64``, the known ones; disjoint from *mask*.
    :ivar mask: ``u64``, the unknown bits.
    :see: include/linux/tnum.h:struct tnum
    """

    value: cython.ulonglong
    mask: cython.ulonglong

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tnum) and self.value == other.value and self.mask == other.mask

    def __hash__(self) -> int:
        return hash((self.value, self.mask))

    def __repr__(self) -> str:
        return f"({self.value:#x}; {self.mask:#x})"


@cython.cclass
class Bounds:
    """What is known of a scalar. Immutable; make one with `const`, `unknown`, `make_bounds` or an operator.

    The fields are those of ``struct bpf_reg_state``; ``smin_value``, ``smax_value``, ``s32_min_value`` and
    ``s32_max_value`` are signed, the others unsigned. Equality and hash are by value.

    :see: include/linux/bpf_verifier.h:struct bpf_reg_state
    """

    var_off: Tnum
    smin_value: cython.longlong
    smax_value: cython.longlong
    umin_value: cython.ulonglong
    umax_value: cython.ulonglong
    s32_min_value: cython.longlong
    s32_max_value: cython.longlong
    u32_min_value: cython.ulonglong
    u32_max_value: cython.ulonglong

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bounds) and same_bounds(self, other)

    def __hash__(self) -> int:
        return hash((self.var_off.value, self.var_off.mask, self.umin_value, self.umax_value, self.smin_value))

    def __repr__(self) -> str:
        return (
            f"Bounds({self.var_off!r}, s64=[{self.smin_value}, {self.smax_value}], "
            f"u64=[{self.umin_value:#x}, {self.umax_value:#x}], s32=[{self.s32_min_value}, {self.s32_max_value}], "
            f"u32=[{self.u32_min_value:#x}, {self.u32_max_value:#x}])"
        )


@cython.cfunc
@cython.inline
def new_tnum(value: cython.ulonglong, mask: cython.ulonglong) -> Tnum:
    t: Tnum = Tnum.__new__(Tnum)
    t.value = value
    t.mask = mask
    return t


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def set64(
    r: Bounds, smin: cython.ulonglong, smax: cython.ulonglong, umin: cython.ulonglong, umax: cython.ulonglong
) -> cython.void:
    r.smin_value = s64(smin)
    r.smax_value = s64(smax)
    r.umin_value = umin
    r.umax_value = umax


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def set32(
    r: Bounds, smin: cython.ulonglong, smax: cython.ulonglong, umin: cython.ulonglong, umax: cython.ulonglong
) -> cython.void:
    r.s32_min_value = s64(smin)
    r.s32_max_value = s64(smax)
    r.u32_min_value = umin
    r.u32_max_value = umax


@cython.cfunc
@cython.inline
def set_var_off(r: Bounds, value: cython.ulonglong, mask: cython.ulonglong) -> None:
    # As r.var_off = new_tnum(value, mask), without making one that is equal.
    if r.var_off.value != value or r.var_off.mask != mask:
        r.var_off = new_tnum(value, mask)


@cython.cfunc
@cython.inline
def new_bounds(var_off: Tnum) -> Bounds:
    # Nothing known but var_off, not even its consequences for the ranges.
    r: Bounds = Bounds.__new__(Bounds)
    r.var_off = var_off
    set64(r, S64_MIN, S64_MAX, 0, U64)
    set32(r, S32_MIN, S32_MAX, 0, U32)
    return r


@cython.cfunc
@cython.inline
def copy(a: Bounds) -> Bounds:
    r: Bounds = Bounds.__new__(Bounds)
    r.var_off = a.var_off
    r.smin_value = a.smin_value
    r.smax_value = a.smax_value
    r.umin_value = a.umin_value
    r.umax_value = a.umax_value
    r.s32_min_value = a.s32_min_value
    r.s32_max_value = a.s32_max_value
    r.u32_min_value = a.u32_min_value
    r.u32_max_value = a.u32_max_value
    return r


# Operators: restricted style from here ---------------------------------------------------------------------------


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def ule(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    return no(ult(b, a))


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def sle(a: cython.ulonglong, b: cython.ulonglong) -> cython.bint:
    return no(slt(b, a))


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def min_u(a: cython.ulonglong, b: cython.ulonglong) -> cython.ulonglong:
    return sel(ult(b, a), b, a)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def max_u(a: cython.ulonglong, b: cython.ulonglong) -> cython.ulonglong:
    return sel(ult(a, b), b, a)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def min_s(a: cython.ulonglong, b: cython.ulonglong) -> cython.ulonglong:
    return sel(slt(b, a), b, a)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def max_s(a: cython.ulonglong, b: cython.ulonglong) -> cython.ulonglong:
    return sel(slt(a, b), b, a)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def ashr(x: cython.ulonglong, n: cython.ulonglong) -> cython.ulonglong:
    return w64(lshr(x ^ S64_MIN, n) - lshr(S64_MIN, n))


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def sx32(x: cython.ulonglong) -> cython.ulonglong:
    return w64(((x & U32) ^ S32_SIGN) - S32_SIGN)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def sext(x: cython.ulonglong, bits: cython.int) -> cython.ulonglong:
    sign = shl(1, bits - 1)
    return w64(((x & (sign | (sign - 1))) ^ sign) - sign)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def bits_below(x: cython.ulonglong) -> cython.ulonglong:
    # All bits up to the highest one of x.
    x |= lshr(x, 1)
    x |= lshr(x, 2)
    x |= lshr(x, 4)
    x |= lshr(x, 8)
    x |= lshr(x, 16)
    return x | lshr(x, 32)


# Operators: tnum -------------------------------------------------------------------------------------------------


def tnum_const(value: cython.ulonglong) -> Tnum:
    """The one word *value* (``u64``)."""
    return new_tnum(value, 0)


def tnum_unknown() -> Tnum:
    """All words."""
    return new_tnum(0, U64)


def tnum_range(min_value: cython.ulonglong, max_value: cython.ulonglong) -> Tnum:
    """The bits that all words of [*min_value*, *max_value*] (``u64``) have in common, from the top.

    May admit words outside: ``tnum_range(0, 2)`` admits 3.
    """
    delta = bits_below(min_value ^ max_value)
    return new_tnum(min_value & ~delta, delta)


def tnum_lshift(a: Tnum, shift: cython.ulonglong) -> Tnum:
    """``a << shift``, *shift* below 64."""
    return new_tnum(shl(a.value, shift), shl(a.mask, shift))


def tnum_rshift(a: Tnum, shift: cython.ulonglong) -> Tnum:
    """``a >> shift``, *shift* below 64."""
    return new_tnum(lshr(a.value, shift), lshr(a.mask, shift))


def tnum_arshift(a: Tnum, shift: cython.ulonglong, bits: cython.int) -> Tnum:
    """``a s>> shift`` of 64 or 32 *bits*, *shift* below *bits*; the 32-bit result is zero-extended."""
    if bits == HALF:
        return new_tnum(ashr(sx32(a.value), shift) & U32, ashr(sx32(a.mask), shift) & U32)
    return new_tnum(ashr(a.value, shift), ashr(a.mask, shift))


def tnum_add(a: Tnum, b: Tnum) -> Tnum:
    """``a + b``."""
    sm = w64(a.mask + b.mask)
    sv = w64(a.value + b.value)
    mu = (w64(sm + sv) ^ sv) | a.mask | b.mask
    return new_tnum(sv & ~mu, mu)


def tnum_sub(a: Tnum, b: Tnum) -> Tnum:
    """``a - b``."""
    dv = w64(a.value - b.value)
    mu = (w64(dv + a.mask) ^ w64(dv - b.mask)) | a.mask | b.mask
    return new_tnum(dv & ~mu, mu)


def tnum_neg(a: Tnum) -> Tnum:
    """``-a``."""
    dv = w64(0 - a.value)
    mu = (dv ^ w64(dv - a.mask)) | a.mask
    return new_tnum(dv & ~mu, mu)


def tnum_and(a: Tnum, b: Tnum) -> Tnum:
    """``a & b``."""
    v = a.value & b.value
    return new_tnum(v, (a.value | a.mask) & (b.value | b.mask) & ~v)


def tnum_or(a: Tnum, b: Tnum) -> Tnum:
    """``a | b``."""
    v = a.value | b.value
    return new_tnum(v, (a.mask | b.mask) & ~v)


def tnum_xor(a: Tnum, b: Tnum) -> Tnum:
    """``a ^ b``."""
    mu = a.mask | b.mask
    return new_tnum((a.value ^ b.value) & ~mu, mu)


def tnum_union(a: Tnum, b: Tnum) -> Tnum:
    """The smallest tnum that admits all that *a* admits and all that *b* admits."""
    mu = (a.value ^ b.value) | a.mask | b.mask
    return new_tnum(a.value & b.value & ~mu, mu)


def tnum_intersect(a: Tnum, b: Tnum) -> Tnum:
    """What both admit. Where they contradict each other, a known one wins: check `tnum_overlap` first."""
    mu = a.mask & b.mask
    return new_tnum((a.value | b.value) & ~mu, mu)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def has_more(value: cython.ulonglong, mask: cython.ulonglong) -> cython.bint:
    return ne(value | mask, 0)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def tnum_mul_step(
    acc: Tnum, a: cython.ulonglong, a_mask: cython.ulonglong, b: cython.ulonglong, b_mask: cython.ulonglong
) -> cython.void:
    # acc += (lowest bit of a) * b, in place: the union of the two cases when that bit is unknown.
    sure = ne(a & 1, 0)
    maybe = ne(a_mask & 1, 0)
    if may(sure | maybe):
        # one: tnum_add(acc, b); both: tnum_union(acc, one)
        sm = w64(acc.mask + b_mask)
        sv = w64(acc.value + b)
        one_mask = (w64(sm + sv) ^ sv) | acc.mask | b_mask
        one = sv & ~one_mask
        both_mask = (acc.value ^ one) | acc.mask | one_mask
        both = acc.value & one & ~both_mask
        acc.value = sel(sure, one, sel(maybe, both, acc.value))
        acc.mask = sel(sure, one_mask, sel(maybe, both_mask, acc.mask))


@cython.cfunc
@cython.exceptval(check=False)
def swapped(x: cython.ulonglong, bits: cython.int) -> cython.ulonglong:
    # The lowest *bits* with their bytes in the other order.
    low_byte = lshr(U64, BITS - BYTE)
    out: cython.ulonglong = 0
    for at in range(0, bits, BYTE):
        out |= shl(lshr(x, at) & low_byte, bits - BYTE - at)
    return out


def tnum_bswap(a: Tnum, bits: cython.int) -> Tnum:
    """The lowest *bits* (16, 32, 64) of *a* with their bytes in the other order, zero-extended."""
    return new_tnum(swapped(a.value, bits), swapped(a.mask, bits))


def tnum_cast(a: Tnum, size: cython.int) -> Tnum:
    """The lowest *size* bytes (1 to 8) of *a*, zero-extended."""
    return tnum_low_bits(a, size * 8)


@cython.cfunc
def tnum_low_bits(a: Tnum, bits: cython.int) -> Tnum:
    low = lshr(U64, BITS - bits)
    return new_tnum(a.value & low, a.mask & low)


def tnum_subreg(a: Tnum) -> Tnum:
    """The lower 32 bits, zero-extended."""
    return new_tnum(a.value & U32, a.mask & U32)


def tnum_clear_subreg(a: Tnum) -> Tnum:
    """*a* with the lower 32 bits zero."""
    return new_tnum(a.value & UPPER, a.mask & UPPER)


def tnum_with_subreg(reg: Tnum, subreg: Tnum) -> Tnum:
    """*reg* with its lower 32 bits replaced by those of *subreg*."""
    return new_tnum((reg.value & UPPER) | (subreg.value & U32), (reg.mask & UPPER) | (subreg.mask & U32))


def tnum_const_subreg(a: Tnum, value: cython.ulonglong) -> Tnum:
    """*a* with its lower 32 bits known to be *value* (``u32``)."""
    return new_tnum((a.value & UPPER) | (value & U32), a.mask & UPPER)


def tnum_contains(a: Tnum, word: cython.ulonglong) -> cython.bint:
    """Does *a* admit the ``u64`` *word*?"""
    return eq(word & ~a.mask, a.value)


def tnum_in(a: Tnum, b: Tnum) -> cython.bint:
    """Does *a* admit all that *b* admits?"""
    return eq(b.mask & ~a.mask, 0) & eq(b.value & ~a.mask, a.value)


def tnum_overlap(a: Tnum, b: Tnum) -> cython.bint:
    """Do the bits known in both agree?"""
    mu = ~a.mask & ~b.mask
    return eq(a.value & mu, b.value & mu)


def tnum_is_aligned(a: Tnum, size: cython.ulonglong) -> cython.bint:
    """Is *a* known to be a multiple of *size* (``u64``, a power of two or 0)?"""
    return eq((a.value | a.mask) & w64(size - 1) & sel(eq(size, 0), 0, U64), 0)


@cython.cfunc
@cython.exceptval(check=False)
def tnum_step(value: cython.ulonglong, mask: cython.ulonglong, word: cython.ulonglong) -> cython.ulonglong:
    # The smallest word of the tnum above *word*, or its greatest where there is none. (For an example, see the test.)
    y = w64(word + 1)
    with_y = value | (y & mask)
    conflict = (y ^ value) & ~mask
    low = bits_below(conflict)
    # At the highest conflicting bit the tnum has 1: all below is as small as can be. It has 0: the unknown bits above,
    # as a number, go up by one (the carry runs through bits set in between).
    must_carry = ne(y & (low ^ lshr(low, 1)), 0)
    carried = w64((with_y | ~mask | low) + 1) & mask & ~low
    above = sel(must_carry, carried | value, (with_y & ~low) | (value & low))
    return sel(ule(value | mask, word), value | mask, above)


# Operators: what the domains tell each other ---------------------------------------------------------------------


@cython.cfunc
@cython.exceptval(check=False)
def update_reg32_bounds(r: Bounds) -> cython.void:
    value = r.var_off.value & U32
    mask = r.var_off.mask & U32
    # Least signed: the sign bit if it may be set, no other unknown bit. Greatest: the opposite.
    set32(
        r,
        max_s(w64(r.s32_min_value), sx32(value | (mask & S32_SIGN))),
        min_s(w64(r.s32_max_value), sx32(value | (mask & S32_MAX))),
        max_u(r.u32_min_value, value),
        min_u(r.u32_max_value, value | mask),
    )


@cython.cfunc
def update_reg64_bounds(r: Bounds) -> None:
    value = r.var_off.value
    mask = r.var_off.mask
    set64(
        r,
        max_s(w64(r.smin_value), value | (mask & S64_MIN)),
        min_s(w64(r.smax_value), value | (mask & S64_MAX)),
        max_u(r.umin_value, value),
        min_u(r.umax_value, value | mask),
    )
    single_value(r)


@cython.cfunc
def single_value(r: Bounds) -> None:
    # The u64 range and the tnum may have one word in common: then that is it. Not where both ends of the range are
    # the tnum's own, nor where its second word is a member too.
    value = r.var_off.value
    mask = r.var_off.mask
    umin = r.umin_value
    umax = r.umax_value
    greatest = value | mask
    first = eq(umin & ~mask, value)
    two = first & ult(umin, umax) & eq((umin + 1) & ~mask, value)
    if may((ne(umin, value) | ne(umax, greatest)) & no(two)):
        second = tnum_step(value, mask, umin)
        at_umin = first & ult(umax, second)
        at_greatest = no(first) & eq(second, greatest)
        between = no(first) & ule(second, umax) & ult(umax, tnum_step(value, mask, second))
        c = at_umin | at_greatest | between
        word = sel(at_umin, umin, second)
        set64(
            r,
            sel(c, word, w64(r.smin_value)),
            sel(c, word, w64(r.smax_value)),
            sel(c, word, umin),
            sel(c, word, umax),
        )
        set32(
            r,
            sel(c, sx32(word), w64(r.s32_min_value)),
            sel(c, sx32(word), w64(r.s32_max_value)),
            sel(c, word & U32, r.u32_min_value),
            sel(c, word & U32, r.u32_max_value),
        )
        set_var_off(r, sel(c, word, value), sel(c, 0, mask))


@cython.cfunc
@cython.exceptval(check=False)
def deduce_32_from_u64(r: Bounds) -> cython.void:
    # Where the upper half is the same at both ends, the lower halves of the ends are a range.
    umin = r.umin_value
    umax = r.umax_value
    same = eq(umin & UPPER, umax & UPPER)
    if may(same):
        smin32 = w64(r.s32_min_value)
        smax32 = w64(r.s32_max_value)
        signed = same & sle(sx32(umin), sx32(umax))
        set32(
            r,
            sel(signed, max_s(smin32, sx32(umin)), smin32),
            sel(signed, min_s(smax32, sx32(umax)), smax32),
            sel(same, max_u(r.u32_min_value, umin & U32), r.u32_min_value),
            sel(same, min_u(r.u32_max_value, umax & U32), r.u32_max_value),
        )


@cython.cfunc
@cython.exceptval(check=False)
def deduce_32_from_s64(r: Bounds) -> cython.void:
    smin = w64(r.smin_value)
    smax = w64(r.smax_value)
    same = eq(smin & UPPER, smax & UPPER)
    if may(same):
        smin32 = w64(r.s32_min_value)
        smax32 = w64(r.s32_max_value)
        unsigned = same & ule(smin & U32, smax & U32)
        signed = same & sle(sx32(smin), sx32(smax))
        set32(
            r,
            sel(signed, max_s(smin32, sx32(smin)), smin32),
            sel(signed, min_s(smax32, sx32(smax)), smax32),
            sel(unsigned, max_u(r.u32_min_value, smin & U32), r.u32_min_value),
            sel(unsigned, min_u(r.u32_max_value, smax & U32), r.u32_max_value),
        )


@cython.cfunc
@cython.exceptval(check=False)
def deduce_s32_across_upper(r: Bounds, low: cython.ulonglong, high: cython.ulonglong) -> cython.void:
    # A range [low, high] whose upper half steps once while the lower half goes from negative to not negative:
    # [0x0_ffff_fff0, 0x1_0000_0010] is s32 [-16, 16]. The step may wrap from all ones to zero.
    steps = eq(w64((low & UPPER) + ONE_UP), high & UPPER)
    if may(steps):
        smin32 = w64(r.s32_min_value)
        smax32 = w64(r.s32_max_value)
        c = steps & slt(sx32(low), 0) & sle(0, sx32(high))
        r.s32_min_value = s64(sel(c, max_s(smin32, sx32(low)), smin32))
        r.s32_max_value = s64(sel(c, min_s(smax32, sx32(high)), smax32))


@cython.cfunc
@cython.exceptval(check=False)
def deduce_s32_from_u32(r: Bounds) -> cython.void:
    low = sx32(r.u32_min_value)
    high = sx32(r.u32_max_value)
    c = sle(low, high)
    if may(c):
        smin32 = w64(r.s32_min_value)
        smax32 = w64(r.s32_max_value)
        r.s32_min_value = s64(sel(c, max_s(smin32, low), smin32))
        r.s32_max_value = s64(sel(c, min_s(smax32, high), smax32))


@cython.cfunc
@cython.exceptval(check=False)
def deduce_u32_from_s32(r: Bounds) -> cython.void:
    # A signed range that does not cross zero is an unsigned one. One that does is two pieces in u32, at the two ends:
    # if the u32 range meets only one of them, the values are there.
    smin32 = w64(r.s32_min_value)
    smax32 = w64(r.s32_max_value)
    umin32 = r.u32_min_value
    umax32 = r.u32_max_value
    low = smin32 & U32
    high = smax32 & U32
    whole = ule(low, high)
    at_low_end = no(whole) & ult(umax32, low)
    at_high_end = no(whole) & ule(low, umax32) & ult(high, umin32)
    if may(whole | at_low_end | at_high_end):
        set32(
            r,
            sel(at_low_end, sx32(umin32), smin32),
            sel(at_high_end, sx32(umax32), smax32),
            sel(whole | at_high_end, max_u(umin32, low), umin32),
            sel(whole | at_low_end, min_u(umax32, high), umax32),
        )


@cython.cfunc
@cython.exceptval(check=False)
def deduce_s64_from_u64(r: Bounds) -> cython.void:
    c = sle(r.umin_value, r.umax_value)
    if may(c):
        smin = w64(r.smin_value)
        smax = w64(r.smax_value)
        r.smin_value = s64(sel(c, max_s(smin, r.umin_value), smin))
        r.smax_value = s64(sel(c, min_s(smax, r.umax_value), smax))


@cython.cfunc
@cython.exceptval(check=False)
def deduce_u64_from_s64(r: Bounds) -> cython.void:
    smin = w64(r.smin_value)
    smax = w64(r.smax_value)
    umin = r.umin_value
    umax = r.umax_value
    whole = ule(smin, smax)
    at_low_end = no(whole) & ult(umax, smin)
    at_high_end = no(whole) & ule(smin, umax) & ult(smax, umin)
    if may(whole | at_low_end | at_high_end):
        set64(
            r,
            sel(at_low_end, umin, smin),
            sel(at_high_end, umax, smax),
            sel(whole | at_high_end, max_u(umin, smin), umin),
            sel(whole | at_low_end, min_u(umax, smax), umax),
        )


@cython.cfunc
@cython.exceptval(check=False)
def deduce_64_from_halves(r: Bounds, low: cython.ulonglong, high: cython.ulonglong, c: cython.bint) -> cython.void:
    # Lower halves are in [low, high]: put these in place of the lower halves of the ends, where that tightens (if c).
    # Not for [0, U32_MAX], which tells nothing.
    if may(c & (ne(low, 0) | ne(high, U32))):
        umin = r.umin_value
        umax = r.umax_value
        smin = w64(r.smin_value)
        smax = w64(r.smax_value)
        set64(
            r,
            sel(c, max_s(smin, (smin & UPPER) | low), smin),
            sel(c, min_s(smax, (smax & UPPER) | high), smax),
            sel(c, max_u(umin, (umin & UPPER) | low), umin),
            sel(c, min_u(umax, (umax & UPPER) | high), umax),
        )


@cython.cfunc
def deduce_sign_extended(r: Bounds) -> None:
    # After a sign-extending load: s64 fits in s32, and the lower half is not negative, so neither is the word.
    smin = w64(r.smin_value)
    smax = w64(r.smax_value)
    smin32 = w64(r.s32_min_value)
    smax32 = w64(r.s32_max_value)
    c = sle(0, smin32) & sle(S32_MIN, smin) & sle(smax, S32_MAX)
    if may(c):
        set64(
            r,
            sel(c, smin32, smin),
            sel(c, smax32, smax),
            sel(c, smin32, r.umin_value),
            sel(c, smax32, r.umax_value),
        )
        # tnum_intersect() with tnum_range() of the new ends
        delta = sel(c, bits_below(smin32 ^ smax32), U64)
        mu = r.var_off.mask & delta
        set_var_off(r, (r.var_off.value | (smin32 & ~delta)) & ~mu, mu)


@cython.cfunc
def reg_deduce_bounds(r: Bounds) -> cython.bint:
    # What the ranges tell each other, once. Whether anything was learnt.
    umin = r.umin_value
    umax = r.umax_value
    smin = w64(r.smin_value)
    smax = w64(r.smax_value)
    umin32 = r.u32_min_value
    umax32 = r.u32_max_value
    smin32 = w64(r.s32_min_value)
    smax32 = w64(r.s32_max_value)
    deduce_32_from_u64(r)
    deduce_32_from_s64(r)
    deduce_s32_across_upper(r, r.umin_value, r.umax_value)
    deduce_s32_across_upper(r, w64(r.smin_value), w64(r.smax_value))
    deduce_s32_from_u32(r)
    deduce_u32_from_s32(r)
    deduce_s64_from_u64(r)
    deduce_u64_from_s64(r)
    deduce_64_from_halves(r, r.u32_min_value, r.u32_max_value, eq(0, 0))
    low = w64(r.s32_min_value) & U32
    high = w64(r.s32_max_value) & U32
    deduce_64_from_halves(r, low, high, ule(low, high))
    deduce_sign_extended(r)
    same64 = eq(umin, r.umin_value) & eq(umax, r.umax_value)
    signed64 = eq(smin, w64(r.smin_value)) & eq(smax, w64(r.smax_value))
    same32 = eq(umin32, r.u32_min_value) & eq(umax32, r.u32_max_value)
    signed32 = eq(smin32, w64(r.s32_min_value)) & eq(smax32, w64(r.s32_max_value))
    return no(same64 & signed64 & same32 & signed32)


@cython.cfunc
def reg_bound_offset(r: Bounds) -> None:
    # var_off learns the common upper bits of the u64 range, its lower half those of the u32 range.
    delta = bits_below(r.umin_value ^ r.umax_value)
    mask = r.var_off.mask & delta
    value = (r.var_off.value | (r.umin_value & ~delta)) & ~mask
    delta = bits_below(r.u32_min_value ^ r.u32_max_value)
    mask32 = mask & delta & U32
    value32 = ((value & U32) | (r.u32_min_value & ~delta)) & ~mask32
    set_var_off(r, (value & UPPER) | value32, (mask & UPPER) | mask32)


@cython.cfunc
def reg_bounds_sync(r: Bounds) -> None:
    update_reg32_bounds(r)
    update_reg64_bounds(r)
    # Three times, unless there is nothing left to learn: what one domain learnt last may tell another something. It is
    # what the kernel does; a fourth time could still tighten, and would give other logs and verdicts.
    if may(reg_deduce_bounds(r)):  # noqa: SIM102 (z3 is to see all three)
        if may(reg_deduce_bounds(r)):
            reg_deduce_bounds(r)
    reg_bound_offset(r)
    update_reg32_bounds(r)
    update_reg64_bounds(r)


@cython.cfunc
@cython.exceptval(check=False)
def assign_32_into_64(r: Bounds) -> cython.void:
    # zero extension
    smin32 = w64(r.s32_min_value)
    smax32 = w64(r.s32_max_value)
    c = sle(0, smin32) & sle(0, smax32)
    set64(r, sel(c, smin32, 0), sel(c, smax32, U32), r.u32_min_value, r.u32_max_value)


@cython.cfunc
def zext_32_to_64(r: Bounds) -> None:
    r.var_off = tnum_subreg(r.var_off)
    assign_32_into_64(r)


# Operators: arithmetic -------------------------------------------------------------------------------------------


@cython.cfunc
@cython.exceptval(check=False)
def scalar32_min_max_add(r: Bounds, b: Bounds) -> cython.void:
    smin = w64(w64(r.s32_min_value) + w64(b.s32_min_value))
    smax = w64(w64(r.s32_max_value) + w64(b.s32_max_value))
    umin = w64(r.u32_min_value + b.u32_min_value)
    umax = w64(r.u32_max_value + b.u32_max_value)
    s_over = ne(sx32(smin), smin) | ne(sx32(smax), smax)
    # When both ends overflow the range keeps its shape.
    u_over = (ule(umin, U32)) & ult(U32, umax)
    set32(
        r,
        sel(s_over, S32_MIN, smin),
        sel(s_over, S32_MAX, smax),
        sel(u_over, 0, umin & U32),
        sel(u_over, U32, umax & U32),
    )


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def sadd_overflows(a: cython.ulonglong, b: cython.ulonglong, total: cython.ulonglong) -> cython.bint:
    return slt((a ^ total) & (b ^ total), 0)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def ssub_overflows(a: cython.ulonglong, b: cython.ulonglong, diff: cython.ulonglong) -> cython.bint:
    return slt((a ^ b) & (a ^ diff), 0)


@cython.cfunc
@cython.exceptval(check=False)
def scalar_min_max_add(r: Bounds, b: Bounds) -> cython.void:
    smin = w64(w64(r.smin_value) + w64(b.smin_value))
    smax = w64(w64(r.smax_value) + w64(b.smax_value))
    umin = w64(r.umin_value + b.umin_value)
    umax = w64(r.umax_value + b.umax_value)
    s_over = sadd_overflows(w64(r.smin_value), w64(b.smin_value), smin) | sadd_overflows(
        w64(r.smax_value), w64(b.smax_value), smax
    )
    u_over = ule(r.umin_value, umin) & ult(umax, r.umax_value)
    set64(r, sel(s_over, S64_MIN, smin), sel(s_over, S64_MAX, smax), sel(u_over, 0, umin), sel(u_over, U64, umax))


@cython.cfunc
@cython.exceptval(check=False)
def scalar32_min_max_sub(r: Bounds, b: Bounds) -> cython.void:
    smin = w64(w64(r.s32_min_value) - w64(b.s32_max_value))
    smax = w64(w64(r.s32_max_value) - w64(b.s32_min_value))
    umin = w64(r.u32_min_value - b.u32_max_value)
    umax = w64(r.u32_max_value - b.u32_min_value)
    s_over = ne(sx32(smin), smin) | ne(sx32(smax), smax)
    u_over = ult(r.u32_min_value, b.u32_max_value) & ule(b.u32_min_value, r.u32_max_value)
    set32(
        r,
        sel(s_over, S32_MIN, smin),
        sel(s_over, S32_MAX, smax),
        sel(u_over, 0, umin & U32),
        sel(u_over, U32, umax & U32),
    )


@cython.cfunc
@cython.exceptval(check=False)
def scalar_min_max_sub(r: Bounds, b: Bounds) -> cython.void:
    smin = w64(w64(r.smin_value) - w64(b.smax_value))
    smax = w64(w64(r.smax_value) - w64(b.smin_value))
    umin = w64(r.umin_value - b.umax_value)
    umax = w64(r.umax_value - b.umin_value)
    s_over = ssub_overflows(w64(r.smin_value), w64(b.smax_value), smin) | ssub_overflows(
        w64(r.smax_value), w64(b.smin_value), smax
    )
    u_over = ult(r.umin_value, b.umax_value) & ule(b.umin_value, r.umax_value)
    set64(r, sel(s_over, S64_MIN, smin), sel(s_over, S64_MAX, smax), sel(u_over, 0, umin), sel(u_over, U64, umax))


@cython.cfunc
@cython.exceptval(check=False)
def scalar32_min_max_mul(r: Bounds, b: Bounds) -> cython.void:
    # Products of 32-bit values fit in a word.
    a_min = w64(r.s32_min_value)
    a_max = w64(r.s32_max_value)
    b_min = w64(b.s32_min_value)
    b_max = w64(b.s32_max_value)
    p = w64(a_min * b_min)
    q = w64(a_min * b_max)
    s = w64(a_max * b_min)
    t = w64(a_max * b_max)
    s_over = ne(sx32(p), p) | ne(sx32(q), q) | ne(sx32(s), s) | ne(sx32(t), t)
    umin = w64(r.u32_min_value * b.u32_min_value)
    umax = w64(r.u32_max_value * b.u32_max_value)
    u_over = ult(U32, umax) | ult(U32, umin)
    set32(
        r,
        sel(s_over, S32_MIN, min_s(min_s(p, q), min_s(s, t))),
        sel(s_over, S32_MAX, max_s(max_s(p, q), max_s(s, t))),
        sel(u_over, 0, umin),
        sel(u_over, U32, umax),
    )


@cython.cfunc
@cython.exceptval(check=False)
def scalar_min_max_mul(r: Bounds, b: Bounds) -> cython.void:
    a_min = w64(r.smin_value)
    a_max = w64(r.smax_value)
    b_min = w64(b.smin_value)
    b_max = w64(b.smax_value)
    p = w64(a_min * b_min)
    q = w64(a_min * b_max)
    s = w64(a_max * b_min)
    t = w64(a_max * b_max)
    s_over = (
        smul_overflows(a_min, b_min)
        | smul_overflows(a_min, b_max)
        | smul_overflows(a_max, b_min)
        | smul_overflows(a_max, b_max)
    )
    umin = w64(r.umin_value * b.umin_value)
    umax = w64(r.umax_value * b.umax_value)
    u_over = umul_overflows(r.umax_value, b.umax_value) | umul_overflows(r.umin_value, b.umin_value)
    set64(
        r,
        sel(s_over, S64_MIN, min_s(min_s(p, q), min_s(s, t))),
        sel(s_over, S64_MAX, max_s(max_s(p, q), max_s(s, t))),
        sel(u_over, 0, umin),
        sel(u_over, U64, umax),
    )


# and, or, xor: r.var_off is the result's already. What the unsigned range tells of the signed one is left to the sync.
# (The kernel tells it here, and has a special case for two constants: the sync finds both.)


@cython.cfunc
@cython.exceptval(check=False)
def scalar32_min_max_and(r: Bounds, b: Bounds) -> cython.void:
    set32(r, S32_MIN, S32_MAX, r.var_off.value & U32, min_u(r.u32_max_value, b.u32_max_value))


@cython.cfunc
@cython.exceptval(check=False)
def scalar_min_max_and(r: Bounds, b: Bounds) -> cython.void:
    set64(r, S64_MIN, S64_MAX, r.var_off.value, min_u(r.umax_value, b.umax_value))


@cython.cfunc
@cython.exceptval(check=False)
def scalar32_min_max_or(r: Bounds, b: Bounds) -> cython.void:
    set32(r, S32_MIN, S32_MAX, max_u(r.u32_min_value, b.u32_min_value), (r.var_off.value | r.var_off.mask) & U32)


@cython.cfunc
@cython.exceptval(check=False)
def scalar_min_max_or(r: Bounds, b: Bounds) -> cython.void:
    set64(r, S64_MIN, S64_MAX, max_u(r.umin_value, b.umin_value), r.var_off.value | r.var_off.mask)


@cython.cfunc
@cython.exceptval(check=False)
def scalar32_min_max_xor(r: Bounds) -> cython.void:
    set32(r, S32_MIN, S32_MAX, r.var_off.value & U32, (r.var_off.value | r.var_off.mask) & U32)


@cython.cfunc
@cython.exceptval(check=False)
def scalar_min_max_xor(r: Bounds) -> cython.void:
    set64(r, S64_MIN, S64_MAX, r.var_off.value, r.var_off.value | r.var_off.mask)


# Shifts by a known number of bits, n. What an unknown number does is not tracked.


@cython.cfunc
@cython.exceptval(check=False)
def u32_min_max_lsh(r: Bounds, n: cython.ulonglong) -> cython.void:
    over = ult(HALF - 1, n) | ult(shl(1, w64(HALF - 1 - n)), r.u32_max_value)
    set32(r, S32_MIN, S32_MAX, sel(over, 0, shl(r.u32_min_value, n)), sel(over, U32, shl(r.u32_max_value, n)))


@cython.cfunc
def scalar32_min_max_lsh(r: Bounds, n: cython.ulonglong) -> None:
    u32_min_max_lsh(r, n)
    r.var_off = tnum_subreg(tnum_lshift(tnum_subreg(r.var_off), n))


@cython.cfunc
def scalar_min_max_lsh(r: Bounds, n: cython.ulonglong) -> None:
    # `<<= 32; s>>= 32` is how compilers sign-extend: keep the s32 range through it. (The subregister goes to the top.)
    top = BITS - HALF
    half = eq(n, top)
    over = ult(shl(1, w64(BITS - 1 - n)), r.umax_value)
    set64(
        r,
        sel(half, shl(w64(r.s32_min_value), top), S64_MIN),
        sel(half, shl(w64(r.s32_max_value), top), S64_MAX),
        sel(over, 0, shl(r.umin_value, n)),
        sel(over, U64, shl(r.umax_value, n)),
    )
    u32_min_max_lsh(r, n)
    r.var_off = tnum_lshift(r.var_off, n)


@cython.cfunc
def scalar32_min_max_rsh(r: Bounds, n: cython.ulonglong) -> None:
    set32(r, S32_MIN, S32_MAX, lshr(r.u32_min_value, n), lshr(r.u32_max_value, n))
    r.var_off = tnum_rshift(tnum_subreg(r.var_off), n)


@cython.cfunc
def scalar_min_max_rsh(r: Bounds, n: cython.ulonglong) -> None:
    set64(r, S64_MIN, S64_MAX, lshr(r.umin_value, n), lshr(r.umax_value, n))
    set32(r, S32_MIN, S32_MAX, 0, U32)
    r.var_off = tnum_rshift(r.var_off, n)


@cython.cfunc
def scalar32_min_max_arsh(r: Bounds, n: cython.ulonglong) -> None:
    set32(r, ashr(w64(r.s32_min_value), n), ashr(w64(r.s32_max_value), n), 0, U32)
    r.var_off = tnum_arshift(r.var_off, n, HALF)


@cython.cfunc
def scalar_min_max_arsh(r: Bounds, n: cython.ulonglong) -> None:
    set64(r, ashr(w64(r.smin_value), n), ashr(w64(r.smax_value), n), 0, U64)
    set32(r, S32_MIN, S32_MAX, 0, U32)
    r.var_off = tnum_arshift(r.var_off, n, BITS)


@cython.cfunc
@cython.exceptval(check=False)
def is_tracked(op: cython.int) -> cython.bint:
    return op in (BPF_ADD, BPF_SUB, BPF_NEG, BPF_MUL, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH)


@cython.cfunc
@cython.exceptval(check=False)
def alu_const(op: cython.int, x: cython.ulonglong, y: cython.ulonglong, is64: cython.bint) -> cython.ulonglong:
    # The word that a tracked operation gives for two words. (alu_known() would find the same, slower.)
    out: cython.ulonglong = 0
    if op == BPF_ADD:
        out = w64(x + y)
    elif op == BPF_SUB:
        out = w64(x - y)
    elif op == BPF_MUL:
        out = w64(x * y)
    elif op == BPF_AND:
        out = x & y
    elif op == BPF_OR:
        out = x | y
    elif op == BPF_XOR:
        out = x ^ y
    elif op == BPF_NEG:
        out = w64(0 - x)
    elif op == BPF_LSH:
        out = shl(x, y)
    elif op == BPF_RSH:
        out = lshr(x, y) if is64 else lshr(x & U32, y)
    elif op == BPF_ARSH:
        out = ashr(x, y) if is64 else ashr(sx32(x), y)
    return out if is64 else out & U32


@cython.cfunc
def alu_known(op: cython.int, a: Bounds, b: Bounds, is64: cython.bint) -> Bounds:
    # alu() for the operations that are tracked; a shift has a known, legal count. Null: not one of these.
    r = copy(a)
    if op == BPF_ADD:
        scalar32_min_max_add(r, b)
        scalar_min_max_add(r, b)
        r.var_off = tnum_add(r.var_off, b.var_off)
    elif op == BPF_SUB:
        scalar32_min_max_sub(r, b)
        scalar_min_max_sub(r, b)
        r.var_off = tnum_sub(r.var_off, b.var_off)
    elif op == BPF_NEG:
        r = new_bounds(tnum_neg(a.var_off))
        set64(r, 0, 0, 0, 0)
        set32(r, 0, 0, 0, 0)
        scalar32_min_max_sub(r, a)
        scalar_min_max_sub(r, a)
    elif op == BPF_MUL:
        r.var_off = tnum_mul(r.var_off, b.var_off)
        scalar32_min_max_mul(r, b)
        scalar_min_max_mul(r, b)
    elif op == BPF_AND:
        r.var_off = tnum_and(r.var_off, b.var_off)
        scalar32_min_max_and(r, b)
        scalar_min_max_and(r, b)
    elif op == BPF_OR:
        r.var_off = tnum_or(r.var_off, b.var_off)
        scalar32_min_max_or(r, b)
        scalar_min_max_or(r, b)
    elif op == BPF_XOR:
        r.var_off = tnum_xor(r.var_off, b.var_off)
        scalar32_min_max_xor(r)
        scalar_min_max_xor(r)
    elif op == BPF_LSH:
        if is64:
            scalar_min_max_lsh(r, b.umin_value)
        else:
            scalar32_min_max_lsh(r, b.u32_min_value)
    elif op == BPF_RSH:
        if is64:
            scalar_min_max_rsh(r, b.umin_value)
        else:
            scalar32_min_max_rsh(r, b.u32_min_value)
    elif op == BPF_ARSH:
        if is64:
            scalar_min_max_arsh(r, b.umin_value)
        else:
            scalar32_min_max_arsh(r, b.u32_min_value)
    else:
        return unknown()
    if not is64:
        zext_32_to_64(r)
    reg_bounds_sync(r)
    return r


@cython.cfunc
@cython.exceptval(check=False)
def shift_is_known(b: Bounds, is64: cython.bint) -> cython.bint:
    if is64:
        same = eq(b.smin_value, b.smax_value) & eq(b.umin_value, b.umax_value)
        return eq(b.var_off.mask, 0) & same & ult(b.umax_value, BITS)
    same = eq(b.s32_min_value, b.s32_max_value) & eq(b.u32_min_value, b.u32_max_value)
    return eq(b.var_off.mask & U32, 0) & same & ult(b.umax_value, HALF)


def ptr_add(ptr: Bounds, off: Bounds) -> Bounds:
    """Variable part of *ptr* ``+`` the scalar *off*: 64-bit only, pointers carry no 32-bit ranges.

    :see: kernel/bpf/verifier.c:adjust_ptr_min_max_vals
    """
    r = copy(ptr)
    set32(r, S32_MIN, S32_MAX, 0, U32)
    ptr_min_max_add(r, off)
    r.var_off = tnum_add(r.var_off, off.var_off)
    reg_bounds_sync(r)
    return r


def ptr_sub(ptr: Bounds, off: Bounds) -> Bounds:
    """Variable part of *ptr* ``-`` the scalar *off*.

    :see: kernel/bpf/verifier.c:adjust_ptr_min_max_vals
    """
    r = copy(ptr)
    set32(r, S32_MIN, S32_MAX, 0, U32)
    ptr_min_max_sub(r, off)
    r.var_off = tnum_sub(r.var_off, off.var_off)
    reg_bounds_sync(r)
    return r


@cython.cfunc
@cython.exceptval(check=False)
def ptr_min_max_add(r: Bounds, b: Bounds) -> cython.void:
    # As scalar_min_max_add(), except that one overflow is enough to forget the u64 range.
    umin = r.umin_value
    umax = r.umax_value
    scalar_min_max_add(r, b)
    over = ult(w64(umin + b.umin_value), umin) | ult(w64(umax + b.umax_value), umax)
    r.umin_value = sel(over, 0, r.umin_value)
    r.umax_value = sel(over, U64, r.umax_value)


@cython.cfunc
@cython.exceptval(check=False)
def ptr_min_max_sub(r: Bounds, b: Bounds) -> cython.void:
    over = ult(r.umin_value, b.umax_value)
    scalar_min_max_sub(r, b)
    r.umin_value = sel(over, 0, r.umin_value)
    r.umax_value = sel(over, U64, r.umax_value)


def linked(known: Bounds, delta: cython.longlong) -> Bounds:
    """The register that is *known* plus the constant *delta* (``s32``): after a jump told more of *known*.

    Not synced, as in the kernel.

    :see: kernel/bpf/verifier.c:sync_linked_regs
    """
    r = copy(known)
    b = const(w64(delta))
    scalar32_min_max_add(r, b)
    scalar_min_max_add(r, b)
    r.var_off = tnum_add(r.var_off, b.var_off)
    return r


# Operators: truncation and extension -----------------------------------------------------------------------------


def coerce_reg_to_size(a: Bounds, size: cython.int) -> Bounds:
    """The lowest *size* bytes (1, 2, 4) of *a*, zero-extended: what a load of that size gives.

    :see: kernel/bpf/verifier.c:coerce_reg_to_size
    """
    return truncate(a, size * 8)


@cython.cfunc
def truncate(a: Bounds, bits: cython.int) -> Bounds:
    r = copy(a)
    r.var_off = tnum_low_bits(r.var_off, bits)
    low = lshr(U64, BITS - bits)
    same = eq(r.umin_value & ~low, r.umax_value & ~low)
    umin = sel(same, r.umin_value & low, 0)
    umax = sel(same, r.umax_value & low, low)
    set64(r, umin, umax, umin, umax)
    if bits != HALF:
        set32(r, S32_MIN, S32_MAX, 0, U32)
    reg_bounds_sync(r)
    return r


def coerce_reg_to_size_sx(a: Bounds, size: cython.int) -> Bounds:
    """The lowest *size* bytes (1, 2, 4) of *a*, sign-extended to 64 bits: MOVSX, sign-extending loads.

    :see: kernel/bpf/verifier.c:coerce_reg_to_size_sx
    """
    return sign_extend(a, size * 8)


@cython.cfunc
def sign_extend(a: Bounds, bits: cython.int) -> Bounds:
    smin = w64(a.smin_value)
    smax = w64(a.smax_value)
    low = lshr(U64, BITS - bits)
    is_known = eq(a.var_off.mask, 0)
    known = sext(a.var_off.value, bits)
    first = sext(smin, bits)
    last = sext(smax, bits)
    smallest = min_s(first, last)
    largest = max_s(first, last)
    tracked = eq(smin & ~low, smax & ~low) & eq(slt(first, 0), slt(last, 0))
    delta = bits_below(smallest ^ largest)
    value = sel(is_known, known, sel(tracked, smallest & ~delta, 0))
    r = new_bounds(new_tnum(value, sel(is_known, 0, sel(tracked, delta, U64))))
    lower = sel(is_known, known, sel(tracked, smallest, sext(shl(1, bits - 1), bits)))
    upper = sel(is_known, known, sel(tracked, largest, lshr(low, 1)))
    ranged = is_known | tracked
    set64(r, lower, upper, sel(ranged, lower, 0), sel(ranged, upper, U64))
    set32(r, lower, upper, sel(ranged, lower & U32, 0), sel(ranged, upper & U32, U32))
    return r


@cython.cfunc
def sign_extend_subreg(a: Bounds, bits: cython.int) -> Bounds:
    # MOVSX of 8 or 16 bits to 32, zero-extended to 64.
    smin = w64(a.s32_min_value)
    smax = w64(a.s32_max_value)
    low = lshr(U64, BITS - bits)
    is_known = eq(a.var_off.mask, 0)
    known = sext(a.var_off.value, bits)
    first = sext(smin, bits)
    last = sext(smax, bits)
    smallest = min_s(first, last)
    largest = max_s(first, last)
    tracked = eq(smin & ~low, smax & ~low) & eq(slt(first, 0), slt(last, 0))
    delta = bits_below(smallest ^ largest)
    value = sel(is_known, known, sel(tracked, smallest & ~delta, 0))
    r = new_bounds(new_tnum(value, sel(is_known, 0, sel(tracked, delta, U64))))
    lower = sel(is_known, known, sel(tracked, smallest, sext(shl(1, bits - 1), bits)))
    upper = sel(is_known, known, sel(tracked, largest, lshr(low, 1)))
    ranged = is_known | tracked
    set32(r, lower, upper, sel(ranged, lower & U32, 0), sel(ranged, upper & U32, U32))
    zext_32_to_64(r)
    reg_bounds_sync(r)
    return r


def byte_swap(a: Bounds, bits: cython.int, swaps: cython.bint) -> Bounds:
    """BPF_END on *bits* (16, 32, 64): the lowest *bits* of *a* zero-extended, in the other byte order if *swaps*.

    ``bswap`` always swaps; ``be`` does on a little-endian host, ``le`` on a big-endian one.

    :see: kernel/bpf/verifier.c:scalar_byte_swap
    """
    r = copy(a)
    if swaps:
        r = new_bounds(tnum_bswap(a.var_off, bits))
    if bits != BITS:
        r = truncate(r, bits)
    reg_bounds_sync(r)
    return r


def zext_32(a: Bounds) -> Bounds:
    """The lower 32 bits of *a*, zero-extended: ``w1 = w2``.

    :see: kernel/bpf/verifier.c:zext_32_to_64
    """
    r = copy(a)
    zext_32_to_64(r)
    reg_bounds_sync(r)
    return r


def movsx(a: Bounds, bits: cython.int, is64: cython.bint) -> Bounds:
    """``r1 = (s8)r2`` and the like: the lowest *bits* (8, 16, and 32 if *is64*), sign-extended to 64 or 32 bits."""
    if is64:
        return sign_extend(a, bits)
    return sign_extend_subreg(a, bits)


# Operators: jumps ------------------------------------------------------------------------------------------------


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def verdict(always: cython.bint, never: cython.bint) -> cython.int:
    return s64(sel(always, 1, sel(never, 0, U64)))


@cython.cfunc
@cython.exceptval(check=False)
def branch_lt(
    min1: cython.ulonglong, max1: cython.ulonglong, min2: cython.ulonglong, max2: cython.ulonglong
) -> cython.int:
    return verdict(ult(max1, min2), ule(max2, min1))


@cython.cfunc
@cython.exceptval(check=False)
def branch_le(
    min1: cython.ulonglong, max1: cython.ulonglong, min2: cython.ulonglong, max2: cython.ulonglong
) -> cython.int:
    return verdict(ule(max1, min2), ult(max2, min1))


@cython.cfunc
@cython.exceptval(check=False)
def branch_slt(
    min1: cython.ulonglong, max1: cython.ulonglong, min2: cython.ulonglong, max2: cython.ulonglong
) -> cython.int:
    return verdict(slt(max1, min2), sle(max2, min1))


@cython.cfunc
@cython.exceptval(check=False)
def branch_sle(
    min1: cython.ulonglong, max1: cython.ulonglong, min2: cython.ulonglong, max2: cython.ulonglong
) -> cython.int:
    return verdict(sle(max1, min2), slt(max2, min1))


@cython.cfunc
@cython.exceptval(check=False)
def disjoint32(a: Bounds, b: Bounds) -> cython.bint:
    u = ult(b.u32_max_value, a.u32_min_value) | ult(a.u32_max_value, b.u32_min_value)
    s = slt(w64(b.s32_max_value), w64(a.s32_min_value)) | slt(w64(a.s32_max_value), w64(b.s32_min_value))
    return u | s


@cython.cfunc
@cython.exceptval(check=False)
def disjoint64(a: Bounds, b: Bounds) -> cython.bint:
    u = ult(b.umax_value, a.umin_value) | ult(a.umax_value, b.umin_value)
    s = slt(w64(b.smax_value), w64(a.smin_value)) | slt(w64(a.smax_value), w64(b.smin_value))
    return u | s


@cython.cfunc
@cython.exceptval(check=False)
def always_equal(a: Bounds, b: Bounds, is32: cython.bint) -> cython.bint:
    if is32:
        consts = eq((a.var_off.mask | b.var_off.mask) & U32, 0)
        return consts & eq((a.var_off.value ^ b.var_off.value) & U32, 0)
    return eq(a.var_off.mask | b.var_off.mask, 0) & eq(a.var_off.value, b.var_off.value)


@cython.cfunc
@cython.exceptval(check=False)
def never_equal(a: Bounds, b: Bounds, is32: cython.bint) -> cython.bint:
    if is32:
        both_known = ~(a.var_off.mask | b.var_off.mask) & U32
        return ne((a.var_off.value ^ b.var_off.value) & both_known, 0) | disjoint32(a, b)
    both_known = ~(a.var_off.mask | b.var_off.mask)
    differs = ne((a.var_off.value ^ b.var_off.value) & both_known, 0)
    return differs | disjoint64(a, b) | disjoint32(a, b)


@cython.cfunc
@cython.exceptval(check=False)
def branch_jset(a: Bounds, b: Bounds, is32: cython.bint) -> cython.int:
    # Decided only where one side is a constant.
    width = U32 if is32 else U64
    known = eq(a.var_off.mask & width, 0) | eq(b.var_off.mask & width, 0)
    sure = ne(a.var_off.value & b.var_off.value & width, 0)
    possible = (a.var_off.value | a.var_off.mask) & (b.var_off.value | b.var_off.mask) & width
    return verdict(known & sure, known & eq(possible, 0))


def branch(op: cython.int, a: Bounds, b: Bounds, is32: cython.bint) -> cython.int:
    """Is ``if a op b`` taken: 1 always, 0 never, -1 unknown.

    :param op: BPF_OP(code) of a conditional jump.
    :param is32: BPF_JMP32.
    :see: kernel/bpf/verifier.c:is_scalar_branch_taken
    """
    if op == BPF_JEQ:
        return verdict(always_equal(a, b, is32), never_equal(a, b, is32))
    if op == BPF_JNE:
        return verdict(never_equal(a, b, is32), always_equal(a, b, is32))
    if op == BPF_JSET:
        return branch_jset(a, b, is32)
    if op == BPF_JGT:
        return branch(BPF_JLT, b, a, is32)
    if op == BPF_JGE:
        return branch(BPF_JLE, b, a, is32)
    if op == BPF_JSGT:
        return branch(BPF_JSLT, b, a, is32)
    if op == BPF_JSGE:
        return branch(BPF_JSLE, b, a, is32)
    if is32:
        if op == BPF_JLT:
            return branch_lt(a.u32_min_value, a.u32_max_value, b.u32_min_value, b.u32_max_value)
        if op == BPF_JLE:
            return branch_le(a.u32_min_value, a.u32_max_value, b.u32_min_value, b.u32_max_value)
        if op == BPF_JSLT:
            return branch_slt(w64(a.s32_min_value), w64(a.s32_max_value), w64(b.s32_min_value), w64(b.s32_max_value))
        if op == BPF_JSLE:
            return branch_sle(w64(a.s32_min_value), w64(a.s32_max_value), w64(b.s32_min_value), w64(b.s32_max_value))
    if op == BPF_JLT:
        return branch_lt(a.umin_value, a.umax_value, b.umin_value, b.umax_value)
    if op == BPF_JLE:
        return branch_le(a.umin_value, a.umax_value, b.umin_value, b.umax_value)
    if op == BPF_JSLT:
        return branch_slt(w64(a.smin_value), w64(a.smax_value), w64(b.smin_value), w64(b.smax_value))
    if op == BPF_JSLE:
        return branch_sle(w64(a.smin_value), w64(a.smax_value), w64(b.smin_value), w64(b.smax_value))
    return -1


@cython.cfunc
def refine_eq(a: Bounds, b: Bounds, is32: cython.bint) -> None:
    # Both are now in the intersection of all five.
    if is32:
        smin = max_s(w64(a.s32_min_value), w64(b.s32_min_value))
        smax = min_s(w64(a.s32_max_value), w64(b.s32_max_value))
        umin = max_u(a.u32_min_value, b.u32_min_value)
        umax = min_u(a.u32_max_value, b.u32_max_value)
        set32(a, smin, smax, umin, umax)
        set32(b, smin, smax, umin, umax)
        t = tnum_intersect(tnum_subreg(a.var_off), tnum_subreg(b.var_off))
        a.var_off = tnum_with_subreg(a.var_off, t)
        b.var_off = tnum_with_subreg(b.var_off, t)
    else:
        smin = max_s(w64(a.smin_value), w64(b.smin_value))
        smax = min_s(w64(a.smax_value), w64(b.smax_value))
        umin = max_u(a.umin_value, b.umin_value)
        umax = min_u(a.umax_value, b.umax_value)
        set64(a, smin, smax, umin, umax)
        set64(b, smin, smax, umin, umax)
        a.var_off = tnum_intersect(a.var_off, b.var_off)
        b.var_off = a.var_off


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def up_from(end: cython.ulonglong, value: cython.ulonglong, c: cython.bint) -> cython.ulonglong:
    return sel(c & eq(end, value), w64(end + 1), end)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def down_from(end: cython.ulonglong, value: cython.ulonglong, c: cython.bint) -> cython.ulonglong:
    return sel(c & eq(end, value), w64(end - 1), end)


@cython.cfunc
@cython.exceptval(check=False)
def exclude(r: Bounds, value: cython.ulonglong, c: cython.bint, is32: cython.bint) -> cython.void:
    # r is not value (if c): trim an end that is.
    if is32:
        set32(
            r,
            sx32(up_from(w64(r.s32_min_value), sx32(value), c)),
            sx32(down_from(w64(r.s32_max_value), sx32(value), c)),
            up_from(r.u32_min_value, value & U32, c) & U32,
            down_from(r.u32_max_value, value & U32, c) & U32,
        )
    else:
        set64(
            r,
            up_from(w64(r.smin_value), value, c),
            down_from(w64(r.smax_value), value, c),
            up_from(r.umin_value, value, c),
            down_from(r.umax_value, value, c),
        )


@cython.cfunc
@cython.exceptval(check=False)
def refine_ne(a: Bounds, b: Bounds, is32: cython.bint) -> cython.void:
    # Tells something where one side is a constant: the second first.
    width = U32 if is32 else U64
    b_known = eq(b.var_off.mask & width, 0)
    a_known = eq(a.var_off.mask & width, 0) & no(b_known)
    exclude(a, b.var_off.value, b_known, is32)
    exclude(b, a.var_off.value, a_known, is32)


@cython.cfunc
def set_bits(r: Bounds, value: cython.ulonglong, c: cython.bint) -> None:
    # r & value != 0 (if c): a single bit must be that bit.
    single = c & ne(value, 0) & eq(value & w64(value - 1), 0)
    bit = sel(single, value, 0)
    r.var_off = new_tnum(r.var_off.value | bit, r.var_off.mask & ~bit)


@cython.cfunc
def clear_bits(r: Bounds, value: cython.ulonglong, c: cython.bint) -> None:
    # r & value == 0 (if c). The ranges are forgotten: on a path that cannot happen they could contradict the bits.
    bits = sel(c, value, 0)
    r.var_off = new_tnum(r.var_off.value & ~bits, r.var_off.mask & ~bits)
    set64(
        r,
        sel(c, S64_MIN, w64(r.smin_value)),
        sel(c, S64_MAX, w64(r.smax_value)),
        sel(c, 0, r.umin_value),
        sel(c, U64, r.umax_value),
    )
    set32(
        r,
        sel(c, S32_MIN, w64(r.s32_min_value)),
        sel(c, S32_MAX, w64(r.s32_max_value)),
        sel(c, 0, r.u32_min_value),
        sel(c, U32, r.u32_max_value),
    )


@cython.cfunc
def refine_jset(a: Bounds, b: Bounds, is32: cython.bint) -> None:
    width = U32 if is32 else U64
    b_known = eq(b.var_off.mask & width, 0)
    a_known = eq(a.var_off.mask & width, 0) & no(b_known)
    set_bits(a, b.var_off.value & width, b_known)
    set_bits(b, a.var_off.value & width, a_known)


@cython.cfunc
def refine_not_jset(a: Bounds, b: Bounds, is32: cython.bint) -> None:
    width = U32 if is32 else U64
    b_known = eq(b.var_off.mask & width, 0)
    a_known = eq(a.var_off.mask & width, 0) & no(b_known)
    clear_bits(a, b.var_off.value & width, b_known)
    clear_bits(b, a.var_off.value & width, a_known)


@cython.cfunc
@cython.exceptval(check=False)
def refine_le(a: Bounds, b: Bounds, is32: cython.bint) -> cython.void:
    if is32:
        a.u32_max_value = min_u(a.u32_max_value, b.u32_max_value)
        b.u32_min_value = max_u(a.u32_min_value, b.u32_min_value)
    else:
        a.umax_value = min_u(a.umax_value, b.umax_value)
        b.umin_value = max_u(a.umin_value, b.umin_value)


@cython.cfunc
@cython.exceptval(check=False)
def refine_lt(a: Bounds, b: Bounds, is32: cython.bint) -> cython.void:
    if is32:
        a.u32_max_value = min_u(a.u32_max_value, w64(b.u32_max_value - 1) & U32)
        b.u32_min_value = max_u(w64(a.u32_min_value + 1) & U32, b.u32_min_value)
    else:
        a.umax_value = min_u(a.umax_value, w64(b.umax_value - 1))
        b.umin_value = max_u(w64(a.umin_value + 1), b.umin_value)


@cython.cfunc
@cython.exceptval(check=False)
def refine_sle(a: Bounds, b: Bounds, is32: cython.bint) -> cython.void:
    if is32:
        a.s32_max_value = s64(min_s(w64(a.s32_max_value), w64(b.s32_max_value)))
        b.s32_min_value = s64(max_s(w64(a.s32_min_value), w64(b.s32_min_value)))
    else:
        a.smax_value = s64(min_s(w64(a.smax_value), w64(b.smax_value)))
        b.smin_value = s64(max_s(w64(a.smin_value), w64(b.smin_value)))


@cython.cfunc
@cython.exceptval(check=False)
def refine_slt(a: Bounds, b: Bounds, is32: cython.bint) -> cython.void:
    if is32:
        a.s32_max_value = s64(min_s(w64(a.s32_max_value), sx32(w64(b.s32_max_value) - 1)))
        b.s32_min_value = s64(max_s(sx32(w64(a.s32_min_value) + 1), w64(b.s32_min_value)))
    else:
        a.smax_value = s64(min_s(w64(a.smax_value), w64(w64(b.smax_value) - 1)))
        b.smin_value = s64(max_s(w64(w64(a.smin_value) + 1), w64(b.smin_value)))


@cython.cfunc
def regs_refine_cond_op(op: cython.int, a: Bounds, b: Bounds, is32: cython.bint) -> None:
    if op == BPF_JEQ:
        refine_eq(a, b, is32)
    elif op == BPF_JNE:
        refine_ne(a, b, is32)
    elif op == BPF_JSET:
        refine_jset(a, b, is32)
    elif op == BPF_NOT_JSET:
        refine_not_jset(a, b, is32)
    elif op == BPF_JLE:
        refine_le(a, b, is32)
    elif op == BPF_JLT:
        refine_lt(a, b, is32)
    elif op == BPF_JSLE:
        refine_sle(a, b, is32)
    elif op == BPF_JSLT:
        refine_slt(a, b, is32)
    elif op == BPF_JGE:
        refine_le(b, a, is32)
    elif op == BPF_JGT:
        refine_lt(b, a, is32)
    elif op == BPF_JSGE:
        refine_sle(b, a, is32)
    elif op == BPF_JSGT:
        refine_slt(b, a, is32)


# Operators: predicates and constructors --------------------------------------------------------------------------


def is_const(a: Bounds) -> cython.bint:
    """Is every bit known?"""
    return eq(a.var_off.mask, 0)


def const_value(a: Bounds) -> cython.ulonglong:
    """The one word of *a*, if `is_const`."""
    return a.var_off.value


def is_const_subreg(a: Bounds) -> cython.bint:
    """Are the lower 32 bits known?"""
    return eq(a.var_off.mask & U32, 0)


def const_subreg_value(a: Bounds) -> cython.ulonglong:
    """The lower 32 bits (``u32``) of *a*, if `is_const_subreg`."""
    return a.var_off.value & U32


def fork_width(a: Bounds) -> cython.int:
    """64 or 32 if *a* (or its subregister) is -1 or 0, else 0: then ``&=`` and ``|=`` with a constant fork the state.

    :see: kernel/bpf/verifier.c:maybe_fork_scalars
    """
    word = eq(w64(a.smin_value), U64) & eq(w64(a.smax_value), 0)
    half = eq(w64(a.s32_min_value), U64) & eq(w64(a.s32_max_value), 0)
    return sel(word, BITS, sel(half, HALF, 0))


def same_tnum(a: Tnum, b: Tnum) -> cython.bint:
    """Equality without the cost of ``==``."""
    return eq((a.value ^ b.value) | (a.mask ^ b.mask), 0)


def same_bounds(a: Bounds, b: Bounds) -> cython.bint:
    """Equality without the cost of ``==``."""
    return same_tnum(a.var_off, b.var_off) & same_ranges(a, b)


@cython.cfunc
@cython.exceptval(check=False)
def same_ranges(a: Bounds, b: Bounds) -> cython.bint:
    same64 = eq(a.umin_value, b.umin_value) & eq(a.umax_value, b.umax_value)
    signed64 = eq(w64(a.smin_value), w64(b.smin_value)) & eq(w64(a.smax_value), w64(b.smax_value))
    same32 = eq(a.u32_min_value, b.u32_min_value) & eq(a.u32_max_value, b.u32_max_value)
    signed32 = eq(w64(a.s32_min_value), w64(b.s32_min_value)) & eq(w64(a.s32_max_value), w64(b.s32_max_value))
    return same64 & signed64 & same32 & signed32


def is_unknown(a: Bounds) -> cython.bint:
    """Is nothing known?"""
    return (
        (eq(a.var_off.mask ^ U64, 0))
        & eq(a.umin_value, 0)
        & eq(a.umax_value, U64)
        & eq(w64(a.smin_value), S64_MIN)
        & eq(w64(a.smax_value), S64_MAX)
        & eq(a.u32_min_value, 0)
        & eq(a.u32_max_value, U32)
        & eq(w64(a.s32_min_value), S32_MIN)
        & eq(w64(a.s32_max_value), S32_MAX)
    )


def range_within(old: Bounds, cur: Bounds) -> cython.bint:
    """Are all four ranges of *cur* inside those of *old*?

    :see: kernel/bpf/verifier.c:range_within
    """
    return (
        ule(old.umin_value, cur.umin_value)
        & ule(cur.umax_value, old.umax_value)
        & sle(w64(old.smin_value), w64(cur.smin_value))
        & sle(w64(cur.smax_value), w64(old.smax_value))
        & ule(old.u32_min_value, cur.u32_min_value)
        & ule(cur.u32_max_value, old.u32_max_value)
        & sle(w64(old.s32_min_value), w64(cur.s32_min_value))
        & sle(w64(cur.s32_max_value), w64(old.s32_max_value))
    )


def scalar_within(old: Bounds, cur: Bounds) -> cython.bint:
    """Does *old* admit every word that *cur* admits, in each of the five domains?

    :see: kernel/bpf/verifier.c:regsafe
    """
    return range_within(old, cur) & tnum_in(old.var_off, cur.var_off)


def const(value: cython.ulonglong) -> Bounds:
    """The one word *value* (``u64``)."""
    r = new_bounds(tnum_const(value))
    set64(r, value, value, value, value)
    set32(r, sx32(value), sx32(value), value & U32, value & U32)
    return r


def unknown() -> Bounds:
    """Any word."""
    return new_bounds(tnum_unknown())


def bounds_from_tnum(var_off: Tnum) -> Bounds:
    """What *var_off* tells of the ranges."""
    r = new_bounds(var_off)
    reg_bounds_sync(r)
    return r


def sync_bounds(a: Bounds) -> Bounds:
    """*a* with each domain told what the others know.

    :see: kernel/bpf/verifier.c:reg_bounds_sync
    """
    r = copy(a)
    reg_bounds_sync(r)
    return r


def set_range(a: Bounds, low: cython.ulonglong, high: cython.ulonglong) -> Bounds:
    """*a* with all ranges set to [*low*, *high*] (0 to S32_MAX), synced with its ``var_off``.

    :see: kernel/bpf/verifier.c:do_refine_retval_range
    """
    r = copy(a)
    set64(r, low, high, low, high)
    set32(r, low, high, low, high)
    reg_bounds_sync(r)
    return r


def set_srange(a: Bounds, low: cython.longlong, high: cython.longlong) -> Bounds:
    """*a* with the signed ranges set to [*low*, *high*] (``s32``), synced with the others.

    :see: kernel/bpf/verifier.c:do_refine_retval_range
    """
    r = copy(a)
    set64(r, w64(low), w64(high), r.umin_value, r.umax_value)
    set32(r, w64(low), w64(high), r.u32_min_value, r.u32_max_value)
    reg_bounds_sync(r)
    return r


def mark_reg_s32_range(a: Bounds, low: cython.longlong, high: cython.longlong) -> Bounds:
    """*a* known to be also in [*low*, *high*] (``s32``).

    :see: kernel/bpf/verifier.c:__mark_reg_s32_range
    """
    r = copy(a)
    r.s32_min_value = s64(max_s(w64(r.s32_min_value), w64(low)))
    r.s32_max_value = s64(min_s(w64(r.s32_max_value), w64(high)))
    r.smin_value = s64(max_s(w64(r.smin_value), w64(low)))
    r.smax_value = s64(min_s(w64(r.smax_value), w64(high)))
    reg_bounds_sync(r)
    return r


def mark_reg_unbounded(a: Bounds) -> Bounds:
    """*a* with its ranges forgotten (``var_off`` stays): after a "REG INVARIANTS VIOLATION"."""
    return new_bounds(a.var_off)


def mark_reg32_unbounded(a: Bounds) -> Bounds:
    """*a* with its 32-bit ranges forgotten."""
    r = copy(a)
    set32(r, S32_MIN, S32_MAX, 0, U32)
    return r


def mark_reg32_known(a: Bounds, value: cython.ulonglong) -> Bounds:
    """*a* with its lower 32 bits known to be *value*; the 64-bit ranges are not told.

    :see: kernel/bpf/verifier.c:__mark_reg32_known
    """
    r = copy(a)
    r.var_off = tnum_const_subreg(r.var_off, value)
    set32(r, sx32(value), sx32(value), value & U32, value & U32)
    return r


# Control flow on data: end of the restricted style ---------------------------------------------------------------


def tnum(value: cython.ulonglong, mask: cython.ulonglong) -> Tnum:
    """The tnum of ``u64`` *value* and *mask*, which must be disjoint."""
    if value & mask:
        raise ValueError(f"bits both known and unknown: value {value:#x}, mask {mask:#x}")
    return new_tnum(value, mask)


def make_bounds(
    var_off: Tnum,
    smin_value: cython.longlong,
    smax_value: cython.longlong,
    umin_value: cython.ulonglong,
    umax_value: cython.ulonglong,
    s32_min_value: cython.longlong,
    s32_max_value: cython.longlong,
    u32_min_value: cython.ulonglong,
    u32_max_value: cython.ulonglong,
) -> Bounds:
    """Bounds of these fields, as they are: not synced, not checked."""
    r = new_bounds(var_off)
    set64(r, w64(smin_value), w64(smax_value), umin_value, umax_value)
    set32(r, w64(s32_min_value), w64(s32_max_value), u32_min_value, u32_max_value)
    return r


def tnum_mul(a: Tnum, b: Tnum) -> Tnum:
    """``a * b``, by the 6.18 algorithm: long multiplication, the union of both cases where a bit of *a* is unknown."""
    acc = new_tnum(0, 0)
    a_value = a.value
    a_mask = a.mask
    b_value = b.value
    b_mask = b.mask
    while has_more(a_value, a_mask):
        tnum_mul_step(acc, a_value, a_mask, b_value, b_mask)
        a_value = lshr(a_value, 1)
        a_mask = lshr(a_mask, 1)
        b_value = shl(b_value, 1)
        b_mask = shl(b_mask, 1)
    return acc


def alu(op: cython.int, a: Bounds, b: Bounds, is64: cython.bint) -> Bounds:
    """``a op= b``.

    :param op: BPF_OP(code) of an ALU instruction but BPF_MOV and BPF_END; *b* is not looked at for BPF_NEG.
    :param is64: BPF_ALU64; else the result is zero-extended.
    :return: nothing known for division, modulo and shifts by an unknown number, as in Linux 6.18.
    :see: kernel/bpf/verifier.c:adjust_scalar_min_max_vals
    """
    if op in (BPF_LSH, BPF_RSH, BPF_ARSH) and not shift_is_known(b, is64):
        return unknown()
    if (a.var_off.mask | b.var_off.mask) == 0 and is_tracked(op):
        return const(alu_const(op, a.var_off.value, b.var_off.value, is64))
    return alu_known(op, a, b, is64)


def refine(
    op: cython.int, a: Bounds, b: Bounds, is32: cython.bint
) -> tuple[tuple[Bounds, Bounds], tuple[Bounds, Bounds]]:
    """What ``if a op b`` tells: ``((a, b) where taken, (a, b) where not)``.

    Not for a jump that `branch` decides: the side that cannot happen may come out contradictory.

    :see: kernel/bpf/verifier.c:reg_set_min_max
    """
    a_true = copy(a)
    b_true = copy(b)
    regs_refine_cond_op(op, a_true, b_true, is32)
    reg_bounds_sync(a_true)
    reg_bounds_sync(b_true)
    a_false = copy(a)
    b_false = copy(b)
    regs_refine_cond_op(reverse_op(op), a_false, b_false, is32)
    reg_bounds_sync(a_false)
    reg_bounds_sync(b_false)
    return (a_true, b_true), (a_false, b_false)


@cython.cfunc
@cython.exceptval(check=False)
def reverse_op(op: cython.int) -> cython.int:
    # The jump that is taken where op is not.
    if op == BPF_JEQ:
        return BPF_JNE
    if op == BPF_JNE:
        return BPF_JEQ
    if op == BPF_JSET:
        return BPF_NOT_JSET
    if op == BPF_JGE:
        return BPF_JLT
    if op == BPF_JGT:
        return BPF_JLE
    if op == BPF_JLE:
        return BPF_JGT
    if op == BPF_JLT:
        return BPF_JGE
    if op == BPF_JSGE:
        return BPF_JSLT
    if op == BPF_JSGT:
        return BPF_JSLE
    if op == BPF_JSLE:
        return BPF_JSGT
    return BPF_JSGE


def reg_bounds_sanity_check(a: Bounds) -> str:
    """What is wrong with *a*, in the kernel's words, or "": its domains contradict each other.

    That comes of a path which cannot happen, or of a bug. The kernel prints ``REG INVARIANTS VIOLATION (context):
    <this>`` and goes on with `mark_reg_unbounded`, or refuses the program (EFAULT) under BPF_F_TEST_REG_INVARIANTS.

    :see: kernel/bpf/verifier.c:reg_bounds_sanity_check
    """
    if (
        a.umin_value > a.umax_value
        or a.smin_value > a.smax_value
        or a.u32_min_value > a.u32_max_value
        or a.s32_min_value > a.s32_max_value
    ):
        return "range bounds violation"
    if a.var_off.mask == 0:
        word = a.var_off.value
        if a.umin_value != word or a.umax_value != word or w64(a.smin_value) != word or w64(a.smax_value) != word:
            return "const tnum out of sync with range bounds"
    if a.var_off.mask & U32 == 0:
        word = a.var_off.value & U32
        signed = sx32(word)
        if (
            a.u32_min_value != word
            or a.u32_max_value != word
            or w64(a.s32_min_value) != signed
            or w64(a.s32_max_value) != signed
        ):
            return "const subreg tnum out of sync with range bounds"
    return ""


def reg_width(a: Bounds) -> cython.int:
    """Number of bits that *a* needs: ``fls64(umax_value)``.

    :see: kernel/bpf/verifier.c:get_reg_width
    """
    width: cython.int = 0
    rest: cython.ulonglong = a.umax_value
    while has_more(rest, 0):
        width += 1
        rest = lshr(rest, 1)
    return width
