"""What the verifier knows at an instruction: registers, stack slots, frames, references.

RegState, StackSlot, Reference and the objects on the stack are immutable: who wants another one takes a copy, changes
the copy, and only then stores it in a frame. Frames are shared between states: a fork copies the innermost frame (both
sides are about to write it) and shares the others, which are copied by the first state that writes them
(``VerifierState.own``). What is learnt later about a state that has been kept (precision, whether it was walked to the
end) lies beside it, in its Checkpoint.

::

    slot_type: 8 types, a byte each, in one u64. Byte 7 is the lowest address of the slot:
      fp-8 .. fp-1  =  byte 7 .. byte 0 of stack[0]

:see: include/linux/bpf_verifier.h:struct bpf_reg_state, bpf_stack_state, bpf_func_state, bpf_verifier_state
"""

from __future__ import annotations

from typing import Any

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n

__all__ = [
    "ALL_MISC",
    "ALL_SPILL",
    "ALL_ZERO",
    "AT_PKT_END",
    "BEYOND_PKT_END",
    "BPF_ADD_CONST",
    "BPF_ADD_CONST32",
    "BPF_ADD_CONST64",
    "BPF_MAIN_FUNC",
    "BPF_REG_SIZE",
    "EMPTY_SLOT",
    "INSN_F_DST_REG_STACK",
    "INSN_F_FRAMENO_MASK",
    "INSN_F_SPI_MASK",
    "INSN_F_SPI_SHIFT",
    "INSN_F_SRC_REG_STACK",
    "INSN_F_STACK_ACCESS",
    "MAX_BPF_REG",
    "MAX_BPF_STACK",
    "MAX_CALL_FRAMES",
    "NOT_INIT_REG",
    "S64_SIGN",
    "U32_MASK",
    "U64_MASK",
    "UNKNOWN_REG",
    "ZERO_BOUNDS",
    "Checkpoint",
    "Dynptr",
    "FuncState",
    "Hist",
    "Iter",
    "Reference",
    "RegState",
    "StackSlot",
    "VerifierState",
    "bit",
    "const_reg",
    "copy_reg",
    "is_const_null",
    "is_spilled",
    "is_spilled_scalar",
    "new_frame",
    "new_hist",
    "new_slot",
    "pointer",
    "scalar",
    "slot_byte",
    "slot_with",
    "spi_of",
]

S64_SIGN = 1 << 63
U32_MASK = 0xFFFF_FFFF
U64_MASK = 0xFFFF_FFFF_FFFF_FFFF
MAX_BPF_REG = 11
MAX_BPF_STACK = 512
MAX_CALL_FRAMES = 8
BPF_REG_SIZE = 8
BPF_MAIN_FUNC = -1  # call site of the outermost frame
# in RegState.id: the register is another with this id, plus ``off``, by 64-bit or by 32-bit arithmetic
BPF_ADD_CONST64 = 1 << 31
BPF_ADD_CONST32 = 1 << 30
BPF_ADD_CONST = BPF_ADD_CONST64 | BPF_ADD_CONST32
# in Hist.flags: the insn read or wrote slot spi of frame frameno; operands of a jump are stack pointers
INSN_F_FRAMENO_MASK = 0x7
INSN_F_SPI_MASK = 0x3F
INSN_F_SPI_SHIFT = 3
INSN_F_STACK_ACCESS = 1 << 9
INSN_F_DST_REG_STACK = 1 << 10
INSN_F_SRC_REG_STACK = 1 << 11
AT_PKT_END = -1  # in RegState.range
BEYOND_PKT_END = -2

ALL_SPILL = 0x0101010101010101 * uapi.STACK_SPILL
ALL_MISC = 0x0101010101010101 * uapi.STACK_MISC
ALL_ZERO = 0x0101010101010101 * uapi.STACK_ZERO

ZERO_BOUNDS = n.const(0)
_UNKNOWN = n.unknown()


class Dynptr:
    """The dynptr in a stack slot, or behind a CONST_PTR_TO_DYNPTR."""

    def __init__(self, kind: int, first_slot: bool) -> None:
        self.kind = kind  # enum bpf_dynptr_type
        self.first_slot = first_slot


class Iter:
    """The open-coded iterator in a stack slot."""

    def __init__(self, btf: Any, btf_id: int, state: int, depth: int) -> None:
        self.btf = btf
        self.btf_id = btf_id  # of struct bpf_iter_num and its like
        self.state = state  # enum bpf_iter_state
        self.depth = depth  # iterations walked, only to tell them apart


class RegState:
    """``struct bpf_reg_state``. Made by copy_reg(), pointer() and scalar(); written before it is stored, never after.

    :ivar type: enum bpf_reg_type with flags.
    :ivar off: fixed part of a pointer's offset (s32); with BPF_ADD_CONST in ``id``, the constant of a scalar.
    :ivar bounds: a scalar, or the variable part of a pointer's offset.
    :ivar id: registers with the same id (not 0) hold the same value, or come from the same source.
    :ivar ref_obj_id: the reference the value belongs to, 0 for none.
    :ivar frameno: frame of a PTR_TO_STACK.
    :ivar range: bytes after ``off`` that a packet pointer may access, AT_PKT_END or BEYOND_PKT_END.
    :ivar map_ptr: MapMeta of map pointers, map values and keys; ``map_uid`` tells inner maps apart.
    :ivar btf: Btf of ``btf_id`` (PTR_TO_BTF_ID).
    :ivar mem_size: bytes behind a PTR_TO_MEM; ``dynptr_id`` of the dynptr it is a slice of.
    :ivar obj: Dynptr or Iter of a stack slot; kfunc class (int) of an IRQ flag.
    """

    type: int
    off: int
    bounds: n.Bounds
    id: int
    ref_obj_id: int
    frameno: int
    range: int
    map_ptr: Any
    map_uid: int
    btf: Any
    btf_id: int
    mem_size: int
    dynptr_id: int
    subprogno: int
    obj: Any


def _new_reg(reg_type: int, bounds: n.Bounds) -> RegState:
    r = RegState.__new__(RegState)
    r.type = reg_type
    r.off = 0
    r.bounds = bounds
    r.id = 0
    r.ref_obj_id = 0
    r.frameno = 0
    r.range = 0
    r.map_ptr = None
    r.map_uid = 0
    r.btf = None
    r.btf_id = 0
    r.mem_size = 0
    r.dynptr_id = 0
    r.subprogno = 0
    r.obj = None
    return r


def copy_reg(a: RegState) -> RegState:
    """A copy that may be changed until it is stored."""
    r = RegState.__new__(RegState)
    r.type = a.type
    r.off = a.off
    r.bounds = a.bounds
    r.id = a.id
    r.ref_obj_id = a.ref_obj_id
    r.frameno = a.frameno
    r.range = a.range
    r.map_ptr = a.map_ptr
    r.map_uid = a.map_uid
    r.btf = a.btf
    r.btf_id = a.btf_id
    r.mem_size = a.mem_size
    r.dynptr_id = a.dynptr_id
    r.subprogno = a.subprogno
    r.obj = a.obj
    return r


def pointer(reg_type: int) -> RegState:
    """A new pointer at offset 0."""
    return _new_reg(reg_type, ZERO_BOUNDS)


def scalar(bounds: n.Bounds) -> RegState:
    """A new scalar."""
    return _new_reg(uapi.SCALAR_VALUE, bounds)


def const_reg(value: int) -> RegState:
    """A known scalar (u64)."""
    return _new_reg(uapi.SCALAR_VALUE, n.const(value))


NOT_INIT_REG = _new_reg(uapi.NOT_INIT, _UNKNOWN)
UNKNOWN_REG = _new_reg(uapi.SCALAR_VALUE, _UNKNOWN)


def is_const_null(reg: RegState) -> bool:
    """The scalar 0 (register_is_null())."""
    return reg.type == uapi.SCALAR_VALUE and reg.bounds.var_off.mask == 0 and reg.bounds.var_off.value == 0


class StackSlot:
    """``struct bpf_stack_state``: eight bytes of stack. Immutable.

    :ivar types: enum bpf_stack_slot_type of each byte (see the module).
    :ivar reg: what was spilled, or the object whose bytes these are; NOT_INIT_REG for neither.
    """

    def __init__(self, types: int, reg: RegState) -> None:
        self.types = types
        self.reg = reg


def new_slot(types: int, reg: RegState) -> StackSlot:
    """A slot (compiled: without the price of a constructor)."""
    slot = StackSlot.__new__(StackSlot)
    slot.types = types
    slot.reg = reg
    return slot


EMPTY_SLOT = StackSlot(0, NOT_INIT_REG)


def bit(i: int) -> int:
    """The word in which only bit *i* is set."""
    one = 1
    return one << i


def slot_byte(slot: StackSlot, i: int) -> int:
    """``slot_type[i]``."""
    return (slot.types >> (i << 3)) & 0xFF


def slot_with(types: int, i: int, kind: int) -> int:
    """*types* with ``slot_type[i]`` set to *kind*."""
    byte = 0xFF
    shift = i << 3
    return types & ~(byte << shift) | kind << shift


def is_spilled(slot: StackSlot) -> bool:
    """A register was spilled to the lowest bytes of the slot, at least."""
    return slot.types >> 56 == uapi.STACK_SPILL


def is_spilled_scalar(slot: StackSlot) -> bool:
    """As is_spilled(), and it was a scalar."""
    return slot.types >> 56 == uapi.STACK_SPILL and slot.reg.type == uapi.SCALAR_VALUE


def spi_of(off: int) -> int:
    """Index of the slot of byte *off* (negative) of a frame."""
    return (-off - 1) >> 3  # floor: -1 for an offset above the frame


class Reference:
    """``struct bpf_reference_state``: a resource to give back, a lock held, interrupts off."""

    def __init__(self, kind: int, ref_id: int, insn_idx: int, ptr: object = None) -> None:
        self.type = kind  # enum ref_state_type
        self.id = ref_id
        self.insn_idx = insn_idx
        self.ptr = ptr  # locks: the map or the BTF of the object the lock is in


class Hist:
    """An entry of the jump history, linked to the one before it.

    :ivar idx: insn that was reached from ``prev_idx``.
    :ivar flags: INSN_F_*; ``linked``: registers and slots that had the same id at a jump, as (frameno, regno or spi,
        is_reg).
    :ivar count: entries up to this one.
    """

    count: int

    def __init__(
        self, prev: Hist | None, idx: int, prev_idx: int, flags: int, linked: tuple[tuple[int, int, bool], ...]
    ) -> None:
        self.prev = prev
        self.idx = idx
        self.prev_idx = prev_idx
        self.flags = flags
        self.linked = linked
        self.count = prev.count + 1 if prev is not None else 1


def new_hist(
    prev: Hist | None, idx: int, prev_idx: int, flags: int, linked: tuple[tuple[int, int, bool], ...]
) -> Hist:  # fmt: skip
    """An entry (compiled: without the price of a constructor)."""
    h = Hist.__new__(Hist)
    h.prev = prev
    h.idx = idx
    h.prev_idx = prev_idx
    h.flags = flags
    h.linked = linked
    h.count = prev.count + 1 if prev is not None else 1
    return h


class FuncState:
    """``struct bpf_func_state``: a frame. Written by the one state that owns it, never while ``shared``."""

    regs: list[RegState]
    stack: list[StackSlot]
    callsite: int
    frameno: int
    subprogno: int
    async_entry_cnt: int
    callback_ret_range: tuple[int, int]
    in_callback_fn: bool
    in_async_callback_fn: bool
    in_exception_callback_fn: bool
    callback_depth: int
    shared: bool


def new_frame(callsite: int, frameno: int, subprogno: int) -> FuncState:
    """A frame at the entry of *subprogno*: R10 known, nothing else."""
    f = FuncState.__new__(FuncState)
    fp = pointer(uapi.PTR_TO_STACK)
    fp.frameno = frameno
    f.regs = [NOT_INIT_REG] * (MAX_BPF_REG - 1)
    f.regs.append(fp)
    f.stack = []
    f.callsite = callsite
    f.frameno = frameno
    f.subprogno = subprogno
    f.async_entry_cnt = 0
    f.callback_ret_range = (0, 0)
    f.in_callback_fn = False
    f.in_async_callback_fn = False
    f.in_exception_callback_fn = False
    f.callback_depth = 0
    f.shared = False
    return f


def _copy_frame(a: FuncState) -> FuncState:
    f = FuncState.__new__(FuncState)
    f.regs = a.regs.copy()
    f.stack = a.stack.copy()
    f.callsite = a.callsite
    f.frameno = a.frameno
    f.subprogno = a.subprogno
    f.async_entry_cnt = a.async_entry_cnt
    f.callback_ret_range = a.callback_ret_range
    f.in_callback_fn = a.in_callback_fn
    f.in_async_callback_fn = a.in_async_callback_fn
    f.in_exception_callback_fn = a.in_exception_callback_fn
    f.callback_depth = a.callback_depth
    f.shared = False
    return f


class VerifierState:
    """``struct bpf_verifier_state``. The innermost frame is always this state's own.

    :ivar refs: references in the order they were acquired.
    :ivar first_insn_idx: where the state begins, after its parent; ``last_insn_idx`` the insn before the current one.
    :ivar history: jumps since the parent.
    """

    frames: list[FuncState]
    refs: tuple[Reference, ...]
    active_locks: int
    active_preempt_locks: int
    active_irq_id: int
    active_lock_id: int
    active_lock_ptr: object
    active_rcu_lock: bool
    speculative: bool
    in_sleepable: bool
    insn_idx: int
    first_insn_idx: int
    last_insn_idx: int
    dfs_depth: int
    callback_unroll_depth: int
    may_goto_depth: int
    parent: Checkpoint | None
    history: Hist | None

    @staticmethod
    def entry(frame: FuncState, insn_idx: int, in_sleepable: bool) -> VerifierState:
        """A state of one frame that is about to execute *insn_idx*."""
        s = VerifierState.__new__(VerifierState)
        s.frames = [frame]
        s.refs = ()
        s.active_locks = 0
        s.active_preempt_locks = 0
        s.active_irq_id = 0
        s.active_lock_id = 0
        s.active_lock_ptr = None
        s.active_rcu_lock = False
        s.speculative = False
        s.in_sleepable = in_sleepable
        s.insn_idx = insn_idx
        s.first_insn_idx = insn_idx
        s.last_insn_idx = -1
        s.dfs_depth = 0
        s.callback_unroll_depth = 0
        s.may_goto_depth = 0
        s.parent = None
        s.history = None
        return s

    def fork(self) -> VerifierState:
        """A state equal to this one; either may be changed without the other noticing."""
        s = VerifierState.__new__(VerifierState)
        frames = self.frames.copy()
        for f in frames:
            f.shared = True
        frames[-1] = _copy_frame(frames[-1])
        self.frames[-1].shared = False
        s.frames = frames
        s.refs = self.refs
        s.active_locks = self.active_locks
        s.active_preempt_locks = self.active_preempt_locks
        s.active_irq_id = self.active_irq_id
        s.active_lock_id = self.active_lock_id
        s.active_lock_ptr = self.active_lock_ptr
        s.active_rcu_lock = self.active_rcu_lock
        s.speculative = self.speculative
        s.in_sleepable = self.in_sleepable
        s.insn_idx = self.insn_idx
        s.first_insn_idx = self.first_insn_idx
        s.last_insn_idx = self.last_insn_idx
        s.dfs_depth = self.dfs_depth
        s.callback_unroll_depth = self.callback_unroll_depth
        s.may_goto_depth = self.may_goto_depth
        s.parent = self.parent
        s.history = self.history
        return s

    def cur_frame(self) -> FuncState:
        """The innermost frame."""
        f: FuncState = self.frames[-1]
        return f

    def own(self, frameno: int) -> FuncState:
        """The frame *frameno*, to be written."""
        f = self.frames[frameno]
        if f.shared:
            f = self.frames[frameno] = _copy_frame(f)
        return f

    def pop_frame(self) -> None:
        """Return to the caller."""
        self.frames.pop()
        self.own(len(self.frames) - 1)

    def insn_idx_of(self, frameno: int) -> int:
        """Where the frame stands: the current insn, or the call it waits for (frame_insn_idx())."""
        if frameno == len(self.frames) - 1:
            return self.insn_idx
        f = self.frames[frameno + 1]
        return f.callsite


class Checkpoint:
    """A state kept for pruning, and what is learnt about it after it was kept.

    :ivar branches: paths from here that have not reached the end yet; 0: the state is proven safe.
    :ivar precise: for each frame, the registers (bit n: Rn) whose exact value the safety of a path depends on.
    :ivar precise_slots: the same for spilled registers (bit n: slot n).
    """

    def __init__(self, state: VerifierState) -> None:
        frames = len(state.frames)
        self.state = state
        self.branches = 1
        self.precise = [0] * frames
        self.precise_slots = [0] * frames
        self.cleaned = False
        self.hit_cnt = 0
        self.miss_cnt = 0
        self.in_free_list = False
