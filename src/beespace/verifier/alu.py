"""Arithmetic: on scalars by the number domain, on pointers by what keeps them inside their object.

:see: kernel/bpf/verifier.c:check_alu_op, adjust_reg_min_max_vals, adjust_ptr_min_max_vals
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.env import BPF_MAX_VAR_OFF, EACCES, EFAULT, EINVAL
from beespace.verifier.insns import InsnRec
from beespace.verifier.paths import push_stack
from beespace.verifier.precision import mark_chain_precision
from beespace.verifier.regtypes import base_type, is_pkt_pointer, reg_type_str
from beespace.verifier.sanitize import sanitize_check_bounds, sanitize_ptr_alu, sanitize_val_alu
from beespace.verifier.stack import assign_scalar_id
from beespace.verifier.state import (
    BPF_ADD_CONST,
    BPF_ADD_CONST32,
    BPF_ADD_CONST64,
    S64_SIGN,
    U32_MASK,
    UNKNOWN_REG,
    RegState,
    const_reg,
    copy_reg,
    pointer,
    scalar,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["ALU", "check_bounds_sane", "imm_reg", "sane_bounds", "transfer_alu"]

BPF_ADDR_SPACE_CAST = 1
_SYMBOLS = ("+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "endian", "?", "?")
# operation of isa.rows.ALU_OPS -> BPF_OP that the number domain knows it by
ALU = {
    "ADD": uapi.BPF_ADD,
    "SUB": uapi.BPF_SUB,
    "MUL": uapi.BPF_MUL,
    "DIV": uapi.BPF_DIV,
    "SDIV": uapi.BPF_DIV,
    "OR": uapi.BPF_OR,
    "AND": uapi.BPF_AND,
    "LSH": uapi.BPF_LSH,
    "RSH": uapi.BPF_RSH,
    "NEG": uapi.BPF_NEG,
    "MOD": uapi.BPF_MOD,
    "SMOD": uapi.BPF_MOD,
    "XOR": uapi.BPF_XOR,
    "MOV": uapi.BPF_MOV,
    "MOVSX": uapi.BPF_MOV,
    "ARSH": uapi.BPF_ARSH,
}


def transfer_alu(env: Env, rec: InsnRec) -> None:
    """What an ALU instruction does, its operands being readable and its destination writable."""
    regs = env.regs()
    if rec.op == uapi.BPF_MOV:
        regs[rec.dst] = _moved(env, rec, regs)
    elif rec.op == uapi.BPF_END:
        dst = regs[rec.dst]
        if dst.type == uapi.SCALAR_VALUE:
            swaps = rec.is_x or not rec.is32  # le: nothing to swap
            regs[rec.dst] = scalar(n.byte_swap(dst.bounds, rec.imm, swaps))
        else:
            regs[rec.dst] = UNKNOWN_REG
    elif rec.op == uapi.BPF_NEG:
        dst = regs[rec.dst]
        if dst.type == uapi.SCALAR_VALUE:
            regs[rec.dst] = scalar(n.alu(rec.op, dst.bounds, dst.bounds, not rec.is32))
        else:
            regs[rec.dst] = UNKNOWN_REG
    else:
        _adjust(env, rec, regs)
    check_bounds_sane(env, regs, rec.dst, "alu")


def check_bounds_sane(env: Env, regs: list[RegState], regno: int, where: str) -> None:
    """What is known of Rn is not contradictory; else the path cannot happen and Rn is anything."""
    reg = regs[regno]
    bounds = reg.bounds
    if (
        bounds.umin_value <= bounds.umax_value
        and bounds.smin_value <= bounds.smax_value
        and bounds.u32_min_value <= bounds.u32_max_value
        and bounds.s32_min_value <= bounds.s32_max_value
        and bounds.var_off.mask & U32_MASK
    ):
        return
    sane = sane_bounds(env, bounds, where)
    if sane is not bounds:
        regs[regno] = _with_bounds(reg, sane, reg.id, reg.off)


def sane_bounds(env: Env, b: n.Bounds, where: str) -> n.Bounds:
    """*b*, or nothing where *b* contradicts itself (reg_bounds_sanity_check())."""
    wrong = n.reg_bounds_sanity_check(b)
    if not wrong:
        return b
    text = (
        f"REG INVARIANTS VIOLATION ({where}): {wrong} u64=[{b.umin_value:#x}, {b.umax_value:#x}] "
        f"s64=[{b.smin_value & 0xFFFF_FFFF_FFFF_FFFF:#x}, {b.smax_value & 0xFFFF_FFFF_FFFF_FFFF:#x}] "
        f"u32=[{b.u32_min_value:#x}, {b.u32_max_value:#x}] "
        f"s32=[{b.s32_min_value & U32_MASK:#x}, {b.s32_max_value & U32_MASK:#x}] "
        f"var_off=({b.var_off.value:#x}, {b.var_off.mask:#x})"
    )
    if env.test_reg_invariants:
        env.reject(EFAULT, text)
    env.verbose(text + "\n")
    return n.mark_reg_unbounded(b)


def _with_bounds(reg: RegState, bounds: n.Bounds, reg_id: int, off: int) -> RegState:
    new = copy_reg(reg)
    new.bounds = bounds
    new.id = reg_id
    new.off = off
    return new


# -- moves ------------------------------------------------------------------------------------------------------------


def imm_reg(rec: InsnRec) -> RegState:
    """The constant operand as a register; of a 32-bit move what the destination then holds."""
    if rec.imm_reg is None:
        cut = rec.is32 and rec.op == uapi.BPF_MOV
        rec.imm_reg = const_reg(rec.value & U32_MASK if cut else rec.value)
    reg: RegState = rec.imm_reg
    return reg


def _moved(env: Env, rec: InsnRec, regs: list[RegState]) -> RegState:
    if not rec.is_x:
        return imm_reg(rec)
    src = regs[rec.src]
    if not rec.is32:
        if rec.off == BPF_ADDR_SPACE_CAST:
            return _cast(env, rec)
        if rec.off == 0:
            return assign_scalar_id(env, regs, rec.src)
    what = "sign-extension part" if not rec.is32 else "partial copy"
    if env.is_pointer_value(rec.src):
        env.reject(EACCES, f"R{rec.src} {what} of pointer")
    if src.type != uapi.SCALAR_VALUE:
        return UNKNOWN_REG if not rec.is32 else scalar(n.zext_32(n.unknown()))
    # the copy is equal to the source only if nothing is cut off
    if rec.off == 0:
        same = n.reg_width(src.bounds) <= 32
        bounds = n.zext_32(src.bounds)
    else:
        same = src.bounds.umax_value < S64_SIGN >> 64 - rec.off
        bounds = n.movsx(src.bounds, rec.off, not rec.is32)
    if same:
        src = assign_scalar_id(env, regs, rec.src)
    return _with_bounds(src, bounds, src.id if same else 0, src.off)


def _cast(env: Env, rec: InsnRec) -> RegState:
    if env.arena is None:
        env.reject(EINVAL, "addr_space_cast insn can only be used in a program that has an associated arena")
    if rec.imm == 1:
        reg = pointer(uapi.PTR_TO_ARENA)
        reg.bounds = n.unknown()
        return reg
    return UNKNOWN_REG


# -- operators --------------------------------------------------------------------------------------------------------


def _adjust(env: Env, rec: InsnRec, regs: list[RegState]) -> None:
    dst = regs[rec.dst]
    if dst.type == uapi.PTR_TO_ARENA:
        rec.zext_dst |= not rec.is32
        return
    if not rec.is_x:
        operand = imm_reg(rec)
        if dst.type != uapi.SCALAR_VALUE:
            _adjust_ptr(env, rec, regs, dst, operand, True)
            return
    else:
        operand = regs[rec.src]
        if operand.type != uapi.SCALAR_VALUE:
            if dst.type == uapi.SCALAR_VALUE:
                mark_chain_precision(env, rec.dst)
                _adjust_ptr(env, rec, regs, operand, dst, False)
                return
            if rec.op == uapi.BPF_SUB and env.allow_ptr_leaks:
                regs[rec.dst] = UNKNOWN_REG
                return
            env.reject(EACCES, f"R{rec.dst} pointer {_SYMBOLS[rec.op >> 4]} pointer prohibited")
        if dst.type != uapi.SCALAR_VALUE:
            mark_chain_precision(env, rec.src)
            _adjust_ptr(env, rec, regs, dst, operand, True)
            return
    regs[rec.dst] = _scalar_result(env, rec, regs, dst, operand)


def _scalar_result(env: Env, rec: InsnRec, regs: list[RegState], dst: RegState, operand: RegState) -> RegState:
    op = rec.op
    if op in (uapi.BPF_ADD, uapi.BPF_SUB):
        sanitize_val_alu(env, rec)
    bounds = dst.bounds
    known = operand.bounds.var_off.mask == 0
    if known and op in (uapi.BPF_AND, uapi.BPF_OR):
        bounds = _maybe_fork(env, rec, dst)
    result = n.alu(op, bounds, operand.bounds, not rec.is32)
    if op in (uapi.BPF_DIV, uapi.BPF_MOD):
        return scalar(result)
    if op in (uapi.BPF_LSH, uapi.BPF_RSH, uapi.BPF_ARSH) and n.is_unknown(result):
        return scalar(result)
    reg_id = off = 0
    if dst.id:
        reg_id, off = _linked_by(env, rec, dst, operand)
    return _with_bounds(dst, result, reg_id, off)


def _linked_by(env: Env, rec: InsnRec, dst: RegState, operand: RegState) -> tuple[int, int]:
    # Id and offset of a register that a constant is added to once: it stays linked to those it was equal to.
    if rec.op not in (uapi.BPF_ADD, uapi.BPF_SUB) or not env.bpf_capable or dst.id & BPF_ADD_CONST:
        return 0, 0
    if rec.is_x and rec.src == rec.dst:
        return 0, 0
    var_off = operand.bounds.var_off
    if rec.is32:
        if var_off.mask & U32_MASK or dst.bounds.umax_value > U32_MASK:
            return 0, 0
        value = _s32(var_off.value)
    else:
        if var_off.mask:
            return 0, 0
        value = _s64(var_off.value)
        if not _s32_fits(value):
            return 0, 0
    if rec.op == uapi.BPF_SUB:
        if value == -(1 << 31):
            return 0, 0
        value = -value
    return dst.id | (BPF_ADD_CONST32 if rec.is32 else BPF_ADD_CONST64), value


def _maybe_fork(env: Env, rec: InsnRec, dst: RegState) -> n.Bounds:
    # All ones or zero, as a compiler makes of a sign: walk both, zero from this insn again.
    width = n.fork_width(dst.bounds)
    if width == 0:
        return dst.bounds
    branch = push_stack(env, env.insn_idx, env.insn_idx, False)
    zero = const_reg(0) if width == 64 else _with_bounds(dst, n.mark_reg32_known(dst.bounds, 0), dst.id, dst.off)
    branch.cur_frame().regs[rec.dst] = zero
    if width == 64:
        return n.const(0xFFFF_FFFF_FFFF_FFFF)
    return n.mark_reg32_known(dst.bounds, U32_MASK)


# -- pointers ---------------------------------------------------------------------------------------------------------


def _check_sane_offset(env: Env, reg: RegState, reg_type: int) -> None:
    b = reg.bounds
    smin = b.smin_value
    if b.var_off.mask == 0 and not -BPF_MAX_VAR_OFF < _s64(b.var_off.value) < BPF_MAX_VAR_OFF:
        name = reg_type_str(reg_type)
        env.reject(EINVAL, f"math between {name} pointer and {_s64(b.var_off.value)} is not allowed")
    if not -BPF_MAX_VAR_OFF < reg.off < BPF_MAX_VAR_OFF:
        env.reject(EINVAL, f"{reg_type_str(reg_type)} pointer offset {reg.off} is not allowed")
    if -BPF_MAX_VAR_OFF < smin < BPF_MAX_VAR_OFF:
        return
    name = reg_type_str(reg_type)
    if smin == -S64_SIGN:
        env.reject(EINVAL, f"math between {name} pointer and register with unbounded min value is not allowed")
    env.reject(EINVAL, f"value {smin} makes {name} pointer be out of bounds")


def _s64(word: int) -> int:
    return (word ^ S64_SIGN) - S64_SIGN


def _s32(word: int) -> int:
    return (word + (1 << 31) & U32_MASK) - (1 << 31)


def _s32_fits(value: int) -> bool:
    return -(1 << 31) <= value < 1 << 31


def _adjust_ptr(
    env: Env, rec: InsnRec, regs: list[RegState], ptr: RegState, off_reg: RegState, ptr_is_dst: bool
) -> None:  # fmt: skip
    # adjust_ptr_min_max_vals(): regs[dst] = ptr op off_reg
    dst = rec.dst
    o = off_reg.bounds
    known = o.var_off.mask == 0
    contradictory = known and (o.smin_value != o.smax_value or o.umin_value != o.umax_value)
    if contradictory or o.smin_value > o.smax_value or o.umin_value > o.umax_value:
        regs[dst] = UNKNOWN_REG
        return
    _check_ptr_alu(env, rec, ptr, known and o.smin_value == 0, known)
    if rec.is32:
        regs[dst] = UNKNOWN_REG
        return
    base = base_type(ptr.type)
    if base == uapi.PTR_TO_MEM and ptr.type & uapi.PTR_UNTRUSTED:
        return  # accesses are probed
    _check_sane_offset(env, off_reg, ptr.type)
    _check_sane_offset(env, ptr, ptr.type)
    limit = None
    sanitized = rec.op in (uapi.BPF_ADD, uapi.BPF_SUB)
    if sanitized:
        limit = sanitize_ptr_alu(env, rec, ptr, off_reg, ptr_is_dst, None)
    new = _offset_ptr(env, rec, ptr, off_reg, ptr_is_dst, known)
    _check_sane_offset(env, new, ptr.type)
    regs[dst] = new
    sanitize_check_bounds(env, dst, new)
    if sanitized and limit is not None:
        sanitize_ptr_alu(env, rec, new, off_reg, True, limit)


def _check_ptr_alu(env: Env, rec: InsnRec, ptr: RegState, adds_nothing: bool, known: bool) -> None:
    dst = rec.dst
    if rec.is32:
        if rec.op == uapi.BPF_SUB and env.allow_ptr_leaks:
            return
        env.reject(EACCES, f"R{dst} 32-bit pointer arithmetic prohibited")
    if ptr.type & uapi.PTR_MAYBE_NULL:
        name = reg_type_str(ptr.type)
        env.reject(EACCES, f"R{dst} pointer arithmetic on {name} prohibited, null-check it first")
    base = base_type(ptr.type)
    if base in (
        uapi.PTR_TO_CTX,
        uapi.PTR_TO_MAP_VALUE,
        uapi.PTR_TO_MAP_KEY,
        uapi.PTR_TO_STACK,
        uapi.PTR_TO_PACKET_META,
        uapi.PTR_TO_PACKET,
        uapi.PTR_TO_TP_BUFFER,
        uapi.PTR_TO_BTF_ID,
        uapi.PTR_TO_MEM,
        uapi.PTR_TO_BUF,
        uapi.PTR_TO_FUNC,
        uapi.CONST_PTR_TO_DYNPTR,
    ):
        return
    if base == uapi.PTR_TO_FLOW_KEYS and known:
        return
    if base in (uapi.PTR_TO_FLOW_KEYS, uapi.CONST_PTR_TO_MAP) and adds_nothing and rec.op == uapi.BPF_ADD:
        return
    env.reject(EACCES, f"R{dst} pointer arithmetic on {reg_type_str(ptr.type)} prohibited")


def _offset_ptr(
    env: Env, rec: InsnRec, ptr: RegState, off_reg: RegState, ptr_is_dst: bool, known: bool
) -> RegState:  # fmt: skip
    dst, op, o = rec.dst, rec.op, off_reg.bounds
    new = copy_reg(ptr)
    if op == uapi.BPF_ADD:
        delta = o.smin_value
    elif op == uapi.BPF_SUB:
        if not ptr_is_dst:
            env.reject(EACCES, f"R{dst} tried to subtract pointer from scalar")
        if ptr.type == uapi.PTR_TO_STACK:
            env.reject(EACCES, f"R{dst} subtraction from stack pointer prohibited")
        delta = -o.smin_value
    elif op in (uapi.BPF_AND, uapi.BPF_OR, uapi.BPF_XOR):
        env.reject(EACCES, f"R{dst} bitwise operator {_SYMBOLS[op >> 4]} on pointer prohibited")
    else:
        env.reject(EACCES, f"R{dst} pointer arithmetic with {_SYMBOLS[op >> 4]} operator prohibited")
    if known and _s32_fits(ptr.off + delta):
        new.off = ptr.off + delta
        if ptr.bounds.var_off.mask:
            new.bounds = n.sync_bounds(n.mark_reg32_unbounded(ptr.bounds))
        return new
    new.bounds = n.ptr_add(ptr.bounds, o) if op == uapi.BPF_ADD else n.ptr_sub(ptr.bounds, o)
    if is_pkt_pointer(ptr.type):
        new.id = env.new_id()
        if op == uapi.BPF_ADD or o.smin_value < 0:
            new.range = 0
    return new
