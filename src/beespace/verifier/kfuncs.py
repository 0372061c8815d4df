"""Calls of kernel functions: may the program call it here, do the arguments fit, what does it do to the state.

:see: kernel/bpf/verifier.c:check_kfunc_call
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.btfptr import struct_record
from beespace.verifier.env import EACCES, EFAULT, EINVAL, ENOTSUPP, Reject
from beespace.verifier.exits import check_return_code
from beespace.verifier.insns import InsnRec
from beespace.verifier.kfuncargs import KfuncCall, check_kfunc_args
from beespace.verifier.kfuncgraph import take_over
from beespace.verifier.kfunciters import process_iter_next
from beespace.verifier.kfuncmeta import KfuncMeta, find_kfunc
from beespace.verifier.kfuncret import kfunc_result
from beespace.verifier.locks import in_rbtree_lock_required_cb
from beespace.verifier.paths import push_stack
from beespace.verifier.refs import clear_all_pkt_pointers, map_regs, release_reference
from beespace.verifier.special import CALLBACK_KFUNCS, GRAPH_INSERT_KFUNCS, OBJ_DROP_KFUNCS, RES_SPIN_LOCKS
from beespace.verifier.state import NOT_INIT_REG, RegState, copy_reg, scalar
from beespace.verifier.subcalls import CALLBACK_STATES, clear_caller_saved, push_callback_call

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_kfunc_call"]

_MAX_ERRNO = 4095
_CALLER_SAVED = 6


def check_kfunc_call(env: Env, rec: InsnRec) -> bool:
    """Check the call at *rec* and apply what it does. True: the program ends here (bpf_throw())."""
    if rec.imm == 0:  # a weak kfunc that this kernel lacks: refused unless the call turns out to be dead code
        env.insn_idx = rec.idx + 1
        return False
    meta = find_kfunc(env, rec)
    if meta is None:
        env.refuse(EINVAL, env.log.last_line())
    if meta.flags is None:
        env.reject(EACCES, f"calling kernel function {meta.name} is not allowed")
    call = KfuncCall(meta)
    _before(env, rec, call)
    _check_context(env, meta)
    check_kfunc_args(env, call)
    if call.special in CALLBACK_KFUNCS:
        _push_callback(env, rec, call)
    _critical_sections(env, meta, call.special)
    if meta.has(uapi.KF_RCU_PROTECTED) and not env.in_rcu_cs():
        env.reject(EACCES, f"kernel func {meta.name} requires RCU critical section protection")
    _hand_over(env, rec, call)
    if call.special == "bpf_throw":
        _throw(env)
    clear_caller_saved(env, env.regs())
    result = kfunc_result(env, rec, call)
    if result is not None:
        env.regs()[0] = result
    if call.special in OBJ_DROP_KFUNCS.values():
        assert call.arg_btf is not None
        rec.kptr_struct_meta = struct_record(env, call.arg_btf, call.arg_btf_id)
    if meta.changes_pkt:
        clear_all_pkt_pointers(env)
    if meta.is_iter_next:
        process_iter_next(env, call)
    env.insn_idx = rec.idx + 1
    return call.special == "bpf_throw"


def _before(env: Env, rec: InsnRec, call: KfuncCall) -> None:
    # What holds whatever the arguments are: the lock may not be had; the compiler found undefined behaviour.
    if call.special in RES_SPIN_LOCKS:
        branch = push_stack(env, rec.idx + 1, rec.idx, False)
        regs = branch.frames[-1].regs
        for i in range(_CALLER_SAVED):
            regs[i] = NOT_INIT_REG
        regs[0] = scalar(n.set_srange(n.unknown(), -_MAX_ERRNO, -1))
    elif call.special == "__bpf_trap":
        env.reject(EFAULT, "unexpected __bpf_trap() due to uninitialized variable?")


def _check_context(env: Env, meta: KfuncMeta) -> None:
    if meta.has(uapi.KF_DESTRUCTIVE) and not env.program.caps.sys_admin:
        env.reject(EACCES, "destructive kfunc calls require CAP_SYS_BOOT capability")
    if meta.is_sleepable and not env.in_sleepable():
        env.reject(EACCES, f"program must be sleepable to call sleepable kfunc {meta.name}")


def _push_callback(env: Env, rec: InsnRec, call: KfuncCall) -> None:
    name = call.meta.name
    try:
        push_callback_call(env, rec, call.subprogno, CALLBACK_STATES[name])
    except Reject as err:
        message = f"kfunc {name}#{call.meta.func_id} failed callback verification"
        env.verbose(message + "\n")
        raise Reject(err.errno, err.message or message) from None


# -- sections in which sleeping is not allowed ------------------------------------------------------------------------


def _critical_sections(env: Env, meta: KfuncMeta, special: str) -> None:
    cur = env.cur
    if cur.active_rcu_lock:
        _in_rcu_section(env, meta, special)
    elif special == "bpf_rcu_read_lock":
        cur.active_rcu_lock = True
    elif special == "bpf_rcu_read_unlock":
        env.reject(EINVAL, f"unmatched rcu read unlock (kernel function {meta.name})")
    if special == "bpf_preempt_disable":
        cur.active_preempt_locks += 1
    elif special == "bpf_preempt_enable":
        if not cur.active_preempt_locks:
            env.reject(EINVAL, f"unmatched attempt to enable preemption (kernel function {meta.name})")
        cur.active_preempt_locks -= 1
    elif cur.active_preempt_locks and meta.is_sleepable:
        env.reject(EACCES, f"kernel func {meta.name} is sleepable within non-preemptible region")
    if cur.active_irq_id and meta.is_sleepable:
        env.reject(EACCES, f"kernel func {meta.name} is sleepable within IRQ-disabled region")


def _in_rcu_section(env: Env, meta: KfuncMeta, special: str) -> None:
    locks, unlocks = special == "bpf_rcu_read_lock", special == "bpf_rcu_read_unlock"
    if (locks or unlocks) and in_rbtree_lock_required_cb(env):
        env.reject(EACCES, "Calling bpf_rcu_read_{lock,unlock} in unnecessary rbtree callback")
    if locks:
        env.reject(EINVAL, f"nested rcu read lock (kernel function {meta.name})")
    if unlocks:
        map_regs(env.cur, _after_rcu_section, iters=True)
        env.cur.active_rcu_lock = False
    elif meta.is_sleepable:
        env.reject(EACCES, f"kernel func {meta.name} is sleepable within rcu_read_lock region")


def _after_rcu_section(reg: RegState) -> RegState:
    # What RCU kept may be gone now.
    if not reg.type & uapi.MEM_RCU:
        return reg
    reg = copy_reg(reg)
    reg.type = reg.type & ~(uapi.MEM_RCU | uapi.PTR_MAYBE_NULL) | uapi.PTR_UNTRUSTED
    return reg


# -- giving back and handing over -------------------------------------------------------------------------------------


def _hand_over(env: Env, rec: InsnRec, call: KfuncCall) -> None:
    meta = call.meta
    if call.release_regno:
        ref_obj_id = env.regs()[call.release_regno].ref_obj_id
        if not release_reference(env, ref_obj_id):
            env.reject(EINVAL, f"kfunc {meta.name}#{meta.func_id} reference has not been acquired before")
    if call.special in GRAPH_INSERT_KFUNCS:
        node = env.regs()[2]
        assert call.arg_btf is not None
        rec.insert_off = node.off
        rec.kptr_struct_meta = struct_record(env, call.arg_btf, call.arg_btf_id)
        take_over(env, node.ref_obj_id)


def _throw(env: Env) -> None:
    if not env.registry.features.jit:
        env.reject(ENOTSUPP, "JIT does not support calling kfunc bpf_throw")
    env.seen_exception = True
    # without an exception callback of its own, the cookie is what the program returns
    if not env.exception_callback_subprog:
        check_return_code(env, 1, "R1")
