# What compiled modules see of refs.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier.consts cimport EINVAL, MAX_BPF_REG
from beespace.verifier.env cimport Env
from beespace.verifier.regtypes cimport base_type, is_non_owning_ref, is_pkt_pointer
from beespace.verifier.state cimport FuncState, Reference, RegState, StackSlot, VerifierState, is_spilled, new_slot

cdef class Change:
    cpdef RegState of(self, RegState reg)

cdef class _Called(Change):
    cdef object function

    cpdef RegState of(self, RegState reg)

@cython.locals(frame=FuncState, reg=RegState, new=RegState, slot=StackSlot, i=int, frameno=int)
cpdef change_regs(VerifierState state, Change change, bint iters=*)
cpdef bint release_reference_nomark(VerifierState state, long long ref_obj_id) except -1
@cython.locals(cur=VerifierState, ref=Reference, r0=RegState)
cpdef str check_reference_leak(Env env, bint exception_exit)
@cython.locals(cur=VerifierState)
cpdef check_resource_leak(Env env, bint exception_exit, bint check_lock, str prefix)
