"""Conditional jumps: which ways are possible, and what is known on each.

:see: kernel/bpf/verifier.c:check_cond_jmp_op, reg_set_min_max, find_good_pkt_pointers, sync_linked_regs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.alu import imm_reg, sane_bounds
from beespace.verifier.btfptr import is_rcu_reg, is_trusted_reg, reg_record
from beespace.verifier.env import EACCES
from beespace.verifier.insns import InsnRec
from beespace.verifier.log import BPF_LOG_LEVEL
from beespace.verifier.paths import push_stack
from beespace.verifier.precision import mark_chain_precision, push_history
from beespace.verifier.printer import print_insn_state
from beespace.verifier.pruning import find_prev_entry, widen_imprecise_scalars
from beespace.verifier.refs import Change, change_regs, release_reference_nomark
from beespace.verifier.regtypes import base_type, is_non_owning_ref, is_pkt_pointer, is_ptr_alloc_obj, may_be_null
from beespace.verifier.sanitize import sanitize_speculative_path
from beespace.verifier.state import (
    AT_PKT_END,
    BEYOND_PKT_END,
    BPF_ADD_CONST,
    BPF_ADD_CONST32,
    INSN_F_DST_REG_STACK,
    INSN_F_SRC_REG_STACK,
    RegState,
    VerifierState,
    copy_reg,
    is_spilled,
    new_slot,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["mark_ptr_not_null", "transfer_cond_jump", "transfer_may_goto"]

MAX_PACKET_OFF = 0xFFFF
_LINKED_REGS_MAX = 6


def transfer_may_goto(env: Env, rec: InsnRec) -> None:
    """``may_goto``: walk both ways; falling through is another round."""
    cur = env.cur
    prev = find_prev_entry(env, cur.parent.state, rec.idx) if cur.parent is not None else None
    queued = push_stack(env, rec.idx + 1, rec.idx, False, 12)
    queued.may_goto_depth += 1
    if prev is not None:
        widen_imprecise_scalars(env, prev, queued)
    env.insn_idx = rec.target


def transfer_cond_jump(env: Env, rec: InsnRec) -> None:
    """``if dst op src goto``, the operands being readable."""
    cur = env.cur
    regs = env.regs()
    dst = regs[rec.dst]
    flags = 0
    if rec.is_x:
        src = regs[rec.src]
        if not (_is_pkt_any(dst) and _is_pkt_any(src)) and env.is_pointer_value(rec.src):
            env.reject(EACCES, f"R{rec.src} pointer comparison prohibited")
        if src.type == uapi.PTR_TO_STACK:
            flags |= INSN_F_SRC_REG_STACK
    else:
        src = imm_reg(rec)
    if dst.type == uapi.PTR_TO_STACK:
        flags |= INSN_F_DST_REG_STACK
    if flags:
        push_history(env, flags)
    taken = _branch_taken(rec.op, dst, src, rec.is32)
    if taken >= 0:
        if dst.type == uapi.SCALAR_VALUE:
            mark_chain_precision(env, rec.dst)
        if rec.is_x and src.type == uapi.SCALAR_VALUE:
            mark_chain_precision(env, rec.src)
        _decided(env, rec, bool(taken))
        return
    rec.branch_taken = 3
    linked: list[tuple[int, int, bool]] = []
    if rec.is_x and src.type == uapi.SCALAR_VALUE and src.id:
        _collect_linked(env, cur, src.id, linked)
    dst = regs[rec.dst]
    if dst.type == uapi.SCALAR_VALUE and dst.id:
        _collect_linked(env, cur, dst.id, linked)
        dst = regs[rec.dst]
    if len(linked) > 1:
        push_history(env, 0, tuple(linked))
    other = push_stack(env, rec.target, rec.idx, False)
    if rec.is_x:
        src = regs[rec.src]
    _refine(env, rec, regs, other.cur_frame().regs, dst, src, linked, other)
    _learn_about_pointers(env, rec, regs, other)
    if env.log_level & BPF_LOG_LEVEL:
        print_insn_state(env, cur, len(cur.frames) - 1)
    env.insn_idx = rec.idx + 1


def _decided(env: Env, rec: InsnRec, taken: bool) -> None:
    # Only one way is possible; the processor may speculate along the other.
    rec.branch_taken |= 2 if taken else 1
    if not env.bypass_spec_v1:
        sanitize_speculative_path(env, rec, rec.idx + 1 if taken else rec.target, rec.idx)
    if env.log_level & BPF_LOG_LEVEL:
        print_insn_state(env, env.cur, len(env.cur.frames) - 1)
    env.insn_idx = rec.target if taken else rec.idx + 1


def _flip(op: int) -> int:
    # the same comparison with its operands exchanged
    if op in (uapi.BPF_JEQ, uapi.BPF_JNE, uapi.BPF_JSET):
        return op
    if op in (uapi.BPF_JGT, uapi.BPF_JLT):
        return op ^ (uapi.BPF_JGT ^ uapi.BPF_JLT)
    if op in (uapi.BPF_JGE, uapi.BPF_JLE):
        return op ^ (uapi.BPF_JGE ^ uapi.BPF_JLE)
    if op in (uapi.BPF_JSGT, uapi.BPF_JSLT):
        return op ^ (uapi.BPF_JSGT ^ uapi.BPF_JSLT)
    return op ^ (uapi.BPF_JSGE ^ uapi.BPF_JSLE)


# -- which way --------------------------------------------------------------------------------------------------------


def _is_pkt_any(reg: RegState) -> bool:
    return is_pkt_pointer(reg.type) or reg.type == uapi.PTR_TO_PACKET_END


def _is_const(reg: RegState, is32: bool) -> bool:
    if reg.type != uapi.SCALAR_VALUE:
        return False
    return n.is_const_subreg(reg.bounds) if is32 else n.is_const(reg.bounds)


def _branch_taken(op: int, a: RegState, b: RegState, is32: bool) -> int:
    # 1 taken, 0 not, -1 either (is_branch_taken())
    if a.type == uapi.SCALAR_VALUE and b.type == uapi.SCALAR_VALUE:
        return n.branch(op, a.bounds, b.bounds, is32)
    if not is32 and _is_pkt_any(a) and _is_pkt_any(b):
        return _pkt_branch_taken(op, a, b)
    if not _is_const(b, is32):
        op = _flip(op)
        a, b = b, a
    if not _is_const(b, is32) or not _not_null(a):
        return -1
    value = n.const_subreg_value(b.bounds) if is32 else n.const_value(b.bounds)
    if value != 0:
        return -1
    if op == uapi.BPF_JEQ:
        return 0
    return 1 if op == uapi.BPF_JNE else -1


def _not_null(reg: RegState) -> bool:
    t = reg.type
    if may_be_null(t):
        return False
    base = base_type(t)
    if base == uapi.PTR_TO_BTF_ID:
        return is_trusted_reg(reg)
    if base == uapi.PTR_TO_MEM:
        return not t & uapi.PTR_UNTRUSTED
    return base in (
        uapi.PTR_TO_SOCKET,
        uapi.PTR_TO_TCP_SOCK,
        uapi.PTR_TO_MAP_VALUE,
        uapi.PTR_TO_MAP_KEY,
        uapi.PTR_TO_SOCK_COMMON,
        uapi.CONST_PTR_TO_MAP,
    )


def _pkt_branch_taken(op: int, a: RegState, b: RegState) -> int:
    if b.type == uapi.PTR_TO_PACKET_END:
        pkt = a
    elif a.type == uapi.PTR_TO_PACKET_END:
        pkt = b
        op = _flip(op)
    else:
        return -1
    if pkt.range >= 0:
        return -1
    if op in (uapi.BPF_JLE, uapi.BPF_JGT) and pkt.range == BEYOND_PKT_END:
        return int(op == uapi.BPF_JGT)
    if op in (uapi.BPF_JLT, uapi.BPF_JGE):
        return int(op == uapi.BPF_JGE)
    return -1


# -- what scalars are then --------------------------------------------------------------------------------------------


def _collect_linked(env: Env, state: VerifierState, reg_id: int, linked: list[tuple[int, int, bool]]) -> None:
    # Live registers and slots that are known to hold the same value; of too many some lose the id.
    reg_id &= ~BPF_ADD_CONST
    for i in range(len(state.frames) - 1, -1, -1):
        frame = state.frames[i]
        insn = env.insns[state.insn_idx_of(i)]
        live = insn.live_regs
        for j in range(10):
            reg = frame.regs[j]
            if live >> j & 1 and reg.type == uapi.SCALAR_VALUE and reg.id & ~BPF_ADD_CONST == reg_id:
                if len(linked) < _LINKED_REGS_MAX:
                    linked.append((i, j, True))
                else:
                    frame = state.own(i)
                    frame.regs[j] = _unlinked(reg)
        for j in range(len(frame.stack)):
            slot = frame.stack[j]
            reg = slot.reg
            if is_spilled(slot) and reg.type == uapi.SCALAR_VALUE and reg.id & ~BPF_ADD_CONST == reg_id:
                if len(linked) < _LINKED_REGS_MAX:
                    linked.append((i, j, False))
                else:
                    frame = state.own(i)
                    frame.stack[j] = new_slot(slot.types, _unlinked(reg))


def _unlinked(reg: RegState) -> RegState:
    reg = copy_reg(reg)
    reg.id = 0
    return reg


def _refine(
    env: Env,
    rec: InsnRec,
    regs: list[RegState],
    other_regs: list[RegState],
    dst: RegState,
    src: RegState,
    linked: list[tuple[int, int, bool]],
    other: VerifierState,
) -> None:
    if dst.type == uapi.SCALAR_VALUE and src.type == uapi.SCALAR_VALUE:
        same = rec.is_x and rec.src == rec.dst
        (dst_true, src_true), (dst_false, src_false) = n.refine(rec.op, dst.bounds, src.bounds, rec.is32)
        if same:
            dst_true, dst_false = _both(dst_true, src_true), _both(dst_false, src_false)
        dst_true = sane_bounds(env, dst_true, "true_reg1")
        src_true = sane_bounds(env, src_true, "true_reg2")
        dst_false = sane_bounds(env, dst_false, "false_reg1")
        src_false = sane_bounds(env, src_false, "false_reg2")
        other_regs[rec.dst] = _bounded(other_regs[rec.dst], dst_true)
        regs[rec.dst] = _bounded(dst, dst_false)
        if rec.is_x and not same:
            other_regs[rec.src] = _bounded(other_regs[rec.src], src_true)
            regs[rec.src] = _bounded(src, src_false)
    cur = env.cur
    if rec.is_x and src.type == uapi.SCALAR_VALUE and src.id:
        _sync_linked(cur, regs[rec.src], (len(cur.frames) - 1, rec.src), linked)
        _sync_linked(other, other_regs[rec.src], (len(cur.frames) - 1, rec.src), linked)
    dst = regs[rec.dst]
    if dst.type == uapi.SCALAR_VALUE and dst.id:
        _sync_linked(cur, dst, (len(cur.frames) - 1, rec.dst), linked)
        _sync_linked(other, other_regs[rec.dst], (len(cur.frames) - 1, rec.dst), linked)


def _both(a: n.Bounds, b: n.Bounds) -> n.Bounds:
    # A register compared with itself learns from both sides.
    return n.sync_bounds(
        n.make_bounds(
            n.tnum_intersect(a.var_off, b.var_off),
            max(a.smin_value, b.smin_value),
            min(a.smax_value, b.smax_value),
            max(a.umin_value, b.umin_value),
            min(a.umax_value, b.umax_value),
            max(a.s32_min_value, b.s32_min_value),
            min(a.s32_max_value, b.s32_max_value),
            max(a.u32_min_value, b.u32_min_value),
            min(a.u32_max_value, b.u32_max_value),
        )
    )


def _bounded(reg: RegState, bounds: n.Bounds) -> RegState:
    if n.same_bounds(reg.bounds, bounds):
        return reg
    reg = copy_reg(reg)
    reg.bounds = bounds
    return reg


def _sync_linked(
    state: VerifierState, known: RegState, where: tuple[int, int], linked: list[tuple[int, int, bool]]
) -> None:  # fmt: skip
    # What was learnt of known is true of all that were linked with it.
    for frameno, index, is_reg in linked:
        frame = state.frames[frameno]
        if is_reg:
            if (frameno, index) == where:
                continue
            reg = frame.regs[index]
        else:
            slot = frame.stack[index]
            reg = slot.reg
        if reg.type != uapi.SCALAR_VALUE or (reg.id ^ known.id) & ~BPF_ADD_CONST:
            continue
        if (reg.id ^ known.id) & BPF_ADD_CONST == BPF_ADD_CONST:
            continue  # linked by additions of different widths
        if not (reg.id | known.id) & BPF_ADD_CONST or reg.off == known.off:
            new = known
        else:
            new = copy_reg(known)
            new.off = reg.off
            new.id = reg.id
            bounds = n.linked(known.bounds, reg.off - known.off)
            if (reg.id | known.id) & BPF_ADD_CONST32:
                bounds = n.zext_32(bounds)
            new.bounds = n.sync_bounds(bounds)
        frame = state.own(frameno)
        if is_reg:
            frame.regs[index] = new
        else:
            slot = frame.stack[index]
            frame.stack[index] = new_slot(slot.types, new)


# -- what pointers are then -------------------------------------------------------------------------------------------


def _learn_about_pointers(env: Env, rec: InsnRec, regs: list[RegState], other: VerifierState) -> None:
    cur = env.cur
    dst = regs[rec.dst]
    op = rec.op
    if not rec.is32 and rec.is_x:
        _lift_null(env, rec, dst, regs[rec.src], regs, other.cur_frame().regs)
        dst = regs[rec.dst]
    equality = op in (uapi.BPF_JEQ, uapi.BPF_JNE)
    if not rec.is32 and not rec.is_x and rec.imm == 0 and equality and may_be_null(dst.type):
        _mark_ptr_or_null(env, cur, rec.dst, op == uapi.BPF_JNE)
        _mark_ptr_or_null(env, other, rec.dst, op == uapi.BPF_JEQ)
    elif not _match_pkt_pointers(rec, dst, regs, cur, other) and env.is_pointer_value(rec.dst):
        env.reject(EACCES, f"R{rec.dst} pointer comparison prohibited")


def _lift_null(
    env: Env, rec: InsnRec, dst: RegState, src: RegState, regs: list[RegState], other_regs: list[RegState]
) -> None:  # fmt: skip
    # Equal to a pointer that is not null: not null.
    if uapi.SCALAR_VALUE in (dst.type, src.type) or may_be_null(src.type) == may_be_null(dst.type):
        return
    if uapi.PTR_TO_BTF_ID in (base_type(src.type), base_type(dst.type)):
        return
    if rec.op == uapi.BPF_JEQ:
        equal = other_regs
    elif rec.op == uapi.BPF_JNE:
        equal = regs
    else:
        return
    regno = rec.src if may_be_null(src.type) else rec.dst
    equal[regno] = mark_ptr_not_null(env, equal[regno])


def mark_ptr_not_null(env: Env, reg: RegState) -> RegState:
    """The pointer, known not to be null (mark_ptr_not_null_reg())."""
    new = copy_reg(reg)
    if base_type(reg.type) != uapi.PTR_TO_MAP_VALUE:
        new.type = reg.type & ~uapi.PTR_MAYBE_NULL
        return new
    m = reg.map_ptr
    if m.inner is not None:
        new.type = uapi.CONST_PTR_TO_MAP
        new.map_ptr = m.inner
        if m.inner.record.has(uapi.BPF_TIMER | uapi.BPF_WORKQUEUE | uapi.BPF_TASK_WORK):
            new.map_uid = reg.id
    elif m.map_type == uapi.BPF_MAP_TYPE_XSKMAP:
        new.type = uapi.PTR_TO_XDP_SOCK
    elif m.map_type in (uapi.BPF_MAP_TYPE_SOCKMAP, uapi.BPF_MAP_TYPE_SOCKHASH):
        new.type = uapi.PTR_TO_SOCKET
    else:
        new.type = uapi.PTR_TO_MAP_VALUE
    return new


def _mark_ptr_or_null(env: Env, state: VerifierState, regno: int, is_null: bool) -> None:
    # All copies of a pointer that was compared with null.
    reg = state.cur_frame().regs[regno]
    reg_id = reg.id
    if reg.ref_obj_id and reg.ref_obj_id == reg_id and is_null:
        release_reference_nomark(state, reg_id)
    change_regs(state, _PtrOrNull(env, reg_id, is_null))


class _PtrOrNull(Change):
    # The pointers *reg_id* are null, or are not.

    def __init__(self, env: Env, reg_id: int, is_null: bool) -> None:
        self.env = env
        self.reg_id = reg_id
        self.is_null = is_null

    def of(self, reg: RegState) -> RegState:
        if not may_be_null(reg.type) or reg.id != self.reg_id or not (reg.id or is_rcu_reg(reg)):
            return reg
        b = reg.bounds
        if b.smin_value or b.smax_value or b.var_off.mask or b.var_off.value:
            return reg
        if reg.off and not is_ptr_alloc_obj(reg.type) and not is_non_owning_ref(reg.type):
            return reg
        if self.is_null:
            new = copy_reg(reg)
            new.type = uapi.SCALAR_VALUE
            new.id = new.ref_obj_id = 0
            return new
        new = mark_ptr_not_null(self.env, reg)
        record = reg_record(self.env, new)
        if record is None or not record.has(uapi.BPF_SPIN_LOCK | uapi.BPF_RES_SPIN_LOCK):
            new.id = 0
        return new


def _is_init_pkt(reg: RegState) -> bool:
    # PTR_TO_PACKET as the context gave it
    v = reg.bounds.var_off
    return reg.type == uapi.PTR_TO_PACKET and reg.id == 0 and reg.off == 0 and v.mask == 0 and v.value == 0


def _match_pkt_pointers(
    rec: InsnRec, dst: RegState, regs: list[RegState], this: VerifierState, other: VerifierState
) -> bool:  # fmt: skip
    # A packet pointer compared with the end of what it points into: so many bytes may be accessed.
    if not rec.is_x or rec.is32:
        return False
    src = regs[rec.src]
    # (goes right where it is taken, the comparison is strict)
    if rec.op not in (uapi.BPF_JGT, uapi.BPF_JLT, uapi.BPF_JGE, uapi.BPF_JLE):
        return False
    if _is_compared(dst, src):
        pkt, regno, op = dst, rec.dst, rec.op
    elif _is_compared(src, dst):
        pkt, regno, op = src, rec.src, _flip(rec.op)
    else:
        return False
    # pkt > end, pkt >= end: beyond where taken; pkt < end, pkt <= end: inside where taken
    if op in (uapi.BPF_JGT, uapi.BPF_JGE):
        inside, beyond = this, other
    else:
        inside, beyond = other, this
    inside_open = op in (uapi.BPF_JGE, uapi.BPF_JLT)  # pkt < end inside
    beyond_open = op in (uapi.BPF_JGT, uapi.BPF_JLE)  # pkt > end beyond
    _find_good_pkt_pointers(inside, pkt, inside_open)
    _mark_pkt_end(beyond, regno, beyond_open)
    return True


def _is_compared(pkt: RegState, end: RegState) -> bool:
    if pkt.type == uapi.PTR_TO_PACKET:
        return end.type == uapi.PTR_TO_PACKET_END
    return pkt.type == uapi.PTR_TO_PACKET_META and _is_init_pkt(end)


def _find_good_pkt_pointers(state: VerifierState, pkt: RegState, range_right_open: bool) -> None:
    if pkt.off < 0 or (pkt.off == 0 and range_right_open):
        return
    umax = pkt.bounds.umax_value
    if umax > MAX_PACKET_OFF or umax + pkt.off > MAX_PACKET_OFF:
        return
    new_range = pkt.off + range_right_open
    change_regs(state, _InPacket(pkt, new_range))


class _InPacket(Change):
    # All pointers like *pkt* may access *new_range* bytes.

    def __init__(self, pkt: RegState, new_range: int) -> None:
        self.type = pkt.type
        self.id = pkt.id
        self.new_range = new_range

    def of(self, reg: RegState) -> RegState:
        if reg.type != self.type or reg.id != self.id or reg.range >= self.new_range:
            return reg
        new = copy_reg(reg)
        new.range = self.new_range
        return new


def _mark_pkt_end(state: VerifierState, regno: int, range_open: bool) -> None:
    regs = state.cur_frame().regs
    reg = regs[regno]
    if reg.type == uapi.PTR_TO_PACKET:
        reg = copy_reg(reg)
        reg.range = BEYOND_PKT_END if range_open else AT_PKT_END
        regs[regno] = reg
