"""Pointers to kernel objects (PTR_TO_BTF_ID): walking their types, and how far what was read may be trusted.

:see: kernel/bpf/verifier.c:check_ptr_to_btf_access, kernel/bpf/btf.c:btf_struct_walk
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.btf import Array, Int, Ptr, Struct, TypeTag, Union
from beespace.btf.fields import parse_struct_metas
from beespace.errors import BtfError, Unsupported
from beespace.uapi import bpf as uapi
from beespace.values import frozen
from beespace.verifier.env import EACCES, EINVAL, ENOTSUPP, EPERM
from beespace.verifier.printer import tnum_text
from beespace.verifier.regtypes import (
    BPF_REG_TRUSTED_MODIFIERS,
    has_unsafe_modifiers,
    is_alloc,
    is_non_owning_ref,
    is_ptr_alloc_obj,
    may_be_null,
    type_flag,
)
from beespace.verifier.state import UNKNOWN_REG, RegState, pointer

if TYPE_CHECKING:
    from beespace.btf import Btf, BtfType, Member
    from beespace.btf.record import BtfRecord
    from beespace.decl.tables import StructAccess
    from beespace.verifier.env import Env

__all__ = [
    "REG2BTF",
    "check_ptr_to_btf_access",
    "check_ptr_to_map_access",
    "is_kernel_btf",
    "is_rcu_reg",
    "is_trusted_reg",
    "reg_record",
    "struct_by_name",
    "struct_ids_match",
    "struct_record",
    "types_are_same",
]

_EFAULT = 14
WALK_SCALAR, WALK_PTR, WALK_PTR_UNTRUSTED, WALK_STRUCT = range(4)
_TAGS = {"user": uapi.MEM_USER, "percpu": uapi.MEM_PERCPU, "rcu": uapi.MEM_RCU}
# register types that stand for a kernel struct
REG2BTF = {
    uapi.PTR_TO_SOCKET: "sock",
    uapi.PTR_TO_SOCK_COMMON: "sock_common",
    uapi.PTR_TO_TCP_SOCK: "tcp_sock",
    uapi.CONST_PTR_TO_MAP: "bpf_map",
}


def is_kernel_btf(env: Env, btf: Btf) -> bool:
    """Does the type belong to the kernel (not to the program)?"""
    return btf is env.btf_vmlinux or btf.base is not None


def struct_by_name(env: Env, name: str) -> tuple[Btf, int]:
    """A struct of the kernel."""
    btf = env.btf_vmlinux
    ids = btf.find_all(name, uapi.BTF_KIND_STRUCT) if btf is not None else ()
    if btf is None or not ids:
        raise Unsupported(f"struct {name} without the kernel's BTF")
    return btf, ids[0]


def types_are_same(btf1: Btf, id1: int, btf2: Btf, id2: int) -> bool:
    """One type, also when a module's BTF names a type of vmlinux."""
    if id1 != id2:
        return False
    return btf1 is btf2 or btf1.type(id1) is btf2.type(id2)


def struct_record(env: Env, btf: Btf, btf_id: int) -> BtfRecord | None:
    """Special fields of a struct of the program's BTF (btf_find_struct_meta())."""
    if is_kernel_btf(env, btf):
        return None
    metas = env.struct_metas.get(id(btf))
    if metas is None:
        metas = env.struct_metas[id(btf)] = parse_struct_metas(btf, env.btf_vmlinux)
    return metas.get(btf_id)


def reg_record(env: Env, reg: RegState) -> BtfRecord | None:
    """Special fields of what a register points to."""
    if reg.type == uapi.PTR_TO_MAP_VALUE:
        record: BtfRecord = reg.map_ptr.record
        return record
    if is_ptr_alloc_obj(reg.type):
        return struct_record(env, reg.btf, reg.btf_id)
    return None


def is_trusted_reg(reg: RegState) -> bool:
    """May the kernel dereference the pointer without fear?"""
    if reg.ref_obj_id:
        return True
    t = reg.type
    if t & 0xFF in REG2BTF and not has_unsafe_modifiers(t):
        return True
    return bool(type_flag(t) & BPF_REG_TRUSTED_MODIFIERS) and not has_unsafe_modifiers(t)


def is_rcu_reg(reg: RegState) -> bool:
    """MEM_RCU is set."""
    return reg.type & uapi.MEM_RCU != 0


@frozen
class _Found:
    # What lies at an offset of a struct.
    kind: int
    btf_id: int = 0
    flag: int = 0
    field: str = ""


def _name(what: BtfType | Member) -> str:
    return what.name or "(anon)"


class _Walker:
    # btf_struct_walk(): from a struct and an offset to what is there.

    def __init__(
        self, env: Env, btf: Btf, off: int, size: int, flag: int, asking: bool, flexible: bool = True
    ) -> None:  # fmt: skip
        self.env = env
        self.btf = btf
        self.off = off
        self.size = size
        self.flag = flag  # PTR_UNTRUSTED once a union was crossed
        self.asking = asking
        self.flexible_arrays = flexible  # may be walked into: how many elements there are is not known

    def fail(self, errno: int, message: str) -> None:
        if self.asking:
            self.env.verbose(message + "\n")
            raise _NoMatch
        self.env.reject(errno, message)

    def walk(self, btf_id: int, off: int) -> _Found:
        btf = self.btf
        while True:
            btf_id = btf.skip_mods_and_typedefs(btf_id)
            t = btf.type(btf_id)
            if not isinstance(t, Struct | Union):
                self.fail(EINVAL, f"Type '{_name(t)}' is not a struct")
                raise AssertionError
            if isinstance(t, Union) and len(t.members) != 1 and not self.flag & uapi.PTR_UNTRUSTED:
                self.flag |= uapi.PTR_UNTRUSTED
            if off + self.size > t.size:
                flex = self.flexible(t, off)
                if flex is None:
                    return _Found(WALK_SCALAR)
                btf_id, off = flex
                continue
            nested = self.member(t, off)
            if isinstance(nested, _Found):
                return nested
            btf_id, off = nested

    def flexible(self, t: Struct | Union, off: int) -> tuple[int, int] | None:
        # Past the end: in the elements of a flexible array member? None: of integers.
        btf = self.btf
        if t.members and self.flexible_arrays:
            last = t.members[-1]
            array = btf.type(btf.skip_mods_and_typedefs(last.type))
            at = last.bit_offset // 8
            if isinstance(array, Array) and array.nelems == 0 and off >= at:
                elem_id = btf.skip_mods_and_typedefs(array.type)
                elem = btf.type(elem_id)
                if isinstance(elem, Int):
                    return None
                if isinstance(elem, Struct | Union) and elem.size:
                    return elem_id, (off - at) % elem.size
        self.fail(EACCES, f"access beyond struct {_name(t)} at off {off & 0xFFFF_FFFF} size {self.size}")
        raise AssertionError

    def member(self, t: Struct | Union, off: int) -> _Found | tuple[int, int]:
        btf, size = self.btf, self.size
        for m in t.members:
            moff = m.bit_offset // 8
            if off + size <= moff:
                break
            if m.bitfield_size:
                end = (m.bit_offset + m.bitfield_size + 7) // 8
                if off <= moff and end <= off + size:
                    return _Found(WALK_SCALAR)
                continue
            if off < moff:
                break
            mid, msize, elem_size = self.resolve(m.type)
            end = moff + msize
            if off >= end:
                continue
            if elem_size >= 0:
                if msize == 0:
                    continue
                moff += (off - moff) // elem_size * elem_size
                msize = elem_size
            mtype = btf.type(mid)
            if isinstance(mtype, Struct | Union):
                if off == moff:
                    return _Found(WALK_STRUCT, mid)
                return mid, off - moff
            if isinstance(mtype, Ptr):
                if msize != size or off != moff:
                    self.fail(
                        EACCES,
                        f"cannot access ptr member {_name(m)} with moff {moff} in struct {_name(t)} "
                        f"with off {off} size {size}",
                    )
                return self.pointee(mtype, m.name)
            if off + size > end and not self.flag & uapi.PTR_UNTRUSTED:
                self.fail(
                    EACCES,
                    f"access beyond the end of member {_name(m)} (mend:{end}) in struct {_name(t)} "
                    f"with off {off} size {size}",
                )
            return _Found(WALK_SCALAR)
        self.fail(EINVAL, f"struct {_name(t)} doesn't have field at offset {off}")
        raise AssertionError

    def resolve(self, type_id: int) -> tuple[int, int, int]:
        # (type, bytes, bytes of an element or -1): through modifiers and arrays of arrays
        btf = self.btf
        mid = btf.skip_mods_and_typedefs(type_id)
        t = btf.type(mid)
        if not isinstance(t, Array):
            return mid, btf.size(mid), -1
        count = 1
        while isinstance(t, Array):
            count *= t.nelems
            mid = btf.skip_mods_and_typedefs(t.type)
            t = btf.type(mid)
        elem = btf.size(mid)
        return mid, count * elem, elem

    def pointee(self, ptr: Ptr, field: str) -> _Found:
        btf = self.btf
        flag = 0
        tag = btf.type(ptr.type) if ptr.type else None
        if isinstance(tag, TypeTag):
            flag = _TAGS.get(tag.name, 0)
        target = btf.skip_mods_and_typedefs(ptr.type)
        if not isinstance(btf.type(target), Struct | Union):
            return _Found(WALK_PTR_UNTRUSTED)
        return _Found(WALK_PTR, target, self.flag | flag, field)


class _NoMatch(Exception):
    pass


def _struct_access(env: Env, reg: RegState, off: int, size: int) -> _Found | None:
    # btf_struct_access(): the pointer that is at off; None for a scalar.
    btf = reg.btf
    if is_alloc(reg.type):
        from beespace.verifier.memory import FIELD_NAMES  # memory imports this module

        record = struct_record(env, btf, reg.btf_id)
        for field in record or ():
            if off < field.off + field.size and field.off < off + size:
                env.reject(EACCES, f"direct access to {FIELD_NAMES[field.kind]} is disallowed")
    walker = _Walker(env, btf, off, size, 0, False, not is_alloc(reg.type))
    btf_id = reg.btf_id
    try:
        while True:
            found = walker.walk(btf_id, off)
            if found.kind == WALK_SCALAR:
                return None
            if found.kind == WALK_PTR_UNTRUSTED:
                return found
            if found.kind == WALK_PTR:
                return None if is_alloc(reg.type) else found
            btf_id, off = found.btf_id, 0
    except BtfError as err:
        env.reject(_EFAULT, err.message)


def struct_ids_match(
    env: Env, btf: Btf, btf_id: int, off: int, need: Btf, need_id: int, strict: bool, flexible: bool = True
) -> bool:  # fmt: skip
    """Is there a struct *need_id* at *off* of struct *btf_id*, itself or nested in it?

    :param strict: not nested.
    :param flexible: in a flexible array at its end, too.
    """
    if off == 0 and types_are_same(btf, btf_id, need, need_id):
        return True
    if strict:
        return False
    walker = _Walker(env, btf, off, 1, 0, True, flexible)
    try:
        while True:
            found = walker.walk(btf_id, off)
            if found.kind != WALK_STRUCT:
                return False
            if types_are_same(btf, found.btf_id, need, need_id):
                return True
            btf_id, off = found.btf_id, 0
    except (_NoMatch, BtfError):
        return False


def _is_listed(reg: RegState, found: _Found, suffix: str) -> bool:
    # btf_nested_type_is_trusted(): the kernel lists such fields in structs named <type>__safe_<how>
    btf = reg.btf
    kind = btf.kind(reg.btf_id)
    ids = btf.find_all(btf.name_of(reg.btf_id) + suffix, kind)
    if not ids:
        return False
    for m in btf.type(ids[0]).members:
        t = btf.type(m.type)
        if isinstance(t, Ptr) and m.name == found.field and btf.skip_mods_and_typedefs(t.type) == found.btf_id:
            return True
    return False


def _walked_flags(env: Env, reg: RegState, found: _Found) -> int:
    # How far a pointer that was read through reg is to be trusted.
    flag = found.flag
    if type_flag(reg.type) & uapi.PTR_UNTRUSTED:
        return uapi.PTR_UNTRUSTED
    if not (is_trusted_reg(reg) or is_rcu_reg(reg)):
        return flag & ~(BPF_REG_TRUSTED_MODIFIERS | uapi.MEM_RCU)
    if _is_listed(reg, found, "__safe_trusted"):
        return flag | uapi.PTR_TRUSTED
    if _is_listed(reg, found, "__safe_trusted_or_null"):
        return flag | uapi.PTR_TRUSTED | uapi.PTR_MAYBE_NULL
    if not env.in_rcu_cs() or may_be_null(reg.type):
        return uapi.PTR_UNTRUSTED
    if _is_listed(reg, found, "__safe_rcu"):
        return flag | uapi.MEM_RCU
    or_null = _is_listed(reg, found, "__safe_rcu_or_null")
    if flag & uapi.MEM_RCU or or_null:
        flag |= uapi.MEM_RCU | uapi.PTR_MAYBE_NULL
        return flag & ~uapi.PTR_UNTRUSTED if or_null else flag
    if flag & (uapi.MEM_PERCPU | uapi.MEM_USER):
        return flag
    return flag & ~(BPF_REG_TRUSTED_MODIFIERS | uapi.MEM_RCU)


def loaded_btf_reg(env: Env, reg_type: int, btf: Btf, btf_id: int, flag: int) -> RegState:
    """What a load of a pointer to a kernel object yields (mark_btf_ld_reg())."""
    reg = pointer(reg_type | flag)
    reg.btf = btf
    reg.btf_id = btf_id
    if may_be_null(flag):
        reg.id = env.new_id()
    return reg


def _loaded_mem() -> RegState:
    # What a field points to that is no struct: memory that may be read, if it is there, at any offset.
    reg = pointer(uapi.PTR_TO_MEM | uapi.MEM_RDONLY | uapi.PTR_UNTRUSTED)
    reg.mem_size = 0
    return reg


def _struct_access_rule(env: Env) -> StructAccess | None:
    if env.prog_type != uapi.BPF_PROG_TYPE_STRUCT_OPS:
        return env.ptype.btf_struct_access
    ops = env.registry.struct_ops.get(env.program.attach_name)
    return ops.btf_struct_access if ops is not None else None


def check_ptr_to_btf_access(env: Env, reg: RegState, regno: int, off: int, size: int, write: bool) -> RegState | None:
    """May the bytes of a kernel object be read (written, where the program type allows)? What a load yields."""
    btf = reg.btf
    name = btf.name_of(reg.btf_id)
    if not env.allow_ptr_leaks:
        env.reject(EPERM, f"'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN")
    if not env.program.gpl_compatible and is_kernel_btf(env, btf):
        env.reject(EINVAL, f"Cannot access kernel 'struct {name}' from non-GPL compatible program")
    if off < 0:
        env.reject(EACCES, f"R{regno} is ptr_{name} invalid negative access: off={off}")
    var_off = reg.bounds.var_off
    if var_off.mask or var_off.value:
        text = tnum_text(var_off)
        env.reject(EACCES, f"R{regno} is ptr_{name} invalid variable offset: off={off}, var_off={text}")
    if reg.type & uapi.MEM_USER:
        env.reject(EACCES, f"R{regno} is ptr_{name} access user memory: off={off}")
    if reg.type & uapi.MEM_PERCPU:
        env.reject(EACCES, f"R{regno} is ptr_{name} access percpu memory: off={off}")
    if write and not is_alloc(reg.type) and (struct_access := _struct_access_rule(env)) is not None:
        message = struct_access(btf, name, off, size)
        if message is not None:
            env.reject(EACCES, message)
        return None
    if write and not is_ptr_alloc_obj(reg.type):
        env.reject(EACCES, "only read is supported")
    if (
        is_alloc(reg.type)
        and not is_non_owning_ref(reg.type)
        and not reg.type & uapi.MEM_RCU
        and not reg.ref_obj_id
    ):  # fmt: skip
        env.bug("ref_obj_id for allocated object must be non-zero")
    found = _struct_access(env, reg, off, size)
    if found is None:
        return UNKNOWN_REG
    if found.kind == WALK_PTR_UNTRUSTED:
        return _loaded_mem()
    return loaded_btf_reg(env, uapi.PTR_TO_BTF_ID, btf, found.btf_id, _walked_flags(env, reg, found))


_MAP_STRUCTS = {
    uapi.BPF_MAP_TYPE_HASH: "bpf_htab",
    uapi.BPF_MAP_TYPE_PERCPU_HASH: "bpf_htab",
    uapi.BPF_MAP_TYPE_LRU_HASH: "bpf_htab",
    uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH: "bpf_htab",
    uapi.BPF_MAP_TYPE_HASH_OF_MAPS: "bpf_htab",
    uapi.BPF_MAP_TYPE_ARRAY: "bpf_array",
    uapi.BPF_MAP_TYPE_PERCPU_ARRAY: "bpf_array",
    uapi.BPF_MAP_TYPE_PROG_ARRAY: "bpf_array",
    uapi.BPF_MAP_TYPE_PERF_EVENT_ARRAY: "bpf_array",
    uapi.BPF_MAP_TYPE_CGROUP_ARRAY: "bpf_array",
    uapi.BPF_MAP_TYPE_ARRAY_OF_MAPS: "bpf_array",
    uapi.BPF_MAP_TYPE_LPM_TRIE: "lpm_trie",
    uapi.BPF_MAP_TYPE_STACK_TRACE: "bpf_stack_map",
    uapi.BPF_MAP_TYPE_DEVMAP: "bpf_dtab",
    uapi.BPF_MAP_TYPE_DEVMAP_HASH: "bpf_dtab",
    uapi.BPF_MAP_TYPE_SOCKMAP: "bpf_stab",
    uapi.BPF_MAP_TYPE_SOCKHASH: "bpf_shtab",
    uapi.BPF_MAP_TYPE_CPUMAP: "bpf_cpu_map",
    uapi.BPF_MAP_TYPE_XSKMAP: "xsk_map",
    uapi.BPF_MAP_TYPE_CGROUP_STORAGE: "bpf_cgroup_storage_map",
    uapi.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE: "bpf_cgroup_storage_map",
    uapi.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY: "reuseport_array",
    uapi.BPF_MAP_TYPE_QUEUE: "bpf_queue_stack",
    uapi.BPF_MAP_TYPE_STACK: "bpf_queue_stack",
    uapi.BPF_MAP_TYPE_SK_STORAGE: "bpf_local_storage_map",
    uapi.BPF_MAP_TYPE_INODE_STORAGE: "bpf_local_storage_map",
    uapi.BPF_MAP_TYPE_TASK_STORAGE: "bpf_local_storage_map",
    uapi.BPF_MAP_TYPE_CGRP_STORAGE: "bpf_local_storage_map",
    uapi.BPF_MAP_TYPE_RINGBUF: "bpf_ringbuf_map",
    uapi.BPF_MAP_TYPE_USER_RINGBUF: "bpf_ringbuf_map",
    uapi.BPF_MAP_TYPE_BLOOM_FILTER: "bpf_bloom_filter",
    uapi.BPF_MAP_TYPE_STRUCT_OPS: "bpf_struct_ops_map",
    uapi.BPF_MAP_TYPE_ARENA: "bpf_arena",
}


def check_ptr_to_map_access(env: Env, reg: RegState, regno: int, off: int, size: int, write: bool) -> RegState | None:
    """Reading ``struct bpf_map`` through a map pointer."""
    btf = env.btf_vmlinux
    if btf is None:
        env.reject(ENOTSUPP, "map_ptr access not supported without CONFIG_DEBUG_INFO_BTF")
    name = _MAP_STRUCTS.get(reg.map_ptr.map_type)
    if name is None:
        env.reject(ENOTSUPP, f"map_ptr access not supported for map type {reg.map_ptr.map_type}")
    ids = btf.find_all(name, uapi.BTF_KIND_STRUCT)
    if not ids:
        raise Unsupported(f"struct {name} is not in the kernel's BTF")
    if not env.allow_ptr_leaks:
        env.reject(EPERM, f"'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN")
    if off < 0:
        env.reject(EACCES, f"R{regno} is {name} invalid negative access: off={off}")
    if write:
        env.reject(EACCES, f"only read from {name} is supported")
    ptr = pointer(uapi.PTR_TO_BTF_ID)
    ptr.btf = btf
    ptr.btf_id = ids[0]
    found = _struct_access(env, ptr, off, size)
    if found is None:
        return UNKNOWN_REG
    if found.kind == WALK_PTR_UNTRUSTED:
        return _loaded_mem()
    return loaded_btf_reg(env, uapi.PTR_TO_BTF_ID, btf, found.btf_id, found.flag)
