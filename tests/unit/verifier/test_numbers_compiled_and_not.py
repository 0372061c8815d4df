"""Random sequences of operations: compiled and uncompiled agree, and concrete words stay admitted."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.verifier import numbers
from proofs.domain import W64, plain

U64, U32 = 2**64 - 1, 2**32 - 1
FIELDS = (
    "smin_value", "smax_value", "umin_value", "umax_value",
    "s32_min_value", "s32_max_value", "u32_min_value", "u32_max_value",
)  # fmt: skip
ADD, SUB, MUL, OR, AND, LSH, RSH, NEG, XOR, ARSH = 0x00, 0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x80, 0xA0, 0xC0
JUMPS = (0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xA0, 0xB0, 0xC0, 0xD0)


@functools.cache
def uncompiled():
    return plain(W64)


def signed(x, bits):
    return (x & (1 << bits) - 1 ^ 1 << bits - 1) - (1 << bits - 1)


def fields(b):
    return (b.var_off.value, b.var_off.mask, *(getattr(b, name) for name in FIELDS))


def admits(b, x):
    return (
        x & ~b.var_off.mask == b.var_off.value
        and b.umin_value <= x <= b.umax_value
        and b.smin_value <= signed(x, 64) <= b.smax_value
        and b.u32_min_value <= x & U32 <= b.u32_max_value
        and b.s32_min_value <= signed(x, 32) <= b.s32_max_value
    )


def alu(op, x, y, is64):
    bits = 64 if is64 else 32
    mask = (1 << bits) - 1
    x, y = x & mask, y & mask
    shift = y & bits - 1
    return {
        ADD: x + y, SUB: x - y, MUL: x * y, OR: x | y, AND: x & y, XOR: x ^ y, NEG: -x,
        LSH: x << shift, RSH: x >> shift, ARSH: signed(x, bits) >> shift,
    }[op] & mask  # fmt: skip


def condition(op, x, y, is32):
    bits = 32 if is32 else 64
    x, y = x & (1 << bits) - 1, y & (1 << bits) - 1
    s, t = signed(x, bits), signed(y, bits)
    outcome = x == y, x > y, x >= y, x & y != 0, x != y, s > t, s >= t, x < y, x <= y, s < t, s <= t
    return dict(zip(JUMPS, outcome, strict=True))[op]


words = st.one_of(
    st.integers(0, U64),
    st.integers(0, 70),
    st.integers(0, 63).map(lambda n: 1 << n),
    st.integers(0, 63).map(lambda n: (1 << n) - 1),
    st.integers(1, 2**33).map(lambda n: -n & U64),
)
steps = st.one_of(
    st.tuples(st.just("alu"), st.sampled_from((ADD, SUB, MUL, OR, AND, LSH, RSH, NEG, XOR, ARSH)), st.booleans()),
    st.tuples(st.just("jump"), st.sampled_from(JUMPS), st.booleans()),
    st.tuples(st.just("truncate"), st.sampled_from((1, 2, 4)), st.booleans()),
    st.tuples(st.just("movsx"), st.sampled_from((8, 16)), st.booleans()),
    st.tuples(st.just("swap"), st.sampled_from((16, 32, 64)), st.booleans()),
    st.tuples(st.just("zext"), st.none(), st.none()),
    st.tuples(st.just("linked"), st.integers(-(2**31), 2**31 - 1), st.none()),
    st.tuples(st.just("constant"), words, st.none()),
    st.tuples(st.just("exchange"), st.none(), st.none()),
)


def run(n, x, y, program):
    """States of the two registers after each step, with the words they must admit."""
    a, b = n.unknown(), n.unknown()
    for kind, arg, flag in program:
        if kind == "alu":
            a, x = n.alu(arg, a, b, flag), alu(arg, x, y, flag)
        elif kind == "jump":
            holds = condition(arg, x, y, flag)
            taken = n.branch(arg, a, b, flag)
            assert taken in (-1, int(holds))
            if taken == -1:
                a, b = n.refine(arg, a, b, flag)[0 if holds else 1]
        elif kind == "truncate":
            size = arg * 8
            x = signed(x, size) & U64 if flag else x & (1 << size) - 1
            a = n.coerce_reg_to_size_sx(a, arg) if flag else n.coerce_reg_to_size(a, arg)
        elif kind == "movsx":
            a, x = n.movsx(a, arg, flag), signed(x, arg) & (U64 if flag else U32)
        elif kind == "swap":
            a = n.byte_swap(a, arg, flag)
            low = x & (1 << arg) - 1
            x = int.from_bytes(low.to_bytes(arg // 8, "little"), "big") if flag else low
        elif kind == "zext":
            a, x = n.zext_32(a), x & U32
        elif kind == "linked":
            a, x = n.linked(a, arg), x + arg & U64
        elif kind == "constant":
            b, y = n.const(arg), arg
        else:
            a, b, x, y = b, a, y, x
        yield a, b, x, y


@given(words, words, st.lists(steps, max_size=12))
@settings(max_examples=150, deadline=None)
def test_words_stay_admitted(x, y, program):
    for a, b, x, y in run(numbers, x, y, program):  # noqa: B020
        assert admits(a, x)
        assert admits(b, y)


@pytest.mark.skipif(numbers.__file__.endswith(".py"), reason="numbers is not compiled")
@given(words, words, st.lists(steps, max_size=10))
@settings(max_examples=60, deadline=None)
def test_compiled_and_not_agree(x, y, program):
    both = zip(run(numbers, x, y, program), run(uncompiled(), x, y, program), strict=True)
    for (a, b, *_), (c, d, *_) in both:
        assert fields(a) == fields(c)
        assert fields(b) == fields(d)
        assert numbers.reg_bounds_sanity_check(a) == uncompiled().reg_bounds_sanity_check(c)
        assert numbers.reg_width(a) == uncompiled().reg_width(c) == c.umax_value.bit_length()
        assert numbers.scalar_within(a, b) == uncompiled().scalar_within(c, d)
        assert numbers.fork_width(a) == uncompiled().fork_width(c)
