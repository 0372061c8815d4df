"""A stand-in for the verifier that accepts everything: for tests of what comes after it."""

from __future__ import annotations

from beespace.decl.prog import InsnAux, Program, SubprogInfo, VerifiedProgram
from beespace.decl.registry import Registry
from beespace.isa import LD_IMM64
from beespace.kernel import Pipeline
from beespace.uapi import bpf as uapi

__all__ = ["trust", "trusting_pipeline"]

_CALL = uapi.BPF_JMP | uapi.BPF_CALL
_BY_INDEX = (uapi.BPF_PSEUDO_MAP_IDX, uapi.BPF_PSEUDO_MAP_IDX_VALUE)


def trust(program: Program, registry: Registry, *, log_level: int = 0) -> VerifiedProgram:
    """Resolve maps and subprograms as the verifier does, check nothing."""
    insns = program.insns
    aux = [InsnAux(seen=True) for _ in insns]
    starts = {0}
    maps = []
    for idx, insn in enumerate(insns):
        if (insn.code == _CALL and insn.src_reg == uapi.BPF_PSEUDO_CALL) or (
            insn.code == LD_IMM64 and insn.src_reg == uapi.BPF_PSEUDO_FUNC
        ):
            starts.add(idx + 1 + insn.imm)
    order = sorted(starts)
    for idx, insn in enumerate(insns):
        if insn.code != LD_IMM64 or not insn.src_reg:
            continue
        if insn.src_reg == uapi.BPF_PSEUDO_FUNC:
            aux[idx].imm64 = ("func", order.index(idx + 1 + insn.imm), 0)
        elif insn.src_reg != uapi.BPF_PSEUDO_BTF_ID:
            assert program.resolve_map is not None
            meta = program.resolve_map(insn.imm, insn.src_reg in _BY_INDEX)
            maps.append(meta)
            value = insn.src_reg in (uapi.BPF_PSEUDO_MAP_VALUE, uapi.BPF_PSEUDO_MAP_IDX_VALUE)
            aux[idx].imm64 = ("map_value", meta, insns[idx + 1].imm) if value else ("map", meta, 0)
    return VerifiedProgram(
        program,
        insns,
        tuple(aux),
        tuple(SubprogInfo(start) for start in order),
        used_maps=tuple(dict.fromkeys(maps)),
        insn_processed=len(insns),
    )


def trusting_pipeline() -> Pipeline:
    """A pipeline without verifier; the interpreter still checks every access."""
    return Pipeline(verify=trust)
