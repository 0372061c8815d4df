"""Does the state entail what an instruction demands? If not, the program is refused in the kernel's words.

:see: kernel/bpf/verifier.c:check_reg_arg, check_mem_access
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.env import EACCES, EINVAL
from beespace.verifier.memory import check_mem_access
from beespace.verifier.obligations import ACCESS, NOT_POINTER, READ, WRITE

if TYPE_CHECKING:
    from beespace.verifier.env import Env
    from beespace.verifier.obligations import Obligation
    from beespace.verifier.state import RegState

__all__ = ["check", "check_not_pointer", "check_readable", "check_writable"]


def check(env: Env, obligations: tuple[Obligation, ...]) -> RegState | None:
    """Check each demand in order.

    :return: what a load yields: the witness that the access is allowed is all that is known of the value.
    """
    loaded = None
    for o in obligations:
        tag = o.tag
        if tag == READ:
            check_readable(env, o.regno)
        elif tag == WRITE:
            check_writable(env, o.regno)
        elif tag == ACCESS:
            loaded = check_mem_access(env, o.regno, o.off, o.size, o.write, o.value, o.strict, o.sign_extend)
        elif tag == NOT_POINTER:
            check_not_pointer(env, o.regno, o.message)
        else:
            env.reject(EINVAL, o.message)
    return loaded


def check_readable(env: Env, regno: int) -> None:
    """Rn holds a value."""
    if regno > uapi.BPF_REG_10:
        env.reject(EINVAL, f"R{regno} is invalid")
    env.scratched_regs |= 1 << regno
    reg = env.regs()[regno]
    if reg.type == uapi.NOT_INIT:
        env.reject(EACCES, f"R{regno} !read_ok")


def check_writable(env: Env, regno: int) -> None:
    """Rn is not the frame pointer."""
    if regno > uapi.BPF_REG_10:
        env.reject(EINVAL, f"R{regno} is invalid")
    env.scratched_regs |= 1 << regno
    if regno == uapi.BPF_REG_10:
        env.reject(EACCES, "frame pointer is read only")


def check_not_pointer(env: Env, regno: int, message: str) -> None:
    """Rn is a number, or the loader may see addresses."""
    if env.is_pointer_value(regno):
        env.reject(EACCES, message)
