# Builtins of GCC and Clang and of the C library, for raw.py.

cdef extern from * nogil:
    enum:
        ATOMIC_RELAXED "__ATOMIC_RELAXED"
        ATOMIC_ACQUIRE "__ATOMIC_ACQUIRE"
        ATOMIC_RELEASE "__ATOMIC_RELEASE"
        ATOMIC_SEQ_CST "__ATOMIC_SEQ_CST"
    unsigned int atomic_load_n32 "__atomic_load_n" (unsigned int *p, int order)
    unsigned long long atomic_load_n64 "__atomic_load_n" (unsigned long long *p, int order)
    void atomic_store_n32 "__atomic_store_n" (unsigned int *p, unsigned int v, int order)
    void atomic_store_n64 "__atomic_store_n" (unsigned long long *p, unsigned long long v, int order)
    unsigned int atomic_fetch_add32 "__atomic_fetch_add" (unsigned int *p, unsigned int v, int order)
    unsigned long long atomic_fetch_add64 "__atomic_fetch_add" (unsigned long long *p, unsigned long long v, int order)
    unsigned int atomic_fetch_or32 "__atomic_fetch_or" (unsigned int *p, unsigned int v, int order)
    unsigned long long atomic_fetch_or64 "__atomic_fetch_or" (unsigned long long *p, unsigned long long v, int order)
    unsigned int atomic_fetch_and32 "__atomic_fetch_and" (unsigned int *p, unsigned int v, int order)
    unsigned long long atomic_fetch_and64 "__atomic_fetch_and" (unsigned long long *p, unsigned long long v, int order)
    unsigned int atomic_fetch_xor32 "__atomic_fetch_xor" (unsigned int *p, unsigned int v, int order)
    unsigned long long atomic_fetch_xor64 "__atomic_fetch_xor" (unsigned long long *p, unsigned long long v, int order)
    unsigned int atomic_exchange32 "__atomic_exchange_n" (unsigned int *p, unsigned int v, int order)
    unsigned long long atomic_exchange64 "__atomic_exchange_n" (unsigned long long *p, unsigned long long v, int order)
    unsigned int sync_cmpxchg32 "__sync_val_compare_and_swap" (unsigned int *p, unsigned int old, unsigned int new)
    unsigned long long sync_cmpxchg64 "__sync_val_compare_and_swap" (
        unsigned long long *p, unsigned long long old, unsigned long long new)

cdef extern from "string.h" nogil:
    void *memmove (void *dst, const void *src, size_t size)
    void *memset (void *dst, int byte, size_t size)
    int memcmp (const void *a, const void *b, size_t size)

cdef extern from "unistd.h" nogil:
    long fd_read "read" (int fd, void *buf, size_t count)
    long fd_write "write" (int fd, const void *buf, size_t count)
