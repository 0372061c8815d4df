"""Calls of helpers: may the program call it here, do its arguments fit its declaration, what does it return.

:see: kernel/bpf/verifier.c:check_helper_call
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.decl.func import FuncProto
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.args import ArgMeta, check_func_arg
from beespace.verifier.bprintf import check_snprintf
from beespace.verifier.btfptr import is_kernel_btf, struct_by_name
from beespace.verifier.callrules import check_map_func_compatibility, record_map
from beespace.verifier.env import EACCES, EINVAL, ENOTSUPP
from beespace.verifier.insns import InsnRec
from beespace.verifier.log import BPF_LOG_LEVEL2
from beespace.verifier.memory import check_mem_access
from beespace.verifier.objects import dynptr_reg, unmark_stack_slots_dynptr
from beespace.verifier.precision import mark_chain_precision
from beespace.verifier.printer import func_name
from beespace.verifier.refs import (
    acquire_reference,
    check_resource_leak,
    clear_all_pkt_pointers,
    invalid_reg,
    map_regs,
    release_reference,
    release_reference_nomark,
)
from beespace.verifier.regtypes import base_type, may_be_null, reg_type_str, type_flag
from beespace.verifier.special import (
    ACQUIRE_HELPERS,
    DYNPTR_REF_HELPERS,
    ENDING_HELPERS,
    MAX_SIZE_HELPERS,
    PTR_CAST_HELPERS,
    STORAGE_GET_HELPERS,
)
from beespace.verifier.stack import write_stack
from beespace.verifier.state import UNKNOWN_REG, RegState, copy_reg, is_const_null, pointer, scalar
from beespace.verifier.subcalls import CALLBACK_STATES, clear_caller_saved, push_callback_call

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_helper_call"]

_MAX_ERRNO = 4095
_FUNC_MAX_ID = uapi.__BPF_FUNC_MAX_ID
_SOCK_MAPS = (uapi.BPF_MAP_TYPE_SOCKMAP, uapi.BPF_MAP_TYPE_SOCKHASH)


def check_helper_call(env: Env, rec: InsnRec) -> None:
    """Check the call at *rec* and apply what it does to the state."""
    func_id = rec.imm
    fn = env.protos.get(func_id)
    if fn is None:
        fn = env.protos[func_id] = _proto(env, func_id)
    _check_context(env, rec, fn)
    meta = ArgMeta(func_id, fn)
    for arg in range(len(fn.args)):
        check_func_arg(env, arg, meta, fn)
    record_map(env, rec, meta)
    _write_raw(env, meta)
    _release(env, rec, meta)
    effects = _EFFECTS.get(func_id)
    if effects is not None:
        effects(env, rec, meta)
    clear_caller_saved(env, env.regs())
    result = _result(env, rec, fn, meta)
    if result is not None:
        result = _with_identity(env, rec, fn, meta, result)
        if fn.ret == uapi.RET_INTEGER:
            result = _refined(env, result, meta)
        env.regs()[0] = result
    check_map_func_compatibility(env, rec, meta)
    if func_id == uapi.BPF_FUNC_get_func_ip:
        _check_get_func_ip(env, func_id)
    moves_packet = fn.changes_pkt_data or (func_id == uapi.BPF_FUNC_dynptr_write and meta.moves_packet)
    if moves_packet and func_id not in ENDING_HELPERS:  # they go on here only when they did nothing
        clear_all_pkt_pointers(env)
    env.insn_idx = rec.idx + 1


def _proto(env: Env, func_id: int) -> FuncProto:
    if not 0 <= func_id < _FUNC_MAX_ID:
        env.reject(EINVAL, f"invalid func {func_name(func_id)}#{func_id}")
    fn = env.registry.func_proto(env.prog_type, func_id, env.program)
    if fn is None:
        env.reject(EINVAL, f"program of this type cannot use helper {func_name(func_id)}#{func_id}")
    if fn.gpl_only and not env.program.gpl_compatible:
        env.reject(EINVAL, "cannot call GPL-restricted function from non-GPL compatible program")
    if fn.allowed is not None and not fn.allowed(env.program):
        env.reject(EINVAL, "helper call is not allowed in probe")
    return fn


def _check_context(env: Env, rec: InsnRec, fn: FuncProto) -> None:
    # May it be called where the program is: sleeping, RCU, preemption, interrupts?
    cur = env.cur
    if fn.might_sleep and not env.in_sleepable():
        env.reject(EINVAL, "helper call might sleep in a non-sleepable prog")
    name = f"sleepable helper {func_name(fn.func_id)}#{fn.func_id}" if fn.might_sleep else ""
    atomic = not env.in_sleepable()
    if cur.active_rcu_lock:
        if fn.might_sleep:
            env.reject(EINVAL, f"{name} in rcu_read_lock region")
        atomic = True
    if cur.active_preempt_locks:
        if fn.might_sleep:
            env.reject(EINVAL, f"{name} in non-preemptible region")
        atomic = True
    if cur.active_irq_id:
        if fn.might_sleep:
            env.reject(EINVAL, f"{name} in IRQ-disabled region")
        atomic = True
    if atomic and fn.func_id in STORAGE_GET_HELPERS:
        rec.storage_get_func_atomic = True


def _write_raw(env: Env, meta: ArgMeta) -> None:
    # The call writes all of a buffer on the stack that need not have been initialised.
    raw = meta.raw
    if raw is None or not raw.access_size:
        return
    reg = env.regs()[raw.regno]
    for i in range(raw.access_size):
        check_mem_access(env, raw.regno, i, 1, True, -1)
        if reg.type == uapi.PTR_TO_STACK:
            write_stack(env, raw.regno, reg.off + i, 1, -1)


# -- giving back ------------------------------------------------------------------------------------------------------


def _release(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    regno = meta.release_regno
    if not regno:
        return
    fn = meta.fn
    assert fn is not None
    reg = env.regs()[regno]
    released = False
    if base_type(fn.args[regno - 1]) == uapi.ARG_PTR_TO_DYNPTR:
        released = unmark_stack_slots_dynptr(env, reg)
    elif meta.func_id == uapi.BPF_FUNC_kptr_xchg and meta.ref_obj_id:
        released = _exchange(env, meta.ref_obj_id)
    elif meta.ref_obj_id:
        released = release_reference(env, meta.ref_obj_id)
    elif is_const_null(reg):
        released = True
    if not released:
        env.reject(EINVAL, f"func {func_name(meta.func_id)}#{meta.func_id} reference has not been acquired before")


def _exchange(env: Env, ref_obj_id: int) -> bool:
    # bpf_kptr_xchg() takes the object over; a per-CPU object stays readable inside an RCU critical section.
    if not release_reference_nomark(env.cur, ref_obj_id):
        return False
    in_rcu = env.in_rcu_cs()
    gone = invalid_reg(env)
    percpu = uapi.MEM_ALLOC | uapi.MEM_PERCPU

    def change(reg: RegState) -> RegState:
        if reg.ref_obj_id != ref_obj_id:
            return reg
        if not in_rcu or reg.type & percpu != percpu:
            return gone
        reg = copy_reg(reg)
        reg.ref_obj_id = 0
        reg.type = reg.type & ~uapi.MEM_ALLOC | uapi.MEM_RCU
        return reg

    map_regs(env.cur, change)
    return True


# -- what single helpers do beyond their declaration ------------------------------------------------------------------


def _tail_call(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    check_resource_leak(env, False, True, "tail_call")


def _get_local_storage(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    if not is_const_null(env.regs()[2]):
        env.reject(EINVAL, "get_local_storage() doesn't support non-zero flags")


def _callback(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    push_callback_call(env, rec, meta.subprogno, CALLBACK_STATES[meta.func_id])


def _loop(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    # bpf_loop(): inlined if its flags are 0 and the callback is always the same; else as often as R1 allows.
    flags = env.regs()[4]
    flags_zero = is_const_null(flags)
    if flags_zero:
        mark_chain_precision(env, 4)
    if rec.loop_inline is None:
        rec.loop_inline = flags_zero
        rec.loop_callback = meta.subprogno
    elif rec.loop_inline:
        rec.loop_inline = flags_zero and rec.loop_callback == meta.subprogno
    mark_chain_precision(env, 1)
    frame = env.frame()
    if frame.callback_depth < env.regs()[1].bounds.umax_value:
        _callback(env, rec, meta)
        return
    frame.callback_depth = 0
    if env.log_level & BPF_LOG_LEVEL2:
        env.verbose(f"frame{frame.frameno} bpf_loop iteration limit reached\n")


def _snprintf(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    check_snprintf(env)


def _dynptr_from_mem(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    t = env.regs()[1].type
    if t != uapi.PTR_TO_MAP_VALUE:
        env.reject(EACCES, f"Unsupported reg type {reg_type_str(t)} for bpf_dynptr_from_mem data")


def _set_retval(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    if env.prog_type != uapi.BPF_PROG_TYPE_LSM or env.program.expected_attach_type != uapi.BPF_LSM_CGROUP:
        return
    if env.attach is None or env.attach.returns_void(env):
        env.reject(EINVAL, "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!")


def _dynptr_data(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    for arg, kind in enumerate(meta.fn.args if meta.fn is not None else ()):
        if base_type(kind) != uapi.ARG_PTR_TO_DYNPTR:
            continue
        dynptr = dynptr_reg(env, env.regs()[arg + 1])
        if dynptr is None:
            env.bug("bad arg type")
        meta.dynptr_id = dynptr.id
        meta.ref_obj_id = dynptr.ref_obj_id
        return
    env.bug("no dynptr")


def _dynptr_write(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    dynptr = dynptr_reg(env, env.regs()[1])
    if dynptr is None or dynptr.obj is None:
        env.bug("no dynptr")
    # a dynptr on a packet: writing may pull or copy it
    meta.moves_packet = dynptr.obj.kind in (uapi.BPF_DYNPTR_TYPE_SKB, uapi.BPF_DYNPTR_TYPE_SKB_META)


def _per_cpu_ptr(env: Env, rec: InsnRec, meta: ArgMeta) -> None:
    reg = env.regs()[1]
    if not reg.type & uapi.MEM_RCU:
        return
    if not reg.btf_id or reg.btf.kind(reg.btf_id) not in (uapi.BTF_KIND_STRUCT, uapi.BTF_KIND_UNION):
        env.reject(EACCES, "Helper has invalid btf/btf_id in R1")
    meta.returns_percpu_object = True
    rec.call_with_percpu_alloc_ptr = True


_EFFECTS = {
    uapi.BPF_FUNC_tail_call: _tail_call,
    uapi.BPF_FUNC_get_local_storage: _get_local_storage,
    uapi.BPF_FUNC_for_each_map_elem: _callback,
    uapi.BPF_FUNC_timer_set_callback: _callback,
    uapi.BPF_FUNC_find_vma: _callback,
    uapi.BPF_FUNC_user_ringbuf_drain: _callback,
    uapi.BPF_FUNC_loop: _loop,
    uapi.BPF_FUNC_snprintf: _snprintf,
    uapi.BPF_FUNC_dynptr_from_mem: _dynptr_from_mem,
    uapi.BPF_FUNC_set_retval: _set_retval,
    uapi.BPF_FUNC_dynptr_data: _dynptr_data,
    uapi.BPF_FUNC_dynptr_write: _dynptr_write,
    uapi.BPF_FUNC_per_cpu_ptr: _per_cpu_ptr,
    uapi.BPF_FUNC_this_cpu_ptr: _per_cpu_ptr,
}


# -- the result -------------------------------------------------------------------------------------------------------


def _result(env: Env, rec: InsnRec, fn: FuncProto, meta: ArgMeta) -> RegState | None:
    # R0 after the call by the declared type alone; None: nothing
    flags = type_flag(fn.ret)
    base = base_type(fn.ret)
    match base:
        case uapi.RET_VOID:
            return None
        case uapi.RET_INTEGER:
            return UNKNOWN_REG
        case uapi.RET_PTR_TO_MAP_VALUE:
            return _map_value(env, meta, flags)
        case uapi.RET_PTR_TO_MEM_OR_BTF_ID:
            return _mem_or_btf_id(env, meta, flags)
        case uapi.RET_PTR_TO_BTF_ID:
            return _btf_id(env, fn, meta, flags)
        case uapi.RET_PTR_TO_MEM:
            reg = pointer(uapi.PTR_TO_MEM | flags)
            reg.mem_size = meta.mem_size
            return reg
    plain = _PLAIN.get(base)
    if plain is None:
        env.reject(EINVAL, f"unknown return type {base} of func {func_name(fn.func_id)}#{fn.func_id}")
    return pointer(plain | flags)


_PLAIN = {
    uapi.RET_PTR_TO_SOCKET: uapi.PTR_TO_SOCKET,
    uapi.RET_PTR_TO_SOCK_COMMON: uapi.PTR_TO_SOCK_COMMON,
    uapi.RET_PTR_TO_TCP_SOCK: uapi.PTR_TO_TCP_SOCK,
}


def _map_value(env: Env, meta: ArgMeta, flags: int) -> RegState:
    m = meta.map_ptr
    if m is None:
        env.bug("unexpected null map_ptr")
    # A constant key below max_entries finds its element always.
    found = _always_there(m.map_type) and 0 <= meta.const_map_key < m.max_entries
    if found and meta.func_id == uapi.BPF_FUNC_map_lookup_elem:
        flags &= ~uapi.PTR_MAYBE_NULL
    reg = pointer(uapi.PTR_TO_MAP_VALUE | flags)
    reg.map_ptr = m
    reg.map_uid = meta.map_uid
    if not flags & uapi.PTR_MAYBE_NULL and m.record.has(uapi.BPF_SPIN_LOCK | uapi.BPF_RES_SPIN_LOCK):
        reg.id = env.new_id()
    return reg


def _always_there(map_type: int) -> bool:
    return map_type in (uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_PERCPU_ARRAY)


def _mem_or_btf_id(env: Env, meta: ArgMeta, flags: int) -> RegState:
    btf = meta.ret_btf
    assert btf is not None
    type_id = btf.skip_mods_and_typedefs(meta.ret_btf_id)
    if btf.kind(type_id) in (uapi.BTF_KIND_STRUCT, uapi.BTF_KIND_UNION):
        reg = pointer(uapi.PTR_TO_MEM | flags)
        if meta.returns_percpu_object:
            reg.type = uapi.PTR_TO_BTF_ID | uapi.MEM_ALLOC | uapi.MEM_RCU
        else:
            reg.type = uapi.PTR_TO_BTF_ID | (flags & ~uapi.MEM_RDONLY)
        reg.btf = btf
        reg.btf_id = meta.ret_btf_id
        return reg
    try:
        size = btf.size(type_id)
    except BtfError:
        env.reject(EINVAL, f"unable to resolve the size of type '{btf.name_of(type_id)}': -22")
    reg = pointer(uapi.PTR_TO_MEM | flags)
    reg.mem_size = size
    return reg


def _btf_id(env: Env, fn: FuncProto, meta: ArgMeta, flags: int) -> RegState:
    if fn.func_id == uapi.BPF_FUNC_kptr_xchg:
        field = meta.kptr_field
        assert field is not None
        assert field.btf is not None
        btf, btf_id = field.btf, field.btf_id
        if not is_kernel_btf(env, btf):
            flags |= uapi.MEM_ALLOC
            if field.kind == uapi.BPF_KPTR_PERCPU:
                flags |= uapi.MEM_PERCPU
    else:
        if fn.ret_btf_id is None:
            env.reject(
                EINVAL, f"invalid return type {uapi.RET_PTR_TO_BTF_ID} of func {func_name(fn.func_id)}#{fn.func_id}"
            )
        btf, btf_id = struct_by_name(env, fn.ret_btf_id)
    reg = pointer(uapi.PTR_TO_BTF_ID | flags)
    reg.btf = btf
    reg.btf_id = btf_id
    return reg


def _with_identity(env: Env, rec: InsnRec, fn: FuncProto, meta: ArgMeta, reg: RegState) -> RegState:
    # What R0 has in common with other registers: an id to be checked for null, a reference.
    if reg is UNKNOWN_REG:
        return reg
    if may_be_null(reg.type):
        reg.id = env.new_id()
    func_id = fn.func_id
    on_sock_map = meta.map_ptr is not None and meta.map_ptr.map_type in _SOCK_MAPS
    acquires = func_id in ACQUIRE_HELPERS or (func_id == uapi.BPF_FUNC_map_lookup_elem and on_sock_map)
    if func_id in DYNPTR_REF_HELPERS:
        reg.dynptr_id = meta.dynptr_id
    if func_id in PTR_CAST_HELPERS or func_id in DYNPTR_REF_HELPERS:
        reg.ref_obj_id = meta.ref_obj_id
    elif acquires:
        ref_id = acquire_reference(env, rec.idx)
        reg.id = ref_id
        reg.ref_obj_id = ref_id
    return reg


def _refined(env: Env, reg: RegState, meta: ArgMeta) -> RegState:
    # do_refine_retval_range()
    if meta.func_id in MAX_SIZE_HELPERS:
        return scalar(n.set_srange(n.unknown(), -_MAX_ERRNO, meta.msize_max_value))
    if meta.func_id == uapi.BPF_FUNC_get_smp_processor_id:
        return scalar(n.set_range(n.unknown(), 0, env.registry.features.cpus - 1))
    return reg


def _check_get_func_ip(env: Env, func_id: int) -> None:
    kind = env.prog_type
    if kind == uapi.BPF_PROG_TYPE_TRACING:
        at = env.program.expected_attach_type
        tramps = (uapi.BPF_TRACE_FENTRY, uapi.BPF_TRACE_FEXIT, uapi.BPF_MODIFY_RETURN)
        if at not in tramps:
            env.reject(
                ENOTSUPP, f"func {func_name(func_id)}#{func_id} supported only for fentry/fexit/fmod_ret programs"
            )
    elif kind != uapi.BPF_PROG_TYPE_KPROBE:
        env.reject(ENOTSUPP, f"func {func_name(func_id)}#{func_id} not supported for program type {kind}")
