"""Which encodings are legal, in the kernel's words and in the kernel's order.

The kernel looks at encodings in two places: once over all instructions before it explores (``check_insns``), and then
at each instruction that a path reaches (``check_fields`` before its registers, ``check_operand`` after them). All three
give EINVAL. What a message does not depend on lies in the rows: a field that a row does not mention is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from beespace.isa.insn import Insn
from beespace.isa.rows import OPCODES, row_of
from beespace.uapi import bpf

__all__ = [
    "LD_IMM64",
    "Illegal",
    "check_fields",
    "check_insns",
    "check_ld_imm64",
    "check_opcode",
    "check_operand",
    "is_ld_imm64",
]

LD_IMM64 = bpf.BPF_LD | bpf.BPF_IMM | bpf.BPF_DW
_LDX_MODES = (bpf.BPF_MEM, bpf.BPF_MEMSX)
_TWO_WORDS = (bpf.BPF_PSEUDO_MAP_VALUE, bpf.BPF_PSEUDO_MAP_IDX_VALUE)
_ONE_WORD = (bpf.BPF_PSEUDO_MAP_FD, bpf.BPF_PSEUDO_MAP_IDX)
_AS_CASTS = (1, 1 << 16)  # (dst << 16 | src) address spaces: 1 to 0, 0 to 1
_SHIFTS = ("LSH", "RSH", "ARSH")
_DIVISIONS = ("DIV", "SDIV", "MOD", "SMOD")


class Illegal(NamedTuple):
    """An encoding the kernel refuses with EINVAL."""

    insn_idx: int
    message: str


def is_ld_imm64(insn: Insn) -> bool:
    """Whether *insn* takes two slots."""
    return insn.code == LD_IMM64


def check_insns(insns: Sequence[Insn]) -> Illegal | None:
    """The pass over all instructions: known opcodes, LDX fields, both slots of LD_IMM64. The first fault, or None.

    The kernel resolves maps and BTF ids in the same pass: a caller that does so too checks instruction by instruction
    with check_opcode() and check_ld_imm64().
    :see: kernel/bpf/verifier.c:resolve_pseudo_ldimm64
    """
    idx = 0
    while idx < len(insns):
        insn = insns[idx]
        if message := check_opcode(insn):
            return Illegal(idx, message)
        if is_ld_imm64(insn):
            if message := check_ld_imm64(insn, insns[idx + 1] if idx + 1 < len(insns) else None):
                return Illegal(idx, message)
            idx += 1
        idx += 1
    return None


def check_opcode(insn: Insn) -> str | None:
    """Message for an unknown opcode, or for LDX with anything in ``imm``; None when fine."""
    if insn.code & 7 == bpf.BPF_LDX and (insn.code & 0xE0 not in _LDX_MODES or insn.imm):
        return "BPF_LDX uses reserved fields"
    if insn.code not in OPCODES:
        return f"unknown opcode {insn.code:02x}"
    return None


def check_ld_imm64(insn: Insn, second: Insn | None) -> str | None:
    """Message for an LD_IMM64 whose second slot or source is malformed; None when fine.

    :param second: the following slot, None at the end of the program.
    """
    if second is None or second[:4] != (0, 0, 0, 0):
        return "invalid bpf_ld_imm64 insn"
    if insn.src_reg in (0, bpf.BPF_PSEUDO_BTF_ID, bpf.BPF_PSEUDO_FUNC) or insn.src_reg in _TWO_WORDS:
        return None
    if insn.src_reg in _ONE_WORD and second.imm == 0:
        return None
    return "unrecognized bpf_ld_imm64 insn"


def check_fields(insn: Insn) -> str | None:
    """Message for a value in a field that the instruction does not have; None when fine.

    *insn* has passed check_insns(). Register numbers are not looked at. The kernel asks before it looks at registers,
    except that a conditional jump's ``dst_reg`` comes first, and that it asks LD_ABS for its program type first.
    :see: kernel/bpf/verifier.c:do_check_insn, check_alu_op, check_cond_jmp_op, check_atomic, check_ld_imm, check_ld_abs
    """
    row = row_of(insn)
    if row is None:
        return _no_such_row(insn)
    if row.name == "ADDR_SPACE_CAST":
        if insn.imm not in _AS_CASTS:
            return "addr_space_cast insn can only convert between address space 1 and 0"
        return None
    for field, value in row.fixed:
        if insn[field] != value:
            return _reserved(insn)
    return None


def check_operand(insn: Insn) -> str | None:
    """Message for an immediate operand that the operation does not take; None when fine.

    The kernel asks after it has checked the registers, so a register that is not initialised is reported first.
    """
    row = row_of(insn)
    if row is None or row.src != "K":
        return None
    if row.name in _DIVISIONS and insn.imm == 0:
        return "div by zero"
    if row.name in _SHIFTS and not 0 <= insn.imm < row.width:
        return f"invalid shift {insn.imm}"
    return None


# The opcode is known, the field that selects the row has another value.
def _no_such_row(insn: Insn) -> str:
    if insn.code & 7 == bpf.BPF_STX:
        known = any(row_of(insn._replace(code=insn.code & ~0x18 | size)) for size in (bpf.BPF_W, bpf.BPF_DW))
        if known:
            return "invalid atomic operand size"
        return f"BPF_ATOMIC uses invalid atomic opcode {insn.imm & 0xFFFFFFFF:02x}"
    return _reserved(insn)


# The message is the same for every field of an instruction.
def _reserved(insn: Insn) -> str:
    op = insn.code & 0xF0
    match insn.code & 7:
        case bpf.BPF_ALU | bpf.BPF_ALU64:
            what = {bpf.BPF_NEG: "BPF_NEG", bpf.BPF_END: "BPF_END", bpf.BPF_MOV: "BPF_MOV"}.get(op, "BPF_ALU")
        case bpf.BPF_JMP | bpf.BPF_JMP32:
            if op == bpf.BPF_JCOND:
                return f"invalid may_goto imm {insn.imm}"
            what = {bpf.BPF_CALL: "BPF_CALL", bpf.BPF_JA: "BPF_JA", bpf.BPF_EXIT: "BPF_EXIT"}.get(op, "BPF_JMP/JMP32")
        case bpf.BPF_LD:
            what = "BPF_LD_IMM64" if is_ld_imm64(insn) else "BPF_LD_[ABS|IND]"
        case bpf.BPF_ST:
            what = "BPF_ST"
        case bpf.BPF_STX:
            what = "BPF_STX"
        case _:
            what = "BPF_LDX"
    return f"{what} uses reserved fields"
