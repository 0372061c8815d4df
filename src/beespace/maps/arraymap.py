"""BPF_MAP_TYPE_ARRAY and BPF_MAP_TYPE_PERCPU_ARRAY.

:see: kernel/bpf/arraymap.c
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from errno import E2BIG, EEXIST, EINVAL, ENOENT

from beespace.btf import Int
from beespace.decl.map import MapLayout, MapType
from beespace.errors import SyscallError, Unsupported
from beespace.maps import array_core as core
from beespace.maps.base import BpfMap, ForEachCallback, access_flags_ok, numa_node, round8
from beespace.maps.copy_core import copy_value_long
from beespace.maps.env import MapEnv
from beespace.maps.state import CopyPlan, array_state
from beespace.mem import PAGE_BYTES, raw
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr

__all__ = ["ARRAY", "PERCPU_ARRAY", "ArrayMap", "PercpuArrayMap", "array_map_alloc_check"]

_INT_MAX = 2**31 - 1
_NESTED_KEYS = 64
PCPU_MIN_UNIT_SIZE = 32 << 10  # include/linux/percpu.h: PFN_ALIGN(32 << 10)
_CREATE_FLAGS = (
    uapi.BPF_F_NUMA_NODE
    | uapi.BPF_F_MMAPABLE
    | uapi.BPF_F_RDONLY
    | uapi.BPF_F_RDONLY_PROG
    | uapi.BPF_F_WRONLY
    | uapi.BPF_F_WRONLY_PROG
    | uapi.BPF_F_PRESERVE_ELEMS
    | uapi.BPF_F_INNER_MAP
)


def array_map_alloc_check(attr: MapCreateAttr) -> None:
    """What all maps with u32 indices refuse. :raises SyscallError: EINVAL, E2BIG."""
    percpu = attr.map_type == uapi.BPF_MAP_TYPE_PERCPU_ARRAY
    if (
        attr.max_entries == 0
        or attr.key_size != 4
        or attr.value_size == 0
        or attr.map_flags & ~_CREATE_FLAGS
        or not access_flags_ok(attr.map_flags)
        or (percpu and numa_node(attr) != -1)
    ):
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")
    if attr.map_type != uapi.BPF_MAP_TYPE_ARRAY and attr.map_flags & (uapi.BPF_F_MMAPABLE | uapi.BPF_F_INNER_MAP):
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")
    if attr.map_type != uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY and attr.map_flags & uapi.BPF_F_PRESERVE_ELEMS:
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")
    if attr.value_size > _INT_MAX or (percpu and round8(attr.value_size) > PCPU_MIN_UNIT_SIZE):
        raise SyscallError(E2BIG, "BPF_MAP_CREATE")


class ArrayMap(BpfMap):
    """Values in one piece of memory, all there from the start."""

    BATCH_OPS = frozenset({"lookup", "update"})
    HAS_MMAP = True

    def map_alloc(self) -> None:
        """The values. :raises SyscallError: E2BIG, ENOMEM."""
        attr, env = self.attr, self.env
        self.elem_size = round8(self.stored_size)
        mask = (1 << (attr.max_entries - 1).bit_length()) - 1
        slots = attr.max_entries
        if not env.features.bypass_spec_v1:
            slots = mask + 1
            if slots > 0xFFFFFFFF:
                raise SyscallError(E2BIG, "BPF_MAP_CREATE")
        # CPUs' copies do not share cache lines; the distance stays a multiple of the element's size.
        self.percpu_stride = (slots + -(-64 // self.elem_size)) * self.elem_size if self.PERCPU else 0
        size = self.percpu_stride * env.features.cpus or slots * self.elem_size
        self.mmap_bytes = 0
        align = 8
        if attr.map_flags & uapi.BPF_F_MMAPABLE:
            align = PAGE_BYTES
            self.mmap_bytes = -(-size // PAGE_BYTES) * PAGE_BYTES
        region = self.alloc(
            self.mmap_bytes or size, self.value_name, stride=self.elem_size, high=self.stored_size, align=align
        )
        if self.mmap_bytes:
            env.space.set_bounds(region, region.base, size)
        self.values = region.base
        self._keys = 0  # address of what callbacks of map_for_each_callback() get, one for each that runs
        self._depth = 0
        state = array_state(self.state)
        state.values = self.values
        state.percpu_stride = self.percpu_stride
        state.elem_size = self.elem_size
        state.index_mask = mask
        state.max_entries = attr.max_entries
        state.cpus = env.features.cpus
        state.plan.size = self.stored_size

    @property
    def stored_size(self) -> int:
        """Bytes of an element in memory."""
        return self.value_size

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """:raises SyscallError: EINVAL, E2BIG."""
        array_map_alloc_check(attr)

    def map_check_btf(self, key: int, value: int) -> None:
        """The key is a 32-bit integer; .data and its kin have none. :raises SyscallError: EINVAL."""
        assert self.btf is not None
        if not key:
            datasec = self.btf.kind(value) == uapi.BTF_KIND_DATASEC
            if self.map_type != uapi.BPF_MAP_TYPE_ARRAY or self.max_entries != 1 or not datasec:
                raise SyscallError(EINVAL, "BPF_MAP_CREATE")
            return
        int_type = self.btf.type(self.btf.skip_mods_and_typedefs(key))
        if not isinstance(int_type, Int) or int_type.bits != 32 or int_type.offset:
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")

    def copy_plan(self) -> CopyPlan:
        """Of array_state."""
        plan: CopyPlan = array_state(self.state).plan
        return plan

    def map_free(self) -> None:
        """Free special fields of all values."""
        if self.has_fields_to_free:
            for value in self.values_of_all():
                self.free_fields(value)

    def values_of_all(self) -> Iterator[int]:
        """By index."""
        for index in range(self.max_entries):
            for cpu in range(self.env.features.cpus if self.PERCPU else 1):
                yield self.value_address(index, cpu)

    def key_of(self, value: int) -> bytes:
        """The index, as its bytes."""
        return ((value - self.values) // self.elem_size).to_bytes(4, "little")

    def value_address(self, index: int, cpu: int = 0) -> int:
        """Where a value is; *index* is in range."""
        return self.values + cpu * self.percpu_stride + index * self.elem_size

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """Address of ``values[*key]``, 0 when out of range."""
        return core.array_lookup(self.state, key, cpu)

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """0; -EINVAL, -E2BIG, -EEXIST."""
        err = core.array_update(self.state, key, value, flags, cpu)
        if err == 0 and self.has_fields_to_free:
            self.free_fields(core.array_lookup(self.state, key, cpu))
        return err

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """-EINVAL."""
        return -EINVAL

    def map_get_next_key(self, key: int, next_key: int) -> int:
        """0 or -ENOENT."""
        return core.array_next_key(self.state, key, next_key)

    def map_for_each_callback(self, callback: ForEachCallback, cpu: int) -> int:
        """bpf_for_each_array_elem(): by index."""
        if not self._keys:
            self._keys = self.alloc(_NESTED_KEYS * 8, "map_key", writable=False, stride=8, high=4).base
        if self._depth == _NESTED_KEYS:
            raise Unsupported(f"bpf_for_each_map_elem() nested {_NESTED_KEYS} times on one map")
        key = self._keys + 8 * self._depth
        self._depth += 1
        visited = 0
        try:
            for index in range(self.max_entries):
                raw.store32(key, index)
                visited += 1
                if callback(key, self.value_address(index, cpu if self.PERCPU else 0)):
                    break
        finally:
            self._depth -= 1
        return visited

    def map_direct_value_addr(self, off: int) -> int:
        """Of the only value. :raises SyscallError: ENOTSUPP with several, EINVAL outside of it."""
        if self.max_entries != 1:
            return super().map_direct_value_addr(off)
        if off >= self.value_size:
            raise SyscallError(EINVAL, "address in a map value")
        return self.values + off

    def map_mmap(self, length: int, writable: bool, offset: int) -> memoryview:
        """The values. :raises SyscallError: EINVAL without BPF_F_MMAPABLE or beyond the memory."""
        if not self.mmap_bytes or offset + length > self.mmap_bytes:
            raise SyscallError(EINVAL, "mmap")
        return self.env.space.view(self.values + offset, length, writable=writable)

    def layout(self) -> MapLayout:
        """For inlined lookups."""
        lookup, update, delete = core.native_ops()
        return MapLayout(
            self.descriptor,
            self.values,
            self.elem_size,
            self.max_entries,
            self.percpu_stride,
            state=self.state,
            lookup=lookup,
            update=0 if self.has_fields_to_free else update,
            delete=delete,
        )

    def read_direct(self) -> Callable[[int, int], bytes] | None:
        """Of arrays with one value."""
        if self.PERCPU or self.max_entries != 1:
            return None
        return lambda off, size: raw.read_bytes(self.values + off, size)


class PercpuArrayMap(ArrayMap):
    """Each CPU has its own copy of the values."""

    PERCPU = True
    HAS_MMAP = False

    def map_lookup_percpu_elem(self, key: int, cpu: int) -> int:
        """Address of *cpu*'s value; 0 when there is no such CPU or index."""
        return core.array_lookup(self.state, key, cpu) if cpu < self.env.features.cpus else 0

    def map_direct_value_addr(self, off: int) -> int:
        """:raises SyscallError: ENOTSUPP."""
        return BpfMap.map_direct_value_addr(self, off)

    def lookup_sys(self, key: int, flags: int) -> bytes:
        """bpf_percpu_array_copy(): the copies of all CPUs. :raises SyscallError: ENOENT."""
        index = raw.load32(key)
        if index >= self.max_entries:
            raise SyscallError(ENOENT, "lookup")
        copies = (self.value_address(index, cpu) for cpu in range(self.env.features.cpus))
        return b"".join(self.copy_out_long(at) for at in copies)

    def copy_out_long(self, value: int) -> bytes:
        """One CPU's copy, rounded up to 8 bytes."""
        if not self.record:
            return raw.read_bytes(value, self.elem_size)
        return self.copy_out(value).ljust(self.elem_size, b"\0")

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """bpf_percpu_array_update(): 0; -EINVAL, -E2BIG, -EEXIST."""
        index = raw.load32(key)
        if flags > uapi.BPF_EXIST:
            return -EINVAL
        if index >= self.max_entries:
            return -E2BIG
        if flags == uapi.BPF_NOEXIST:
            return -EEXIST
        plan = ctypes.addressof(self.copy_plan())
        for number in range(self.env.features.cpus):
            at = self.value_address(index, number)
            copy_value_long(plan, at, value + number * self.elem_size)
            self.free_fields(at)
        return 0


ARRAY = MapType(
    uapi.BPF_MAP_TYPE_ARRAY,
    "array",
    create_flags=_CREATE_FLAGS & ~uapi.BPF_F_PRESERVE_ELEMS,
    direct_value=True,
    since="3.19",
    ref="kernel/bpf/arraymap.c:array_map_ops",
    storage=ArrayMap,
)
PERCPU_ARRAY = MapType(
    uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
    "percpu_array",
    create_flags=_CREATE_FLAGS & ~(uapi.BPF_F_PRESERVE_ELEMS | uapi.BPF_F_MMAPABLE | uapi.BPF_F_INNER_MAP),
    percpu=True,
    since="4.6",
    ref="kernel/bpf/arraymap.c:percpu_array_map_ops",
    storage=PercpuArrayMap,
)
ArrayMap.TYPE = ARRAY
PercpuArrayMap.TYPE = PERCPU_ARRAY
