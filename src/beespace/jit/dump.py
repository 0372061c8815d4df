"""``dump jited``: the machine code of a program as text, with the source it comes from.

LLVM is asked for the assembly of the same module with one source line for each BPF instruction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from beespace.isa import disasm_insns

if TYPE_CHECKING:
    from beespace.decl.prog import XlatedProgram
    from beespace.jit.backend import Backend
    from beespace.jit.module import Module

__all__ = ["dump_jited"]

_LOCATION = re.compile(r"\s*\.loc\s+\d+\s+(\d+)\s")
_LABEL = re.compile(r"([.\w]+):")
_DATA = re.compile(r"\s*\.(byte|short|long|quad|zero|ascii|asciz)\b")
_CODE_SECTION = re.compile(r"\s*\.(text|section\s+\.l?text)")
_SECTION = re.compile(r"\s*\.section\b")


def dump_jited(backend: Backend, module: Module) -> str:
    """Assembly of *module*'s program, ending in a newline.

    Before the instructions of a BPF instruction stands, after ``;``, its C source where there is line info, else its
    disassembly. Labels and names of helpers stay symbolic; the listing has no addresses.
    """
    source = _sources(module.prog)
    out: list[str] = []
    shown = ""
    in_code = False
    for line in backend.assembly(module.ir(locations=True), module.options.opt_level).splitlines():
        if _CODE_SECTION.match(line):
            in_code = True
        elif _SECTION.match(line):
            in_code = False
        if not in_code:
            continue
        location = _LOCATION.match(line)
        label = _LABEL.match(line)
        if location:
            text = source.get(int(location[1]), "")
            if text and text != shown:
                out.append(text)
                shown = text
        elif label and not label[1].startswith((".Lfunc", ".Ltmp", ".Linfo", ".Lsec", ".Lcu", ".Lline")):
            out.append(f"{_function_name(module, label[1])}:")
            shown = ""
        elif line.startswith("\t") and not line.startswith("\t."):
            out.append("    " + line.strip().replace("\t", " ").split("#")[0].rstrip())
    return "".join(f"{each}\n" for each in out)


# Line numbers of the debug information are insn_idx + 1.
def _sources(prog: XlatedProgram) -> dict[int, str]:
    texts = dict(disasm_insns(prog.insns))
    if not prog.line_info:
        return {idx + 1: f"; {idx}: {text}" for idx, text in texts.items()}
    found: dict[int, str] = {}
    lines = sorted(prog.line_info, key=lambda line: line.insn_off)
    for number, line in enumerate(lines):
        end = lines[number + 1].insn_off if number + 1 < len(lines) else len(prog.insns)
        for idx in range(line.insn_off, end):
            found[idx + 1] = f"; {line.line.strip()}"
    return found


def _function_name(module: Module, symbol: str) -> str:
    for prefix, number in (("sub", 3), ("cb", 2)):
        if symbol.startswith(prefix) and symbol[number:].isdigit():
            index = int(symbol[number:])
            subprog = module.prog.subprogs[index] if prefix == "sub" else None
            return (subprog.name if subprog is not None and subprog.name else symbol) or symbol
    return module.prog.name or symbol if symbol == "prog" else symbol
