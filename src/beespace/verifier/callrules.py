"""Which helper goes with which map, and what calls of the same helper at one place have in common.

:see: kernel/bpf/verifier.c:record_func_map, record_func_key, check_map_func_compatibility
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.args import ArgMeta
from beespace.verifier.env import EACCES, EINVAL
from beespace.verifier.insns import InsnRec
from beespace.verifier.precision import mark_chain_precision
from beespace.verifier.printer import func_name
from beespace.verifier.special import MAP_HELPERS, MAP_READ_WRITE_HELPERS

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_map_func_compatibility", "record_map"]

_EFAULT = 14
# maps that may hold kernel pointers in elements of their own
_XCHG_STORAGE = frozenset(
    (
        uapi.BPF_MAP_TYPE_SK_STORAGE,
        uapi.BPF_MAP_TYPE_INODE_STORAGE,
        uapi.BPF_MAP_TYPE_TASK_STORAGE,
        uapi.BPF_MAP_TYPE_CGRP_STORAGE,
    )
)


def record_map(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    """Note the map (and the constant key) a call is made with, for the rewriting of the call."""
    m = meta.map_ptr
    # More than what the kernel rewrites: engines call other maps' helpers natively too.
    if m is not None and not any(known is m for known in rec.map_ptrs):
        rec.map_ptrs = (*rec.map_ptrs, m)
    if meta.func_id not in MAP_HELPERS:
        return
    if m is None:
        env.bug("expected map for helper call")
    if m.map_flags & uapi.BPF_F_RDONLY_PROG and meta.func_id in MAP_READ_WRITE_HELPERS:
        env.reject(EACCES, "write into map forbidden")
    if meta.func_id == uapi.BPF_FUNC_tail_call:
        _record_key(env, rec, meta)


def _record_key(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    m = meta.map_ptr
    if m is None or m.map_type != uapi.BPF_MAP_TYPE_PROG_ARRAY:
        env.refuse_at_line_end(EINVAL, "expected prog array map for tail call")
    reg = env.regs()[3]
    value = reg.bounds.var_off.value
    if reg.type != uapi.SCALAR_VALUE or reg.bounds.var_off.mask or value >= m.max_entries:
        rec.map_key = -1
        return
    mark_chain_precision(env, 3)
    if rec.map_key is None:
        rec.map_key = value
    elif rec.map_key != value:
        rec.map_key = -1


def check_map_func_compatibility(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    """The helper works on maps of this type, and the map with this helper."""
    m, fn = meta.map_ptr, meta.fn
    if m is None or fn is None:
        return
    func_id = meta.func_id
    kind = env.registry.map_types.get(m.map_type)
    ok = True
    if kind is not None and kind.only_helpers is not None and func_id not in kind.only_helpers:
        ok = func_id == uapi.BPF_FUNC_kptr_xchg and m.map_type in _XCHG_STORAGE
        if not ok and kind.may_update is not None:
            ok = kind.may_update(env.program, func_id)
            if not ok and func_id in (uapi.BPF_FUNC_map_update_elem, uapi.BPF_FUNC_map_delete_elem):
                env.verbose("cannot update sockmap in this context\n")
    if ok and func_id == uapi.BPF_FUNC_tail_call and len(env.subprogs) > 1 and not env.registry.features.jit:
        env.reject(EINVAL, "mixing of tail_calls and bpf-to-bpf calls is not supported")
    if ok and fn.only_map_types is not None:
        ok = m.map_type in fn.only_map_types
    if not ok:
        env.reject(EINVAL, f"cannot pass map_type {m.map_type} into func {func_name(func_id)}#{func_id}")
