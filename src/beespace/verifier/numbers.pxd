# What compiled modules see of numbers.py. Fields are written in numbers.py only: values are immutable.

cimport cython

# Names of literals: a variable could not be folded.
cdef extern from *:
    int BITS "64"
    int HALF "32"
    int BYTE "8"
    unsigned long long SHIFT_MASK "63ULL"
    unsigned long long U64 "0xFFFFFFFFFFFFFFFFULL"
    unsigned long long S64_MIN "0x8000000000000000ULL"
    unsigned long long S64_MAX "0x7FFFFFFFFFFFFFFFULL"
    unsigned long long U32 "0xFFFFFFFFULL"
    unsigned long long S32_SIGN "0x80000000ULL"
    unsigned long long S32_MIN "0xFFFFFFFF80000000ULL"
    unsigned long long S32_MAX "0x7FFFFFFFULL"
    unsigned long long UPPER "0xFFFFFFFF00000000ULL"
    unsigned long long ONE_UP "0x100000000ULL"
    int BPF_ADD "0x00"
    int BPF_SUB "0x10"
    int BPF_MUL "0x20"
    int BPF_OR "0x40"
    int BPF_AND "0x50"
    int BPF_LSH "0x60"
    int BPF_RSH "0x70"
    int BPF_NEG "0x80"
    int BPF_XOR "0xA0"
    int BPF_ARSH "0xC0"
    int BPF_JEQ "0x10"
    int BPF_JGT "0x20"
    int BPF_JGE "0x30"
    int BPF_JSET "0x40"
    int BPF_JNE "0x50"
    int BPF_JSGT "0x60"
    int BPF_JSGE "0x70"
    int BPF_JLT "0xA0"
    int BPF_JLE "0xB0"
    int BPF_JSLT "0xC0"
    int BPF_JSLE "0xD0"
    int BPF_NOT_JSET "0x48"

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
