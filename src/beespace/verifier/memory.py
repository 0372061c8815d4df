"""Loads and stores: for each kind of pointer, what may be accessed and what a load yields.

A check returns the register that the load would make: knowing that the access is allowed is knowing what is there.

:see: kernel/bpf/verifier.c:check_mem_access
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.btfptr import check_ptr_to_btf_access, check_ptr_to_map_access
from beespace.verifier.ctx import check_ctx_access
from beespace.verifier.env import BPF_MAX_VAR_OFF, EACCES, EINVAL, ENOTSUPP
from beespace.verifier.kptr import check_map_kptr_access
from beespace.verifier.printer import tnum_text
from beespace.verifier.regtypes import base_type, is_pkt_pointer, is_sk_pointer, may_be_null, reg_type_str
from beespace.verifier.stack import check_stack_access_within_bounds, check_stack_read, check_stack_write
from beespace.verifier.state import (
    S64_SIGN,
    U32_MASK,
    U64_MASK,
    UNKNOWN_REG,
    RegState,
    const_reg,
    copy_reg,
    scalar,
)

if TYPE_CHECKING:
    from beespace.decl.map import MapMeta
    from beespace.verifier.env import Env

__all__ = [
    "MAX_PACKET_OFF",
    "check_buffer_access",
    "check_map_access",
    "check_map_access_type",
    "check_mem_access",
    "check_mem_region_access",
    "check_packet_access",
    "check_ptr_alignment",
    "check_ptr_off_reg",
    "map_is_rdonly",
    "may_access_direct_pkt_data",
    "read_map_value",
]

MAX_PACKET_OFF = 0xFFFF
_FLOW_KEYS_SIZE = 56  # sizeof(struct bpf_flow_keys)
_ALIGN_NAMES = {
    uapi.PTR_TO_FLOW_KEYS: "flow keys ",
    uapi.PTR_TO_MAP_KEY: "key ",
    uapi.PTR_TO_MAP_VALUE: "value ",
    uapi.PTR_TO_CTX: "context ",
    uapi.PTR_TO_STACK: "stack ",
    uapi.PTR_TO_SOCKET: "sock ",
    uapi.PTR_TO_SOCK_COMMON: "sock_common ",
    uapi.PTR_TO_TCP_SOCK: "tcp_sock ",
    uapi.PTR_TO_XDP_SOCK: "xdp_sock ",
}
_KPTRS = uapi.BPF_KPTR_UNREF | uapi.BPF_KPTR_REF | uapi.BPF_KPTR_PERCPU | uapi.BPF_UPTR
FIELD_NAMES = {
    uapi.BPF_SPIN_LOCK: "bpf_spin_lock",
    uapi.BPF_RES_SPIN_LOCK: "bpf_res_spin_lock",
    uapi.BPF_TIMER: "bpf_timer",
    uapi.BPF_WORKQUEUE: "bpf_wq",
    uapi.BPF_KPTR_UNREF: "kptr",
    uapi.BPF_KPTR_REF: "kptr",
    uapi.BPF_KPTR_PERCPU: "percpu_kptr",
    uapi.BPF_UPTR: "uptr",
    uapi.BPF_LIST_HEAD: "bpf_list_head",
    uapi.BPF_LIST_NODE: "bpf_list_node",
    uapi.BPF_RB_ROOT: "bpf_rb_root",
    uapi.BPF_RB_NODE: "bpf_rb_node",
    uapi.BPF_REFCOUNT: "bpf_refcount",
    uapi.BPF_TASK_WORK: "bpf_task_work",
}


def check_mem_access(
    env: Env, regno: int, off: int, size: int, write: bool, value_regno: int, strict: bool = False, ldsx: bool = False
) -> RegState | None:
    """May *size* bytes at Rn + *off* be read, or written from Rvalue (-1: something unknown)?

    :return: of a load, what the register holds then; None when nothing is known to be loaded.
    """
    reg = env.regs()[regno]
    check_ptr_alignment(env, reg, off, size, strict)
    value = _access(env, reg, regno, off + reg.off, size, write, value_regno, ldsx)
    if write or value_regno < 0 or value is None:
        return None
    if size < 8 and value.type == uapi.SCALAR_VALUE:
        bounds = value.bounds
        if not ldsx:
            bounds = n.coerce_reg_to_size(bounds, size)
        else:
            bounds = n.coerce_reg_to_size_sx(bounds, size)
        if value is UNKNOWN_REG:
            return scalar(bounds)
        value = copy_reg(value)
        value.bounds = bounds
    return value


def _access(
    env: Env, reg: RegState, regno: int, off: int, size: int, write: bool, value_regno: int, ldsx: bool
) -> RegState | None:  # fmt: skip
    t = reg.type
    base = base_type(t)
    if t == uapi.PTR_TO_STACK:
        check_stack_access_within_bounds(env, regno, off, size, write)
        if write:
            check_stack_write(env, regno, off, size, value_regno)
            return None
        return check_stack_read(env, regno, off, size, value_regno)
    if t == uapi.PTR_TO_MAP_VALUE:
        return _map_value(env, reg, regno, off, size, write, value_regno, ldsx)
    if t == uapi.PTR_TO_CTX:
        _check_leak(env, write, value_regno, "ctx")
        check_ptr_off_reg(env, reg, regno)
        return check_ctx_access(env, off, size, write, ldsx)
    if is_pkt_pointer(t):
        if write and not may_access_direct_pkt_data(env, None, True):
            env.reject(EACCES, "cannot write into packet")
        _check_leak(env, write, value_regno, "packet")
        check_packet_access(env, regno, off, size, False)
        return UNKNOWN_REG
    if base == uapi.PTR_TO_MEM:
        return _mem(env, reg, regno, off, size, write, value_regno)
    if base == uapi.PTR_TO_BTF_ID and not may_be_null(t):
        return check_ptr_to_btf_access(env, reg, regno, off, size, write)
    if t == uapi.PTR_TO_MAP_KEY:
        if write:
            env.reject(EACCES, f"write to change key R{regno} not allowed")
        check_mem_region_access(env, regno, off, size, reg.map_ptr.key_size, False)
        return UNKNOWN_REG
    if t == uapi.PTR_TO_FLOW_KEYS:
        _check_leak(env, write, value_regno, "flow keys")
        if size < 0 or off < 0 or off + size > _FLOW_KEYS_SIZE:
            env.reject(EACCES, f"invalid access to flow keys off={off} size={size}")
        return UNKNOWN_REG
    if is_sk_pointer(t):
        if write:
            env.reject(EACCES, f"R{regno} cannot write into {reg_type_str(t)}")
        _sock(env, reg, regno, off, size)
        return UNKNOWN_REG
    if t == uapi.PTR_TO_TP_BUFFER:
        _check_buffer(env, "tracepoint", reg, regno, off, size)
        return UNKNOWN_REG
    if t == uapi.CONST_PTR_TO_MAP:
        return check_ptr_to_map_access(env, reg, regno, off, size, write)
    if base == uapi.PTR_TO_BUF and not may_be_null(t):
        if t & uapi.MEM_RDONLY and write:
            env.reject(EACCES, f"R{regno} cannot write into {reg_type_str(t)}")
        check_buffer_access(env, reg, regno, off, size)
        return UNKNOWN_REG
    if t == uapi.PTR_TO_ARENA:
        return UNKNOWN_REG
    env.reject(EACCES, f"R{regno} invalid mem access '{reg_type_str(t)}'")


def _check_leak(env: Env, write: bool, value_regno: int, where: str) -> None:
    if write and value_regno >= 0 and env.is_pointer_value(value_regno):
        env.reject(EACCES, f"R{value_regno} leaks addr into {where}")


# -- alignment --------------------------------------------------------------------------------------------------------


def check_ptr_alignment(env: Env, reg: RegState, off: int, size: int, strict_once: bool) -> None:
    """The access is aligned: on the stack always, elsewhere with BPF_F_STRICT_ALIGNMENT."""
    t = reg.type
    if size == 1 or t == uapi.PTR_TO_ARENA:
        return
    if not (env.strict_alignment or strict_once or t == uapi.PTR_TO_STACK):
        return
    b = reg.bounds
    pkt = t in (uapi.PTR_TO_PACKET, uapi.PTR_TO_PACKET_META)
    ip_align = 2 if pkt else 0  # NET_IP_ALIGN
    total = n.tnum_add(b.var_off, n.tnum_const((ip_align + reg.off + off) & U64_MASK))
    if n.tnum_is_aligned(total, size):
        return
    var_off = tnum_text(b.var_off)
    if pkt:
        env.reject(EACCES, f"misaligned packet access off {ip_align}+{var_off}+{reg.off}+{off} size {size}")
    name = _ALIGN_NAMES.get(t, "")
    env.reject(EACCES, f"misaligned {name}access off {var_off}+{reg.off}+{off} size {size}")


def check_ptr_off_reg(env: Env, reg: RegState, regno: int, fixed_off_ok: bool = False) -> None:
    """The pointer is as it was given (__check_ptr_off_reg())."""
    if reg.off < 0:
        env.reject(EACCES, f"negative offset {reg_type_str(reg.type)} ptr R{regno} off={reg.off} disallowed")
    if not fixed_off_ok and reg.off:
        env.reject(EACCES, f"dereference of modified {reg_type_str(reg.type)} ptr R{regno} off={reg.off} disallowed")
    var_off = reg.bounds.var_off
    if var_off.mask or var_off.value:
        env.reject(EACCES, f"variable {reg_type_str(reg.type)} access var_off={tnum_text(var_off)} disallowed")


# -- memory of known size ---------------------------------------------------------------------------------------------


def _check_region(env: Env, regno: int, off: int, size: int, mem_size: int, zero_size_allowed: bool) -> bool:
    # __check_mem_access(): is [off, off + size) inside? If not the log has it.
    if off >= 0 and (size > 0 or (size == 0 and zero_size_allowed)) and off + size <= mem_size:
        return True
    off = _s32(off)
    reg = env.regs()[regno]
    match reg.type:
        case uapi.PTR_TO_MAP_KEY:
            env.verbose(f"invalid access to map key, key_size={mem_size} off={off} size={size}\n")
        case uapi.PTR_TO_MAP_VALUE:
            env.verbose(f"invalid access to map value, value_size={mem_size} off={off} size={size}\n")
        case uapi.PTR_TO_PACKET | uapi.PTR_TO_PACKET_META | uapi.PTR_TO_PACKET_END:
            env.verbose(
                f"invalid access to packet, off={off} size={size}, R{regno}(id={reg.id},off={off},r={mem_size})\n"
            )
        case _:
            env.verbose(f"invalid access to memory, mem_size={mem_size} off={off} size={size}\n")
    return False


def _s32(value: int) -> int:
    return (value + (1 << 31) & U32_MASK) - (1 << 31)


def check_mem_region_access(
    env: Env, regno: int, off: int, size: int, mem_size: int, zero_size_allowed: bool
) -> None:  # fmt: skip
    """The access is inside a region of *mem_size* bytes, wherever the variable offset points."""
    reg = env.regs()[regno]
    b = reg.bounds
    smin = b.smin_value
    if smin < 0 and (smin == -S64_SIGN or smin + off != _s32(smin + off) or smin + off < 0):
        env.reject(EACCES, f"R{regno} min value is negative, either use unsigned index or do a if (index >=0) check.")
    if not _check_region(env, regno, _s32(smin + off), size, mem_size, zero_size_allowed):
        env.reject(EACCES, f"R{regno} min value is outside of the allowed memory range")
    if b.umax_value >= BPF_MAX_VAR_OFF:
        env.reject(EACCES, f"R{regno} unbounded memory access, make sure to bounds check any such access")
    if not _check_region(env, regno, b.umax_value + off, size, mem_size, zero_size_allowed):
        env.reject(EACCES, f"R{regno} max value is outside of the allowed memory range")


def _mem(
    env: Env, reg: RegState, regno: int, off: int, size: int, write: bool, value_regno: int
) -> RegState | None:  # fmt: skip
    t = reg.type
    rdonly = t & uapi.MEM_RDONLY != 0
    if may_be_null(t):
        env.reject(EACCES, f"R{regno} invalid mem access '{reg_type_str(t)}'")
    if write and rdonly:
        env.reject(EACCES, f"R{regno} cannot write into {reg_type_str(t)}")
    _check_leak(env, write, value_regno, "mem")
    if not (rdonly and t & uapi.PTR_UNTRUSTED):
        check_mem_region_access(env, regno, off, size, reg.mem_size, False)
    return UNKNOWN_REG


# -- maps -------------------------------------------------------------------------------------------------------------


def map_is_rdonly(m: MapMeta) -> bool:
    """Nobody will change the contents any more (bpf_map_is_rdonly())."""
    return bool(m.map_flags & uapi.BPF_F_RDONLY_PROG) and m.frozen


def has_direct_value(env: Env, m: MapMeta) -> bool:
    """Has the map a map_direct_value_addr()?"""
    kind = env.registry.map_types.get(m.map_type)
    return kind is not None and kind.direct_value


def read_map_value(env: Env, m: MapMeta, off: int, size: int) -> bytes:
    """Bytes of a read-only map (bpf_map_direct_read())."""
    if m.map_type == uapi.BPF_MAP_TYPE_ARRAY and m.max_entries != 1:
        env.refuse(ENOTSUPP, "")
    if not 0 <= off < m.value_size:
        env.refuse(EINVAL, "")
    if m.read_value is None:
        env.refuse(ENOTSUPP, "")
    return m.read_value(off, size)


def check_map_access_type(env: Env, regno: int, off: int, size: int, write: bool) -> None:
    """BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG."""
    reg = env.regs()[regno]
    m = reg.map_ptr
    if write and m.map_flags & uapi.BPF_F_RDONLY_PROG:
        env.reject(EACCES, f"write into map forbidden, value_size={m.value_size} off={off} size={size}")
    if not write and m.map_flags & uapi.BPF_F_WRONLY_PROG:
        env.reject(EACCES, f"read from map forbidden, value_size={m.value_size} off={off} size={size}")


def check_map_access(env: Env, regno: int, off: int, size: int, zero_size_allowed: bool, direct: bool) -> None:
    """The access is inside the value and leaves its special fields alone.

    :param direct: by a load or store, not by a helper.
    """
    reg = env.regs()[regno]
    m = reg.map_ptr
    check_mem_region_access(env, regno, off, size, m.value_size, zero_size_allowed)
    b = reg.bounds
    for field in m.record:
        if not (b.smin_value + off < field.off + field.size and field.off < b.umax_value + off + size):
            continue
        name = FIELD_NAMES[field.kind]
        if not field.kind & _KPTRS:
            env.reject(EACCES, f"{name} cannot be accessed directly by load/store")
        if not direct:
            env.reject(EACCES, f"{name} cannot be accessed indirectly by helper")
        if b.var_off.mask:
            env.reject(EACCES, f"{name} access cannot have variable offset")
        at = off + b.var_off.value
        if field.off != at:
            env.reject(EACCES, f"{name} access misaligned expected={field.off} off={at}")
        if size != 8:
            env.reject(EACCES, f"{name} access size must be BPF_DW")


def _map_value(
    env: Env, reg: RegState, regno: int, off: int, size: int, write: bool, value_regno: int, ldsx: bool
) -> RegState | None:  # fmt: skip
    _check_leak(env, write, value_regno, "map")
    check_map_access_type(env, regno, off, size, write)
    check_map_access(env, regno, off, size, False, True)
    m = reg.map_ptr
    b = reg.bounds
    if b.var_off.mask:
        return UNKNOWN_REG
    at = off + b.smin_value
    field = m.record.find(at, _KPTRS)
    if field is not None:
        return check_map_kptr_access(env, field, value_regno)
    if not write and value_regno >= 0 and map_is_rdonly(m) and has_direct_value(env, m):
        raw = read_map_value(env, m, at, size)
        return const_reg(int.from_bytes(raw, "little", signed=ldsx) & 0xFFFF_FFFF_FFFF_FFFF)
    return UNKNOWN_REG


# -- packets ----------------------------------------------------------------------------------------------------------


def may_access_direct_pkt_data(env: Env, pkt_access: bool | None, write: bool) -> bool:
    """May the program touch packets?

    :param pkt_access: of the helper that is given the pointer; None for a load or store.
    """
    ptype = env.ptype
    if not ptype.direct_pkt_access or (write and not ptype.may_write_pkt):
        return False
    if ptype.pkt_access_any_helper:
        env.seen_direct_write |= write
        return True
    if pkt_access is not None:
        return pkt_access
    env.seen_direct_write = True
    return True


def check_packet_access(env: Env, regno: int, off: int, size: int, zero_size_allowed: bool) -> None:
    """The bytes are in the part of the packet that was compared with its end."""
    reg = env.regs()[regno]
    b = reg.bounds
    if b.smin_value < 0:
        env.reject(EACCES, f"R{regno} min value is negative, either use unsigned index or do a if (index >=0) check.")
    if reg.range < 0:
        env.reject(EINVAL, f"R{regno} offset is outside of the packet")
    if not _check_region(env, regno, off, size, reg.range, zero_size_allowed):
        env.reject(EACCES, f"R{regno} offset is outside of the packet")
    env.max_pkt_offset = max(env.max_pkt_offset, off + b.umax_value + size - 1)


# -- sockets and buffers ----------------------------------------------------------------------------------------------


def _sock(env: Env, reg: RegState, regno: int, off: int, size: int) -> None:
    if reg.bounds.smin_value < 0:
        env.reject(EACCES, f"R{regno} min value is negative, either use unsigned index or do a if (index >=0) check.")
    table = env.registry.pointer_fields.get(reg.type)
    field = table.access(off, size) if table is not None else None
    if field is None:
        env.reject(EACCES, f"R{regno} invalid {reg_type_str(reg.type)} access off={off} size={size}")
    env.insns[env.insn_idx].ctx_field = field


def _check_buffer(env: Env, what: str, reg: RegState, regno: int, off: int, size: int) -> None:
    if off < 0:
        env.reject(EACCES, f"R{regno} invalid {what} buffer access: off={off}, size={size}")
    var_off = reg.bounds.var_off
    if var_off.mask or var_off.value:
        env.reject(EACCES, f"R{regno} invalid variable buffer offset: off={off}, var_off={tnum_text(var_off)}")


def check_buffer_access(env: Env, reg: RegState, regno: int, off: int, size: int) -> None:
    """A buffer whose size is known when the program runs: its size is recorded, not checked."""
    rdonly = reg.type & uapi.MEM_RDONLY != 0
    _check_buffer(env, "rdonly" if rdonly else "rdwr", reg, regno, off, size)
    name = "max_rdonly_access" if rdonly else "max_rdwr_access"
    env.max_access[name] = max(env.max_access.get(name, 0), off + size)
