# What compiled modules see of sanitize.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier cimport numbers as n
from beespace.verifier.consts cimport EACCES, MAX_BPF_STACK, U32_MASK
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.paths cimport push_stack
from beespace.verifier.state cimport RegState, VerifierState

cdef bint _can_skip(Env env, InsnRec rec) noexcept
cpdef sanitize_val_alu(Env env, InsnRec rec)
@cython.locals(regs=list, kept=RegState)
cpdef sanitize_ptr_alu(Env env, InsnRec rec, RegState ptr, RegState off_reg, bint ptr_is_dst, info)
@cython.locals(branch=VerifierState, regs=list)
cpdef sanitize_speculative_path(Env env, InsnRec rec, int next_idx, int curr_idx)
cpdef sanitize_check_bounds(Env env, int dst, RegState reg)
