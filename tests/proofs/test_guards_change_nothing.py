"""``if may(c):`` in numbers.py only saves time: without the guards everything comes out the same."""

import functools

from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.domain import W8, W64, plain

FIELDS = (
    "smin_value", "smax_value", "umin_value", "umax_value",
    "s32_min_value", "s32_max_value", "u32_min_value", "u32_max_value",
)  # fmt: skip


@functools.cache
def domains(width):
    guarded, open_ = plain(width), plain(width)
    open_.may = lambda c: True
    return guarded, open_


def states(width):
    """Any fields, consistent or not; many equal or near, so that the steps have something to tell."""
    edge = st.sampled_from([0, 1, width.low // 2, width.low // 2 + 1, width.low, width.mask // 2, width.mask])
    word = st.one_of(st.integers(0, width.mask), edge, st.integers(0, 5))
    low = word.map(lambda x: x & width.low)
    return st.tuples(word, word, *[word] * 4, *[low] * 4)


def make(d, values):
    width = d.width
    value, mask, *rest = values

    def signed(x, bits):
        return (x ^ 1 << bits - 1) - (1 << bits - 1)

    s64, u64, s32, u32 = (sorted(rest[i : i + 2]) for i in range(0, 8, 2))
    s64 = sorted(signed(x, width.bits) for x in s64)
    s32 = sorted(signed(x, width.half) for x in s32)
    return d.make_bounds(d.tnum(value & ~mask, mask), *s64, *u64, *s32, *u32)


def fields(b):
    return (b.var_off.value, b.var_off.mask, *(getattr(b, name) for name in FIELDS))


def check(width, values):
    guarded, open_ = domains(width)
    assert fields(guarded.sync_bounds(make(guarded, values))) == fields(open_.sync_bounds(make(open_, values)))


@given(states(W64))
@settings(max_examples=150, deadline=None)
def test_sync_at_64_bits(values):
    check(W64, values)


@given(states(W8))
@settings(max_examples=150, deadline=None)
def test_sync_at_8_bits(values):
    check(W8, values)


@given(*[st.integers(0, 255)] * 4)
@settings(max_examples=100, deadline=None)
def test_multiplication(a, a_mask, b, b_mask):
    guarded, open_ = domains(W64)
    products = [d.tnum_mul(d.tnum(a & ~a_mask, a_mask), d.tnum(b & ~b_mask, b_mask)) for d in (guarded, open_)]
    assert {(t.value, t.mask) for t in products} == {(products[0].value, products[0].mask)}
