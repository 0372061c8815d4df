"""BPF_MAP_TYPE_LPM_TRIE: longest prefix match.

The kernel keeps a trie; what can be observed of it is a set of prefixes and an order, and that is what is kept here.

:see: kernel/bpf/lpm_trie.c
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from errno import EEXIST, EINVAL, ENOENT, ENOSPC
from typing import TYPE_CHECKING

from beespace.decl.map import MapType
from beespace.errors import SyscallError
from beespace.maps.base import BpfMap, access_flags_ok, round8
from beespace.mem import raw
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    pass

__all__ = ["LPM_TRIE", "LpmTrieMap"]

_PREFIXLEN_BYTES = 4  # struct bpf_lpm_trie_key_u8: u32 prefixlen, u8 data[]
_DATA_SIZE_MAX = 256
_VALUE_SIZE_MAX = (1 << 22) - _DATA_SIZE_MAX - 40
_CREATE_FLAGS = (
    uapi.BPF_F_NO_PREALLOC
    | uapi.BPF_F_NUMA_NODE
    | uapi.BPF_F_RDONLY
    | uapi.BPF_F_RDONLY_PROG
    | uapi.BPF_F_WRONLY
    | uapi.BPF_F_WRONLY_PROG
)
_SPARE = 64  # values that were replaced or deleted stay readable for as many updates

# (number of bits, the bits as a number); both are needed: 0/1 and 0/2 are different prefixes
_Prefix = tuple[int, int]


class LpmTrieMap(BpfMap):
    """Prefixes with values; a lookup finds the longest prefix that fits."""

    BATCH_OPS = frozenset({"lookup", "update", "delete"})

    def map_alloc(self) -> None:
        """:raises SyscallError: EINVAL, ENOMEM."""
        attr = self.attr
        if (
            attr.max_entries == 0
            or not attr.map_flags & uapi.BPF_F_NO_PREALLOC
            or attr.map_flags & ~_CREATE_FLAGS
            or not access_flags_ok(attr.map_flags)
            or not _PREFIXLEN_BYTES < attr.key_size <= _PREFIXLEN_BYTES + _DATA_SIZE_MAX
            or not 0 < attr.value_size <= _VALUE_SIZE_MAX
        ):
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")
        self._data_size = attr.key_size - _PREFIXLEN_BYTES
        self._bits = 8 * self._data_size
        self._stride = round8(attr.value_size)
        size = (attr.max_entries + _SPARE) * self._stride
        self._values = self.alloc(size, self.value_name, stride=self._stride, high=attr.value_size).base
        self._slots: dict[_Prefix, int] = {}
        self._keys: dict[_Prefix, bytes] = {}  # as they were given: bits behind the prefix are kept
        self._lengths = [0] * (self._bits + 1)  # how many prefixes there are of each length
        self._order: list[tuple[int, int]] = []  # _rank() of each
        self._free: deque[int] = deque()
        self._fresh = 0

    def map_check_btf(self, key: int, value: int) -> None:
        """The key is a struct. :raises SyscallError: EINVAL."""
        assert self.btf is not None
        if not key or self.btf.kind(key) != uapi.BTF_KIND_STRUCT:
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")

    # prefixlen and all bits of ``*key``.
    def _read(self, key: int) -> tuple[int, int]:
        data = raw.read_bytes(key + _PREFIXLEN_BYTES, self._data_size)
        return raw.load32(key), int.from_bytes(data, "big")

    def _prefix(self, length: int, bits: int) -> _Prefix:
        return length, bits >> self._bits - length

    # Zeroes before ones, and a prefix after all that it contains: by its last address, then by its size.
    def _rank(self, prefix: _Prefix) -> tuple[int, int]:
        length, bits = prefix
        return (bits + 1 << self._bits - length) - 1, self._bits - length

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """Address of the value of the longest prefix of ``*key``, no longer than its prefixlen; or 0."""
        length, bits = self._read(key)
        if length > self._bits:
            return 0
        for candidate in range(length, -1, -1):
            if self._lengths[candidate]:
                slot = self._slots.get(self._prefix(candidate, bits))
                if slot is not None:
                    return self._values + slot * self._stride
        return 0

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """0; -EINVAL, -EEXIST, -ENOENT, -ENOSPC."""
        length, bits = self._read(key)
        if flags > uapi.BPF_EXIST or length > self._bits:
            return -EINVAL
        prefix = self._prefix(length, bits)
        old = self._slots.get(prefix)
        if old is not None and flags == uapi.BPF_NOEXIST:
            return -EEXIST
        if old is None:
            if flags == uapi.BPF_EXIST:
                return -ENOENT
            if len(self._slots) == self.max_entries:
                return -ENOSPC
            self._lengths[length] += 1
            insort(self._order, self._rank(prefix))
        else:
            self._free.append(old)
        slot = self._take()
        raw.copy(self._values + slot * self._stride, value, self.value_size)
        self._slots[prefix] = slot
        self._keys[prefix] = raw.read_bytes(key, self.key_size)
        return 0

    # A slot that was never used, or the one that was given back first.
    def _take(self) -> int:
        if self._fresh < self.max_entries + _SPARE:
            self._fresh += 1
            return self._fresh - 1
        return self._free.popleft()

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """0; -EINVAL, -ENOENT."""
        length, bits = self._read(key)
        if length > self._bits:
            return -EINVAL
        prefix = self._prefix(length, bits)
        slot = self._slots.pop(prefix, None)
        if slot is None:
            return -ENOENT
        del self._keys[prefix]
        self._lengths[length] -= 1
        del self._order[bisect_left(self._order, self._rank(prefix))]
        self._free.append(slot)
        return 0

    def map_get_next_key(self, key: int, next_key: int) -> int:
        """The prefix after ``*key``, the first when that is not there; 0 or -ENOENT."""
        at = 0
        if key:
            length, bits = self._read(key)
            if length <= self._bits and self._prefix(length, bits) in self._slots:
                at = bisect_left(self._order, self._rank(self._prefix(length, bits))) + 1
        if at >= len(self._order):
            return -ENOENT
        last, free_bits = self._order[at]
        raw.write_bytes(next_key, self._keys[self._bits - free_bits, last >> free_bits])
        return 0


LPM_TRIE = MapType(
    uapi.BPF_MAP_TYPE_LPM_TRIE,
    "lpm_trie",
    create_flags=_CREATE_FLAGS,
    required_flags=uapi.BPF_F_NO_PREALLOC,
    sleepable=False,
    since="4.11",
    ref="kernel/bpf/lpm_trie.c:trie_map_ops",
    storage=LpmTrieMap,
)
LpmTrieMap.TYPE = LPM_TRIE
