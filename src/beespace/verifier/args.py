"""Arguments of helpers: each register against what the prototype declares.

The obligations of a call are its declaration: ``FuncProto.args``. check_func_arg() decides one of them.

:see: kernel/bpf/verifier.c:check_func_arg, check_reg_type
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beespace.decl.func import FuncProto
from beespace.uapi import bpf as uapi
from beespace.verifier.btfptr import reg_record, struct_by_name, struct_ids_match
from beespace.verifier.check import check_readable
from beespace.verifier.env import EACCES, EINVAL, EOPNOTSUPP
from beespace.verifier.helpermem import check_helper_mem_access, check_mem_size_reg
from beespace.verifier.kptr import check_kptr_match
from beespace.verifier.locks import PROCESS_SPIN_LOCK, in_rbtree_lock_required_cb, process_spin_lock
from beespace.verifier.memory import (
    FIELD_NAMES,
    check_map_access,
    check_mem_access,
    check_ptr_alignment,
    check_ptr_off_reg,
    has_direct_value,
    map_is_rdonly,
    may_access_direct_pkt_data,
    read_map_value,
)
from beespace.verifier.objects import (
    DYNPTR_SLOTS,
    arg_to_dynptr_type,
    dynptr_spi,
    is_dynptr_expected,
    is_dynptr_valid_init,
    is_dynptr_valid_uninit,
    mark_object_read,
    mark_stack_slots_dynptr,
)
from beespace.verifier.precision import mark_chain_precision, mark_slot_precise
from beespace.verifier.printer import DYNPTR_NAMES, func_name
from beespace.verifier.regtypes import (
    DYNPTR_TYPE_FLAG_MASK,
    base_type,
    is_alloc,
    is_pkt_pointer,
    may_be_null,
    reg_type_str,
)
from beespace.verifier.stack import RawMode, write_stack
from beespace.verifier.state import BPF_REG_SIZE, RegState, is_const_null, is_spilled_scalar, slot_byte, spi_of

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.btf.record import BtfField
    from beespace.decl.map import MapMeta
    from beespace.verifier.env import Env

__all__ = [
    "ArgMeta",
    "check_func_arg",
    "check_func_arg_reg_off",
    "check_map_field",
    "check_reg_type",
    "process_dynptr_func",
]

_S, _P = uapi.SCALAR_VALUE, uapi.PTR_TO_BTF_ID
_SOCKS = (uapi.PTR_TO_SOCK_COMMON, uapi.PTR_TO_SOCKET, uapi.PTR_TO_TCP_SOCK, uapi.PTR_TO_XDP_SOCK)
_MEM = (
    uapi.PTR_TO_STACK,
    uapi.PTR_TO_PACKET,
    uapi.PTR_TO_PACKET_META,
    uapi.PTR_TO_MAP_KEY,
    uapi.PTR_TO_MAP_VALUE,
    uapi.PTR_TO_MEM,
    uapi.PTR_TO_MEM | uapi.MEM_RINGBUF,
    uapi.PTR_TO_BUF,
    _P | uapi.PTR_TRUSTED,
)
_ALLOC = (uapi.PTR_TO_MAP_VALUE, _P | uapi.MEM_ALLOC)
# argument type -> register types that satisfy it
_COMPATIBLE: dict[int, tuple[int, ...]] = {
    uapi.ARG_PTR_TO_MAP_KEY: _MEM,
    uapi.ARG_PTR_TO_MAP_VALUE: _MEM,
    uapi.ARG_PTR_TO_MEM: _MEM,
    uapi.ARG_CONST_SIZE: (_S,),
    uapi.ARG_CONST_SIZE_OR_ZERO: (_S,),
    uapi.ARG_CONST_ALLOC_SIZE_OR_ZERO: (_S,),
    uapi.ARG_CONST_MAP_PTR: (uapi.CONST_PTR_TO_MAP,),
    uapi.ARG_PTR_TO_CTX: (uapi.PTR_TO_CTX,),
    uapi.ARG_PTR_TO_SOCK_COMMON: _SOCKS,
    uapi.ARG_PTR_TO_BTF_ID_SOCK_COMMON: (*_SOCKS, _P, _P | uapi.PTR_TRUSTED),
    uapi.ARG_PTR_TO_SOCKET: (uapi.PTR_TO_SOCKET,),
    uapi.ARG_PTR_TO_BTF_ID: (_P, _P | uapi.PTR_TRUSTED, _P | uapi.MEM_RCU),
    uapi.ARG_PTR_TO_SPIN_LOCK: _ALLOC,
    uapi.ARG_PTR_TO_RINGBUF_MEM: (uapi.PTR_TO_MEM | uapi.MEM_RINGBUF,),
    uapi.ARG_PTR_TO_PERCPU_BTF_ID: (
        _P | uapi.MEM_PERCPU,
        _P | uapi.MEM_PERCPU | uapi.MEM_RCU,
        _P | uapi.MEM_PERCPU | uapi.PTR_TRUSTED,
    ),
    uapi.ARG_PTR_TO_FUNC: (uapi.PTR_TO_FUNC,),
    uapi.ARG_PTR_TO_STACK: (uapi.PTR_TO_STACK,),
    uapi.ARG_PTR_TO_CONST_STR: (uapi.PTR_TO_MAP_VALUE,),
    uapi.ARG_PTR_TO_TIMER: (uapi.PTR_TO_MAP_VALUE,),
    uapi.ARG_KPTR_XCHG_DEST: _ALLOC,
    uapi.ARG_PTR_TO_DYNPTR: (uapi.PTR_TO_STACK, uapi.CONST_PTR_TO_DYNPTR),
}
_TYPED = frozenset(
    (
        _P,
        _P | uapi.PTR_TRUSTED,
        _P | uapi.PTR_TRUSTED | uapi.PTR_MAYBE_NULL,
        _P | uapi.MEM_RCU,
        _P | uapi.PTR_MAYBE_NULL,
        _P | uapi.PTR_MAYBE_NULL | uapi.MEM_RCU,
    )
)
_PERCPU = frozenset(_COMPATIBLE[uapi.ARG_PTR_TO_PERCPU_BTF_ID])
_ANY_OFFSET = frozenset(
    (
        uapi.PTR_TO_STACK,
        uapi.PTR_TO_PACKET,
        uapi.PTR_TO_PACKET_META,
        uapi.PTR_TO_MAP_KEY,
        uapi.PTR_TO_MAP_VALUE,
        uapi.PTR_TO_MEM,
        uapi.PTR_TO_MEM | uapi.MEM_RDONLY,
        uapi.PTR_TO_MEM | uapi.MEM_RINGBUF,
        uapi.PTR_TO_BUF,
        uapi.PTR_TO_BUF | uapi.MEM_RDONLY,
        uapi.PTR_TO_ARENA,
        _S,
    )
)
_FIXED_OFFSET = frozenset(
    (
        _P,
        _P | uapi.MEM_ALLOC,
        _P | uapi.PTR_TRUSTED,
        _P | uapi.MEM_RCU,
        _P | uapi.MEM_ALLOC | uapi.NON_OWN_REF,
        _P | uapi.MEM_ALLOC | uapi.NON_OWN_REF | uapi.MEM_RCU,
    )
)
_CONST_KEY_MAPS = (uapi.BPF_MAP_TYPE_ARRAY, uapi.BPF_MAP_TYPE_PERCPU_ARRAY)
_SPIN_LOCKS = (uapi.BPF_FUNC_spin_lock, uapi.BPF_FUNC_spin_unlock)


class ArgMeta:
    """What one argument of a call tells about the others and the result (struct bpf_call_arg_meta)."""

    def __init__(self, func_id: int, fn: FuncProto | None) -> None:
        self.func_id = func_id
        self.fn = fn
        self.pkt_access = fn.pkt_access if fn is not None else False
        self.map_ptr: MapMeta | None = None
        self.map_uid = 0
        self.raw: RawMode | None = None
        self.release_regno = 0
        self.mem_size = 0
        self.msize_max_value = 0
        self.ref_obj_id = 0
        self.dynptr_id = 0
        self.subprogno = 0
        self.kptr_field: BtfField | None = None
        self.ret_btf: Btf | None = None
        self.ret_btf_id = 0
        self.const_map_key = -1
        self.moves_packet = False  # bpf_dynptr_write() on a packet
        self.returns_percpu_object = False


def check_reg_type(env: Env, regno: int, arg_type: int, wanted: tuple[Btf, int] | None, meta: ArgMeta) -> None:
    """Rn holds a type that the argument takes.

    :param wanted: the struct that ARG_PTR_TO_BTF_ID has to point to.
    """
    reg = env.regs()[regno]
    base = base_type(arg_type)
    compatible = _COMPATIBLE.get(base)
    if compatible is None:
        env.bug(f"unsupported arg type {arg_type}")
    t = reg.type
    if arg_type & uapi.MEM_RDONLY:
        t &= ~uapi.MEM_RDONLY
    if arg_type & uapi.PTR_MAYBE_NULL:
        t &= ~uapi.PTR_MAYBE_NULL
    if base == uapi.ARG_PTR_TO_MEM:
        t &= ~DYNPTR_TYPE_FLAG_MASK
    xchg = meta.func_id == uapi.BPF_FUNC_kptr_xchg
    if xchg and is_alloc(t) and regno == 2:
        t &= ~(uapi.MEM_ALLOC | uapi.MEM_PERCPU)
    if t not in compatible:
        expected = ", ".join(reg_type_str(kind) for kind in compatible)
        env.reject(EACCES, f"R{regno} type={reg_type_str(reg.type)} expected={expected}")
    if base_type(reg.type) != _P:
        return
    if compatible is _MEM:
        if not arg_type & uapi.MEM_RDONLY:
            env.reject(
                EACCES,
                f"{func_name(meta.func_id)}() may write into memory pointed by R{regno} type={reg_type_str(reg.type)}",
            )
        return
    if reg.type in _TYPED:
        _check_struct(env, reg, regno, arg_type, wanted, meta)
    elif reg.type & ~uapi.MEM_PERCPU == _P | uapi.MEM_ALLOC:
        if meta.func_id not in _SPIN_LOCKS and not xchg:
            env.bug("unimplemented handling of MEM_ALLOC")
        if xchg and regno == 2:
            _check_kptr(env, reg, regno, meta)
    elif reg.type not in _PERCPU:
        env.bug("invalid PTR_TO_BTF_ID register for type match")


def _check_kptr(env: Env, reg: RegState, regno: int, meta: ArgMeta) -> None:
    assert meta.kptr_field is not None
    if not check_kptr_match(env, meta.kptr_field, reg, regno):
        env.refuse(EACCES, env.log.last_line())


def _check_struct(
    env: Env, reg: RegState, regno: int, arg_type: int, wanted: tuple[Btf, int] | None, meta: ArgMeta
) -> None:  # fmt: skip
    release = arg_type & uapi.OBJ_RELEASE != 0
    strict = release and meta.func_id != uapi.BPF_FUNC_sk_release
    if may_be_null(reg.type) and (not may_be_null(arg_type) or release):
        env.reject(EACCES, f"Possibly NULL pointer passed to helper arg{regno}")
    if meta.func_id == uapi.BPF_FUNC_kptr_xchg:
        _check_kptr(env, reg, regno, meta)
        return
    if wanted is None:
        wanted = struct_by_name(env, "sock_common")
    btf, btf_id = wanted
    if not struct_ids_match(env, reg.btf, reg.btf_id, reg.off, btf, btf_id, strict):
        have, want = reg.btf.name_of(reg.btf_id), btf.name_of(btf_id)
        env.reject(EACCES, f"R{regno} is of type {have} but {want} is expected")


def check_func_arg_reg_off(env: Env, reg: RegState, regno: int, arg_type: int) -> None:
    """The offset of the pointer in Rn is one that may be passed."""
    t = reg.type
    if arg_type & uapi.OBJ_RELEASE:
        if base_type(arg_type) == uapi.ARG_PTR_TO_DYNPTR and t == uapi.PTR_TO_STACK:
            return
        if reg.off:
            env.reject(EINVAL, f"R{regno} must have zero offset when passed to release func or trusted arg to kfunc")
        check_ptr_off_reg(env, reg, regno)
        return
    if t not in _ANY_OFFSET:
        check_ptr_off_reg(env, reg, regno, t in _FIXED_OFFSET)


def check_func_arg(env: Env, arg: int, meta: ArgMeta, fn: FuncProto) -> None:
    """Argument *arg* of a helper."""
    regno = arg + 1
    arg_type = fn.args[arg]
    check_readable(env, regno)
    reg = env.regs()[regno]
    if arg_type == uapi.ARG_ANYTHING:
        if env.is_pointer_value(regno):
            env.reject(EACCES, f"R{regno} leaks addr into helper function")
        return
    if is_pkt_pointer(reg.type) and not may_access_direct_pkt_data(env, meta.pkt_access, False):
        env.reject(EACCES, "helper access to the packet is not allowed")
    if base_type(arg_type) == uapi.ARG_PTR_TO_MAP_VALUE:
        arg_type = _map_value_arg(env, arg_type, meta)
    if not (is_const_null(reg) and may_be_null(arg_type)):
        wanted = None
        name = fn.arg_btf_ids[arg] if arg < len(fn.arg_btf_ids) else None
        if name is not None and base_type(arg_type) == uapi.ARG_PTR_TO_BTF_ID and base_type(reg.type) == _P:
            wanted = struct_by_name(env, name)
        check_reg_type(env, regno, arg_type, wanted, meta)
        check_func_arg_reg_off(env, reg, regno, arg_type)
    if arg_type & uapi.OBJ_RELEASE:
        _check_release(env, reg, regno, arg_type, meta)
    if reg.ref_obj_id and base_type(arg_type) != uapi.ARG_KPTR_XCHG_DEST:
        if meta.ref_obj_id:
            env.refuse_at_line_end(
                EACCES, f"more than one arg with ref_obj_id R{regno} {reg.ref_obj_id} {meta.ref_obj_id}"
            )
        meta.ref_obj_id = reg.ref_obj_id
    check = _CHECKS.get(base_type(arg_type))
    if check is not None:
        check(env, reg, regno, arg_type, meta, fn)


def _map_value_arg(env: Env, arg_type: int, meta: ArgMeta) -> int:
    # resolve_map_arg_type(): sockets in sock maps; what a bloom filter is asked for
    if meta.map_ptr is None:
        env.bug("invalid map_ptr to access map->type")
    if meta.map_ptr.map_type in (uapi.BPF_MAP_TYPE_SOCKMAP, uapi.BPF_MAP_TYPE_SOCKHASH):
        if arg_type == uapi.ARG_PTR_TO_MAP_VALUE:
            return uapi.ARG_PTR_TO_BTF_ID_SOCK_COMMON
        env.reject(EINVAL, "invalid arg_type for sockmap/sockhash")
    if meta.map_ptr.map_type == uapi.BPF_MAP_TYPE_BLOOM_FILTER and meta.func_id == uapi.BPF_FUNC_map_peek_elem:
        return uapi.ARG_PTR_TO_MAP_VALUE
    return arg_type


def _check_release(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta) -> None:
    if base_type(arg_type) == uapi.ARG_PTR_TO_DYNPTR:
        if reg.type != uapi.PTR_TO_STACK:
            env.reject(EINVAL, "cannot release unowned const bpf_dynptr")
        spi = dynptr_spi(env, reg)
        if spi < 0 or not env.frame_of(reg).stack[spi].reg.ref_obj_id:
            env.reject(EINVAL, f"arg {regno} is an unacquired reference")
    elif not reg.ref_obj_id and not is_const_null(reg):
        env.reject(EINVAL, f"R{regno} must be referenced when passed to release function")
    if meta.release_regno:
        env.bug("more than one release argument")
    meta.release_regno = regno


# -- one function for each kind of argument that demands more than a type ---------------------------------------------


def _const_map_ptr(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    if meta.map_ptr is not None and (meta.map_ptr is not reg.map_ptr or meta.map_uid != reg.map_uid):
        env.reject(
            EINVAL,
            f"timer pointer in R1 map_uid={meta.map_uid} doesn't match map pointer in R2 map_uid={reg.map_uid}",
        )
    meta.map_ptr = reg.map_ptr
    meta.map_uid = reg.map_uid


def _map_key(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    if meta.map_ptr is None:
        env.bug("invalid map_ptr to access map->key")
    size = meta.map_ptr.key_size
    check_helper_mem_access(env, regno, size, False, False, None)
    if meta.map_ptr.map_type in _CONST_KEY_MAPS:
        meta.const_map_key = _constant_key(env, env.regs()[regno], size)


def _constant_key(env: Env, key: RegState, key_size: int) -> int:
    # get_constant_map_key(): -1 when it is not known
    if not env.bpf_capable or key.type != uapi.PTR_TO_STACK or key.bounds.var_off.mask:
        return -1
    at = key.off + key.bounds.smin_value
    spi = spi_of(at)
    first = (-at - 1) % BPF_REG_SIZE
    slot = env.frame_of(key).stack[spi]
    zeros = _run(slot, first, uapi.STACK_ZERO)
    if zeros >= key_size:
        return 0
    if not is_spilled_scalar(slot) or _run(slot, first, uapi.STACK_SPILL) != key_size:
        return -1
    if slot.reg.bounds.var_off.mask:
        return -1
    mark_slot_precise(env, key.frameno, spi)
    word = slot.reg.bounds.var_off.value
    return (word ^ 1 << 63) - (1 << 63)


def _run(slot: Any, first: int, kind: int) -> int:
    count = 0
    while first - count >= 0 and slot_byte(slot, first - count) == kind:
        count += 1
    return count


def _map_value(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    if may_be_null(arg_type) and is_const_null(reg):
        return
    assert meta.map_ptr is not None
    meta.raw = RawMode() if arg_type & uapi.MEM_UNINIT else None
    write = arg_type & uapi.MEM_WRITE != 0
    check_helper_mem_access(env, regno, meta.map_ptr.value_size, write, False, meta.raw)


def _percpu_btf_id(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    if not reg.btf_id:
        env.reject(EACCES, f"Helper has invalid btf_id in R{regno}")
    meta.ret_btf = reg.btf
    meta.ret_btf_id = reg.btf_id


def _spin_lock(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    if in_rbtree_lock_required_cb(env):
        env.reject(EACCES, "can't spin_{lock,unlock} in rbtree cb")
    process_spin_lock(env, regno, PROCESS_SPIN_LOCK if meta.func_id == uapi.BPF_FUNC_spin_lock else 0)


def _timer(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    check_map_field(env, reg, regno, uapi.BPF_TIMER)
    if meta.map_ptr is not None:
        env.bug("Two map pointers in a timer helper")
    if env.registry.features.kconfig.get("CONFIG_PREEMPT_RT") == "y":
        env.reject(EOPNOTSUPP, "bpf_timer cannot be used for PREEMPT_RT.")
    meta.map_uid = reg.map_uid
    meta.map_ptr = reg.map_ptr


def check_map_field(env: Env, reg: RegState, regno: int, kind: int) -> None:
    """Rn points to the special field *kind* of a map value (check_map_field_pointer())."""
    m, name = reg.map_ptr, FIELD_NAMES[kind]
    if reg.bounds.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. {name} has to be at the constant offset")
    if m.btf is None:
        env.reject(EINVAL, f"map '{m.name}' has to have BTF in order to use {name}")
    field = next((f for f in m.record if f.kind & kind), None)
    if field is None:
        env.reject(EINVAL, f"map '{m.name}' has no valid {name}")
    at = reg.bounds.smin_value + reg.off
    if field.off != at:
        env.reject(EINVAL, f"off {at} doesn't point to 'struct {name}' that is at {field.off}")


def _func(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    meta.subprogno = reg.subprogno


def _mem(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    meta.raw = RawMode() if arg_type & uapi.MEM_UNINIT else None
    if arg_type & uapi.MEM_FIXED_SIZE:
        size = fn.arg_sizes[regno - 1]
        check_helper_mem_access(env, regno, size, arg_type & uapi.MEM_WRITE != 0, False, meta.raw)
        if arg_type & uapi.MEM_ALIGNED:
            check_ptr_alignment(env, reg, 0, size, True)


def _size(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    write = fn.args[regno - 2] & uapi.MEM_WRITE != 0
    or_zero = base_type(arg_type) == uapi.ARG_CONST_SIZE_OR_ZERO
    meta.msize_max_value = reg.bounds.umax_value
    check_mem_size_reg(env, regno, write, or_zero, meta.raw)


def _dynptr(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    process_dynptr_func(env, regno, env.insn_idx, arg_type, 0)


def _alloc_size(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    if reg.bounds.var_off.mask:
        env.reject(EACCES, f"R{regno} is not a known constant'")
    meta.mem_size = reg.bounds.var_off.value & 0xFFFF_FFFF
    mark_chain_precision(env, regno)


def check_const_str(env: Env, reg: RegState, regno: int) -> None:
    """Rn points to a string in a map that nobody changes."""
    m = reg.map_ptr
    if reg.type != uapi.PTR_TO_MAP_VALUE:
        env.refuse(EINVAL, "")
    if not map_is_rdonly(m):
        env.reject(EACCES, f"R{regno} does not point to a readonly map'")
    if reg.bounds.var_off.mask:
        env.reject(EACCES, f"R{regno} is not a constant address'")
    if not has_direct_value(env, m):
        env.reject(EACCES, "no direct value access support for this map type")
    check_map_access(env, regno, reg.off, m.value_size - reg.off, False, False)
    at = reg.off + reg.bounds.smin_value
    if b"\0" not in read_map_value(env, m, at, m.value_size - at):
        env.reject(EINVAL, "string is not zero-terminated")


def _const_str(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    check_const_str(env, reg, regno)


def _kptr_xchg(env: Env, reg: RegState, regno: int, arg_type: int, meta: ArgMeta, fn: FuncProto) -> None:
    if reg.type == uapi.PTR_TO_MAP_VALUE:
        if reg.map_ptr.btf is None:
            env.reject(EINVAL, f"map '{reg.map_ptr.name}' has to have BTF in order to use bpf_kptr_xchg")
        meta.map_ptr = reg.map_ptr
    record = reg_record(env, reg)
    if reg.bounds.var_off.mask:
        env.reject(EINVAL, f"R{regno} doesn't have constant offset. kptr has to be at the constant offset")
    kptrs = uapi.BPF_KPTR_UNREF | uapi.BPF_KPTR_REF | uapi.BPF_KPTR_PERCPU
    if record is None or not record.has(kptrs):
        env.reject(EINVAL, f"R{regno} has no valid kptr")
    at = reg.off + reg.bounds.smin_value
    field = record.find(at, kptrs)
    if field is None:
        env.reject(EACCES, f"off={at} doesn't point to kptr")
    if field.kind not in (uapi.BPF_KPTR_REF, uapi.BPF_KPTR_PERCPU):
        env.reject(EACCES, f"off={at} kptr isn't referenced kptr")
    meta.kptr_field = field


_CHECKS = {
    uapi.ARG_CONST_MAP_PTR: _const_map_ptr,
    uapi.ARG_PTR_TO_MAP_KEY: _map_key,
    uapi.ARG_PTR_TO_MAP_VALUE: _map_value,
    uapi.ARG_PTR_TO_PERCPU_BTF_ID: _percpu_btf_id,
    uapi.ARG_PTR_TO_SPIN_LOCK: _spin_lock,
    uapi.ARG_PTR_TO_TIMER: _timer,
    uapi.ARG_PTR_TO_FUNC: _func,
    uapi.ARG_PTR_TO_MEM: _mem,
    uapi.ARG_CONST_SIZE: _size,
    uapi.ARG_CONST_SIZE_OR_ZERO: _size,
    uapi.ARG_PTR_TO_DYNPTR: _dynptr,
    uapi.ARG_CONST_ALLOC_SIZE_OR_ZERO: _alloc_size,
    uapi.ARG_PTR_TO_CONST_STR: _const_str,
    uapi.ARG_KPTR_XCHG_DEST: _kptr_xchg,
}


def process_dynptr_func(env: Env, regno: int, insn_idx: int, arg_type: int, clone_ref_obj_id: int) -> None:
    """A dynptr argument: one that the call makes (MEM_UNINIT), looks at (MEM_RDONLY) or changes."""
    reg = env.regs()[regno]
    if reg.type not in (uapi.PTR_TO_STACK, uapi.CONST_PTR_TO_DYNPTR):
        env.reject(EINVAL, f"arg#{regno - 1} expected pointer to stack or const struct bpf_dynptr")
    if arg_type & uapi.MEM_UNINIT:
        if not is_dynptr_valid_uninit(env, reg):
            env.reject(EINVAL, "Dynptr has to be an uninitialized dynptr")
        for i in range(0, DYNPTR_SLOTS * BPF_REG_SIZE, BPF_REG_SIZE):
            check_mem_access(env, regno, i, 8, True, -1)
            write_stack(env, regno, reg.off + i, 8, -1)
        mark_stack_slots_dynptr(env, reg, arg_type, insn_idx, clone_ref_obj_id)
        return
    if reg.type == uapi.CONST_PTR_TO_DYNPTR and not arg_type & uapi.MEM_RDONLY:
        env.reject(EINVAL, "cannot pass pointer to const bpf_dynptr, the helper mutates it")
    if not is_dynptr_valid_init(env, reg):
        env.reject(EINVAL, f"Expected an initialized dynptr as arg #{regno - 1}")
    if not is_dynptr_expected(env, reg, arg_type & ~uapi.MEM_RDONLY):
        kind = DYNPTR_NAMES[arg_to_dynptr_type(arg_type)]
        env.reject(EINVAL, f"Expected a dynptr of type {kind} as arg #{regno - 1}")
    if reg.type != uapi.CONST_PTR_TO_DYNPTR:
        mark_object_read(env, reg, dynptr_spi(env, reg), DYNPTR_SLOTS)
