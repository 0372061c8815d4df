"""Spills and fills around calls that preserve registers: found before the walk, removed after it.

:see: kernel/bpf/verifier.c:mark_fastcall_patterns, remove_fastcall_spills_fills
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl.func import FuncProto
from beespace.uapi import bpf as uapi
from beespace.verifier.insns import InsnRec
from beespace.verifier.kfuncmeta import find_kfunc

if TYPE_CHECKING:
    from beespace.verifier.env import Env, Subprog

__all__ = ["mark_fastcall_patterns", "removable_spills_fills"]

_SPILL = uapi.BPF_STX | uapi.BPF_MEM | uapi.BPF_DW
_FILL = uapi.BPF_LDX | uapi.BPF_MEM | uapi.BPF_DW
_CALLER_SAVED = 0x3F
_S16_MIN = -(1 << 15)


def mark_fastcall_patterns(env: Env) -> None:
    """``InsnRec.fastcall_pattern`` of spills and fills, ``fastcall_spills_num`` of the calls they surround."""
    for sub in env.subprogs:
        recs = env.insns[sub.start : sub.end]
        lowest = min((rec.off for rec in recs if rec.code == _SPILL and rec.dst == 10), default=0)
        for rec in recs:
            if rec.is_jump and rec.op == uapi.BPF_CALL:
                _mark_call(env, sub, rec, min(lowest, 0))


def _inlined(env: Env, proto: FuncProto) -> bool:
    # Calls that verifier or JIT replace by instructions that leave the other registers alone.
    features = env.registry.features
    return proto.func_id == uapi.BPF_FUNC_get_smp_processor_id and features.jit and features.arch == "x86_64"


def _summary(env: Env, rec: InsnRec) -> tuple[int, bool, bool] | None:
    # (parameters, returns nothing, spills may go); None for other calls
    if rec.is_helper_call:
        proto = env.registry.func_proto(env.prog_type, rec.imm, env.program)
        if proto is None:
            return None
        return len(proto.args), proto.ret == uapi.RET_VOID, proto.allow_fastcall and _inlined(env, proto)
    if rec.is_kfunc_call:
        meta = find_kfunc(env, rec)
        if meta is None or meta.flags is None:
            return None
        return len(meta.params), meta.proto.type == 0, meta.has(uapi.KF_FASTCALL)
    return None


def _mark_call(env: Env, sub: Subprog, rec: InsnRec, lowest: int) -> None:
    summary = _summary(env, rec)
    if summary is None:
        return
    params, is_void, fastcall = summary
    clobbered = (1 << params + 1) - (2 if is_void else 1)
    expected = ~clobbered & _CALLER_SAVED
    count = len(env.insns)
    off = lowest
    pairs = 0
    for i in range(1, 7):
        if rec.idx - i < 0 or rec.idx + i >= count:
            break
        spill, fill = env.insns[rec.idx - i], env.insns[rec.idx + i]
        if spill.code != _SPILL or fill.code != _FILL or spill.dst != 10 or fill.src != 10:
            break
        if spill.src != fill.dst or not expected >> spill.src & 1 or spill.off != off or fill.off != off:
            break
        expected &= ~(1 << spill.src)
        spill.fastcall_pattern = fill.fastcall_pattern = True
        pairs = i
        off += 8
    if not pairs:
        return
    if fastcall:
        rec.fastcall_spills_num = pairs
    else:
        sub.keep_fastcall_stack = True
    sub.fastcall_stack_off = min(sub.fastcall_stack_off, off)


def removable_spills_fills(env: Env) -> set[int]:
    """Insns that do nothing any more; the stack they used is given back."""
    gone: set[int] = set()
    for sub in env.subprogs:
        modified = False
        for rec in env.insns[sub.start : sub.end]:
            for i in range(1, rec.fastcall_spills_num + 1):
                gone.update((rec.idx - i, rec.idx + i))
                modified = True
        if modified and not sub.keep_fastcall_stack:
            sub.stack_depth = -sub.fastcall_stack_off
    return gone
