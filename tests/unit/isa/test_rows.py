"""The tables: the standard's own table, uniqueness, classification."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beespace.isa import ROWS, Insn, check_fields, check_opcode, decode_insns, encode_insns, names, row_by_key, row_of
from beespace.isa.rows import OPCODES
from beespace.uapi import bpf

INSNS = st.builds(
    Insn,
    st.integers(0, 255),
    st.integers(0, 15),
    st.integers(0, 15),
    st.integers(-(1 << 15), (1 << 15) - 1),
    st.integers(-(1 << 31), (1 << 31) - 1),
)
# What Linux has beyond the RFC, and kfunc calls' fd_array index, which the RFC keeps at zero.
BEYOND_RFC = {"ADDR_SPACE_CAST", "MAY_GOTO", "LOAD_ACQ", "STORE_REL"}


def rfc_rows():
    for line in (Path(__file__).parent / "rfc9669.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        *codes, src_reg, off, imm, group = line.split()
        for code in codes:
            yield int(code, 16), src_reg, off, imm, group


def field_of(row, field):
    if field in row.free:
        return "any"
    return getattr(row, field) or 0


def value(text):
    return text if text == "any" else int(text, 0)


def test_rows_are_those_of_the_standard():
    standard = {(code, value(s), value(o), value(i), group) for code, s, o, i, group in rfc_rows()}
    ours = {
        (row.code, field_of(row, "src_reg"), field_of(row, "off"), field_of(row, "imm"), row.group)
        for row in ROWS
        if row.name not in BEYOND_RFC
    }
    assert ours == standard


def test_rows_beyond_the_standard():
    assert {row.name for row in ROWS if not row.group} == BEYOND_RFC


def test_keys_and_ids_are_unique():
    assert len({row.key for row in ROWS}) == len({row.id for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row_of_finds_the_row_whatever_the_free_fields_hold(row):
    assert row_by_key(*row.key) is row
    full = {"dst_reg": 9, "src_reg": 3, "off": 0x7FFF, "imm": 0x12345678}
    assert row_of(row.insn(**full)) is row
    assert row_of(row.insn()) is row


@settings(deadline=None)
@given(INSNS)
def test_decode_of_encode(insn):
    assert decode_insns(insn.encode()) == (insn,)
    assert encode_insns(decode_insns(insn.encode())) == insn.encode()


@settings(deadline=None)
@given(INSNS)
def test_what_has_no_row_is_illegal(insn):
    if row_of(insn) is None:
        assert check_opcode(insn) or check_fields(insn)


@settings(deadline=None)
@given(INSNS, st.sampled_from(ROWS))
def test_a_field_that_a_row_does_not_mention_is_illegal(insn, row):
    fields = {field: getattr(insn, field) for field in ("dst_reg", "src_reg", "off", "imm")}
    legal = row.insn(**{field: value for field, value in fields.items() if field in row.free})
    for field in fields.keys() - set(row.free):
        changed = legal._replace(**{field: fields[field]})
        if changed != legal and row_of(changed) is row:
            assert check_opcode(changed) or check_fields(changed)


def test_opcodes_count():
    # kernel/bpf/core.c:bpf_opcode_in_insntable of 6.18; the oracle test asks the kernel for all 256
    assert len(OPCODES) == 128
    assert bpf.BPF_JMP | bpf.BPF_CALL | bpf.BPF_X not in OPCODES


def test_names_of_families():
    assert "SDIV" in names("alu")
    assert names("swap") == {"LE", "BE", "BSWAP"}
    assert names("ldx", "st", "stx") == {"LDX", "LDSX", "ST", "STX"}


def test_code_of_a_row_agrees_with_the_header():
    assert row_by_key("SDIV", "alu64", "X").code == bpf.BPF_ALU64 | bpf.BPF_DIV | bpf.BPF_X
    assert row_by_key("LDSX", "ldx", "16").code == bpf.BPF_LDX | bpf.BPF_MEMSX | bpf.BPF_H
    assert row_by_key("ATOMIC_CMPXCHG", "stx", "64").insn(1, 2, 8).imm == bpf.BPF_CMPXCHG
    assert row_by_key("ARSH", "alu", "K").insn(3, imm=5) == Insn(0xC4, 3, 0, 0, 5)
