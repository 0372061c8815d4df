# What compiled modules see of paths.py.

cimport cython

from beespace.verifier.consts cimport BPF_COMPLEXITY_LIMIT_JMP_SEQ, EFAULT
from beespace.verifier.env cimport Env
from beespace.verifier.state cimport Checkpoint, VerifierState

@cython.final
@cython.freelist(64)
cdef class StackElem:
    cdef public VerifierState state
    cdef public int insn_idx
    cdef public int prev_insn_idx
    cdef public long long log_pos

@cython.locals(state=VerifierState, elem=StackElem)
cpdef VerifierState push_stack(Env env, int insn_idx, int prev_insn_idx, bint speculative, int err=*)
@cython.locals(elem=StackElem)
cpdef StackElem pop_stack(Env env, bint pop_log)
