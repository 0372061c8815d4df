"""References: resources to give back, locks held, interrupts off; and what happens to the registers that hold them.

:see: kernel/bpf/verifier.c:acquire_reference, release_reference, check_resource_leak
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.env import EINVAL
from beespace.verifier.regtypes import PACKET_DYNPTRS, base_type, is_non_owning_ref, is_pkt_pointer
from beespace.verifier.state import (
    MAX_BPF_REG,
    NOT_INIT_REG,
    UNKNOWN_REG,
    Reference,
    RegState,
    VerifierState,
    is_spilled,
    new_slot,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = [
    "Change",
    "acquire_irq_state",
    "acquire_lock_state",
    "acquire_reference",
    "change_regs",
    "check_reference_leak",
    "check_resource_leak",
    "clear_all_pkt_pointers",
    "find_lock_state",
    "find_reference",
    "invalid_reg",
    "invalidate_non_owning_refs",
    "map_regs",
    "release_irq_state",
    "release_lock_state",
    "release_reference",
    "release_reference_nomark",
]


class Change:
    """What map_regs() makes of a register; subclasses say it."""

    def of(self, reg: RegState) -> RegState:
        """*reg*, or what takes its place."""
        return reg


class _Called(Change):
    def __init__(self, function: Callable[[RegState], RegState]) -> None:
        self.function = function

    def of(self, reg: RegState) -> RegState:
        return self.function(reg)


def map_regs(state: VerifierState, change: Callable[[RegState], RegState], iters: bool = False) -> None:
    """Replace every register and spilled register by what *change* returns (bpf_for_each_reg_in_vstate()).

    :param iters: the main slots of iterators too.
    """
    change_regs(state, _Called(change), iters)


def change_regs(state: VerifierState, change: Change, iters: bool = False) -> None:
    """As map_regs(), for those that do it often."""
    for frameno in range(len(state.frames)):
        frame = state.frames[frameno]
        for i in range(MAX_BPF_REG):
            reg = frame.regs[i]
            new = change.of(reg)
            if new is not reg:
                frame = state.own(frameno)
                frame.regs[i] = new
        for i in range(len(frame.stack)):
            slot = frame.stack[i]
            if is_spilled(slot) or (iters and slot.types >> 56 == uapi.STACK_ITER):
                new = change.of(slot.reg)
                if new is not slot.reg:
                    frame = state.own(frameno)
                    frame.stack[i] = new_slot(slot.types, new)


def invalid_reg(env: Env) -> RegState:
    """What a pointer to something gone becomes (mark_reg_invalid())."""
    return UNKNOWN_REG if env.allow_ptr_leaks else NOT_INIT_REG


def acquire_reference(env: Env, insn_idx: int) -> int:
    """The program owns something new; its id."""
    ref = Reference(uapi.REF_TYPE_PTR, env.new_id(), insn_idx)
    env.cur.refs = (*env.cur.refs, ref)
    return ref.id


def find_reference(state: VerifierState, ref_obj_id: int) -> bool:
    """Is the reference still held?"""
    return any(ref.id == ref_obj_id for ref in state.refs)


def release_reference_nomark(state: VerifierState, ref_obj_id: int) -> bool:
    """Give a reference back; False if there is none."""
    for i, ref in enumerate(state.refs):
        if ref.type == uapi.REF_TYPE_PTR and ref.id == ref_obj_id:
            state.refs = state.refs[:i] + state.refs[i + 1 :]
            return True
    return False


def release_reference(env: Env, ref_obj_id: int) -> bool:
    """Give a reference back; all that pointed to it is invalid."""
    if not release_reference_nomark(env.cur, ref_obj_id):
        return False
    gone = invalid_reg(env)
    map_regs(env.cur, lambda reg: gone if reg.ref_obj_id == ref_obj_id else reg)
    return True


def acquire_lock_state(env: Env, insn_idx: int, kind: int, lock_id: int, ptr: object) -> None:
    """A lock is taken."""
    cur = env.cur
    cur.refs = (*cur.refs, Reference(kind, lock_id, insn_idx, ptr))
    cur.active_locks += 1
    cur.active_lock_id = lock_id
    cur.active_lock_ptr = ptr


def find_lock_state(state: VerifierState, kinds: int, lock_id: int, ptr: object) -> bool:
    """Is the lock held, as one of *kinds*?"""
    return any(ref.type & kinds and ref.id == lock_id and ref.ptr is ptr for ref in state.refs)


def release_lock_state(state: VerifierState, kind: int, lock_id: int, ptr: object) -> bool:
    """Release a lock; the one taken before it is the active one again."""
    prev_id, prev_ptr = 0, None
    for i, ref in enumerate(state.refs):
        if ref.type == kind and ref.id == lock_id and ref.ptr is ptr:
            state.refs = state.refs[:i] + state.refs[i + 1 :]
            state.active_locks -= 1
            state.active_lock_id = prev_id
            state.active_lock_ptr = prev_ptr
            return True
        if ref.type & uapi.REF_TYPE_LOCK_MASK:
            prev_id, prev_ptr = ref.id, ref.ptr
    return False


def acquire_irq_state(env: Env, insn_idx: int) -> int:
    """Interrupts are switched off; the id of what switches them on."""
    ref = Reference(uapi.REF_TYPE_IRQ, env.new_id(), insn_idx)
    env.cur.refs = (*env.cur.refs, ref)
    env.cur.active_irq_id = ref.id
    return ref.id


def release_irq_state(state: VerifierState, ref_id: int) -> bool:
    """Restore interrupts; False if another flag has to be restored first."""
    if ref_id != state.active_irq_id:
        return False
    prev_id = 0
    for i, ref in enumerate(state.refs):
        if ref.type != uapi.REF_TYPE_IRQ:
            continue
        if ref.id == ref_id:
            state.refs = state.refs[:i] + state.refs[i + 1 :]
            state.active_irq_id = prev_id
            return True
        prev_id = ref.id
    return False


def clear_all_pkt_pointers(env: Env) -> None:
    """The packet may have moved."""
    gone = invalid_reg(env)

    def change(reg: RegState) -> RegState:
        t = reg.type
        if is_pkt_pointer(t) or t == uapi.PTR_TO_PACKET_END:
            return gone
        if base_type(t) == uapi.PTR_TO_MEM and t & PACKET_DYNPTRS:
            return gone
        return reg

    map_regs(env.cur, change)


def invalidate_non_owning_refs(env: Env) -> None:
    """After unlocking, others may remove objects from trees and lists."""
    gone = invalid_reg(env)
    map_regs(env.cur, lambda reg: gone if is_non_owning_ref(reg.type) else reg)


def check_reference_leak(env: Env, exception_exit: bool) -> str:
    """Messages about references held where the program ends; each is in the log."""
    cur = env.cur
    if not exception_exit and cur.cur_frame().frameno:
        return ""
    if not cur.refs:
        return ""
    said = ""
    r0 = env.regs()[0]
    for ref in cur.refs:
        if ref.type != uapi.REF_TYPE_PTR:
            continue
        if env.prog_type == uapi.BPF_PROG_TYPE_STRUCT_OPS and not exception_exit and r0.ref_obj_id == ref.id:
            continue  # may be returned: check_return_code() looks at the type
        said = f"Unreleased reference id={ref.id} alloc_insn={ref.insn_idx}"
        env.verbose(said + "\n")
    return said


def check_resource_leak(env: Env, exception_exit: bool, check_lock: bool, prefix: str) -> None:
    """Nothing is held where *prefix* happens."""
    cur = env.cur
    if check_lock and cur.active_locks:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_spin_lock-ed region")
    if check_reference_leak(env, exception_exit):
        env.reject(EINVAL, f"{prefix} would lead to reference leak")
    if check_lock and cur.active_irq_id:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_local_irq_save-ed region")
    if check_lock and cur.active_rcu_lock:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_rcu_read_lock-ed region")
    if check_lock and cur.active_preempt_locks:
        env.reject(EINVAL, f"{prefix} cannot be used inside bpf_preempt_disable-ed region")
