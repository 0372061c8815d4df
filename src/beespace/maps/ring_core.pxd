ctypedef unsigned long long u64

cdef u64 round_record(u64 size) noexcept nogil
cdef u64 lock_of(u64 state) noexcept nogil
cdef u64 busy_of(u64 state) noexcept nogil
cdef u64 wakeups_of(u64 state) noexcept nogil
cdef void signal(int fd, bint writable) noexcept nogil
cdef u64 producer_now(u64 state) noexcept nogil
cdef u64 consumer_now(u64 state) noexcept nogil
cdef void advance(u64 state, u64 size) noexcept nogil
cpdef void ring_wake(u64 state) noexcept nogil
cpdef u64 ring_reserve(u64 state, u64 size) noexcept nogil
cpdef long long ring_commit(u64 state, u64 sample, u64 flags, bint discard) noexcept nogil
cpdef long long ring_output(u64 state, u64 data, u64 size, u64 flags) noexcept nogil
cpdef u64 ring_available(u64 state) noexcept nogil
cpdef u64 ring_query(u64 state, u64 flags) noexcept nogil
cpdef long long ring_drain_begin(u64 state, u64 flags) noexcept nogil
cpdef u64 ring_drain_next(u64 state) noexcept nogil
cpdef void ring_drain_release(u64 state) noexcept nogil
cpdef long long ring_drain_end(u64 state, u64 flags) noexcept nogil
cpdef u64 ring_state_of(u64 base) noexcept nogil
cdef u64 native_reserve(u64 state, u64 size, u64 flags) noexcept nogil
cdef u64 state_of_sample(u64 words, u64 sample) noexcept nogil
cdef void native_submit(u64 words, u64 sample, u64 flags) noexcept nogil
cdef void native_discard(u64 words, u64 sample, u64 flags) noexcept nogil
