"""What a program attaches to: functions, LSM hooks, tracepoints, iterators, other programs, struct_ops members.

:see: kernel/bpf/verifier.c:check_attach_btf_id, bpf_check_attach_target
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.errors import Unsupported
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_attach_target"]

_BTF_ATTACHED = (
    uapi.BPF_PROG_TYPE_TRACING,
    uapi.BPF_PROG_TYPE_LSM,
    uapi.BPF_PROG_TYPE_EXT,
    uapi.BPF_PROG_TYPE_STRUCT_OPS,
)


def check_attach_target(env: Env) -> None:
    """Find out what the program attaches to, if its type attaches to BTF types."""
    if env.prog_type in _BTF_ATTACHED:
        raise Unsupported(f"programs of type {env.ptype.name}")
