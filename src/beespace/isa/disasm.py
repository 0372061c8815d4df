"""Disassembler: the text of verifier logs and of ``bpftool prog dump xlated``.

It prints whatever an instruction holds, legal or not, because the kernel prints before it checks.

:see: kernel/bpf/disasm.c:print_bpf_insn
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from beespace.isa.check import is_ld_imm64
from beespace.isa.insn import Insn
from beespace.isa.rows import ALU_OPS, ATOMIC_OPS, JMP_OPS
from beespace.isa.syntax import ALU_SYMBOLS, ATOMIC_WORDS, JMP_SYMBOLS, LOCK_SYMBOLS, helper_name
from beespace.uapi import bpf

__all__ = ["Callbacks", "XlatedCallbacks", "disasm", "disasm_insns", "imm64"]

_U32 = 0xFFFFFFFF
_SIZES = {bpf.BPF_B: "8", bpf.BPF_H: "16", bpf.BPF_W: "32", bpf.BPF_DW: "64"}
_ALU = {op.op << 4: ALU_SYMBOLS[op.name] for op in ALU_OPS if op.alu == (0,) and op.name in ALU_SYMBOLS}
_ALU_SIGNED = {op.op << 4: ALU_SYMBOLS[op.name] for op in ALU_OPS if op.name in ("SDIV", "SMOD")}
_JMP = {op.op << 4: JMP_SYMBOLS[op.name] for op in JMP_OPS}
_LOCK = {op.imm: LOCK_SYMBOLS[op.name] for op in ATOMIC_OPS if op.name in LOCK_SYMBOLS}
_ATOMIC = {op.imm: ATOMIC_WORDS[op.name] for op in ATOMIC_OPS if op.name in ATOMIC_WORDS}
_POINTERS = (
    bpf.BPF_PSEUDO_MAP_FD,
    bpf.BPF_PSEUDO_MAP_VALUE,
    bpf.BPF_PSEUDO_MAP_IDX,
    bpf.BPF_PSEUDO_MAP_IDX_VALUE,
    bpf.BPF_PSEUDO_BTF_ID,
)
_ADDR_PERCPU = -1  # kernel-internal mov, include/linux/filter.h
_NOSPEC = 0xC0  # kernel-internal mode of ST


class Callbacks(Protocol):
    """What only the owner of a program knows: ``struct bpf_insn_cbs``. Either method may return None."""

    def call(self, insn: Insn) -> str | None:
        """Name of the kfunc or subprogram that *insn* calls."""
        ...

    def imm(self, insn: Insn, value: int) -> str | None:
        """Text for what an LD_IMM64 loads, *value* being both words."""
        ...


def imm64(insn: Insn, second: Insn) -> int:
    """The u64 of the two slots of LD_IMM64."""
    return (second.imm & _U32) << 32 | insn.imm & _U32


def disasm(
    insn: Insn, next_insn: Insn | None = None, cbs: Callbacks | None = None, allow_ptr_leaks: bool = True
) -> str:
    """``(b7) r0 = 0``: one instruction as the verifier's log has it, without index and newline.

    :param next_insn: second slot of an LD_IMM64; taken as zero when None.
    :param allow_ptr_leaks: False prints pointers that LD_IMM64 loads as 0x0.
    """
    match insn.code & 7:
        case bpf.BPF_ALU | bpf.BPF_ALU64:
            text = _alu(insn)
        case bpf.BPF_STX:
            text = _stx(insn)
        case bpf.BPF_ST:
            text = _st(insn)
        case bpf.BPF_LDX:
            text = _ldx(insn)
        case bpf.BPF_LD:
            text = _ld(insn, next_insn, cbs, allow_ptr_leaks)
        case _:
            text = _jmp(insn, cbs)
    return text if text.startswith("BUG_") else f"({insn.code:02x}) {text}"


def disasm_insns(
    insns: Sequence[Insn], cbs: Callbacks | None = None, allow_ptr_leaks: bool = True
) -> Iterator[tuple[int, str]]:
    """(insn_idx, text) of each instruction; the second slot of LD_IMM64 is skipped."""
    idx = 0
    while idx < len(insns):
        second = insns[idx + 1] if idx + 1 < len(insns) else None
        yield idx, disasm(insns[idx], second, cbs, allow_ptr_leaks)
        idx += 2 if is_ld_imm64(insns[idx]) else 1


class XlatedCallbacks:
    """Names as ``bpftool prog dump xlated`` prints them.

    :param subprogs: pc-relative offset of a subprogram call -> name, for ``call pc+3#name``.
    :param kernel: ``imm`` of a helper or kfunc call -> kernel symbol.
    :param distance_in_off: the instructions come from a kernel's BPF_OBJ_GET_INFO_BY_FD, where subprogram calls have
        their distance in ``off`` and a number of the subprogram in ``imm``.
    :see: tools/bpf/bpftool/xlated_dumper.c:print_call, print_imm
    """

    def __init__(
        self,
        subprogs: Mapping[int, str] | None = None,
        kernel: Mapping[int, str] | None = None,
        *,
        distance_in_off: bool = False,
    ) -> None:
        self._distance_in_off = distance_in_off
        self._subprogs = subprogs or {}
        self._kernel = kernel or {}

    def call(self, insn: Insn) -> str | None:
        """``+3#name`` of a subprogram, the kernel symbol of anything else."""
        if insn.src_reg == bpf.BPF_PSEUDO_CALL:
            distance = insn.off if self._distance_in_off else insn.imm
            name = self._subprogs.get(distance)
            return f"{distance:+d}#{name}" if name else f"{distance:+d}"
        return self._kernel.get(insn.imm)

    def imm(self, insn: Insn, value: int) -> str | None:
        """``map[id:5][0]+8``, ``subprog[+3]``; None for a number."""
        match insn.src_reg:
            case bpf.BPF_PSEUDO_MAP_FD:
                return f"map[id:{insn.imm & _U32}]"
            case bpf.BPF_PSEUDO_MAP_VALUE:
                return f"map[id:{insn.imm & _U32}][0]+{value >> 32}"
            case bpf.BPF_PSEUDO_MAP_IDX_VALUE:
                return f"map[idx:{insn.imm & _U32}]+{value >> 32}"
            case bpf.BPF_PSEUDO_FUNC:
                return f"subprog[{insn.imm:+d}]"
            case _:
                return None


def _alu(insn: Insn) -> str:
    is64 = insn.code & 7 == bpf.BPF_ALU64
    op, is_reg = insn.code & 0xF0, bool(insn.code & bpf.BPF_X)
    r = "r" if is64 else "w"
    dst, src = f"{r}{insn.dst_reg}", f"{r}{insn.src_reg}"
    if op == bpf.BPF_END:
        word = "bswap" if is64 else "be" if insn.code & bpf.BPF_TO_BE else "le"
        return f"r{insn.dst_reg} = {word}{insn.imm} r{insn.dst_reg}"
    if op == bpf.BPF_NEG:
        return f"{dst} = -{dst}"
    if op == bpf.BPF_MOV and is64 and is_reg and insn.off == bpf.BPF_ADDR_SPACE_CAST:
        return f"{dst} = addr_space_cast({src}, {(insn.imm & _U32) >> 16}, {insn.imm & 0xFFFF})"
    if op == bpf.BPF_MOV and is64 and is_reg and insn.off == _ADDR_PERCPU:
        return f"{dst} = &(void __percpu *)({src})"
    symbol = _ALU_SIGNED[op] if insn.off == 1 and op in _ALU_SIGNED else _ALU.get(op, "(null)")
    if not is_reg:
        return f"{dst} {symbol} {insn.imm}"
    cast = f"(s{insn.off})" if op == bpf.BPF_MOV and insn.off in (8, 16, 32) else ""
    return f"{dst} {symbol} {cast}{src}"


def _mem(kind: str, size: int, reg: int, off: int) -> str:
    return f"({kind}{_SIZES[size]} *)(r{reg} {off:+d})"


def _stx(insn: Insn) -> str:
    mode, size = insn.code & 0xE0, insn.code & 0x18
    mem, src = _mem("u", size, insn.dst_reg, insn.off), f"r{insn.src_reg}"
    if mode == bpf.BPF_MEM:
        return f"*{mem} = {src}"
    if mode != bpf.BPF_ATOMIC:
        return f"BUG_{insn.code:02x}"
    if insn.imm in _LOCK:
        return f"lock *{mem} {_LOCK[insn.imm]} {src}"
    if insn.imm == bpf.BPF_LOAD_ACQ:
        return f"r{insn.dst_reg} = load_acquire({_mem('u', size, insn.src_reg, insn.off)})"
    if insn.imm == bpf.BPF_STORE_REL:
        return f"store_release({mem}, {src})"
    if insn.imm not in _ATOMIC:
        return f"BUG_{insn.code:02x}"
    call = f"atomic{'64' if size == bpf.BPF_DW else ''}_{_ATOMIC[insn.imm]}"
    if insn.imm == bpf.BPF_CMPXCHG:
        return f"r0 = {call}({mem}, r0, {src})"
    return f"{src} = {call}({mem}, {src})"


def _st(insn: Insn) -> str:
    mode, size = insn.code & 0xE0, insn.code & 0x18
    if mode == bpf.BPF_MEM:
        return f"*{_mem('u', size, insn.dst_reg, insn.off)} = {insn.imm}"
    if mode == _NOSPEC:
        return "nospec"
    return f"BUG_st_{insn.code:02x}"


def _ldx(insn: Insn) -> str:
    mode, size = insn.code & 0xE0, insn.code & 0x18
    if mode not in (bpf.BPF_MEM, bpf.BPF_MEMSX):
        return f"BUG_ldx_{insn.code:02x}"
    kind = "s" if mode == bpf.BPF_MEMSX else "u"
    return f"r{insn.dst_reg} = *{_mem(kind, size, insn.src_reg, insn.off)}"


def _ld(insn: Insn, second: Insn | None, cbs: Callbacks | None, allow_ptr_leaks: bool) -> str:
    mode, size = insn.code & 0xE0, insn.code & 0x18
    if mode == bpf.BPF_ABS:
        return f"r0 = *(u{_SIZES[size]} *)skb[{insn.imm}]"
    if mode == bpf.BPF_IND:
        return f"r0 = *(u{_SIZES[size]} *)skb[r{insn.src_reg} + {insn.imm}]"
    if not is_ld_imm64(insn):
        return f"BUG_ld_{insn.code:02x}"
    value = imm64(insn, second) if second is not None else insn.imm & _U32
    if insn.src_reg in _POINTERS and not allow_ptr_leaks:
        value = 0
    text = cbs.imm(insn, value) if cbs else None
    return f"r{insn.dst_reg} = {text or hex(value)}"


def _call(insn: Insn, cbs: Callbacks | None) -> str:
    name = helper_name(insn.imm) if insn.src_reg == 0 else None
    if name is None and cbs is not None:
        name = cbs.call(insn)
    if insn.src_reg == bpf.BPF_PSEUDO_CALL:
        return f"call pc{name or format(insn.imm, '+d')}"
    if name is None:
        name = "kernel-function" if insn.src_reg == bpf.BPF_PSEUDO_KFUNC_CALL else "unknown"
    return f"call {name}#{insn.imm}"


def _jmp(insn: Insn, cbs: Callbacks | None) -> str:
    is64, op = insn.code & 7 == bpf.BPF_JMP, insn.code & 0xF0
    if op == bpf.BPF_CALL:
        return _call(insn, cbs)
    match insn.code:
        case 0x05:
            return f"goto pc{insn.off:+d}"
        case 0xE5 if insn.src_reg == bpf.BPF_MAY_GOTO:
            return f"may_goto pc{insn.off:+d}"
        case 0x06:
            return f"gotol pc{insn.imm:+d}"
        case 0x95:
            return "exit"
        case _:
            r = "r" if is64 else "w"
            right = f"{r}{insn.src_reg}" if insn.code & bpf.BPF_X else f"{insn.imm & _U32:#x}"
            return f"if {r}{insn.dst_reg} {_JMP.get(op, '(null)')} {right} goto pc{insn.off:+d}"
