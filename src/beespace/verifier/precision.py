"""Precision: which scalars the safety of a path depends on, found by walking the path back.

A state may be pruned by an older one although their scalars differ, as long as no value that matters differs. Which
values matter is known only later, when a scalar is used as an offset, a size, a decided jump. mark_chain_precision()
then goes back over the instructions of the path, through all checkpoints on it, and marks in each the registers and
stack slots that the value came from. Current states carry no marks: only checkpoints are compared with.

:see: kernel/bpf/verifier.c:__mark_chain_precision, backtrack_insn
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cython

from beespace.uapi import bpf as uapi
from beespace.verifier.cfg import is_sync_callback_call
from beespace.verifier.insns import InsnRec
from beespace.verifier.log import BPF_LOG_LEVEL2
from beespace.verifier.printer import insn_text, mask_of_regs, mask_of_slots, print_verifier_state
from beespace.verifier.special import ENDING_HELPERS
from beespace.verifier.state import (
    BPF_MAIN_FUNC,
    BPF_REG_SIZE,
    EMPTY_SLOT,
    INSN_F_DST_REG_STACK,
    INSN_F_FRAMENO_MASK,
    INSN_F_SPI_MASK,
    INSN_F_SPI_SHIFT,
    INSN_F_SRC_REG_STACK,
    INSN_F_STACK_ACCESS,
    MAX_BPF_REG,
    MAX_CALL_FRAMES,
    Checkpoint,
    Hist,
    VerifierState,
    bit,
    is_spilled_scalar,
    new_hist,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = [
    "mark_all_scalars_precise",
    "mark_chain_precision",
    "mark_slot_precise",
    "propagate_precision",
    "push_history",
    "stack_access_flags",
]

_ARGS = 0x3E  # R1-R5


class _GiveUp(Exception):
    # -ENOTSUPP of backtrack_insn(): all scalars have to be precise
    pass


def stack_access_flags(frameno: int, spi: int) -> int:
    """History flags of a spill or fill of slot *spi* of *frameno*."""
    return INSN_F_STACK_ACCESS | spi << INSN_F_SPI_SHIFT | frameno


def push_history(env: Env, flags: int, linked: tuple[tuple[int, int, bool], ...] = ()) -> None:
    """Note for backtracking that the current insn was reached, and what is peculiar about it."""
    ent = env.hist_ent
    if ent is not None:
        ent.flags |= flags
        if linked:
            ent.linked = linked
        return
    cur = env.cur
    cur.history = env.hist_ent = new_hist(cur.history, env.insn_idx, env.prev_insn_idx, flags, linked)


class _Backtrack:
    # struct backtrack_state: what is looked for in each frame, registers and slots as bit masks.

    def __init__(self, frame: int) -> None:
        self.frame = frame
        if not cython.compiled:  # compiled: arrays of C
            self.regs = [0] * MAX_CALL_FRAMES
            self.slots = [0] * MAX_CALL_FRAMES
        for i in range(MAX_CALL_FRAMES):
            self.regs[i] = 0
            self.slots[i] = 0

    def empty(self) -> bool:
        found = False
        for i in range(self.frame + 1):
            if self.regs[i] or self.slots[i]:
                found = True
        return not found

    def is_set(self, regno: int) -> bool:
        return self.regs[self.frame] >> regno & 1 != 0

    def set(self, regno: int) -> None:
        self.regs[self.frame] |= 1 << regno

    def clear(self, regno: int) -> None:
        self.regs[self.frame] &= ~(1 << regno)

    def sync_linked(self, hist: Hist | None) -> None:
        # What is known of one of several registers with the same id was learnt for all of them.
        if hist is None or not hist.linked:
            return
        for frameno, index, is_reg in hist.linked:
            if self.regs[frameno] >> index & 1 if is_reg else self.slots[frameno] >> index & 1:
                break
        else:
            return
        for frameno, index, is_reg in hist.linked:
            if is_reg:
                self.regs[frameno] |= 1 << index
            else:
                self.slots[frameno] |= bit(index)


def mark_chain_precision(env: Env, regno: int) -> None:
    """The exact value of Rn matters from here on."""
    if env.bpf_capable:
        bt = _Backtrack(len(env.cur.frames) - 1)
        bt.set(regno)
        _mark(env, env.cur, bt)


def mark_slot_precise(env: Env, frameno: int, spi: int) -> None:
    """The exact value of a spilled scalar matters from here on."""
    if env.bpf_capable:
        bt = _Backtrack(len(env.cur.frames) - 1)
        bt.slots[frameno] |= bit(spi)
        _mark(env, env.cur, bt)


def propagate_precision(env: Env, old: Checkpoint, cur: VerifierState) -> bool:
    """*cur* ends here because *old* was proven safe: what mattered to that proof matters to the path of *cur*.

    :return: whether a checkpoint got a mark it did not have.
    """
    bt = _Backtrack(len(old.state.frames) - 1)
    for fr in range(bt.frame, -1, -1):
        bt.regs[fr] = old.precise[fr]
        bt.slots[fr] = old.precise_slots[fr]
        if (bt.regs[fr] or bt.slots[fr]) and env.log_level:
            _print_propagated(env, fr, bt)
    if not env.bpf_capable:
        return False
    return _mark(env, cur, bt)


def _print_propagated(env: Env, fr: int, bt: _Backtrack) -> None:
    if env.log_level & BPF_LOG_LEVEL2:
        names = [f"r{i}" for i in range(10) if bt.regs[fr] >> i & 1]
        names += [f"fp{(-i - 1) * BPF_REG_SIZE}" for i in range(64) if bt.slots[fr] >> i & 1]
        env.verbose(f"frame {fr}: propagating {','.join(names)}")
    env.verbose("\n")


def mark_all_scalars_precise(env: Env, st: VerifierState) -> None:
    """Where the path back is lost: every scalar of every checkpoint behind *st* matters."""
    loud = env.log_level & BPF_LOG_LEVEL2
    if loud:
        env.verbose(f"mark_precise: frame{len(st.frames) - 1}: falling back to forcing all scalars precise\n")
    cp = st.parent
    while cp is not None:
        for i, frame in enumerate(cp.state.frames):
            for j in range(10):
                if frame.regs[j].type == uapi.SCALAR_VALUE and not cp.precise[i] >> j & 1:
                    cp.precise[i] |= 1 << j
                    if loud:
                        env.verbose(f"force_precise: frame{i}: forcing r{j} to be precise\n")
            for j, slot in enumerate(frame.stack):
                if is_spilled_scalar(slot) and not cp.precise_slots[i] >> j & 1:
                    cp.precise_slots[i] |= bit(j)
                    if loud:
                        env.verbose(f"force_precise: frame{i}: forcing fp{-(j + 1) * 8} to be precise\n")
        cp = cp.state.parent


def _mark(env: Env, starting_state: VerifierState, bt: _Backtrack) -> bool:
    changed = False
    if bt.empty():
        return False
    st = starting_state
    checkpoint: Checkpoint | None = None
    first_idx = st.first_insn_idx
    last_idx = st.insn_idx
    subseq_idx = -1
    skip_first = True
    loud = env.log_level & BPF_LOG_LEVEL2
    insns = env.insns
    while True:
        hist = st.history
        if loud:
            env.verbose(
                f"mark_precise: frame{bt.frame}: last_idx {last_idx} first_idx {first_idx} subseq_idx {subseq_idx} \n"
            )
        if last_idx < 0:
            return _mark_entry(env, st, checkpoint, bt) or changed
        i = last_idx
        while True:
            if skip_first:
                skip_first = False
            else:
                entry = hist if hist is not None and hist.idx == i else None
                try:
                    _backtrack_insn(env, insns[i], subseq_idx, entry, bt)
                except _GiveUp:
                    mark_all_scalars_precise(env, starting_state)
                    return changed
            if bt.empty():
                return changed
            subseq_idx = i
            # the insn before: from the history if it was jumped to, else the one above
            if i == st.first_insn_idx and (hist is None or (hist.prev is None and hist.idx == i)):
                break
            if hist is not None and hist.idx == i:
                i = hist.prev_idx
                hist = hist.prev
            else:
                i -= 1
            if not 0 <= i < len(insns):
                env.bug(f"backtracking idx {i & 0xFFFF_FFFF}")
        checkpoint = st.parent
        if checkpoint is None:
            break
        st = checkpoint.state
        changed |= _mark_checkpoint(env, checkpoint, bt)
        if bt.empty():
            return changed
        subseq_idx = first_idx
        last_idx = st.last_insn_idx
        first_idx = st.first_insn_idx
    if not bt.empty():
        mark_all_scalars_precise(env, starting_state)
    return changed


def _mark_entry(env: Env, st: VerifierState, checkpoint: Checkpoint | None, bt: _Backtrack) -> bool:
    # The start of a function that is verified on its own: only its arguments can be looked for.
    frame = st.frames[0]
    regs = bt.regs[bt.frame]
    changed = False
    if (
        len(st.frames) == 1
        and frame.subprogno > 0
        and frame.callsite == BPF_MAIN_FUNC
        and bt.slots[bt.frame] == 0
        and regs & ~_ARGS == 0
    ):
        for i in range(1, 6):
            if regs >> i & 1 and frame.regs[i].type == uapi.SCALAR_VALUE:
                if checkpoint is not None:
                    checkpoint.precise[0] |= 1 << i
                changed = True
        return changed
    masks = f"reg_mask {regs:x} stack_mask {bt.slots[bt.frame]:x}"
    env.bug(f"backtracking func entry subprog {frame.subprogno} {masks}")


def _mark_checkpoint(env: Env, checkpoint: Checkpoint, bt: _Backtrack) -> bool:
    # Mark what is looked for in a checkpoint; what it has marked already was followed further back then.
    changed = False
    st = checkpoint.state
    for fr in range(bt.frame, -1, -1):
        frame = st.frames[fr]
        regs = bt.regs[fr]
        if regs:
            marked = checkpoint.precise[fr]
            for i in range(MAX_BPF_REG):
                if regs >> i & 1:
                    reg = frame.regs[i]
                    if reg.type != uapi.SCALAR_VALUE or marked >> i & 1:
                        regs &= ~(1 << i)
            bt.regs[fr] = regs
            if regs:
                checkpoint.precise[fr] = marked | regs
                changed = True
        slots = bt.slots[fr]
        if slots:
            marked_slots = checkpoint.precise_slots[fr]
            for i in range(64):
                if slots >> i & 1:
                    if i >= len(frame.stack):
                        env.bug(f"stack slot {i}, total slots {len(frame.stack)}")
                    slot = frame.stack[i]
                    if not is_spilled_scalar(slot) or marked_slots >> i & 1:
                        slots &= ~bit(i)
            bt.slots[fr] = slots
            if slots:
                checkpoint.precise_slots[fr] = marked_slots | slots
                changed = True
        if env.log_level & BPF_LOG_LEVEL2:
            texts = mask_of_regs(bt.regs[fr]), mask_of_slots(bt.slots[fr])
            env.verbose(f"mark_precise: frame{fr}: parent state regs={texts[0]} stack={texts[1]}: ")
            print_verifier_state(env, st, fr, True, checkpoint)
    return changed


def _backtrack_insn(env: Env, rec: InsnRec, subseq_idx: int, hist: Hist | None, bt: _Backtrack) -> None:
    # Replace in bt what the insn set by what it set it from.
    if rec.code == 0:
        return
    if env.log_level & BPF_LOG_LEVEL2:
        masks = mask_of_regs(bt.regs[bt.frame]), mask_of_slots(bt.slots[bt.frame])
        text = insn_text(env, rec.idx)
        env.verbose(f"mark_precise: frame{bt.frame}: regs={masks[0]} stack={masks[1]} before {rec.idx}: {text}\n")
    bt.sync_linked(hist)
    cls = rec.cls
    if cls in (uapi.BPF_ALU, uapi.BPF_ALU64):
        if not bt.is_set(rec.dst):
            return
        _backtrack_alu(rec, bt)
    elif cls == uapi.BPF_LDX or (cls == uapi.BPF_STX and rec.mode == uapi.BPF_ATOMIC and rec.imm == uapi.BPF_LOAD_ACQ):
        if not bt.is_set(rec.dst):
            return
        bt.clear(rec.dst)
        if hist is None or not hist.flags & INSN_F_STACK_ACCESS:
            return  # only the stack keeps what is known of a scalar
        frameno, spi = hist.flags & INSN_F_FRAMENO_MASK, hist.flags >> INSN_F_SPI_SHIFT & INSN_F_SPI_MASK
        bt.slots[frameno] |= bit(spi)
    elif cls in (uapi.BPF_STX, uapi.BPF_ST):
        if bt.is_set(rec.dst):
            raise _GiveUp  # a pointer became a scalar by subtraction
        if hist is None or not hist.flags & INSN_F_STACK_ACCESS:
            return
        frameno, spi = hist.flags & INSN_F_FRAMENO_MASK, hist.flags >> INSN_F_SPI_SHIFT & INSN_F_SPI_MASK
        if not bt.slots[frameno] >> spi & 1:
            return
        bt.slots[frameno] &= ~bit(spi)
        if cls == uapi.BPF_STX:
            bt.set(rec.src)
    elif cls in (uapi.BPF_JMP, uapi.BPF_JMP32):
        if _backtrack_jump(env, rec, subseq_idx, hist, bt):
            return
    elif cls == uapi.BPF_LD:
        if not bt.is_set(rec.dst):
            return
        bt.clear(rec.dst)
        if rec.mode in (uapi.BPF_IND, uapi.BPF_ABS):
            raise _GiveUp
    bt.sync_linked(hist)


def _backtrack_alu(rec: InsnRec, bt: _Backtrack) -> None:
    if rec.op in (uapi.BPF_END, uapi.BPF_NEG):
        return
    if rec.op == uapi.BPF_MOV:
        bt.clear(rec.dst)
    if rec.is_x and rec.src != uapi.BPF_REG_10:
        bt.set(rec.src)


def _backtrack_jump(env: Env, rec: InsnRec, subseq_idx: int, hist: Hist | None, bt: _Backtrack) -> bool:
    # True: nothing left to do for this insn.
    if rec.is_pseudo_call:
        _backtrack_call(env, rec, bt)
        return True
    if rec.op == uapi.BPF_CALL and rec.idx != subseq_idx - 1 and is_sync_callback_call(env, rec):
        # entered a callback: its arguments were made up, not passed
        _expect_nothing_but_args(env, bt, "callback")
        bt.regs[bt.frame] = 0
        _leave_frame(env, bt)
        return True
    if rec.op == uapi.BPF_CALL:
        if rec.is_kfunc_call and rec.imm == 0:
            raise _GiveUp
        bt.clear(0)
        if bt.regs[bt.frame] & _ARGS:
            env.bug(f"backtracking call unexpected regs {bt.regs[bt.frame]:x}")
        if rec.is_helper_call and rec.imm in ENDING_HELPERS and rec.idx != subseq_idx - 1:
            _enter_frame(env, bt)  # the function ended here
    elif rec.op == uapi.BPF_EXIT:
        _backtrack_exit(env, subseq_idx, bt)
        return True
    elif rec.is_x:
        if not bt.is_set(rec.dst) and not bt.is_set(rec.src):
            return True
        flags = hist.flags if hist is not None else 0
        if not flags & INSN_F_SRC_REG_STACK:
            bt.set(rec.src)
        if not flags & INSN_F_DST_REG_STACK:
            bt.set(rec.dst)
    return False


def _backtrack_call(env: Env, rec: InsnRec, bt: _Backtrack) -> None:
    subprog = env.subprog_at(rec.idx + rec.imm + 1)
    if env.subprogs[subprog].is_global:
        if bt.regs[bt.frame] & _ARGS:
            env.bug(f"global subprog unexpected regs {bt.regs[bt.frame]:x}")
        bt.clear(0)
        return
    # the entry of the callee: its arguments are the caller's
    _expect_nothing_but_args(env, bt, "static subprog")
    args = bt.regs[bt.frame]
    bt.regs[bt.frame] = 0
    _leave_frame(env, bt)
    bt.regs[bt.frame] |= args


def _expect_nothing_but_args(env: Env, bt: _Backtrack, what: str) -> None:
    if bt.regs[bt.frame] & ~_ARGS:
        env.bug(f"{what} unexpected regs {bt.regs[bt.frame]:x}")
    if bt.slots[bt.frame]:
        env.bug(f"{what} leftover stack slots {bt.slots[bt.frame]:x}")


def _leave_frame(env: Env, bt: _Backtrack) -> None:
    if bt.frame == 0:
        env.bug("subprog exit from frame 0")
    bt.frame -= 1


def _backtrack_exit(env: Env, subseq_idx: int, bt: _Backtrack) -> None:
    # The return from a callee or a callback: going back, it is entered.
    if subseq_idx >= 0:
        subseq = env.insns[subseq_idx]
        if subseq.calls_callback:
            bt.regs[bt.frame] &= ~_ARGS
    if bt.regs[bt.frame] & _ARGS:
        env.bug(f"backtracking exit unexpected regs {bt.regs[bt.frame]:x}")
    r0_precise = False
    if subseq_idx >= 1:
        call = env.insns[subseq_idx - 1]
        r0_precise = call.is_pseudo_call and bt.is_set(0)
    bt.clear(0)
    _enter_frame(env, bt)
    if r0_precise:
        bt.set(0)


def _enter_frame(env: Env, bt: _Backtrack) -> None:
    if bt.frame == MAX_CALL_FRAMES - 1:
        env.bug(f"subprog enter from frame {bt.frame}")
    bt.frame += 1


def clear_dead_marks(checkpoint: Checkpoint, frameno: int) -> None:
    """Forget the marks of registers and slots that are no scalars any more."""
    frame = checkpoint.state.frames[frameno]
    precise = checkpoint.precise[frameno]
    if precise:
        for i in range(MAX_BPF_REG):
            reg = frame.regs[i]
            if reg.type != uapi.SCALAR_VALUE:
                precise &= ~(1 << i)
        checkpoint.precise[frameno] = precise
    precise_slots = checkpoint.precise_slots[frameno]
    if precise_slots:
        for i in range(64):
            if precise_slots >> i & 1:
                slot = frame.stack[i] if i < len(frame.stack) else EMPTY_SLOT
                if not is_spilled_scalar(slot):
                    precise_slots &= ~bit(i)
        checkpoint.precise_slots[frameno] = precise_slots
