# What compiled modules see of alu.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier cimport numbers as n
from beespace.verifier.consts cimport (
    BPF_ADD_CONST, BPF_ADD_CONST32, BPF_ADD_CONST64, BPF_MAX_VAR_OFF, EACCES, EFAULT, EINVAL, S64_SIGN, U32_MASK)
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.paths cimport push_stack
from beespace.verifier.precision cimport mark_chain_precision
from beespace.verifier.regtypes cimport base_type, is_pkt_pointer
from beespace.verifier.sanitize cimport sanitize_check_bounds, sanitize_ptr_alu, sanitize_val_alu
from beespace.verifier.stack cimport assign_scalar_id
from beespace.verifier.state cimport RegState, VerifierState, const_reg, copy_reg, pointer, scalar

@cython.locals(regs=list, dst=RegState)
cpdef transfer_alu(Env env, InsnRec rec)
@cython.locals(reg=RegState, bounds=n.Bounds, sane=n.Bounds)
cpdef check_bounds_sane(Env env, list regs, int regno, str where)
cpdef n.Bounds sane_bounds(Env env, n.Bounds b, str where)
@cython.locals(new=RegState)
cdef RegState _with_bounds(RegState reg, n.Bounds bounds, long long reg_id, long long off)
cpdef RegState imm_reg(InsnRec rec)
@cython.locals(src=RegState, bounds=n.Bounds, same=bint)
cdef RegState _moved(Env env, InsnRec rec, list regs)
@cython.locals(reg=RegState)
cdef RegState _cast(Env env, InsnRec rec)
@cython.locals(dst=RegState, operand=RegState)
cdef _adjust(Env env, InsnRec rec, list regs)
@cython.locals(bounds=n.Bounds, result=n.Bounds, known=bint, op=int, reg_id="long long", off="long long")
cdef RegState _scalar_result(Env env, InsnRec rec, list regs, RegState dst, RegState operand)
@cython.locals(var_off=n.Tnum, value="long long")
cdef tuple _linked_by(Env env, InsnRec rec, RegState dst, RegState operand)
@cython.locals(branch=VerifierState, zero=RegState, width=int)
cdef n.Bounds _maybe_fork(Env env, InsnRec rec, RegState dst)
@cython.locals(b=n.Bounds, smin="long long")
cdef _check_sane_offset(Env env, RegState reg, long long reg_type)
cdef long long _s64(unsigned long long word) noexcept
cdef long long _s32(long long word) noexcept
cdef bint _s32_fits(long long value) noexcept
@cython.locals(dst=int, o=n.Bounds, known=bint, contradictory=bint, base="long long", new=RegState, sanitized=bint)
cdef _adjust_ptr(Env env, InsnRec rec, list regs, RegState ptr, RegState off_reg, bint ptr_is_dst)
@cython.locals(dst=int, base="long long")
cdef _check_ptr_alu(Env env, InsnRec rec, RegState ptr, bint adds_nothing, bint known)
@cython.locals(dst=int, op=int, o=n.Bounds, new=RegState, delta="long long")
cdef RegState _offset_ptr(Env env, InsnRec rec, RegState ptr, RegState off_reg, bint ptr_is_dst, bint known)
