"""Helpers of kernel/bpf/bpf_iter.c."""

from __future__ import annotations

from errno import E2BIG, EINVAL
from typing import TYPE_CHECKING

from beespace.decl.func import implements

if TYPE_CHECKING:
    from beespace.decl.run import RunContext

__all__ = ["bpf_loop"]

_BPF_MAX_LOOPS = 8 << 20


@implements("bpf_loop")
def bpf_loop(run: RunContext, nr_loops: int, callback_fn: int, callback_ctx: int, flags: int) -> int:
    """Call ``callback_fn(i, ctx)`` until it returns non-zero: how often it was called; -EINVAL, -E2BIG.

    :see: kernel/bpf/bpf_iter.c:bpf_loop
    """
    if flags:
        return -EINVAL
    if nr_loops > _BPF_MAX_LOOPS:
        return -E2BIG
    invoke = run.invoke
    for i in range(nr_loops):
        if invoke(callback_fn, i, callback_ctx, 0, 0, 0):
            return i + 1
    return nr_loops
