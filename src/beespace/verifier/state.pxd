# What compiled modules see of state.py: the fields as C has them. Other modules read and write them as attributes.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier cimport numbers as n

@cython.final
cdef class Dynptr:
    cdef public int kind
    cdef public bint first_slot

@cython.final
cdef class Iter:
    cdef public object btf
    cdef public long long btf_id
    cdef public int state
    cdef public long long depth

# no_gc: none of the objects that a register refers to refers to registers.
@cython.final
@cython.freelist(512)
@cython.no_gc
cdef class RegState:
    cdef public long long type
    cdef public long long off
    cdef public n.Bounds bounds
    cdef public long long id
    cdef public long long ref_obj_id
    cdef public int frameno
    cdef public long long range
    cdef public object map_ptr
    cdef public long long map_uid
    cdef public object btf
    cdef public long long btf_id
    cdef public long long mem_size
    cdef public long long dynptr_id
    cdef public int subprogno
    cdef public object obj

cpdef RegState copy_reg(RegState a)
cdef RegState _new_reg(long long reg_type, n.Bounds bounds)
cpdef RegState pointer(long long reg_type)
cpdef RegState scalar(n.Bounds bounds)
cpdef RegState const_reg(unsigned long long value)
cpdef bint is_const_null(RegState reg) noexcept

@cython.final
@cython.freelist(512)
@cython.no_gc
cdef class StackSlot:
    cdef public unsigned long long types
    cdef public RegState reg

cpdef StackSlot new_slot(unsigned long long types, RegState reg)
@cython.locals(one="unsigned long long")
cpdef unsigned long long bit(int i) noexcept
cpdef int slot_byte(StackSlot slot, int i) noexcept
@cython.locals(byte="unsigned long long", shift=int)
cpdef unsigned long long slot_with(unsigned long long types, int i, unsigned long long kind) noexcept
cpdef bint is_spilled(StackSlot slot) noexcept
cpdef bint is_spilled_scalar(StackSlot slot) noexcept
cpdef int spi_of(long long off) noexcept

@cython.final
cdef class Reference:
    cdef public int type
    cdef public long long id
    cdef public long long insn_idx
    cdef public object ptr

# trashcan: chains are as long as the path.
@cython.final
@cython.freelist(512)
@cython.trashcan(True)
cdef class Hist:
    cdef public Hist prev
    cdef public int idx
    cdef public int prev_idx
    cdef public int flags
    cdef public tuple linked
    cdef public int count

cpdef Hist new_hist(Hist prev, int idx, int prev_idx, int flags, tuple linked)

@cython.final
@cython.freelist(64)
cdef class FuncState:
    cdef public list regs
    cdef public list stack
    cdef public int callsite
    cdef public int frameno
    cdef public int subprogno
    cdef public int async_entry_cnt
    cdef public tuple callback_ret_range
    cdef public bint in_callback_fn
    cdef public bint in_async_callback_fn
    cdef public bint in_exception_callback_fn
    cdef public int callback_depth
    cdef public bint shared

cdef FuncState _copy_frame(FuncState a)

@cython.final
@cython.freelist(64)
@cython.trashcan(True)
cdef class VerifierState:
    cdef public list frames
    cdef public tuple refs
    cdef public int active_locks
    cdef public int active_preempt_locks
    cdef public long long active_irq_id
    cdef public long long active_lock_id
    cdef public object active_lock_ptr
    cdef public bint active_rcu_lock
    cdef public bint speculative
    cdef public bint in_sleepable
    cdef public int insn_idx
    cdef public int first_insn_idx
    cdef public int last_insn_idx
    cdef public long long dfs_depth
    cdef public long long callback_unroll_depth
    cdef public long long may_goto_depth
    cdef public Checkpoint parent
    cdef public Hist history

    @cython.locals(s=VerifierState, f=FuncState)
    cpdef VerifierState fork(self)
    @cython.locals(f=FuncState)
    cpdef FuncState own(self, int frameno)
    cpdef FuncState cur_frame(self)
    @cython.locals(f=FuncState)
    cpdef int insn_idx_of(self, int frameno) except -2

@cython.final
@cython.freelist(64)
@cython.trashcan(True)
cdef class Checkpoint:
    cdef public VerifierState state
    cdef public long long branches
    cdef public list precise
    cdef public list precise_slots
    cdef public bint cleaned
    cdef public long long hit_cnt
    cdef public long long miss_cnt
    cdef public bint in_free_list
