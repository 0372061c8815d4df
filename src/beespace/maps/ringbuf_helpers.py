"""Helpers of ring buffers, both directions.

:see: kernel/bpf/ringbuf.c
"""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from beespace.decl.dynptr import DYNPTR_RINGBUF, dynptr_check_size, dynptr_init, dynptr_set_null
from beespace.decl.func import implements
from beespace.errors import GuestFault
from beespace.maps import ring_core
from beespace.mem import raw

if TYPE_CHECKING:
    from beespace.decl.run import RunContext
    from beespace.maps.base import BpfMap

__all__ = [
    "bpf_ringbuf_discard", "bpf_ringbuf_discard_dynptr", "bpf_ringbuf_output", "bpf_ringbuf_query",
    "bpf_ringbuf_reserve", "bpf_ringbuf_reserve_dynptr", "bpf_ringbuf_submit", "bpf_ringbuf_submit_dynptr",
    "bpf_user_ringbuf_drain",
]  # fmt: skip


@implements("bpf_ringbuf_reserve")
def bpf_ringbuf_reserve(run: RunContext, bpf_map: BpfMap, size: int, flags: int) -> int:
    """Address of *size* bytes; 0 when there is no room or *flags* is not 0."""
    return ring_core.ring_reserve(bpf_map.state, size) if not flags else 0


# The record belongs to the ring buffer in whose memory it is: nothing that stands in shared memory is asked.
def _commit(run: RunContext, sample: int, flags: int, discard: bool) -> None:
    region = run.mem.find(sample)
    state = ring_core.ring_state_of(region.base) if region is not None and _is_ring(run, region.base) else 0
    if not state or ring_core.ring_commit(state, sample, flags, discard):
        raise GuestFault("commit of what is no reserved record of a ring buffer", address=sample)


# Whether *base* is where a ring buffer has its data: an unverified program may pass anything.
def _is_ring(run: RunContext, base: int) -> bool:
    page = run.mem.owner(base)
    return page is not None and base - page.first == ring_core.STATE_BEFORE_DATA and page.name.startswith("ringbuf")


@implements("bpf_ringbuf_submit")
def bpf_ringbuf_submit(run: RunContext, sample: int, flags: int) -> None:
    """Give a record to the consumer. :param flags: BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP; others are ignored."""
    _commit(run, sample, flags, False)


@implements("bpf_ringbuf_discard")
def bpf_ringbuf_discard(run: RunContext, sample: int, flags: int) -> None:
    """Have the consumer skip a record. :param flags: as of bpf_ringbuf_submit()."""
    _commit(run, sample, flags, True)


@implements("bpf_ringbuf_output")
def bpf_ringbuf_output(run: RunContext, bpf_map: BpfMap, data: int, size: int, flags: int) -> int:
    """A record with a copy of *size* bytes: 0; -EINVAL for unknown flags, -EAGAIN without room."""
    return ring_core.ring_output(bpf_map.state, data, size, flags)


@implements("bpf_ringbuf_query")
def bpf_ringbuf_query(run: RunContext, bpf_map: BpfMap, flags: int) -> int:
    """u64: BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE, BPF_RB_CONS_POS, BPF_RB_PROD_POS; 0 for other *flags*."""
    return ring_core.ring_query(bpf_map.state, flags)


@implements("bpf_ringbuf_reserve_dynptr")
def bpf_ringbuf_reserve_dynptr(run: RunContext, bpf_map: BpfMap, size: int, flags: int, ptr: int) -> int:
    """0; -E2BIG; -EINVAL without room or with flags. *ptr* is null then, and has to be submitted or discarded too."""
    err = -EINVAL if flags else dynptr_check_size(size)
    sample = 0 if err else ring_core.ring_reserve(bpf_map.state, size)
    if not sample:
        dynptr_set_null(ptr)
        return err or -EINVAL
    dynptr_init(ptr, sample, DYNPTR_RINGBUF, 0, size)
    return 0


def _commit_dynptr(run: RunContext, ptr: int, flags: int, discard: bool) -> None:
    sample = raw.load64(ptr)
    if sample:
        _commit(run, sample, flags, discard)
        dynptr_set_null(ptr)


@implements("bpf_ringbuf_submit_dynptr")
def bpf_ringbuf_submit_dynptr(run: RunContext, ptr: int, flags: int) -> None:
    """bpf_ringbuf_submit(); nothing for a null dynptr."""
    _commit_dynptr(run, ptr, flags, False)


@implements("bpf_ringbuf_discard_dynptr")
def bpf_ringbuf_discard_dynptr(run: RunContext, ptr: int, flags: int) -> None:
    """bpf_ringbuf_discard(); nothing for a null dynptr."""
    _commit_dynptr(run, ptr, flags, True)


@implements("bpf_user_ringbuf_drain")
def bpf_user_ringbuf_drain(run: RunContext, bpf_map: BpfMap, callback_fn: int, callback_ctx: int, flags: int) -> int:
    """Call ``callback_fn(dynptr, ctx)`` for what user space has put in, until it returns 1.

    :return: samples it was called for, up to 128 * 1024 together with discarded ones; -EBUSY while another program
        drains; -EINVAL for unknown flags, a producer position that is no multiple of 8, a sample behind it; -E2BIG for
        one larger than the buffer or a dynptr. The sample in question stays: the error comes again.
    """
    state = bpf_map.state
    err = ring_core.ring_drain_begin(state, flags)
    if err:
        return err
    try:
        while dynptr := ring_core.ring_drain_next(state):
            stop = run.invoke(callback_fn, dynptr, callback_ctx)
            ring_core.ring_drain_release(state)
            if stop:
                break
    finally:
        result = ring_core.ring_drain_end(state, flags)
    return result
