# What compiled modules see of obligations.py.

cimport cython

@cython.final
cdef class Obligation:
    cdef readonly int tag
    cdef readonly int regno
    cdef readonly str message
    cdef readonly int off
    cdef readonly int size
    cdef readonly bint write
    cdef readonly int value
    cdef readonly bint strict
    cdef readonly bint sign_extend
