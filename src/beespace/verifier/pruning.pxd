# What compiled modules see of pruning.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier cimport numbers as n
from beespace.verifier.consts cimport (
    ALL_MISC, BPF_ADD_CONST, BPF_COMPLEXITY_LIMIT_STATES, BPF_LOG_LEVEL2, EINVAL, MAX_BPF_REG, U32_MASK, U64_MASK)
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.slotmarks cimport SlotMarks, SlotQuery
from beespace.verifier.precision cimport clear_dead_marks, propagate_precision, push_history
from beespace.verifier.state cimport (
    Checkpoint, Dynptr, FuncState, Hist, Iter, Reference, RegState, StackSlot, VerifierState, is_spilled, new_slot,
    spi_of)

cdef int NOT_EXACT, EXACT, RANGE_WITHIN

@cython.final
@cython.freelist(8)
cdef class IdMap:
    cdef dict _cur_of
    cdef dict _old_of
    cdef long long _tmp_id_gen

    cdef bint check(self, long long old_id, long long cur_id) except -1
    cdef bint check_scalar(self, long long old_id, long long cur_id) except -1

cdef bint _same_head(RegState a, RegState b) except -1
cdef bint regs_exact(RegState old, RegState cur, IdMap idmap) except -1
@cython.locals(base="long long", same=bint)
cdef bint _regsafe(Env env, RegState old, RegState cur, bint precise, IdMap idmap, int exact) except -1
@cython.locals(types="unsigned long long", i=int, kind=int)
cdef RegState _scalar_of(Env env, StackSlot slot)
@cython.locals(old_reg=RegState, cur_reg=RegState, i=int, kind=int, cur_kind=int)
cdef bint _slotsafe(Env env, StackSlot old, StackSlot cur, bint precise, IdMap idmap, int exact) except -1
@cython.locals(same=bint)
cdef bint _same_content(Env env, int kind, RegState old, RegState cur, bint precise, IdMap idmap, int exact) except -1
@cython.locals(i=int, a=Reference, b=Reference)
cdef bint _refsafe(VerifierState old, VerifierState cur, IdMap idmap) except -1
@cython.locals(
    old=FuncState, insn=InsnRec, live=int, precise="long long", precise_slots="unsigned long long", old_regs=list,
    cur_regs=list, j=int, count=int, slot=StackSlot, other=StackSlot)
cdef bint _frames_equal(Env env, Checkpoint cp, int i, FuncState cur, IdMap idmap, int exact) except -1
@cython.locals(old=VerifierState, idmap=IdMap, i=int, frame=FuncState, other=FuncState)
cpdef bint states_equal(Env env, Checkpoint cp, VerifierState cur, int exact) except -1
@cython.locals(i=int, f=FuncState, g=FuncState)
cdef bint _same_callsites(VerifierState a, VerifierState b) except -1

@cython.final
cdef class _SccVisit:
    cdef readonly Checkpoint entry_state
    cdef readonly list backedges
    cdef readonly long long num_backedges

@cython.locals(i=int, insn_idx=int, insn=InsnRec, chain=list)
cdef tuple _scc_callchain(Env env, VerifierState st)
@cython.locals(visit=_SccVisit)
cdef _maybe_enter_scc(Env env, Checkpoint cp)
@cython.locals(visit=_SccVisit)
cdef _maybe_exit_scc(Env env, Checkpoint cp)
@cython.locals(visit=_SccVisit)
cdef _add_scc_backedge(Env env, Checkpoint cp, VerifierState state)
@cython.locals(visit=_SccVisit)
cdef bint _incomplete_read_marks(Env env, VerifierState st) except -1
@cython.locals(changed=bint, rounds=int)
cdef _propagate_backedges(Env env, _SccVisit visit)
cdef _update_peak_states(Env env)
cdef _maybe_free(Env env, Checkpoint cp)
@cython.locals(cp=Checkpoint)
cpdef update_branch_counts(Env env, VerifierState cur)
@cython.locals(cp=Checkpoint)
cdef _clean_live_states(Env env, int insn_idx, VerifierState cur, list bucket)
@cython.locals(state=VerifierState, query=SlotQuery, liveness=SlotMarks, i=int, j=int, insn=InsnRec, live=int, frame=FuncState)
cdef _clean(Env env, Checkpoint cp)
@cython.locals(key="long long", frame=FuncState)
cdef list _bucket_of(Env env, int insn_idx, VerifierState state)
@cython.locals(fr=int, i=int, frame=FuncState, slot=StackSlot)
cdef bint _iter_depths_differ(VerifierState old, VerifierState cur) except -1
@cython.locals(i=int, f=FuncState, g=FuncState, a=RegState, b=RegState, same=bint)
cdef bint _maybe_looping(VerifierState old, VerifierState cur) except -1
@cython.locals(cp=Checkpoint, st=VerifierState)
cpdef Checkpoint find_prev_entry(Env env, VerifierState cur, int insn_idx)

@cython.final
@cython.freelist(8)
cdef class _Visit:
    cdef Env env
    cdef InsnRec rec
    cdef int insn_idx
    cdef bint force_new_state
    cdef bint add_new_state
    cdef bint loop

    @cython.locals(env=Env, cur=VerifierState)
    cdef bint matches(self, Checkpoint cp) except -1
    @cython.locals(env=Env, cur=VerifierState, rec=InsnRec, frame=FuncState, cur_frame=FuncState, jumps="long long")
    cdef bint _matches_open(self, Checkpoint cp) except -1
    @cython.locals(cur=VerifierState, reg=RegState, spi=int)
    cdef bint _iter_is_active(self) except -1
    @cython.locals(env=Env, cur=VerifierState, old=VerifierState)
    cdef _check_infinite_loop(self, Checkpoint cp)

@cython.locals(cur=VerifierState, visit=_Visit, bucket=list, states_cnt=int, seen=list, i=int, cp=Checkpoint)
cpdef bint is_state_visited(Env env, int insn_idx) except -1
@cython.locals(cur=VerifierState, insn=InsnRec, state=VerifierState)
cdef _end_of_path(Env env, Checkpoint cp, bint loop)
@cython.locals(patience=int)
cdef _miss(Env env, Checkpoint cp, _Visit visit, list bucket)
@cython.locals(cur=VerifierState, state=VerifierState, cp=Checkpoint)
cdef _keep(Env env, int insn_idx, list bucket)
@cython.locals(
    idmap=IdMap, fr=int, fold=FuncState, fcur=FuncState, precise="long long", precise_slots="unsigned long long", i=int,
    slot=StackSlot, other=StackSlot)
cpdef widen_imprecise_scalars(Env env, Checkpoint old, VerifierState cur)
cdef bint _widens(Env env, RegState old, RegState cur, bint precise, IdMap idmap) except -1
