"""BPF_MAP_TYPE_LRU_HASH and BPF_MAP_TYPE_LRU_PERCPU_HASH.

:see: kernel/bpf/hashtab.c:htab_lru_map_update_elem, kernel/bpf/bpf_lru_list.c
"""

from __future__ import annotations

from errno import EINVAL, ENOMEM
from typing import TYPE_CHECKING

from beespace.decl.map import MapType
from beespace.maps import hash_core, lru_core
from beespace.maps.base import Buffer
from beespace.maps.hashtab import HashMap, PercpuHashMap
from beespace.maps.state import lru_state
from beespace.mem import raw
from beespace.uapi import bpf as uapi

if TYPE_CHECKING:
    from beespace.btf import BtfRecord
    from beespace.maps.env import MapEnv
    from beespace.uapi.attr import MapCreateAttr

__all__ = ["LRU_HASH", "LRU_PERCPU_HASH", "LruHashMap", "LruPercpuHashMap"]

_LOCAL_FREE_TARGET = 128
_PERCPU_NR_SCANS = 4
_ALL_CPUS = 0xFFFFFFFF
_NODE_BYTES = 12
_REF_OFF = 11
_CREATE_FLAGS = (
    uapi.BPF_F_NO_COMMON_LRU
    | uapi.BPF_F_NUMA_NODE
    | uapi.BPF_F_RDONLY
    | uapi.BPF_F_RDONLY_PROG
    | uapi.BPF_F_WRONLY
    | uapi.BPF_F_WRONLY_PROG
    | uapi.BPF_F_ZERO_SEED
)


class LruHashMap(HashMap):
    """A hash map that drops elements which were not used lately instead of refusing new ones."""

    SPARES = False

    def __init__(self, attr: MapCreateAttr, env: MapEnv) -> None:
        super().__init__(attr, env)
        self.percpu_lru = bool(attr.map_flags & uapi.BPF_F_NO_COMMON_LRU)
        cpus = env.features.cpus
        if self.percpu_lru:  # every CPU's list has as many elements, and at least one
            self.max_entries = -(-attr.max_entries // cpus) * cpus
            if self.max_entries > 0xFFFFFFFF:
                self.max_entries = attr.max_entries // cpus * cpus

    def map_alloc(self) -> None:
        """Elements and lists. :raises SyscallError: E2BIG, ENOMEM."""
        super().map_alloc()
        cpus = self.env.features.cpus
        lists = cpus if self.percpu_lru else 1
        heads = 3 * lists + (0 if self.percpu_lru else 2 * cpus)
        nodes = _NODE_BYTES * (self.max_entries + 1 + heads)
        nodes += -nodes % 8
        state = lru_state(self.state)
        state.nodes = self.alloc_hidden(nodes + 16 * lists + 8 * cpus + 4 * (_LOCAL_FREE_TARGET + cpus), "lru lists")
        state.lists = state.nodes + nodes
        state.locals = state.lists + 16 * lists
        state.evicted = state.locals + 8 * cpus
        state.nr_nodes = self.max_entries
        state.cpus = cpus
        state.percpu = self.percpu_lru
        state.target_free = min(max(self.max_entries // cpus // 2, 1), _LOCAL_FREE_TARGET)
        state.nr_scans = _PERCPU_NR_SCANS if self.percpu_lru else _LOCAL_FREE_TARGET
        lru_core.lru_init(self.state)

    def set_record(self, record: BtfRecord) -> None:
        """Special fields: evictions are noted, to free them."""
        super().set_record(record)
        lru_state(self.state).track = self.has_fields_to_free

    def native_ops(self) -> tuple[int, int, int]:
        """Those that mind the lists."""
        return lru_core.native_ops()

    def reference_bytes(self) -> tuple[int, int]:
        """The *ref* of nodes (LruState)."""
        return lru_state(self.state).nodes + _REF_OFF, _NODE_BYTES

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """Address of the value; the element counts as used."""
        return lru_core.lru_lookup(self.state, key, cpu)

    def map_lookup_elem_sys_only(self, key: int) -> int:
        """A lookup by user space does not count."""
        return hash_core.hash_lookup(self.state, key, 0)

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """0; -EINVAL, -EEXIST, -ENOENT, -ENOMEM."""
        if not self.has_fields_to_free:
            return lru_core.lru_update(self.state, key, value, flags, cpu)
        if flags > uapi.BPF_EXIST:
            return -EINVAL
        new = lru_core.lru_pop_free(self.state, cpu, hash_core.hash_of(self.state, key))
        self.free_evicted()
        if not new:
            return -ENOMEM
        out = lru_core.lru_insert(self.state, new, key, value, flags)
        if out:
            self.release(out if out > 0 else new)
        return min(out, 0)

    def free_evicted(self) -> None:
        """Free the special fields of what the last operation dropped."""
        state = lru_state(self.state)
        for at in range(state.nr_evicted):
            self.free_element_fields(raw.load32(state.evicted + 4 * at))
        state.nr_evicted = 0

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """0 or -ENOENT."""
        if not self.has_fields_to_free:
            return lru_core.lru_delete(self.state, key, 0)
        removed = Buffer(8)
        err = lru_core.lru_delete(self.state, key, removed.address)
        if err == 0:
            self.release(raw.load64(removed.address))
        return err

    def release(self, index: int) -> None:
        """htab_lru_push_free(): an element that is in no bucket any more."""
        self.free_element_fields(index)
        lru_core.lru_push_free(self.state, index)


class LruPercpuHashMap(LruHashMap, PercpuHashMap):
    """An LRU hash map whose values are per-CPU (its lists need not be)."""

    PERCPU = True

    def native_ops(self) -> tuple[int, int, int]:
        """With the update of one CPU's copy."""
        lookup, _, delete = lru_core.native_ops()
        return lookup, lru_core.native_percpu_update(), delete

    def map_lookup_percpu_elem(self, key: int, cpu: int) -> int:
        """Address of *cpu*'s value; the element counts as used."""
        return lru_core.lru_lookup(self.state, key, cpu) if cpu < self.env.features.cpus else 0

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """*cpu*'s copy; 0; -EINVAL, -EEXIST, -ENOENT, -ENOMEM."""
        err = lru_core.lru_percpu_update(self.state, key, value, flags, cpu, cpu)
        self.free_evicted()
        if err == 0 and self.has_fields_to_free:
            self.free_fields(hash_core.hash_lookup(self.state, key, cpu))
        return err

    def update_all(self, key: int, value: int, flags: int, cpu: int) -> int:
        """The copies of all CPUs."""
        err = lru_core.lru_percpu_update(self.state, key, value, flags, cpu, _ALL_CPUS)
        self.free_evicted()
        return err


LRU_HASH = MapType(
    uapi.BPF_MAP_TYPE_LRU_HASH,
    "lru_hash",
    create_flags=_CREATE_FLAGS,
    since="4.10",
    ref="kernel/bpf/hashtab.c:htab_lru_map_ops",
    storage=LruHashMap,
)
LRU_PERCPU_HASH = MapType(
    uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
    "lru_percpu_hash",
    create_flags=_CREATE_FLAGS,
    percpu=True,
    since="4.10",
    ref="kernel/bpf/hashtab.c:htab_lru_percpu_map_ops",
    storage=LruPercpuHashMap,
)
LruHashMap.TYPE = LRU_HASH
LruPercpuHashMap.TYPE = LRU_PERCPU_HASH
