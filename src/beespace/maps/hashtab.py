"""BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_PERCPU_HASH.

:see: kernel/bpf/hashtab.c
"""

from __future__ import annotations

from collections.abc import Iterator
from errno import E2BIG, EINVAL, ENOENT, ENOMEM, EPERM

from beespace.decl.map import HashLayout, MapLayout, MapType
from beespace.errors import ENOTSUPP, SyscallError
from beespace.maps import hash_core as core
from beespace.maps.arraymap import PCPU_MIN_UNIT_SIZE
from beespace.maps.base import BpfMap, Buffer, ForEachCallback, access_flags_ok, numa_node, round8
from beespace.maps.env import MapEnv
from beespace.maps.hash_fast import native_fast_ops
from beespace.maps.state import HASH_FAST, HASH_JHASH, HASH_MULTIPLIER, NULLS, CopyPlan, hash_state
from beespace.mem import raw
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr

__all__ = ["HASH", "PERCPU_HASH", "HashMap", "PercpuHashMap", "htab_map_alloc_check"]

_KMALLOC_MAX_SIZE = 1 << 22  # MAX_PAGE_ORDER 10
_SIZEOF_HTAB_ELEM = 48
_ALL_CPUS = 0xFFFFFFFF
_MAX_ENTRIES = 1 << 31
_CREATE_FLAGS = (
    uapi.BPF_F_NO_PREALLOC
    | uapi.BPF_F_NO_COMMON_LRU
    | uapi.BPF_F_NUMA_NODE
    | uapi.BPF_F_RDONLY
    | uapi.BPF_F_RDONLY_PROG
    | uapi.BPF_F_WRONLY
    | uapi.BPF_F_WRONLY_PROG
    | uapi.BPF_F_ZERO_SEED
)
_HEADER_BYTES = 8  # u32 next, u32 hash


def htab_map_alloc_check(attr: MapCreateAttr, env: MapEnv) -> None:
    """What hash maps of all kinds refuse. :raises SyscallError: EPERM, EINVAL, ENOTSUPP, E2BIG."""
    percpu = attr.map_type in (uapi.BPF_MAP_TYPE_PERCPU_HASH, uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH)
    lru = attr.map_type in (uapi.BPF_MAP_TYPE_LRU_HASH, uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH)
    percpu_lru = bool(attr.map_flags & uapi.BPF_F_NO_COMMON_LRU)
    if attr.map_flags & uapi.BPF_F_ZERO_SEED and not env.cap_sys_admin:
        raise SyscallError(EPERM, "BPF_MAP_CREATE", hint="BPF_F_ZERO_SEED needs CAP_SYS_ADMIN")
    if attr.map_flags & ~_CREATE_FLAGS or not access_flags_ok(attr.map_flags) or (not lru and percpu_lru):
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")
    if lru and attr.map_flags & uapi.BPF_F_NO_PREALLOC:
        raise SyscallError(ENOTSUPP, "BPF_MAP_CREATE")
    if numa_node(attr) != -1 and (percpu or percpu_lru):
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")
    if not attr.max_entries or not attr.key_size or not attr.value_size:
        raise SyscallError(EINVAL, "BPF_MAP_CREATE")
    if attr.key_size + attr.value_size >= _KMALLOC_MAX_SIZE - _SIZEOF_HTAB_ELEM:
        raise SyscallError(E2BIG, "BPF_MAP_CREATE")
    if percpu and round8(attr.value_size) > PCPU_MIN_UNIT_SIZE:
        raise SyscallError(E2BIG, "BPF_MAP_CREATE")


class HashMap(BpfMap):
    """Elements in one piece of memory, chained from seeded buckets.

    An update of an element that exists puts a new one in its place, as in the kernel: pointers to the old value stay
    usable but see the old contents until the element is used again.
    """

    BATCH_OPS = frozenset({"lookup", "update", "delete", "lookup_and_delete"})
    SPARES = True  # an update replaces an element by a spare one

    def map_alloc(self) -> None:
        """Buckets, elements, values. :raises SyscallError: E2BIG, ENOMEM."""
        attr, env = self.attr, self.env
        if self.max_entries > _MAX_ENTRIES:
            raise SyscallError(E2BIG, "BPF_MAP_CREATE")
        cpus = env.features.cpus
        self.n_buckets = 1 << (self.max_entries - 1).bit_length()
        state = hash_state(self.state)
        state.key_size = attr.key_size
        state.key_off = _HEADER_BYTES
        state.value_off = state.key_off + round8(attr.key_size)
        state.value_stride = round8(self.stored_size)
        state.elem_size = state.value_off + (0 if self.PERCPU else state.value_stride)
        state.max_entries = self.max_entries
        state.mask = self.n_buckets - 1
        state.cpus = cpus
        state.fresh = 1
        state.plan.size = self.stored_size
        if attr.map_flags & uapi.BPF_F_ZERO_SEED:
            state.hash_kind, state.seed = HASH_JHASH, 0
        else:
            state.hash_kind, state.seed = HASH_FAST, env.choices.u64()
        elements = self.max_entries + (cpus if self.SPARES else 0)
        if elements >= _MAX_ENTRIES:
            raise SyscallError(ENOMEM, "BPF_MAP_CREATE")
        state.buckets = self.alloc_hidden(8 * self.n_buckets + 4 * cpus, "hash buckets")
        state.extra = state.buckets + 8 * self.n_buckets
        for cpu in range(cpus):
            raw.store32(state.extra + 4 * cpu, self.max_entries + 1 + cpu)
        # What the guest sees of an element: its key, to read, and the value behind it.
        elems = self.alloc(
            elements * state.elem_size,
            self.value_name,
            stride=state.elem_size,
            low=state.key_off,
            high=state.elem_size if self.PERCPU else state.value_off + self.stored_size,
            write_low=state.value_off,
        )
        state.elems = elems.base - state.elem_size  # elements count from 1
        state.smp = self.env.smp
        if self.PERCPU:
            stride = (elements + -(-64 // state.value_stride)) * state.value_stride
            values = self.alloc(stride * cpus, self.value_name, stride=state.value_stride, high=attr.value_size)
            state.percpu, state.percpu_stride = values.base, stride

    @property
    def stored_size(self) -> int:
        """Bytes of a value in memory."""
        return self.value_size

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """:raises SyscallError: EPERM, EINVAL, ENOTSUPP, E2BIG."""
        htab_map_alloc_check(attr, env)

    def map_check_btf(self, key: int, value: int) -> None:
        """The key has a type. :raises SyscallError: EINVAL."""
        if not key:
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")

    def copy_plan(self) -> CopyPlan:
        """Of hash_state."""
        plan: CopyPlan = hash_state(self.state).plan
        return plan

    def map_free(self) -> None:
        """Free special fields of all elements."""
        if self.has_fields_to_free:
            for value in self.values_of_all():
                self.free_fields(value)

    def elements(self) -> Iterator[int]:
        """Numbers of all elements, in the order of buckets; elements may be deleted meanwhile."""
        index = core.hash_first_from(self.state, 0)
        while index:
            following = core.hash_next(self.state, index)
            yield index
            index = following

    def values_of_all(self) -> Iterator[int]:
        """Of free elements, too: a program that found one before it was deleted may still have made a timer there.

        :see: kernel/bpf/hashtab.c:htab_free_prealloced_internal_structs
        """
        for index in range(1, self.max_entries + (self.env.features.cpus if self.SPARES else 0) + 1):
            for cpu in range(self.env.features.cpus if self.PERCPU else 1):
                yield core.hash_value(self.state, index, cpu)

    def key_address(self, value: int) -> int:
        """In front of the value."""
        return value - round8(self.key_size)

    def free_element_fields(self, index: int) -> None:
        """check_and_free_fields()."""
        for cpu in range(self.env.features.cpus if self.PERCPU else 1):
            self.free_fields(core.hash_value(self.state, index, cpu))

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """Address of the value, 0 when there is none."""
        return core.hash_lookup(self.state, key, cpu)

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """0; -EINVAL, -EEXIST, -ENOENT, -E2BIG."""
        if not self.has_fields_to_free:
            return core.hash_update(self.state, key, value, flags, cpu, 0)
        replaced = Buffer(8)
        err = core.hash_update(self.state, key, value, flags, cpu, replaced.address)
        old = raw.load64(replaced.address)
        if old:
            self.free_element_fields(old)
        return err

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """0 or -ENOENT."""
        if not self.has_fields_to_free:
            return core.hash_delete(self.state, key, 0)
        removed = Buffer(8)
        err = core.hash_delete(self.state, key, removed.address)
        if err == 0:
            self.release(raw.load64(removed.address))
        return err

    def release(self, index: int) -> None:
        """free_htab_elem(): an element that is in no bucket any more."""
        self.free_element_fields(index)
        core.hash_push_free(self.state, index)

    def map_get_next_key(self, key: int, next_key: int) -> int:
        """0 or -ENOENT."""
        return core.hash_next_key(self.state, key, next_key)

    def map_for_each_callback(self, callback: ForEachCallback, cpu: int) -> int:
        """bpf_for_each_hash_elem(): callbacks may delete the element they are given."""
        visited = 0
        for index in self.elements():
            visited += 1
            if callback(core.hash_key(self.state, index), core.hash_value(self.state, index, cpu)):
                break
        return visited

    def elem_count(self) -> int:
        """Elements in the map."""
        return int(hash_state(self.state).count)

    def lookup_and_delete_sys(self, key: int, flags: int) -> bytes:
        """__htab_map_lookup_and_delete_elem(). :raises SyscallError: ENOENT."""
        index = core.hash_find(self.state, key, core.hash_of(self.state, key))
        if not index:
            raise SyscallError(ENOENT, "BPF_MAP_LOOKUP_AND_DELETE_ELEM")
        value = self.value_sys(index, bool(flags & uapi.BPF_F_LOCK))
        self.map_delete_elem(key, 0)
        return value

    def value_sys(self, index: int, locked: bool) -> bytes:
        """The value of an element as user space sees it."""
        return self.copy_out(core.hash_value(self.state, index, 0), locked)

    def bucket_from(self, bucket: int) -> tuple[int, list[int]]:
        """The first bucket from *bucket* on that is not empty, and its elements; the last bucket when all are."""
        index = core.hash_first_from(self.state, bucket)
        if not index:
            return self.n_buckets - 1, []
        elements = []
        found = core.hash_bucket(self.state, index)
        while index:
            elements.append(index)
            index = core.hash_chain(self.state, index)
        return found, elements

    def pair_sys(self, index: int, locked: bool) -> tuple[bytes, bytes]:
        """Key and value of an element as user space sees them."""
        return raw.read_bytes(core.hash_key(self.state, index), self.key_size), self.value_sys(index, locked)

    def layout(self) -> MapLayout:
        """For native lookups and updates; of values with special fields, Python does more."""
        lookup, update, delete = self.native_ops()
        if self.has_fields_to_free:
            update = delete = 0
        return MapLayout(
            self.descriptor,
            max_entries=self.max_entries,
            state=self.state,
            lookup=lookup,
            update=update,
            delete=delete,
            hash=self.hash_layout() if lookup else None,
        )

    def hash_layout(self) -> HashLayout | None:
        """For inlined lookups of keys of 4 and 8 bytes."""
        state = hash_state(self.state)
        if self.key_size not in (4, 8) or state.hash_kind != HASH_FAST:
            return None
        refs, ref_stride = self.reference_bytes()
        return HashLayout(
            buckets=state.buckets,
            elems=state.elems,
            elem_size=state.elem_size,
            key_size=self.key_size,
            key_off=state.key_off,
            value_off=state.value_off,
            mask=state.mask,
            hash_xor=state.seed ^ self.key_size,
            multiplier=HASH_MULTIPLIER,
            nulls=NULLS,
            percpu=state.percpu,
            percpu_stride=state.percpu_stride,
            value_stride=state.value_stride,
            refs=refs,
            ref_stride=ref_stride,
        )

    def reference_bytes(self) -> tuple[int, int]:
        """(address of element 0's, bytes to the next) of what a lookup sets to 1; (0, 0) without."""
        return 0, 0

    def native_ops(self) -> tuple[int, int, int]:
        """Addresses of C functions, see array_core.native_ops(); of those for this size of key, where there are."""
        if self.record or self.map_flags & uapi.BPF_F_ZERO_SEED:
            return core.native_ops()
        return native_fast_ops(self.key_size) or core.native_ops()

    def set_smp(self, smp: bool) -> None:
        """Take locks from now on, or not."""
        hash_state(self.state).smp = smp


class PercpuHashMap(HashMap):
    """Each CPU has its own copy of the values."""

    PERCPU = True
    SPARES = False

    def native_ops(self) -> tuple[int, int, int]:
        """With the update of one CPU's copy."""
        lookup, _, delete = core.native_ops()
        return lookup, core.native_percpu_update(), delete

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """*cpu*'s copy; 0; -EINVAL, -EEXIST, -ENOENT, -E2BIG."""
        err = core.hash_percpu_update(self.state, key, value, flags, cpu)
        if err == 0 and self.has_fields_to_free:
            self.free_fields(core.hash_lookup(self.state, key, cpu))
        return err

    def map_lookup_percpu_elem(self, key: int, cpu: int) -> int:
        """Address of *cpu*'s value; 0 when there is no such CPU or key."""
        return core.hash_lookup(self.state, key, cpu) if cpu < self.env.features.cpus else 0

    def lookup_sys(self, key: int, flags: int) -> bytes:
        """bpf_percpu_hash_copy(). :raises SyscallError: ENOENT."""
        index = core.hash_find(self.state, key, core.hash_of(self.state, key))
        if not index:
            raise SyscallError(ENOENT, "lookup")
        return self.value_sys(index, False)

    def value_sys(self, index: int, locked: bool) -> bytes:
        """The copies of all CPUs, each rounded up to 8 bytes."""
        size = round8(self.value_size)
        copies = (core.hash_value(self.state, index, cpu) for cpu in range(self.env.features.cpus))
        if not self.record:
            return b"".join(raw.read_bytes(at, size) for at in copies)
        return b"".join(self.copy_out(at).ljust(size, b"\0") for at in copies)

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """bpf_percpu_hash_update(): the copies of all CPUs."""
        err = self.update_all(key, value, flags, cpu)
        if err == 0 and self.has_fields_to_free:
            self.free_element_fields(core.hash_find(self.state, key, core.hash_of(self.state, key)))
        return err

    def update_all(self, key: int, value: int, flags: int, cpu: int) -> int:
        """The copies of all CPUs of plain values."""
        return core.hash_percpu_update(self.state, key, value, flags, _ALL_CPUS)


HASH = MapType(
    uapi.BPF_MAP_TYPE_HASH,
    "hash",
    create_flags=_CREATE_FLAGS & ~uapi.BPF_F_NO_COMMON_LRU,
    since="3.19",
    ref="kernel/bpf/hashtab.c:htab_map_ops",
    storage=HashMap,
)
PERCPU_HASH = MapType(
    uapi.BPF_MAP_TYPE_PERCPU_HASH,
    "percpu_hash",
    create_flags=_CREATE_FLAGS & ~uapi.BPF_F_NO_COMMON_LRU,
    percpu=True,
    since="4.6",
    ref="kernel/bpf/hashtab.c:htab_percpu_map_ops",
    storage=PercpuHashMap,
)
HashMap.TYPE = HASH
PercpuHashMap.TYPE = PERCPU_HASH
