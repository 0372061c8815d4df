"""``bpftool prog dump xlated``: as text and as records for JSON.

:see: tools/bpf/bpftool/xlated_dumper.c:dump_xlated_plain, dump_xlated_json
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from beespace.btf import Btf
from beespace.btf import types as t
from beespace.decl.prog import FuncInfo, LineInfo, XlatedProgram
from beespace.isa import XlatedCallbacks, disasm_insns, is_ld_imm64
from beespace.uapi import bpf as uapi

__all__ = ["dump_xlated", "dump_xlated_records"]


def dump_xlated(xlated: XlatedProgram, opcodes: bool = False, linum: bool = False) -> str:
    """The program as bpftool prints it, ending in a newline.

    :param opcodes: with the bytes of each instruction; ``linum``: source lines with file, line and column.
    """
    out: list[str] = []
    for idx, text, proto, line in _walk(xlated):
        if proto:
            out.append(f"{proto}:")
        if line is not None:
            where = f" [file:{line.file_name} line_num:{line.line_num} line_col:{line.line_col}]" if linum else ""
            out.append(f"; {line.line.lstrip()}{where}")
        out.append(f"{idx:4}: {text}")
        if opcodes:
            out.append("       " + " ".join(f"{byte:02x}" for byte in _encoded(xlated, idx)))
    return "".join(f"{each}\n" for each in out)


def dump_xlated_records(xlated: XlatedProgram, opcodes: bool = False, linum: bool = False) -> list[dict[str, Any]]:
    """The same as JSON values: one object for each instruction."""
    records: list[dict[str, Any]] = []
    for idx, text, proto, line in _walk(xlated):
        record: dict[str, Any] = {"proto": proto} if proto else {}
        if line is not None:
            record["src"] = line.line.lstrip()
            if linum:
                record |= {"file": line.file_name, "line_num": line.line_num, "line_col": line.line_col}
        record["disasm"] = text
        if opcodes:
            record["opcodes"] = _opcodes(xlated, idx)
        records.append(record)
    return records


# (insn_idx, disassembly, signature of the function that starts here, source line that starts here)
def _walk(xlated: XlatedProgram) -> Iterator[tuple[int, str, str, LineInfo | None]]:
    signatures = _signatures(xlated)
    lines = _Lines(xlated.line_info)
    names = {subprog.start: subprog.name for subprog in xlated.subprogs}
    cbs = _Names({idx: proto.name for idx, proto in xlated.calls.items()}, names)
    cbs.idx = 0
    for idx, text in disasm_insns(xlated.insns, cbs):
        yield idx, text, signatures.get(idx, ""), lines.at(idx)
        cbs.idx = idx + (2 if is_ld_imm64(xlated.insns[idx]) else 1)


# The names of calls depend on where they stand.
class _Names(XlatedCallbacks):
    idx: int

    def __init__(self, kernel: dict[int, str], subprogs: dict[int, str]) -> None:
        super().__init__()
        self.kernel = kernel
        self.at = subprogs

    def call(self, insn: Any) -> str | None:
        if insn.src_reg == uapi.BPF_PSEUDO_CALL:
            name = self.at.get(self.idx + 1 + insn.imm)
            return f"{insn.imm:+d}#{name}" if name else f"{insn.imm:+d}"
        return self.kernel.get(self.idx)


# The line of an instruction: the last at or before it, beginning with as many as have been shown
# (libbpf: bpf_prog_linfo__lfind).
class _Lines:
    def __init__(self, lines: tuple[LineInfo, ...]) -> None:
        self.lines = lines
        self.shown = 0

    def at(self, insn_idx: int) -> LineInfo | None:
        found = None
        for line in self.lines[self.shown :]:
            if line.insn_off > insn_idx:
                break
            found = line
        self.shown += found is not None
        return found


def _encoded(xlated: XlatedProgram, idx: int) -> bytes:
    insn = xlated.insns[idx]
    return insn.encode() + (xlated.insns[idx + 1].encode() if is_ld_imm64(insn) else b"")


def _opcodes(xlated: XlatedProgram, idx: int) -> dict[str, Any]:
    insn, data = xlated.insns[idx], _encoded(xlated, idx)
    return {
        "code": f"0x{insn.code:02x}",
        "src_reg": f"0x{insn.src_reg:x}",
        "dst_reg": f"0x{insn.dst_reg:x}",
        "off": [f"0x{byte:02x}" for byte in data[2:4]],
        "imm": [f"0x{byte:02x}" for byte in data[4:]],
    }


def _signatures(xlated: XlatedProgram) -> dict[int, str]:
    btf = xlated.verified.program.btf if xlated.verified is not None else None
    if btf is None:
        return {}
    return {func.insn_off: _signature(btf, func) for func in xlated.func_info}


def _signature(btf: Btf, info: FuncInfo) -> str:
    func = btf.type(info.type_id)
    assert isinstance(func, t.Func)
    return _function(btf, func.type, func.name)


def _function(btf: Btf, type_id: int, name: str) -> str:
    proto = btf.type(type_id)
    assert isinstance(proto, t.FuncProto)
    params = [_spell(btf, p.type) + p.name if p.name else _spell(btf, p.type).rstrip() for p in proto.params]
    params = ["..." if not p.type else text for p, text in zip(proto.params, params, strict=True)]
    return f"{_spell(btf, proto.type)}{name}({', '.join(params)})"


# bpftool's spelling of a type: every word is followed by a space.
def _spell(btf: Btf, type_id: int) -> str:
    if not type_id:
        return "void "
    match btf.type(type_id):
        case t.Ptr(type=inner):
            return f"{_spell(btf, inner)}* "
        case t.Const(type=inner):
            return f"const {_spell(btf, inner)}"
        case t.Volatile(type=inner):
            return f"volatile {_spell(btf, inner)}"
        case t.Restrict(type=inner):
            return f"restrict {_spell(btf, inner)}"
        case t.Array(type=inner, nelems=count):
            return f"{_spell(btf, inner)}[{count}]"
        case t.FuncProto():
            return _function(btf, type_id, "")
        case t.Struct(name=name):
            return f"struct {name} "
        case t.Union(name=name):
            return f"union {name} "
        case t.Enum(name=name) | t.Enum64(name=name):
            return f"enum {name} "
        case t.Fwd() as fwd:
            return f"{'union' if fwd.is_union else 'struct'} {fwd.name} "
        case t.TypeTag(type=inner):
            return _spell(btf, inner)
        case other:
            return f"{other.name} "
