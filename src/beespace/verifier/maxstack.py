"""The stacks of nested calls together stay within bounds.

:see: kernel/bpf/verifier.c:check_max_stack_depth, bpf_enable_priv_stack
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.env import EACCES, EINVAL
from beespace.verifier.insns import InsnRec
from beespace.verifier.kfuncmeta import find_kfunc
from beespace.verifier.state import MAX_BPF_STACK, MAX_CALL_FRAMES

if TYPE_CHECKING:
    from beespace.verifier.env import Env, Subprog

__all__ = ["check_max_stack_depth"]

_E2BIG = 7
_PRIV_STACK_MIN_SIZE = 64
_PRIV_STACK = (
    uapi.BPF_PROG_TYPE_KPROBE,
    uapi.BPF_PROG_TYPE_TRACEPOINT,
    uapi.BPF_PROG_TYPE_PERF_EVENT,
    uapi.BPF_PROG_TYPE_RAW_TRACEPOINT,
)


def _enable_priv_stack(env: Env) -> bool:
    # May frames lie outside the kernel's stack?
    if any(sub.has_tail_call for sub in env.subprogs) or not env.registry.features.jit:
        return False
    if env.prog_type_loaded in _PRIV_STACK:
        return True
    if env.prog_type_loaded == uapi.BPF_PROG_TYPE_TRACING:
        return env.program.expected_attach_type != uapi.BPF_TRACE_ITER
    return False


def check_max_stack_depth(env: Env) -> None:
    """From the main program and from every callback that runs on its own, all calls are followed."""
    private = _enable_priv_stack(env)
    for i in reversed(range(len(env.subprogs))):
        if i == 0 or env.subprogs[i].is_async_cb:
            _Calls(env, i == 0 and private).walk(i)


class _Calls:
    # check_max_stack_depth_subprog(): depth first, with the frames that are open

    def __init__(self, env: Env, private: bool) -> None:
        self.env = env
        self.private = private
        self.depth = 0
        self.open: list[tuple[int, int]] = []  # (subprogram, insn to return to)
        self.tail_call_reachable = False

    def walk(self, idx: int) -> None:
        env = self.env
        self.enter(idx)
        i = env.subprogs[idx].start
        while True:
            sub = env.subprogs[idx]
            while i < sub.end:
                callee = self.callee_of(idx, env.insns[i])
                i += 1
                if callee < 0:
                    continue
                self.open.append((idx, i))
                idx = callee
                sub = env.subprogs[idx]
                i = sub.start
                self.tail_call_reachable |= sub.has_tail_call
                if len(self.open) >= MAX_CALL_FRAMES:
                    env.reject(_E2BIG, f"the call stack of {len(self.open)} frames is too deep !")
                self.enter(idx)
            self.note_tail_calls()
            if not self.open:
                return
            if not sub.priv_stack:
                self.depth -= self.rounded(sub.stack_depth)
            idx, i = self.open.pop()

    def rounded(self, depth: int) -> int:
        if self.env.registry.features.jit:
            return (depth + 15) & ~15
        return (max(depth, 1) + 31) & ~31

    def enter(self, idx: int) -> None:
        env = self.env
        sub = env.subprogs[idx]
        if not self.private:
            sub.priv_stack = False
        if self.open and sub.has_tail_call and self.depth >= 256:
            env.reject(
                EACCES,
                f"tail_calls are not allowed when call stack of previous frames is {self.depth} bytes. Too large",
            )
        depth = self.rounded(sub.stack_depth)
        if self.private and sub.priv_stack is None and depth >= _PRIV_STACK_MIN_SIZE:
            sub.priv_stack = True
        if sub.priv_stack:
            if depth > MAX_BPF_STACK:
                env.reject(EACCES, f"stack size of subprog {idx} is {depth}. Too large")
            return
        self.depth += depth
        if self.depth > MAX_BPF_STACK:
            env.reject(EACCES, f"combined stack size of {len(self.open) + 1} calls is {self.depth}. Too large")

    def callee_of(self, idx: int, rec: InsnRec) -> int:
        # Subprogram whose frame comes on top, -1 for none.
        env = self.env
        if rec.is_kfunc_call and rec.off == 0:
            self.check_throw(idx, rec)
            return -1
        if not rec.is_pseudo_call and not rec.is_pseudo_func:
            return -1
        callee = env.subprog_at(rec.idx + rec.imm + 1)
        sub = env.subprogs[callee]
        if sub.is_async_cb:
            if sub.has_tail_call:
                env.bug("subprog has tail_call and async cb")
            if not rec.is_pseudo_call:
                return -1
            if sub.is_exception_cb:
                env.refuse_at_line_end(EINVAL, f"insn {rec.idx} cannot call exception cb directly")
        return callee

    def check_throw(self, idx: int, rec: InsnRec) -> None:
        meta = find_kfunc(self.env, rec)
        if meta is None or meta.name != "bpf_throw":
            return
        frames: list[Subprog] = [self.env.subprogs[idx], *(self.env.subprogs[sub] for sub, _ in self.open)]
        if any(sub.is_cb for sub in frames):
            self.env.reject(EINVAL, f"bpf_throw kfunc (insn {rec.idx}) cannot be called from callback subprog {idx}")

    def note_tail_calls(self) -> None:
        if not self.tail_call_reachable:
            return
        for idx, _ in self.open:
            sub = self.env.subprogs[idx]
            if sub.is_exception_cb:
                self.env.reject(EINVAL, "cannot tail call within exception cb")
            sub.tail_call_reachable = True
