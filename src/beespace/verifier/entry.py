"""The state a walk begins with: the context in R1, or any arguments that match the prototype.

:see: kernel/bpf/verifier.c:do_check_common
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.argtags import BadArgs, prepare_func_args
from beespace.verifier.env import EINVAL
from beespace.verifier.objects import new_dynptr_reg
from beespace.verifier.refs import acquire_reference
from beespace.verifier.regtypes import base_type
from beespace.verifier.state import BPF_MAIN_FUNC, UNKNOWN_REG, RegState, VerifierState, new_frame, pointer

if TYPE_CHECKING:
    from beespace.verifier.env import Env, SubprogArg

__all__ = ["entry_state"]

_ALL = (1 << 64) - 1


def entry_state(env: Env, subprogno: int) -> VerifierState:
    """The state before the first insn of the main program (0) or of a global function."""
    sub = env.subprogs[subprogno]
    frame = new_frame(BPF_MAIN_FUNC, 0, subprogno)
    env.scratched_regs, env.scratched_slots = 0x7FF, _ALL
    state = VerifierState.entry(frame, sub.start, env.sleepable)
    env.cur = state
    if subprogno or env.prog_type_loaded == uapi.BPF_PROG_TYPE_EXT:
        env.verbose(f"Validating {sub.name}() func#{subprogno}...\n")
        try:
            args = prepare_func_args(env, sub)
        except BadArgs as err:
            env.refuse(err.errno, env.log.last_line())
        if sub.is_exception_cb:
            frame.in_exception_callback_fn = True
            if len(args) != 1 or args[0].arg_type != uapi.ARG_ANYTHING:
                env.reject(EINVAL, "exception cb only supports single integer argument")
        for i, arg in enumerate(args):
            frame.regs[i + 1] = _argument(env, i, arg)
    else:
        if sub.type_id:
            _check_main_prototype(env)
        frame.regs[1] = pointer(uapi.PTR_TO_CTX)
    if not subprogno and env.attach is not None:
        env.attach.acquire_ctx_refs(env, acquire_reference)
    return state


def _check_main_prototype(env: Env) -> None:
    # Of the main program BTF is only believed.
    sub = env.subprogs[0]
    try:
        args = prepare_func_args(env, sub)
    except BadArgs:
        sub.unreliable = True
        return
    if len(args) != 1 or args[0].arg_type != uapi.ARG_PTR_TO_CTX:
        sub.unreliable = True


def _argument(env: Env, i: int, arg: SubprogArg) -> RegState:
    t = arg.arg_type
    base = base_type(t)
    if t == uapi.ARG_PTR_TO_CTX:
        return pointer(uapi.PTR_TO_CTX)
    if t == uapi.ARG_ANYTHING or base == uapi.ARG_PTR_TO_ARENA:
        return UNKNOWN_REG
    if t == uapi.ARG_PTR_TO_DYNPTR | uapi.MEM_RDONLY:
        return new_dynptr_reg(uapi.BPF_DYNPTR_TYPE_LOCAL, True, env.new_id())
    if base == uapi.ARG_PTR_TO_MEM:
        reg = pointer(uapi.PTR_TO_MEM | t & (uapi.PTR_MAYBE_NULL | uapi.PTR_UNTRUSTED | uapi.MEM_RDONLY))
        reg.mem_size = arg.mem_size
        if t & uapi.PTR_MAYBE_NULL:
            reg.id = env.new_id()
        return reg
    if base == uapi.ARG_PTR_TO_BTF_ID:
        reg = pointer(uapi.PTR_TO_BTF_ID | t & (uapi.PTR_MAYBE_NULL | uapi.PTR_UNTRUSTED | uapi.PTR_TRUSTED))
        reg.btf = env.btf_vmlinux
        reg.btf_id = arg.btf_id
        reg.id = env.new_id()
        return reg
    env.bug(f"unhandled arg#{i} type {t}")
