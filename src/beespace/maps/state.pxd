# Native structs behind each map, at STATE_OFF of its descriptor. state.py is the uncompiled twin; a test compares them.

ctypedef unsigned long long u64

cdef extern from * nogil:
    """
    #define BEESPACE_NULLS 0x80000000ull
    #define BEESPACE_HASH_MULTIPLIER 0x2545f4914f6cdd1dull
    """
    const u64 NULLS "BEESPACE_NULLS"
    const u64 HASH_MULTIPLIER "BEESPACE_HASH_MULTIPLIER"

cdef struct CopyPlan:
    unsigned int size
    unsigned int pieces
    unsigned int lock
    unsigned int zeroes
    unsigned int off[16]
    unsigned int length[16]
    unsigned int zero_off[16]
    unsigned int zero_length[16]

cdef struct ArrayState:
    u64 values
    u64 percpu_stride
    unsigned int elem_size
    unsigned int index_mask
    unsigned int max_entries
    unsigned int cpus
    CopyPlan plan

cdef struct HashState:
    u64 buckets
    u64 elems
    u64 percpu
    u64 percpu_stride
    u64 seed
    u64 extra
    u64 count
    unsigned int mask
    unsigned int elem_size
    unsigned int key_size
    unsigned int key_off
    unsigned int value_off
    unsigned int value_stride
    unsigned int max_entries
    unsigned int hash_kind
    unsigned int free_head
    unsigned int free_lock
    unsigned int fresh
    unsigned int cpus
    unsigned int smp
    unsigned int unused
    CopyPlan plan

cdef struct LruState:
    u64 nodes
    u64 lists
    u64 locals
    u64 evicted
    unsigned int nr_evicted
    unsigned int track
    unsigned int nr_nodes
    unsigned int cpus
    unsigned int percpu
    unsigned int target_free
    unsigned int nr_scans

cdef struct RingState:
    u64 data
    u64 consumer
    u64 producer
    u64 mask
    u64 producer_pos
    u64 pending_pos
    u64 consumer_pos
    u64 lens
    u64 waiters
    u64 wakeups
    u64 dynptr
    u64 samples
    u64 discarded
    long long result
    u64 sample_len
    unsigned int lock
    unsigned int busy
    unsigned int user
    unsigned int unused

cdef inline LruState *lru_state(u64 state) noexcept nogil:
    return <LruState *>(state + 400)

cdef inline ArrayState *array_state(u64 state) noexcept nogil:
    return <ArrayState *>state

cdef inline HashState *hash_state(u64 state) noexcept nogil:
    return <HashState *>state

cdef inline CopyPlan *copy_plan(u64 plan) noexcept nogil:
    return <CopyPlan *>plan

cdef inline RingState *ring_state(u64 state) noexcept nogil:
    return <RingState *>state
