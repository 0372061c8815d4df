"""Spin locks: one at a time (bpf_spin_lock), or several in order (bpf_res_spin_lock).

:see: kernel/bpf/verifier.c:process_spin_lock
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.btfptr import reg_record
from beespace.verifier.env import EINVAL
from beespace.verifier.kfuncmeta import find_kfunc
from beespace.verifier.refs import (
    acquire_lock_state,
    find_lock_state,
    invalidate_non_owning_refs,
    release_lock_state,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = [
    "PROCESS_LOCK_IRQ",
    "PROCESS_RES_LOCK",
    "PROCESS_SPIN_LOCK",
    "in_rbtree_lock_required_cb",
    "process_spin_lock",
]

PROCESS_SPIN_LOCK, PROCESS_RES_LOCK, PROCESS_LOCK_IRQ = 1, 2, 4


def in_rbtree_lock_required_cb(env: Env) -> bool:
    """Inside the callback of bpf_rbtree_add(), which runs with the lock of the tree held?"""
    frame = env.frame()
    if len(env.cur.frames) == 1 or not frame.in_callback_fn:
        return False
    rec = env.insns[frame.callsite]
    meta = find_kfunc(env, rec) if rec.is_kfunc_call else None
    return meta is not None and meta.special and meta.name == "bpf_rbtree_add_impl"


def process_spin_lock(env: Env, regno: int, flags: int) -> None:
    """Lock (PROCESS_SPIN_LOCK) or unlock what Rn points to."""
    reg = env.regs()[regno]
    cur = env.cur
    res = flags & PROCESS_RES_LOCK != 0
    name = "bpf_res_spin" if res else "bpf_spin"
    if reg.bounds.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. {name}_lock has to be at the constant offset")
    m = reg.map_ptr if reg.type == uapi.PTR_TO_MAP_VALUE else None
    if m is not None and m.btf is None:
        env.reject(EINVAL, f"map '{m.name}' has to have BTF in order to use {name}_lock")
    kind = uapi.BPF_RES_SPIN_LOCK if res else uapi.BPF_SPIN_LOCK
    record = reg_record(env, reg)
    field = next((f for f in record or () if f.kind == kind), None)
    if field is None:
        what, whose = ("map", m.name) if m is not None else ("local", "kptr")
        env.reject(EINVAL, f"{what} '{whose}' has no valid {name}_lock")
    at = reg.bounds.smin_value + reg.off
    if field.off != at:
        env.reject(EINVAL, f"off {at} doesn't point to 'struct {name}_lock' that is at {field.off}")
    ptr = m if m is not None else reg.btf
    ref_type = uapi.REF_TYPE_LOCK
    if res:
        ref_type = uapi.REF_TYPE_RES_LOCK_IRQ if flags & PROCESS_LOCK_IRQ else uapi.REF_TYPE_RES_LOCK
    if flags & PROCESS_SPIN_LOCK:
        if cur.active_locks:
            if not res and find_lock_state(cur, uapi.REF_TYPE_LOCK, 0, None):
                env.reject(EINVAL, "Locking two bpf_spin_locks are not allowed")
            both = uapi.REF_TYPE_RES_LOCK | uapi.REF_TYPE_RES_LOCK_IRQ
            if res and find_lock_state(cur, both, reg.id, ptr):
                env.reject(EINVAL, "Acquiring the same lock again, AA deadlock detected")
        acquire_lock_state(env, env.insn_idx, ref_type, reg.id, ptr)
        return
    if not cur.active_locks:
        env.reject(EINVAL, f"{name}_unlock without taking a lock")
    if not find_lock_state(cur, ref_type, reg.id, ptr):
        env.reject(EINVAL, f"{name}_unlock of different lock")
    if reg.id != cur.active_lock_id or ptr is not cur.active_lock_ptr:
        env.reject(EINVAL, f"{name}_unlock cannot be out of order")
    if not release_lock_state(cur, ref_type, reg.id, ptr):
        env.reject(EINVAL, f"{name}_unlock of different lock")
    invalidate_non_owning_refs(env)
