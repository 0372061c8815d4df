# What compiled modules see of transfer.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier.alu cimport check_bounds_sane, transfer_alu
from beespace.verifier.auxtype cimport save_aux_ptr_type
from beespace.verifier.check cimport check_readable
from beespace.verifier.consts cimport EINVAL
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.jumps cimport transfer_cond_jump, transfer_may_goto
from beespace.verifier.memory cimport check_ptr_off_reg
from beespace.verifier.paths cimport push_stack
from beespace.verifier.stack cimport write_stack
from beespace.verifier.state cimport RegState, const_reg, pointer

@cython.locals(cls=int, second=InsnRec)
cpdef bint transfer(Env env, InsnRec rec, RegState loaded) except -1
@cython.locals(regs=list, ptr=RegState)
cdef _load(Env env, InsnRec rec, RegState loaded)
@cython.locals(ptr=RegState)
cdef _store(Env env, InsnRec rec, int value_regno)
cdef bint _jump(Env env, InsnRec rec) except -1
cdef bint _call(Env env, InsnRec rec) except -1
cdef bint _end_function(Env env, InsnRec rec) except -1
cdef RegState _imm64(Env env, InsnRec rec)
