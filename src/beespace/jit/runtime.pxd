# What compiled modules see of runtime.py.

from beespace.decl.call cimport BoundCall
from beespace.decl.runstate cimport RunState, RunWords

ctypedef unsigned long long u64
ctypedef RunWords *words_ptr
ctypedef u64 (*entry_fn)(u64 words, u64 ctx) noexcept nogil
ctypedef u64 (*callback_fn)(u64 words, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5) noexcept
ctypedef u64 (*call_fn)(u64 words, u64 site, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5) noexcept with gil
ctypedef u64 (*tail_fn)(u64 words, u64 site, u64 ctx, u64 descriptor, u64 index) noexcept with gil
ctypedef int (*probe_fn)(u64 words, u64 addr, u64 size) noexcept nogil
ctypedef int (*check_fn)(u64 words, u64 addr, u64 size, int write) noexcept nogil

cdef class CallSite:
    cdef readonly BoundCall bound
    cdef readonly Py_ssize_t insn_idx
    cdef readonly object sink

cdef u64 call_trampoline(u64 words, u64 site, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5) noexcept with gil
cdef u64 tail_trampoline(u64 words, u64 site, u64 ctx, u64 descriptor, u64 index) noexcept with gil
cdef int probe_trampoline(u64 words, u64 addr, u64 size) noexcept nogil
cdef int check_trampoline(u64 words, u64 addr, u64 size, int write) noexcept nogil

cdef class JitExecutable:
    cdef readonly object program
    cdef readonly u64 entry
    cdef readonly dict callbacks
    cdef readonly object keep
    cdef readonly bint is_native
    cdef readonly dict faults
    cdef u64 exception_cb
    cdef bint has_exception_cb
    cdef object __weakref__
