# What compiled modules see of explore.py.

cimport cython

from beespace.verifier.check cimport check
from beespace.verifier.consts cimport BPF_LOG_LEVEL, BPF_LOG_LEVEL2
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.slotmarks cimport SlotMarks
from beespace.verifier.paths cimport StackElem, pop_stack
from beespace.verifier.precision cimport push_history
from beespace.verifier.pruning cimport is_state_visited, update_branch_counts
from beespace.verifier.state cimport VerifierState
from beespace.verifier.transfer cimport transfer

@cython.final
cdef class _Walk:
    cdef public int prev_insn_idx
    cdef public bint print_state

@cython.locals(walk=_Walk, insns=list, count=int, limit="long long", idx=int, rec=InsnRec, cur=VerifierState, ends=bint)
cdef _do_check(Env env)
@cython.locals(cur=VerifierState, liveness=SlotMarks, ends=bint)
cdef bint _step(Env env, _Walk walk, InsnRec rec) except -1
cdef bint _is_pruned(Env env, _Walk walk, int idx) except -1
cdef _log_insn(Env env, _Walk walk, int idx)
@cython.locals(elem=StackElem, liveness=SlotMarks)
cdef bint _next_path(Env env, _Walk walk) except -1
