"""Helpers that operate on maps of any type.

:see: kernel/bpf/helpers.c, kernel/bpf/bpf_iter.c:bpf_for_each_map_elem
"""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from beespace.decl.func import implements

if TYPE_CHECKING:
    from beespace.decl.run import RunContext
    from beespace.maps.base import BpfMap

__all__ = [
    "bpf_for_each_map_elem",
    "bpf_map_delete_elem",
    "bpf_map_lookup_elem",
    "bpf_map_lookup_percpu_elem",
    "bpf_map_peek_elem",
    "bpf_map_pop_elem",
    "bpf_map_push_elem",
    "bpf_map_update_elem",
]


@implements("bpf_map_lookup_elem")
def bpf_map_lookup_elem(run: RunContext, bpf_map: BpfMap, key: int) -> int:
    """Address of the value of ``*key``, 0 when there is none."""
    return bpf_map.map_lookup_elem(key, run.cpu)


@implements("bpf_map_update_elem")
def bpf_map_update_elem(run: RunContext, bpf_map: BpfMap, key: int, value: int, flags: int) -> int:
    """0 or -errno, as the map type has it. :param flags: BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK."""
    return bpf_map.map_update_elem(key, value, flags, run.cpu)


@implements("bpf_map_delete_elem")
def bpf_map_delete_elem(run: RunContext, bpf_map: BpfMap, key: int) -> int:
    """0, -ENOENT, -EINVAL for arrays."""
    return bpf_map.map_delete_elem(key, run.cpu)


@implements("bpf_map_push_elem")
def bpf_map_push_elem(run: RunContext, bpf_map: BpfMap, value: int, flags: int) -> int:
    """0, -E2BIG when the map is full, -EINVAL. :param flags: BPF_EXIST drops the oldest element."""
    return bpf_map.map_push_elem(value, flags)


@implements("bpf_map_pop_elem")
def bpf_map_pop_elem(run: RunContext, bpf_map: BpfMap, value: int) -> int:
    """0 or -ENOENT, with ``*value`` zero then."""
    return bpf_map.map_pop_elem(value)


@implements("bpf_map_peek_elem")
def bpf_map_peek_elem(run: RunContext, bpf_map: BpfMap, value: int) -> int:
    """0 or -ENOENT, with ``*value`` zero then (queue and stack)."""
    return bpf_map.map_peek_elem(value)


@implements("bpf_map_lookup_percpu_elem")
def bpf_map_lookup_percpu_elem(run: RunContext, bpf_map: BpfMap, key: int, cpu: int) -> int:
    """Address of *cpu*'s value, 0 when there is no such key or CPU."""
    return bpf_map.map_lookup_percpu_elem(key, cpu)


@implements("bpf_for_each_map_elem")
def bpf_for_each_map_elem(run: RunContext, bpf_map: BpfMap, callback_fn: int, callback_ctx: int, flags: int) -> int:
    """Call ``callback_fn(map, key, value, ctx)`` until it returns non-zero: how many were visited; -EINVAL."""
    if flags:
        return -EINVAL
    descriptor = bpf_map.descriptor

    def callback(key: int, value: int) -> int:
        return run.invoke(callback_fn, descriptor, key, value, callback_ctx, 0)

    return bpf_map.map_for_each_callback(callback, run.cpu)
