# What compiled modules see of packets.py.

from beespace.decl.runstate cimport RunState

ctypedef unsigned long long u64
ctypedef u64 (*entry_fn)(u64 words, u64 ctx) noexcept nogil

cdef struct Job:
    u64 base
    u64 offsets
    u64 lengths
    u64 times
    u64 retvals
    u64 out
    u64 out_bytes
    u64 out_offsets

cdef class PacketRunner:
    cdef readonly object prog
    cdef readonly object executable
    cdef readonly object run
    cdef readonly list regions
    cdef RunState state
    cdef u64 entry
    cdef u64 words
    cdef u64 ctx
    cdef u64 start
    cdef u64 data
    cdef u64 data_end
    cdef u64 data_meta
    cdef u64 min_bytes
    cdef u64 max_bytes
    cdef readonly u64 max_out

    cdef u64 _enter(self, u64 size) noexcept nogil
    cdef Py_ssize_t _loop(self, Job *job, Py_ssize_t i, Py_ssize_t last) noexcept nogil
