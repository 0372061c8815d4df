"""Each function's share of ``.BTF.ext``: function and line information, CO-RE relocations."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from beespace.btf import BtfExt, CoreRelo, ExtFuncInfo, ExtLineInfo
from beespace.elf.file import ElfFile
from beespace.elf.spec import ProgSpec
from beespace.isa.insn import INSN_SIZE

__all__ = ["attach_info"]

_R = TypeVar("_R", ExtFuncInfo, ExtLineInfo, CoreRelo)


def attach_info(elf: ElfFile, progs: Sequence[ProgSpec], ext: BtfExt) -> tuple[ProgSpec, ...]:
    """Give each function its records, with offsets in slots from its start.

    :see: tools/lib/bpf/libbpf.c:adjust_prog_btf_ext_info
    """

    def share(by_section: Mapping[str, Sequence[_R]], prog: ProgSpec) -> Iterator[_R]:
        records = by_section.get(elf.sections[prog.section_index].name, ())
        start = prog.insn_off * INSN_SIZE
        first = bisect_left(records, start, key=lambda r: r.insn_off)
        last = bisect_left(records, start + len(prog.insns) * INSN_SIZE, key=lambda r: r.insn_off)
        return (replace(r, insn_off=(r.insn_off - start) // INSN_SIZE) for r in records[first:last])

    func_info, line_info, core_relos = _sorted(ext.func_info), _sorted(ext.line_info), _sorted(ext.core_relos)
    return tuple(
        replace(
            prog,
            func_info=tuple(share(func_info, prog)),
            line_info=tuple(share(line_info, prog)),
            core_relos=tuple(share(core_relos, prog)),
        )
        for prog in progs
    )


def _sorted(by_section: Mapping[str, Sequence[_R]]) -> Mapping[str, Sequence[_R]]:
    return {name: sorted(records, key=lambda r: r.insn_off) for name, records in by_section.items()}
