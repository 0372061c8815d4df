# What compiled modules see of precision.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier.consts cimport (
    BPF_LOG_LEVEL2, BPF_MAIN_FUNC, BPF_REG_SIZE, INSN_F_DST_REG_STACK, INSN_F_FRAMENO_MASK, INSN_F_SPI_MASK,
    INSN_F_SPI_SHIFT, INSN_F_SRC_REG_STACK, INSN_F_STACK_ACCESS, MAX_BPF_REG, MAX_CALL_FRAMES)
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.state cimport (
    Checkpoint, FuncState, Hist, RegState, StackSlot, VerifierState, bit, is_spilled_scalar, new_hist)

cdef int _ARGS

cpdef int stack_access_flags(int frameno, int spi) noexcept
@cython.locals(ent=Hist, cur=VerifierState)
cpdef push_history(Env env, int flags, tuple linked=*)

@cython.final
@cython.freelist(8)
@cython.no_gc
cdef class _Backtrack:
    cdef int frame
    cdef unsigned int regs[8]
    cdef unsigned long long slots[8]

    cdef bint empty(self) noexcept
    cdef bint is_set(self, int regno) noexcept
    cdef void set(self, int regno) noexcept
    cdef void clear(self, int regno) noexcept
    @cython.locals(frameno=int, index=int, is_reg=bint)
    cdef sync_linked(self, Hist hist)

@cython.locals(bt=_Backtrack)
cpdef mark_chain_precision(Env env, int regno)
@cython.locals(bt=_Backtrack)
cpdef mark_slot_precise(Env env, int frameno, int spi)
@cython.locals(bt=_Backtrack, fr=int)
cpdef bint propagate_precision(Env env, Checkpoint old, VerifierState cur) except -1
@cython.locals(
    changed=bint, st=VerifierState, checkpoint=Checkpoint, first_idx=int, last_idx=int, subseq_idx=int, skip_first=bint,
    loud=bint, insns=list, hist=Hist, entry=Hist, i=int, rec=InsnRec)
cdef bint _mark(Env env, VerifierState starting_state, _Backtrack bt) except -1
@cython.locals(frame=FuncState, regs="unsigned int", changed=bint, i=int, reg=RegState)
cdef bint _mark_entry(Env env, VerifierState st, Checkpoint checkpoint, _Backtrack bt) except -1
@cython.locals(
    changed=bint, st=VerifierState, fr=int, frame=FuncState, regs="unsigned int", marked="unsigned int", i=int,
    reg=RegState, slots="unsigned long long", marked_slots="unsigned long long", slot=StackSlot)
cdef bint _mark_checkpoint(Env env, Checkpoint checkpoint, _Backtrack bt) except -1
@cython.locals(cls=int, frameno=int, spi=int)
cdef _backtrack_insn(Env env, InsnRec rec, int subseq_idx, Hist hist, _Backtrack bt)
cdef _backtrack_alu(InsnRec rec, _Backtrack bt)
@cython.locals(flags=int)
cdef bint _backtrack_jump(Env env, InsnRec rec, int subseq_idx, Hist hist, _Backtrack bt) except -1
@cython.locals(args="unsigned int")
cdef _backtrack_call(Env env, InsnRec rec, _Backtrack bt)
cdef _expect_nothing_but_args(Env env, _Backtrack bt, str what)
cdef _leave_frame(Env env, _Backtrack bt)
cdef _enter_frame(Env env, _Backtrack bt)
@cython.locals(subseq=InsnRec, call=InsnRec, r0_precise=bint)
cdef _backtrack_exit(Env env, int subseq_idx, _Backtrack bt)
@cython.locals(
    frame=FuncState, precise="unsigned int", precise_slots="unsigned long long", i=int, reg=RegState, slot=StackSlot)
cpdef clear_dead_marks(Checkpoint checkpoint, int frameno)
cdef _print_propagated(Env env, int fr, _Backtrack bt)
