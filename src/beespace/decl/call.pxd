# What compiled modules see of call.py.

cdef class BoundCall:
    cdef readonly str name
    cdef readonly object impl
    cdef object meta
    cdef readonly int arity
    cdef bint plain
    cdef int conversions[5]
    cdef unsigned long long mask

    cpdef unsigned long long call(
        self, object run, unsigned long long r1, unsigned long long r2, unsigned long long r3,
        unsigned long long r4, unsigned long long r5) except? 0xFFFFFFFFFFFFFFFE
    cdef unsigned long long _result(self, object result) except? 0xFFFFFFFFFFFFFFFE
    cdef object _argument(self, object run, Py_ssize_t index, unsigned long long word)
