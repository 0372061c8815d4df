"""Generated programs: the same for a seed, well formed, and mostly what a verifier accepts."""

import pytest

from beespace.isa import decode_insns, encode_insns
from beespace.testing.fuzz.emit import emit
from beespace.testing.fuzz.program import generate, walk


@pytest.mark.parametrize("seed", range(25))
def test_a_seed_makes_the_same_program(seed):
    first, second = emit(generate(seed)), emit(generate(seed))
    assert first == second
    assert decode_insns(encode_insns(first.insns)) == first.insns


def test_all_kinds_of_statements_occur():
    kinds = {node.kind for seed in range(150) for node in walk(generate(seed, size=40).body)}
    assert kinds >= {
        "alu", "alu_const", "load_imm", "endian", "movsx", "neg", "store", "store_const", "load", "load_sx", "atomic",
        "map_value", "map_index", "packet", "packet_index", "ctx", "branch", "branch_reg", "loop", "may_goto",
        "map_update", "map_delete", "call",
    }  # fmt: skip


def test_jumps_and_calls_stay_inside_the_program():
    for seed in range(60):
        insns = emit(generate(seed)).insns
        for idx, insn in enumerate(insns):
            if insn.code & 7 in (5, 6) and insn.code not in (0x85, 0x95):
                assert 0 <= idx + 1 + insn.off < len(insns), f"seed {seed}: insn {idx}"
            if insn.code == 0x85 and insn.src_reg == 1:
                assert 0 < idx + 1 + insn.imm < len(insns)
