"""Paths put aside: pushed where control may go two ways, popped when a path has come to its end.

:see: kernel/bpf/verifier.c:push_stack, pop_stack
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.verifier.env import BPF_COMPLEXITY_LIMIT_JMP_SEQ, EFAULT
from beespace.verifier.state import VerifierState

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["StackElem", "pop_stack", "push_stack"]


class StackElem:
    """``struct bpf_verifier_stack_elem``: a state that goes on at *insn_idx*, coming from *prev_insn_idx*."""

    def __init__(self, state: VerifierState, insn_idx: int, prev_insn_idx: int, log_pos: int) -> None:
        self.state = state
        self.insn_idx = insn_idx
        self.prev_insn_idx = prev_insn_idx
        self.log_pos = log_pos


def push_stack(env: Env, insn_idx: int, prev_insn_idx: int, speculative: bool, err: int = EFAULT) -> VerifierState:
    """Put a copy of the current state aside; it may be changed until something else is put aside."""
    state = env.cur.fork()
    state.speculative |= speculative
    elem = StackElem.__new__(StackElem)
    elem.state = state
    elem.insn_idx = insn_idx
    elem.prev_insn_idx = prev_insn_idx
    elem.log_pos = env.log.pos
    env.stack.append(elem)
    if len(env.stack) > BPF_COMPLEXITY_LIMIT_JMP_SEQ:
        env.reject(err, f"The sequence of {len(env.stack)} jumps is too complex.")
    if state.parent is not None:
        state.parent.branches += 1
    if env.sink is not None:
        env.tell("branch")
    return state


def pop_stack(env: Env, pop_log: bool) -> StackElem | None:
    """The path put aside last; None when all have been walked."""
    if not env.stack:
        return None
    elem: StackElem = env.stack.pop()
    if pop_log:
        env.log.reset(elem.log_pos)
    return elem
