"""BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK.

:see: kernel/bpf/queue_stack_maps.c
"""

from __future__ import annotations

from errno import E2BIG, EINVAL, ENOENT
from typing import TYPE_CHECKING

from beespace.decl.map import MapType
from beespace.errors import SyscallError
from beespace.maps.base import BpfMap, Buffer, access_flags_ok
from beespace.mem import raw
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.maps.env import MapEnv
    from beespace.uapi.attr import MapCreateAttr

__all__ = ["QUEUE", "STACK", "QueueMap", "StackMap"]

_KMALLOC_MAX_SIZE = 1 << 22
_CREATE_FLAGS = (
    uapi.BPF_F_NUMA_NODE | uapi.BPF_F_RDONLY | uapi.BPF_F_RDONLY_PROG | uapi.BPF_F_WRONLY | uapi.BPF_F_WRONLY_PROG
)


class QueueMap(BpfMap):
    """Values without keys, first in, first out: a ring with one slot that stays empty."""

    def map_alloc(self) -> None:
        """:raises SyscallError: ENOMEM."""
        self._slots = self.max_entries + 1
        self._head = self._tail = 0
        self._elements = self.alloc_hidden(self._slots * self.value_size, self.value_name)

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """:raises SyscallError: EINVAL, E2BIG."""
        if (
            attr.max_entries == 0
            or attr.key_size != 0
            or attr.value_size == 0
            or attr.map_flags & ~_CREATE_FLAGS
            or not access_flags_ok(attr.map_flags)
        ):
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")
        if attr.value_size > _KMALLOC_MAX_SIZE:
            raise SyscallError(E2BIG, "BPF_MAP_CREATE")

    def map_check_btf(self, key: int, value: int) -> None:
        """A key type is refused by its size, none because the type has no say. :raises SyscallError: EINVAL."""
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")

    def _slot(self, index: int) -> int:
        return self._elements + index * self.value_size

    # The slot to take next, and where head and tail are afterwards.
    def _next(self) -> tuple[int, int, int]:
        return self._tail, self._head, (self._tail + 1) % self._slots

    def _get(self, value: int, delete: bool) -> int:
        if self._head == self._tail:
            raw.fill(value, 0, self.value_size)
            return -ENOENT
        index, head, tail = self._next()
        raw.copy(value, self._slot(index), self.value_size)
        if delete:
            self._head, self._tail = head, tail
        return 0

    def map_peek_elem(self, value: int) -> int:
        """0 or -ENOENT."""
        return self._get(value, False)

    def map_pop_elem(self, value: int) -> int:
        """0 or -ENOENT."""
        return self._get(value, True)

    def map_push_elem(self, value: int, flags: int) -> int:
        """0; -E2BIG when full, unless BPF_EXIST drops the oldest; -EINVAL."""
        if flags not in (uapi.BPF_ANY, uapi.BPF_EXIST):
            return -EINVAL
        following = (self._head + 1) % self._slots
        if following == self._tail:
            if flags != uapi.BPF_EXIST:
                return -E2BIG
            self._tail = (self._tail + 1) % self._slots
        raw.copy(self._slot(self._head), value, self.value_size)
        self._head = following
        return 0

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """0: there are no keys."""
        return 0

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """-EINVAL."""
        return -EINVAL

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """-EINVAL."""
        return -EINVAL

    def map_get_next_key(self, key: int, next_key: int) -> int:
        """-EINVAL."""
        return -EINVAL

    def lookup_sys(self, key: int, flags: int) -> bytes:
        """Peek. :raises SyscallError: ENOENT."""
        return self._get_sys(False)

    def lookup_and_delete_sys(self, key: int, flags: int) -> bytes:
        """Pop. :raises SyscallError: ENOENT."""
        return self._get_sys(True)

    def _get_sys(self, delete: bool) -> bytes:
        value = Buffer(self.value_size)
        if self._get(value.address, delete):
            raise SyscallError(ENOENT, "BPF_MAP_LOOKUP_ELEM")
        return bytes(value)

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """Push."""
        return self.map_push_elem(value, flags)


class StackMap(QueueMap):
    """Last in, first out."""

    def _next(self) -> tuple[int, int, int]:
        index = (self._head - 1) % self._slots
        return index, index, self._tail


_ONLY = frozenset({uapi.BPF_FUNC_map_peek_elem, uapi.BPF_FUNC_map_pop_elem, uapi.BPF_FUNC_map_push_elem})

QUEUE = MapType(
    uapi.BPF_MAP_TYPE_QUEUE,
    "queue",
    create_flags=_CREATE_FLAGS,
    only_helpers=_ONLY,
    since="4.20",
    ref="kernel/bpf/queue_stack_maps.c:queue_map_ops",
    storage=QueueMap,
)
STACK = MapType(
    uapi.BPF_MAP_TYPE_STACK,
    "stack",
    create_flags=_CREATE_FLAGS,
    only_helpers=_ONLY,
    since="4.20",
    ref="kernel/bpf/queue_stack_maps.c:stack_map_ops",
    storage=StackMap,
)
QueueMap.TYPE = QUEUE
StackMap.TYPE = STACK
