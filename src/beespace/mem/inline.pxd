# The functions of raw.py once more, inlined into the compiled modules that cimport them; uncompiled code takes raw.py's.

from beespace.mem.cbuiltins cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELEASE, ATOMIC_SEQ_CST, atomic_exchange32, atomic_fetch_add64, atomic_load_n32,
    atomic_load_n64, atomic_store_n32, atomic_store_n64, memcmp, memmove, memset, sync_cmpxchg32)

ctypedef unsigned long long u64

cdef inline u64 load8(u64 addr) noexcept nogil:
    return (<unsigned char *>addr)[0]

cdef inline u64 load16(u64 addr) noexcept nogil:
    return (<unsigned short *>addr)[0]

cdef inline u64 load32(u64 addr) noexcept nogil:
    return (<unsigned int *>addr)[0]

cdef inline u64 load64(u64 addr) noexcept nogil:
    return (<u64 *>addr)[0]

cdef inline void store8(u64 addr, u64 value) noexcept nogil:
    (<unsigned char *>addr)[0] = <unsigned char>value

cdef inline void store16(u64 addr, u64 value) noexcept nogil:
    (<unsigned short *>addr)[0] = <unsigned short>value

cdef inline void store32(u64 addr, u64 value) noexcept nogil:
    (<unsigned int *>addr)[0] = <unsigned int>value

cdef inline void store64(u64 addr, u64 value) noexcept nogil:
    (<u64 *>addr)[0] = value

cdef inline u64 load_acquire32(u64 addr) noexcept nogil:
    return atomic_load_n32(<unsigned int *>addr, ATOMIC_ACQUIRE)

cdef inline u64 load_acquire64(u64 addr) noexcept nogil:
    return atomic_load_n64(<u64 *>addr, ATOMIC_ACQUIRE)

cdef inline void store_release64(u64 addr, u64 value) noexcept nogil:
    atomic_store_n64(<u64 *>addr, value, ATOMIC_RELEASE)

cdef inline u64 cmpxchg32(u64 addr, u64 expected, u64 value) noexcept nogil:
    return sync_cmpxchg32(<unsigned int *>addr, <unsigned int>expected, <unsigned int>value)

cdef inline void store_release32(u64 addr, u64 value) noexcept nogil:
    atomic_store_n32(<unsigned int *>addr, <unsigned int>value, ATOMIC_RELEASE)

cdef inline u64 xchg32(u64 addr, u64 value) noexcept nogil:
    return atomic_exchange32(<unsigned int *>addr, <unsigned int>value, ATOMIC_SEQ_CST)

cdef inline u64 fetch_add64(u64 addr, u64 value) noexcept nogil:
    return atomic_fetch_add64(<u64 *>addr, value, ATOMIC_SEQ_CST)

cdef inline void copy(u64 dst, u64 src, u64 size) noexcept nogil:
    memmove(<void *>dst, <void *>src, size)

cdef inline void fill(u64 dst, int byte, u64 size) noexcept nogil:
    memset(<void *>dst, byte, size)

cdef inline int compare(u64 a, u64 b, u64 size) noexcept nogil:
    return memcmp(<void *>a, <void *>b, size)

cdef inline u64 w64(u64 x) noexcept nogil:
    return x

cdef inline u64 w32(u64 x) noexcept nogil:
    return <unsigned int>x

cdef inline void spin_lock(u64 addr) noexcept nogil:
    while atomic_exchange32(<unsigned int *>addr, 1, ATOMIC_ACQUIRE) != 0:
        while (<volatile unsigned int *>addr)[0] != 0:
            pass

cdef inline void spin_unlock(u64 addr) noexcept nogil:
    atomic_store_n32(<unsigned int *>addr, 0, ATOMIC_RELEASE)
