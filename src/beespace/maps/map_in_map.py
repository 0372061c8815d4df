"""BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS.

Their elements are addresses of descriptors of inner maps, which is what programs look up; user space stores fds and
reads ids.

:see: kernel/bpf/map_in_map.c
"""

from __future__ import annotations

import struct
from dataclasses import replace
from errno import EINVAL, ENOENT
from typing import TYPE_CHECKING

from beespace.decl.map import MapLayout, MapMeta, MapType
from beespace.errors import ENOTSUPP, SyscallError
from beespace.maps import hash_core
from beespace.maps.arraymap import ArrayMap
from beespace.maps.base import BpfMap, Buffer
from beespace.maps.fd_array import FdArrayMap
from beespace.maps.hashtab import HashMap
from beespace.mem import raw
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.btf import BtfRecord
    from beespace.maps.env import MapEnv
    from beespace.uapi.attr import MapCreateAttr

__all__ = ["ARRAY_OF_MAPS", "HASH_OF_MAPS", "ArrayOfMaps", "HashOfMaps", "map_meta_equal"]

_ACCESS = uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY
_WHAT = "BPF_MAP_CREATE"


# btf_record_equal(): the same kinds at the same places (BTF objects may differ in all but kptrs).
def _same_fields(a: BtfRecord, b: BtfRecord) -> bool:
    def essence(record: BtfRecord) -> list[tuple[object, ...]]:
        return [(f.kind, f.off, f.size, f.btf_id, f.node_off, id(f.btf)) for f in record]

    return essence(a) == essence(b)


def map_meta_equal(template: MapMeta, inner: BpfMap) -> bool:
    """Whether *inner* may be put into a map of maps made with *template*."""
    equal = (
        template.map_type == inner.map_type
        and template.key_size == inner.key_size
        and template.value_size == inner.value_size
        and template.map_flags == inner.map_flags
        and _same_fields(template.record, inner.record)
    )
    # Lookups in arrays are inlined against their size.
    if isinstance(inner, ArrayMap) and not template.map_flags & uapi.BPF_F_INNER_MAP:
        return equal and template.max_entries == inner.max_entries
    return equal


def inner_meta(env: MapEnv, fd: int) -> MapMeta:
    """bpf_map_meta_alloc(): the template. :raises SyscallError: EBADF, EINVAL, ENOTSUPP."""
    inner: BpfMap = env.objects.map_from_fd(fd)
    try:
        if inner.inner_map_meta is not None:
            raise SyscallError(EINVAL, _WHAT, hint="maps of maps are one level deep")
        if not inner.MAY_BE_INNER:
            raise SyscallError(ENOTSUPP, _WHAT, hint=f"a {inner.TYPE.name} map cannot be an inner map")
        return replace(inner.meta, id=0, name="", frozen=False, read_value=None)
    finally:
        env.objects.put(inner)


def inner_from_fd(outer: BpfMap, fd: int) -> BpfMap:
    """bpf_map_fd_get_ptr(): with a reference. :raises SyscallError: EBADF, EINVAL."""
    inner: BpfMap = outer.env.objects.map_from_fd(fd)
    assert outer.inner_map_meta is not None
    if map_meta_equal(outer.inner_map_meta, inner):
        return inner
    outer.env.objects.put(inner)
    raise SyscallError(EINVAL, "BPF_MAP_UPDATE_ELEM", hint="the inner map differs from the template")


class ArrayOfMaps(FdArrayMap):
    """An array of maps."""

    BATCH_OPS = frozenset({"lookup", "update"})

    def map_alloc(self) -> None:
        """:raises SyscallError: EBADF, EINVAL, ENOTSUPP."""
        self.inner_map_meta = inner_meta(self.env, self.attr.inner_map_fd)
        super().map_alloc()

    def object_from_fd(self, fd: int) -> BpfMap:
        """An inner map that fits."""
        return inner_from_fd(self, fd)

    def object_word(self, obj: BpfMap) -> int:
        """Address of its descriptor."""
        return obj.descriptor

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """Address of the inner map's descriptor, 0 for an empty slot."""
        at = super().map_lookup_elem(key, cpu)
        return raw.load64(at) if at else 0

    def layout(self) -> MapLayout:
        """Lookups yield what is in the slot: nothing to inline against."""
        return MapLayout(self.descriptor, max_entries=self.max_entries)


class HashOfMaps(HashMap):
    """A hash of maps."""

    MAY_BE_INNER = False

    def map_alloc(self) -> None:
        """:raises SyscallError: EBADF, EINVAL, ENOTSUPP, E2BIG, ENOMEM."""
        self.inner_map_meta = inner_meta(self.env, self.attr.inner_map_fd)
        super().map_alloc()

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """:raises SyscallError: EINVAL for values that are no fds, and what hash maps refuse."""
        if attr.value_size != 4:
            raise SyscallError(EINVAL, _WHAT)
        super().map_alloc_check(attr, env)

    @property
    def stored_size(self) -> int:
        """A pointer."""
        return 8

    def value_size_sys(self) -> int:
        """An fd in, an id out."""
        return 4

    def map_free(self) -> None:
        """Drop all inner maps."""
        for index in self.elements():
            self.put_inner(index)

    def put_inner(self, index: int) -> None:
        """Drop the inner map of an element."""
        inner = self.env.objects.map_at(raw.load64(hash_core.hash_value(self.state, index, 0)))
        self.env.objects.put(inner)

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """Address of the inner map's descriptor, 0 when there is none."""
        at = super().map_lookup_elem(key, cpu)
        return raw.load64(at) if at else 0

    def value_sys(self, index: int, locked: bool) -> bytes:
        """The id of the inner map."""
        word = raw.load64(hash_core.hash_value(self.state, index, 0))
        return struct.pack("<I", self.env.objects.map_at(word).id)

    def lookup_sys(self, key: int, flags: int) -> bytes:
        """The id of the inner map. :raises SyscallError: ENOENT."""
        index = hash_core.hash_find(self.state, key, hash_core.hash_of(self.state, key))
        if not index:
            raise SyscallError(ENOENT, "BPF_MAP_LOOKUP_ELEM")
        return self.value_sys(index, False)

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """bpf_fd_htab_map_update_elem(). :raises SyscallError: EBADF, EINVAL."""
        inner = inner_from_fd(self, raw.load32(value))
        word, replaced = Buffer(struct.pack("<Q", inner.descriptor)), Buffer(8)
        err = hash_core.hash_update(self.state, key, word.address, flags, cpu, replaced.address)
        old = raw.load64(replaced.address)
        if err:
            self.env.objects.put(inner)
        elif old:
            self.put_inner(old)
        return err

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """0 or -ENOENT."""
        removed = Buffer(8)
        err = hash_core.hash_delete(self.state, key, removed.address)
        if err == 0:
            index = raw.load64(removed.address)
            self.put_inner(index)
            hash_core.hash_push_free(self.state, index)
        return err

    def lookup_and_delete_sys(self, key: int, flags: int) -> bytes:
        """:raises SyscallError: ENOTSUPP."""
        raise SyscallError(ENOTSUPP, "BPF_MAP_LOOKUP_AND_DELETE_ELEM")

    def layout(self) -> MapLayout:
        """Lookups yield what the element holds: nothing to inline against."""
        return MapLayout(self.descriptor, max_entries=self.max_entries)


_LOOKUP = frozenset({uapi.BPF_FUNC_map_lookup_elem})

ARRAY_OF_MAPS = MapType(
    uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS,
    "array_of_maps",
    create_flags=uapi.BPF_F_NUMA_NODE | _ACCESS,
    only_helpers=_LOOKUP,
    value_access=False,
    since="4.12",
    ref="kernel/bpf/arraymap.c:array_of_maps_map_ops",
    storage=ArrayOfMaps,
)
HASH_OF_MAPS = MapType(
    uapi.BPF_MAP_TYPE_HASH_OF_MAPS,
    "hash_of_maps",
    create_flags=uapi.BPF_F_NO_PREALLOC
    | uapi.BPF_F_NUMA_NODE
    | uapi.BPF_F_ZERO_SEED
    | _ACCESS
    | uapi.BPF_F_RDONLY_PROG
    | uapi.BPF_F_WRONLY_PROG,
    only_helpers=_LOOKUP,
    value_access=False,
    since="4.12",
    ref="kernel/bpf/hashtab.c:htab_of_maps_map_ops",
    storage=HashOfMaps,
)
ArrayOfMaps.TYPE = ARRAY_OF_MAPS
HashOfMaps.TYPE = HASH_OF_MAPS
