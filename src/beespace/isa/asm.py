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

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from beespace.errors import AsmError
from beespace.isa.emit import Emitter, Reloc
from beespace.isa.forms import INT, NAME, forms
from beespace.isa.insn import Insn
from beespace.values import frozen

__all__ = ["Assembly", "Reloc", "assemble"]


@frozen
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
    asm = Emitter()
    for line, statement, code in _statements(text):
        asm.line = line
        first = len(asm.insns)
        _statement(asm, statement, code)
        if code is not None and first < len(asm.insns) and asm.insns[first].code != code:
            raise AsmError(f"{statement!r} has code {asm.insns[first].code:02x}, not {code:02x}", line=line)
    asm.resolve()
    return Assembly(tuple(asm.insns), MappingProxyType(asm.labels), tuple(asm.relocs), tuple(asm.lines))


_LOG_LINE = re.compile(r"(?:\d+:\s*)?\(([0-9a-f]{2})\)\s*([^;]*)")
_COMMENT = re.compile(r"(?:^|\s)#.*|//.*")


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
            if repeat := re.fullmatch(rf"\.rept\s+({INT})", statement):
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


def _statement(emitter: Emitter, text: str, code: int | None) -> None:
    while label := re.match(rf"({NAME})\s*:(?!:)\s*", text):
        if re.match(r"(map|map_value|sub|kfunc|ksym):", text):
            break
        emitter.define(label[1])
        text = text[label.end() :]
    if not text:
        return
    for pattern, handler in forms():
        if found := pattern.fullmatch(text):
            handler(emitter, found, code)
            return
    raise emitter.error(f"cannot assemble {text!r}")
