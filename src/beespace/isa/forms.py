"""Forms of assembly statements: one pattern and one handler each.

A handler gets the Emitter, the match, and the code that a line of a log gives (None elsewhere).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from beespace.isa.check import LD_IMM64
from beespace.isa.emit import Emitter, Reloc, s32
from beespace.isa.insn import Insn
from beespace.isa.syntax import ALU_SYMBOLS, ATOMIC_WORDS, JMP_SYMBOLS, LOCK_SYMBOLS, helper_id
from beespace.uapi import bpf

__all__ = ["INT", "NAME", "Handler", "forms"]

_REG = r"[rw]\d{1,2}"
INT = r"[+-]?(?:0x[0-9a-fA-F]+|\d+)"
_ADDR = rf"\(\s*(?P<base>r\d{{1,2}})\s*(?:(?P<sign>[+-])\s*(?P<off>{INT}))?\s*\)"
_TYPE = r"\(\s*(?P<kind>[us])(?P<bits>8|16|32|64)\s*\*\s*\)"
_TARGET = r"(?:pc)?[+-]\s*(?:0x[0-9a-fA-F]+|\d+)|[\w.$%]+"
NAME = r"[\w.$]+"

_ALU_NAMES = {symbol: name for name, symbol in ALU_SYMBOLS.items()}
_JMP_NAMES = {symbol: name for name, symbol in JMP_SYMBOLS.items()}
_LOCK_NAMES = {symbol: name for name, symbol in LOCK_SYMBOLS.items()}
_WORD_NAMES = {word: name for name, word in ATOMIC_WORDS.items()}


def _reg(text: str) -> int:
    return int(text[1:])


def _off(found: re.Match[str]) -> int:
    return int(found["sign"] + found["off"].lstrip("+"), 0) if found["off"] else 0


def _cls(register: str, name: str = "alu") -> str:
    return name if register[0] == "w" else {"alu": "alu64", "jmp32": "jmp"}[name]


def _alu(asm: Emitter, found: re.Match[str], code: int | None) -> None:
    dst, src = found["dst"], found["src"]
    name, cls = _ALU_NAMES[found["op"]], _cls(dst)
    if re.fullmatch(_REG, src):
        if src[0] != dst[0]:
            raise asm.error(f"{dst} and {src} differ in width")
        asm.row((name, cls, "X"), dst_reg=_reg(dst), src_reg=_reg(src))
    elif code == LD_IMM64:
        value = int(src, 0)
        asm.imm64(_reg(dst), 0, value, value >> 32)
    else:
        asm.row((name, cls, "K"), dst_reg=_reg(dst), imm=asm.number(src, bits32=dst[0] == "w"))


def _neg(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    if found["dst"] != found["src"]:
        raise asm.error("negation takes its operand from where the result goes")
    asm.row(("NEG", _cls(found["dst"]), "K"), dst_reg=_reg(found["dst"]))


def _movsx(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    if found["dst"][0] != found["src"][0]:
        raise asm.error(f"{found['dst']} and {found['src']} differ in width")
    key = ("MOVSX", _cls(found["dst"]), f"X{found['bits']}")
    asm.row(key, dst_reg=_reg(found["dst"]), src_reg=_reg(found["src"]))


def _swap(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    if found["dst"] != found["src"]:
        raise asm.error("byte swap takes its operand from where the result goes")
    word = found["word"].upper()
    asm.row((word, "alu64" if word == "BSWAP" else "alu", found["bits"]), dst_reg=_reg(found["dst"]))


def _cast(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    imm = s32(int(found["to"], 0) << 16 | int(found["from"], 0))
    asm.row(("ADDR_SPACE_CAST", "alu64", "X"), dst_reg=_reg(found["dst"]), src_reg=_reg(found["src"]), imm=imm)


def _load(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    if found["dst"][0] == "w" and (found["kind"], found["bits"]) not in (("u", "8"), ("u", "16"), ("u", "32")):
        raise asm.error(f"{found['dst']} cannot take {found['kind']}{found['bits']}")
    name = "LDSX" if found["kind"] == "s" else "LDX"
    fields = {"dst_reg": _reg(found["dst"]), "src_reg": _reg(found["base"]), "off": _off(found)}
    asm.row((name, "ldx", found["bits"]), **fields)


def _store(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    src, bits = found["src"], found["bits"]
    fields = {"dst_reg": _reg(found["base"]), "off": _off(found)}
    if re.fullmatch(_REG, src):
        _check_width(asm, src, bits)
        asm.row(("STX", "stx", bits), src_reg=_reg(src), **fields)
    else:
        asm.row(("ST", "st", bits), imm=asm.number(src, bits32=bits != "64"), **fields)


def _check_width(asm: Emitter, register: str, bits: str) -> None:
    if register[0] == "w" and bits == "64":
        raise asm.error(f"{register} has no 64 bits")


def _lock(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    _check_width(asm, found["src"], found["bits"])
    fields = {"dst_reg": _reg(found["base"]), "src_reg": _reg(found["src"]), "off": _off(found)}
    asm.row((_LOCK_NAMES[found["op"]], "stx", found["bits"]), **fields)


# dst = atomic_fetch_add((u64 *)(base + off), src), r0 = atomic_cmpxchg((u32 *)(base + off), r0, src),
# dst = xchg_64(base + off, src), w0 = cmpxchg32_32(base + off, w0, src)
def _fetch(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    name, dst, src, old = _WORD_NAMES[found["word"]], found["dst"], found["src"], found["old"]
    if name == "ATOMIC_CMPXCHG":
        if old is None or _reg(old) != 0:
            raise asm.error("cmpxchg compares with r0")
    elif old is not None:
        raise asm.error("only cmpxchg takes three operands")
    result = src if old is None else old
    if dst != result:
        raise asm.error(f"the old value goes to {result}, not to {dst}")
    _check_width(asm, src, found["bits"])
    fields = {"dst_reg": _reg(found["base"]), "src_reg": _reg(src), "off": _off(found)}
    asm.row((name, "stx", found["bits"]), **fields)


def _load_acquire(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    _check_width(asm, found["dst"], found["bits"])
    fields = {"dst_reg": _reg(found["dst"]), "src_reg": _reg(found["base"]), "off": _off(found)}
    asm.row(("LOAD_ACQ", "stx", found["bits"]), **fields)


def _store_release(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    _check_width(asm, found["src"], found["bits"])
    fields = {"dst_reg": _reg(found["base"]), "src_reg": _reg(found["src"]), "off": _off(found)}
    asm.row(("STORE_REL", "stx", found["bits"]), **fields)


def _packet(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    imm = int(found["imm"], 0) if found["imm"] else 0
    imm = s32(-imm if found["sign"] == "-" else imm)
    if found["index"]:
        asm.row(("LD_IND", "ld", found["bits"]), src_reg=_reg(found["index"]), imm=imm)
    else:
        asm.row(("LD_ABS", "ld", found["bits"]), imm=imm)


def _number_ll(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    value = int(found["value"], 0)
    if not -(1 << 63) <= value < 1 << 64:
        raise asm.error(f"immediate {found['value']} does not fit in 64 bits")
    asm.imm64(_reg(found["dst"]), 0, value, value >> 32)


def _symbol_ll(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    dst, kind, name = _reg(found["dst"]), found["kind"] or "data", found["name"]
    off = int(found["off"].replace(" ", ""), 0) if found["off"] else 0
    if kind == "sub":
        asm.targets.append((len(asm.insns), "imm", name))
        asm.imm64(dst, bpf.BPF_PSEUDO_FUNC, 0)
        return
    asm.relocs.append(Reloc(len(asm.insns), kind, name, off))
    sources = {"map": bpf.BPF_PSEUDO_MAP_FD, "map_value": bpf.BPF_PSEUDO_MAP_VALUE, "data": 0}
    sources["ksym"] = bpf.BPF_PSEUDO_BTF_ID
    asm.imm64(dst, sources[kind], 0, off)


# bpftool's names of what LD_IMM64 loads
def _dumped_ll(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    dst, value = _reg(found["dst"]), int(found["value"], 0)
    if found["what"] == "subprog":
        asm.imm64(dst, bpf.BPF_PSEUDO_FUNC, value)
    elif found["off"] is None:
        asm.imm64(dst, bpf.BPF_PSEUDO_MAP_FD, value)
    else:
        source = bpf.BPF_PSEUDO_MAP_VALUE if found["what"] == "map[id" else bpf.BPF_PSEUDO_MAP_IDX_VALUE
        asm.imm64(dst, source, value, int(found["off"], 0))


def _if(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    dst, src = found["dst"], found["src"]
    name, cls = _JMP_NAMES[found["op"]], _cls(dst, "jmp32")
    off = asm.target(found["target"], "off")
    if re.fullmatch(_REG, src):
        if src[0] != dst[0]:
            raise asm.error(f"{dst} and {src} differ in width")
        asm.row((name, cls, "X"), dst_reg=_reg(dst), src_reg=_reg(src), off=off)
    else:
        # logs print the immediate as u32, whatever the width
        wrap = dst[0] == "w" or found["target"].startswith("pc")
        asm.row((name, cls, "K"), dst_reg=_reg(dst), imm=asm.number(src, bits32=wrap), off=off)


def _goto(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    match found["word"]:
        case "goto":
            asm.row(("JA", "jmp", ""), off=asm.target(found["target"], "off"))
        case "gotol":
            asm.row(("JA", "jmp32", ""), imm=asm.target(found["target"], "imm"))
        case _:
            asm.row(("MAY_GOTO", "jmp", ""), off=asm.target(found["target"], "off"))


def _call_relative(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    asm.row(("CALL_SUBPROG", "jmp", ""), imm=asm.target(found["target"], "imm"))


def _call_logged(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    name, imm = found["name"], int(found["imm"])
    helper = name == "unknown" or helper_id(name) == imm
    asm.row(("CALL_HELPER" if helper else "CALL_KFUNC", "jmp", ""), imm=imm)


def _call(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    kind, name = found["kind"], found["name"]
    if kind is None and re.fullmatch(INT, name):
        asm.row(("CALL_HELPER", "jmp", ""), imm=asm.number(name))
    elif kind is None and (func_id := helper_id(name)) is not None:
        asm.row(("CALL_HELPER", "jmp", ""), imm=func_id)
    elif kind == "kfunc":
        asm.relocs.append(Reloc(len(asm.insns), "kfunc", name))
        asm.row(("CALL_KFUNC", "jmp", ""))
    else:
        asm.targets.append((len(asm.insns), "imm", name))
        asm.row(("CALL_SUBPROG", "jmp", ""))


def _callx(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    # LLVM writes it, no kernel takes it: no row
    asm.emit(Insn(bpf.BPF_JMP | bpf.BPF_CALL | bpf.BPF_X, _reg(found["dst"]), 0, 0, 0))


def _exit(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    asm.row(("EXIT", "jmp", ""))


def _raw(asm: Emitter, found: re.Match[str], _: int | None) -> None:
    code, dst, src, off, imm = (int(part, 0) for part in found["fields"].replace(",", " ").split())
    if not 0 <= code <= 0xFF:
        raise asm.error(f"code {code} does not fit")
    asm.emit(Insn(code, dst, src, _s16(off), s32(imm)))


def _s16(value: int) -> int:
    return (value & 0xFFFF ^ 0x8000) - 0x8000 if 0 <= value <= 0xFFFF else value


Handler = Callable[[Emitter, "re.Match[str]", "int | None"], None]


def _alternatives(symbols: Sequence[str]) -> str:
    return "|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True))


_DST = rf"(?P<dst>{_REG})\s*=\s*"
_PATTERNS: tuple[tuple[str, Handler], ...] = (
    (rf"(?P<dst>{_REG})\s*(?P<op>{_alternatives(list(_ALU_NAMES))})\s*(?P<src>{_REG}|{INT})", _alu),
    (rf"{_DST}\*\s*{_TYPE}\s*{_ADDR}", _load),
    (rf"\*\s*{_TYPE}\s*{_ADDR}\s*=\s*(?P<src>{_REG}|{INT})", _store),
    (
        rf"if\s+(?P<dst>{_REG})\s*(?P<op>{_alternatives(list(_JMP_NAMES))})\s*(?P<src>{_REG}|{INT})\s+"
        rf"goto\s+(?P<target>{_TARGET})",
        _if,
    ),
    (rf"(?P<word>goto|gotol|may_goto)\s+(?P<target>{_TARGET})", _goto),
    (r"exit", _exit),
    (r"call\s+(?P<target>pc[+-](?:0x[0-9a-fA-F]+|\d+))(?:#\S*)?", _call_relative),
    (rf"call\s+(?P<name>[\w.$-]+)#(?P<imm>{INT})", _call_logged),
    (rf"call\s+(?:(?P<kind>sub|kfunc):)?(?P<name>{NAME}|{INT})", _call),
    (r"callx\s+(?P<dst>r\d{1,2})", _callx),
    (rf"{_DST}(?P<value>{INT})\s*ll", _number_ll),
    (
        rf"{_DST}(?:(?P<kind>map|map_value|sub|ksym):)?(?P<name>{NAME})\s*(?P<off>[+-]\s*(?:0x[0-9a-fA-F]+|\d+))?\s+ll",
        _symbol_ll,
    ),
    (rf"{_DST}(?P<what>map\[id|map\[idx|subprog)[:\[](?P<value>{INT})\](?:\[0\])?(?P<off>\+\d+)?", _dumped_ll),
    (rf"{_DST}-\s*(?P<src>{_REG})", _neg),
    (rf"{_DST}\(s(?P<bits>8|16|32)\)\s*(?P<src>{_REG})", _movsx),
    (rf"{_DST}(?P<word>be|le|bswap)(?P<bits>16|32|64)\s+(?P<src>{_REG})", _swap),
    (
        rf"{_DST}addr_space_cast\(\s*(?P<src>r\d{{1,2}})\s*,\s*(?P<to>{INT})\s*,\s*(?P<from>{INT})\s*\)",
        _cast,
    ),
    (
        rf"{_DST}\*\s*\(\s*u(?P<bits>8|16|32)\s*\*\s*\)\s*skb\[\s*(?P<index>r\d{{1,2}})?\s*"
        rf"(?P<sign>[+-])?\s*(?P<imm>{INT})?\s*\]",
        _packet,
    ),
    (rf"lock\s*\*\s*{_TYPE}\s*{_ADDR}\s*(?P<op>{_alternatives(list(_LOCK_NAMES))})\s*(?P<src>{_REG})", _lock),
    (
        rf"{_DST}atomic(?:64)?_(?P<word>{'|'.join(_WORD_NAMES)})\(\s*{_TYPE}\s*{_ADDR}\s*,"
        rf"(?:\s*(?P<old>{_REG})\s*,)?\s*(?P<src>{_REG})\s*\)",
        _fetch,
    ),
    (
        rf"{_DST}(?P<word>xchg|cmpxchg)(?:32)?_(?P<bits>32|64)\(\s*{_ADDR[2:-2]}\s*,"
        rf"(?:\s*(?P<old>{_REG})\s*,)?\s*(?P<src>{_REG})\s*\)",
        _fetch,
    ),
    (rf"{_DST}load_acquire\(\s*{_TYPE}\s*{_ADDR}\s*\)", _load_acquire),
    (rf"store_release\(\s*{_TYPE}\s*{_ADDR}\s*,\s*(?P<src>{_REG})\s*\)", _store_release),
    (rf"\.insn\s+(?P<fields>(?:{INT}[\s,]+){{4}}{INT})", _raw),
)


# Compiled when the first text is assembled: importing the package stays cheap.
@functools.cache
def forms() -> tuple[tuple[re.Pattern[str], Handler], ...]:
    return tuple((re.compile(pattern), handler) for pattern, handler in _PATTERNS)
