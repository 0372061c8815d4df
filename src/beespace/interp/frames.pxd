# What compiled modules see of frames.py.

from beespace.decl.runstate cimport RunState
from beespace.interp.code cimport Code
from beespace.mem.space cimport AddressSpace

cdef struct Frame:
    Py_ssize_t pc              # where the caller goes on
    unsigned long long saved[5]  # its R6-R10
    unsigned long long loops   # its may_goto budget
    int program                # its index in Machine.programs
    bint main                  # it is a program's first frame

cdef class Frames:
    cdef readonly RunState run
    cdef readonly list programs
    cdef AddressSpace space
    cdef Code code
    cdef object sink
    cdef bint verified
    cdef bint finished
    cdef bint main
    cdef int depth
    cdef int program
    cdef Py_ssize_t pc
    cdef unsigned long long loops
    cdef unsigned long long window
    cdef unsigned long long window_bytes
    cdef bint window_writable
    cdef unsigned long long r[12]
    cdef Frame frames[16]

    cdef void _unwound(self, unsigned long long cookie) except *
    cdef void _enter_stack(self) except *
    cdef void _call_subprog(self, Py_ssize_t target) except *
    cdef void _leave(self) except *
    cdef void _leave_frame(self) except *
    cdef void _switch(self, int program) except *
    cdef bint _tail_call(self, Py_ssize_t insn_idx) except -1
    cdef int _check(self, unsigned long long addr, int size, bint write) except -1
    cdef unsigned long long _arena(self, unsigned long long addr, int off, int size) noexcept
    cdef void _aborted(self) except *
