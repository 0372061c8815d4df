# What compiled modules see of machine.py.

from beespace.decl.call cimport BoundCall
from beespace.interp.frames cimport Frames

cpdef unsigned long long add(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long sub(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long mul(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long div(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long sdiv(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long mod(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long smod(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long or_(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long and_(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long xor(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long lsh(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long rsh(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long arsh(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long neg(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long mov(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long movsx(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long le(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef unsigned long long bswap(unsigned long long a, unsigned long long b, int bits, int off) noexcept nogil
cpdef bint jeq(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jne(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jset(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jgt(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jge(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jlt(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jle(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jsgt(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jsge(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jslt(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef bint jsle(unsigned long long a, unsigned long long b, int bits) noexcept nogil
cpdef unsigned long long atomic_add(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil
cpdef unsigned long long atomic_or(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil
cpdef unsigned long long atomic_and(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil
cpdef unsigned long long atomic_xor(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil
cpdef unsigned long long atomic_xchg(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil
cpdef unsigned long long atomic_cmpxchg(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil
cpdef unsigned long long load_acquire(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil
cpdef unsigned long long store_release(unsigned long long addr, unsigned long long value, unsigned long long r0, int size) noexcept nogil

cdef class Machine(Frames):
    cdef void _guarded(self, unsigned long long budget) except *
    cdef int _execute(self, unsigned long long budget) except -1
    cdef unsigned long long _traced(self, BoundCall call, Py_ssize_t insn_idx) except? 0xFFFFFFFFFFFFFFFE
