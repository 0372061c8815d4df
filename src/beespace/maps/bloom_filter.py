"""BPF_MAP_TYPE_BLOOM_FILTER.

:see: kernel/bpf/bloom_filter.c
"""

from __future__ import annotations

from errno import E2BIG, EINVAL, ENOENT, EOPNOTSUPP
from typing import TYPE_CHECKING

from beespace.decl.map import MapType
from beespace.errors import SyscallError
from beespace.maps.base import BpfMap, access_flags_ok
from beespace.maps.hash_core import jhash_seeded
from beespace.mem import raw
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.maps.env import MapEnv
    from beespace.uapi.attr import MapCreateAttr

__all__ = ["BLOOM_FILTER", "BloomFilterMap"]

_KMALLOC_MAX_SIZE = 1 << 22
_CREATE_FLAGS = (
    uapi.BPF_F_NUMA_NODE
    | uapi.BPF_F_ZERO_SEED
    | uapi.BPF_F_RDONLY
    | uapi.BPF_F_RDONLY_PROG
    | uapi.BPF_F_WRONLY
    | uapi.BPF_F_WRONLY_PROG
)
_DEFAULT_HASHES = 5


class BloomFilterMap(BpfMap):
    """A set that remembers values approximately: what was pushed is always found."""

    def map_alloc(self) -> None:
        """:raises SyscallError: EINVAL, ENOMEM."""
        attr = self.attr
        if (
            attr.key_size
            or not attr.value_size
            or not attr.max_entries
            or attr.map_flags & ~_CREATE_FLAGS
            or not access_flags_ok(attr.map_flags)
            or attr.map_extra & ~0xF
        ):
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")
        self._hashes = attr.map_extra or _DEFAULT_HASHES
        bits = attr.max_entries * self._hashes // 5 * 7  # n * k / ln 2
        if attr.max_entries * self._hashes > 0xFFFFFFFF or bits > 1 << 31:
            self._mask = 0xFFFFFFFF
        else:
            self._mask = (1 << (max(bits, 64) - 1).bit_length()) - 1
        self._seed = 0 if attr.map_flags & uapi.BPF_F_ZERO_SEED else self.env.choices.u32()
        self._bits = self.alloc_hidden((self._mask + 1) // 8, "bloom filter")

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """:raises SyscallError: E2BIG."""
        if attr.value_size > _KMALLOC_MAX_SIZE:
            raise SyscallError(E2BIG, "BPF_MAP_CREATE")

    def map_check_btf(self, key: int, value: int) -> None:
        """There are no keys. :raises SyscallError: EINVAL."""
        if key:
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")

    def _positions(self, value: int) -> list[int]:
        size, mask = self.value_size, self._mask
        return [jhash_seeded(value, size, self._seed + i & 0xFFFFFFFF) & mask for i in range(self._hashes)]

    def map_peek_elem(self, value: int) -> int:
        """0 when *value* may be in the set, else -ENOENT."""
        for at in self._positions(value):
            if not raw.load8(self._bits + at // 8) >> at % 8 & 1:
                return -ENOENT
        return 0

    def map_push_elem(self, value: int, flags: int) -> int:
        """0 or -EINVAL."""
        if flags != uapi.BPF_ANY:
            return -EINVAL
        for at in self._positions(value):
            raw.fetch_or32(self._bits + at // 32 * 4, 1 << at % 32)
        return 0

    def map_pop_elem(self, value: int) -> int:
        """-EOPNOTSUPP."""
        return -EOPNOTSUPP

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """0: there are no keys."""
        return 0

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """-EINVAL."""
        return -EINVAL

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """-EOPNOTSUPP."""
        return -EOPNOTSUPP

    def map_get_next_key(self, key: int, next_key: int) -> int:
        """-EOPNOTSUPP."""
        return -EOPNOTSUPP

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """Push."""
        return self.map_push_elem(value, flags)


BLOOM_FILTER = MapType(
    uapi.BPF_MAP_TYPE_BLOOM_FILTER,
    "bloom_filter",
    create_flags=_CREATE_FLAGS,
    only_helpers=frozenset({uapi.BPF_FUNC_map_peek_elem, uapi.BPF_FUNC_map_push_elem}),
    since="5.16",
    sleepable=False,
    ref="kernel/bpf/bloom_filter.c:bloom_filter_map_ops",
    storage=BloomFilterMap,
)
BloomFilterMap.TYPE = BLOOM_FILTER
