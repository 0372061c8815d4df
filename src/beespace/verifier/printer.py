"""States, registers and source lines as the log has them.

:see: kernel/bpf/log.c:print_verifier_state, print_reg_state, verbose_linfo
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from beespace.isa.disasm import disasm
from beespace.isa.syntax import helper_name
from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.regtypes import base_type, is_non_owning_ref, is_pkt_pointer, reg_type_str
from beespace.verifier.state import BPF_ADD_CONST, BPF_REG_SIZE, Checkpoint, Dynptr, FuncState, RegState, VerifierState

if TYPE_CHECKING:
    from beespace.decl.prog import LineInfo
    from beespace.isa.insn import Insn
    from beespace.verifier.env import Env

__all__ = [
    "DYNPTR_NAMES",
    "find_linfo",
    "func_name",
    "insn_text",
    "iter_name",
    "mask_of_regs",
    "mask_of_slots",
    "print_insn_state",
    "print_verifier_state",
    "reg_text",
    "tnum_text",
    "verbose_insn",
    "verbose_linfo",
]

_U64 = 0xFFFF_FFFF_FFFF_FFFF
_S64_MIN, _S64_MAX = -(1 << 63), (1 << 63) - 1
_S32_MIN, _S32_MAX = -(1 << 31), (1 << 31) - 1
_SLOT_CHARS = "?rm0dif"
_ITER_STATES = ("<invalid>", "active", "drained")
DYNPTR_NAMES = {
    uapi.BPF_DYNPTR_TYPE_INVALID: "<invalid>",
    uapi.BPF_DYNPTR_TYPE_LOCAL: "local",
    uapi.BPF_DYNPTR_TYPE_RINGBUF: "ringbuf",
    uapi.BPF_DYNPTR_TYPE_SKB: "skb",
    uapi.BPF_DYNPTR_TYPE_XDP: "xdp",
    uapi.BPF_DYNPTR_TYPE_SKB_META: "skb_meta",
}
_MAPS = (uapi.CONST_PTR_TO_MAP, uapi.PTR_TO_MAP_KEY, uapi.PTR_TO_MAP_VALUE)
_ALIGNMENT, _MIN_ALIGNMENT = 40, 8  # BPF_LOG_ALIGNMENT, BPF_LOG_MIN_ALIGNMENT


def _unum(value: int) -> str:
    return str(value) if value <= 0xFFFF else hex(value)


def _snum(value: int) -> str:
    # value signed, or an unsigned 32-bit one that is printed in hex
    return str(value) if -0x8000 <= value <= 0x7FFF else hex(value & _U64)


def tnum_text(a: n.Tnum) -> str:
    """``(0x0; 0xff)``, or a number when all bits are known (tnum_strn())."""
    if a.mask == 0:
        return _unum(a.value)
    return f"({_hex(a.value)}; {_hex(a.mask)})"


def _hex(value: int) -> str:
    return hex(value) if value else "0x0"


def _s64(word: int) -> int:
    return (word ^ 1 << 63) - (1 << 63)


def _s32_shown(value: int) -> int:
    return value if -0x8000 <= value <= 0x7FFF else value & 0xFFFF_FFFF


def _ranges(b: n.Bounds) -> list[str]:
    rows: list[list[Any]] = [
        ["smin", b.smin_value, b.smin_value == _S64_MIN],
        ["smax", b.smax_value, b.smax_value == _S64_MAX],
        ["umin", b.umin_value, b.umin_value == 0],
        ["umax", b.umax_value, b.umax_value == _U64],
        ["smin32", _s32_shown(b.s32_min_value), b.s32_min_value == _S32_MIN],
        ["smax32", _s32_shown(b.s32_max_value), b.s32_max_value == _S32_MAX],
        ["umin32", b.u32_min_value, b.u32_min_value == 0],
        ["umax32", b.u32_max_value, b.u32_max_value == 0xFFFF_FFFF],
    ]
    out = []
    for i, (name, value, omit) in enumerate(rows):
        if omit:
            continue
        signed = str(name)[0] == "s"
        names = [str(name)]
        for other in rows[i + 2 :: 2]:
            same = int(other[1]) & _U64 == int(value) & _U64
            if other[2] or not same:
                continue
            # negatives and positives are not mixed
            if (str(other[0])[0] == "s" and _s64(int(other[1]) & _U64) < 0) != (signed and _s64(int(value) & _U64) < 0):
                continue
            other[2] = True
            names.append(str(other[0]))
        shown = _snum(_s64(int(value) & _U64)) if signed else _unum(int(value))
        out.append("=".join(names) + "=" + shown)
    return out


def reg_text(reg: RegState, frameno: int, precise: bool = False) -> str:
    """``map_value(map=m,ks=4,vs=8)``: a register as print_reg_state() has it.

    :param frameno: frame of the register, which a stack pointer into another one names.
    """
    t = reg.type
    b = reg.bounds
    const = b.var_off.mask == 0
    text = "P" if precise and t == uapi.SCALAR_VALUE else ""
    if t == uapi.SCALAR_VALUE and const:
        return text + _snum(_s64(b.var_off.value))
    text += reg_type_str(t)
    if t == uapi.PTR_TO_ARENA:
        return text
    if t == uapi.PTR_TO_STACK:
        if reg.frameno != frameno:
            text += f"[{reg.frameno}]"
        if const:
            return text + _snum(_s64((b.var_off.value + reg.off) & _U64))
    base = base_type(t)
    if base == uapi.PTR_TO_BTF_ID:
        text += reg.btf.name_of(reg.btf_id)
    parts = []
    if reg.id:
        delta = f"{reg.off:+d}" if reg.id & BPF_ADD_CONST else ""
        parts.append(f"id={reg.id & ~BPF_ADD_CONST}{delta}")
    if reg.ref_obj_id:
        parts.append(f"ref_obj_id={reg.ref_obj_id}")
    if is_non_owning_ref(t):
        parts.append("non_own_ref")
    if base in _MAPS:
        if reg.map_ptr.name:
            parts.append(f"map={reg.map_ptr.name}")
        parts.append(f"ks={reg.map_ptr.key_size},vs={reg.map_ptr.value_size}")
    if t != uapi.SCALAR_VALUE and reg.off:
        parts.append("off=" + _snum(reg.off))
    if is_pkt_pointer(t):
        parts.append("r=" + _unum(reg.range & _U64))
    if base == uapi.PTR_TO_MEM:
        parts.append("sz=" + _unum(reg.mem_size))
    if t == uapi.CONST_PTR_TO_DYNPTR:
        parts.append(f"type={DYNPTR_NAMES[reg.obj.kind]}")
    if const:
        if b.var_off.value:
            parts.append("imm=" + _snum(_s64(b.var_off.value)))
    else:
        parts += _ranges(b)
        if b.var_off.mask != _U64:
            parts.append("var_off=" + tnum_text(b.var_off))
    return f"{text}({','.join(parts)})"


def iter_name(reg: RegState) -> str:
    """``num`` of ``struct bpf_iter_num``."""
    name: str = reg.obj.btf.name_of(reg.obj.btf_id)
    return name.removeprefix("bpf_iter_")


def _stack_texts(frame: FuncState, only: int, precise: int) -> list[str]:
    out = []
    skip = 0
    for i, slot in enumerate(frame.stack):
        if skip:
            skip -= 1
            continue
        if not only >> i & 1 or slot.types == 0:
            continue
        kinds = [slot.types >> 8 * j & 0xFF for j in range(BPF_REG_SIZE)]
        chars = "".join(_SLOT_CHARS[kind] for kind in kinds)
        name = f" fp{-(i + 1) * BPF_REG_SIZE}="
        reg = slot.reg
        match kinds[7]:
            case uapi.STACK_SPILL:
                shown = chars[: kinds.index(uapi.STACK_SPILL)] + reg_text(reg, frame.frameno, bool(precise >> i & 1))
                out.append(name + shown)
            case uapi.STACK_DYNPTR:
                skip = 1  # to the main slot
                reg = frame.stack[i + 1].reg
                parts = []
                if reg.id:
                    parts.append(f"id={reg.id}")
                if reg.ref_obj_id:
                    parts.append(f"ref_id={reg.ref_obj_id}")
                assert isinstance(reg.obj, Dynptr)
                parts.append("dynptr_id=1")  # the kernel prints first_slot, which shares the memory
                kind = DYNPTR_NAMES[reg.obj.kind]
                out.append(f" fp{-(i + 2) * BPF_REG_SIZE}=dynptr_{kind}({','.join(parts)})")
            case uapi.STACK_ITER:
                if reg.ref_obj_id:
                    state = _ITER_STATES[reg.obj.state]
                    text = f"iter_{iter_name(reg)}(ref_id={reg.ref_obj_id},state={state},depth={reg.obj.depth})"
                    out.append(name + text)
            case _:
                out.append(name + chars)
    return out


def print_verifier_state(
    env: Env, state: VerifierState, frameno: int, print_all: bool, checkpoint: Checkpoint | None = None
) -> None:
    """Write one frame of *state*: all of it, or what the last insn touched.

    :param checkpoint: the precision marks to show.
    """
    frame = state.frames[frameno]
    regs = 0x7FF if print_all else env.scratched_regs
    slots = _U64 if print_all else env.scratched_slots
    precise = checkpoint.precise[frameno] if checkpoint is not None else 0
    precise_slots = checkpoint.precise_slots[frameno] if checkpoint is not None else 0
    if not env.bpf_capable:
        precise = precise_slots = _U64
    out = [f" frame{frame.frameno}:"] if frame.frameno else []
    for i, reg in enumerate(frame.regs):
        if reg.type != uapi.NOT_INIT and regs >> i & 1:
            out.append(f" R{i}=" + reg_text(reg, frame.frameno, bool(precise >> i & 1)))
    out += _stack_texts(frame, slots, precise_slots)
    refs = [str(ref.id) for ref in state.refs if ref.id]
    if refs and state.refs[0].id:
        out.append(" refs=" + ",".join(refs))
    if frame.in_callback_fn:
        out.append(" cb")
    if frame.in_async_callback_fn:
        out.append(" async_cb")
    out.append("\n")
    env.verbose("".join(out))
    if not print_all:
        env.scratched_regs = env.scratched_slots = 0


def print_insn_state(env: Env, state: VerifierState, frameno: int) -> None:
    """Write what the insn that was printed last did to the state, on its line if nothing came between."""
    if env.prev_log_pos and env.prev_log_pos == env.log.pos:
        env.log.reset(env.prev_log_pos - 1)
        pos = env.prev_insn_print_pos
        width = max(pos + _MIN_ALIGNMENT // 2, _ALIGNMENT)
        pad = (width + _MIN_ALIGNMENT - 1) // _MIN_ALIGNMENT * _MIN_ALIGNMENT - pos - 1
        env.verbose(f"{' ':>{pad}};")
    else:
        env.verbose(f"{env.insn_idx}:")
    print_verifier_state(env, state, frameno, False)


def insn_text(env: Env, idx: int) -> str:
    """The disassembly of insn *idx*."""
    rec = env.insns[idx]
    second = env.insns[idx + 1].insn if idx + 1 < len(env.insns) else None
    return disasm(rec.insn, second, _Names(env), env.allow_ptr_leaks)


class _Names:
    # names of kfuncs in disassembly

    def __init__(self, env: Env) -> None:
        self._env = env

    def call(self, insn: Insn) -> str | None:
        if insn.src_reg != uapi.BPF_PSEUDO_KFUNC_CALL:
            return None
        if insn.imm == 0 and insn.off == 0:
            return ""  # a weak one that is not there
        meta = self._env.kfuncs.get((insn.imm, insn.off))
        return meta.name if meta is not None else None

    def imm(self, insn: Insn, value: int) -> str | None:
        return None


def func_name(func_id: int) -> str:
    """``bpf_map_lookup_elem`` for 1 (func_id_name())."""
    return helper_name(func_id) or "unknown"


def verbose_insn(env: Env, idx: int) -> None:
    """Write the disassembly of insn *idx* and a newline."""
    env.verbose(insn_text(env, idx) + "\n")


def find_linfo(env: Env, idx: int) -> LineInfo | None:
    """The source line that insn *idx* belongs to."""
    if not env.line_info or idx >= len(env.insns):
        return None
    at = bisect_right(env.line_info, idx, key=lambda line: line.insn_off)
    return env.line_info[max(at - 1, 0)]


def verbose_linfo(env: Env, idx: int, prefix: str) -> None:
    """Write the source line of insn *idx*, unless it is the one written last."""
    if env.log_level == 0:
        return
    prev = env.prev_linfo
    linfo = find_linfo(env, idx)
    if linfo is None or linfo is prev:
        return
    if prev is not None and linfo.file_name == prev.file_name and linfo.line_num == prev.line_num:
        return
    name = linfo.file_name.rsplit("/", 1)[-1]
    env.verbose(f"{prefix}{linfo.line.lstrip()} @ {name}:{linfo.line_num}\n")
    env.prev_linfo = linfo


def mask_of_regs(mask: int) -> str:
    """``r0,r2`` for 0x5 (fmt_reg_mask())."""
    return ",".join(f"r{i}" for i in range(32) if mask >> i & 1)


def mask_of_slots(mask: int) -> str:
    """``-8,-24`` for 0x5 (bpf_fmt_stack_mask())."""
    return ",".join(str(-(i + 1) * 8) for i in range(64) if mask >> i & 1)
