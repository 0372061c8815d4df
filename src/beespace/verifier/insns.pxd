# What compiled modules see of insns.py.

cimport cython

@cython.final
cdef class InsnRec:
    cdef dict __dict__  # for what is noted about few instructions
    cdef public int idx
    cdef public object insn
    cdef public int code
    cdef public int dst
    cdef public int src
    cdef public int off
    cdef public int imm
    cdef public unsigned long long value
    cdef public int cls
    cdef public int op
    cdef public int mode
    cdef public int size
    cdef public bint is_x
    cdef public bint is32
    cdef public bint is_jump
    cdef public bint is_ld_imm64
    cdef public bint is_helper_call
    cdef public bint is_pseudo_call
    cdef public bint is_kfunc_call
    cdef public bint is_pseudo_func
    cdef public bint is_may_goto
    cdef public int target
    cdef public tuple obligations
    cdef public bint seen
    cdef public bint prune_point
    cdef public bint jmp_point
    cdef public bint force_checkpoint
    cdef public bint calls_callback
    cdef public bint is_iter_next
    cdef public int live_regs
    cdef public object imm_reg
    cdef public int scc
    cdef public long long ptr_type
    cdef public bint nospec
    cdef public bint nospec_result
    cdef public int alu_state
    cdef public long long alu_limit
    cdef public bint zext_dst
    cdef public bint fastcall_pattern
    cdef public int fastcall_spills_num
    cdef public int branch_taken
