"""Memory that a call accesses: pointer and size, whatever the pointer points to.

:see: kernel/bpf/verifier.c:check_helper_mem_access, check_mem_size_reg, check_mem_reg
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.btfptr import check_ptr_to_btf_access
from beespace.verifier.env import BPF_MAX_VAR_SIZ, EACCES
from beespace.verifier.jumps import mark_ptr_not_null
from beespace.verifier.memory import (
    check_buffer_access,
    check_map_access,
    check_map_access_type,
    check_mem_access,
    check_mem_region_access,
    check_packet_access,
)
from beespace.verifier.precision import mark_chain_precision
from beespace.verifier.regtypes import base_type, may_be_null, reg_type_str
from beespace.verifier.stack import RawMode, check_stack_range_initialized
from beespace.verifier.state import is_const_null

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_helper_mem_access", "check_mem_reg", "check_mem_size_pair", "check_mem_size_reg"]


def check_helper_mem_access(
    env: Env, regno: int, size: int, write: bool, zero_size_allowed: bool, raw: RawMode | None
) -> None:  # fmt: skip
    """May a call access *size* bytes at Rn?

    :param raw: the call writes all of it before it reads any.
    """
    reg = env.regs()[regno]
    t = reg.type
    match base_type(t):
        case uapi.PTR_TO_STACK:
            check_stack_range_initialized(env, regno, reg.off, size, zero_size_allowed, write, raw)
        case uapi.PTR_TO_MAP_VALUE:
            check_map_access_type(env, regno, reg.off, size, write)
            check_map_access(env, regno, reg.off, size, zero_size_allowed, False)
        case uapi.PTR_TO_PACKET | uapi.PTR_TO_PACKET_META:
            check_packet_access(env, regno, reg.off, size, zero_size_allowed)
        case uapi.PTR_TO_MAP_KEY:
            _check_rdonly(env, regno, t, write, True)
            check_mem_region_access(env, regno, reg.off, size, reg.map_ptr.key_size, False)
        case uapi.PTR_TO_MEM:
            _check_rdonly(env, regno, t, write, t & uapi.MEM_RDONLY != 0)
            check_mem_region_access(env, regno, reg.off, size, reg.mem_size, zero_size_allowed)
        case uapi.PTR_TO_BUF:
            _check_rdonly(env, regno, t, write, t & uapi.MEM_RDONLY != 0)
            check_buffer_access(env, reg, regno, reg.off, size)
        case uapi.PTR_TO_BTF_ID:
            check_ptr_to_btf_access(env, reg, regno, reg.off, size, False)
        case uapi.PTR_TO_CTX if not env.ptype.converts_ctx:
            if size == 0:
                if not zero_size_allowed:
                    env.refuse(EACCES, "")
                return
            check_mem_access(env, regno, size - 1, 1, write, -1)
        case _:
            if zero_size_allowed and size == 0 and is_const_null(reg):
                return
            expected = reg_type_str(uapi.PTR_TO_STACK)
            env.reject(EACCES, f"R{regno} type={reg_type_str(t)} expected={expected}")


def _check_rdonly(env: Env, regno: int, reg_type: int, write: bool, rdonly: bool) -> None:
    if write and rdonly:
        env.reject(EACCES, f"R{regno} cannot write into {reg_type_str(reg_type)}")


def check_mem_size_reg(env: Env, regno: int, write: bool, zero_size_allowed: bool, raw: RawMode | None) -> int:
    """R(n-1) points to as many bytes as Rn says.

    :return: the most that can be.
    """
    b = env.regs()[regno].bounds
    if b.var_off.mask:
        raw = None  # the call may fill less than all of it
    if b.smin_value < 0:
        env.reject(EACCES, f"R{regno} min value is negative, either use unsigned or 'var &= const'")
    if b.umin_value == 0 and not zero_size_allowed:
        env.reject(EACCES, f"R{regno} invalid zero-sized read: u64=[{b.umin_value},{_s64(b.umax_value)}]")
    if b.umax_value >= BPF_MAX_VAR_SIZ:
        env.reject(EACCES, f"R{regno} unbounded memory access, use 'var &= const' or 'if (var < const)'")
    check_helper_mem_access(env, regno - 1, b.umax_value, write, zero_size_allowed, raw)
    mark_chain_precision(env, regno)
    return b.umax_value


def _s64(word: int) -> int:
    return (word ^ 1 << 63) - (1 << 63)


def check_mem_reg(env: Env, regno: int, mem_size: int) -> None:
    """Rn may be null, or *mem_size* bytes behind it may be read and written."""
    reg = env.regs()[regno]
    if is_const_null(reg):
        return
    with_null = env.regs()[regno]
    try:
        if may_be_null(reg.type):
            env.regs()[regno] = mark_ptr_not_null(env, reg)
        check_helper_mem_access(env, regno, mem_size, False, True, None)
        check_helper_mem_access(env, regno, mem_size, True, True, None)
    finally:
        env.regs()[regno] = with_null


def check_mem_size_pair(env: Env, regno: int) -> None:
    """A kfunc's buffer in R(n-1), which may be null, and its size in Rn."""
    regs = env.regs()
    kept = regs[regno - 1]
    try:
        if may_be_null(kept.type):
            regs[regno - 1] = mark_ptr_not_null(env, kept)
        check_mem_size_reg(env, regno, False, True, None)
        check_mem_size_reg(env, regno, True, True, None)
    finally:
        env.regs()[regno - 1] = kept
