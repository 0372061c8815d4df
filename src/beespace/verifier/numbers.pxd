# What compiled modules see of numbers.py. Fields are written in numbers.py only: values are immutable.

cimport cython

@cython.final
@cython.freelist(256)
@cython.no_gc
cdef class Tnum:
    cdef readonly unsigned long long value
    cdef readonly unsigned long long mask

@cython.final
@cython.freelist(256)
@cython.no_gc
cdef class Bounds:
    cdef readonly Tnum var_off
    cdef readonly long long smin_value
    cdef readonly long long smax_value
    cdef readonly unsigned long long umin_value
    cdef readonly unsigned long long umax_value
    cdef readonly long long s32_min_value
    cdef readonly long long s32_max_value
    cdef readonly unsigned long long u32_min_value
    cdef readonly unsigned long long u32_max_value

cpdef Tnum tnum(unsigned long long value, unsigned long long mask)
cpdef Tnum tnum_const(unsigned long long value)
cpdef Tnum tnum_unknown()
cpdef Tnum tnum_range(unsigned long long min_value, unsigned long long max_value)
cpdef Tnum tnum_lshift(Tnum a, unsigned long long shift)
cpdef Tnum tnum_rshift(Tnum a, unsigned long long shift)
cpdef Tnum tnum_arshift(Tnum a, unsigned long long shift, int bits)
cpdef Tnum tnum_add(Tnum a, Tnum b)
cpdef Tnum tnum_sub(Tnum a, Tnum b)
cpdef Tnum tnum_neg(Tnum a)
cpdef Tnum tnum_and(Tnum a, Tnum b)
cpdef Tnum tnum_or(Tnum a, Tnum b)
cpdef Tnum tnum_xor(Tnum a, Tnum b)
cpdef Tnum tnum_union(Tnum a, Tnum b)
cpdef Tnum tnum_intersect(Tnum a, Tnum b)
cpdef Tnum tnum_mul(Tnum a, Tnum b)
cpdef Tnum tnum_bswap(Tnum a, int bits)
cpdef Tnum tnum_cast(Tnum a, int size)
cpdef Tnum tnum_subreg(Tnum a)
cpdef Tnum tnum_clear_subreg(Tnum a)
cpdef Tnum tnum_with_subreg(Tnum reg, Tnum subreg)
cpdef Tnum tnum_const_subreg(Tnum a, unsigned long long value)
cpdef bint tnum_contains(Tnum a, unsigned long long word) noexcept
cpdef bint tnum_in(Tnum a, Tnum b) noexcept
cpdef bint tnum_overlap(Tnum a, Tnum b) noexcept
cpdef bint tnum_is_aligned(Tnum a, unsigned long long size) noexcept
cpdef bint same_tnum(Tnum a, Tnum b) noexcept

cpdef Bounds const(unsigned long long value)
cpdef Bounds unknown()
cpdef Bounds bounds_from_tnum(Tnum var_off)
cpdef Bounds make_bounds(
    Tnum var_off, long long smin_value, long long smax_value, unsigned long long umin_value,
    unsigned long long umax_value, long long s32_min_value, long long s32_max_value,
    unsigned long long u32_min_value, unsigned long long u32_max_value)
cpdef Bounds sync_bounds(Bounds a)
cpdef Bounds set_range(Bounds a, unsigned long long low, unsigned long long high)
cpdef Bounds set_srange(Bounds a, long long low, long long high)
cpdef Bounds mark_reg_s32_range(Bounds a, long long low, long long high)
cpdef Bounds mark_reg_unbounded(Bounds a)
cpdef Bounds mark_reg32_unbounded(Bounds a)
cpdef Bounds mark_reg32_known(Bounds a, unsigned long long value)
cpdef bint is_const(Bounds a) noexcept
cpdef unsigned long long const_value(Bounds a) noexcept
cpdef bint is_const_subreg(Bounds a) noexcept
cpdef unsigned long long const_subreg_value(Bounds a) noexcept
cpdef bint is_unknown(Bounds a) noexcept
cpdef bint same_bounds(Bounds a, Bounds b) noexcept
cpdef bint range_within(Bounds old, Bounds cur) noexcept
cpdef bint scalar_within(Bounds old, Bounds cur) noexcept
cpdef int reg_width(Bounds a) noexcept
cpdef int fork_width(Bounds a) noexcept
cpdef str reg_bounds_sanity_check(Bounds a)

cpdef Bounds alu(int op, Bounds a, Bounds b, bint is64)
cpdef Bounds ptr_add(Bounds ptr, Bounds off)
cpdef Bounds ptr_sub(Bounds ptr, Bounds off)
cpdef Bounds linked(Bounds known, long long delta)
cpdef Bounds coerce_reg_to_size(Bounds a, int size)
cpdef Bounds coerce_reg_to_size_sx(Bounds a, int size)
cpdef Bounds byte_swap(Bounds a, int bits, bint swaps)
cpdef Bounds zext_32(Bounds a)
cpdef Bounds movsx(Bounds a, int bits, bint is64)
cpdef int branch(int op, Bounds a, Bounds b, bint is32) noexcept
cpdef tuple refine(int op, Bounds a, Bounds b, bint is32)
