"""The conformance vectors themselves: format, coverage of every row, and that a wrong result is noticed."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from beespace.errors import InputError
from beespace.isa import ROWS, assemble, check_fields, check_insns, check_operand, names
from beespace.testing.vectors import Case, parse, rows_of, vectors
from gen_vectors import M64, alu, taken

ROOT = Path(__file__).parents[3]
BY_ID = {row.id: row for row in ROWS}
TEXT = """
# remark
== ADD.alu64.K five
kind: memory
asm:
    r0 = *(u64 *)(r1 + 0)
    r0 += 5
    exit
cases:
    0x1 -> 0x6
    0xffffffffffffffff 0x2 -> 4 ; 0xffffffffffffffff 0x2
"""


def test_every_row_has_vectors_of_its_own():
    cases = Counter()
    for vector in vectors():
        cases[vector.row_id] += len(vector.cases)
    assert cases.keys() == BY_ID.keys()
    edges = ("alu", "swap", "jmp", "ldx", "st", "stx", "atomic")
    few = {row.id for row in ROWS if row.family in edges and cases[row.id] < 6}
    assert few == {"ADDR_SPACE_CAST.alu64.X"}


def test_a_vector_contains_the_row_it_is_about():
    assert not [v.name for v in vectors() if BY_ID[v.row_id] not in rows_of(v)]


def test_programs_are_legal():
    for vector in vectors():
        insns = assemble(vector.asm).insns
        assert check_insns(insns) is None, vector.name
        second = {i + 1 for i, insn in enumerate(insns) if insn.code == 0x18}
        bad = [check_fields(x) or check_operand(x) for i, x in enumerate(insns) if i not in second]
        assert not any(bad), vector.name


def test_parsing():
    (vector,) = parse(TEXT, "x.data")
    assert (vector.name, vector.row_id, vector.line, vector.kind) == ("ADD.alu64.K five", "ADD.alu64.K", 3, "memory")
    assert vector.cases == (Case((1,), 6, line=10), Case((2**64 - 1, 2), 4, (2**64 - 1, 2), line=11))
    assert vector.cases[0].memory == b"\1" + bytes(63)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "x.data: line 1: 'nonsense' before the first vector"),
        ("== a\nasm:\n exit\ncases:\n what", "x.data: line 5: ' what' is no part of a vector"),
        ("== a\nasm:\n exit", "x.data: line 1: vector 'a' has no program or no cases"),
    ],
)
def test_malformed_files(text, message):
    with pytest.raises(InputError) as caught:
        list(parse(text, "x.data"))
    assert str(caught.value) == message


def test_a_wrong_result_is_noticed():
    (vector,) = parse(TEXT, "x.data")
    first, second = vector.cases
    assert vector.check(first, 6, bytes(64)) is None
    assert str(vector.check(first, 7, bytes(64))) == "x.data:10: ADD.alu64.K five: r0 is 0x7, not 0x6"
    assert vector.check(second, 4, second.memory) is None
    assert str(vector.check(second, 4, bytes(64))) == (
        "x.data:11: ADD.alu64.K five: r0 is 0x4, not 0x4; memory 0x0 0x0, not 0xffffffffffffffff 0x2"
    )
    packet = replace(vector, kind="packet")
    assert packet.check(first, 0x1_0000_0006, b"") is None


def test_generated_vectors_are_current():
    run = subprocess.run(
        [sys.executable, ROOT / "tools/gen_vectors.py", "--check"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    assert run.returncode == 0, run.stderr


BINARY = names("alu") - {"MOVSX", "ADDR_SPACE_CAST", "NEG"}
ALU_VECTORS = [vector for vector in vectors() if vector.file == "alu.data"]


# Words a vector's program works on: (a, b) for two registers, (a, immediate).
def operands(vector, case):
    row = BY_ID[vector.row_id]
    if row.src == "X":
        return case.words if len(case.words) == 2 else case.words * 2
    return case.words[0], int(vector.name.split()[-1])


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.name in BINARY],
    ids=lambda row: row.id,
)
def test_vectors_tell_an_operation_from_every_other(row):
    cases = [(operands(v, c), c.r0) for v in ALU_VECTORS if v.row_id == row.id for c in v.cases]
    for bits in (32, 64):
        for other in BINARY:
            same = all(alu(other, bits, a & M64, b & M64) == r0 for (a, b), r0 in cases)
            assert same == (other == row.name and bits == row.width), f"{other} on {bits} bits"


@pytest.mark.parametrize("row", [row for row in ROWS if row.family == "jmp"], ids=lambda row: row.id)
def test_vectors_tell_a_comparison_from_every_other(row):
    for way in ("forward", "backward"):
        cases = []
        for vector in vectors():
            if vector.row_id == row.id and f" {way}" in vector.name:
                imm = None if row.src == "X" else int(vector.name.split()[-1])
                cases += [(c.words if imm is None else (c.words[0], imm), c.r0 == 1) for c in vector.cases]
        for bits in (32, 64):
            for other in names("jmp"):
                same = all(taken(other, bits, a & M64, b & M64) == jumped for (a, b), jumped in cases)
                assert same == (other == row.name and bits == row.width), f"{way}: {other} on {bits} bits"
