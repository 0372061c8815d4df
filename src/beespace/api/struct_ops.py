"""struct_ops maps: the object's struct brought into the shape of the kernel's.

:see: tools/lib/bpf/libbpf.c:bpf_map__init_kern_struct_ops
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from beespace.api.kernel_types import Found, KernelTypes
from beespace.btf import Btf, FuncProto, Member, Ptr, Struct
from beespace.btf.core_compat import essential_name
from beespace.errors import BtfError, Unsupported
from beespace.uapi import bpf as uapi
from beespace.values import frozen, mutable

if TYPE_CHECKING:
    from beespace.api.map import Map
    from beespace.api.object import Object
    from beespace.api.program import Program

__all__ = ["StructOps", "init_struct_ops"]

_PTR_SIZE = 8


@mutable
class StructOps:
    """What a struct_ops map needs of the kernel's types.

    :ivar value: the kernel's ``struct bpf_struct_ops_NAME``; function members are filled with fds after loading.
    :ivar slots: byte offset in ``value`` -> program.
    """

    value: bytearray
    vtype: Found
    slots: dict[int, Program] = field(default_factory=dict)


def init_struct_ops(obj: Object, kernel_types: KernelTypes) -> dict[str, StructOps]:
    """Match each struct_ops map that will be created with the kernel's struct, by member name.

    Programs get their attach ids; those that only maps which are not created refer to are not loaded.
    """
    made = {m.name: _init_map(obj, m, kernel_types) for m in obj.maps if m.spec.struct_ops and m.autocreate}
    used = {prog.name for ops in made.values() for prog in ops.slots.values()}
    mentioned = {name for m in obj.maps if m.spec.struct_ops for name in m.spec.struct_ops.progs.values()}
    for prog in obj.progs:
        if prog.prog_type == uapi.BPF_PROG_TYPE_STRUCT_OPS and prog.name in mentioned:
            prog.autoload = prog.name in used
    return made


def _kernel_types_of(name: str, kernel_types: KernelTypes) -> tuple[Found, Member]:
    # struct bpf_struct_ops_NAME and its member of type struct NAME
    name = essential_name(name)
    vtype = kernel_types.find(f"bpf_struct_ops_{name}", uapi.BTF_KIND_STRUCT)
    if vtype is None:
        raise BtfError(f"struct_ops init_kern: struct bpf_struct_ops_{name} is not found in kernel BTF")
    struct_id = vtype.btf.find(name, uapi.BTF_KIND_STRUCT)
    data = next((m for m in vtype.btf.members(vtype.type_id) if struct_id and m.type == struct_id), None)
    if data is None:
        raise BtfError(f"struct_ops init_kern: struct {name} data is not found in struct bpf_struct_ops_{name}")
    return vtype, data


def _init_map(obj: Object, bpf_map: Map, kernel_types: KernelTypes) -> StructOps:
    spec, btf = bpf_map.spec, obj.codecs.btf
    assert spec.struct_ops is not None
    struct = btf.type(spec.struct_ops.type_id)
    assert isinstance(struct, Struct)
    vtype, data = _kernel_types_of(struct.name, kernel_types)
    ops = StructOps(bytearray(vtype.btf.size(vtype.type_id)), vtype)
    local = _Side(btf, bytes(bpf_map.memory or b""))
    for index, member in enumerate(struct.members):
        name = spec.struct_ops.progs.get(index)
        prog = obj.progs[name] if name is not None else None
        _copy_member(bpf_map, local, member, prog, ops, data)
    return ops


@frozen
class _Side:
    btf: Btf
    data: bytes


def _copy_member(
    bpf_map: Map, local: _Side, member: Member, prog: Program | None, ops: StructOps, data: Member
) -> None:
    def fail(message: str) -> BtfError:
        return BtfError(f"struct_ops init_kern {bpf_map.name}: {message}")

    btf, kern_btf = local.btf, ops.vtype.btf
    size, off = btf.size(member.type), member.bit_offset // 8
    value = local.data[off : off + size]
    kern_members = kern_btf.members(data.type)
    index = next((i for i, m in enumerate(kern_members) if m.name == member.name), None)
    if index is None:
        if any(value):
            raise fail(f"Cannot find member {member.name} in kernel BTF")
        return  # zero: as if it had not been mentioned; a program of it is not loaded
    kern_member = kern_members[index]
    if member.bitfield_size or kern_member.bitfield_size:
        raise Unsupported(f"struct_ops {bpf_map.name}: bitfield {member.name}")
    target = btf.type(btf.skip_mods_and_typedefs(member.type))
    kern_target = kern_btf.type(kern_btf.skip_mods_and_typedefs(kern_member.type))
    if target.kind != kern_target.kind:
        raise fail(f"Unmatched member type {member.name} {target.kind} != {kern_target.kind}(kernel)")
    kern_off = data.bit_offset // 8 + kern_member.bit_offset // 8
    if isinstance(kern_target, Ptr):
        if prog is not None:
            pointee = kern_btf.type(kern_btf.skip_mods_and_typedefs(kern_target.type))
            if not isinstance(pointee, FuncProto):
                raise fail(f"kernel member {member.name} is not a func ptr")
            _bind(bpf_map, member.name, prog, ops, data.type, index)
            ops.slots[kern_off] = prog
        return
    if kern_btf.size(kern_member.type) != size:
        raise fail(
            f"Error in size of member {member.name}: {size} != {kern_btf.size(kern_member.type)}(kernel)"
        )  # fmt: skip
    ops.value[kern_off : kern_off + size] = value


def _bind(bpf_map: Map, member: str, prog: Program, ops: StructOps, struct_id: int, index: int) -> None:
    if prog.prog_type != uapi.BPF_PROG_TYPE_STRUCT_OPS:
        raise BtfError(f"struct_ops init_kern {bpf_map.name}: member {member} is not a struct_ops program")
    if not prog.attach_btf_id:
        prog.attach_btf_id, prog.attach_btf_obj_fd = struct_id, ops.vtype.btf_fd
        prog.expected_attach_type = index
    elif (prog.attach_btf_id, prog.expected_attach_type) != (struct_id, index):
        raise BtfError(
            f"struct_ops init_kern {bpf_map.name} func ptr {member}: invalid reuse of prog {prog.name}",
            expected=(prog.attach_btf_id, prog.expected_attach_type),
            found=(struct_id, index),
        )
