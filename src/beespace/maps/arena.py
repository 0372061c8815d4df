"""BPF_MAP_TYPE_ARENA: pages that programs and user space share, at addresses of user space.

Programs with an arena are verified; allocating pages is not modelled, so they do not run.

:see: kernel/bpf/arena.c
"""

from __future__ import annotations

from errno import E2BIG, EBUSY, EINVAL, EOPNOTSUPP, ERANGE
from typing import TYPE_CHECKING

from beespace.decl.map import MapLayout, MapType
from beespace.errors import SyscallError, Unsupported
from beespace.maps.base import BpfMap
from beespace.mem import PAGE_BYTES
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.maps.env import MapEnv
    from beespace.uapi.attr import MapCreateAttr

__all__ = ["ARENA", "ArenaMap"]

_4G = 1 << 32
_CREATE_FLAGS = uapi.BPF_F_SEGV_ON_FAULT | uapi.BPF_F_MMAPABLE | uapi.BPF_F_NO_USER_CONV
_USER_BASE = 1 << 44  # where user space sees arenas that it did not place, one for each 4 GiB


class ArenaMap(BpfMap):
    """One range of memory, ``max_entries`` pages long."""

    HAS_MMAP = True

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """:raises SyscallError: EINVAL, E2BIG, ERANGE, EOPNOTSUPP without a JIT."""
        what = "BPF_MAP_CREATE"
        if not env.features.jit:
            raise SyscallError(EOPNOTSUPP, what)
        if (
            attr.key_size
            or attr.value_size
            or attr.max_entries == 0
            or not attr.map_flags & uapi.BPF_F_MMAPABLE
            or attr.map_flags & ~_CREATE_FLAGS
            or attr.map_extra % PAGE_BYTES
        ):
            raise SyscallError(EINVAL, what)
        size = attr.max_entries * PAGE_BYTES
        if size > _4G:
            raise SyscallError(E2BIG, what)
        if attr.map_extra >> 32 != attr.map_extra + size - 1 >> 32:
            raise SyscallError(ERANGE, what)

    def map_alloc(self) -> None:
        """:raises SyscallError: ENOMEM."""
        self._size = self.max_entries * PAGE_BYTES
        self.arena_vm_start = self.map_extra
        self._user_size = self._size if self.map_extra else 0
        region = self.env.space.alloc(self._size, name=self.value_name, align=PAGE_BYTES)
        self._regions.append(region)
        self._first = region.first

    def map_check_btf(self, key: int, value: int) -> None:
        """Types mean nothing here."""

    def map_mmap_at(self, addr: int, length: int) -> None:
        """User space maps it at *addr* (0: anywhere). :raises SyscallError: E2BIG, EINVAL, EBUSY."""
        if length > _4G or (self.map_extra and length > self._size):
            raise SyscallError(E2BIG, "mmap")
        if self.map_extra and (length != self._size or addr != self.map_extra):
            raise SyscallError(EINVAL, "mmap")
        start = addr or self.arena_vm_start or _USER_BASE + (self.id << 32)
        if self.arena_vm_start not in (0, start) or self._user_size not in (0, length):
            raise SyscallError(EBUSY, "mmap")
        self.arena_vm_start, self._user_size = start, length
        self._meta = None

    def map_mmap(self, length: int, writable: bool, offset: int) -> memoryview:
        """The pages. :raises SyscallError: EINVAL beyond them."""
        if offset or length > self._size:
            raise SyscallError(EINVAL, "mmap")
        return self.env.space.view(self._first, length, writable=writable)

    def layout(self) -> MapLayout:
        """:raises Unsupported: always."""
        raise Unsupported("running programs with an arena")


ARENA = MapType(
    uapi.BPF_MAP_TYPE_ARENA,
    "arena",
    create_flags=_CREATE_FLAGS,
    required_flags=uapi.BPF_F_MMAPABLE,
    value_access=False,
    direct_value=True,
    since="6.9",
    ref="kernel/bpf/arena.c:arena_map_ops",
    storage=ArenaMap,
)
ArenaMap.TYPE = ARENA
