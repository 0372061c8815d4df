"""Assembler: LLVM's BPF assembly, the text of verifier logs, and names of maps, subprograms and kfuncs.

One statement per line or separated by ``;``. Comments start with ``//``, or ``#`` after white space.

- ``r1 += 5``, ``w1 s/= w2``: arithmetic on 64 (r) or 32 bits (w)
- ``r1 = (s8)r2``, ``r1 = be16 r1``: sign extension, byte swap
- ``r1 = addr_space_cast(r2, 0, 1)``: destination and source address space
- ``r1 = *(s16 *)(r2 - 4)``, ``*(u32 *)(r1 + 4) = 7``, ``r0 = *(u8 *)skb[r1 + 3]``: memory, packet
- ``lock *(u64 *)(r1 + 0) += r2``, ``r2 = atomic_fetch_add((u64 *)(r1 + 0), r2)``, ``r2 = xchg_64(r1 + 0, r2)``,
  ``r0 = cmpxchg_64(r1 + 0, r0, r2)``, ``r1 = load_acquire((u8 *)(r2 + 0))``, ``store_release((u8 *)(r1 + 0), r2)``
- ``if w1 s<= -5 goto out``, ``goto +3``, ``gotol out``, ``may_goto out``; labels ``out:``, ``1:`` with ``1b``, ``1f``
- ``call bpf_ktime_get_ns`` or its id, ``call f`` or ``call sub:f`` with a label, ``call kfunc:name``, ``exit``
- ``r1 = 0x123456789 ll``, ``map:NAME ll``, ``map_value:NAME+8 ll``, ``sub:LABEL ll``, ``ksym:NAME ll``, ``NAME ll``
- ``.rept 8`` ... ``.endr`` repeats what is between; ``.insn 0x0f 1 2 0 0`` is code, dst_reg, src_reg, off, imm

A line of a log (``12: (b7) r1 = 5 ; R1_w=5``) has its code in parentheses: what follows ``;`` is a remark, jumps are
``goto pc+2``, calls ``call bpf_map_lookup_elem#1``, and code 18 makes ``r1 = 0x5`` an LD_IMM64.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from beespace.errors import AsmError
from beespace.isa.check import LD_IMM64
from beespace.isa.insn import Insn
from beespace.isa.rows import row_by_key
from beespace.isa.syntax import ALU_SYMBOLS, ATOMIC_WORDS, JMP_SYMBOLS, LOCK_SYMBOLS, helper_id
from beespace.uapi import bpf

__all__ = ["Assembly", "Reloc", "assemble"]


@dataclass(frozen=True, slots=True)
class Reloc:
    """A name that the program alone does not define.

    :ivar kind: ``map`` and ``map_value`` (LD_IMM64 of a map's address, of a byte ``off`` of its value), ``kfunc`` and
        ``func`` (calls), ``ksym`` (LD_IMM64 of a kernel variable), ``data`` (LD_IMM64 of any other symbol).
    """

    insn_idx: int
    kind: str
    name: str
    off: int = 0


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a text assembles to.

    :ivar labels: name -> insn_idx; numeric labels are not in it.
    :ivar lines: line (from 1) of each slot.
    """

    insns: tuple[Insn, ...]
    labels: Mapping[str, int]
    relocs: tuple[Reloc, ...]
    lines: tuple[int, ...]

    def link(
        self,
        maps: Mapping[str, int] | None = None,
        kfuncs: Mapping[str, tuple[int, int]] | None = None,
        ksyms: Mapping[str, int] | None = None,
    ) -> tuple[Insn, ...]:
        """The instructions with names replaced.

        :param maps: name -> fd.
        :param kfuncs: name -> BTF id, index in fd_array (0: vmlinux).
        :param ksyms: name of a variable -> BTF id in vmlinux.
        :raises AsmError: a name that none has.
        """
        maps, kfuncs, ksyms = maps or {}, kfuncs or {}, ksyms or {}
        insns = list(self.insns)
        for reloc in self.relocs:
            idx = reloc.insn_idx
            if reloc.kind in ("map", "map_value") and reloc.name in maps:
                insns[idx] = insns[idx]._replace(imm=maps[reloc.name])
            elif reloc.kind == "ksym" and reloc.name in ksyms:
                insns[idx] = insns[idx]._replace(imm=ksyms[reloc.name])
            elif reloc.kind == "kfunc" and reloc.name in kfuncs:
                btf_id, fd_idx = kfuncs[reloc.name]
                insns[idx] = insns[idx]._replace(imm=btf_id, off=fd_idx)
            else:
                raise AsmError(f"undefined {reloc.kind} {reloc.name}", line=self.lines[idx])
        return tuple(insns)


def assemble(text: str) -> Assembly:
    """Assemble *text*.

    :raises AsmError: line, text and what is wrong with it.
    """
    asm = _Assembler()
    for line, statement, code in _statements(text):
        asm.line = line
        first = len(asm.insns)
        asm.statement(statement, code)
        if code is not None and first < len(asm.insns) and asm.insns[first].code != code:
            raise AsmError(f"{statement!r} has code {asm.insns[first].code:02x}, not {code:02x}", line=line)
    asm.resolve()
    return Assembly(tuple(asm.insns), MappingProxyType(asm.labels), tuple(asm.relocs), tuple(asm.lines))


_LOG_LINE = re.compile(r"(?:\d+:\s*)?\(([0-9a-f]{2})\)\s*([^;]*)")
_COMMENT = re.compile(r"(?:^|\s)#.*|//.*")
_REG = r"[rw]\d{1,2}"
_INT = r"[+-]?(?:0x[0-9a-fA-F]+|\d+)"
_ADDR = rf"\(\s*(?P<base>r\d{{1,2}})\s*(?:(?P<sign>[+-])\s*(?P<off>{_INT}))?\s*\)"
_TYPE = r"\(\s*(?P<kind>[us])(?P<bits>8|16|32|64)\s*\*\s*\)"
_TARGET = r"(?:pc)?[+-]\s*(?:0x[0-9a-fA-F]+|\d+)|[\w.$%]+"
_NAME = r"[\w.$]+"

_ALU_NAMES = {symbol: name for name, symbol in ALU_SYMBOLS.items()}
_JMP_NAMES = {symbol: name for name, symbol in JMP_SYMBOLS.items()}
_LOCK_NAMES = {symbol: name for name, symbol in LOCK_SYMBOLS.items()}
_WORD_NAMES = {word: name for name, word in ATOMIC_WORDS.items()}


# (line, statement, code of a log line or None), .rept expanded
def _statements(text: str) -> Iterator[tuple[int, str, int | None]]:
    out: list[list[tuple[int, str, int | None]]] = [[]]
    counts: list[int] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if log := _LOG_LINE.fullmatch(raw.partition(";")[0].strip()):
            out[-1].append((number, log[2].strip(), int(log[1], 16)))
            continue
        for part in _COMMENT.sub("", raw).split(";"):
            statement = part.strip()
            if repeat := re.fullmatch(rf"\.rept\s+({_INT})", statement):
                counts.append(int(repeat[1], 0))
                out.append([])
            elif statement == ".endr":
                if not counts:
                    raise AsmError(".endr without .rept", line=number)
                body = out.pop()
                out[-1].extend(body * counts.pop())
            elif statement:
                out[-1].append((number, statement, None))
    if counts:
        raise AsmError(".rept without .endr", line=len(text.splitlines()))
    return iter(out[0])


class _Assembler:
    # Two passes: statement() appends instructions and notes targets, resolve() fills in distances.

    def __init__(self) -> None:
        self.line = 0
        self.insns: list[Insn] = []
        self.lines: list[int] = []
        self.labels: dict[str, int] = {}
        self.numeric: dict[str, list[int]] = {}
        self.relocs: list[Reloc] = []
        self.targets: list[tuple[int, str, str]] = []  # insn_idx, field, label

    def error(self, message: str) -> AsmError:
        return AsmError(message, line=self.line)

    def emit(self, insn: Insn) -> None:
        for name, value, low, high in (
            ("dst_reg", insn.dst_reg, 0, 15),
            ("src_reg", insn.src_reg, 0, 15),
            ("off", insn.off, -(1 << 15), (1 << 15) - 1),
            ("imm", insn.imm, -(1 << 31), (1 << 31) - 1),
        ):
            if not low <= value <= high:
                raise self.error(f"{name} {value} does not fit")
        self.insns.append(insn)
        self.lines.append(self.line)

    def row(self, key: tuple[str, str, str], **fields: int) -> None:
        try:
            row = row_by_key(*key)
        except KeyError:
            raise self.error(f"there is no instruction {'.'.join(filter(None, key))}") from None
        self.emit(row.insn(**fields))

    def imm64(self, dst: int, src_reg: int, low: int, high: int = 0) -> None:
        self.emit(Insn(LD_IMM64, dst, src_reg, 0, _s32(low)))
        self.emit(Insn(0, 0, 0, 0, _s32(high)))

    def statement(self, text: str, code: int | None) -> None:
        while label := re.match(rf"({_NAME})\s*:(?!:)\s*", text):
            if re.match(r"(map|map_value|sub|kfunc|ksym):", text):
                break
            self.define(label[1])
            text = text[label.end() :]
        if not text:
            return
        for pattern, handler in _forms():
            if found := pattern.fullmatch(text):
                handler(self, found, code)
                return
        raise self.error(f"cannot assemble {text!r}")

    def define(self, name: str) -> None:
        if name.isdigit():
            self.numeric.setdefault(name, []).append(len(self.insns))
        elif name in self.labels:
            raise self.error(f"label {name} is defined twice")
        else:
            self.labels[name] = len(self.insns)

    # Distance now, or a target for later: returns what to put into the field meanwhile.
    def target(self, text: str, field_name: str) -> int:
        if relative := re.fullmatch(r"(?:pc)?([+-])\s*(0x[0-9a-fA-F]+|\d+)", text):
            return int(relative[1] + relative[2], 0)
        self.targets.append((len(self.insns), field_name, text))
        return 0

    def resolve(self) -> None:
        for idx, field_name, name in self.targets:
            self.line = self.lines[idx]
            if self.is_undefined_call(idx, name):
                self.relocs.append(Reloc(idx, "func", name))
                self.insns[idx] = self.insns[idx]._replace(imm=-1)
                continue
            distance = self.find(name, idx) - idx - 1
            if field_name == "off" and not -(1 << 15) <= distance < 1 << 15:
                raise self.error(f"{name} is {distance} instructions away: too far for goto")
            self.insns[idx] = self.insns[idx]._replace(**{field_name: distance})

    # A call of a name that is no label here: a function of another section.
    def is_undefined_call(self, idx: int, name: str) -> bool:
        return self.insns[idx].code == bpf.BPF_JMP | bpf.BPF_CALL and name not in self.labels

    def find(self, name: str, idx: int) -> int:
        if name in self.labels:
            return self.labels[name]
        if local := re.fullmatch(r"(\d+)([bf])", name):
            places = self.numeric.get(local[1], [])
            before, after = [p for p in places if p <= idx], [p for p in places if p > idx]
            if local[2] == "b" and before:
                return before[-1]
            if local[2] == "f" and after:
                return after[0]
        raise self.error(f"label {name} is not defined")

    def number(self, text: str, *, bits32: bool = False) -> int:
        value = int(text.replace(" ", ""), 0)
        if bits32 and value < 1 << 32:
            value = _s32(value)
        if not -(1 << 31) <= value < 1 << 31:
            raise self.error(f"immediate {text} does not fit in 32 bits")
        return value


def _s32(value: int) -> int:
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def _reg(text: str) -> int:
    return int(text[1:])


def _off(found: re.Match[str]) -> int:
    return int(found["sign"] + found["off"].lstrip("+"), 0) if found["off"] else 0


def _cls(register: str, name: str = "alu") -> str:
    return name if register[0] == "w" else {"alu": "alu64", "jmp32": "jmp"}[name]


def _alu(asm: _Assembler, found: re.Match[str], code: int | None) -> None:
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


def _neg(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    if found["dst"] != found["src"]:
        raise asm.error("negation takes its operand from where the result goes")
    asm.row(("NEG", _cls(found["dst"]), "K"), dst_reg=_reg(found["dst"]))


def _movsx(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    if found["dst"][0] != found["src"][0]:
        raise asm.error(f"{found['dst']} and {found['src']} differ in width")
    key = ("MOVSX", _cls(found["dst"]), f"X{found['bits']}")
    asm.row(key, dst_reg=_reg(found["dst"]), src_reg=_reg(found["src"]))


def _swap(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    if found["dst"] != found["src"]:
        raise asm.error("byte swap takes its operand from where the result goes")
    word = found["word"].upper()
    asm.row((word, "alu64" if word == "BSWAP" else "alu", found["bits"]), dst_reg=_reg(found["dst"]))


def _cast(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    imm = _s32(int(found["to"], 0) << 16 | int(found["from"], 0))
    asm.row(("ADDR_SPACE_CAST", "alu64", "X"), dst_reg=_reg(found["dst"]), src_reg=_reg(found["src"]), imm=imm)


def _load(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    if found["dst"][0] == "w" and (found["kind"], found["bits"]) not in (("u", "8"), ("u", "16"), ("u", "32")):
        raise asm.error(f"{found['dst']} cannot take {found['kind']}{found['bits']}")
    name = "LDSX" if found["kind"] == "s" else "LDX"
    fields = {"dst_reg": _reg(found["dst"]), "src_reg": _reg(found["base"]), "off": _off(found)}
    asm.row((name, "ldx", found["bits"]), **fields)


def _store(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    src, bits = found["src"], found["bits"]
    fields = {"dst_reg": _reg(found["base"]), "off": _off(found)}
    if re.fullmatch(_REG, src):
        _check_width(asm, src, bits)
        asm.row(("STX", "stx", bits), src_reg=_reg(src), **fields)
    else:
        asm.row(("ST", "st", bits), imm=asm.number(src, bits32=bits != "64"), **fields)


def _check_width(asm: _Assembler, register: str, bits: str) -> None:
    if register[0] == "w" and bits == "64":
        raise asm.error(f"{register} has no 64 bits")


def _lock(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    _check_width(asm, found["src"], found["bits"])
    fields = {"dst_reg": _reg(found["base"]), "src_reg": _reg(found["src"]), "off": _off(found)}
    asm.row((_LOCK_NAMES[found["op"]], "stx", found["bits"]), **fields)


# dst = atomic_fetch_add((u64 *)(base + off), src), r0 = atomic_cmpxchg((u32 *)(base + off), r0, src),
# dst = xchg_64(base + off, src), w0 = cmpxchg32_32(base + off, w0, src)
def _fetch(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
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


def _load_acquire(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    _check_width(asm, found["dst"], found["bits"])
    fields = {"dst_reg": _reg(found["dst"]), "src_reg": _reg(found["base"]), "off": _off(found)}
    asm.row(("LOAD_ACQ", "stx", found["bits"]), **fields)


def _store_release(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    _check_width(asm, found["src"], found["bits"])
    fields = {"dst_reg": _reg(found["base"]), "src_reg": _reg(found["src"]), "off": _off(found)}
    asm.row(("STORE_REL", "stx", found["bits"]), **fields)


def _packet(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    imm = int(found["imm"], 0) if found["imm"] else 0
    imm = _s32(-imm if found["sign"] == "-" else imm)
    if found["index"]:
        asm.row(("LD_IND", "ld", found["bits"]), src_reg=_reg(found["index"]), imm=imm)
    else:
        asm.row(("LD_ABS", "ld", found["bits"]), imm=imm)


def _number_ll(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    value = int(found["value"], 0)
    if not -(1 << 63) <= value < 1 << 64:
        raise asm.error(f"immediate {found['value']} does not fit in 64 bits")
    asm.imm64(_reg(found["dst"]), 0, value, value >> 32)


def _symbol_ll(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
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
def _dumped_ll(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    dst, value = _reg(found["dst"]), int(found["value"], 0)
    if found["what"] == "subprog":
        asm.imm64(dst, bpf.BPF_PSEUDO_FUNC, value)
    elif found["off"] is None:
        asm.imm64(dst, bpf.BPF_PSEUDO_MAP_FD, value)
    else:
        source = bpf.BPF_PSEUDO_MAP_VALUE if found["what"] == "map[id" else bpf.BPF_PSEUDO_MAP_IDX_VALUE
        asm.imm64(dst, source, value, int(found["off"], 0))


def _if(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
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


def _goto(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    match found["word"]:
        case "goto":
            asm.row(("JA", "jmp", ""), off=asm.target(found["target"], "off"))
        case "gotol":
            asm.row(("JA", "jmp32", ""), imm=asm.target(found["target"], "imm"))
        case _:
            asm.row(("MAY_GOTO", "jmp", ""), off=asm.target(found["target"], "off"))


def _call_relative(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    asm.row(("CALL_SUBPROG", "jmp", ""), imm=asm.target(found["target"], "imm"))


def _call_logged(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    name, imm = found["name"], int(found["imm"])
    helper = name == "unknown" or helper_id(name) == imm
    asm.row(("CALL_HELPER" if helper else "CALL_KFUNC", "jmp", ""), imm=imm)


def _call(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    kind, name = found["kind"], found["name"]
    if kind is None and re.fullmatch(_INT, name):
        asm.row(("CALL_HELPER", "jmp", ""), imm=asm.number(name))
    elif kind is None and (func_id := helper_id(name)) is not None:
        asm.row(("CALL_HELPER", "jmp", ""), imm=func_id)
    elif kind == "kfunc":
        asm.relocs.append(Reloc(len(asm.insns), "kfunc", name))
        asm.row(("CALL_KFUNC", "jmp", ""))
    else:
        asm.targets.append((len(asm.insns), "imm", name))
        asm.row(("CALL_SUBPROG", "jmp", ""))


def _callx(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    # LLVM writes it, no kernel takes it: no row
    asm.emit(Insn(bpf.BPF_JMP | bpf.BPF_CALL | bpf.BPF_X, _reg(found["dst"]), 0, 0, 0))


def _exit(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    asm.row(("EXIT", "jmp", ""))


def _raw(asm: _Assembler, found: re.Match[str], _: int | None) -> None:
    code, dst, src, off, imm = (int(part, 0) for part in found["fields"].replace(",", " ").split())
    if not 0 <= code <= 0xFF:
        raise asm.error(f"code {code} does not fit")
    asm.emit(Insn(code, dst, src, _s16(off), _s32(imm)))


def _s16(value: int) -> int:
    return (value & 0xFFFF ^ 0x8000) - 0x8000 if 0 <= value <= 0xFFFF else value


_Handler = Callable[[_Assembler, "re.Match[str]", "int | None"], None]


def _alternatives(symbols: Sequence[str]) -> str:
    return "|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True))


_DST = rf"(?P<dst>{_REG})\s*=\s*"
_PATTERNS: tuple[tuple[str, _Handler], ...] = (
    (rf"(?P<dst>{_REG})\s*(?P<op>{_alternatives(list(_ALU_NAMES))})\s*(?P<src>{_REG}|{_INT})", _alu),
    (rf"{_DST}\*\s*{_TYPE}\s*{_ADDR}", _load),
    (rf"\*\s*{_TYPE}\s*{_ADDR}\s*=\s*(?P<src>{_REG}|{_INT})", _store),
    (
        rf"if\s+(?P<dst>{_REG})\s*(?P<op>{_alternatives(list(_JMP_NAMES))})\s*(?P<src>{_REG}|{_INT})\s+"
        rf"goto\s+(?P<target>{_TARGET})",
        _if,
    ),
    (rf"(?P<word>goto|gotol|may_goto)\s+(?P<target>{_TARGET})", _goto),
    (r"exit", _exit),
    (r"call\s+(?P<target>pc[+-](?:0x[0-9a-fA-F]+|\d+))(?:#\S*)?", _call_relative),
    (rf"call\s+(?P<name>[\w.$-]+)#(?P<imm>{_INT})", _call_logged),
    (rf"call\s+(?:(?P<kind>sub|kfunc):)?(?P<name>{_NAME}|{_INT})", _call),
    (r"callx\s+(?P<dst>r\d{1,2})", _callx),
    (rf"{_DST}(?P<value>{_INT})\s*ll", _number_ll),
    (
        rf"{_DST}(?:(?P<kind>map|map_value|sub|ksym):)?(?P<name>{_NAME})\s*(?P<off>[+-]\s*(?:0x[0-9a-fA-F]+|\d+))?\s+ll",
        _symbol_ll,
    ),
    (rf"{_DST}(?P<what>map\[id|map\[idx|subprog)[:\[](?P<value>{_INT})\](?:\[0\])?(?P<off>\+\d+)?", _dumped_ll),
    (rf"{_DST}-\s*(?P<src>{_REG})", _neg),
    (rf"{_DST}\(s(?P<bits>8|16|32)\)\s*(?P<src>{_REG})", _movsx),
    (rf"{_DST}(?P<word>be|le|bswap)(?P<bits>16|32|64)\s+(?P<src>{_REG})", _swap),
    (
        rf"{_DST}addr_space_cast\(\s*(?P<src>r\d{{1,2}})\s*,\s*(?P<to>{_INT})\s*,\s*(?P<from>{_INT})\s*\)",
        _cast,
    ),
    (
        rf"{_DST}\*\s*\(\s*u(?P<bits>8|16|32)\s*\*\s*\)\s*skb\[\s*(?P<index>r\d{{1,2}})?\s*"
        rf"(?P<sign>[+-])?\s*(?P<imm>{_INT})?\s*\]",
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
    (rf"\.insn\s+(?P<fields>(?:{_INT}[\s,]+){{4}}{_INT})", _raw),
)


# Compiled when the first text is assembled: importing the package stays cheap.
@functools.cache
def _forms() -> tuple[tuple[re.Pattern[str], _Handler], ...]:
    return tuple((re.compile(pattern), handler) for pattern, handler in _PATTERNS)
