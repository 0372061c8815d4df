"""Register types: ``enum bpf_reg_type`` with its flags, and the names they have in the log.

A type is a base in the low 8 bits and flags above (``PTR_TO_BTF_ID | PTR_TRUSTED``).

:see: include/linux/bpf.h:enum bpf_reg_type, kernel/bpf/log.c:reg_type_str
"""

from __future__ import annotations

from beespace.uapi import bpf as uapi

__all__ = [
    "BPF_REG_TRUSTED_MODIFIERS",
    "DYNPTR_TYPE_FLAG_MASK",
    "PACKET_DYNPTRS",
    "base_type",
    "has_unsafe_modifiers",
    "is_alloc",
    "is_non_owning_ref",
    "is_pkt_pointer",
    "is_ptr_alloc_obj",
    "is_sk_pointer",
    "is_spillable",
    "may_be_null",
    "reg_type_str",
    "type_flag",
]

_BASE = 0xFF
BPF_REG_TRUSTED_MODIFIERS = uapi.MEM_ALLOC | uapi.PTR_TRUSTED | uapi.NON_OWN_REF
PACKET_DYNPTRS = uapi.DYNPTR_TYPE_SKB | uapi.DYNPTR_TYPE_XDP | uapi.DYNPTR_TYPE_SKB_META
DYNPTR_TYPE_FLAG_MASK = PACKET_DYNPTRS | uapi.DYNPTR_TYPE_LOCAL | uapi.DYNPTR_TYPE_RINGBUF

_NAMES = {
    uapi.NOT_INIT: "?",
    uapi.SCALAR_VALUE: "scalar",
    uapi.PTR_TO_CTX: "ctx",
    uapi.CONST_PTR_TO_MAP: "map_ptr",
    uapi.PTR_TO_MAP_VALUE: "map_value",
    uapi.PTR_TO_STACK: "fp",
    uapi.PTR_TO_PACKET: "pkt",
    uapi.PTR_TO_PACKET_META: "pkt_meta",
    uapi.PTR_TO_PACKET_END: "pkt_end",
    uapi.PTR_TO_FLOW_KEYS: "flow_keys",
    uapi.PTR_TO_SOCKET: "sock",
    uapi.PTR_TO_SOCK_COMMON: "sock_common",
    uapi.PTR_TO_TCP_SOCK: "tcp_sock",
    uapi.PTR_TO_TP_BUFFER: "tp_buffer",
    uapi.PTR_TO_XDP_SOCK: "xdp_sock",
    uapi.PTR_TO_BTF_ID: "ptr_",
    uapi.PTR_TO_MEM: "mem",
    uapi.PTR_TO_ARENA: "arena",
    uapi.PTR_TO_BUF: "buf",
    uapi.PTR_TO_FUNC: "func",
    uapi.PTR_TO_MAP_KEY: "map_key",
    uapi.CONST_PTR_TO_DYNPTR: "dynptr_ptr",
}
_PREFIXES = (
    (uapi.MEM_RDONLY, "rdonly_"),
    (uapi.MEM_RINGBUF, "ringbuf_"),
    (uapi.MEM_USER, "user_"),
    (uapi.MEM_PERCPU, "percpu_"),
    (uapi.MEM_RCU, "rcu_"),
    (uapi.PTR_UNTRUSTED, "untrusted_"),
    (uapi.PTR_TRUSTED, "trusted_"),
)


def base_type(t: int) -> int:
    """The type without flags."""
    return t & 0xFF


def type_flag(t: int) -> int:
    """The flags without the type."""
    return t & ~0xFF


def may_be_null(t: int) -> bool:
    """PTR_MAYBE_NULL is set."""
    return t & uapi.PTR_MAYBE_NULL != 0


def is_pkt_pointer(t: int) -> bool:
    """Points into a packet or its metadata (not its end)."""
    t &= 0xFF
    return t in (uapi.PTR_TO_PACKET, uapi.PTR_TO_PACKET_META)


def is_sk_pointer(t: int) -> bool:
    """Points to a socket that has a table of fields (PointerFields)."""
    return t in (uapi.PTR_TO_SOCKET, uapi.PTR_TO_SOCK_COMMON, uapi.PTR_TO_TCP_SOCK, uapi.PTR_TO_XDP_SOCK)


def is_ptr_alloc_obj(t: int) -> bool:
    """Points to an object from bpf_obj_new() or to its like."""
    return t & 0xFF == uapi.PTR_TO_BTF_ID and t & uapi.MEM_ALLOC != 0


def is_alloc(t: int) -> bool:
    """MEM_ALLOC is set, whatever the base."""
    return t & uapi.MEM_ALLOC != 0


def is_non_owning_ref(t: int) -> bool:
    """An allocated object that a tree or list owns."""
    return is_ptr_alloc_obj(t) and t & uapi.NON_OWN_REF != 0


def has_unsafe_modifiers(t: int) -> bool:
    """A flag other than those that vouch for the pointer."""
    return t & ~_BASE & ~BPF_REG_TRUSTED_MODIFIERS != 0


def is_spillable(t: int) -> bool:
    """A pointer whose state is kept when it is stored on the stack.

    :see: kernel/bpf/verifier.c:is_spillable_regtype
    """
    t &= 0xFF
    return t <= uapi.PTR_TO_FUNC and t not in (uapi.NOT_INIT, uapi.SCALAR_VALUE, uapi.PTR_TO_TP_BUFFER)


def reg_type_str(t: int) -> str:
    """The type as the log spells it: ``map_value_or_null``, ``trusted_ptr_``."""
    base = t & _BASE
    postfix = ""
    if t & uapi.PTR_MAYBE_NULL:
        postfix = "or_null_" if base == uapi.PTR_TO_BTF_ID else "_or_null"
    prefix = "".join(name for flag, name in _PREFIXES if t & flag)
    return f"{prefix}{_NAMES[base]}{postfix}"
