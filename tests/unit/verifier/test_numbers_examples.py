"""Examples of what the number domain knows, as a reader would check them by hand."""

import pytest

from beespace.verifier import numbers as n

ADD, MUL, AND, LSH, RSH, NEG, DIV, ARSH = 0x00, 0x20, 0x50, 0x60, 0x70, 0x80, 0x30, 0xC0
JEQ, JNE, JSET, JLT, JSGT = 0x10, 0x50, 0x40, 0xA0, 0x60
BYTE = n.coerce_reg_to_size(n.unknown(), 1)


def test_a_byte_load_bounds_everything():
    assert (BYTE.umin_value, BYTE.umax_value, BYTE.smax_value, BYTE.u32_max_value) == (0, 255, 255, 255)
    assert BYTE.var_off == n.tnum(0, 0xFF)


def test_signed_fields_read_signed():
    minus = n.const(2**64 - 1)
    assert (minus.smin_value, minus.s32_max_value) == (-1, -1)
    assert (minus.umin_value, minus.u32_max_value) == (2**64 - 1, 2**32 - 1)


def test_add_keeps_the_shape_when_both_ends_wrap():
    high = n.refine(JLT, n.unknown(), n.const(2**64 - 16), False)[1][0]
    assert (high.umin_value, high.umax_value) == (2**64 - 16, 2**64 - 1)
    wrapped = n.alu(ADD, high, n.const(32), True)
    assert (wrapped.umin_value, wrapped.umax_value) == (16, 31)


def test_negation():
    neg = n.alu(NEG, BYTE, n.unknown(), True)
    assert (neg.smin_value, neg.smax_value) == (-255, 0)


def test_division_and_shift_by_an_unknown_number_are_not_tracked():
    assert n.alu(DIV, BYTE, n.const(3), True) == n.unknown()
    assert n.alu(LSH, BYTE, BYTE, True) == n.unknown()


def test_sign_extension_of_a_byte():
    assert (n.movsx(BYTE, 8, True).smin_value, n.movsx(BYTE, 8, True).smax_value) == (-128, 127)
    narrow = n.movsx(BYTE, 8, False)
    assert (narrow.s32_min_value, narrow.smin_value) == (-128, 0)


def test_jset_of_one_bit():
    (taken, _), (fell, _) = n.refine(JSET, BYTE, n.const(0x80), False)
    assert (taken.umin_value, fell.umax_value) == (0x80, 0x7F)


@pytest.mark.parametrize(("op", "other", "expected"), [(JLT, 256, 1), (JEQ, 256, 0), (JNE, 256, 1), (JLT, 255, -1)])
def test_branch(op, other, expected):
    assert n.branch(op, BYTE, n.const(other), False) == expected


def test_linked_register_follows_its_base():
    narrowed = n.refine(JLT, n.unknown(), n.const(10), False)[0][0]
    later = n.linked(narrowed, 5)
    assert (later.umin_value, later.umax_value) == (5, 14)


def test_contradiction_has_the_kernels_words():
    assert n.reg_bounds_sanity_check(BYTE) == ""
    upside_down = n.make_bounds(n.tnum_unknown(), 0, 5, 6, 5, 0, 5, 0, 5)
    assert n.reg_bounds_sanity_check(upside_down) == "range bounds violation"
    stale = n.make_bounds(n.tnum(3, 0), 0, 5, 0, 5, 0, 5, 0, 5)
    assert n.reg_bounds_sanity_check(stale) == "const tnum out of sync with range bounds"


def test_within():
    assert n.scalar_within(n.unknown(), BYTE)
    assert not n.scalar_within(BYTE, n.unknown())
    assert not n.scalar_within(n.alu(AND, BYTE, n.const(0xF0), True), BYTE)


def test_equality_and_hash_by_value():
    again = n.coerce_reg_to_size(n.unknown(), 1)
    assert again == BYTE
    assert hash(again) == hash(BYTE)
    assert again != n.unknown()
    assert n.tnum(1, 2) == n.tnum(1, 2)
    assert len({n.tnum(1, 2), n.tnum(1, 2)}) == 1


def test_tnum_refuses_bits_both_known_and_unknown():
    with pytest.raises(ValueError, match="both known and unknown"):
        n.tnum(1, 1)
