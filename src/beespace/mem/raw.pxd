# What compiled modules see of raw.py.

cpdef unsigned long long load8(unsigned long long addr) noexcept nogil
cpdef unsigned long long load16(unsigned long long addr) noexcept nogil
cpdef unsigned long long load32(unsigned long long addr) noexcept nogil
cpdef unsigned long long load64(unsigned long long addr) noexcept nogil
cpdef void store8(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef void store16(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef void store32(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef void store64(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long load_acquire32(unsigned long long addr) noexcept nogil
cpdef unsigned long long load_acquire64(unsigned long long addr) noexcept nogil
cpdef void store_release32(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef void store_release64(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_add32(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_add64(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_or32(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_or64(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_and32(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_and64(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_xor32(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long fetch_xor64(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long xchg32(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long xchg64(unsigned long long addr, unsigned long long value) noexcept nogil
cpdef unsigned long long cmpxchg32(
    unsigned long long addr, unsigned long long expected, unsigned long long value) noexcept nogil
cpdef unsigned long long cmpxchg64(
    unsigned long long addr, unsigned long long expected, unsigned long long value) noexcept nogil
cpdef void spin_lock(unsigned long long addr) noexcept nogil
cpdef void spin_unlock(unsigned long long addr) noexcept nogil
cpdef unsigned long long w64(unsigned long long x) noexcept nogil
cpdef unsigned long long w32(unsigned long long x) noexcept nogil
cpdef void copy(unsigned long long dst, unsigned long long src, unsigned long long size) noexcept nogil
cpdef void fill(unsigned long long dst, int byte, unsigned long long size) noexcept nogil
cpdef int compare(unsigned long long a, unsigned long long b, unsigned long long size) noexcept nogil
cpdef bytes read_bytes(unsigned long long addr, Py_ssize_t size)
cpdef void write_bytes(unsigned long long addr, bytes data) except *
