"""One instruction, one kind of pointer: what a load or store is rewritten to depends on it.

:see: kernel/bpf/verifier.c:save_aux_ptr_type
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.env import EINVAL
from beespace.verifier.insns import InsnRec
from beespace.verifier.regtypes import base_type

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["save_aux_ptr_type"]

_REWRITTEN = frozenset(
    (
        uapi.PTR_TO_CTX,
        uapi.PTR_TO_SOCKET,
        uapi.PTR_TO_SOCK_COMMON,
        uapi.PTR_TO_TCP_SOCK,
        uapi.PTR_TO_XDP_SOCK,
        uapi.PTR_TO_BTF_ID,
        uapi.PTR_TO_ARENA,
    )
)


def save_aux_ptr_type(env: Env, rec: InsnRec, reg_type: int, allow_trust_mismatch: bool) -> None:
    """*rec* goes through a pointer of *reg_type*; refuse it if another path went through another kind."""
    prev = rec.ptr_type
    if prev == uapi.NOT_INIT:
        rec.ptr_type = reg_type
        return
    if reg_type == prev:
        return
    if base_type(reg_type) not in _REWRITTEN and base_type(prev) not in _REWRITTEN:
        return
    base, prev_base = base_type(reg_type), base_type(prev)
    may_mix = base in (uapi.PTR_TO_MEM, uapi.PTR_TO_BTF_ID) and prev_base in (uapi.PTR_TO_MEM, uapi.PTR_TO_BTF_ID)
    if not allow_trust_mismatch or not may_mix:
        env.reject(EINVAL, "same insn cannot be used with different pointers")
    merged = uapi.PTR_TO_MEM if uapi.PTR_TO_MEM in (base, prev_base) else uapi.PTR_TO_BTF_ID
    rec.ptr_type = merged | (reg_type | prev) & (uapi.PTR_UNTRUSTED | uapi.MEM_RDONLY)
