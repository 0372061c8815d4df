"""Open-coded iterators: ``bpf_iter_*_new()``, ``_next()`` and ``_destroy()`` on an object on the stack.

:see: kernel/bpf/verifier.c:process_iter_arg, process_iter_next_call
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.btf import Ptr, Struct
from beespace.uapi import bpf as uapi
from beespace.verifier.env import EINVAL
from beespace.verifier.jumps import mark_ptr_not_null
from beespace.verifier.memory import check_mem_access
from beespace.verifier.objects import (
    is_iter_valid_init,
    is_iter_valid_uninit,
    iter_spi,
    mark_object_read,
    mark_stack_slots_iter,
    set_iter_state,
    unmark_stack_slots_iter,
)
from beespace.verifier.paths import push_stack
from beespace.verifier.pruning import find_prev_entry, widen_imprecise_scalars
from beespace.verifier.stack import write_stack
from beespace.verifier.state import BPF_REG_SIZE, RegState, VerifierState, const_reg

if TYPE_CHECKING:
    from beespace.verifier.env import Env
    from beespace.verifier.kfuncargs import KfuncCall

__all__ = ["check_iter_arg", "iter_reg", "process_iter_next"]

_PREFIX = "bpf_iter_"
_ENOMEM, _EPROTO = 12, 71
_WALKING = (uapi.BPF_ITER_STATE_ACTIVE, uapi.BPF_ITER_STATE_DRAINED)


def check_iter_arg(env: Env, call: KfuncCall, i: int, reg: RegState) -> None:
    """Argument *i*: room for an iterator (``_new()``), or an iterator that is there."""
    meta = call.meta
    if meta.special and meta.name == "bpf_iter_css_task_new" and not _may_iterate_css_tasks(env):
        env.reject(EINVAL, "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs")
    if reg.type != uapi.PTR_TO_STACK:
        env.reject(EINVAL, f"arg#{i} expected pointer to an iterator on stack")
    btf = meta.btf
    btf_id = _iter_struct(call, i)
    if not btf_id:
        env.reject(EINVAL, f"expected valid iter pointer as arg #{i}")
    name = btf.name_of(btf_id).removeprefix(_PREFIX)
    slots = btf.size(btf_id) // BPF_REG_SIZE
    if meta.has(uapi.KF_ITER_NEW):
        if not is_iter_valid_uninit(env, reg, slots):
            env.reject(EINVAL, f"expected uninitialized iter_{name} as arg #{i}")
        for off in range(0, slots * BPF_REG_SIZE, BPF_REG_SIZE):
            check_mem_access(env, i + 1, off, BPF_REG_SIZE, True, -1)
            write_stack(env, i + 1, reg.off + off, BPF_REG_SIZE, -1)
        mark_stack_slots_iter(env, reg, env.insn_idx, btf, btf_id, slots, meta.has(uapi.KF_RCU_PROTECTED))
        return
    why = is_iter_valid_init(env, reg, btf, btf_id, slots)
    if why == "rcu":
        env.reject(_EPROTO, f"expected an RCU CS when using {meta.name}")
    if why:
        env.reject(EINVAL, f"expected an initialized iter_{name} as arg #{i}")
    spi = iter_spi(env, reg, slots)
    mark_object_read(env, reg, spi, slots)
    call.iter_frameno, call.iter_spi = reg.frameno, spi
    call.ref_obj_id = env.frame_of(reg).stack[spi].reg.ref_obj_id
    if meta.has(uapi.KF_ITER_DESTROY):
        unmark_stack_slots_iter(env, reg, slots)


def _iter_struct(call: KfuncCall, i: int) -> int:
    # btf_check_iter_arg(): the ``struct bpf_iter_*`` that the parameter points to, 0 for none
    btf = call.meta.btf
    ptr = btf.type(btf.skip_mods_and_typedefs(call.meta.params[i].type))
    if not isinstance(ptr, Ptr):
        return 0
    target_id = btf.skip_mods_and_typedefs(ptr.type)
    target = btf.type(target_id)
    return target_id if isinstance(target, Struct) and target.name.startswith(_PREFIX) else 0


def _may_iterate_css_tasks(env: Env) -> bool:
    # where css_set_lock cannot be held already
    if env.prog_type == uapi.BPF_PROG_TYPE_LSM:
        return True
    is_iter = env.program.expected_attach_type == uapi.BPF_TRACE_ITER
    return (env.prog_type == uapi.BPF_PROG_TYPE_TRACING and is_iter) or env.in_sleepable()


def iter_reg(state: VerifierState, call: KfuncCall) -> RegState:
    """The main slot of the iterator that the call was given (get_iter_from_state())."""
    return state.frames[call.iter_frameno].stack[call.iter_spi].reg


def process_iter_next(env: Env, call: KfuncCall) -> None:
    """``bpf_iter_*_next()`` returned an element, which is put aside to be walked; or the iterator is drained."""
    cur = env.cur
    idx = env.insn_idx
    state = iter_reg(cur, call).obj.state
    if state not in _WALKING:
        env.bug(f"unexpected iterator state {state}")
    if state == uapi.BPF_ITER_STATE_ACTIVE:
        parent = cur.parent.state if cur.parent is not None else None
        if parent is None or parent.insn_idx != idx or not _same_callsites(parent, cur):
            env.bug("bad parent state for iter next call")
        # the state kept at this very instruction is not an earlier iteration
        prev = find_prev_entry(env, parent, idx)
        queued = push_stack(env, idx + 1, idx, False, _ENOMEM)
        set_iter_state(env, queued, call.iter_frameno, call.iter_spi, uapi.BPF_ITER_STATE_ACTIVE, True)
        if prev is not None:
            widen_imprecise_scalars(env, prev, queued)
        regs = queued.frames[-1].regs
        regs[0] = mark_ptr_not_null(env, regs[0])
    set_iter_state(env, cur, call.iter_frameno, call.iter_spi, uapi.BPF_ITER_STATE_DRAINED, False)
    env.regs()[0] = const_reg(0)


def _same_callsites(a: VerifierState, b: VerifierState) -> bool:
    return [f.callsite for f in a.frames] == [f.callsite for f in b.frames]
