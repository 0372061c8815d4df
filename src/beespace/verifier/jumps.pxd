# What compiled modules see of jumps.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier cimport numbers as n
from beespace.verifier.alu cimport imm_reg, sane_bounds
from beespace.verifier.consts cimport (
    AT_PKT_END, BEYOND_PKT_END, BPF_ADD_CONST, BPF_ADD_CONST32, BPF_LOG_LEVEL, EACCES, INSN_F_DST_REG_STACK,
    INSN_F_SRC_REG_STACK)
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.paths cimport push_stack
from beespace.verifier.precision cimport mark_chain_precision, push_history
from beespace.verifier.pruning cimport find_prev_entry, widen_imprecise_scalars
from beespace.verifier.refs cimport Change, change_regs, release_reference_nomark
from beespace.verifier.regtypes cimport (
    base_type, is_non_owning_ref, is_pkt_pointer, is_ptr_alloc_obj, may_be_null)
from beespace.verifier.sanitize cimport sanitize_speculative_path
from beespace.verifier.state cimport (
    Checkpoint, FuncState, RegState, StackSlot, VerifierState, copy_reg, is_spilled, new_slot)

@cython.locals(cur=VerifierState, prev=Checkpoint, queued=VerifierState)
cpdef transfer_may_goto(Env env, InsnRec rec)
@cython.locals(cur=VerifierState, regs=list, dst=RegState, src=RegState, flags=int, taken=int, linked=list, other=VerifierState)
cpdef transfer_cond_jump(Env env, InsnRec rec)
cdef _decided(Env env, InsnRec rec, bint taken)
cdef int _flip(int op) noexcept
cdef bint _is_pkt_any(RegState reg) noexcept
cdef bint _is_const(RegState reg, bint is32) noexcept
@cython.locals(value="unsigned long long")
cdef int _branch_taken(int op, RegState a, RegState b, bint is32) except -2
@cython.locals(t="long long", base="long long")
cdef bint _not_null(RegState reg) except -1
@cython.locals(pkt=RegState)
cdef int _pkt_branch_taken(int op, RegState a, RegState b) except -2
@cython.locals(i=int, j=int, frame=FuncState, insn=InsnRec, live=int, reg=RegState, slot=StackSlot)
cdef _collect_linked(Env env, VerifierState state, long long reg_id, list linked)
@cython.locals(dst_true=n.Bounds, src_true=n.Bounds, dst_false=n.Bounds, src_false=n.Bounds, same=bint, cur=VerifierState)
cdef _refine(Env env, InsnRec rec, list regs, list other_regs, RegState dst, RegState src, list linked, VerifierState other)
cdef n.Bounds _both(n.Bounds a, n.Bounds b)
cdef RegState _unlinked(RegState reg)
cdef RegState _bounded(RegState reg, n.Bounds bounds)
@cython.locals(frameno=int, index=int, is_reg=bint, frame=FuncState, slot=StackSlot, reg=RegState, new=RegState, bounds=n.Bounds)
cdef _sync_linked(VerifierState state, RegState known, tuple where, list linked)
@cython.locals(cur=VerifierState, dst=RegState, op=int, equality=bint)
cdef _learn_about_pointers(Env env, InsnRec rec, list regs, VerifierState other)
cdef _lift_null(Env env, InsnRec rec, RegState dst, RegState src, list regs, list other_regs)
@cython.locals(new=RegState)
cpdef RegState mark_ptr_not_null(Env env, RegState reg)
@cython.locals(reg=RegState)
cdef _mark_ptr_or_null(Env env, VerifierState state, int regno, bint is_null)
@cython.locals(v=n.Tnum)
cdef bint _is_init_pkt(RegState reg) noexcept
@cython.locals(src=RegState, pkt=RegState, inside=VerifierState, beyond=VerifierState, inside_open=bint, beyond_open=bint)
cdef bint _match_pkt_pointers(InsnRec rec, RegState dst, list regs, VerifierState this, VerifierState other) except -1
cdef bint _is_compared(RegState pkt, RegState end) noexcept
@cython.locals(umax="unsigned long long", new_range="long long")
cdef _find_good_pkt_pointers(VerifierState state, RegState pkt, bint range_right_open)
@cython.locals(regs=list, reg=RegState)
cdef _mark_pkt_end(VerifierState state, int regno, bint range_open)

cdef class _PtrOrNull(Change):
    cdef Env env
    cdef long long reg_id
    cdef bint is_null

    @cython.locals(b=n.Bounds, new=RegState)
    cpdef RegState of(self, RegState reg)

cdef class _InPacket(Change):
    cdef long long type
    cdef long long id
    cdef long long new_range

    @cython.locals(new=RegState)
    cpdef RegState of(self, RegState reg)
