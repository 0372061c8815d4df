ctypedef unsigned long long u64

cdef u64 plan_of(u64 state) noexcept nogil
cpdef u64 array_lookup(u64 state, u64 key, u64 cpu) noexcept nogil
cpdef long long array_update(u64 state, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cpdef long long array_delete(u64 state, u64 key, u64 cpu) noexcept nogil
cpdef long long array_next_key(u64 state, u64 key, u64 next_key) noexcept nogil
cdef u64 native_array_lookup(u64 state, u64 key, u64 cpu) noexcept nogil
cdef long long native_array_update(u64 state, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cdef long long native_array_delete(u64 state, u64 key, u64 cpu) noexcept nogil
