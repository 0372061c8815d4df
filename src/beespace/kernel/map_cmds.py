"""Commands on maps.

:see: kernel/bpf/syscall.c
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from errno import EACCES, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP, EPERM
from typing import TYPE_CHECKING, Any

from beespace.btf.fields import check_and_fixup_fields, parse_fields
from beespace.errors import ENOTSUPP, BtfError, SyscallError, Unsupported
from beespace.kernel.idr import File
from beespace.maps.base import BpfMap, Buffer
from beespace.maps.hashtab import HashMap
from beespace.uapi import bpf as uapi
from beespace.uapi.attr import GetIdAttr, MapBatchAttr, MapCreateAttr, MapElemAttr, MapInfo

if TYPE_CHECKING:
    from beespace.btf import BtfRecord
    from beespace.kernel.kernel import Kernel

__all__ = ["COMMANDS", "map_info", "obj_name"]

_NAME_CHARS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")
_OBJ_FLAG_MASK = uapi.BPF_F_RDONLY | uapi.BPF_F_WRONLY
_MAX_BPF_MAP_TYPE = vars(uapi)["__MAX_BPF_MAP_TYPE"]  # a name that classes and functions would mangle
_NR_NODES = 1  # simulated machines have one NUMA node

_HASH_TYPES = frozenset({uapi.BPF_MAP_TYPE_HASH, uapi.BPF_MAP_TYPE_PERCPU_HASH, uapi.BPF_MAP_TYPE_LRU_HASH,
                         uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH})  # fmt: skip
_STORAGES = frozenset({uapi.BPF_MAP_TYPE_SK_STORAGE, uapi.BPF_MAP_TYPE_INODE_STORAGE, uapi.BPF_MAP_TYPE_TASK_STORAGE,
                       uapi.BPF_MAP_TYPE_CGRP_STORAGE})  # fmt: skip
_H, _A, _LRU = uapi.BPF_MAP_TYPE_HASH, uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_LRU_HASH
# map_check_btf(): map types whose values may hold a field
_FIELD_MAPS = {
    uapi.BPF_SPIN_LOCK: {_H, _A, uapi.BPF_MAP_TYPE_CGROUP_STORAGE} | _STORAGES,
    uapi.BPF_RES_SPIN_LOCK: {_H, _A, uapi.BPF_MAP_TYPE_CGROUP_STORAGE} | _STORAGES,
    uapi.BPF_TIMER: {_H, _LRU, _A},
    uapi.BPF_WORKQUEUE: {_H, _LRU, _A},
    uapi.BPF_TASK_WORK: {_H, _LRU, _A},
    uapi.BPF_UPTR: {uapi.BPF_MAP_TYPE_TASK_STORAGE},
    uapi.BPF_LIST_HEAD: {_H, _LRU, _A},
    uapi.BPF_RB_ROOT: {_H, _LRU, _A},
} | {
    kind: _HASH_TYPES | {_A, uapi.BPF_MAP_TYPE_PERCPU_ARRAY} | _STORAGES
    for kind in (uapi.BPF_KPTR_UNREF, uapi.BPF_KPTR_REF, uapi.BPF_KPTR_PERCPU, uapi.BPF_REFCOUNT)
}


def obj_name(name: bytes) -> str:
    """bpf_obj_name_cpy(). :raises SyscallError: EINVAL."""
    text = name.split(b"\0", 1)[0]
    if len(text) >= uapi.BPF_OBJ_NAME_LEN or not _NAME_CHARS.issuperset(text):
        raise SyscallError(EINVAL, f"object name {text!r}")
    return text.decode()


# bpf_get_file_flag(): (readable, writable) of a new fd.
def file_flags(flags: int) -> tuple[bool, bool]:
    if flags & _OBJ_FLAG_MASK == _OBJ_FLAG_MASK:
        raise SyscallError(EINVAL, "BPF_F_RDONLY with BPF_F_WRONLY")
    return not flags & uapi.BPF_F_WRONLY, not flags & uapi.BPF_F_RDONLY


def map_create(kernel: Kernel, attr: MapCreateAttr) -> int:
    """BPF_MAP_CREATE."""
    what = "BPF_MAP_CREATE"
    if attr.map_flags & uapi.BPF_F_TOKEN_FD:
        raise Unsupported("BPF tokens")
    if attr.excl_prog_hash or attr.excl_prog_hash_size:
        raise Unsupported("maps that belong to one program (excl_prog_hash)")
    if attr.btf_vmlinux_value_type_id:
        struct_ops = attr.map_type == uapi.BPF_MAP_TYPE_STRUCT_OPS
        if not struct_ops or attr.btf_key_type_id or attr.btf_value_type_id:
            raise SyscallError(EINVAL, what)
    elif attr.btf_key_type_id and not attr.btf_value_type_id:
        raise SyscallError(EINVAL, what)
    if attr.map_type not in (uapi.BPF_MAP_TYPE_BLOOM_FILTER, uapi.BPF_MAP_TYPE_ARENA) and attr.map_extra:
        raise SyscallError(EINVAL, what)
    readable, writable = file_flags(attr.map_flags)
    if attr.map_flags & uapi.BPF_F_NUMA_NODE and attr.numa_node not in (*range(_NR_NODES), 0xFFFFFFFF):
        raise SyscallError(EINVAL, what)
    if attr.map_type == uapi.BPF_MAP_TYPE_UNSPEC or attr.map_type >= _MAX_BPF_MAP_TYPE:
        raise SyscallError(EINVAL, what)
    storage = kernel.map_storage(attr.map_type)
    storage.map_alloc_check(attr, kernel.map_env)
    if attr.map_ifindex:
        raise Unsupported("maps offloaded to a device")
    if not kernel.caps.bpf:
        raise SyscallError(EPERM, what, hint="CAP_BPF is missing")
    bpf_map = storage(attr, kernel.map_env)
    try:
        bpf_map.map_alloc()
        bpf_map.name = obj_name(attr.map_name)
        if attr.btf_key_type_id or attr.btf_value_type_id or attr.btf_vmlinux_value_type_id:
            _set_btf(kernel, bpf_map, attr)
    except BaseException:
        kernel.release_map_btf(bpf_map)
        bpf_map.free_memory()
        raise
    bpf_map.id = kernel.maps.alloc(bpf_map)
    bpf_map.publish()
    kernel.add_map(bpf_map)
    return kernel.fds.install(File("map", bpf_map, readable=readable, writable=writable))


# The part of map_create() that looks at BTF.
def _set_btf(kernel: Kernel, bpf_map: BpfMap, attr: MapCreateAttr) -> None:
    what = "BPF_MAP_CREATE"
    obj = kernel.get_btf(attr.btf_fd)
    if obj.kernel_btf:
        raise SyscallError(EACCES, what)
    bpf_map.btf = obj.btf
    kernel.hold_map_btf(bpf_map, obj)
    if attr.btf_value_type_id:
        _map_check_btf(kernel, bpf_map, attr.btf_key_type_id, attr.btf_value_type_id)
    bpf_map.btf_key_type_id = attr.btf_key_type_id
    bpf_map.btf_value_type_id = attr.btf_value_type_id
    bpf_map.btf_vmlinux_value_type_id = attr.btf_vmlinux_value_type_id


# btf_type_id_size(): None when the type has no size or there is no such type.
def _type_size(bpf_map: BpfMap, type_id: int) -> int | None:
    assert bpf_map.btf is not None
    try:
        return bpf_map.btf.size(type_id)
    except BtfError:
        return None


# map_check_btf()
def _map_check_btf(kernel: Kernel, bpf_map: BpfMap, key_id: int, value_id: int) -> None:
    what = "BPF_MAP_CREATE"
    assert bpf_map.btf is not None
    if key_id and _type_size(bpf_map, key_id) != bpf_map.key_size:
        raise SyscallError(EINVAL, what)
    if _type_size(bpf_map, value_id) != bpf_map.value_size:
        raise SyscallError(EINVAL, what)
    try:
        record: BtfRecord | None = parse_fields(
            bpf_map.btf, value_id, kernel.btf_vmlinux(), value_size=bpf_map.value_size
        )
    except BtfError:
        record = None  # as the kernel: a record that is an error counts as none
    if record:
        _check_record(kernel, bpf_map, record)
        try:
            check_and_fixup_fields(bpf_map.btf, record, kernel.struct_metas(bpf_map.btf))
        except BtfError as error:
            raise SyscallError(error.errno or EINVAL, what, hint=str(error)) from None
    bpf_map.map_check_btf(key_id, value_id)
    if record:
        bpf_map.set_record(record)


def _check_record(kernel: Kernel, bpf_map: BpfMap, record: BtfRecord) -> None:
    what = "BPF_MAP_CREATE"
    if not kernel.caps.bpf:
        raise SyscallError(EPERM, what)
    if bpf_map.map_flags & (uapi.BPF_F_RDONLY_PROG | uapi.BPF_F_WRONLY_PROG):
        raise SyscallError(EACCES, what)
    for field in record:
        if bpf_map.map_type not in _FIELD_MAPS.get(field.kind, ()):
            raise SyscallError(EOPNOTSUPP, what)


# A map by fd, with the checks of map_get_sys_perms().
def _get(kernel: Kernel, fd: int, what: str, *, read: bool = False, write: bool = False) -> BpfMap:
    file = kernel.get_file(fd, "map")
    bpf_map: BpfMap = file.obj
    if (read and not file.readable) or (write and not (file.writable and not bpf_map.frozen)):
        raise SyscallError(EPERM, what)
    return bpf_map


def _check_lock(bpf_map: BpfMap, flags: int, what: str) -> None:
    if flags & uapi.BPF_F_LOCK and not bpf_map.record.has(uapi.BPF_SPIN_LOCK):
        raise SyscallError(EINVAL, what)


# __bpf_copy_key(): maps without keys refuse a pointer to one.
def _copy_key(kernel: Kernel, bpf_map: BpfMap, address: int, what: str) -> Buffer:
    if bpf_map.key_size:
        return Buffer(kernel.user.read(address, bpf_map.key_size))
    if address:
        raise SyscallError(EINVAL, what)
    return Buffer(8)


def _check(err: int, what: str, bpf_map: BpfMap) -> None:
    if err < 0:
        raise SyscallError(-err, f"{what} {bpf_map.name}".rstrip())


def map_lookup_elem(kernel: Kernel, attr: MapElemAttr) -> int:
    """BPF_MAP_LOOKUP_ELEM."""
    what = "BPF_MAP_LOOKUP_ELEM"
    if attr.flags & ~uapi.BPF_F_LOCK:
        raise SyscallError(EINVAL, what)
    bpf_map = _get(kernel, attr.map_fd, what, read=True)
    _check_lock(bpf_map, attr.flags, what)
    key = _copy_key(kernel, bpf_map, attr.key, what)
    if bpf_map.map_type == uapi.BPF_MAP_TYPE_BLOOM_FILTER:
        value = Buffer(kernel.user.read(attr.value, bpf_map.value_size))
        _check(bpf_map.map_peek_elem(value.address), what, bpf_map)
        return 0
    kernel.user.write(attr.value, bpf_map.lookup_sys(key.address, attr.flags))
    return 0


def map_update_elem(kernel: Kernel, attr: MapElemAttr) -> int:
    """BPF_MAP_UPDATE_ELEM."""
    what = "BPF_MAP_UPDATE_ELEM"
    bpf_map = _get(kernel, attr.map_fd, what, write=True)
    _check_lock(bpf_map, attr.flags, what)
    key = _copy_key(kernel, bpf_map, attr.key, what)
    value = Buffer(kernel.user.read(attr.value, bpf_map.value_size_sys()))
    _check(bpf_map.update_sys(key.address, value.address, attr.flags, kernel.current_cpu), what, bpf_map)
    return 0


def map_delete_elem(kernel: Kernel, attr: MapElemAttr) -> int:
    """BPF_MAP_DELETE_ELEM."""
    what = "BPF_MAP_DELETE_ELEM"
    bpf_map = _get(kernel, attr.map_fd, what, write=True)
    key = _copy_key(kernel, bpf_map, attr.key, what)
    _check(bpf_map.map_delete_elem(key.address, kernel.current_cpu), what, bpf_map)
    return 0


def map_get_next_key(kernel: Kernel, attr: MapElemAttr) -> int:
    """BPF_MAP_GET_NEXT_KEY."""
    what = "BPF_MAP_GET_NEXT_KEY"
    bpf_map = _get(kernel, attr.map_fd, what, read=True)
    key = _copy_key(kernel, bpf_map, attr.key, what) if attr.key else None
    following = Buffer(max(bpf_map.key_size, 1))
    _check(bpf_map.map_get_next_key(key.address if key else 0, following.address), what, bpf_map)
    kernel.user.write(attr.value, bytes(following)[: bpf_map.key_size])  # next_key shares the field
    return 0


def map_lookup_and_delete_elem(kernel: Kernel, attr: MapElemAttr) -> int:
    """BPF_MAP_LOOKUP_AND_DELETE_ELEM."""
    what = "BPF_MAP_LOOKUP_AND_DELETE_ELEM"
    if attr.flags & ~uapi.BPF_F_LOCK:
        raise SyscallError(EINVAL, what)
    bpf_map = _get(kernel, attr.map_fd, what, read=True, write=True)
    if attr.flags and bpf_map.map_type in (uapi.BPF_MAP_TYPE_QUEUE, uapi.BPF_MAP_TYPE_STACK):
        raise SyscallError(EINVAL, what)
    _check_lock(bpf_map, attr.flags, what)
    key = _copy_key(kernel, bpf_map, attr.key, what)
    kernel.user.write(attr.value, bpf_map.lookup_and_delete_sys(key.address, attr.flags))
    return 0


def map_freeze(kernel: Kernel, attr: MapElemAttr) -> int:
    """BPF_MAP_FREEZE."""
    what = "BPF_MAP_FREEZE"
    file = kernel.get_file(attr.map_fd, "map")
    bpf_map: BpfMap = file.obj
    if bpf_map.map_type == uapi.BPF_MAP_TYPE_STRUCT_OPS or bpf_map.record:
        raise SyscallError(ENOTSUPP, what)
    if not file.writable or bpf_map.frozen:  # map_get_sys_perms(): a frozen map is not writable
        raise SyscallError(EPERM, what)
    bpf_map.freeze()
    return 0


# -- batches


def _batch(kernel: Kernel, attr: MapBatchAttr, what: str, *, read: bool, write: bool, op: str) -> BpfMap:
    bpf_map = _get(kernel, attr.map_fd, what, read=read, write=write)
    if op not in bpf_map.BATCH_OPS:
        raise SyscallError(ENOTSUPP, what)
    if attr.elem_flags & ~uapi.BPF_F_LOCK:
        raise SyscallError(EINVAL, what)
    _check_lock(bpf_map, attr.elem_flags, what)
    return bpf_map


# Run *step* for element 0, 1, ... and leave in attr.count how many succeeded.
def _each(attr: MapBatchAttr, step: Callable[[int], None]) -> int:
    count, attr.count = attr.count, 0
    for index in range(count):
        step(index)
        attr.count = index + 1
    return 0


def map_update_batch(kernel: Kernel, attr: MapBatchAttr) -> int:
    """BPF_MAP_UPDATE_BATCH."""
    what = "BPF_MAP_UPDATE_BATCH"
    bpf_map = _batch(kernel, attr, what, read=False, write=True, op="update")
    size = bpf_map.value_size_sys()

    def step(index: int) -> None:
        key = Buffer(kernel.user.read(attr.keys + index * bpf_map.key_size, bpf_map.key_size))
        value = Buffer(kernel.user.read(attr.values + index * size, size))
        err = bpf_map.update_sys(key.address, value.address, attr.elem_flags, kernel.current_cpu)
        _check(err, what, bpf_map)

    return _each(attr, step)


def map_delete_batch(kernel: Kernel, attr: MapBatchAttr) -> int:
    """BPF_MAP_DELETE_BATCH."""
    what = "BPF_MAP_DELETE_BATCH"
    bpf_map = _batch(kernel, attr, what, read=False, write=True, op="delete")

    def step(index: int) -> None:
        key = Buffer(kernel.user.read(attr.keys + index * bpf_map.key_size, bpf_map.key_size))
        _check(bpf_map.map_delete_elem(key.address, kernel.current_cpu), what, bpf_map)

    return _each(attr, step)


def map_lookup_batch(kernel: Kernel, attr: MapBatchAttr) -> int:
    """BPF_MAP_LOOKUP_BATCH."""
    what = "BPF_MAP_LOOKUP_BATCH"
    bpf_map = _batch(kernel, attr, what, read=True, write=False, op="lookup")
    if isinstance(bpf_map, HashMap):
        return _hash_batch(kernel, bpf_map, attr, what, delete=False)
    return _generic_lookup_batch(kernel, bpf_map, attr, what)


def map_lookup_and_delete_batch(kernel: Kernel, attr: MapBatchAttr) -> int:
    """BPF_MAP_LOOKUP_AND_DELETE_BATCH."""
    what = "BPF_MAP_LOOKUP_AND_DELETE_BATCH"
    bpf_map = _batch(kernel, attr, what, read=True, write=True, op="lookup_and_delete")
    assert isinstance(bpf_map, HashMap)
    return _hash_batch(kernel, bpf_map, attr, what, delete=True)


# generic_map_lookup_batch(): in_batch and out_batch are keys.
def _generic_lookup_batch(kernel: Kernel, bpf_map: BpfMap, attr: MapBatchAttr, what: str) -> int:
    room, attr.count = attr.count, 0
    if not room:
        return 0
    size = bpf_map.value_size_sys()
    at = Buffer(kernel.user.read(attr.in_batch, bpf_map.key_size)) if attr.in_batch else None
    done, err = 0, 0
    while done < room:
        key = Buffer(bpf_map.key_size)
        err = bpf_map.map_get_next_key(at.address if at else 0, key.address)
        if err:
            break
        at = key
        try:
            value = bpf_map.lookup_sys(key.address, attr.elem_flags)
        except SyscallError as error:
            if error.errno == ENOENT:
                continue
            raise
        kernel.user.write(attr.keys + done * bpf_map.key_size, bytes(key))
        kernel.user.write(attr.values + done * size, value)
        done += 1
    if done and at:
        kernel.user.write(attr.out_batch, bytes(at))
    attr.count = done
    _check(err, what, bpf_map)
    return 0


# __htab_map_lookup_and_delete_batch(): in_batch and out_batch are numbers of buckets, which are never split.
def _hash_batch(kernel: Kernel, bpf_map: HashMap, attr: MapBatchAttr, what: str, *, delete: bool) -> int:
    if attr.flags:
        raise SyscallError(EINVAL, what)
    room, attr.count = attr.count, 0
    if not room:
        return 0
    bucket = struct.unpack("<I", kernel.user.read(attr.in_batch, 4))[0] if attr.in_batch else 0
    if bucket >= bpf_map.n_buckets:
        raise SyscallError(ENOENT, what)
    size = bpf_map.value_size_sys()
    total, err = 0, 0
    while True:
        bucket, elements = bpf_map.bucket_from(bucket)
        if len(elements) > room - total:
            err = ENOSPC if total == 0 else 0
            break
        pairs = [bpf_map.pair_sys(index, bool(attr.elem_flags & uapi.BPF_F_LOCK)) for index in elements]
        if delete:
            for key, _ in pairs:
                buffer = Buffer(key)
                bpf_map.map_delete_elem(buffer.address, kernel.current_cpu)
        kernel.user.write(attr.keys + total * bpf_map.key_size, b"".join(key for key, _ in pairs))
        kernel.user.write(attr.values + total * size, b"".join(value for _, value in pairs))
        total += len(elements)
        bucket += 1
        if bucket >= bpf_map.n_buckets:
            err = ENOENT
            break
    kernel.user.write(attr.out_batch, struct.pack("<I", bucket))
    attr.count = total
    _check(-err, what, bpf_map)
    return 0


# -- objects


def map_get_next_id(kernel: Kernel, attr: GetIdAttr) -> int:
    """BPF_MAP_GET_NEXT_ID."""
    return kernel.next_id(kernel.maps, attr, "map")


def map_get_fd_by_id(kernel: Kernel, attr: GetIdAttr) -> int:
    """BPF_MAP_GET_FD_BY_ID."""
    what = "BPF_MAP_GET_FD_BY_ID"
    if attr.open_flags & ~_OBJ_FLAG_MASK:
        raise SyscallError(EINVAL, what)
    if not kernel.caps.sys_admin:
        raise SyscallError(EPERM, what)
    readable, writable = file_flags(attr.open_flags)
    bpf_map = kernel.maps.get(attr.start_id, "map")
    bpf_map.refcnt += 1
    bpf_map.usercnt += 1
    return kernel.fds.install(File("map", bpf_map, readable=readable, writable=writable))


def map_info(kernel: Kernel, bpf_map: BpfMap) -> MapInfo:
    """bpf_map_get_info_by_fd()."""
    return MapInfo(
        type=bpf_map.map_type,
        id=bpf_map.id,
        key_size=bpf_map.key_size,
        value_size=bpf_map.value_size,
        max_entries=bpf_map.max_entries,
        map_flags=bpf_map.map_flags,
        map_extra=bpf_map.map_extra,
        name=bpf_map.name.encode(),
        btf_id=kernel.map_btf_id(bpf_map),
        btf_key_type_id=bpf_map.btf_key_type_id,
        btf_value_type_id=bpf_map.btf_value_type_id,
        btf_vmlinux_value_type_id=bpf_map.btf_vmlinux_value_type_id,
    )


COMMANDS: dict[int, Callable[[Kernel, Any], int]] = {
    uapi.BPF_MAP_CREATE: map_create,
    uapi.BPF_MAP_LOOKUP_ELEM: map_lookup_elem,
    uapi.BPF_MAP_UPDATE_ELEM: map_update_elem,
    uapi.BPF_MAP_DELETE_ELEM: map_delete_elem,
    uapi.BPF_MAP_GET_NEXT_KEY: map_get_next_key,
    uapi.BPF_MAP_LOOKUP_AND_DELETE_ELEM: map_lookup_and_delete_elem,
    uapi.BPF_MAP_FREEZE: map_freeze,
    uapi.BPF_MAP_LOOKUP_BATCH: map_lookup_batch,
    uapi.BPF_MAP_LOOKUP_AND_DELETE_BATCH: map_lookup_and_delete_batch,
    uapi.BPF_MAP_UPDATE_BATCH: map_update_batch,
    uapi.BPF_MAP_DELETE_BATCH: map_delete_batch,
    uapi.BPF_MAP_GET_NEXT_ID: map_get_next_id,
    uapi.BPF_MAP_GET_FD_BY_ID: map_get_fd_by_id,
}
