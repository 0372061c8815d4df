ctypedef unsigned long long u64

cdef u64 plan_of(u64 state) noexcept nogil
cdef u64 lock_of(u64 state) noexcept nogil
cdef u64 count_of(u64 state) noexcept nogil
cdef void add_count(u64 state, u64 by) noexcept nogil
cdef u64 rol32(u64 x, int k) noexcept nogil
cdef u64 jhash_final(u64 a, u64 b, u64 c) noexcept nogil
cdef u64 jhash(u64 key, u64 size, u64 start) noexcept nogil
cpdef u64 jhash_seeded(u64 key, u64 size, u64 seed) noexcept nogil
cdef u64 fast_hash(u64 key, u64 size, u64 seed) noexcept nogil
cdef bint same_key(u64 a, u64 b, u64 size) noexcept nogil
cdef long long check_flags(u64 found, u64 flags) noexcept nogil
cdef void percpu_fill(u64 state, u64 index, u64 value, u64 cpu, bint new) noexcept nogil
cpdef u64 hash_of(u64 state, u64 key) noexcept nogil
cpdef u64 hash_elem(u64 state, u64 index) noexcept nogil
cpdef u64 hash_key(u64 state, u64 index) noexcept nogil
cpdef u64 hash_value(u64 state, u64 index, u64 cpu) noexcept nogil
cpdef u64 hash_find(u64 state, u64 key, u64 hash_) noexcept nogil
cpdef u64 hash_lookup(u64 state, u64 key, u64 cpu) noexcept nogil
cpdef u64 hash_alloc(u64 state) noexcept nogil
cpdef void hash_push_free(u64 state, u64 index) noexcept nogil
cpdef void hash_link(u64 state, u64 index, u64 hash_) noexcept nogil
cpdef bint hash_unlink(u64 state, u64 index, u64 bucket) noexcept nogil
cpdef long long hash_update(u64 state, u64 key, u64 value, u64 flags, u64 cpu, u64 replaced) noexcept nogil
cpdef long long hash_percpu_update(u64 state, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cpdef long long hash_delete(u64 state, u64 key, u64 removed) noexcept nogil
cpdef u64 hash_first_from(u64 state, u64 bucket) noexcept nogil
cpdef u64 hash_bucket(u64 state, u64 index) noexcept nogil
cpdef u64 hash_chain(u64 state, u64 index) noexcept nogil
cpdef u64 hash_next(u64 state, u64 index) noexcept nogil
cpdef long long hash_next_key(u64 state, u64 key, u64 next_key) noexcept nogil
cdef u64 native_hash_lookup(u64 state, u64 key, u64 cpu) noexcept nogil
cdef long long native_hash_update(u64 state, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cdef long long native_hash_percpu_update(u64 state, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cdef long long native_hash_delete(u64 state, u64 key, u64 cpu) noexcept nogil
