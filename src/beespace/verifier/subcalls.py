"""Calls of the program's own functions: static ones are entered, global ones trusted to match their prototype,
callbacks walked as often as it takes.

:see: kernel/bpf/verifier.c:check_func_call, push_callback_call, setup_func_entry
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.args import ArgMeta, check_func_arg_reg_off, check_reg_type, process_dynptr_func
from beespace.verifier.argtags import BadArgs, prepare_func_args
from beespace.verifier.btfptr import reg_record, struct_record
from beespace.verifier.cfg import is_async_callback_call
from beespace.verifier.env import EINVAL, ENOTSUPP, Reject
from beespace.verifier.helpermem import check_mem_reg
from beespace.verifier.insns import InsnRec
from beespace.verifier.kfuncmeta import find_kfunc
from beespace.verifier.log import BPF_LOG_LEVEL
from beespace.verifier.objects import new_dynptr_reg
from beespace.verifier.paths import StackElem, push_stack
from beespace.verifier.printer import print_verifier_state
from beespace.verifier.refs import clear_all_pkt_pointers
from beespace.verifier.regtypes import base_type, may_be_null
from beespace.verifier.special import TASK_WORK_KFUNCS
from beespace.verifier.state import (
    MAX_CALL_FRAMES,
    NOT_INIT_REG,
    UNKNOWN_REG,
    FuncState,
    RegState,
    VerifierState,
    is_const_null,
    new_frame,
    pointer,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env, Subprog, SubprogArg

__all__ = ["CALLBACK_STATES", "SetCallee", "check_func_call", "clear_caller_saved", "push_callback_call"]

_E2BIG, _EFAULT, _ENOMEM = 7, 14, 12
_ALL_SLOTS = (1 << 64) - 1
BPF_COMPLEXITY_LIMIT_JMP_SEQ = 8192
SetCallee = Callable[["Env", FuncState, FuncState], None]


def clear_caller_saved(env: Env, regs: list[RegState]) -> None:
    """R0-R5 after a call."""
    for i in range(6):
        regs[i] = NOT_INIT_REG
    env.scratched_regs |= 0x3F


# -- what BTF says ----------------------------------------------------------------------------------------------------


def _check_subprog_call(env: Env, sub: Subprog, subprogno: int) -> int:
    # btf_check_subprog_call(): 0, or the errno with which a call of a global function is refused
    if not sub.type_id:
        return EINVAL
    if sub.unreliable:
        return EINVAL
    try:
        _match_args(env, sub)
    except BadArgs as err:
        sub.unreliable = True
        if err.errno == _EFAULT:
            env.refuse(_EFAULT, env.log.last_line())
        return err.errno
    except Reject as err:
        sub.unreliable = True
        if err.errno == _EFAULT:
            raise
        return err.errno
    return 0


def _match_args(env: Env, sub: Subprog) -> None:
    for i, arg in enumerate(prepare_func_args(env, sub)):
        _match_arg(env, i, i + 1, arg)


def _match_arg(env: Env, i: int, regno: int, arg: SubprogArg) -> None:
    reg = env.regs()[regno]
    t = arg.arg_type
    base = base_type(t)
    if t == uapi.ARG_ANYTHING:
        if reg.type != uapi.SCALAR_VALUE:
            env.reject(EINVAL, f"R{regno} is not a scalar")
    elif t & uapi.PTR_UNTRUSTED:
        pass  # loads through it are probed
    elif t == uapi.ARG_PTR_TO_CTX:
        check_func_arg_reg_off(env, reg, regno, 0)
        if reg.type != uapi.PTR_TO_CTX:
            env.reject(EINVAL, f"arg#{i} expects pointer to ctx")
    elif base == uapi.ARG_PTR_TO_MEM:
        check_func_arg_reg_off(env, reg, regno, 0)
        try:
            check_mem_reg(env, regno, arg.mem_size)
        except Reject as err:
            raise Reject(EINVAL, err.message) from None
        if not t & uapi.PTR_MAYBE_NULL and may_be_null(reg.type):
            env.reject(EINVAL, f"arg#{i} is expected to be non-NULL")
    elif base == uapi.ARG_PTR_TO_ARENA:
        if reg.type not in (uapi.PTR_TO_ARENA, uapi.SCALAR_VALUE):
            env.reject(EINVAL, f"R{regno} is not a pointer to arena or scalar.")
    elif t == uapi.ARG_PTR_TO_DYNPTR | uapi.MEM_RDONLY:
        check_func_arg_reg_off(env, reg, regno, uapi.ARG_PTR_TO_DYNPTR)
        process_dynptr_func(env, regno, -1, t, 0)
    elif base == uapi.ARG_PTR_TO_BTF_ID:
        if is_const_null(reg) and may_be_null(t):
            return
        assert env.btf_vmlinux is not None
        check_reg_type(env, regno, t, (env.btf_vmlinux, arg.btf_id), ArgMeta(0, None))
        check_func_arg_reg_off(env, reg, regno, t)
    else:
        env.bug(f"unrecognized arg#{i} type {t}")


# -- calls ------------------------------------------------------------------------------------------------------------


def check_func_call(env: Env, rec: InsnRec) -> None:
    """BPF_PSEUDO_CALL."""
    subprogno = env.subprog_at(rec.idx + rec.imm + 1)
    if subprogno < 0:
        env.bug(f"target of func call at insn {rec.idx + rec.imm + 1} is not a program")
    sub = env.subprogs[subprogno]
    errno = _check_subprog_call(env, sub, subprogno)
    regs = env.regs()
    if sub.is_global:
        _check_global_call(env, sub, subprogno, errno)
        if sub.changes_pkt_data:
            clear_all_pkt_pointers(env)
        sub.called = True
        regs = env.regs()
        clear_caller_saved(env, regs)
        regs[0] = UNKNOWN_REG
        env.insn_idx = rec.idx + 1
        return
    cur = env.cur
    _enter(env, cur, subprogno, rec.idx, _pass_args)
    caller = cur.own(len(cur.frames) - 2)
    clear_caller_saved(env, caller.regs)
    env.insn_idx = sub.start
    env.liveness.reset_callchain()
    if env.log_level & BPF_LOG_LEVEL:
        env.verbose("caller:\n")
        print_verifier_state(env, cur, caller.frameno, True)
        env.verbose("callee:\n")
        print_verifier_state(env, cur, len(cur.frames) - 1, True)


def _check_global_call(env: Env, sub: Subprog, subprogno: int, errno: int) -> None:
    cur = env.cur
    if cur.active_locks:
        env.verbose("global function calls are not allowed while holding a lock,\n")
        env.reject(EINVAL, "use static function instead")
    critical = cur.active_rcu_lock or cur.active_preempt_locks or cur.active_irq_id
    if sub.might_sleep and (critical or not env.in_sleepable()):
        env.verbose("global functions that may sleep are not allowed in non-sleepable context,\n")
        env.verbose("i.e., in a RCU/IRQ/preempt-disabled section, or in\n")
        env.reject(EINVAL, "a non-sleepable BPF program context")
    if errno:
        env.reject(errno, f"Caller passes invalid args into func#{subprogno} ('{sub.name}')")
    if env.log_level:
        env.verbose(f"Func#{subprogno} ('{sub.name}') is global and assumed valid.\n")


def _enter(env: Env, state: VerifierState, subprogno: int, callsite: int, set_callee: SetCallee) -> FuncState:
    # setup_func_entry(): a new innermost frame
    depth = len(state.frames)
    if depth >= MAX_CALL_FRAMES:
        env.reject(_E2BIG, f"the call stack of {depth + 1} frames is too deep")
    caller = state.frames[-1]
    callee = new_frame(callsite, depth, subprogno)
    callee.async_entry_cnt = 0
    set_callee(env, caller, callee)
    state.frames.append(callee)
    env.scratched_regs, env.scratched_slots = 0x7FF, _ALL_SLOTS
    return callee


def _pass_args(env: Env, caller: FuncState, callee: FuncState) -> None:
    callee.regs[1:6] = caller.regs[1:6]


# -- callbacks --------------------------------------------------------------------------------------------------------


def push_callback_call(env: Env, rec: InsnRec, subprogno: int, set_callee: SetCallee) -> None:
    """A helper or kfunc runs subprogram *subprogno*: now, any number of times; or later, on its own."""
    sub = env.subprogs[subprogno]
    _check_subprog_call(env, sub, subprogno)
    sub.is_cb = True
    rec.callback_subprogno = subprogno
    if is_async_callback_call(env, rec):
        sub.is_async_cb = True
        _push_async(env, rec, subprogno, set_callee)
        return
    state = push_stack(env, sub.start, rec.idx, False, _ENOMEM)
    _enter(env, state, subprogno, rec.idx, set_callee)
    state.callback_unroll_depth += 1
    state.own(len(state.frames) - 2).callback_depth += 1
    env.frame().callback_depth = 0


def _push_async(env: Env, rec: InsnRec, subprogno: int, set_callee: SetCallee) -> None:
    # push_async_cb(): nothing is known where it runs but its arguments
    sub = env.subprogs[subprogno]
    caller = env.frame()
    meta = find_kfunc(env, rec) if rec.is_kfunc_call else None
    sleepable = meta is not None  # bpf_wq and bpf_task_work; timers are not
    frame = new_frame(-1, 0, subprogno)
    state = VerifierState.entry(frame, sub.start, sleepable)
    state.first_insn_idx = state.last_insn_idx = 0
    frame.async_entry_cnt = caller.async_entry_cnt + 1
    env.stack.append(StackElem(state, sub.start, rec.idx, env.log.pos))
    if len(env.stack) > BPF_COMPLEXITY_LIMIT_JMP_SEQ:
        env.reject(_E2BIG, f"The sequence of {len(env.stack)} jumps is too complex for async cb.")
    env.scratched_regs, env.scratched_slots = 0x7FF, _ALL_SLOTS
    set_callee(env, caller, frame)


def _no_more(callee: FuncState, first: int) -> None:
    for i in range(first, 6):
        callee.regs[i] = NOT_INIT_REG


def _map_reg(reg_type: int, map_ptr: object) -> RegState:
    reg = pointer(reg_type)
    reg.map_ptr = map_ptr
    return reg


def _sync(callee: FuncState) -> None:
    callee.in_callback_fn = True
    callee.callback_ret_range = (0, 1)


def set_map_elem_callback(env: Env, caller: FuncState, callee: FuncState) -> None:
    """``bpf_for_each_map_elem()``: (map, key, value, ctx)."""
    m = caller.regs[1].map_ptr
    if m.map_type not in _FOR_EACH_MAPS:
        env.reject(ENOTSUPP, "callback function not allowed for map")
    callee.regs[1] = caller.regs[1]
    callee.regs[2] = _map_reg(uapi.PTR_TO_MAP_KEY, m)
    callee.regs[3] = _map_reg(uapi.PTR_TO_MAP_VALUE, m)
    callee.regs[4] = caller.regs[3]
    _no_more(callee, 5)
    _sync(callee)


_FOR_EACH_MAPS = frozenset(
    (
        uapi.BPF_MAP_TYPE_ARRAY,
        uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
        uapi.BPF_MAP_TYPE_HASH,
        uapi.BPF_MAP_TYPE_PERCPU_HASH,
        uapi.BPF_MAP_TYPE_LRU_HASH,
        uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
    )
)


def set_loop_callback(env: Env, caller: FuncState, callee: FuncState) -> None:
    """``bpf_loop()``: (index, ctx)."""
    callee.regs[1] = UNKNOWN_REG
    callee.regs[2] = caller.regs[3]
    _no_more(callee, 3)
    _sync(callee)


def _timer_like(caller: FuncState, callee: FuncState, map_arg: int, limits: tuple[int, int]) -> None:
    m = caller.regs[map_arg].map_ptr
    callee.regs[1] = _map_reg(uapi.CONST_PTR_TO_MAP, m)
    callee.regs[2] = _map_reg(uapi.PTR_TO_MAP_KEY, m)
    callee.regs[3] = _map_reg(uapi.PTR_TO_MAP_VALUE, m)
    _no_more(callee, 4)
    callee.in_async_callback_fn = True
    callee.callback_ret_range = limits


def set_timer_callback(env: Env, caller: FuncState, callee: FuncState) -> None:
    """``bpf_timer_set_callback()``, ``bpf_wq_set_callback()``: (map, key, value)."""
    _timer_like(caller, callee, 1, (0, 0))


def set_task_work_callback(env: Env, caller: FuncState, callee: FuncState) -> None:
    """``bpf_task_work_schedule_*()``: (map, key, value)."""
    _timer_like(caller, callee, 3, (-(1 << 31), (1 << 31) - 1))


def set_find_vma_callback(env: Env, caller: FuncState, callee: FuncState) -> None:
    """``bpf_find_vma()``: (task, vma, ctx)."""
    callee.regs[1] = caller.regs[1]
    vma = pointer(uapi.PTR_TO_BTF_ID)
    assert env.btf_vmlinux is not None
    vma.btf = env.btf_vmlinux
    vma.btf_id = env.btf_vmlinux.find("vm_area_struct", uapi.BTF_KIND_STRUCT)
    callee.regs[2] = vma
    callee.regs[3] = caller.regs[4]
    _no_more(callee, 4)
    _sync(callee)


def set_user_ringbuf_callback(env: Env, caller: FuncState, callee: FuncState) -> None:
    """``bpf_user_ringbuf_drain()``: (dynptr, ctx)."""
    callee.regs[1] = new_dynptr_reg(uapi.BPF_DYNPTR_TYPE_LOCAL, True, env.new_id())
    callee.regs[2] = caller.regs[3]
    _no_more(callee, 3)
    _sync(callee)


def set_rbtree_add_callback(env: Env, caller: FuncState, callee: FuncState) -> None:
    """``bpf_rbtree_add()``: (node, node)."""
    root = caller.regs[1]
    record = reg_record(env, root)
    field = record.find(root.off, uapi.BPF_RB_ROOT) if record is not None else None
    if field is None or not field.btf_id:
        env.refuse(_EFAULT, "")
    flags = uapi.MEM_ALLOC | uapi.NON_OWN_REF
    struct = struct_record(env, field.btf, field.btf_id) if field.btf is not None else None
    if struct is not None and struct.has(uapi.BPF_REFCOUNT):
        flags |= uapi.MEM_RCU
    for regno in (1, 2):
        node = pointer(uapi.PTR_TO_BTF_ID | flags)
        node.btf = field.btf
        node.btf_id = field.btf_id
        node.off = field.node_off
        callee.regs[regno] = node
    _no_more(callee, 3)
    _sync(callee)


# helper id or kfunc name -> how its callback is entered
CALLBACK_STATES: dict[int | str, SetCallee] = {
    uapi.BPF_FUNC_for_each_map_elem: set_map_elem_callback,
    uapi.BPF_FUNC_timer_set_callback: set_timer_callback,
    uapi.BPF_FUNC_find_vma: set_find_vma_callback,
    uapi.BPF_FUNC_loop: set_loop_callback,
    uapi.BPF_FUNC_user_ringbuf_drain: set_user_ringbuf_callback,
    "bpf_rbtree_add_impl": set_rbtree_add_callback,
    "bpf_wq_set_callback_impl": set_timer_callback,
    **dict.fromkeys(TASK_WORK_KFUNCS, set_task_work_callback),
}
