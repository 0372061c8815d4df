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
_MEM_OR_BTF = (uapi.PTR_TO_MEM, uapi.PTR_TO_BTF_ID)


def save_aux_ptr_type(env: Env, rec: InsnRec, reg_type: int, allow_trust_mismatch: bool) -> None:
    """*rec* goes through a pointer of *reg_type*; refuse it if another path went through another kind."""
    prev = rec.ptr_type
    if prev == uapi.NOT_INIT:
        rec.ptr_type = reg_type
        return
    if reg_type == prev or (base_type(reg_type) not in _REWRITTEN and base_type(prev) not in _REWRITTEN):
        return
    bases = (base_type(reg_type), base_type(prev))
    if not allow_trust_mismatch or any(base not in _MEM_OR_BTF for base in bases):
        env.reject(EINVAL, "same insn cannot be used with different pointers")
    merged = uapi.PTR_TO_MEM if uapi.PTR_TO_MEM in bases else uapi.PTR_TO_BTF_ID
    rec.ptr_type = merged | (reg_type | prev) & (uapi.PTR_UNTRUSTED | uapi.MEM_RDONLY)
