# What compiled modules see of stack.py.

cimport cython

from beespace.uapi cimport bpf as uapi
from beespace.verifier cimport numbers as n
from beespace.verifier.consts cimport (
    BPF_ADD_CONST, BPF_MAX_VAR_OFF, BPF_REG_SIZE, EACCES, EFAULT, EINVAL, MAX_BPF_STACK)
from beespace.verifier.env cimport Env, Subprog
from beespace.verifier.insns cimport InsnRec
from beespace.verifier.slotmarks cimport SlotMarks
from beespace.verifier.precision cimport mark_chain_precision, push_history, stack_access_flags
from beespace.verifier.regtypes cimport is_spillable
from beespace.verifier.state cimport (
    FuncState, RegState, StackSlot, VerifierState, bit, const_reg, copy_reg, is_const_null, is_spilled,
    is_spilled_scalar, new_slot, slot_byte, slot_with, spi_of)

@cython.locals(reg=RegState, frame=FuncState, b=n.Bounds, const=bint, min_off="long long", max_off="long long", lowest="long long", err=int)
cpdef check_stack_access_within_bounds(Env env, int regno, long long off, long long size, bint write)
@cython.locals(slots="long long", frame=FuncState, sub=Subprog)
cdef _grow(Env env, int frameno, long long size)
@cython.locals(sub=Subprog, rec=InsnRec)
cdef _check_fastcall_contract(Env env, FuncState frame, int insn_idx, long long off)
@cython.locals(reg=RegState)
cpdef RegState assign_scalar_id(Env env, list regs, int regno)
@cython.locals(reg=RegState, b=n.Bounds)
cpdef check_stack_write(Env env, int regno, long long off, long long size, int value_regno)
@cython.locals(frame=FuncState, slot=StackSlot, reg=RegState, plain=bint, i=int)
cdef _check_write_fixed(Env env, int frameno, long long off, int size, int value_regno)
@cython.locals(frame=FuncState, slot=StackSlot, off="long long", kind=int)
cdef _check_write_var(Env env, int frameno, long long min_off, long long max_off)
@cython.locals(reg=RegState, b=n.Bounds)
cpdef write_stack(Env env, int regno, long long off, long long size, int value_regno)
@cython.locals(rec=InsnRec)
cdef object _stored_imm(Env env)
@cython.locals(spi=int, aligned=bint, regs=list, reg=RegState, old=StackSlot, liveness=SlotMarks, frame=FuncState, fits=bint)
cdef _write_fixed(Env env, int frameno, long long off, int size, int value_regno)
@cython.locals(slot=StackSlot, types="unsigned long long", i=int, kind=int)
cdef _spill(FuncState frame, int spi, RegState reg, int size)
@cython.locals(i=int)
cdef unsigned long long _scrub(unsigned long long types) noexcept
@cython.locals(spi=int, slot=StackSlot, types="unsigned long long", kind=int, reg=RegState, first="long long", i=int)
cdef _write_bytes(Env env, FuncState frame, long long off, int size, int value_regno, imm)
@cython.locals(off="long long", spi=int, slot=StackSlot, i=int, kind=int, new=int, frame=FuncState, reg=RegState, types="unsigned long long", zero=bint, zero_used=bint)
cdef _write_var(Env env, int frameno, long long min_off, long long max_off, int value_regno)
@cython.locals(reg=RegState, value=RegState, min_off="long long", max_off="long long")
cpdef RegState check_stack_read(Env env, int regno, long long off, long long size, int value_regno)
@cython.locals(off="long long", spi=int, slot=StackSlot)
cdef RegState _read_bytes(Env env, FuncState frame, long long min_off, long long max_off)
@cython.locals(frame=FuncState, spi=int, slot=StackSlot, reg=RegState, spill_size=int, liveness=SlotMarks)
cdef RegState _read_fixed(Env env, int frameno, long long off, int size, int value_regno)
@cython.locals(first="long long", i=int, kind=int)
cdef _check_bytes(Env env, StackSlot slot, long long off, int size, bint spill_ok)
@cython.locals(first="long long", spilled=bint, zero=bint, i=int, kind=int)
cdef RegState _read_parts(Env env, int frameno, int spi, StackSlot slot, long long off, int size)
@cython.locals(reg=RegState, frameno=int, b=n.Bounds, min_off="long long", max_off="long long", at="long long", liveness=SlotMarks)
cpdef check_stack_range_initialized(Env env, int regno, long long off, long long size, bint zero_size_allowed, bint write, raw)
@cython.locals(at="long long", spi=int, slot=StackSlot)
cdef _check_raw(Env env, FuncState frame, long long min_off, long long end)
@cython.locals(frame=FuncState, spi=int, slot=StackSlot, i=int, kind=int)
cdef _access_byte(Env env, RegState ptr, int regno, long long at, long long min_off, long long size, bint write)
