# What compiled modules see of memory.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier cimport numbers as n
from beespace.verifier.consts cimport BPF_MAX_VAR_OFF, EACCES, EINVAL, ENOTSUPP, S64_SIGN, U32_MASK, U64_MASK
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.regtypes cimport base_type, is_pkt_pointer, is_sk_pointer, may_be_null
from beespace.verifier.stack cimport check_stack_access_within_bounds, check_stack_read, check_stack_write
from beespace.verifier.state cimport RegState, const_reg, copy_reg, scalar

@cython.locals(reg=RegState, value=RegState, bounds=n.Bounds)
cpdef RegState check_mem_access(Env env, int regno, long long off, long long size, bint write, int value_regno, bint strict=*, bint ldsx=*)
@cython.locals(t="long long", base="long long")
cdef RegState _access(Env env, RegState reg, int regno, long long off, long long size, bint write, int value_regno, bint ldsx)
cdef _check_leak(Env env, bint write, int value_regno, str where)
@cython.locals(t="long long", b=n.Bounds, pkt=bint, ip_align=int, total=n.Tnum)
cpdef check_ptr_alignment(Env env, RegState reg, long long off, long long size, bint strict_once)
@cython.locals(var_off=n.Tnum)
cpdef check_ptr_off_reg(Env env, RegState reg, int regno, bint fixed_off_ok=*)
@cython.locals(reg=RegState)
cdef bint _check_region(Env env, int regno, long long off, long long size, long long mem_size, bint zero_size_allowed) except -1
cdef long long _s32(long long value) noexcept
@cython.locals(reg=RegState, b=n.Bounds, smin="long long")
cpdef check_mem_region_access(Env env, int regno, long long off, long long size, long long mem_size, bint zero_size_allowed)
@cython.locals(t="long long", rdonly=bint)
cdef RegState _mem(Env env, RegState reg, int regno, long long off, long long size, bint write, int value_regno)
@cython.locals(reg=RegState)
cpdef check_map_access_type(Env env, int regno, long long off, long long size, bint write)
@cython.locals(reg=RegState, b=n.Bounds)
cpdef check_map_access(Env env, int regno, long long off, long long size, bint zero_size_allowed, bint direct)
@cython.locals(b=n.Bounds, at="long long")
cdef RegState _map_value(Env env, RegState reg, int regno, long long off, long long size, bint write, int value_regno, bint ldsx)
@cython.locals(reg=RegState, b=n.Bounds)
cpdef check_packet_access(Env env, int regno, long long off, long long size, bint zero_size_allowed)
