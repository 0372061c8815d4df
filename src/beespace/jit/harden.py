"""Programs that nobody has verified, made fit for compiling: what cannot be executed faults when it is reached."""

from __future__ import annotations

from dataclasses import replace

from beespace.decl.prog import SubprogInfo, XlatedProgram
from beespace.isa import LD_IMM64, Insn, check_fields, check_opcode, row_by_key, row_of
from beespace.uapi import bpf as uapi

__all__ = ["harden"]

_EXIT = row_by_key("EXIT", "jmp").insn()
_REGS = 11
_FAMILIES = ("alu", "swap", "jmp", "goto", "call", "exit", "ldx", "st", "stx", "atomic", "imm64")
_READS_ONLY = ("jmp", "goto", "call", "exit", "st", "stx")


def harden(prog: XlatedProgram) -> tuple[XlatedProgram, dict[int, str]]:
    """*prog* with subprograms wherever a call leads, and what is wrong with which instruction.

    An EXIT stands in the place of each of those.
    """
    insns = list(prog.insns)
    faults: dict[int, str] = {}
    starts = set()
    idx = 0
    while idx < len(insns):
        message = _fault(prog, insns, idx)
        if message:
            faults[idx], insns[idx] = message, _EXIT
        starts.add(idx)
        idx += 2 if insns[idx].code == LD_IMM64 else 1
    calls = {idx: idx + 1 + insns[idx].imm for idx in starts if _calls_subprog(insns[idx])}
    for idx, target in calls.items():
        if target not in starts:
            faults[idx], insns[idx] = f"call of insn {target}: no instruction there", _EXIT
    known = {subprog.start: subprog for subprog in prog.subprogs if subprog.start in starts}
    for start in (0, *(target for target in calls.values() if target in starts)):
        known.setdefault(start, SubprogInfo(start))
    subprogs = tuple(known[start] for start in sorted(known))
    return replace(prog, insns=tuple(insns), subprogs=subprogs), faults


def _calls_subprog(insn: Insn) -> bool:
    return insn.code == uapi.BPF_JMP | uapi.BPF_CALL and insn.src_reg == uapi.BPF_PSEUDO_CALL


def _fault(prog: XlatedProgram, insns: list[Insn], idx: int) -> str:
    insn = insns[idx]
    row = row_of(insn)
    message = check_opcode(insn) or check_fields(insn)
    if message or row is None or row.family not in _FAMILIES:
        return message or f"unknown opcode {insn.code:02x}"
    if insn.dst_reg >= _REGS or (insn.src_reg >= _REGS and row.family != "imm64"):
        return f"register R{max(insn.dst_reg, insn.src_reg)}"
    if row.family == "imm64" and (idx + 1 >= len(insns) or insns[idx + 1].code):
        return "half of a LD_IMM64"
    if row.family == "call" and row.name != "CALL_SUBPROG" and idx not in prog.calls:
        return f"helper {insn.imm} is not known"
    if row.family == "atomic" and row.name != "LOAD_ACQ":
        fetches = "FETCH" in row.name or row.name == "ATOMIC_XCHG"
        writes = insn.src_reg if fetches else -1
    else:
        writes = -1 if row.family in _READS_ONLY else insn.dst_reg
    return "the frame pointer is read only" if writes == uapi.BPF_REG_10 else ""
