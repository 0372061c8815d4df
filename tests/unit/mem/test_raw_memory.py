"""Raw loads, stores and atomics: one meaning, compiled and uncompiled."""

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.mem import raw

U64 = st.integers(0, 2**64 - 1)
WORDS = {8: (raw.load8, raw.store8), 16: (raw.load16, raw.store16), 32: (raw.load32, raw.store32),
         64: (raw.load64, raw.store64)}  # fmt: skip
FETCH = {
    "add": (lambda a, b: a + b, raw.fetch_add32, raw.fetch_add64),
    "or": (lambda a, b: a | b, raw.fetch_or32, raw.fetch_or64),
    "and": (lambda a, b: a & b, raw.fetch_and32, raw.fetch_and64),
    "xor": (lambda a, b: a ^ b, raw.fetch_xor32, raw.fetch_xor64),
    "xchg": (lambda a, b: b, raw.xchg32, raw.xchg64),
}


@pytest.fixture(scope="module")
def addr():
    buffer = ctypes.create_string_buffer(64)
    yield ctypes.addressof(buffer)
    del buffer


@pytest.mark.parametrize("bits", WORDS)
@given(value=U64, before=st.binary(min_size=16, max_size=16), off=st.integers(0, 8))
def test_a_store_changes_exactly_its_bytes(addr, bits, value, before, off):
    load, store = WORDS[bits]
    raw.write_bytes(addr, before)
    store(addr + off, value)
    expected = value % 2**bits
    assert load(addr + off) == expected
    assert raw.read_bytes(addr, 16) == before[:off] + expected.to_bytes(bits // 8, "little") + before[off + bits // 8 :]


@pytest.mark.parametrize("name", FETCH)
@given(old=U64, operand=U64)
def test_read_modify_write_returns_the_old_value(addr, name, old, operand):
    meaning, op32, op64 = FETCH[name]
    raw.store64(addr, old)
    assert op64(addr, operand) == old
    assert raw.load64(addr) == meaning(old, operand) % 2**64
    raw.store64(addr, old)
    assert op32(addr, operand) == old % 2**32
    assert raw.load64(addr) == meaning(old, operand) % 2**32 + (old >> 32 << 32)


@given(old=U64, expected=U64, new=U64, hit=st.booleans())
def test_cmpxchg_stores_only_when_the_expected_value_is_there(addr, old, expected, new, hit):
    if hit:
        expected = old
    raw.store64(addr, old)
    assert raw.cmpxchg64(addr, expected, new) == old
    assert raw.load64(addr) == (new if expected == old else old)
    raw.store64(addr, old)
    assert raw.cmpxchg32(addr, expected, new) == old % 2**32
    low = new if expected % 2**32 == old % 2**32 else old
    assert raw.load64(addr) == low % 2**32 + (old >> 32 << 32)


@given(a=st.binary(min_size=8, max_size=8), b=st.binary(min_size=8, max_size=8))
def test_compare_orders_as_bytes_do(addr, a, b):
    raw.write_bytes(addr, a)
    raw.write_bytes(addr + 8, b)
    sign = raw.compare(addr, addr + 8, 8)
    assert (sign > 0) - (sign < 0) == (a > b) - (a < b)


def test_copy_allows_overlap_and_fill_fills(addr):
    raw.write_bytes(addr, b"abcdefgh")
    raw.copy(addr + 2, addr, 6)
    assert raw.read_bytes(addr, 8) == b"ababcdef"
    raw.fill(addr + 1, 0x55, 3)
    assert raw.read_bytes(addr, 8) == b"aUUUcdef"


def test_acquire_and_release_are_loads_and_stores(addr):
    raw.store64(addr, 2**64 - 1)
    raw.store_release32(addr, 7)
    assert raw.load_acquire32(addr) == 7
    raw.store_release64(addr, 2**40)
    assert raw.load_acquire64(addr) == 2**40
