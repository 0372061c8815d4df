"""The words of a run that compiled programs read and write (struct RunWords of runstate.pxd, for the uncompiled twin).

::

    0   u32 aborted         leave the program as soon as possible
    4   u32 cpu
    8   u64 sp              lowest byte of the stack region in use; frames are below
    16  u64 stack           lowest byte of the stack region
    24  u64 tail_calls
    32  u64 insn_count
    40  u64 last_insn_idx
    48  u64 insn_limit      0: none
    56  u64 owner           PyObject * of the RunState
    64  u64 result          R0 of a tail call that was not native
    72  u64 mem             PyObject * of the AddressSpace
    80  u64 now             1 + CLOCK_MONOTONIC while it cannot pass, 0: ask the run context
"""

from __future__ import annotations

import ctypes

__all__ = [
    "RUN_ABORTED", "RUN_CPU", "RUN_INSN_COUNT", "RUN_INSN_LIMIT", "RUN_LAST_INSN_IDX", "RUN_NOW", "RUN_OWNER",
    "RUN_RESULT", "RUN_SP", "RUN_STACK", "RUN_TAIL_CALLS", "Words",
]  # fmt: skip


class Words(ctypes.Structure):
    """The struct."""

    _fields_ = (
        ("aborted", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("sp", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("tail_calls", ctypes.c_uint64),
        ("insn_count", ctypes.c_uint64),
        ("last_insn_idx", ctypes.c_uint64),
        ("insn_limit", ctypes.c_uint64),
        ("owner", ctypes.c_uint64),
        ("result", ctypes.c_uint64),
        ("mem", ctypes.c_uint64),
        ("now", ctypes.c_uint64),
    )


# Byte offsets from RunState.address.
RUN_ABORTED = 0
RUN_CPU = 4
RUN_SP = 8
RUN_STACK = 16
RUN_TAIL_CALLS = 24
RUN_INSN_COUNT = 32
RUN_LAST_INSN_IDX = 40
RUN_INSN_LIMIT = 48
RUN_OWNER = 56
RUN_RESULT = 64
RUN_NOW = 80
