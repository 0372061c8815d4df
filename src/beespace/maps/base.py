"""``struct bpf_map``: what all maps have in common, and the default of each operation.

:see: include/linux/bpf.h:struct bpf_map_ops, kernel/bpf/syscall.c
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Iterator
from errno import EBUSY, EINVAL, ENOENT, EOPNOTSUPP
from typing import TYPE_CHECKING, ClassVar

from beespace.btf.record import BtfRecord
from beespace.decl.map import MapLayout, MapMeta, MapType
from beespace.errors import ENOTSUPP, SyscallError
from beespace.maps.copy_core import copy_value_out
from beespace.maps.env import MapEnv
from beespace.maps.state import MAX_PIECES, STATE_OFF, CopyPlan
from beespace.mem import raw
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.mem import Region

__all__ = ["BpfMap", "Buffer", "access_flags_ok", "numa_node", "round8"]

# struct bpf_map of 6.18 (x86-64): offset, struct code. Programs read these through a map pointer.
_DESCRIPTOR = {
    "map_type": (64, "<I"), "key_size": (68, "<I"), "value_size": (72, "<I"), "max_entries": (76, "<I"),
    "map_extra": (80, "<Q"), "map_flags": (88, "<I"), "id": (92, "<I"), "numa_node": (104, "<i"),
    "btf_key_type_id": (108, "<I"), "btf_value_type_id": (112, "<I"), "btf_vmlinux_value_type_id": (116, "<I"),
    "name": (136, "<16s"), "bypass_spec_v1": (256, "<?"), "frozen": (257, "<?"),
}  # fmt: skip
_NUMA_NO_NODE = -1
_ACCESS = uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY
_PROG_ACCESS = uapi.BPF_F_RDONLY_PROG | uapi.BPF_F_WRONLY_PROG

_INTERNAL = (uapi.BPF_TIMER, uapi.BPF_WORKQUEUE, uapi.BPF_TASK_WORK)

ForEachCallback = Callable[[int, int], int]  # (key address, value address) -> r0


def round8(size: int) -> int:
    """Up to a multiple of 8."""
    return size + 7 & ~7


def numa_node(attr: MapCreateAttr) -> int:
    """bpf_map_attr_numa_node(): -1 for none."""
    return attr.numa_node if attr.map_flags & uapi.BPF_F_NUMA_NODE else _NUMA_NO_NODE


def access_flags_ok(flags: int) -> bool:
    """bpf_map_flags_access_ok(): not both RDONLY_PROG and WRONLY_PROG."""
    return flags & _PROG_ACCESS != _PROG_ACCESS


class Buffer:
    """Native memory for one operation: a key or value on its way to or from the caller."""

    __slots__ = ("_data", "address")

    def __init__(self, content: bytes | int) -> None:
        self._data = ctypes.create_string_buffer(content, len(content) if isinstance(content, bytes) else content)
        self.address = ctypes.addressof(self._data)

    def __bytes__(self) -> bytes:
        return self._data.raw


class BpfMap:
    """A live map. Subclasses are the map types; methods have the names of ``struct bpf_map_ops``.

    Operations take addresses of native memory and return a value's address or 0, or 0 or ``-errno``. The ``*_sys``
    methods are what bpf(2) does: bytes in and out, SyscallError.

    :ivar descriptor: guest address of the ``struct bpf_map``; ``state`` of the native struct behind it.
    :ivar map_flags: without those that belong to the fd.
    :ivar attr: what the map was created with.
    :ivar arena_vm_start: where user space sees an arena, 0 before it is mapped.
    :ivar refcnt: references of fds, pins, programs and outer maps; ``usercnt`` those of user space among them.
    :ivar writecnt: writers under way and writable mappings; a map with any cannot be frozen.
    """

    TYPE: ClassVar[MapType]
    PERCPU: ClassVar[bool] = False
    MAY_BE_INNER: ClassVar[bool] = True  # has a map_meta_equal
    HAS_MMAP: ClassVar[bool] = False
    BATCH_OPS: ClassVar[frozenset[str]] = frozenset()  # of lookup, update, delete, lookup_and_delete

    def __init__(self, attr: MapCreateAttr, env: MapEnv) -> None:
        self.env = env
        self.attr = attr
        self.map_type = attr.map_type
        self.key_size = attr.key_size
        self.value_size = attr.value_size
        self.max_entries = attr.max_entries
        self.map_flags = attr.map_flags & ~_ACCESS
        self.map_extra = attr.map_extra
        self.numa_node = numa_node(attr)
        self.id = 0
        self.name = ""
        self.record = BtfRecord()
        self.btf: Btf | None = None
        self.btf_key_type_id = self.btf_value_type_id = self.btf_vmlinux_value_type_id = 0
        self.inner_map_meta: MapMeta | None = None
        self.arena_vm_start = 0
        self.refcnt = self.usercnt = 1
        self.writecnt = 0
        self.frozen = False
        self.descriptor = env.descriptors.alloc()
        self.state = self.descriptor + STATE_OFF
        self._meta: MapMeta | None = None
        self._regions: list[Region] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} id={self.id} {self.name!r}>"

    # -- creation and end

    @property
    def value_name(self) -> str:
        """What messages call the memory of values."""
        return f"map_value of {self.attr.map_name.decode('utf-8', 'replace') or 'an unnamed map'}"

    @classmethod
    def map_alloc_check(cls, attr: MapCreateAttr, env: MapEnv) -> None:
        """Refuse attributes. :raises SyscallError: EINVAL, E2BIG, EPERM, ENOTSUPP."""

    def map_alloc(self) -> None:
        """Allocate the memory of elements, with alloc(). :raises SyscallError: E2BIG, ENOMEM, EBADF, EINVAL."""

    def alloc(self, size: int, name: str, **kinds: int) -> Region:
        """Guest memory that goes with the map. :raises SyscallError: ENOMEM."""
        region = self.env.space.alloc(
            self.env.check_size(size),
            name=name,
            **kinds,  # type: ignore[arg-type]
        )
        self._regions.append(region)
        return region

    def alloc_hidden(self, size: int, name: str) -> int:
        """Address of zeroed memory that goes with the map and is not for the guest."""
        region = self.alloc(size, name)
        self.env.space.set_bounds(region, region.base, 0)
        return region.first

    def map_check_btf(self, key: int, value: int) -> None:
        """Refuse the BTF types (ids in ``self.btf``, key 0 for none). :raises SyscallError: EINVAL."""
        if not key:
            raise SyscallError(EINVAL, "BPF_MAP_CREATE")

    def publish(self) -> None:
        """Write the fields of the guest-visible struct: creation is complete, or something changed."""
        values: dict[str, object] = {field: getattr(self, field) for field in _DESCRIPTOR if hasattr(self, field)}
        values["name"] = self.name.encode("utf-8", "surrogateescape")
        values["bypass_spec_v1"] = self.env.features.bypass_spec_v1
        for field, value in values.items():
            off, code = _DESCRIPTOR[field]
            raw.write_bytes(self.descriptor + off, struct.pack(code, value))
        self._meta = None

    def set_record(self, record: BtfRecord) -> None:
        """Make *record* the special fields of values; all values are still zero."""
        self.record = record
        plan = self.copy_plan()
        at = 0
        pieces = []
        for field in record:
            if field.off > at:
                pieces.append((at, field.off - at))
            at = field.off + field.size
        if at < self.value_size:
            pieces.append((at, self.value_size - at))
        assert max(len(pieces), len(record.fields)) <= MAX_PIECES  # BTF_FIELDS_MAX is 11
        # A value that is nothing but special fields still has one (empty) piece: 0 pieces means a plain value.
        pieces = pieces or ([(0, 0)] if record else [])
        plan.pieces = len(pieces) if record else 0
        for i, (off, length) in enumerate(pieces):
            plan.off[i], plan.length[i] = off, length
        plan.zeroes = len(record.fields)
        for i, field in enumerate(record):
            plan.zero_off[i], plan.zero_length[i] = field.off, field.size
            if field.kind == uapi.BPF_SPIN_LOCK:
                plan.lock = 1 + field.off

    def copy_plan(self) -> CopyPlan:
        """The native description of how values are copied."""
        raise SyscallError(EOPNOTSUPP, f"{self.TYPE.name} maps have no values to copy")

    def map_release_uref(self) -> None:
        """The last reference of user space is gone (fds and pins): timers and work end, other fields stay.

        :see: kernel/bpf/arraymap.c:array_map_free_internal_structs
        """
        fields = [field for field in self.record if field.kind in _INTERNAL]
        if fields:
            for value in self.values_of_all():
                for field in fields:
                    self.env.fields.free(self, field, value + field.off)

    def values_of_all(self) -> Iterator[int]:
        """Addresses of the values of all elements; elements may be deleted meanwhile."""
        return iter(())

    def key_address(self, value: int) -> int:
        """Where the key of the element with this value is; 0 when keys are not stored (arrays)."""
        return 0

    def key_of(self, value: int) -> bytes:
        """The key of the element with this value."""
        return raw.read_bytes(self.key_address(value), self.key_size)

    def map_free(self) -> None:
        """Free what elements hold; then free_memory()."""

    def free_memory(self) -> None:
        """Give back all that alloc() gave, and the descriptor."""
        for region in self._regions:
            self.env.space.free(region)
        self._regions.clear()
        self.env.descriptors.free(self.descriptor)

    # -- what programs and bpf(2) do

    def map_lookup_elem(self, key: int, cpu: int) -> int:
        """Address of the value (*cpu*'s), 0 when there is none."""
        raise SyscallError(ENOTSUPP, f"lookup in a {self.TYPE.name} map")

    def map_lookup_percpu_elem(self, key: int, cpu: int) -> int:
        """Address of *cpu*'s value, 0 when there is none."""
        return 0

    def map_update_elem(self, key: int, value: int, flags: int, cpu: int) -> int:
        """0 or -errno."""
        return -ENOTSUPP

    def map_delete_elem(self, key: int, cpu: int) -> int:
        """0 or -errno."""
        return -ENOTSUPP

    def map_get_next_key(self, key: int, next_key: int) -> int:
        """Store the key after ``*key`` (the first one when *key* is 0); 0 or -errno."""
        return -ENOTSUPP

    def map_push_elem(self, value: int, flags: int) -> int:
        """0 or -errno."""
        return -ENOTSUPP

    def map_pop_elem(self, value: int) -> int:
        """0 or -errno."""
        return -ENOTSUPP

    def map_peek_elem(self, value: int) -> int:
        """0 or -errno."""
        return -ENOTSUPP

    def map_mmap_at(self, addr: int, length: int) -> None:
        """User space is about to map the memory at *addr* (0: anywhere). :raises SyscallError: EINVAL, EBUSY."""

    def map_for_each_callback(self, callback: ForEachCallback, cpu: int) -> int:
        """Call *callback* for each element until it returns non-zero; how many were visited, or -errno."""
        return -EINVAL

    def map_direct_value_addr(self, off: int) -> int:
        """Address of byte *off* of the only value. :raises SyscallError: EINVAL, ENOTSUPP."""
        raise SyscallError(ENOTSUPP, f"address of a value of a {self.TYPE.name} map")

    def map_mmap(self, length: int, writable: bool, offset: int) -> memoryview:
        """The memory user space maps. :raises SyscallError: ENOTSUPP, EINVAL."""
        raise SyscallError(ENOTSUPP, f"mmap of a {self.TYPE.name} map")

    def elem_count(self) -> int:
        """bpf_map_sum_elem_count(): elements of a hash map, -1 for maps that do not count."""
        return -1

    def set_smp(self, smp: bool) -> None:
        """Programs run on several threads at a time from now on, or not; for maps whose operations take locks."""

    def layout(self) -> MapLayout:
        """What compiled code may inline against."""
        return MapLayout(self.descriptor, max_entries=self.max_entries)

    # -- what bpf(2) does with it

    def value_size_sys(self) -> int:
        """bpf_map_value_size(): bytes of a value as user space sees it."""
        return round8(self.value_size) * self.env.features.cpus if self.PERCPU else self.value_size

    def lookup_sys(self, key: int, flags: int) -> bytes:
        """bpf_map_copy_value(). :raises SyscallError: ENOENT, EINVAL."""
        at = self.map_lookup_elem_sys_only(key)
        if not at:
            raise SyscallError(ENOENT, f"lookup in {self.name or self.TYPE.name}")
        return self.copy_out(at, bool(flags & uapi.BPF_F_LOCK))

    def map_lookup_elem_sys_only(self, key: int) -> int:
        """A lookup that does not count as a use of the element."""
        return self.map_lookup_elem(key, 0)

    def copy_out(self, value: int, locked: bool = False) -> bytes:
        """One value as user space sees it: special fields are zeroes."""
        if not self.record:
            return raw.read_bytes(value, self.value_size)
        out = Buffer(self.value_size)
        copy_value_out(ctypes.addressof(self.copy_plan()), out.address, value, locked)
        return bytes(out)

    def update_sys(self, key: int, value: int, flags: int, cpu: int) -> int:
        """bpf_map_update_value(): 0 or -errno. *value* has value_size_sys() bytes."""
        return self.map_update_elem(key, value, flags, cpu)

    def lookup_and_delete_sys(self, key: int, flags: int) -> bytes:
        """map_lookup_and_delete_elem(). :raises SyscallError: ENOENT, EOPNOTSUPP, ENOTSUPP."""
        raise SyscallError(ENOTSUPP, f"lookup and delete in a {self.TYPE.name} map")

    def free_fields(self, value: int) -> None:
        """bpf_obj_free_fields() of one value."""
        for field in self.record:
            if field.kind not in (uapi.BPF_SPIN_LOCK, uapi.BPF_RES_SPIN_LOCK):
                self.env.fields.free(self, field, value + field.off)

    @property
    def has_fields_to_free(self) -> bool:
        """Whether values hold more than plain data and a lock, so that native updates are not enough."""
        return any(field.kind not in (uapi.BPF_SPIN_LOCK, uapi.BPF_RES_SPIN_LOCK) for field in self.record)

    def freeze(self) -> None:
        """BPF_MAP_FREEZE. :raises SyscallError: EBUSY while a writable mapping exists."""
        if self.writecnt:
            raise SyscallError(EBUSY, "BPF_MAP_FREEZE")
        self.frozen = True
        self.publish()

    @property
    def meta(self) -> MapMeta:
        """The map as the verifier reads it; another object after freeze()."""
        if self._meta is None:
            self._meta = MapMeta(
                id=self.id,
                name=self.name,
                map_type=self.map_type,
                key_size=self.key_size,
                value_size=self.value_size,
                max_entries=self.max_entries,
                map_flags=self.map_flags,
                map_extra=self.map_extra,
                btf=self.btf,
                btf_key_type_id=self.btf_key_type_id,
                btf_value_type_id=self.btf_value_type_id,
                btf_vmlinux_value_type_id=self.btf_vmlinux_value_type_id,
                record=self.record,
                inner=self.inner_map_meta,
                frozen=self.frozen and not self.writecnt,
                bypass_spec_v1=self.env.features.bypass_spec_v1,
                read_value=self.read_direct(),
                arena_vm_start=self.arena_vm_start,
            )
        return self._meta

    def read_direct(self) -> Callable[[int, int], bytes] | None:
        """``(off, size) -> bytes`` when loads from the value may be folded, for bpf_map_direct_read()."""
        return None
