# What compiled modules see of liveness.py. Masks are arrays of C: one word for each insn of a function.

cimport cython

from beespace.verifier.consts cimport BPF_LOG_LEVEL2, MAX_CALL_FRAMES
from beespace.verifier.env cimport Env, Subprog
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.slotmarks cimport SlotMarks, SlotQuery
from beespace.verifier.state cimport FuncState, VerifierState

@cython.final
cdef class _Masks:
    cdef unsigned long long[::1] may_read
    cdef unsigned long long[::1] must_write
    cdef unsigned long long[::1] must_write_acc
    cdef unsigned long long[::1] live_before

@cython.final
cdef class _Instance:
    cdef readonly tuple callchain
    cdef readonly tuple starts
    cdef readonly int start
    cdef readonly int depth
    cdef readonly int insn_cnt
    cdef readonly bint updated
    cdef readonly bint must_write_dropped
    cdef readonly list frames
    cdef unsigned char[::1] must_write_set

    @cython.locals(found=_Masks)
    cdef _Masks masks(self, int frame)
    @cython.locals(found=_Masks)
    cdef bint is_live_before(self, int insn_idx, int frame, int spi) except -1

cdef class Liveness(SlotMarks):
    cdef Env _env
    cdef dict _instances
    cdef _Instance _cur
    cdef unsigned long long[::1] _written
    cdef int _write_insn_idx
    cdef int[::1] _first
    cdef int[::1] _second
    cdef dict _orders

    cpdef reset_callchain(self)
    cpdef mark_read(self, int frame, int insn_idx, unsigned long long mask)
    cpdef begin_insn(self, int insn_idx)
    cpdef mark_write(self, int frame, unsigned long long mask)
    cpdef commit_insn(self)
    @cython.locals(cur=VerifierState)
    cdef _Instance _current(self)
    cdef _begin(self, _Instance instance, int insn_idx)
    @cython.locals(masks=_Masks, new="unsigned long long")
    cdef _mark_read(self, _Instance instance, int frame, int insn_idx, unsigned long long mask)
    @cython.locals(masks=_Masks, mask="unsigned long long", old="unsigned long long", at=int, frame=int)
    cdef _commit(self, _Instance instance)
    @cython.locals(f=FuncState, sub=Subprog)
    cdef _Instance _lookup(self, VerifierState state, int frameno)
    cdef _Instance _outer(self, _Instance instance)
    @cython.locals(state=VerifierState, instance=_Instance)
    cpdef update(self)
    cdef int[::1] _order(self, _Instance instance)
    @cython.locals(masks=_Masks, order="int[::1]", idx=int, k=int, frame=int, count=int, changed=bint)
    cdef _update_instance(self, _Instance instance)
    @cython.locals(start=int, at=int, s=int, after="unsigned long long", written="unsigned long long", before="unsigned long long", rec=InsnRec)
    cdef bint _update_insn(self, _Instance instance, int frame, _Masks masks, int idx) except -1
    cdef _log_change(self, _Instance instance, str what, int frame, int idx, unsigned long long old, unsigned long long new)
    @cython.locals(outer=_Instance, masks=_Masks)
    cdef _propagate_to_outer(self, _Instance instance)
    cpdef SlotQuery query(self, VerifierState state)

cdef class Query(SlotQuery):
    cdef Env _env
    cdef int _insn_idx
    cdef list _instances

    @cython.locals(innermost=_Instance, instance=_Instance, rec=InsnRec, at=int, callsite=int, i=int)
    cpdef bint is_alive(self, int frameno, int spi) except -1
