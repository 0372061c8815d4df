"""``.BTF.ext``: function and line information and CO-RE relocations, by code section.

::

    struct btf_ext_header | func_info | line_info | core_relo
    each info:  u32 record size, then for each code section: u32 name, u32 count, records
    each record begins with u32 insn_off, in bytes from the start of its section

:see: Documentation/bpf/btf.rst, tools/lib/bpf/btf.c:btf_ext_setup_info
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from beespace.btf import BTF_MAGIC, BTF_VERSION, Btf
from beespace.elf.file import ElfFile, Section
from beespace.elf.spec import CoreRelo, FuncInfoRec, LineInfoRec, ProgSpec
from beespace.isa.insn import INSN_SIZE

__all__ = ["ExtInfo", "attach_info", "read_btf_ext"]

_HEADER = struct.Struct("<HBBIIIII")
_CORE = struct.Struct("<II")
_U32 = struct.Struct("<I")
_SEC = struct.Struct("<II")

_Words = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExtInfo:
    """Records by section name, as tuples of words, sorted by their first word: the byte offset of the instruction."""

    func_info: Mapping[str, Sequence[_Words]] = field(default_factory=dict)
    line_info: Mapping[str, Sequence[_Words]] = field(default_factory=dict)
    core_relos: Mapping[str, Sequence[_Words]] = field(default_factory=dict)


def read_btf_ext(elf: ElfFile, section: Section, btf: Btf) -> ExtInfo:
    """Split ``.BTF.ext``.

    :raises ElfError: sizes and counts that do not fit.
    """
    data, name = section.data, section.name
    if len(data) < _HEADER.size:
        raise elf.error("truncated header", name, 0, expected=_HEADER.size, found=len(data))
    magic, version, _flags, hdr_len, func_off, func_len, line_off, line_len = _HEADER.unpack_from(data)
    if magic != BTF_MAGIC or version != BTF_VERSION:
        raise elf.error("bad magic or version", name, 0, expected=(BTF_MAGIC, BTF_VERSION), found=(magic, version))
    if hdr_len > len(data) or hdr_len < _HEADER.size:
        raise elf.error("bad header length", name, 4, found=hdr_len)
    core_off = core_len = 0
    if hdr_len >= _HEADER.size + _CORE.size:
        core_off, core_len = _CORE.unpack_from(data, _HEADER.size)
    return ExtInfo(
        _by_section(elf, section, btf, hdr_len + func_off, func_len, 2),
        _by_section(elf, section, btf, hdr_len + line_off, line_len, 4),
        _by_section(elf, section, btf, hdr_len + core_off, core_len, 4),
    )


def _by_section(
    elf: ElfFile, section: Section, btf: Btf, start: int, length: int, words: int
) -> Mapping[str, Sequence[_Words]]:
    data, found = section.data, {}
    if not length:
        return {}
    end = start + length
    if end > len(data) or length < 4 or start % 4:
        raise elf.error("info outside of its section", section.name, start, found=length)
    (rec_size,) = _U32.unpack_from(data, start)
    if rec_size < 4 * words or rec_size % 4:
        raise elf.error("record size", section.name, start, expected=f"at least {4 * words}", found=rec_size)
    record = struct.Struct(f"<{words}I{rec_size - 4 * words}x")
    at = start + 4
    while at < end:
        if at + _SEC.size > end:
            raise elf.error("truncated info", section.name, at)
        name_off, count = _SEC.unpack_from(data, at)
        at += _SEC.size
        if not count or at + count * rec_size > end:
            raise elf.error("records outside of their section", section.name, at, found=f"{count} records")
        found[btf.str_at(name_off)] = sorted(record.iter_unpack(data[at : at + count * rec_size]))
        at += count * rec_size
    return found


def attach_info(elf: ElfFile, progs: Sequence[ProgSpec], info: ExtInfo, btf: Btf) -> tuple[ProgSpec, ...]:
    """Give each function its share, with offsets in slots from its start.

    :see: tools/lib/bpf/libbpf.c:adjust_prog_btf_ext_info
    """
    return tuple(_attach(elf.sections[prog.section_index].name, prog, info, btf) for prog in progs)


def _attach(section: str, prog: ProgSpec, info: ExtInfo, btf: Btf) -> ProgSpec:
    return replace(
        prog,
        func_info=tuple(FuncInfoRec(off, *rest) for off, *rest in _slice(info.func_info, section, prog)),
        line_info=tuple(LineInfoRec(off, *rest) for off, *rest in _slice(info.line_info, section, prog)),
        core_relos=tuple(
            CoreRelo(off, type_id, btf.str_at(access), kind)
            for off, type_id, access, kind in _slice(info.core_relos, section, prog)
        ),
    )


def _slice(by_section: Mapping[str, Sequence[_Words]], section: str, prog: ProgSpec) -> Iterator[_Words]:
    records = by_section.get(section, ())
    start = prog.insn_off * INSN_SIZE
    first = bisect_left(records, (start,))
    last = bisect_left(records, (start + len(prog.insns) * INSN_SIZE,))
    return ((rec[0] // INSN_SIZE - prog.insn_off, *rec[1:]) for rec in records[first:last])
