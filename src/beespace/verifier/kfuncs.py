"""Calls of kernel functions.

:see: kernel/bpf/verifier.c:check_kfunc_call
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.errors import Unsupported
from beespace.verifier.insns import InsnRec
from beespace.verifier.kfuncmeta import find_kfunc

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_kfunc_call"]


def check_kfunc_call(env: Env, rec: InsnRec) -> bool:
    """Check the call at *rec* and apply what it does. True: the program ends here (bpf_throw())."""
    meta = find_kfunc(env, rec)
    raise Unsupported(f"calling kernel function {meta.name if meta is not None else rec.imm}")
