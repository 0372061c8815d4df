cpdef void copy_value(unsigned long long plan, unsigned long long dst, unsigned long long src) noexcept nogil
cpdef void copy_value_long(unsigned long long plan, unsigned long long dst, unsigned long long src) noexcept nogil
cpdef void zero_value(unsigned long long plan, unsigned long long dst) noexcept nogil
cpdef void copy_value_locked(
    unsigned long long plan, unsigned long long dst, unsigned long long src, bint lock_src) noexcept nogil
cpdef void copy_value_out(
    unsigned long long plan, unsigned long long dst, unsigned long long src, bint locked) noexcept nogil
