# What compiled modules see of regtypes.py.

from beespace.uapi cimport bpf as uapi

cpdef long long base_type(long long t) noexcept
cpdef long long type_flag(long long t) noexcept
cpdef bint may_be_null(long long t) noexcept
cpdef bint is_pkt_pointer(long long t) noexcept
cpdef bint is_sk_pointer(long long t) noexcept
cpdef bint is_ptr_alloc_obj(long long t) noexcept
cpdef bint is_alloc(long long t) noexcept
cpdef bint is_non_owning_ref(long long t) noexcept
cpdef bint has_unsafe_modifiers(long long t) noexcept
cpdef bint is_spillable(long long t) noexcept
