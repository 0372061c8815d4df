ctypedef unsigned long long u64

cpdef u64 fast_lookup(u64 state, u64 key, int size) noexcept nogil
cpdef long long fast_update(u64 state, u64 key, u64 value, u64 flags, u64 cpu, int size) noexcept nogil
cdef u64 native_lookup4(u64 state, u64 key, u64 cpu) noexcept nogil
cdef u64 native_lookup8(u64 state, u64 key, u64 cpu) noexcept nogil
cdef long long native_update4(u64 state, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cdef long long native_update8(u64 state, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cdef long long native_delete(u64 state, u64 key, u64 cpu) noexcept nogil
