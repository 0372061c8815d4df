"""The stack: what may be read and written, what a slot holds afterwards.

Bytes are tracked one by one. A register that is spilled keeps its state in the slot and gets it back when it is filled;
anything else that was stored is MISC, or ZERO when it is known to be. Offsets are from the frame's top, so negative.

:see: kernel/bpf/verifier.c:check_stack_read, check_stack_write, check_stack_range_initialized
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.env import BPF_MAX_VAR_OFF, EACCES, EFAULT, EINVAL
from beespace.verifier.objects import destroy_if_dynptr_stack_slot
from beespace.verifier.precision import mark_chain_precision, push_history, stack_access_flags
from beespace.verifier.printer import tnum_text, verbose_linfo
from beespace.verifier.regtypes import is_spillable
from beespace.verifier.state import (
    BPF_ADD_CONST,
    BPF_REG_SIZE,
    EMPTY_SLOT,
    MAX_BPF_STACK,
    NOT_INIT_REG,
    UNKNOWN_REG,
    FuncState,
    RegState,
    StackSlot,
    bit,
    const_reg,
    copy_reg,
    is_const_null,
    is_spilled,
    is_spilled_scalar,
    new_slot,
    slot_byte,
    slot_with,
    spi_of,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = [
    "RawMode",
    "assign_scalar_id",
    "check_stack_access_within_bounds",
    "check_stack_range_initialized",
    "check_stack_read",
    "check_stack_write",
    "write_stack",
]

_ZERO_REG = const_reg(0)


def check_stack_access_within_bounds(env: Env, regno: int, off: int, size: int, write: bool) -> None:
    """The bytes are inside the frame, which grows to hold them.

    :param off: includes the register's fixed offset.
    """
    reg = env.regs()[regno]
    frame = env.frame_of(reg)
    what = " write to" if write else " read from"
    b = reg.bounds
    const = b.var_off.mask == 0
    if const:
        min_off = b.smin_value + off
        max_off = min_off + size
    else:
        if b.smax_value >= BPF_MAX_VAR_OFF or b.smin_value <= -BPF_MAX_VAR_OFF:
            env.reject(EACCES, f"invalid unbounded variable-offset{what} stack R{regno}")
        min_off = b.smin_value + off
        max_off = b.smax_value + off + size
    lowest = -MAX_BPF_STACK if write or env.allow_uninit_stack else -len(frame.stack) * BPF_REG_SIZE
    err = 0
    if min_off < lowest or min_off > -1:
        err = EACCES
    elif max_off > 0:
        err = EINVAL
    elif size < 0:
        err = EFAULT
    if err:
        if const:
            env.reject(err, f"invalid{what} stack R{regno} off={off} size={size}")
        var_off = tnum_text(b.var_off)
        env.reject(err, f"invalid variable-offset{what} stack R{regno} var_off={var_off} off={off} size={size}")
    _grow(env, reg.frameno, -min_off)


def _grow(env: Env, frameno: int, size: int) -> None:
    slots = (size + BPF_REG_SIZE - 1) // BPF_REG_SIZE
    frame = env.cur.frames[frameno]
    if len(frame.stack) >= slots:
        return
    frame = env.cur.own(frameno)
    frame.stack += [EMPTY_SLOT] * (slots - len(frame.stack))
    sub = env.subprogs[frame.subprogno]
    sub.stack_depth = max(sub.stack_depth, slots * BPF_REG_SIZE)


def _check_fastcall_contract(env: Env, frame: FuncState, insn_idx: int, off: int) -> None:
    # Spills around fast calls may be removed only if nothing else uses their slots.
    sub = env.subprogs[frame.subprogno]
    if sub.fastcall_stack_off <= off:
        return
    rec = env.insns[insn_idx]
    if rec.fastcall_pattern:
        return
    sub.fastcall_stack_off = -0x8000
    for rec in env.insns[sub.start : sub.end]:
        rec.fastcall_spills_num = 0
        rec.fastcall_pattern = False


def assign_scalar_id(env: Env, regs: list[RegState], regno: int) -> RegState:
    """Before Rn is copied: give it an id that tells that the copies are equal.

    :return: Rn, which may be a new register.
    :see: kernel/bpf/verifier.c:assign_scalar_id_before_mov
    """
    reg = regs[regno]
    if reg.type != uapi.SCALAR_VALUE:
        return reg
    if reg.id & BPF_ADD_CONST:
        reg = copy_reg(reg)
        reg.id = 0
        reg.off = 0
        regs[regno] = reg
    if not reg.id and reg.bounds.var_off.mask:
        reg = copy_reg(reg)
        reg.id = env.new_id()
        regs[regno] = reg
    return reg


# -- writing ----------------------------------------------------------------------------------------------------------


def check_stack_write(env: Env, regno: int, off: int, size: int, value_regno: int) -> None:
    """May Rvalue be stored at Rn + *off*? The bytes are known to be inside the frame."""
    reg = env.regs()[regno]
    if reg.bounds.var_off.mask == 0:
        _check_write_fixed(env, reg.frameno, off + reg.bounds.smin_value, size, value_regno)
    else:
        b = reg.bounds
        _check_write_var(env, reg.frameno, b.smin_value + off, b.smax_value + off + size)


def _check_write_fixed(env: Env, frameno: int, off: int, size: int, value_regno: int) -> None:
    frame = env.cur.frames[frameno]
    slot = frame.stack[spi_of(off)]
    if not env.allow_ptr_leaks and is_spilled(slot) and not is_spilled_scalar(slot) and size != BPF_REG_SIZE:
        env.reject(EACCES, "attempt to corrupt spilled pointer on stack")
    if not env.bypass_spec_v4:
        reg = env.regs()[value_regno] if value_regno >= 0 else None
        plain = True
        for i in range(size):
            plain = plain and slot_byte(slot, i) in (uapi.STACK_MISC, uapi.STACK_ZERO)
        if not plain or (reg is not None and is_spillable(reg.type)):
            env.insns[env.insn_idx].nospec_result = True


def _check_write_var(env: Env, frameno: int, min_off: int, max_off: int) -> None:
    frame = env.cur.frames[frameno]
    for off in range(min_off, max_off):
        slot = frame.stack[spi_of(off)]
        kind = slot_byte(slot, (-off - 1) % BPF_REG_SIZE)
        if not env.allow_ptr_leaks and kind not in (uapi.STACK_MISC, uapi.STACK_ZERO):
            env.refuse_at_line_end(
                EINVAL, f"spilled ptr in range of var-offset stack write; insn {env.insn_idx}, ptr off: {off}"
            )
        if kind == uapi.STACK_INVALID and not env.allow_uninit_stack:
            env.refuse_at_line_end(
                EINVAL,
                f"uninit stack in range of var-offset write prohibited for !root; insn {env.insn_idx}, off: {off}",
            )


def write_stack(env: Env, regno: int, off: int, size: int, value_regno: int) -> None:
    """Store Rvalue (-1: the immediate of the insn, or something unknown) at Rn + *off*."""
    reg = env.regs()[regno]
    if reg.bounds.var_off.mask == 0:
        _write_fixed(env, reg.frameno, off + reg.bounds.smin_value, size, value_regno)
    else:
        b = reg.bounds
        _write_var(env, reg.frameno, b.smin_value + off, b.smax_value + off + size, value_regno)


def _stored_imm(env: Env) -> int | None:
    # what BPF_ST stores
    rec = env.insns[env.insn_idx]
    return rec.value if rec.cls == uapi.BPF_ST and rec.mode == uapi.BPF_MEM else None


def _write_fixed(env: Env, frameno: int, off: int, size: int, value_regno: int) -> None:
    spi = spi_of(off)
    aligned = off % BPF_REG_SIZE == 0
    regs = env.regs()
    reg = regs[value_regno] if value_regno >= 0 else None
    frame = env.cur.frames[frameno]
    old = frame.stack[spi]
    if old.types & 0xFF == uapi.STACK_DYNPTR:
        destroy_if_dynptr_stack_slot(env, frameno, spi)
    if aligned and size == BPF_REG_SIZE:
        liveness = env.liveness
        liveness.mark_write(frameno, bit(spi))
    frame = env.cur.own(frameno)
    _check_fastcall_contract(env, frame, env.insn_idx, off)
    env.scratched_slots |= bit(spi)
    imm = _stored_imm(env) if reg is None else None
    if reg is not None and aligned and reg.type == uapi.SCALAR_VALUE and env.bpf_capable:
        fits = n.reg_width(reg.bounds) <= 8 * size
        if fits:
            reg = assign_scalar_id(env, regs, value_regno)
        elif reg.id:
            reg = copy_reg(reg)
            reg.id = 0
        _spill(frame, spi, reg, size)
    elif imm is not None and aligned and env.bpf_capable:
        _spill(frame, spi, const_reg(imm), size)
    elif reg is not None and is_spillable(reg.type):
        if size != BPF_REG_SIZE:
            verbose_linfo(env, env.insn_idx, "; ")
            env.reject(EACCES, "invalid size of register spill")
        if frameno != len(env.cur.frames) - 1 and reg.type == uapi.PTR_TO_STACK:
            env.reject(EINVAL, "cannot spill pointers to stack into stack frame of the caller")
        _spill(frame, spi, reg, size)
    else:
        _write_bytes(env, frame, off, size, value_regno, imm)
        return
    push_history(env, stack_access_flags(frameno, spi))


def _spill(frame: FuncState, spi: int, reg: RegState, size: int) -> None:
    slot = frame.stack[spi]
    types = slot.types
    for i in range(BPF_REG_SIZE):
        kind = types >> (i << 3) & 0xFF
        if i >= BPF_REG_SIZE - size:
            types = slot_with(types, i, uapi.STACK_SPILL)
        elif kind not in (uapi.STACK_ZERO, uapi.STACK_INVALID):
            types = slot_with(types, i, uapi.STACK_MISC)
    frame.stack[spi] = new_slot(types, reg)


def _scrub(types: int) -> int:
    # bytes of a register or object that is no more
    for i in range(BPF_REG_SIZE):
        if types >> (i << 3) & 0xFF != uapi.STACK_INVALID:
            types = slot_with(types, i, uapi.STACK_MISC)
    return types


def _write_bytes(env: Env, frame: FuncState, off: int, size: int, value_regno: int, imm: int | None) -> None:
    spi = spi_of(off)
    slot = frame.stack[spi]
    types = slot.types
    if types >> 56 in (uapi.STACK_SPILL, uapi.STACK_DYNPTR, uapi.STACK_ITER, uapi.STACK_IRQ_FLAG):
        types = _scrub(types)
    kind = uapi.STACK_MISC
    reg = env.regs()[value_regno] if value_regno >= 0 else None
    if (reg is not None and is_const_null(reg)) or imm == 0:
        # that it is zero is relied upon from here on
        if value_regno >= 0:
            mark_chain_precision(env, value_regno)
        kind = uapi.STACK_ZERO
    first = -off - 1
    for i in range(size):
        types = slot_with(types, (first - i) % BPF_REG_SIZE, kind)
    frame.stack[spi] = new_slot(types, NOT_INIT_REG)


def _write_var(env: Env, frameno: int, min_off: int, max_off: int, value_regno: int) -> None:
    # Any of the bytes may be written, none is known to be.
    imm = _stored_imm(env) if value_regno < 0 else None
    reg = env.regs()[value_regno] if value_regno >= 0 else None
    zero = imm == 0 or (reg is not None and is_const_null(reg))
    zero_used = False
    for off in range(min_off, max_off):
        destroy_if_dynptr_stack_slot(env, frameno, spi_of(off))
    frame = env.cur.own(frameno)
    _check_fastcall_contract(env, frame, env.insn_idx, min_off)
    for off in range(min_off, max_off):
        spi = spi_of(off)
        slot = frame.stack[spi]
        i = (-off - 1) % BPF_REG_SIZE
        kind = slot_byte(slot, i)
        env.scratched_slots |= bit(spi)
        if zero and kind == uapi.STACK_SPILL and is_spilled_scalar(slot) and is_const_null(slot.reg):
            zero_used = True
            continue
        if zero and kind == uapi.STACK_ZERO:
            zero_used = True
            new = uapi.STACK_ZERO
        else:
            new = uapi.STACK_MISC
        types = _scrub(slot.types) if is_spilled(slot) else slot.types
        frame.stack[spi] = new_slot(slot_with(types, i, new), NOT_INIT_REG)
    if zero_used and value_regno >= 0:
        mark_chain_precision(env, value_regno)


# -- reading ----------------------------------------------------------------------------------------------------------


def check_stack_read(env: Env, regno: int, off: int, size: int, value_regno: int) -> RegState | None:
    """May *size* bytes at Rn + *off* be read into a register (-1: to be used otherwise)? What it then holds."""
    reg = env.regs()[regno]
    if reg.bounds.var_off.mask == 0:
        return _read_fixed(env, reg.frameno, off + reg.bounds.smin_value, size, value_regno)
    if value_regno < 0:
        var_off = tnum_text(reg.bounds.var_off)
        env.reject(
            EACCES,
            "variable offset stack pointer cannot be passed into helper function; "
            f"var_off={var_off} off={off} size={size}",
        )
    check_stack_range_initialized(env, regno, off, size, False, False, None)
    min_off, max_off = reg.bounds.smin_value + off, reg.bounds.smax_value + off
    value = _read_bytes(env, env.frame_of(reg), min_off, max_off + size)
    _check_fastcall_contract(env, env.frame_of(reg), env.insn_idx, min_off)
    return value


def _read_bytes(env: Env, frame: FuncState, min_off: int, max_off: int) -> RegState:
    # mark_reg_stack_read(): zero if all bytes are
    for off in range(min_off, max_off):
        spi = spi_of(off)
        env.scratched_slots |= bit(spi)
        slot = frame.stack[spi]
        if slot_byte(slot, (-off - 1) % BPF_REG_SIZE) != uapi.STACK_ZERO:
            return UNKNOWN_REG
    return _ZERO_REG


def _read_fixed(env: Env, frameno: int, off: int, size: int, value_regno: int) -> RegState | None:
    frame = env.cur.frames[frameno]
    spi = spi_of(off)
    slot = frame.stack[spi]
    env.scratched_slots |= bit(spi)
    _check_fastcall_contract(env, env.frame(), env.insn_idx, off)
    liveness = env.liveness
    liveness.mark_read(frameno, env.insn_idx, bit(spi))
    if not is_spilled(slot):
        _check_bytes(env, slot, off, size, False)
        return _read_bytes(env, frame, off, off + size) if value_regno >= 0 else None
    reg = slot.reg
    spill_size = 1
    while spill_size < BPF_REG_SIZE and slot_byte(slot, BPF_REG_SIZE - 1 - spill_size) == uapi.STACK_SPILL:
        spill_size += 1
    if size == BPF_REG_SIZE and spill_size == BPF_REG_SIZE:
        if value_regno < 0 and not env.allow_ptr_leaks and reg.type != uapi.SCALAR_VALUE:
            env.reject(EACCES, f"leaking pointer from stack off {off}")
        push_history(env, stack_access_flags(frameno, spi))
        return reg
    if reg.type != uapi.SCALAR_VALUE:
        verbose_linfo(env, env.insn_idx, "; ")
        env.reject(EACCES, "invalid size of register fill")
    if value_regno < 0:
        return None
    if size <= spill_size and off % BPF_REG_SIZE == 0:
        if n.reg_width(reg.bounds) > 8 * size and reg.id:
            reg = copy_reg(reg)
            reg.id = 0
        push_history(env, stack_access_flags(frameno, spi))
        return reg
    return _read_parts(env, frameno, spi, slot, off, size)


def _check_bytes(env: Env, slot: StackSlot, off: int, size: int, spill_ok: bool) -> None:
    first = -off - 1
    for i in range(size):
        kind = slot_byte(slot, (first - i) % BPF_REG_SIZE)
        if kind in (uapi.STACK_MISC, uapi.STACK_ZERO) or (spill_ok and kind == uapi.STACK_SPILL):
            continue
        if kind == uapi.STACK_INVALID and env.allow_uninit_stack:
            continue
        env.reject(EACCES, f"invalid read from stack off {off}+{i} size {size}")


def _read_parts(env: Env, frameno: int, spi: int, slot: StackSlot, off: int, size: int) -> RegState:
    # Not what was spilled, but some of its bytes, and perhaps others.
    _check_bytes(env, slot, off, size, True)
    first = -off - 1
    spilled = zero = True
    for i in range(size):
        kind = slot_byte(slot, (first - i) % BPF_REG_SIZE)
        spilled = spilled and kind == uapi.STACK_SPILL
        zero = zero and kind == uapi.STACK_ZERO
    if spilled and is_const_null(slot.reg):
        push_history(env, stack_access_flags(frameno, spi))
        return _ZERO_REG
    if zero:
        return _ZERO_REG
    return UNKNOWN_REG


class RawMode:
    """A helper fills the buffer: it need not be initialised (meta->raw_mode).

    :ivar regno: once checked, the register; ``access_size`` the bytes the helper writes.
    """

    def __init__(self) -> None:
        self.regno = -1
        self.access_size = 0


def check_stack_range_initialized(
    env: Env, regno: int, off: int, size: int, zero_size_allowed: bool, write: bool, raw: RawMode | None
) -> None:
    """May something else than a load or store access *size* bytes at Rn + *off*? What it writes is MISC afterwards."""
    reg = env.regs()[regno]
    frameno = reg.frameno
    if size == 0 and not zero_size_allowed:
        env.reject(EACCES, "invalid zero-sized read")
    check_stack_access_within_bounds(env, regno, off, size, write)
    b = reg.bounds
    if b.var_off.mask == 0:
        min_off = max_off = b.smin_value + off
    else:
        if not env.bypass_spec_v1:
            var_off = tnum_text(b.var_off)
            env.reject(EACCES, f"R{regno} variable offset stack access prohibited for !root, var_off={var_off}")
        raw = None
        min_off, max_off = b.smin_value + off, b.smax_value + off
    if raw is not None:
        _check_raw(env, env.cur.frames[frameno], min_off, max_off + size)
        raw.regno = regno
        raw.access_size = size
        return
    liveness = env.liveness
    for at in range(min_off, max_off + size):
        _access_byte(env, reg, regno, at, min_off, size, write)
        liveness.mark_read(frameno, env.insn_idx, bit(spi_of(at)))


def _check_raw(env: Env, frame: FuncState, min_off: int, end: int) -> None:
    for at in range(min_off, end):
        spi = spi_of(at)
        if spi >= len(frame.stack):
            continue
        slot = frame.stack[spi]
        if slot_byte(slot, (-at - 1) % BPF_REG_SIZE) == uapi.STACK_DYNPTR:
            env.reject(EACCES, f"potential write to dynptr at off={at} disallowed")


def _access_byte(env: Env, ptr: RegState, regno: int, at: int, min_off: int, size: int, write: bool) -> None:
    frame = env.cur.frames[ptr.frameno]
    spi = spi_of(at)
    if spi >= len(frame.stack):
        env.reject(EFAULT, "allocated_stack too small")
    slot = frame.stack[spi]
    i = (-at - 1) % BPF_REG_SIZE
    kind = slot_byte(slot, i)
    if kind == uapi.STACK_MISC:
        return
    if kind == uapi.STACK_ZERO or (kind == uapi.STACK_INVALID and env.allow_uninit_stack):
        if write:
            frame = env.cur.own(ptr.frameno)
            frame.stack[spi] = new_slot(slot_with(slot.types, i, uapi.STACK_MISC), slot.reg)
        return
    if is_spilled(slot) and (slot.reg.type == uapi.SCALAR_VALUE or env.allow_ptr_leaks):
        if write:
            frame = env.cur.own(ptr.frameno)
            frame.stack[spi] = new_slot(_scrub(slot.types), UNKNOWN_REG)
        return
    if ptr.bounds.var_off.mask == 0:
        env.reject(EACCES, f"invalid read from stack R{regno} off {min_off}+{at - min_off} size {size}")
    var_off = tnum_text(ptr.bounds.var_off)
    env.reject(EACCES, f"invalid read from stack R{regno} var_off {var_off}+{at - min_off} size {size}")
