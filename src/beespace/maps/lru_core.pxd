ctypedef unsigned long long u64

cdef void acquire(u64 lru, u64 lock) noexcept nogil
cdef void release(u64 lru, u64 lock) noexcept nogil
cdef u64 node_at(u64 lru, u64 index) noexcept nogil
cdef u64 next_of(u64 lru, u64 index) noexcept nogil
cdef u64 prev_of(u64 lru, u64 index) noexcept nogil
cdef u64 type_of(u64 lru, u64 index) noexcept nogil
cdef bint is_ref(u64 lru, u64 index) noexcept nogil
cdef void set_type(u64 lru, u64 index, u64 kind) noexcept nogil
cdef void set_ref(u64 lru, u64 index, u64 ref) noexcept nogil
cdef void unlink_node(u64 lru, u64 index) noexcept nogil
cdef void push_head(u64 lru, u64 head, u64 index) noexcept nogil
cdef u64 list_at(u64 lru, u64 number) noexcept nogil
cdef u64 head_of(u64 lru, u64 number, u64 kind) noexcept nogil
cdef u64 local_head(u64 lru, u64 cpu, u64 kind) noexcept nogil
cdef u64 local_lock(u64 lru, u64 cpu) noexcept nogil
cdef void count_move(u64 lru, u64 number, u64 kind, u64 by) noexcept nogil
cdef void save_cursor(u64 lru, u64 number, u64 index) noexcept nogil
cdef void move_node(u64 lru, u64 number, u64 index, u64 kind) noexcept nogil
cdef void move_to_free(u64 lru, u64 number, u64 index, u64 head, u64 kind) noexcept nogil
cdef bint drop_element(u64 lru, u64 index) noexcept nogil
cdef void rotate_active(u64 lru, u64 number) noexcept nogil
cdef void rotate_inactive(u64 lru, u64 number) noexcept nogil
cdef void rotate(u64 lru, u64 number) noexcept nogil
cdef void shrink(u64 lru, u64 number, u64 target, u64 free_head, u64 kind) noexcept nogil
cdef void flush_pending(u64 lru, u64 cpu) noexcept nogil
cdef void refill(u64 lru, u64 cpu) noexcept nogil
cdef u64 pop_local_free(u64 lru, u64 cpu) noexcept nogil
cdef u64 pop_local_pending(u64 lru, u64 cpu) noexcept nogil
cdef void add_pending(u64 lru, u64 cpu, u64 index, u64 hash_) noexcept nogil
cdef u64 pop_free_common(u64 lru, u64 cpu, u64 hash_) noexcept nogil
cdef u64 pop_free_percpu(u64 lru, u64 cpu, u64 hash_) noexcept nogil
cpdef u64 lru_pop_free(u64 lru, u64 cpu, u64 hash_) noexcept nogil
cpdef void lru_push_free(u64 lru, u64 index) noexcept nogil
cpdef void lru_init(u64 lru) noexcept nogil
cpdef void lru_touch(u64 lru, u64 index) noexcept nogil
cpdef u64 lru_lookup(u64 lru, u64 key, u64 cpu) noexcept nogil
cpdef long long lru_insert(u64 lru, u64 new, u64 key, u64 value, u64 flags) noexcept nogil
cpdef long long lru_update(u64 lru, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cpdef long long lru_percpu_update(u64 lru, u64 key, u64 value, u64 flags, u64 cpu, u64 whose) noexcept nogil
cpdef long long lru_delete(u64 lru, u64 key, u64 removed) noexcept nogil
cdef u64 native_lru_lookup(u64 lru, u64 key, u64 cpu) noexcept nogil
cdef long long native_lru_update(u64 lru, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cdef long long native_lru_percpu_update(u64 lru, u64 key, u64 value, u64 flags, u64 cpu) noexcept nogil
cdef long long native_lru_delete(u64 lru, u64 key, u64 cpu) noexcept nogil
