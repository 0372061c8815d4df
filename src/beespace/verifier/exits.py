"""Where a path or a function ends: nothing may be held, R0 may have to be in a range.

:see: kernel/bpf/verifier.c:process_bpf_exit_full, prepare_func_exit, check_return_code
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.check import check_readable
from beespace.verifier.env import EACCES, EINVAL
from beespace.verifier.log import BPF_LOG_LEVEL
from beespace.verifier.memory import check_ptr_off_reg
from beespace.verifier.precision import mark_chain_precision
from beespace.verifier.printer import print_verifier_state
from beespace.verifier.pruning import find_prev_entry, widen_imprecise_scalars
from beespace.verifier.refs import check_resource_leak
from beespace.verifier.regtypes import reg_type_str
from beespace.verifier.state import RegState

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_return_code", "process_exit"]

_S32 = (-(1 << 31), (1 << 31) - 1)


def process_exit(env: Env, exception_exit: bool) -> bool:
    """BPF_EXIT, or bpf_throw(). True: the path ends, else the caller goes on."""
    outermost = len(env.cur.frames) == 1
    where = "bpf_throw" if exception_exit else "BPF_EXIT instruction in main prog"
    check_resource_leak(env, exception_exit, exception_exit or outermost, where)
    if exception_exit:
        return True
    if not outermost:
        env.liveness.update()
        _prepare_func_exit(env)
        return False
    check_return_code(env, 0, "R0")
    return True


def _prepare_func_exit(env: Env) -> None:
    cur = env.cur
    callee = cur.frames[-1]
    r0 = callee.regs[0]
    if r0.type == uapi.PTR_TO_STACK:
        env.reject(EINVAL, "cannot return stack pointer to the caller")
    in_callback = callee.in_callback_fn
    caller = cur.own(len(cur.frames) - 2)
    if in_callback:
        if r0.type != uapi.SCALAR_VALUE:
            env.reject(EACCES, "R0 not a scalar value")
        mark_chain_precision(env, 0)
        if not _within(callee.callback_ret_range, r0, False):
            _reject_value(env, r0, callee.callback_ret_range, "At callback return", "R0")
        if not env.insns[callee.callsite].calls_callback:
            env.bug(f"in callback at {env.insn_idx}, callsite {callee.callsite} !calls_callback")
    else:
        caller.regs[0] = r0
    env.insn_idx = callee.callsite if in_callback else callee.callsite + 1
    if env.log_level & BPF_LOG_LEVEL:
        env.verbose("returning from callee:\n")
        print_verifier_state(env, cur, callee.frameno, True)
        env.verbose(f"to caller at {env.insn_idx}:\n")
        print_verifier_state(env, cur, caller.frameno, True)
    cur.pop_frame()
    if in_callback:
        prev = find_prev_entry(env, cur, env.insn_idx)
        if prev is not None:
            widen_imprecise_scalars(env, prev, cur)


def _within(limits: tuple[int, int], reg: RegState, is32: bool) -> bool:
    b = reg.bounds
    if is32:
        return limits[0] <= b.s32_min_value and b.s32_max_value <= limits[1]
    return limits[0] <= b.smin_value and b.smax_value <= limits[1]


def _reject_value(env: Env, reg: RegState, limits: tuple[int, int], where: str, name: str, note: str = "") -> None:
    b = reg.bounds
    known = ""
    if b.smin_value > -(1 << 63):
        known += f" smin={b.smin_value}"
    if b.smax_value < (1 << 63) - 1:
        known += f" smax={b.smax_value}"
    known = known or " unknown scalar value"
    message = f"{where} the register {name} has{known} should have been in [{limits[0]}, {limits[1]}]"
    env.verbose(message + "\n")
    if note:
        env.verbose(note + "\n")
    env.refuse(EINVAL, message)


def check_return_code(env: Env, regno: int, name: str) -> None:
    """The value that the program (or a callback that runs on its own, or bpf_throw()) returns."""
    frame = env.cur.frames[0]
    is_subprog = frame.subprogno != 0
    hook = env.attach
    if not is_subprog or frame.in_exception_callback_fn:
        if hook is not None and hook.is_exempt(env):
            return
        if hook is not None and not frame.in_exception_callback_fn and hook.returns_kptr(env, env.regs()[regno]):
            check_ptr_off_reg(env, env.regs()[regno], regno)
            return
    check_readable(env, regno)
    if env.is_pointer_value(regno):
        env.reject(EACCES, f"R{regno} leaks addr as return value")
    reg = env.regs()[regno]
    where = "At program exit"
    is32 = False
    note = ""
    if frame.in_async_callback_fn:
        where = "At async callback return"
        limits: tuple[int, int] | None = frame.callback_ret_range
    elif is_subprog and not frame.in_exception_callback_fn:
        if reg.type != uapi.SCALAR_VALUE:
            text = reg_type_str(reg.type)
            env.reject(EINVAL, f"At subprogram exit the register R{regno} is not a scalar value ({text})")
        return
    else:
        limits = _limits(env)
        if hook is not None:
            limits, is32, note = hook.return_limits(env, limits)
    if limits is None:
        return
    if reg.type != uapi.SCALAR_VALUE:
        env.reject(EINVAL, f"{where} the register R{regno} is not a known value ({reg_type_str(reg.type)})")
    mark_chain_precision(env, regno)
    if not _within(limits, reg, is32):
        _reject_value(env, reg, limits, where, name, note)
    _note_enforced_attach_type(env, reg)


def _limits(env: Env) -> tuple[int, int] | None:
    ptype = env.ptype
    return ptype.ret_ranges.get(env.program.expected_attach_type, ptype.ret_range)


def _note_enforced_attach_type(env: Env, reg: RegState) -> None:
    # An egress program that may return 2 or 3 can be attached only where those mean something.
    egress = env.program.expected_attach_type == uapi.BPF_CGROUP_INET_EGRESS
    if env.prog_type == uapi.BPF_PROG_TYPE_CGROUP_SKB and egress and n.tnum_in(n.tnum_range(2, 3), reg.bounds.var_off):
        env.enforce_expected_attach_type = True
