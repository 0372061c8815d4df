"""Spectre v1: what a program without CAP_PERFMON may compute with pointers even where the processor only speculates.

:see: kernel/bpf/verifier.c:sanitize_ptr_alu, retrieve_ptr_limit, sanitize_speculative_path
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.values import mutable
from beespace.verifier.env import EACCES, Reject
from beespace.verifier.insns import InsnRec
from beespace.verifier.paths import push_stack
from beespace.verifier.printer import tnum_text
from beespace.verifier.state import MAX_BPF_STACK, UNKNOWN_REG, RegState

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["Limit", "sanitize_check_bounds", "sanitize_ptr_alu", "sanitize_speculative_path", "sanitize_val_alu"]

BPF_ALU_SANITIZE_SRC, BPF_ALU_SANITIZE_DST = 1, 2
BPF_ALU_NEG_VALUE, BPF_ALU_NON_POINTER, BPF_ALU_IMMEDIATE = 4, 8, 16
_PROHIBITED = "pointer arithmetic with it prohibited for !root"
_U32 = 0xFFFF_FFFF


@mutable
class Limit:
    """What the first look at an operation found, for the second after it (struct bpf_sanitize_info)."""

    alu_state: int
    alu_limit: int
    mask_to_left: bool


def _can_skip(env: Env, rec: InsnRec) -> bool:
    return env.bypass_spec_v1 or not rec.is_x or rec.nospec


def _update(env: Env, rec: InsnRec, alu_state: int, alu_limit: int) -> None:
    # Two paths must agree on how the operation is masked.
    if rec.alu_state and (rec.alu_state != alu_state or rec.alu_limit != alu_limit):
        verb = "add" if rec.op == uapi.BPF_ADD else "sub"
        env.reject(EACCES, f"R{rec.dst} tried to {verb} from different maps, paths or scalars, {_PROHIBITED}")
    rec.alu_state = alu_state
    rec.alu_limit = alu_limit


def sanitize_val_alu(env: Env, rec: InsnRec) -> None:
    """An addition or subtraction of scalars: no other path may use the insn on a pointer."""
    if not _can_skip(env, rec):
        _update(env, rec, BPF_ALU_NON_POINTER, 0)


def _ptr_limit(env: Env, rec: InsnRec, ptr: RegState, ptr_is_dst: bool, mask_to_left: bool) -> int:
    # How far the pointer may move (retrieve_ptr_limit()).
    b = ptr.bounds
    if ptr.type == uapi.PTR_TO_STACK:
        most = MAX_BPF_STACK + mask_to_left
        limit = -(b.smin_value + ptr.off) & _U32
    elif ptr.type == uapi.PTR_TO_MAP_VALUE:
        most = ptr.map_ptr.value_size
        limit = (b.smin_value if mask_to_left else b.umax_value) + ptr.off & _U32
    else:
        regno = rec.dst if ptr_is_dst else rec.src
        env.reject(EACCES, f"R{regno} has pointer with unsupported alu operation, {_PROHIBITED}")
    if limit >= most:
        verb = "add" if rec.op == uapi.BPF_ADD else "sub"
        env.reject(EACCES, f"R{rec.dst} tried to {verb} beyond pointer bounds, {_PROHIBITED}")
    return limit


def sanitize_ptr_alu(
    env: Env, rec: InsnRec, ptr: RegState, off_reg: RegState, ptr_is_dst: bool, info: Limit | None
) -> Limit | None:  # fmt: skip
    """Before (*info* None) and after pointer arithmetic: it can be masked, and is harmless where it is.

    :return: what the second call needs; None when there is nothing to do.
    """
    if _can_skip(env, rec):
        return None
    commit = info is not None
    b = off_reg.bounds
    off_is_imm = b.var_off.mask == 0
    off_is_neg = b.smin_value < 0
    if not env.cur.speculative:
        if info is None:
            if not off_is_imm and off_is_neg != (b.smax_value < 0):
                regno = rec.src if ptr_is_dst else rec.dst
                env.reject(EACCES, f"R{regno} has unknown scalar with mixed signed bounds, {_PROHIBITED}")
            mask_to_left = off_is_neg if rec.op == uapi.BPF_ADD else not off_is_neg
        else:
            mask_to_left = info.mask_to_left
        alu_limit = _ptr_limit(env, rec, ptr, ptr_is_dst, mask_to_left)
        if info is not None:
            _update(env, rec, info.alu_state, abs(_s32(info.alu_limit - alu_limit)))
            return None
        alu_state = BPF_ALU_NEG_VALUE if off_is_neg else 0
        alu_state |= BPF_ALU_IMMEDIATE if off_is_imm else 0
        alu_state |= BPF_ALU_SANITIZE_SRC if ptr_is_dst else BPF_ALU_SANITIZE_DST
        if not off_is_imm:
            env.explore_alu_limits = True
        info = Limit(alu_state, alu_limit, mask_to_left)
    elif info is None:
        info = Limit(0, 0, False)
    if commit or off_is_imm:
        return info
    # where the processor speculates, the offset may be masked to 0
    regs = env.regs()
    kept = regs[rec.dst]
    if not ptr_is_dst:
        regs[rec.dst] = ptr
    try:
        sanitize_speculative_path(env, None, env.insn_idx + 1, env.insn_idx)
    except Reject:
        env.reject(12, f"R{rec.dst} could not be pushed for speculative verification, {_PROHIBITED}")
    regs[rec.dst] = kept
    return info


def _s32(value: int) -> int:
    return (value + (1 << 31) & _U32) - (1 << 31)


def sanitize_speculative_path(env: Env, rec: InsnRec | None, next_idx: int, curr_idx: int) -> None:
    """Walk the way that is never taken, because the processor may. The operands of jump *rec* are anything then."""
    branch = push_stack(env, next_idx, curr_idx, True)
    if rec is not None:
        regs = branch.cur_frame().regs
        regs[rec.dst] = UNKNOWN_REG
        if rec.is_x:
            regs[rec.src] = UNKNOWN_REG


def sanitize_check_bounds(env: Env, dst: int, reg: RegState) -> None:
    """Without CAP_PERFMON a pointer has to stay inside its object even while it is not used."""
    if env.bypass_spec_v1:
        return
    if reg.type == uapi.PTR_TO_STACK:
        _check_stack_arithmetic(env, dst, reg)
    elif reg.type == uapi.PTR_TO_MAP_VALUE:
        from beespace.verifier.memory import check_map_access  # imports what imports this module

        try:
            check_map_access(env, dst, reg.off, 1, False, False)
        except Reject:
            env.reject(EACCES, f"R{dst} pointer arithmetic of map value goes out of range, prohibited for !root")


def _check_stack_arithmetic(env: Env, regno: int, reg: RegState) -> None:
    var_off = reg.bounds.var_off
    off = reg.off + reg.bounds.smin_value if var_off.mask == 0 else reg.off + var_off.value
    if var_off.mask:
        text = tnum_text(var_off)
        env.reject(EACCES, f"R{regno} variable stack access prohibited for !root, var_off={text} off={off}")
    if off >= 0 or off < -MAX_BPF_STACK:
        env.reject(EACCES, f"R{regno} stack pointer arithmetic goes out of range, prohibited for !root; off={off}")
    return
