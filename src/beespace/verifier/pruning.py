"""Pruning: a state that an older, proven one covers need not be walked.

:see: kernel/bpf/verifier.c:is_state_visited, states_equal, regsafe, stacksafe
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.env import BPF_COMPLEXITY_LIMIT_STATES, EINVAL
from beespace.verifier.log import BPF_LOG_LEVEL2
from beespace.verifier.precision import clear_dead_marks, mark_all_scalars_precise, propagate_precision, push_history
from beespace.verifier.printer import print_verifier_state, verbose_linfo
from beespace.verifier.state import (
    ALL_MISC,
    BPF_ADD_CONST,
    EMPTY_SLOT,
    MAX_BPF_REG,
    NOT_INIT_REG,
    U32_MASK,
    U64_MASK,
    UNKNOWN_REG,
    Checkpoint,
    Dynptr,
    FuncState,
    Iter,
    RegState,
    StackSlot,
    VerifierState,
    is_spilled,
    new_slot,
    spi_of,
)

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = [
    "IdMap",
    "find_prev_entry",
    "is_state_visited",
    "regs_exact",
    "update_branch_counts",
    "widen_imprecise_scalars",
]

NOT_EXACT, EXACT, RANGE_WITHIN = range(3)
_MAX_BACKEDGE_ITERS = 64


_NO_IDS: dict[int, int] = {}


class IdMap:
    """Which id of the old state stands for which of the current one (struct bpf_idmap)."""

    def __init__(self, tmp_id_gen: int) -> None:
        self._cur_of: dict[int, int] | None = None  # most comparisons see no ids
        self._old_of: dict[int, int] = _NO_IDS
        self._tmp_id_gen = tmp_id_gen

    def check(self, old_id: int, cur_id: int) -> bool:
        """May *cur_id* stand for *old_id*? (check_ids())"""
        if (old_id == 0) != (cur_id == 0):
            return False
        if old_id == 0:
            return True
        if self._cur_of is None:
            self._cur_of, self._old_of = {}, {}
        known = self._cur_of.get(old_id)
        if known is not None:
            return known == cur_id
        if cur_id in self._old_of:
            return False
        self._cur_of[old_id] = cur_id
        self._old_of[cur_id] = old_id
        return True

    def check_scalar(self, old_id: int, cur_id: int) -> bool:
        """As check(), no id being an id of its own (check_scalar_ids())."""
        if not old_id:
            self._tmp_id_gen += 1
            old_id = self._tmp_id_gen
        if not cur_id:
            self._tmp_id_gen += 1
            cur_id = self._tmp_id_gen
        return self.check(old_id, cur_id)


def _same_head(a: RegState, b: RegState) -> bool:
    # memcmp() up to var_off
    return (
        a.type == b.type
        and a.off == b.off
        and a.map_ptr is b.map_ptr
        and a.map_uid == b.map_uid
        and a.btf is b.btf
        and a.btf_id == b.btf_id
        and a.mem_size == b.mem_size
        and a.dynptr_id == b.dynptr_id
        and a.range == b.range
        and a.subprogno == b.subprogno
        and _same_obj(a.obj, b.obj)
    )


def _same_obj(a: object, b: object) -> bool:
    if a is b:
        return True
    if isinstance(a, Iter) and isinstance(b, Iter):
        return a.btf is b.btf and a.btf_id == b.btf_id and a.state == b.state and a.depth == b.depth
    if isinstance(a, Dynptr) and isinstance(b, Dynptr):
        return a.kind == b.kind and a.first_slot == b.first_slot
    return isinstance(a, int) and isinstance(b, int) and a == b


def regs_exact(old: RegState, cur: RegState, idmap: IdMap) -> bool:
    """Are two registers the same, ids apart?"""
    return (
        _same_head(old, cur)
        and n.same_bounds(old.bounds, cur.bounds)
        and idmap.check(old.id, cur.id)
        and idmap.check(old.ref_obj_id, cur.ref_obj_id)
    )


def _regsafe(env: Env, old: RegState, cur: RegState, precise: bool, idmap: IdMap, exact: int) -> bool:
    # Is whatever was proven with old also true with cur?
    if exact == EXACT:
        return regs_exact(old, cur, idmap)
    if old.type == uapi.NOT_INIT and (exact == NOT_EXACT or cur.type == uapi.NOT_INIT):
        return True
    if old.type != cur.type:
        return False
    base = old.type & 0xFF
    if base == uapi.SCALAR_VALUE:
        if env.explore_alu_limits:
            same = _same_head(old, cur) and n.same_bounds(old.bounds, cur.bounds)
            return same and idmap.check_scalar(old.id, cur.id)
        if not precise and exact == NOT_EXACT:
            return True
        if old.id:  # else links of the current one only add to what was known
            if (old.id ^ cur.id) & BPF_ADD_CONST:
                return False
            if old.id & BPF_ADD_CONST and old.off != cur.off:
                return False
            if not idmap.check_scalar(old.id, cur.id):
                return False
        return n.scalar_within(old.bounds, cur.bounds)
    if base in (
        uapi.PTR_TO_MAP_KEY,
        uapi.PTR_TO_MAP_VALUE,
        uapi.PTR_TO_MEM,
        uapi.PTR_TO_BUF,
        uapi.PTR_TO_TP_BUFFER,
    ):
        return (
            _same_head(old, cur)
            and n.scalar_within(old.bounds, cur.bounds)
            and idmap.check(old.id, cur.id)
            and idmap.check(old.ref_obj_id, cur.ref_obj_id)
        )
    if base in (uapi.PTR_TO_PACKET, uapi.PTR_TO_PACKET_META):
        if old.range > cur.range or old.off != cur.off:
            return False
        return idmap.check(old.id, cur.id) and n.scalar_within(old.bounds, cur.bounds)
    if base == uapi.PTR_TO_STACK:
        return regs_exact(old, cur, idmap) and old.frameno == cur.frameno
    if base == uapi.PTR_TO_ARENA:
        return True
    return regs_exact(old, cur, idmap)


def _scalar_of(env: Env, slot: StackSlot) -> RegState | None:
    # What an 8-byte load would give, if that is a scalar.
    types = slot.types
    if types & 0xFF == uapi.STACK_SPILL and slot.reg.type == uapi.SCALAR_VALUE:
        return slot.reg
    if types == ALL_MISC:
        return UNKNOWN_REG
    for i in range(8):
        kind = types >> (i << 3) & 0xFF
        if kind != uapi.STACK_MISC and not (kind == uapi.STACK_INVALID and env.allow_uninit_stack):
            return None
    return UNKNOWN_REG


def _slotsafe(
    env: Env, old: StackSlot, cur: StackSlot | None, precise: bool, idmap: IdMap, exact: int
) -> bool:  # fmt: skip
    # stacksafe() for one slot; the bytes in the order of slot_type[].
    if old.types == 0 and (exact == NOT_EXACT or (cur is not None and cur.types == 0)):
        return True
    old_reg = _scalar_of(env, old)
    cur_reg = _scalar_of(env, cur) if cur is not None else None
    for i in range(8):
        kind = old.types >> (i << 3) & 0xFF
        if exact != NOT_EXACT and (cur is None or kind != cur.types >> (i << 3) & 0xFF):
            return False
        if kind == uapi.STACK_INVALID or (env.allow_uninit_stack and kind == uapi.STACK_MISC):
            continue
        if cur is None:
            return False
        if old_reg is not None and cur_reg is not None:
            return _regsafe(env, old_reg, cur_reg, precise and old_reg is old.reg, idmap, exact)
        cur_kind = cur.types >> (i << 3) & 0xFF
        if kind == uapi.STACK_MISC and cur_kind == uapi.STACK_ZERO:
            continue
        if kind != cur_kind:
            return False
        if i == 7:
            return _same_content(env, kind, old.reg, cur.reg, precise, idmap, exact)
    return True


def _same_content(env: Env, kind: int, old: RegState, cur: RegState, precise: bool, idmap: IdMap, exact: int) -> bool:
    if kind == uapi.STACK_SPILL:
        return _regsafe(env, old, cur, precise, idmap, exact)
    if kind == uapi.STACK_DYNPTR:
        same = old.obj.kind == cur.obj.kind and old.obj.first_slot == cur.obj.first_slot
        return same and idmap.check(old.ref_obj_id, cur.ref_obj_id)
    if kind == uapi.STACK_ITER:
        a, b = old.obj, cur.obj  # depth may differ
        same = a.btf is b.btf and a.btf_id == b.btf_id and a.state == b.state
        return same and idmap.check(old.ref_obj_id, cur.ref_obj_id)
    if kind == uapi.STACK_IRQ_FLAG:
        return idmap.check(old.ref_obj_id, cur.ref_obj_id) and old.obj == cur.obj
    return kind in (uapi.STACK_MISC, uapi.STACK_ZERO)


def _refsafe(old: VerifierState, cur: VerifierState, idmap: IdMap) -> bool:
    if (
        len(old.refs) != len(cur.refs)
        or old.active_locks != cur.active_locks
        or old.active_preempt_locks != cur.active_preempt_locks
        or old.active_rcu_lock != cur.active_rcu_lock
        or not idmap.check(old.active_irq_id, cur.active_irq_id)
        or not idmap.check(old.active_lock_id, cur.active_lock_id)
        or old.active_lock_ptr is not cur.active_lock_ptr
    ):
        return False
    for i in range(len(old.refs)):
        a, b = old.refs[i], cur.refs[i]
        if not idmap.check(a.id, b.id) or a.type != b.type:
            return False
        if a.ptr is not b.ptr and a.type in (uapi.REF_TYPE_LOCK, uapi.REF_TYPE_RES_LOCK, uapi.REF_TYPE_RES_LOCK_IRQ):
            return False
    return True


def _frames_equal(env: Env, cp: Checkpoint, i: int, cur: FuncState, idmap: IdMap, exact: int) -> bool:
    old = cp.state.frames[i]
    if old.callback_depth > cur.callback_depth:
        return False
    insn = env.insns[cp.state.insn_idx_of(i)]
    live = insn.live_regs
    precise = cp.precise[i] if env.bpf_capable else -1
    old_regs, cur_regs = old.regs, cur.regs
    for j in range(MAX_BPF_REG):
        if live >> j & 1 and not _regsafe(env, old_regs[j], cur_regs[j], precise >> j & 1 != 0, idmap, exact):
            return False
    precise_slots = cp.precise_slots[i] if env.bpf_capable else U64_MASK
    count = len(cur.stack)
    for j in range(len(old.stack)):
        slot = old.stack[j]
        if slot.types == 0 and exact == NOT_EXACT:
            continue
        other = cur.stack[j] if j < count else None
        if not _slotsafe(env, slot, other, precise_slots >> j & 1 != 0, idmap, exact):
            return False
    return True


def states_equal(env: Env, cp: Checkpoint, cur: VerifierState, exact: int) -> bool:
    """Does what was proven (or is being proven) of *cp* hold for *cur*?"""
    old = cp.state
    if len(old.frames) != len(cur.frames):
        return False
    idmap = IdMap(env.id_gen)
    if old.speculative and not cur.speculative:
        return False
    if old.in_sleepable != cur.in_sleepable:
        return False
    if not _refsafe(old, cur, idmap):
        return False
    for i in range(len(old.frames)):
        frame, other = old.frames[i], cur.frames[i]
        if frame.callsite != other.callsite:
            return False
        if not _frames_equal(env, cp, i, other, idmap, exact):
            return False
    return True


def _same_callsites(a: VerifierState, b: VerifierState) -> bool:
    if len(a.frames) != len(b.frames):
        return False
    for i in range(len(a.frames)):
        f, g = a.frames[i], b.frames[i]
        if f.callsite != g.callsite:
            return False
    return True


# -- loops: marks of states in a cycle are final only when all paths out of it have been walked -----------------------


class _SccVisit:
    # A loop as entered through one chain of calls.

    def __init__(self) -> None:
        self.entry_state: Checkpoint | None = None
        self.backedges: list[tuple[VerifierState, Checkpoint]] = []  # (state, the one that covers it)
        self.num_backedges = 0


def _scc_callchain(env: Env, st: VerifierState) -> tuple[int, ...] | None:
    # Call sites leading to the outermost loop that st is in, and the loop; None outside of loops.
    chain: list[int] = []
    for i in range(len(st.frames)):
        insn_idx = st.insn_idx_of(i)
        insn = env.insns[insn_idx]
        if insn.scc:
            return (*chain, insn.scc)
        chain.append(insn_idx)
    return None


def _format_callchain(chain: tuple[int, ...]) -> str:
    # call site 0 ends the list in the kernel's array
    sites = []
    for site in chain[:-1]:
        if site == 0:
            break
        sites.append(f"{site},")
    return f"({''.join(sites)}{chain[-1]})"


def _scc_key(chain: tuple[int, ...]) -> tuple[int, ...]:
    return (len(chain), *chain)


def _maybe_enter_scc(env: Env, cp: Checkpoint) -> None:
    chain = _scc_callchain(env, cp.state)
    if chain is None:
        return
    visit = env.scc_visits.setdefault(_scc_key(chain), _SccVisit())
    if visit.entry_state is None:
        visit.entry_state = cp
        if env.log_level & BPF_LOG_LEVEL2:
            env.verbose(f"SCC enter {_format_callchain(chain)}\n")


def _maybe_exit_scc(env: Env, cp: Checkpoint) -> None:
    chain = _scc_callchain(env, cp.state)
    if chain is None:
        return
    visit = env.scc_visits.get(_scc_key(chain))
    if visit is None:
        if not cp.state.speculative:
            env.bug(f"scc exit: no visit info for call chain {_format_callchain(chain)}")
        return
    if visit.entry_state is not cp:
        return
    if env.log_level & BPF_LOG_LEVEL2:
        env.verbose(f"SCC exit {_format_callchain(chain)}\n")
    visit.entry_state = None
    env.num_backedges -= visit.num_backedges
    visit.num_backedges = 0
    _update_peak_states(env)
    _propagate_backedges(env, visit)


def _add_scc_backedge(env: Env, cp: Checkpoint, state: VerifierState) -> None:
    chain = _scc_callchain(env, cp.state)
    if chain is None:
        env.bug(f"add backedge: no SCC in verification path, insn_idx {cp.state.insn_idx}")
    visit = env.scc_visits.get(_scc_key(chain))
    if visit is None:
        env.bug(f"add backedge: no visit info for call chain {_format_callchain(chain)}")
    if env.log_level & BPF_LOG_LEVEL2:
        env.verbose(f"SCC backedge {_format_callchain(chain)}\n")
    visit.backedges.append((state, cp))
    visit.num_backedges += 1
    env.num_backedges += 1
    _update_peak_states(env)


def _incomplete_read_marks(env: Env, st: VerifierState) -> bool:
    if not env.scc_visits:
        return False
    chain = _scc_callchain(env, st)
    if chain is None:
        return False
    visit = env.scc_visits.get(_scc_key(chain))
    return visit is not None and bool(visit.backedges)


def _propagate_backedges(env: Env, visit: _SccVisit) -> None:
    rounds = 0
    changed = True
    while changed:
        rounds += 1
        if rounds > _MAX_BACKEDGE_ITERS + 1:
            if env.log_level & BPF_LOG_LEVEL2:
                env.verbose("propagate_backedges: too many iterations\n")
            for state, _ in reversed(visit.backedges):
                mark_all_scalars_precise(env, state)
            break
        changed = False
        for state, equal in reversed(visit.backedges):
            changed |= propagate_precision(env, equal, state)
    visit.backedges.clear()


def _update_peak_states(env: Env) -> None:
    env.peak_states = max(env.peak_states, env.explored_states_size + env.free_list_size + env.num_backedges)


def _maybe_free(env: Env, cp: Checkpoint) -> None:
    # Only counted: what nothing refers to goes by itself.
    if cp.in_free_list and cp.branches == 0 and not _incomplete_read_marks(env, cp.state):
        cp.in_free_list = False
        env.free_list_size -= 1


def update_branch_counts(env: Env, cur: VerifierState) -> None:
    """The path of *cur* has come to its end: so may checkpoints on it."""
    cp = cur.parent
    while cp is not None:
        cp.branches -= 1
        if cp.branches:
            break
        _maybe_exit_scc(env, cp)
        _maybe_free(env, cp)
        cp = cp.state.parent


# -- dead registers and slots are forgotten, so that more states are alike --------------------------------------------


def _clean_live_states(env: Env, insn_idx: int, cur: VerifierState, bucket: list[Checkpoint]) -> None:
    for cp in bucket:
        if cp.branches or cp.cleaned or cp.state.insn_idx != insn_idx:
            continue
        if not _same_callsites(cp.state, cur) or _incomplete_read_marks(env, cp.state):
            continue
        _clean(env, cp)


def _clean(env: Env, cp: Checkpoint) -> None:
    state = cp.state
    liveness = env.liveness
    query = liveness.query(state)
    cp.cleaned = True
    for i in range(len(state.frames)):
        insn = env.insns[state.insn_idx_of(i)]
        live = insn.live_regs
        frame = state.own(i)
        for j in range(MAX_BPF_REG - 1):
            if not live >> j & 1:
                frame.regs[j] = NOT_INIT_REG
        for j in range(len(frame.stack)):
            if not query.is_alive(i, j):
                frame.stack[j] = EMPTY_SLOT
        clear_dead_marks(cp, i)


# -- the question -----------------------------------------------------------------------------------------------------


def _bucket_of(env: Env, insn_idx: int, state: VerifierState) -> list[Checkpoint]:
    # The kernel's hash table, because its collisions show in the statistics.
    frame = state.cur_frame()
    key = ((insn_idx ^ frame.callsite) & U32_MASK) % len(env.insns)
    found = env.explored.get(key)
    if found is None:
        found = env.explored[key] = []
    return found


def _iter_depths_differ(old: VerifierState, cur: VerifierState) -> bool:
    for fr in range(len(old.frames) - 1, -1, -1):
        frame = old.frames[fr]
        for i in range(len(frame.stack)):
            slot = frame.stack[i]
            if slot.types & 0xFF != uapi.STACK_ITER or slot.reg.obj.state != uapi.BPF_ITER_STATE_ACTIVE:
                continue
            other = cur.frames[fr].stack[i].reg.obj
            if other.depth != slot.reg.obj.depth:
                return True
    return False


def _maybe_looping(old: VerifierState, cur: VerifierState) -> bool:
    if len(old.frames) != len(cur.frames):
        return False
    f, g = old.cur_frame(), cur.cur_frame()
    for i in range(MAX_BPF_REG):
        a, b = f.regs[i], g.regs[i]
        if a is b:
            continue
        same = _same_head(a, b) and n.same_bounds(a.bounds, b.bounds)
        if not same or a.id != b.id or a.ref_obj_id != b.ref_obj_id:
            return False
    return True


def find_prev_entry(env: Env, cur: VerifierState, insn_idx: int) -> Checkpoint | None:
    """The last time the current path was at *insn_idx* with the same callers."""
    for cp in reversed(_bucket_of(env, insn_idx, env.cur)):
        st = cp.state
        if st.insn_idx == insn_idx and cp.branches and _same_callsites(st, cur) and st.dfs_depth < cur.dfs_depth:
            return cp
    return None


class _Visit:
    # One call of is_state_visited(): whether to keep the state, and what it was found equal to.

    def __init__(self, env: Env, insn_idx: int) -> None:
        rec = env.insns[insn_idx]
        history = env.cur.history
        self.env = env
        self.rec = rec
        self.insn_idx = insn_idx
        self.force_new_state = (
            env.test_state_freq or rec.force_checkpoint or (history is not None and history.count > 40)
        )
        jumps = env.jmps_processed - env.prev_jmps_processed
        insns = env.insn_processed - env.prev_insn_processed
        self.add_new_state = self.force_new_state or (jumps >= 2 and insns >= 8)
        self.loop = False

    def matches(self, cp: Checkpoint) -> bool:
        """Is the current state covered by *cp*?"""
        env, cur = self.env, self.env.cur
        if cp.branches:
            return self._matches_open(cp)
        self.loop = _incomplete_read_marks(env, cp.state)
        return states_equal(env, cp, cur, RANGE_WITHIN if self.loop else NOT_EXACT)

    def _matches_open(self, cp: Checkpoint) -> bool:
        # cp is on the path we came along (or on one put aside after it): are we going round?
        env, cur, rec = self.env, self.env.cur, self.rec
        frame, cur_frame = cp.state.cur_frame(), cur.cur_frame()
        if not (frame.in_async_callback_fn and frame.async_entry_cnt != cur_frame.async_entry_cnt):
            if rec.is_iter_next:
                if states_equal(env, cp, cur, RANGE_WITHIN) and self._iter_is_active():
                    self.loop = True
                    return True
            elif rec.is_may_goto and (
                cp.state.may_goto_depth != cur.may_goto_depth and states_equal(env, cp, cur, RANGE_WITHIN)
            ):
                self.loop = True
                return True
            elif rec.calls_callback:
                if states_equal(env, cp, cur, RANGE_WITHIN):
                    return True
            else:
                self._check_infinite_loop(cp)
        if not self.force_new_state:
            jumps = env.jmps_processed - env.prev_jmps_processed
            if jumps < 20 and env.insn_processed - env.prev_insn_processed < 100:
                self.add_new_state = False
        return False

    def _iter_is_active(self) -> bool:
        cur = self.env.cur
        reg = cur.cur_frame().regs[1]
        spi = spi_of(reg.off + reg.bounds.smin_value)
        state: int = cur.frames[reg.frameno].stack[spi].reg.obj.state
        return state == uapi.BPF_ITER_STATE_ACTIVE

    def _check_infinite_loop(self, cp: Checkpoint) -> None:
        env, cur, old = self.env, self.env.cur, cp.state
        if (
            _maybe_looping(old, cur)
            and states_equal(env, cp, cur, EXACT)
            and not _iter_depths_differ(old, cur)
            and old.may_goto_depth == cur.may_goto_depth
            and old.callback_unroll_depth == cur.callback_unroll_depth
        ):
            verbose_linfo(env, self.insn_idx, "; ")
            message = f"infinite loop detected at insn {self.insn_idx}"
            env.verbose(message + "\n")
            if env.log_level:
                env.verbose("cur state:")
                print_verifier_state(env, cur, len(cur.frames) - 1, True)
                env.verbose("old state:")
                print_verifier_state(env, old, len(cur.frames) - 1, True, cp)
            env.refuse(EINVAL, message)


def is_state_visited(env: Env, insn_idx: int) -> bool:
    """Compare the current state with those kept at *insn_idx*; keep it if it is new and seems worth it.

    :return: a state that covers it was walked already, this path ends here.
    """
    cur = env.cur
    visit = _Visit(env, insn_idx)
    bucket = _bucket_of(env, insn_idx, cur)
    if env.options.prune:
        _clean_live_states(env, insn_idx, cur, bucket)
    states_cnt = len(bucket)
    seen = bucket.copy()  # _miss() takes from it
    for i in range(states_cnt - 1, -1, -1):
        cp = seen[i]
        if cp.state.insn_idx != insn_idx:
            continue
        if visit.matches(cp) and (env.options.prune or cp.branches):
            cp.hit_cnt += 1
            _end_of_path(env, cp, visit.loop)
            return True
        _miss(env, cp, visit, bucket)
    env.max_states_per_insn = max(env.max_states_per_insn, states_cnt)
    if not env.bpf_capable and states_cnt > BPF_COMPLEXITY_LIMIT_STATES:
        return False
    if visit.add_new_state:
        _keep(env, insn_idx, bucket)
    return False


def _end_of_path(env: Env, cp: Checkpoint, loop: bool) -> None:
    cur = env.cur
    insn = env.insns[env.insn_idx]
    if insn.jmp_point:
        push_history(env, 0)
    propagate_precision(env, cp, cur)
    if loop:
        state = cur.fork()
        state.insn_idx = cur.insn_idx
        _add_scc_backedge(env, cp, state)


def _miss(env: Env, cp: Checkpoint, visit: _Visit, bucket: list[Checkpoint]) -> None:
    if visit.add_new_state:
        cp.miss_cnt += 1
    patience = 64 if visit.rec.force_checkpoint and cp.branches > 0 else 3
    if cp.miss_cnt > cp.hit_cnt * patience + patience:
        cp.in_free_list = True
        bucket.remove(cp)
        env.free_list_size += 1
        env.explored_states_size -= 1
        _maybe_free(env, cp)


def _keep(env: Env, insn_idx: int, bucket: list[Checkpoint]) -> None:
    cur = env.cur
    env.total_states += 1
    env.explored_states_size += 1
    _update_peak_states(env)
    env.prev_jmps_processed = env.jmps_processed
    env.prev_insn_processed = env.insn_processed
    state = cur.fork()
    state.insn_idx = insn_idx
    cp = Checkpoint(state)
    _maybe_enter_scc(env, cp)
    cur.parent = cp
    cur.first_insn_idx = insn_idx
    cur.dfs_depth = state.dfs_depth + 1
    cur.history = None
    bucket.append(cp)
    if env.sink is not None:
        env.tell("checkpoint")


# -- widening ---------------------------------------------------------------------------------------------------------


def widen_imprecise_scalars(env: Env, old: Checkpoint, cur: VerifierState) -> None:
    """Forget scalars that change from one iteration to the next and have not mattered so far."""
    idmap = IdMap(env.id_gen)
    for fr in range(len(old.state.frames) - 1, -1, -1):
        fold = old.state.frames[fr]
        fcur = cur.own(fr)
        precise = old.precise[fr]
        for i in range(MAX_BPF_REG):
            if _widens(env, fold.regs[i], fcur.regs[i], precise >> i & 1 != 0, idmap):
                fcur.regs[i] = UNKNOWN_REG
        precise_slots = old.precise_slots[fr]
        for i in range(min(len(fold.stack), len(fcur.stack))):
            slot, other = fold.stack[i], fcur.stack[i]
            if not is_spilled(slot) or not is_spilled(other):
                continue
            if _widens(env, slot.reg, other.reg, precise_slots >> i & 1 != 0, idmap):
                fcur.stack[i] = new_slot(other.types, UNKNOWN_REG)


def _widens(env: Env, old: RegState, cur: RegState, precise: bool, idmap: IdMap) -> bool:
    if old.type != uapi.SCALAR_VALUE or cur.type != uapi.SCALAR_VALUE:
        return False
    return not (precise or not env.bpf_capable or regs_exact(old, cur, idmap))
