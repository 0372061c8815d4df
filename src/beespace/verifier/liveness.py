"""Which stack slots may still be read: by call chain, from marks that accumulate while the program is walked.

For every chain of call sites and every insn of the function it leads to, and for every frame of the chain: slots that
the insn may read (union over visits) and slots it certainly writes (intersection). Live slots follow by the textbook
iteration; what a callee does to its callers' frames is then attributed to the call.

:see: kernel/bpf/liveness.c
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from beespace.verifier.insns import insn_successors
from beespace.verifier.log import BPF_LOG_LEVEL2
from beespace.verifier.printer import mask_of_slots
from beespace.verifier.slotmarks import SlotMarks, SlotQuery
from beespace.verifier.state import MAX_CALL_FRAMES, VerifierState

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["Liveness", "Query"]


def _words(count: int) -> array[int]:
    return array("Q", bytes(8 * count))


class _Masks:
    # Of one frame, by insn of the function: bit n is slot n.

    def __init__(self, count: int) -> None:
        self.may_read = _words(count)
        self.must_write = _words(count)
        self.must_write_acc = _words(count)  # written here or by what follows, whichever way it goes
        self.live_before = _words(count)


class _Instance:
    # A function as reached through one chain of calls.

    def __init__(self, callchain: tuple[int, ...], starts: tuple[int, ...], insn_cnt: int) -> None:
        self.callchain = callchain  # call sites, and the start of the function
        self.starts = starts  # of the functions along the chain
        self.start = starts[-1]
        self.depth = len(callchain) - 1
        self.insn_cnt = insn_cnt
        self.updated = False
        self.must_write_dropped = False
        self.frames: list[_Masks | None] = [None] * (self.depth + 1)
        self.must_write_set = bytearray(insn_cnt)

    def masks(self, frame: int) -> _Masks:
        found = self.frames[frame]
        if found is None:
            found = self.frames[frame] = _Masks(self.insn_cnt)
        return found

    def is_live_before(self, insn_idx: int, frame: int, spi: int) -> bool:
        found = self.frames[frame]
        return found is not None and found.live_before[insn_idx - self.start] >> spi & 1 != 0


class Liveness(SlotMarks):
    """Live stack slots of one verification."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._instances: dict[tuple[int, ...], _Instance] = {}
        self._cur: _Instance | None = None
        self._written = _words(MAX_CALL_FRAMES)
        self._write_insn_idx = 0
        self._first = array("i", bytes(4 * len(env.insns)))  # successors of each insn; -1: none
        self._second = array("i", bytes(4 * len(env.insns)))
        self._orders: dict[int, array[int]] = {}  # by start of the function: its insns, last first
        for rec in env.insns:
            successors = insn_successors(rec)
            self._first[rec.idx] = successors[0] if successors else -1
            self._second[rec.idx] = successors[1] if len(successors) > 1 else -1

    # -- marks -----------------------------------------------------------------------------------------------------

    def reset_callchain(self) -> None:
        """The chain of calls has changed."""
        self._cur = None

    def mark_read(self, frame: int, insn_idx: int, mask: int) -> None:
        """The slots *mask* of *frame* may be read by *insn_idx*."""
        self._mark_read(self._current(), frame, insn_idx, mask)

    def begin_insn(self, insn_idx: int) -> None:
        """What mark_write() tells from here on is of *insn_idx*."""
        self._begin(self._current(), insn_idx)

    def mark_write(self, frame: int, mask: int) -> None:
        """The slots *mask* of *frame* are written as a whole."""
        self._written[frame] |= mask

    def commit_insn(self) -> None:
        """The insn that begin_insn() named has been walked."""
        if self._cur is not None:
            self._commit(self._cur)

    def _current(self) -> _Instance:
        if self._cur is None:
            cur = self._env.cur
            self._cur = self._lookup(cur, len(cur.frames) - 1)
        return self._cur

    def _begin(self, instance: _Instance, insn_idx: int) -> None:
        self._write_insn_idx = insn_idx
        for frame in range(instance.depth + 1):
            self._written[frame] = 0

    def _mark_read(self, instance: _Instance, frame: int, insn_idx: int, mask: int) -> None:
        masks = instance.masks(frame)
        at = insn_idx - instance.start
        new = masks.may_read[at] | mask
        if new != masks.may_read[at]:
            if new & ~masks.live_before[at]:
                instance.updated = True
            masks.may_read[at] = new

    def _commit(self, instance: _Instance) -> None:
        at = self._write_insn_idx - instance.start
        seen = instance.must_write_set[at] != 0
        for frame in range(instance.depth + 1):
            mask = self._written[frame]
            if mask == 0 and not seen:
                continue
            masks = instance.masks(frame)
            old = masks.must_write[at]
            if seen:
                mask &= old
            if mask != old:
                masks.must_write[at] = mask
                instance.updated = True
            if old & 0xFFFF_FFFF & ~mask:  # the kernel keeps the old mask in 32 bits
                instance.must_write_dropped = True
        instance.must_write_set[at] = 1
        self._write_insn_idx = 0

    # -- propagation -----------------------------------------------------------------------------------------------

    def _lookup(self, state: VerifierState, frameno: int) -> _Instance:
        subprogs = self._env.subprogs
        sites, starts = [], []
        for i in range(frameno + 1):
            f = state.frames[i]
            sub = subprogs[f.subprogno]
            starts.append(sub.start)
            if i:
                sites.append(f.callsite)
        sites.append(starts[-1])
        chain = tuple(sites)
        found = self._instances.get(chain)
        if found is None:
            found = self._instances[chain] = _Instance(chain, tuple(starts), sub.end - sub.start)
        return found

    def _outer(self, instance: _Instance) -> _Instance:
        starts = instance.starts[:-1]
        chain = (*instance.callchain[:-2], starts[-1])
        found = self._instances.get(chain)
        if found is None:
            sub = self._env.subprog_containing(starts[-1])
            found = self._instances[chain] = _Instance(chain, starts, sub.end - sub.start)
        return found

    def update(self) -> None:
        """Bring live slots up to date for all frames of the current state, before it is left."""
        self._cur = None
        state = self._env.cur
        for frameno in range(len(state.frames) - 1, -1, -1):
            instance = self._lookup(state, frameno)
            if instance.updated:
                self._update_instance(instance)
                instance.updated = False
                instance.must_write_dropped = False

    def _order(self, instance: _Instance) -> array[int]:
        found = self._orders.get(instance.start)
        if found is None:
            order = self._env.subprog_containing(instance.start).postorder
            found = self._orders[instance.start] = array("i", order)
        return found

    def _update_instance(self, instance: _Instance) -> None:
        if instance.must_write_dropped:
            for masks in instance.frames:
                if masks is not None:
                    masks.must_write_acc = _words(instance.insn_cnt)
        order = self._order(instance)
        count = 0
        changed = True
        while changed:
            count += 1
            changed = False
            for frame, masks in enumerate(instance.frames):
                if masks is not None:
                    for k in range(len(order)):
                        changed |= self._update_insn(instance, frame, masks, order[k])
        if self._env.log_level & BPF_LOG_LEVEL2:
            chain = ",".join(map(str, instance.callchain))
            self._env.verbose(f"({chain}) live stack update done in {count} iterations\n")
        if instance.depth:
            self._propagate_to_outer(instance)

    def _update_insn(self, instance: _Instance, frame: int, masks: _Masks, idx: int) -> bool:
        s = self._first[idx]
        if s < 0:
            return False
        start = instance.start
        at = idx - start
        after = masks.live_before[s - start]
        written = masks.must_write_acc[s - start]
        s = self._second[idx]
        if s >= 0:
            after |= masks.live_before[s - start]
            written &= masks.must_write_acc[s - start]
        written |= masks.must_write[at]
        before = after & ~masks.must_write[at] | masks.may_read[at]
        if before == masks.live_before[at] and written == masks.must_write_acc[at]:
            return False
        if self._env.log_level & BPF_LOG_LEVEL2:
            rec = self._env.insns[idx]
            if masks.may_read[at] or masks.must_write[at] or idx == start or rec.prune_point:
                self._log_change(instance, "live", frame, idx, masks.live_before[at], before)
                self._log_change(instance, "written", frame, idx, masks.must_write_acc[at], written)
        masks.live_before[at] = before
        masks.must_write_acc[at] = written
        return True

    def _log_change(self, instance: _Instance, what: str, frame: int, idx: int, old: int, new: int) -> None:
        if old == new:
            return
        chain = ",".join(map(str, instance.callchain))
        text = f"({chain}) frame {frame} insn {idx} "
        if new & ~old:
            text += f"+{what} {mask_of_slots(new & ~old)} "
        if old & ~new:
            text += f"-{what} {mask_of_slots(old & ~new)}"
        self._env.verbose(text + "\n")

    def _propagate_to_outer(self, instance: _Instance) -> None:
        outer = self._outer(instance)
        callsite = instance.callchain[-2]
        self._begin(outer, callsite)
        for frame in range(instance.depth):
            masks = instance.frames[frame]
            if masks is not None:
                self._written[frame] |= masks.must_write_acc[0]
                self._mark_read(outer, frame, callsite, masks.live_before[0])
        self._commit(outer)

    def query(self, state: VerifierState) -> Query:
        """Prepare to ask which slots of *state* are live."""
        return Query(self._env, state, [self._lookup(state, i) for i in range(len(state.frames))])


class Query(SlotQuery):
    """Answers for one state."""

    def __init__(self, env: Env, state: VerifierState, instances: list[_Instance]) -> None:
        self._env = env
        self._insn_idx = state.insn_idx
        self._instances = instances

    def is_alive(self, frameno: int, spi: int) -> bool:
        """May slot *spi* of frame *frameno* be read from here on?

        :see: kernel/bpf/liveness.c:bpf_stack_slot_alive
        """
        innermost = self._instances[-1]
        if innermost.is_live_before(self._insn_idx, frameno, spi):
            return True
        for i in range(frameno, len(self._instances) - 1):
            callsite = innermost.callchain[i]
            rec = self._env.insns[callsite]
            instance = self._instances[i]
            at = callsite if rec.calls_callback else callsite + 1
            if instance.is_live_before(at, frameno, spi):
                return True
        return False
