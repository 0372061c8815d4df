# What compiled modules see of check.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier.consts cimport ACCESS, EACCES, EINVAL, NOT_POINTER, READ, WRITE
from beespace.verifier.env cimport Env
from beespace.verifier.memory cimport check_mem_access
from beespace.verifier.obligations cimport Obligation
from beespace.verifier.state cimport RegState

@cython.locals(o=Obligation, tag=int, loaded=RegState)
cpdef RegState check(Env env, tuple obligations)
@cython.locals(reg=RegState)
cpdef check_readable(Env env, int regno)
cpdef check_writable(Env env, int regno)
cpdef check_not_pointer(Env env, int regno, str message)
