"""Creating maps: pinned ones found again, inner maps, data sections filled and frozen, initial elements.

:see: tools/lib/bpf/libbpf.c:bpf_object__create_maps
"""

from __future__ import annotations

import errno
import mmap
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from beespace.elf import MapSpec
from beespace.errors import SyscallError
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import MapCreateAttr, MapInfo

if TYPE_CHECKING:
    from beespace.api.map import Map
    from beespace.api.object import Object
    from beespace.api.struct_ops import StructOps

__all__ = ["create_maps", "init_prog_arrays"]

_KEY = b"\0\0\0\0"
_MAP_IN_MAP = (uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS, uapi.BPF_MAP_TYPE_HASH_OF_MAPS)
# The kernel takes no BTF for keys and values of these.
_WITHOUT_BTF = frozenset(
    (
        uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
        uapi.BPF_MAP_TYPE_CGROUP_ARRAY,
        uapi.BPF_MAP_TYPE_STACK_TRACE,
        uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS,
        uapi.BPF_MAP_TYPE_HASH_OF_MAPS,
        uapi.BPF_MAP_TYPE_DEVMAP,
        uapi.BPF_MAP_TYPE_DEVMAP_HASH,
        uapi.BPF_MAP_TYPE_CPUMAP,
        uapi.BPF_MAP_TYPE_XSKMAP,
        uapi.BPF_MAP_TYPE_SOCKMAP,
        uapi.BPF_MAP_TYPE_SOCKHASH,
        uapi.BPF_MAP_TYPE_QUEUE,
        uapi.BPF_MAP_TYPE_STACK,
        uapi.BPF_MAP_TYPE_ARENA,
    )
)
_DEVMAPS = (uapi.BPF_MAP_TYPE_DEVMAP, uapi.BPF_MAP_TYPE_DEVMAP_HASH)


def create_maps(obj: Object, btf_fd: int, struct_ops: Mapping[str, StructOps]) -> None:
    """Make every map that is to be made, in the file's order.

    :raises SyscallError: the kernel refuses one.
    """
    creator = _Creator(obj, btf_fd, struct_ops)
    for bpf_map in obj.maps:
        if bpf_map.autocreate:
            creator.create(bpf_map)


def init_prog_arrays(obj: Object) -> None:
    """Initial elements of program arrays, which need the programs' fds.

    :see: tools/lib/bpf/libbpf.c:init_prog_array_slots
    """
    for bpf_map in obj.maps:
        if bpf_map.map_type == uapi.BPF_MAP_TYPE_PROG_ARRAY and bpf_map.autocreate:
            for index, name in bpf_map.spec.slots.items():
                bpf_map.update_bytes(index.to_bytes(4, "little"), obj.progs[name].fd.to_bytes(4, "little"))


class _Creator:
    def __init__(self, obj: Object, btf_fd: int, struct_ops: Mapping[str, StructOps]) -> None:
        self.obj, self.calls, self.btf_fd, self.struct_ops = obj, obj.calls, btf_fd, struct_ops

    def create(self, bpf_map: Map) -> None:
        if bpf_map.pin_path is not None:
            self._reuse_pinned(bpf_map)
        if not bpf_map.is_reused:
            bpf_map.set_fd(self._create(bpf_map))
            if bpf_map.spec.is_internal:
                self._populate(bpf_map)
            elif bpf_map.map_type == uapi.BPF_MAP_TYPE_ARENA:
                self._map_arena(bpf_map)
            elif bpf_map.map_type in _MAP_IN_MAP:
                for index, name in bpf_map.spec.slots.items():
                    bpf_map.update_bytes(index.to_bytes(4, "little"), self.obj.maps[name].fd.to_bytes(4, "little"))
        if bpf_map.pin_path is not None and not bpf_map.is_pinned:
            bpf_map.pin()

    # ------------------------------------------------------------------------------------------------- pinned maps

    def _reuse_pinned(self, bpf_map: Map) -> None:
        assert bpf_map.pin_path is not None
        try:
            fd = self.calls.obj_get(bpf_map.pin_path)
        except SyscallError as e:
            if e.errno == errno.ENOENT:
                return
            raise
        try:
            if not _is_compatible(bpf_map.spec, self.calls.map_info(fd)):
                hint = f"couldn't reuse pinned map at '{bpf_map.pin_path}': parameter mismatch"
                raise SyscallError(errno.EINVAL, f"map {bpf_map.name}", hint=hint)
            bpf_map.reuse_fd(fd)
        finally:
            self.calls.kernel.close(fd)
        bpf_map.is_pinned = True

    # ---------------------------------------------------------------------------------------------------- creating

    def _create(self, bpf_map: Map) -> int:
        spec = bpf_map.spec
        inner_fd = bpf_map.inner_map_fd
        if spec.map_type in _MAP_IN_MAP and inner_fd is None and spec.inner is not None:
            inner_fd = self._map_create(spec.inner, spec.inner.name, 0)
            try:
                return self._map_create(spec, bpf_map.full_name, inner_fd)
            finally:
                self.calls.kernel.close(inner_fd)  # the outer map has taken its shape
        return self._map_create(spec, bpf_map.full_name, inner_fd or 0)

    def _map_create(self, spec: MapSpec, name: str, inner_fd: int) -> int:
        if spec.map_type == uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY and not spec.max_entries:
            spec = replace(spec, max_entries=self.calls.kernel.features.cpus)
        record = MapCreateAttr(
            map_type=spec.map_type,
            key_size=spec.key_size,
            value_size=spec.value_size,
            max_entries=spec.max_entries,
            map_flags=spec.map_flags,
            inner_map_fd=inner_fd,
            numa_node=spec.numa_node,
            map_extra=spec.map_extra,
        )
        if spec.map_type == uapi.BPF_MAP_TYPE_STRUCT_OPS:
            vtype = self.struct_ops[spec.name].vtype
            record.btf_fd, record.btf_vmlinux_value_type_id = self.btf_fd, vtype.type_id
            record.value_size = len(self.struct_ops[spec.name].value)
            if vtype.module is not None:
                record.value_type_btf_obj_fd = vtype.btf_fd
                record.map_flags |= uapi.BPF_F_VTYPE_BTF_OBJ_FD
        elif self.btf_fd and spec.map_type not in _WITHOUT_BTF:
            record.btf_fd = self.btf_fd
            record.btf_key_type_id, record.btf_value_type_id = spec.key_type_id, spec.value_type_id
        try:
            return self.calls.map_create(record, name)
        except SyscallError as e:
            if not (record.btf_key_type_id or record.btf_value_type_id):
                raise
            self.obj.warnings.append(f"map '{spec.name}': {e}. Retrying without BTF.")
            record.btf_fd = record.btf_key_type_id = record.btf_value_type_id = 0
            return self.calls.map_create(record, name)

    # ---------------------------------------------------------------------------------------------------- contents

    def _populate(self, bpf_map: Map) -> None:
        # :see: tools/lib/bpf/libbpf.c:bpf_object__populate_internal_map
        assert isinstance(bpf_map.memory, bytearray)
        image, bpf_map.memory = bytes(bpf_map.memory), None
        bpf_map.update_bytes(_KEY, image)
        constant = bpf_map.spec.kind in ("rodata", "kconfig")
        if constant:
            bpf_map.freeze()
        if bpf_map.map_flags & uapi.BPF_F_MMAPABLE:
            prot = mmap.PROT_READ if constant else mmap.PROT_READ | mmap.PROT_WRITE
            length = -(-((len(image) + 7) // 8 * 8) // mmap.PAGESIZE) * mmap.PAGESIZE
            bpf_map.memory = self.calls.kernel.mmap(bpf_map.fd, length, prot, 0)

    def _map_arena(self, bpf_map: Map) -> None:
        init = self.obj.spec.arena_init if self.obj.spec.arena == bpf_map.name else b""
        length = bpf_map.max_entries * mmap.PAGESIZE
        prot = mmap.PROT_READ | mmap.PROT_WRITE
        # at the address that was asked for, because programs store pointers into the arena
        where = {"addr": bpf_map.map_extra} if bpf_map.map_extra else {}
        bpf_map.memory = self.calls.kernel.mmap(bpf_map.fd, length, prot, 0, **where)
        bpf_map.memory[: len(init)] = init


def _is_compatible(spec: MapSpec, info: MapInfo) -> bool:
    # :see: tools/lib/bpf/libbpf.c:map_is_reuse_compat
    flags = info.map_flags
    if spec.map_type in _DEVMAPS:
        flags &= ~uapi.BPF_F_RDONLY_PROG  # the kernel adds it
    return (spec.map_type, spec.key_size, spec.value_size, spec.max_entries, spec.map_flags, spec.map_extra) == (
        info.type, info.key_size, info.value_size, info.max_entries, flags, info.map_extra,
    )  # fmt: skip
