"""Special fields: locks, timers, kptrs, lists, trees and reference counts inside a struct or a data section.

A field is special by the *name* of its struct (``struct bpf_timer``), or, for pointers, by a type tag (``__kptr``).

:see: kernel/bpf/btf.c:btf_parse_fields, btf_parse_struct_metas, btf_check_and_fixup_fields
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.btf.record import BtfField, BtfRecord
from beespace.btf.resolve import MAX_RESOLVE_DEPTH
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["MAP_FIELDS", "OBJECT_FIELDS", "check_and_fixup_fields", "parse_fields", "parse_struct_metas"]

_KPTRS = uapi.BPF_KPTR | uapi.BPF_UPTR
_LOCKS = uapi.BPF_SPIN_LOCK | uapi.BPF_RES_SPIN_LOCK
_PAGE_SIZE = 4096

MAP_FIELDS = (
    _LOCKS | uapi.BPF_TIMER | _KPTRS | uapi.BPF_LIST_HEAD | uapi.BPF_RB_ROOT | uapi.BPF_REFCOUNT
    | uapi.BPF_WORKQUEUE | uapi.BPF_TASK_WORK
)  # fmt: skip
"""What map_check_btf() looks for in a map value."""

OBJECT_FIELDS = (
    _LOCKS | uapi.BPF_LIST_HEAD | uapi.BPF_LIST_NODE | uapi.BPF_RB_ROOT | uapi.BPF_RB_NODE | uapi.BPF_REFCOUNT
    | uapi.BPF_KPTR
)  # fmt: skip
"""What btf_parse_struct_metas() looks for in the structs of a program (bpf_obj_new())."""


@frozen
class _Special:
    kind: int
    size: int
    align: int
    unique: bool = False  # at most one of a value


# Sizes as in include/uapi/linux/bpf.h.
_SPECIAL = {
    "bpf_spin_lock": _Special(uapi.BPF_SPIN_LOCK, 4, 4, True),
    "bpf_res_spin_lock": _Special(uapi.BPF_RES_SPIN_LOCK, 4, 4, True),
    "bpf_timer": _Special(uapi.BPF_TIMER, 16, 8, True),
    "bpf_wq": _Special(uapi.BPF_WORKQUEUE, 16, 8, True),
    "bpf_task_work": _Special(uapi.BPF_TASK_WORK, 8, 8, True),
    "bpf_list_head": _Special(uapi.BPF_LIST_HEAD, 16, 8),
    "bpf_list_node": _Special(uapi.BPF_LIST_NODE, 24, 8),
    "bpf_rb_root": _Special(uapi.BPF_RB_ROOT, 16, 8),
    "bpf_rb_node": _Special(uapi.BPF_RB_NODE, 32, 8),
    "bpf_refcount": _Special(uapi.BPF_REFCOUNT, 4, 4),
}
_NODE_NAMES = {uapi.BPF_LIST_HEAD: "bpf_list_node", uapi.BPF_RB_ROOT: "bpf_rb_node"}
_POINTER = _Special(uapi.BPF_KPTR_REF, 8, 8)
_KPTR_TAGS = {
    "kptr_untrusted": uapi.BPF_KPTR_UNREF,
    "kptr": uapi.BPF_KPTR_REF,
    "percpu_kptr": uapi.BPF_KPTR_PERCPU,
    "uptr": uapi.BPF_UPTR,
}
_REPEATABLE = _KPTRS | uapi.BPF_GRAPH_ROOT


@frozen
class _Info:
    # ``struct btf_field_info``: a field found, its references not resolved yet
    kind: int
    off: int
    size: int
    type_id: int = 0  # kptr: pointed-to struct; graph root: struct of the elements
    node_name: str = ""


class _Finder:
    # One walk over one type. ``seen`` and the order of the checks are the kernel's, because they decide which errno.

    def __init__(self, btf: Btf, field_mask: int) -> None:
        self.btf = btf
        self.mask = field_mask
        self.seen = 0
        self.barren: set[tuple[int, int]] = set()  # (struct, level) in which nothing is

    def error(self, err: int, message: str) -> BtfError:
        return BtfError(message, errno=err, path=self.btf.name or None, section=".BTF")

    def find(self, type_id: int) -> list[_Info]:
        match self.btf.type(type_id):
            case t.Struct() as struct:
                return self.struct(type_id, struct, uapi.BTF_FIELDS_MAX, 0)
            case t.Datasec() as datasec:
                return self.datasec(datasec)
            case other:
                raise self.error(errno.EINVAL, f"[{type_id}] {t.KIND_NAMES[other.kind]} has no special fields")

    def struct(self, type_id: int, struct: t.Struct, room: int, level: int) -> list[_Info]:
        found: list[_Info] = []
        for index, member in enumerate(struct.members):
            if member.bit_offset % 8:
                raise self.error(errno.EINVAL, f"struct {struct.name}.{member.name} is not byte aligned")
            where = f"struct {struct.name or '(anon)'}.{member.name or '(anon)'}"
            found += self.one(
                where, type_id, index, member.type, member.bit_offset // 8, 0, room - len(found), level
            )  # fmt: skip
        return found

    def datasec(self, datasec: t.Datasec) -> list[_Info]:
        found: list[_Info] = []
        for info in datasec.vars:
            var = self.btf.type(info.type)
            if not isinstance(var, t.Var):
                continue  # extern functions: DATASEC as clang makes it, before the loader drops it
            room = uapi.BTF_FIELDS_MAX - len(found)
            found += self.one(var.name, info.type, -1, var.type, info.offset, info.size, room, 0)
        return found

    def one(
        self, where: str, owner: int, index: int, type_id: int, off: int, expected_size: int, room: int, level: int
    ) -> list[_Info]:  # fmt: skip
        # btf_find_field_one(): a member or variable, through arrays, into structs
        nelems = 1
        for _ in range(MAX_RESOLVE_DEPTH):
            btf_type = self.btf.type(type_id)
            if not isinstance(btf_type, t.Array):
                break
            nelems = nelems * btf_type.nelems & 0xFFFFFFFF
            type_id = btf_type.type
        else:
            raise self.error(errno.E2BIG, f"{where}: array nested more than {MAX_RESOLVE_DEPTH} deep")
        if nelems == 0:
            return []
        special = self.classify(where, btf_type)
        if special is None:
            if not isinstance(btf_type, t.Struct) or (expected_size and expected_size != btf_type.size * nelems):
                return []
            return self.nested(where, type_id, btf_type, off, nelems, room, level + 1)
        if (expected_size and expected_size != special.size * nelems) or off % special.align:
            return []
        info = self.info(where, owner, index, type_id, special, off)
        if info is None:
            return []
        if room == 0:
            raise self.error(errno.E2BIG, f"{where}: more than {uapi.BTF_FIELDS_MAX} special fields")
        return self.repeat(where, [info], nelems, special.size, room)

    def classify(self, where: str, btf_type: t.BtfType) -> _Special | None:
        special = _SPECIAL.get(btf_type.name)
        if special is not None and self.mask & special.kind:
            if special.unique:
                if self.seen & special.kind:
                    raise self.error(errno.E2BIG, f"{where}: second struct {btf_type.name} in one value")
                self.seen |= special.kind
            return special
        return _POINTER if self.mask & _KPTRS and not isinstance(btf_type, t.Struct) else None

    def nested(
        self, where: str, type_id: int, struct: t.Struct, off: int, nelems: int, room: int, level: int
    ) -> list[_Info]:  # fmt: skip
        if level >= MAX_RESOLVE_DEPTH:
            raise self.error(errno.E2BIG, f"{where}: structs nested more than {MAX_RESOLVE_DEPTH} deep")
        if (type_id, level) in self.barren:
            return []
        seen = self.seen
        found = [replace(info, off=info.off + off) for info in self.struct(type_id, struct, room, level)]
        if not found:
            if seen == self.seen:
                self.barren.add((type_id, level))
            return []
        return self.repeat(where, found, nelems, struct.size, room)

    def repeat(self, where: str, infos: list[_Info], nelems: int, elem_size: int, room: int) -> list[_Info]:
        if nelems == 1:
            return infos
        if any(not info.kind & _REPEATABLE for info in infos):
            raise self.error(errno.EINVAL, f"{where}: this field cannot be in an array")
        if len(infos) * nelems > room:
            raise self.error(errno.E2BIG, f"{where}: more than {uapi.BTF_FIELDS_MAX} special fields")
        return [replace(info, off=info.off + i * elem_size) for i in range(nelems) for info in infos]

    def info(
        self, where: str, owner: int, index: int, type_id: int, special: _Special, off: int
    ) -> _Info | None:  # fmt: skip
        btf_type = self.btf.type(type_id)
        if special is _POINTER:
            return self.kptr(where, btf_type, off)
        if not isinstance(btf_type, t.Struct) or btf_type.size != special.size:
            return None
        if special.kind in _NODE_NAMES:
            value_id, node_name = self.contains(where, owner, index)
            return _Info(special.kind, off, special.size, value_id, node_name)
        return _Info(special.kind, off, special.size)

    def kptr(self, where: str, btf_type: t.BtfType, off: int) -> _Info | None:
        # btf_find_kptr(): [volatile] ptr -> type tag -> modifiers -> struct
        if isinstance(btf_type, t.Volatile):
            btf_type = self.btf.type(btf_type.type)
        if not isinstance(btf_type, t.Ptr):
            return None
        tag = self.btf.type(btf_type.type)
        if not isinstance(tag, t.TypeTag) or tag.kind_flag:
            return None
        if isinstance(self.btf.type(tag.type), t.TypeTag):
            raise self.error(errno.EINVAL, f"{where}: more than one type tag on a pointer")
        kind = _KPTR_TAGS.get(tag.name)
        if kind is None:
            raise self.error(errno.EINVAL, f"{where}: unknown type tag {tag.name!r}")
        if not kind & self.mask:
            return None
        struct_id = self.btf.skip_mods_and_typedefs(tag.type)
        if not isinstance(self.btf.type(struct_id), t.Struct):
            raise self.error(errno.EINVAL, f"{where}: {tag.name} to {self.btf.type_name(tag.type)}, not to a struct")
        return _Info(kind, off, 8, struct_id)

    def contains(self, where: str, owner: int, index: int) -> tuple[int, str]:
        # btf_find_graph_root(): the one tag "contains:struct:node" of the member or variable
        tags = [tag for idx, tag in self.btf.decl_tags(owner) if idx == index and tag.startswith("contains:")]
        parts = tags[0].split(":", 2) if len(tags) == 1 else []
        if len(parts) != 3:
            raise self.error(errno.EINVAL, f"{where}: needs one tag __contains(struct, node)")
        value_id = self.btf.find(parts[1], uapi.BTF_KIND_STRUCT)
        if not value_id:
            raise self.error(errno.ENOENT, f"{where}: contains unknown struct {parts[1]}")
        if not parts[2]:
            raise self.error(errno.EINVAL, f"{where}: __contains without a node")
        return value_id, parts[2]

    def resolve(self, info: _Info, kernel_btfs: Sequence[Btf], dtors: Collection[str] | None) -> BtfField:
        if info.kind & _KPTRS:
            return self.resolve_kptr(info, kernel_btfs, dtors)
        if info.kind in _NODE_NAMES:
            node_off = self.node_offset(info)
            return BtfField(info.kind, info.off, info.size, self.btf, info.type_id, node_off)
        return BtfField(info.kind, info.off, info.size)

    def resolve_kptr(self, info: _Info, kernel_btfs: Sequence[Btf], dtors: Collection[str] | None) -> BtfField:
        # btf_parse_kptr(): the kernel's struct of that name, or the program's own (bpf_obj_new())
        name = self.btf.name_of(info.type_id)
        for kernel_btf in kernel_btfs:
            btf_id = kernel_btf.find(name, uapi.BTF_KIND_STRUCT)
            if btf_id:
                if info.kind == uapi.BPF_KPTR_REF and dtors is not None and name not in dtors:
                    raise self.error(errno.ENOENT, f"struct {name} has no destructor, it cannot be a referenced kptr")
                return BtfField(info.kind, info.off, info.size, kernel_btf, btf_id)
        return BtfField(info.kind, info.off, info.size, self.btf, info.type_id)

    def node_offset(self, info: _Info) -> int:
        # btf_parse_graph_root()
        struct = self.btf.type(info.type_id)
        assert isinstance(struct, t.Struct)
        where = f"struct {struct.name}.{info.node_name}"
        nodes = [member for member in struct.members if member.name == info.node_name]
        if not nodes:
            raise self.error(errno.ENOENT, f"{where}: no such node")
        node = self.btf.type(nodes[0].type)
        expected = _NODE_NAMES[info.kind]
        if len(nodes) > 1 or not isinstance(node, t.Struct) or node.name != expected:
            raise self.error(errno.EINVAL, f"{where} is not a struct {expected}")
        if nodes[0].bit_offset % (8 * _SPECIAL[expected].align):
            raise self.error(errno.EINVAL, f"{where} is not aligned")
        return nodes[0].bit_offset // 8


def parse_fields(
    btf: Btf,
    type_id: int,
    kernel_btf: Btf | None = None,
    *,
    field_mask: int = MAP_FIELDS,
    value_size: int | None = None,
    modules: Sequence[Btf] = (),
    dtors: Collection[str] | None = None,
) -> BtfRecord:
    """The special fields of a struct or data section.

    :param btf: BTF of the program that *type_id* belongs to.
    :param kernel_btf: where kptr targets are looked up first, then in *modules*, then in *btf*.
    :param field_mask: BPF_* of enum btf_field_type to look for: MAP_FIELDS, OBJECT_FIELDS or fewer.
    :param value_size: bytes of the map value; a field beyond is -EFAULT.
    :param dtors: names of kernel structs that a referenced kptr may point to (they have a destructor kfunc); ``None``
        for all.
    :return: the fields by offset; empty when there are none.
    :raises BtfError: with the kernel's ``errno``: E2BIG a second one of a kind or more than BTF_FIELDS_MAX, EEXIST
        overlapping, ENOENT unknown struct, node or destructor, EINVAL the rest. map_create() goes on without a record
        then.
    :see: kernel/bpf/btf.c:btf_parse_fields
    """
    finder = _Finder(btf, field_mask)
    kernel_btfs = ([kernel_btf] if kernel_btf is not None else []) + list(modules)
    fields, next_off = [], 0
    for info in finder.find(type_id):
        if value_size is not None and info.off + info.size > value_size:
            raise finder.error(errno.EFAULT, f"special field at {info.off} exceeds the value of {value_size} bytes")
        if info.off < next_off:
            raise finder.error(errno.EEXIST, f"special fields overlap at offset {info.off}")
        next_off = info.off + info.size
        fields.append(finder.resolve(info, kernel_btfs, dtors))
    record = BtfRecord(tuple(sorted(fields, key=lambda field: field.off)))
    _check_company(finder, record)
    return record


def _check_company(finder: _Finder, record: BtfRecord) -> None:
    # Fields that need, or exclude, each other.
    if record.has(uapi.BPF_SPIN_LOCK) and record.has(uapi.BPF_RES_SPIN_LOCK):
        raise finder.error(errno.EINVAL, "bpf_spin_lock and bpf_res_spin_lock in one value")
    if record.has(uapi.BPF_GRAPH_ROOT) and not record.has(_LOCKS):
        raise finder.error(errno.EINVAL, "bpf_list_head and bpf_rb_root need a lock in the same value")
    shared = record.has(uapi.BPF_LIST_NODE) and record.has(uapi.BPF_RB_NODE)
    if shared and not record.has(uapi.BPF_REFCOUNT):
        raise finder.error(errno.EINVAL, "bpf_list_node and bpf_rb_node in one object need a bpf_refcount")


def parse_struct_metas(
    btf: Btf, kernel_btf: Btf | None = None, *, modules: Sequence[Btf] = (), dtors: Collection[str] | None = None
) -> dict[int, BtfRecord]:
    """The records of all structs of a program's BTF that have special members, by type id.

    This is what BTF_LOAD computes for bpf_obj_new(); structs whose special fields are all nested do not count.

    :raises BtfError: as parse_fields(); ELOOP when an owned type owns an owner.
    :see: kernel/bpf/btf.c:btf_parse_struct_metas
    """
    special = _special_ids(btf)
    metas: dict[int, BtfRecord] = {}
    for type_id, struct in _structs(btf) if special else ():
        if any(member.type in special for member in struct.members):
            record = parse_fields(
                btf, type_id, kernel_btf, field_mask=OBJECT_FIELDS, value_size=struct.size, modules=modules,
                dtors=dtors,
            )  # fmt: skip
            if not record:
                raise BtfError(f"struct {struct.name} has an unusable special field", errno=errno.EFAULT)
            metas[type_id] = record
    for record in metas.values():
        check_and_fixup_fields(btf, record, metas)
    return metas


def _special_ids(btf: Btf) -> set[int]:
    names = ("bpf_spin_lock", "bpf_list_head", "bpf_list_node", "bpf_rb_root", "bpf_rb_node", "bpf_refcount")
    ids = {btf.find(name, uapi.BTF_KIND_STRUCT) for name in names} - {0}
    finder = _Finder(btf, OBJECT_FIELDS)
    for type_id in range(1, btf.nr_types):
        if btf.kind(type_id) in (uapi.BTF_KIND_PTR, uapi.BTF_KIND_VOLATILE):
            try:
                if finder.kptr("", btf.type(type_id), 0) is not None:
                    ids.add(type_id)
            except BtfError:
                continue  # a pointer that is no kptr: an error only where it is a member of an object
    return ids


def _structs(btf: Btf) -> list[tuple[int, t.Struct]]:
    found = []
    for type_id in range(1, btf.nr_types):
        if btf.kind(type_id) == uapi.BTF_KIND_STRUCT:
            struct = btf.type(type_id)
            assert isinstance(struct, t.Struct)
            found.append((type_id, struct))
    return found


def check_and_fixup_fields(btf: Btf, record: BtfRecord, metas: Mapping[int, BtfRecord]) -> None:
    """Check what the fields of *record* point to: user pointers to one page of non-kernel struct, no ownership cycles.

    :param metas: parse_struct_metas() of the program's BTF.
    :raises BtfError: EINVAL, E2BIG for uptr; EFAULT for a list of structs without record; ELOOP.
    :see: kernel/bpf/btf.c:btf_check_and_fixup_fields
    """
    for field in record:
        if field.kind == uapi.BPF_UPTR:
            _check_uptr(btf, field)
        elif field.kind & uapi.BPF_GRAPH_ROOT:
            element = metas.get(field.btf_id)
            if element is None:
                raise BtfError(f"[{field.btf_id}] element of a list or tree has no record", errno=errno.EFAULT)
            if record.has(uapi.BPF_GRAPH_NODE) and element.has(uapi.BPF_GRAPH_ROOT):
                raise BtfError(f"struct {btf.name_of(field.btf_id)}: ownership chain is too long", errno=errno.ELOOP)


def _check_uptr(btf: Btf, field: BtfField) -> None:
    assert field.btf is not None
    size = field.btf.size(field.btf_id)
    if field.btf is not btf or size == 0:
        raise BtfError(f"uptr to struct {field.btf.name_of(field.btf_id)}: a kernel struct or empty")
    if size > _PAGE_SIZE:
        raise BtfError(f"uptr to {size} bytes, more than a page", errno=errno.E2BIG)
