"""BTF_LOAD: whether the kernel would accept BTF, in its order, with its messages and its log.

:see: kernel/bpf/btf.c:btf_parse
"""

from __future__ import annotations

import errno as err
import struct
from array import array
from collections.abc import Collection, Mapping, Sequence

from beespace.btf.btf import BTF_MAGIC, BTF_VERSION, Btf, Header
from beespace.btf.check_env import BTF_MAX_NAME_OFFSET, REFERENCES, Env
from beespace.btf.check_meta import check_all_metas
from beespace.btf.check_resolve import resolve_all_types
from beespace.btf.fields import parse_struct_metas
from beespace.btf.record import BtfRecord
from beespace.errors import ENOTSUPP, BtfError
from beespace.uapi import bpf as uapi
from beespace.values import frozen

__all__ = ["BTF_MAX_SIZE", "CheckedBtf", "check_btf"]

BTF_MAX_SIZE = 16 << 20
_HEADER_SIZE = 24
_CHAIN_LIMIT = 32


@frozen
class CheckedBtf:
    """BTF that the kernel accepts.

    :ivar metas: records of the structs that bpf_obj_new() may make, by type id.
    :ivar log: what BTF_LOAD writes at any log level.
    """

    btf: Btf
    metas: Mapping[int, BtfRecord]
    log: str = ""


def check_btf(
    data: bytes | bytearray | memoryview,
    *,
    base: Btf | None = None,
    kernel_btf: Btf | None = None,
    modules: Sequence[Btf] = (),
    dtors: Collection[str] | None = None,
    name: str = "",
) -> CheckedBtf:
    """Check BTF as BTF_LOAD does, then open it.

    :param base: for split BTF; it is trusted.
    :param kernel_btf: where the targets of kptrs are looked up; *modules* and *dtors* as for parse_fields().
    :raises BtfError: refused; with the kernel's message, ``errno``, the byte offset, and ``log`` so far.
    """
    raw = bytes(data)
    env = Env(raw, base, name)
    try:
        if len(raw) > BTF_MAX_SIZE:
            raise env.error(f"{len(raw)} bytes, at most {BTF_MAX_SIZE}", 0, err.E2BIG)
        header = _check_header(env)
        _check_strings(env, header)
        _check_types(env, header)
        btf = Btf.parse(raw, base=base, name=name)
        metas = parse_struct_metas(btf, kernel_btf, modules=modules, dtors=dtors)
    except BtfError as refused:
        refused.log = env.log
        raise
    return CheckedBtf(btf, metas, env.log)


def _check_header(env: Env) -> Header:
    # btf_parse_hdr()
    raw = env.raw
    if len(raw) < 8:
        raise env.fail("hdr_len not found", 0)
    (hdr_len,) = struct.unpack_from("=I", raw, 4)
    if len(raw) < hdr_len:
        raise env.fail("btf_header not found", 4)
    if any(raw[_HEADER_SIZE:hdr_len]):
        raise env.fail("Unsupported btf_header", _HEADER_SIZE, err.E2BIG)
    header = Header(*struct.unpack("=HBBIIIII", raw[: min(hdr_len, _HEADER_SIZE)].ljust(_HEADER_SIZE, b"\0")))
    env.print(
        f"magic: 0x{header.magic:x}\nversion: {header.version}\nflags: 0x{header.flags:x}\nhdr_len: {header.hdr_len}\n"
        f"type_off: {header.type_off}\ntype_len: {header.type_len}\n"
        f"str_off: {header.str_off}\nstr_len: {header.str_len}\nbtf_total_size: {len(raw)}\n"
    )
    if header.magic != BTF_MAGIC:
        raise env.fail("Invalid magic", 0)
    if header.version != BTF_VERSION:
        raise env.fail("Unsupported version", 2, ENOTSUPP)
    if header.flags:
        raise env.fail("Unsupported flags", 3, ENOTSUPP)
    if env.base is None and len(raw) == header.hdr_len:
        raise env.fail("No data", 4)
    _check_sections(env, header)
    return header


def _check_sections(env: Env, header: Header) -> None:
    # btf_check_sec_info(): the two sections fill the data, without gap or overlap
    total, expected = 0, len(env.raw) - header.hdr_len
    sections = [(header.type_off, header.type_len, 8), (header.str_off, header.str_len, 16)]
    if _s32(sections[0][0] - sections[1][0]) > 0 or (
        sections[0][0] == sections[1][0] and _s32(sections[0][1] - sections[1][1]) > 0
    ):  # differences as int: offsets beyond S32_MAX come first
        sections.reverse()
    for off, length, field_at in sections:
        if expected < off:
            raise env.fail("Invalid section offset", field_at)
        if total < off:
            raise env.fail("Unsupported section found", field_at)
        if total > off:
            raise env.fail("Section overlap found", field_at)
        if expected - total < length:
            raise env.fail("Total section length too long", field_at + 4)
        total += length
    if expected != total:
        raise env.fail("Unsupported section found", header.hdr_len + total)


def _s32(word: int) -> int:
    return (word & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def _check_strings(env: Env, header: Header) -> None:
    # btf_parse_str_sec()
    start = header.hdr_len + header.str_off
    strings = env.raw[start : start + header.str_len]
    if start + header.str_len != len(env.raw):
        raise env.fail("String section is not at the end", 16)
    env.strings = strings
    if env.base is not None and not strings:
        return
    if not strings or len(strings) - 1 > BTF_MAX_NAME_OFFSET or strings[-1]:
        raise env.fail("Invalid string section", start)
    if env.base is None and strings[0]:
        raise env.fail("Invalid string section", start)


def _check_types(env: Env, header: Header) -> None:
    # btf_parse_type_sec() and btf_check_type_tags()
    if header.type_off & 3:
        raise env.fail("Unaligned type_off", 8)
    if env.base is None and not header.type_len:
        raise env.fail("No type found", 12)
    env.types_at = header.hdr_len + header.type_off
    section = array("I", env.raw[env.types_at : env.types_at + (header.type_len & ~3)])
    check_all_metas(env, section, header.type_len & 3)
    resolve_all_types(env)
    _check_type_tags(env)


def _check_type_tags(env: Env) -> None:
    # In a chain of modifiers the type tags come first; a chain has at most 32.
    good_id = env.start_id - 1
    for raw in env.types:
        if raw.kind not in REFERENCES:
            continue
        at, left, in_tags = raw, _CHAIN_LIMIT, raw.kind == uapi.BTF_KIND_TYPE_TAG
        while at.kind in REFERENCES:
            if not left:
                raise env.fail("Max chain length or cycle detected", env.offset_of(at), err.ELOOP)
            left -= 1
            if at.kind != uapi.BTF_KIND_TYPE_TAG:
                in_tags = False
            elif not in_tags:
                raise env.fail("Type tags don't precede modifiers", env.offset_of(at))
            if at.id <= good_id:
                break
            found = env.by_id(at.size)
            if found is None:
                raise env.error("Invalid type_id", env.offset_of(at))
            at = found
        good_id = raw.id
