"""Legality: the kernel's message for each kind of fault (tests/oracle asks the kernel for the same)."""

import pytest

from beespace.isa import Illegal, Insn, assemble, check_fields, check_insns, check_operand

EXIT = Insn(0x95, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("insn", "message"),
    [
        (Insn(0x07, 1, 2, 0, 5), "BPF_ALU uses reserved fields"),
        (Insn(0x07, 1, 0, 1, 5), "BPF_ALU uses reserved fields"),
        (Insn(0x0F, 1, 2, 0, 5), "BPF_ALU uses reserved fields"),
        (Insn(0x37, 1, 0, 2, 5), "BPF_ALU uses reserved fields"),
        (Insn(0xB7, 1, 1, 0, 5), "BPF_MOV uses reserved fields"),
        (Insn(0xBF, 1, 2, 7, 0), "BPF_MOV uses reserved fields"),
        (Insn(0xBC, 1, 2, 32, 0), "BPF_MOV uses reserved fields"),
        (Insn(0xBF, 1, 2, 8, 1), "BPF_MOV uses reserved fields"),
        (Insn(0xBF, 1, 2, 1, 2), "addr_space_cast insn can only convert between address space 1 and 0"),
        (Insn(0xBF, 1, 2, 1, 1 << 16), None),
        (Insn(0x87, 1, 0, 0, 1), "BPF_NEG uses reserved fields"),
        (Insn(0xD4, 1, 0, 0, 8), "BPF_END uses reserved fields"),
        (Insn(0xD7, 1, 0, 1, 16), "BPF_END uses reserved fields"),
        (Insn(0x05, 1, 0, 0, 0), "BPF_JA uses reserved fields"),
        (Insn(0x06, 0, 0, 1, 0), "BPF_JA uses reserved fields"),
        (Insn(0x15, 1, 1, 0, 0), "BPF_JMP/JMP32 uses reserved fields"),
        (Insn(0x1E, 1, 1, 0, 1), "BPF_JMP/JMP32 uses reserved fields"),
        (Insn(0xE5, 0, 0, 0, 0), None),
        (Insn(0xE5, 0, 1, 3, 4), "invalid may_goto imm 4"),
        (Insn(0x85, 0, 3, 0, 1), "BPF_CALL uses reserved fields"),
        (Insn(0x85, 0, 0, 1, 1), "BPF_CALL uses reserved fields"),
        (Insn(0x85, 0, 2, 1, 1), None),
        (Insn(0x95, 0, 0, 0, 1), "BPF_EXIT uses reserved fields"),
        (Insn(0x18, 1, 0, 1, 1), "BPF_LD_IMM64 uses reserved fields"),
        (Insn(0x30, 1, 0, 0, 1), "BPF_LD_[ABS|IND] uses reserved fields"),
        (Insn(0x72, 1, 1, 0, 1), "BPF_ST uses reserved fields"),
        (Insn(0x73, 1, 1, 0, 1), "BPF_STX uses reserved fields"),
        (Insn(0xDB, 1, 1, 0, 0x20), "BPF_ATOMIC uses invalid atomic opcode 20"),
        (Insn(0xDB, 1, 1, 0, -1), "BPF_ATOMIC uses invalid atomic opcode ffffffff"),
        (Insn(0xD3, 1, 1, 0, 1), "invalid atomic operand size"),
        (Insn(0xD3, 1, 1, 0, 0x100), None),
    ],
)
def test_reserved_fields(insn, message):
    assert check_fields(insn) == message


@pytest.mark.parametrize(
    ("insn", "message"),
    [
        (Insn(0x37, 1, 0, 0, 0), "div by zero"),
        (Insn(0x94, 1, 0, 1, 0), "div by zero"),
        (Insn(0x64, 1, 0, 0, 32), "invalid shift 32"),
        (Insn(0xC7, 1, 0, 0, -1), "invalid shift -1"),
        (Insn(0x67, 1, 0, 0, 63), None),
        (Insn(0x6F, 1, 2, 0, 0), None),
    ],
)
def test_immediate_operands(insn, message):
    assert check_fields(insn) is None
    assert check_operand(insn) == message


@pytest.mark.parametrize(
    ("insns", "illegal"),
    [
        ([Insn(0x00, 0, 0, 0, 0)], Illegal(0, "unknown opcode 00")),
        ([EXIT, Insn(0x8D, 1, 0, 0, 0)], Illegal(1, "unknown opcode 8d")),
        ([Insn(0x99, 1, 1, 0, 0)], Illegal(0, "unknown opcode 99")),
        ([Insn(0x61, 1, 1, 0, 7)], Illegal(0, "BPF_LDX uses reserved fields")),
        ([Insn(0xC1, 1, 1, 0, 0)], Illegal(0, "BPF_LDX uses reserved fields")),
        ([Insn(0x18, 1, 0, 0, 7)], Illegal(0, "invalid bpf_ld_imm64 insn")),
        ([EXIT, Insn(0x18, 1, 0, 0, 7), EXIT], Illegal(1, "invalid bpf_ld_imm64 insn")),
        ([Insn(0x18, 1, 7, 0, 7), Insn(0, 0, 0, 0, 0)], Illegal(0, "unrecognized bpf_ld_imm64 insn")),
        ([Insn(0x18, 1, 1, 0, 7), Insn(0, 0, 0, 0, 9)], Illegal(0, "unrecognized bpf_ld_imm64 insn")),
        ([Insn(0x18, 1, 2, 0, 7), Insn(0, 0, 0, 0, 9), EXIT], None),
    ],
)
def test_the_pass_over_all_instructions(insns, illegal):
    assert check_insns(insns) == illegal


def test_a_legal_program_passes():
    asm = assemble("r1 = 5 ll; r0 = 0; if r0 == 0 goto +1; r0 += r1; lock *(u64 *)(r10 - 8) += r1; exit")
    assert check_insns(asm.insns) is None
    assert not [insn for insn in asm.insns if insn.code and check_fields(insn)]
