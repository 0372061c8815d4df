"""The context: fields of program types, arguments of kernel functions, raw memory.

:see: kernel/bpf/verifier.c:check_ctx_access, kernel/bpf/btf.c:btf_ctx_access
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier import numbers as n
from beespace.verifier.env import EACCES
from beespace.verifier.printer import verbose_linfo
from beespace.verifier.regtypes import base_type, may_be_null
from beespace.verifier.state import UNKNOWN_REG, RegState, pointer, scalar

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_ctx_access"]

_U16_MAX = 0xFFFF


def check_ctx_access(env: Env, off: int, size: int, write: bool, ldsx: bool) -> RegState | None:
    """May the bytes of the context be accessed? What a load yields."""
    match env.ptype.ctx_kind:
        case "btf":
            return _btf_ctx(env, off, size, write)
        case "mem":
            return _raw_ctx(env, off, size)
        case _:
            return _fields(env, off, size, write, ldsx)


def _invalid(env: Env, off: int, size: int) -> None:
    env.verbose(f"invalid bpf_context access off={off} size={size}\n")
    message = env.log.last_line()
    verbose_linfo(env, env.insn_idx, "; ")
    env.refuse(EACCES, message)


def _fields(env: Env, off: int, size: int, write: bool, ldsx: bool) -> RegState | None:
    field = env.ptype.ctx_access(
        off,
        size,
        write,
        attach_type=env.program.expected_attach_type,
        cap_bpf=env.bpf_capable,
        ldsx=ldsx,
    )
    if field is None:
        _invalid(env, off, size)
        return None
    env.insns[env.insn_idx].ctx_field = field
    env.max_ctx_offset = max(env.max_ctx_offset, off + size)
    if write or field.reg_type == uapi.SCALAR_VALUE:
        return UNKNOWN_REG
    reg = pointer(field.reg_type)
    if may_be_null(field.reg_type):
        reg.id = env.new_id()
    if base_type(field.reg_type) == uapi.PTR_TO_BTF_ID:
        assert field.btf_struct is not None
        assert env.btf_vmlinux is not None
        reg.btf = env.btf_vmlinux
        reg.btf_id = env.btf_vmlinux.find(field.btf_struct, uapi.BTF_KIND_STRUCT)
    return reg


def _raw_ctx(env: Env, off: int, size: int) -> RegState | None:
    # BPF_PROG_TYPE_SYSCALL: memory whose size is known when the program runs
    if off < 0 or off >= _U16_MAX or off % size:
        _invalid(env, off, size)
    env.max_ctx_offset = max(env.max_ctx_offset, off + size)
    return UNKNOWN_REG


def _btf_ctx(env: Env, off: int, size: int, write: bool) -> RegState | None:
    access = env.attach.ctx_access(env, off, size, write)
    if access is None:
        _invalid(env, off, size)
        return None
    env.max_ctx_offset = max(env.max_ctx_offset, off + size)
    if access.reg_type == uapi.SCALAR_VALUE:
        if access.ret_range is not None:
            return scalar(n.mark_reg_s32_range(n.unknown(), *access.ret_range))
        return UNKNOWN_REG
    held = access.ref_obj_id and base_type(access.reg_type) == uapi.PTR_TO_BTF_ID
    if held and not any(ref.id == access.ref_obj_id for ref in env.cur.refs):
        message = f"invalid bpf_context access off={off}. Reference may already be released"
        env.verbose(message + "\n")
        verbose_linfo(env, env.insn_idx, "; ")
        env.refuse(EACCES, message)
    reg = pointer(access.reg_type)
    if may_be_null(access.reg_type):
        reg.id = env.new_id()
    reg.btf = access.btf
    reg.btf_id = access.btf_id
    reg.ref_obj_id = access.ref_obj_id
    return reg
