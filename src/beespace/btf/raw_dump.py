"""BTF type by type, in the text and JSON of ``bpftool btf dump``.

:see: tools/bpf/bpftool/btf.c:dump_btf_type
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeAlias

from beespace.btf import types as t
from beespace.btf.btf import Btf
from beespace.uapi import bpf as uapi

__all__ = ["dump_json", "dump_raw", "type_record"]

Record: TypeAlias = dict[str, "int | str | list[Record]"]

_ENCODINGS = {0: "(none)", t.INT_SIGNED: "SIGNED", t.INT_CHAR: "CHAR", t.INT_BOOL: "BOOL"}
_FUNC_LINKAGE = {uapi.BTF_FUNC_STATIC: "static", uapi.BTF_FUNC_GLOBAL: "global", uapi.BTF_FUNC_EXTERN: "extern"}
_VAR_LINKAGE = {
    uapi.BTF_VAR_STATIC: "static",
    uapi.BTF_VAR_GLOBAL_ALLOCATED: "global",
    uapi.BTF_VAR_GLOBAL_EXTERN: "extern",
}


def _name(name: str) -> str:
    return name or "(anon)"


def type_record(btf: Btf, type_id: int) -> Record:
    """A type as an element of ``types`` in bpftool's JSON."""
    btf_type = btf.type(type_id)
    record: Record = {"id": type_id, "kind": t.KIND_NAMES[btf_type.kind], "name": _name(btf_type.name)}
    record.update(_fields(btf_type))
    return record


def _fields(btf_type: t.BtfType) -> Record:
    match btf_type:
        case t.Int(size=size, offset=offset, bits=bits, encoding=encoding):
            shown = _ENCODINGS.get(encoding, "UNKN")
            return {"size": size, "bits_offset": offset, "nr_bits": bits, "encoding": shown}
        case t.Array(type=elem, index_type=index, nelems=nelems):
            return {"type_id": elem, "index_type_id": index, "nr_elems": nelems}
        case t.Struct(size=size, members=members) | t.Union(size=size, members=members):
            return {"size": size, "vlen": len(members), "members": [_member(member) for member in members]}
        case t.Enum(size=size, values=values, signed=signed) | t.Enum64(size=size, values=values, signed=signed):
            shown = "SIGNED" if signed else "UNSIGNED"
            listed: list[Record] = [{"name": _name(value.name), "val": value.value} for value in values]
            return {"encoding": shown, "size": size, "vlen": len(values), "values": listed}
        case t.Fwd(is_union=is_union):
            return {"fwd_kind": "union" if is_union else "struct"}
        case t.Func(type=ref, linkage=linkage):
            return {"type_id": ref, "linkage": _FUNC_LINKAGE.get(linkage, "(unknown)")}
        case t.FuncProto(type=ret, params=params):
            listed = [{"name": _name(param.name), "type_id": param.type} for param in params]
            return {"ret_type_id": ret, "vlen": len(params), "params": listed}
        case t.Var(type=ref, linkage=linkage):
            return {"type_id": ref, "linkage": _VAR_LINKAGE.get(linkage, "(unknown)")}
        case t.Datasec(size=size, vars=infos):
            listed = [{"type_id": info.type, "offset": info.offset, "size": info.size} for info in infos]
            return {"size": size, "vlen": len(infos), "vars": listed}
        case t.Float(size=size):
            return {"size": size}
        case t.DeclTag(type=ref, component_idx=index):
            return {"type_id": ref, "component_idx": index}
        case t.Void():
            return {}
        case _:
            return {"type_id": btf_type.type}


def _member(member: t.Member) -> Record:
    record: Record = {"name": _name(member.name), "type_id": member.type, "bits_offset": member.bit_offset}
    if member.bitfield_size:
        record["bitfield_size"] = member.bitfield_size
    return record


def dump_json(btf: Btf, ids: Iterable[int] | None = None, *, pretty: bool = False) -> str:
    """What ``bpftool -j btf dump`` prints (``-p`` when *pretty*).

    It differs for values of unsigned enums above S32_MAX, which bpftool sign-extends.

    :param ids: the types, by default all own ones.
    """
    document = {"types": [type_record(btf, type_id) for type_id in _ids(btf, ids)]}
    if pretty:
        return json.dumps(document, indent=4)
    return json.dumps(document, separators=(",", ":"))


def dump_raw(btf: Btf, ids: Iterable[int] | None = None) -> str:
    """What ``bpftool btf dump ... format raw`` prints.

    :param ids: the types, by default all own ones.
    """
    return "".join(_text(btf, type_id) for type_id in _ids(btf, ids))


def _ids(btf: Btf, ids: Iterable[int] | None) -> Iterable[int]:
    return range(btf.start_id, btf.nr_types) if ids is None else ids


def _text(btf: Btf, type_id: int) -> str:
    record = type_record(btf, type_id)
    kind = btf.kind(type_id)
    head = f"[{type_id}] {record.pop('kind')} '{record.pop('name')}'"
    del record["id"]
    elements: list[Record] = []
    for key, value in record.items():
        if isinstance(value, list):
            elements = value
        elif kind == uapi.BTF_KIND_VAR and key == "linkage":
            head += f", {key}={value}"
        else:
            head += f" {key}={value}"
    suffix = "" if kind != uapi.BTF_KIND_ENUM64 else "LL" if record["encoding"] == "SIGNED" else "ULL"
    return head + "".join(f"\n\t{_element(btf, kind, element)}{suffix}" for element in elements) + "\n"


def _element(btf: Btf, kind: int, element: Record) -> str:
    texts = [f"'{value}'" if key == "name" else f"{key}={value}" for key, value in element.items()]
    text = " ".join(texts)
    if kind == uapi.BTF_KIND_DATASEC and isinstance(element["type_id"], int) and element["type_id"] < btf.nr_types:
        var = btf.type(element["type_id"])
        text += f" ({t.KIND_NAMES[var.kind]} '{_name(var.name)}')"
    return text
