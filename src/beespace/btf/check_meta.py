"""First pass over BTF: each type by itself, its words, names and ids, before what they refer to is looked at.

:see: kernel/bpf/btf.c:btf_check_all_metas, btf_*_check_meta
"""

from __future__ import annotations

import errno as err
from array import array

from beespace.btf import types as t
from beespace.btf.check_env import BTF_MAX_TYPE, U32, Env, Raw
from beespace.errors import ENOTSUPP
from beespace.uapi import bpf as uapi

__all__ = ["check_all_metas"]

_INFO_MASK = 0x9F00FFFF
_INT_MASK = 0x0FFFFFFF
_BITS_PER_U128 = 128


def check_all_metas(env: Env, section: array[int], trailing: int) -> None:
    """Accept the types of the section one after the other into ``env.types``.

    :param section: the words of the type section.
    :param trailing: bytes after the last word.
    :raises BtfError: the first that is malformed.
    """

    pos = 0
    while 4 * (len(section) - pos) + trailing > 0:
        env.log_type_id = env.nr_types
        left = 4 * (len(section) - pos) + trailing
        if left < 12:
            raise env.fail(f"[{env.log_type_id}] meta_left:{left} meta_needed:12", env.types_at + 4 * pos)
        raw = Raw(env.nr_types, section, pos)
        pos += 3 + _check_meta(env, raw, left - 12) // 4
        if env.nr_types >= BTF_MAX_TYPE:
            raise env.fail("Exceeded max num of types", env.types_at + 4 * pos, err.E2BIG)
        env.types.append(raw)


def _check_meta(env: Env, raw: Raw, left: int) -> int:
    # Bytes after struct btf_type.
    offset = env.offset_of(raw)
    if raw.info & ~_INFO_MASK:
        raise env.fail(f"[{raw.id}] Invalid btf_info:{raw.info:x}", offset)
    if not 0 < raw.kind < uapi.NR_BTF_KINDS:
        raise env.fail(f"[{raw.id}] Invalid kind:{raw.kind}", offset)
    if not env.name_valid(raw.name_off):
        raise env.fail(f"[{raw.id}] Invalid name_offset:{raw.name_off}", offset)
    return _CHECKS[raw.kind](env, raw, left)


def _need(env: Env, raw: Raw, left: int, needed: int) -> int:
    if left < needed:
        raise env.fail_basic(raw, f"meta_left:{left} meta_needed:{needed}")
    return needed


def _no_vlen(env: Env, raw: Raw) -> None:
    if raw.vlen:
        raise env.fail_type(raw, "vlen != 0")


def _no_kflag(env: Env, raw: Raw) -> None:
    if raw.kflag:
        raise env.fail_type(raw, "Invalid btf_info kind_flag")


def _named(env: Env, raw: Raw) -> None:
    if not raw.name_off or not env.is_identifier(raw.name_off):
        raise env.fail_type(raw, "Invalid name")


def _named_or_not(env: Env, raw: Raw) -> None:
    if raw.name_off and not env.is_identifier(raw.name_off):
        raise env.fail_type(raw, "Invalid name")


def _unnamed(env: Env, raw: Raw) -> None:
    if raw.name_off:
        raise env.fail_type(raw, "Invalid name")


def _int(env: Env, raw: Raw, left: int) -> int:
    needed = _need(env, raw, left, 4)
    _no_vlen(env, raw)
    _no_kflag(env, raw)
    data = raw.word(0)
    if data & ~_INT_MASK:
        raise env.fail_basic(raw, f"Invalid int_data:{data:x}")
    nr_bits = (data & 0xFF) + (data >> 16 & 0xFF)
    if nr_bits > _BITS_PER_U128:
        raise env.fail_type(raw, f"nr_bits exceeds {_BITS_PER_U128}")
    if (nr_bits + 7) // 8 > raw.size:
        raise env.fail_type(raw, "nr_bits exceeds type_size")
    if data >> 24 & 0xF not in (0, t.INT_SIGNED, t.INT_CHAR, t.INT_BOOL):
        raise env.fail_type(raw, "Unsupported encoding", ENOTSUPP)
    env.log_type(raw)
    return needed


def _reference(env: Env, raw: Raw, left: int) -> int:
    # pointers and modifiers
    _no_vlen(env, raw)
    if raw.kind != uapi.BTF_KIND_TYPE_TAG:
        _no_kflag(env, raw)
    if raw.size > BTF_MAX_TYPE:
        raise env.fail_type(raw, "Invalid type_id")
    if raw.kind == uapi.BTF_KIND_TYPEDEF:
        _named(env, raw)
    elif raw.kind == uapi.BTF_KIND_TYPE_TAG:
        if not env.name_bytes(raw.name_off):
            raise env.fail_type(raw, "Invalid name")
    else:
        _unnamed(env, raw)
    env.log_type(raw)
    return 0


def _fwd(env: Env, raw: Raw, left: int) -> int:
    _no_vlen(env, raw)
    if raw.size:
        raise env.fail_type(raw, "type != 0")
    _named(env, raw)
    env.log_type(raw)
    return 0


def _array(env: Env, raw: Raw, left: int) -> int:
    needed = _need(env, raw, left, 12)
    _unnamed(env, raw)
    _no_vlen(env, raw)
    _no_kflag(env, raw)
    if raw.size:
        raise env.fail_type(raw, "size != 0")
    for index, message in ((0, "Invalid elem"), (1, "Invalid index")):
        if not 0 < raw.word(index) <= BTF_MAX_TYPE:
            raise env.fail_type(raw, message)
    env.log_type(raw)
    return needed


def _struct(env: Env, raw: Raw, left: int) -> int:
    needed = _need(env, raw, left, 12 * raw.vlen)
    _named_or_not(env, raw)
    env.log_type(raw)
    last_offset = 0
    for i in range(raw.vlen):
        name_off, type_id, offset = raw.word(3 * i), raw.word(3 * i + 1), raw.word(3 * i + 2)
        offset = offset & 0xFFFFFF if raw.kflag else offset
        if not env.name_valid(name_off):
            raise env.fail_member(raw, i, f"Invalid member name_offset:{name_off}")
        if name_off and not env.is_identifier(name_off):
            raise env.fail_member(raw, i, "Invalid name")
        if not 0 < type_id <= BTF_MAX_TYPE:
            raise env.fail_member(raw, i, "Invalid type_id")
        if (raw.kind == uapi.BTF_KIND_UNION and offset) or last_offset > offset:
            raise env.fail_member(raw, i, "Invalid member bits_offset")
        if (offset + 7) // 8 > raw.size:
            raise env.fail_member(raw, i, "Member bits_offset exceeds its struct size")
        env.print(env.member_text(raw, i) + "\n")
        last_offset = offset
    return needed


def _enum(env: Env, raw: Raw, left: int) -> int:
    wide = raw.kind == uapi.BTF_KIND_ENUM64
    step = 3 if wide else 2
    needed = _need(env, raw, left, 4 * step * raw.vlen)
    if raw.size not in (1, 2, 4, 8):
        raise env.fail_type(raw, "Unexpected size")
    _named_or_not(env, raw)
    env.log_type(raw)
    bits = 64 if wide else 32
    for i in range(raw.vlen):
        name_off = raw.word(step * i)
        value = raw.word(step * i + 1) | (raw.word(step * i + 2) << 32 if wide else 0)
        if not env.name_valid(name_off):
            raise env.fail(f"\tInvalid name_offset:{name_off}", env.offset_of(raw) + 12 + 4 * step * i)
        if not name_off or not env.is_identifier(name_off):
            raise env.fail_type(raw, "Invalid name")
        if raw.kflag and value >> bits - 1:
            value -= 1 << bits
        env.print(f"\t{env.name_str(name_off)} val={value}\n")
    return needed


def _func_proto(env: Env, raw: Raw, left: int) -> int:
    needed = _need(env, raw, left, 8 * raw.vlen)
    _unnamed(env, raw)
    _no_kflag(env, raw)
    env.log_type(raw)
    return needed


def _func(env: Env, raw: Raw, left: int) -> int:
    _named(env, raw)
    if raw.vlen > uapi.BTF_FUNC_GLOBAL:
        raise env.fail_type(raw, "Invalid func linkage")
    _no_kflag(env, raw)
    env.log_type(raw)
    return 0


def _var(env: Env, raw: Raw, left: int) -> int:
    needed = _need(env, raw, left, 4)
    _no_vlen(env, raw)
    _no_kflag(env, raw)
    _named(env, raw)
    if not 0 < raw.size <= BTF_MAX_TYPE:
        raise env.fail_type(raw, "Invalid type_id")
    if raw.word(0) not in (uapi.BTF_VAR_STATIC, uapi.BTF_VAR_GLOBAL_ALLOCATED):
        raise env.fail_type(raw, "Linkage not supported")
    env.log_type(raw)
    return needed


def _datasec(env: Env, raw: Raw, left: int) -> int:
    needed = _need(env, raw, left, 12 * raw.vlen)
    if not raw.size:
        raise env.fail_type(raw, "size == 0")
    _no_kflag(env, raw)
    if not raw.name_off or not env.is_section_name(raw.name_off):
        raise env.fail_type(raw, "Invalid name")
    env.log_type(raw)
    last_end = total = 0
    for i in range(raw.vlen):
        type_id, offset, size = raw.word(3 * i), raw.word(3 * i + 1), raw.word(3 * i + 2)
        if not 0 < type_id <= BTF_MAX_TYPE:
            raise env.fail_secinfo(raw, i, "Invalid type_id")
        if offset < last_end or offset >= raw.size:
            raise env.fail_secinfo(raw, i, "Invalid offset")
        if not 0 < size <= raw.size:
            raise env.fail_secinfo(raw, i, "Invalid size")
        last_end = offset + size & U32
        if last_end > raw.size:
            raise env.fail_secinfo(raw, i, "Invalid offset+size")
        env.print(env.secinfo_text(raw, i) + "\n")
        total += size
    if raw.size < total:
        raise env.fail_type(raw, "Invalid btf_info size")
    return needed


def _float(env: Env, raw: Raw, left: int) -> int:
    _no_vlen(env, raw)
    _no_kflag(env, raw)
    if raw.size not in (2, 4, 8, 12, 16):
        raise env.fail_type(raw, "Invalid type_size")
    env.log_type(raw)
    return 0


def _decl_tag(env: Env, raw: Raw, left: int) -> int:
    needed = _need(env, raw, left, 4)
    if not env.name_bytes(raw.name_off):
        raise env.fail_type(raw, "Invalid value")
    _no_vlen(env, raw)
    if 0x80000000 <= raw.word(0) < U32:
        raise env.fail_type(raw, "Invalid component_idx")
    env.log_type(raw)
    return needed


_CHECKS = {
    uapi.BTF_KIND_INT: _int,
    uapi.BTF_KIND_PTR: _reference,
    uapi.BTF_KIND_ARRAY: _array,
    uapi.BTF_KIND_STRUCT: _struct,
    uapi.BTF_KIND_UNION: _struct,
    uapi.BTF_KIND_ENUM: _enum,
    uapi.BTF_KIND_FWD: _fwd,
    uapi.BTF_KIND_TYPEDEF: _reference,
    uapi.BTF_KIND_VOLATILE: _reference,
    uapi.BTF_KIND_CONST: _reference,
    uapi.BTF_KIND_RESTRICT: _reference,
    uapi.BTF_KIND_FUNC: _func,
    uapi.BTF_KIND_FUNC_PROTO: _func_proto,
    uapi.BTF_KIND_VAR: _var,
    uapi.BTF_KIND_DATASEC: _datasec,
    uapi.BTF_KIND_FLOAT: _float,
    uapi.BTF_KIND_DECL_TAG: _decl_tag,
    uapi.BTF_KIND_TYPE_TAG: _reference,
    uapi.BTF_KIND_ENUM64: _enum,
}
