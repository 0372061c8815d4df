ctypedef unsigned long long u64

cdef u64 round_record(u64 size) noexcept nogil
cdef u64 record_at(u64 data, u64 mask, u64 cons, u64 prod) noexcept nogil
cpdef long long ring_skip(u64 consumer, u64 producer, u64 mask) noexcept nogil
cpdef long long ring_peek(u64 consumer, u64 producer, u64 mask, u64 limit, u64 out) noexcept nogil
cpdef long long ring_copy(
    u64 consumer, u64 producer, u64 mask, u64 end, u64 out, u64 room, u64 spans, u64 count) noexcept nogil
cpdef u64 ring_reserve(u64 consumer, u64 producer, u64 mask, u64 size) noexcept nogil
cpdef void ring_commit(u64 producer, u64 mask, u64 sample, bint discard) noexcept nogil
cpdef void store_position(u64 address, u64 position) noexcept nogil
