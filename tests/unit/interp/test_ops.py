"""The meaning of arithmetic and comparisons, against Python's integers."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beespace.decl.words import s32, s64
from beespace.interp import kinds
from beespace.interp import machine as ops
from beespace.isa import names

EDGES = (0, 1, 2, 31, 32, 33, 63, 64, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32)
WORDS = sorted({w for e in EDGES for w in (e, -e & 2**64 - 1, e | 1 << 63, (e << 32) & 2**64 - 1)})
word = st.one_of(st.sampled_from(WORDS), st.integers(0, 2**64 - 1))


def signed(value, bits):
    return s32(value) if bits == 32 else s64(value)


def truncated_division(a, b):
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


EXPECTED = {
    "ADD": lambda a, b, bits: a + b,
    "SUB": lambda a, b, bits: a - b,
    "MUL": lambda a, b, bits: a * b,
    "DIV": lambda a, b, bits: a // b if b else 0,
    "SDIV": lambda a, b, bits: truncated_division(signed(a, bits), signed(b, bits)) if b else 0,
    "OR": lambda a, b, bits: a | b,
    "AND": lambda a, b, bits: a & b,
    "LSH": lambda a, b, bits: a << b % bits,
    "RSH": lambda a, b, bits: a >> b % bits,
    "NEG": lambda a, b, bits: -a,
    "MOD": lambda a, b, bits: a % b if b else a,
    "SMOD": lambda a, b, bits: (
        signed(a, bits) - signed(b, bits) * truncated_division(signed(a, bits), signed(b, bits)) if b else a
    ),
    "XOR": lambda a, b, bits: a ^ b,
    "MOV": lambda a, b, bits: b,
    "ARSH": lambda a, b, bits: signed(a, bits) >> b % bits,
}
CONDITIONS = {
    "JEQ": lambda a, b, bits: a == b,
    "JNE": lambda a, b, bits: a != b,
    "JSET": lambda a, b, bits: bool(a & b),
    "JGT": lambda a, b, bits: a > b,
    "JGE": lambda a, b, bits: a >= b,
    "JLT": lambda a, b, bits: a < b,
    "JLE": lambda a, b, bits: a <= b,
    "JSGT": lambda a, b, bits: signed(a, bits) > signed(b, bits),
    "JSGE": lambda a, b, bits: signed(a, bits) >= signed(b, bits),
    "JSLT": lambda a, b, bits: signed(a, bits) < signed(b, bits),
    "JSLE": lambda a, b, bits: signed(a, bits) <= signed(b, bits),
}


def test_every_operation_has_a_meaning():
    # address space casts need the arena of the program: the loop knows them
    assert ops.ALU.keys() | {"ADDR_SPACE_CAST"} == names("alu")
    assert ops.SWAP.keys() == names("swap")
    assert ops.JMP.keys() == names("jmp")
    assert ops.ATOMIC.keys() == names("atomic")


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", EXPECTED)
def test_arithmetic_on_edges(name, bits):
    mask = 2**bits - 1
    for a in WORDS:
        for b in WORDS:
            got = ops.ALU[name](a & mask, b & mask, bits, 0) & mask
            assert got == EXPECTED[name](a & mask, b & mask, bits) & mask, (hex(a), hex(b))


@given(st.sampled_from(sorted(EXPECTED)), st.sampled_from([32, 64]), word, word)
def test_arithmetic(name, bits, a, b):
    mask = 2**bits - 1
    a, b = a & mask, b & mask
    assert ops.ALU[name](a, b, bits, 0) & mask == EXPECTED[name](a, b, bits) & mask


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_on_edges(name, bits):
    mask = 2**bits - 1
    for a in WORDS:
        for b in WORDS:
            assert bool(ops.JMP[name](a & mask, b & mask, bits)) == CONDITIONS[name](a & mask, b & mask, bits)


@given(word, st.sampled_from([8, 16, 32]), st.sampled_from([32, 64]))
def test_movsx_extends_the_low_bits(value, width, bits):
    low = value & 2**width - 1
    expected = low - 2**width if low >> (width - 1) else low
    assert ops.ALU["MOVSX"](0, value, bits, width) & 2**bits - 1 == expected & 2**bits - 1


@given(word, st.sampled_from([16, 32, 64]))
def test_byte_swaps(value, width):
    low = (value & 2**width - 1).to_bytes(width // 8, "little")
    assert ops.SWAP["LE"](value, 0, width, 0) == int.from_bytes(low, "little")
    assert ops.SWAP["BE"](value, 0, width, 0) == int.from_bytes(low, "big")
    assert ops.SWAP["BSWAP"](value, 0, width, 0) == int.from_bytes(low, "big")


@pytest.mark.repository
def test_kinds_are_the_enum_of_the_compiled_loop():
    text = (Path(kinds.__file__).parent / "code.pxd").read_text()
    assert {name: int(value) for name, value in re.findall(r"(K_\w+) = (\d+)", text)} == {
        name: value for name, value in vars(kinds).items() if name.startswith("K_")
    }
