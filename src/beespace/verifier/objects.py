"""Objects on the stack that only the kernel writes: dynptrs, open-coded iterators, saved interrupt flags.

:see: kernel/bpf/verifier.c:mark_stack_slots_dynptr, mark_stack_slots_iter, mark_stack_slot_irq_flag
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beespace.uapi import bpf as uapi
from beespace.verifier.env import EINVAL
from beespace.verifier.refs import (
    acquire_irq_state,
    acquire_reference,
    invalid_reg,
    map_regs,
    release_irq_state,
    release_reference,
)
from beespace.verifier.regtypes import DYNPTR_TYPE_FLAG_MASK
from beespace.verifier.state import (
    BPF_REG_SIZE,
    EMPTY_SLOT,
    Dynptr,
    Iter,
    RegState,
    StackSlot,
    copy_reg,
    pointer,
    slot_byte,
    spi_of,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = [
    "DYNPTR_SLOTS",
    "arg_to_dynptr_type",
    "destroy_if_dynptr_stack_slot",
    "dynptr_reg",
    "dynptr_spi",
    "dynptr_type_flag",
    "dynptr_type_refcounted",
    "is_dynptr_expected",
    "is_dynptr_valid_init",
    "is_dynptr_valid_uninit",
    "is_irq_flag_valid_init",
    "is_irq_flag_valid_uninit",
    "is_iter_valid_init",
    "is_iter_valid_uninit",
    "iter_spi",
    "mark_object_read",
    "mark_stack_slot_irq_flag",
    "mark_stack_slots_dynptr",
    "mark_stack_slots_iter",
    "new_dynptr_reg",
    "set_iter_state",
    "unmark_stack_slot_irq_flag",
    "unmark_stack_slots_dynptr",
    "unmark_stack_slots_iter",
]

DYNPTR_SLOTS = 2
_ALL_DYNPTR = 0x0101010101010101 * uapi.STACK_DYNPTR
_ALL_ITER = 0x0101010101010101 * uapi.STACK_ITER
_ALL_IRQ_FLAG = 0x0101010101010101 * uapi.STACK_IRQ_FLAG
OUT_OF_STACK = -1000  # -ERANGE of stack_slot_obj_get_spi(): not in the slots the frame has so far
_DYNPTR_TYPES = {
    uapi.DYNPTR_TYPE_LOCAL: uapi.BPF_DYNPTR_TYPE_LOCAL,
    uapi.DYNPTR_TYPE_RINGBUF: uapi.BPF_DYNPTR_TYPE_RINGBUF,
    uapi.DYNPTR_TYPE_SKB: uapi.BPF_DYNPTR_TYPE_SKB,
    uapi.DYNPTR_TYPE_XDP: uapi.BPF_DYNPTR_TYPE_XDP,
    uapi.DYNPTR_TYPE_SKB_META: uapi.BPF_DYNPTR_TYPE_SKB_META,
}


def _object_spi(env: Env, reg: RegState, kind: str, slots: int) -> int:
    # Slot of the object that reg points to; negative: it cannot be one, the log says why (or OUT_OF_STACK).
    if reg.bounds.var_off.mask:
        env.verbose(f"{kind} has to be at a constant offset\n")
        return -EINVAL
    off = reg.off + reg.bounds.smin_value
    spi = spi_of(off)
    if off % BPF_REG_SIZE or spi + 1 < slots:
        env.verbose(f"cannot pass in {kind} at an offset={off}\n")
        return -EINVAL
    if spi - slots + 1 < 0 or spi >= len(env.frame_of(reg).stack):
        return OUT_OF_STACK
    return spi


# -- dynptrs ----------------------------------------------------------------------------------------------------------


def dynptr_spi(env: Env, reg: RegState) -> int:
    """Main slot of the dynptr that a stack pointer points to; negative for none."""
    return _object_spi(env, reg, "dynptr", DYNPTR_SLOTS)


def iter_spi(env: Env, reg: RegState, slots: int) -> int:
    """Main slot of an iterator of *slots* slots; negative for none."""
    return _object_spi(env, reg, "iter", slots)


def arg_to_dynptr_type(arg_type: int) -> int:
    """The enum bpf_dynptr_type that DYNPTR_TYPE_* flags stand for."""
    return _DYNPTR_TYPES.get(arg_type & DYNPTR_TYPE_FLAG_MASK, uapi.BPF_DYNPTR_TYPE_INVALID)


def dynptr_type_flag(kind: int) -> int:
    """The DYNPTR_TYPE_* flag of an enum bpf_dynptr_type."""
    return next((flag for flag, value in _DYNPTR_TYPES.items() if value == kind), 0)


def dynptr_type_refcounted(kind: int) -> bool:
    """Has to be given back."""
    return kind == uapi.BPF_DYNPTR_TYPE_RINGBUF


def new_dynptr_reg(kind: int, first_slot: bool, dynptr_id: int) -> RegState:
    """What stands for a dynptr, in a slot or in a register of a callback."""
    reg = pointer(uapi.CONST_PTR_TO_DYNPTR)
    reg.id = dynptr_id
    reg.dynptr_id = int(first_slot)  # where the kernel keeps first_slot: the log shows it
    reg.obj = Dynptr(kind, first_slot)
    return reg


def mark_stack_slots_dynptr(env: Env, reg: RegState, arg_type: int, insn_idx: int, clone_ref_obj_id: int) -> None:
    """A call makes a dynptr where *reg* points to."""
    spi = dynptr_spi(env, reg)
    if spi < 0:
        env.refuse(EINVAL, env.log.last_line())
    frameno = reg.frameno
    destroy_if_dynptr_stack_slot(env, frameno, spi)
    destroy_if_dynptr_stack_slot(env, frameno, spi - 1)
    kind = arg_to_dynptr_type(arg_type)
    if kind == uapi.BPF_DYNPTR_TYPE_INVALID:
        env.refuse(EINVAL, "")
    dynptr_id = env.new_id()
    first, second = new_dynptr_reg(kind, True, dynptr_id), new_dynptr_reg(kind, False, dynptr_id)
    if dynptr_type_refcounted(kind):
        first.ref_obj_id = second.ref_obj_id = clone_ref_obj_id or acquire_reference(env, insn_idx)
    frame = env.cur.own(frameno)
    frame.stack[spi] = StackSlot(_ALL_DYNPTR, first)
    frame.stack[spi - 1] = StackSlot(_ALL_DYNPTR, second)
    env.liveness.mark_write(frameno, 3 << spi - 1)


def _invalidate_dynptr(env: Env, frameno: int, spi: int) -> None:
    frame = env.cur.own(frameno)
    frame.stack[spi] = frame.stack[spi - 1] = EMPTY_SLOT
    env.liveness.mark_write(frameno, 3 << spi - 1)


def unmark_stack_slots_dynptr(env: Env, reg: RegState) -> bool:
    """A call gives a dynptr back; False if there is none."""
    spi = dynptr_spi(env, reg)
    if spi < 0:
        return False
    frameno = reg.frameno
    slot = env.frame_of(reg).stack[spi].reg
    if not dynptr_type_refcounted(slot.obj.kind):
        _invalidate_dynptr(env, frameno, spi)
        return True
    ref_obj_id = slot.ref_obj_id
    release_reference(env, ref_obj_id)
    stack = env.cur.frames[frameno].stack
    for i in range(1, len(stack)):
        other = env.cur.frames[frameno].stack[i]
        if other.reg.ref_obj_id != ref_obj_id:
            continue
        if other.types & 0xFF != uapi.STACK_DYNPTR:
            env.bug("misconfigured ref_obj_id")
        if other.reg.obj.first_slot:
            _invalidate_dynptr(env, frameno, i)
    return True


def destroy_if_dynptr_stack_slot(env: Env, frameno: int, spi: int) -> None:
    """Writing to a slot of a dynptr destroys the dynptr, and its slices with it."""
    frame = env.cur.frames[frameno]
    if frame.stack[spi].types & 0xFF != uapi.STACK_DYNPTR:
        return
    if not frame.stack[spi].reg.obj.first_slot:
        spi += 1
    reg = frame.stack[spi].reg
    if dynptr_type_refcounted(reg.obj.kind):
        env.reject(EINVAL, "cannot overwrite referenced dynptr")
    env.scratched_slots |= 3 << spi - 1
    dynptr_id = reg.id
    gone = invalid_reg(env)
    slices = (uapi.PTR_TO_MEM, uapi.PTR_TO_MEM | uapi.PTR_MAYBE_NULL)
    map_regs(env.cur, lambda r: gone if r.type in slices and r.dynptr_id == dynptr_id else r)
    _invalidate_dynptr(env, frameno, spi)


def is_dynptr_valid_uninit(env: Env, reg: RegState) -> bool:
    """May a dynptr be made there?"""
    if reg.type == uapi.CONST_PTR_TO_DYNPTR:
        return False
    spi = dynptr_spi(env, reg)
    return spi >= 0 or spi == OUT_OF_STACK


def is_dynptr_valid_init(env: Env, reg: RegState) -> bool:
    """Is there a dynptr?"""
    if reg.type == uapi.CONST_PTR_TO_DYNPTR:
        return True
    spi = dynptr_spi(env, reg)
    if spi < 0:
        return False
    stack = env.frame_of(reg).stack
    obj = stack[spi].reg.obj
    if not isinstance(obj, Dynptr) or not obj.first_slot:
        return False
    return stack[spi].types == _ALL_DYNPTR and stack[spi - 1].types == _ALL_DYNPTR


def dynptr_reg(env: Env, reg: RegState) -> RegState | None:
    """What stands for the dynptr that *reg* points to: itself, or the main slot."""
    if reg.type == uapi.CONST_PTR_TO_DYNPTR:
        return reg
    spi = dynptr_spi(env, reg)
    return env.frame_of(reg).stack[spi].reg if spi >= 0 else None


def is_dynptr_expected(env: Env, reg: RegState, arg_type: int) -> bool:
    """Is the dynptr of the type that the argument demands?"""
    if arg_type == uapi.ARG_PTR_TO_DYNPTR:
        return True
    found = dynptr_reg(env, reg)
    return found is not None and found.obj.kind == arg_to_dynptr_type(arg_type)


def mark_object_read(env: Env, reg: RegState, spi: int, slots: int) -> None:
    """A call looks at the object in *slots* slots from *spi* down."""
    for i in range(slots):
        env.liveness.mark_read(reg.frameno, env.insn_idx, 1 << spi - i)
        env.scratched_slots |= 1 << spi - i


# -- iterators --------------------------------------------------------------------------------------------------------


def mark_stack_slots_iter(
    env: Env, reg: RegState, insn_idx: int, btf: Any, btf_id: int, slots: int, rcu_protected: bool
) -> None:
    """``bpf_iter_*_new()``: an iterator begins."""
    spi = iter_spi(env, reg, slots)
    if spi < 0:
        env.refuse(EINVAL, env.log.last_line())
    ref_id = acquire_reference(env, insn_idx)
    frame = env.cur.own(reg.frameno)
    for i in range(slots):
        st = pointer(uapi.PTR_TO_STACK)
        if rcu_protected:
            st.type |= uapi.MEM_RCU if env.in_rcu_cs() else uapi.PTR_UNTRUSTED
        st.ref_obj_id = ref_id if i == 0 else 0
        st.obj = Iter(btf, btf_id, uapi.BPF_ITER_STATE_ACTIVE, 0)
        frame.stack[spi - i] = StackSlot(_ALL_ITER, st)
        env.liveness.mark_write(reg.frameno, 1 << spi - i)
        env.scratched_slots |= 1 << spi - i


def unmark_stack_slots_iter(env: Env, reg: RegState, slots: int) -> None:
    """``bpf_iter_*_destroy()``."""
    spi = iter_spi(env, reg, slots)
    if spi < 0:
        env.refuse(EINVAL, env.log.last_line())
    release_reference(env, env.frame_of(reg).stack[spi].reg.ref_obj_id)
    frame = env.cur.own(reg.frameno)
    for i in range(slots):
        frame.stack[spi - i] = EMPTY_SLOT
        env.liveness.mark_write(reg.frameno, 1 << spi - i)
        env.scratched_slots |= 1 << spi - i


def is_iter_valid_uninit(env: Env, reg: RegState, slots: int) -> bool:
    """May an iterator be made there?"""
    spi = iter_spi(env, reg, slots)
    if spi == OUT_OF_STACK:
        return True
    if spi < 0:
        return False
    stack = env.frame_of(reg).stack
    return not any(
        slot_byte(stack[spi - i], j) == uapi.STACK_ITER for i in range(slots) for j in range(BPF_REG_SIZE)
    )  # fmt: skip


def is_iter_valid_init(env: Env, reg: RegState, btf: Any, btf_id: int, slots: int) -> str:
    """Is there an iterator of this type? "" or why not: "none", "rcu" (it needs an RCU critical section)."""
    spi = iter_spi(env, reg, slots)
    if spi < 0:
        return "none"
    stack = env.frame_of(reg).stack
    for i in range(slots):
        slot = stack[spi - i]
        st = slot.reg
        if st.type & uapi.PTR_UNTRUSTED:
            return "rcu"
        if (i == 0) != (st.ref_obj_id != 0):
            return "none"
        if not isinstance(st.obj, Iter) or st.obj.btf is not btf or st.obj.btf_id != btf_id:
            return "none"
        if slot.types != _ALL_ITER:
            return "none"
    return ""


# -- saved interrupt flags --------------------------------------------------------------------------------------------


def _irq_flag_spi(env: Env, reg: RegState) -> int:
    return _object_spi(env, reg, "irq_flag", 1)


def mark_stack_slot_irq_flag(env: Env, reg: RegState, insn_idx: int, kfunc_class: int) -> None:
    """Interrupts are switched off, their state saved where *reg* points to."""
    spi = _irq_flag_spi(env, reg)
    if spi < 0:
        env.refuse(EINVAL, env.log.last_line())
    st = pointer(uapi.PTR_TO_STACK)
    st.ref_obj_id = acquire_irq_state(env, insn_idx)
    st.obj = kfunc_class
    env.liveness.mark_write(reg.frameno, 1 << spi)
    env.cur.own(reg.frameno).stack[spi] = StackSlot(_ALL_IRQ_FLAG, st)
    env.scratched_slots |= 1 << spi


def unmark_stack_slot_irq_flag(env: Env, reg: RegState, kfunc_class: int) -> None:
    """Interrupts are restored."""
    spi = _irq_flag_spi(env, reg)
    if spi < 0:
        env.refuse(EINVAL, env.log.last_line())
    st = env.frame_of(reg).stack[spi].reg
    if st.obj != kfunc_class:
        names = {uapi.IRQ_NATIVE_KFUNC: "native", uapi.IRQ_LOCK_KFUNC: "lock"}
        env.reject(
            EINVAL,
            f"irq flag acquired by {names[st.obj]} kfuncs cannot be restored with {names[kfunc_class]} kfuncs",
        )
    cur = env.cur
    if not release_irq_state(cur, st.ref_obj_id):
        at = next((ref.insn_idx for ref in cur.refs if ref.id == cur.active_irq_id), 0)
        env.reject(
            13, f"cannot restore irq state out of order, expected id={cur.active_irq_id} acquired at insn_idx={at}"
        )
    env.liveness.mark_write(reg.frameno, 1 << spi)
    cur.own(reg.frameno).stack[spi] = EMPTY_SLOT
    env.scratched_slots |= 1 << spi


def is_irq_flag_valid_uninit(env: Env, reg: RegState) -> bool:
    """May a flag be saved there?"""
    spi = _irq_flag_spi(env, reg)
    if spi == OUT_OF_STACK:
        return True
    if spi < 0:
        return False
    slot = env.frame_of(reg).stack[spi]
    return not any(slot_byte(slot, i) == uapi.STACK_IRQ_FLAG for i in range(BPF_REG_SIZE))


def is_irq_flag_valid_init(env: Env, reg: RegState) -> int:
    """Slot of the saved flag, negative for none."""
    spi = _irq_flag_spi(env, reg)
    if spi < 0:
        return -1
    slot = env.frame_of(reg).stack[spi]
    return spi if slot.reg.ref_obj_id and slot.types == _ALL_IRQ_FLAG else -1


def set_iter_state(env: Env, state: Any, frameno: int, spi: int, iter_state: int, deeper: bool) -> None:
    """Change the state of the iterator in slot *spi*."""
    frame = state.own(frameno)
    slot = frame.stack[spi]
    st = copy_reg(slot.reg)
    old = slot.reg.obj
    st.obj = Iter(old.btf, old.btf_id, iter_state, old.depth + deeper)
    frame.stack[spi] = StackSlot(slot.types, st)
