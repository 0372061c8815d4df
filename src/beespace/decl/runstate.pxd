# What compiled modules see of runstate.py.

cdef struct RunWords:
    unsigned int aborted
    unsigned int cpu
    unsigned long long sp
    unsigned long long stack
    unsigned long long tail_calls
    unsigned long long insn_count
    unsigned long long last_insn_idx
    unsigned long long insn_limit
    unsigned long long owner
    unsigned long long result
    unsigned long long mem
    unsigned long long now

cdef class RunState:
    cdef RunWords words
    cdef public unsigned long long stack_bytes
    cdef public object pending
    cdef public object targets
    cdef public bint apart
    cdef object _mem
