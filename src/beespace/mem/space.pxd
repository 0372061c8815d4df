# The native table behind AddressSpace.check(), for compiled modules.

cdef struct Slot:
    unsigned long long base
    unsigned long long size
    unsigned long long alive
    unsigned int stride
    unsigned int low
    unsigned int high
    unsigned int write_low
    unsigned int writable

cdef class Region:
    cdef readonly str name
    cdef readonly unsigned long long base
    cdef readonly unsigned long long size
    cdef readonly bint writable
    cdef readonly unsigned long long stride
    cdef readonly unsigned long long first
    cdef readonly unsigned long long extent
    cdef readonly int slot
    cdef readonly int slots
    cdef readonly bint live
    cdef readonly object allocated_at

cdef class AddressSpace:
    cdef readonly unsigned long long base
    cdef readonly unsigned long long limit
    cdef readonly object mapping
    cdef readonly bint trace
    cdef Slot *_table
    cdef Py_ssize_t _slots
    cdef Py_ssize_t _next
    cdef object _free
    cdef dict _regions
    cdef object __weakref__

    cpdef bint check(self, unsigned long long addr, unsigned long long size, bint write) noexcept nogil
    cpdef unsigned long long plain_base(self, unsigned long long addr) noexcept nogil
    cpdef unsigned long long plain_size(self, unsigned long long addr) noexcept nogil
    cpdef bint is_writable(self, unsigned long long addr) noexcept nogil
