# What compiled modules see of auxtype.py.

from beespace.uapi cimport bpf as uapi
from beespace.verifier.consts cimport EINVAL
from beespace.verifier.env cimport Env
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.regtypes cimport base_type

cpdef save_aux_ptr_type(Env env, InsnRec rec, long long reg_type, bint allow_trust_mismatch)
