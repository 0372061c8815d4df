"""Kernel pointers in map values: loads, stores, and whether a pointer fits a field.

:see: kernel/bpf/verifier.c:check_map_kptr_access, map_kptr_match_type
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.btfptr import is_kernel_btf, loaded_btf_reg, struct_ids_match, struct_record
from beespace.verifier.env import EACCES
from beespace.verifier.printer import tnum_text
from beespace.verifier.regtypes import base_type, reg_type_str, type_flag
from beespace.verifier.state import UNKNOWN_REG, RegState, is_const_null, pointer

if TYPE_CHECKING:
    from beespace.btf.record import BtfField
    from beespace.verifier.env import Env

__all__ = ["check_kptr_match", "check_map_kptr_access"]

# objects that RCU keeps (rcu_protected_types)
_RCU_PROTECTED = frozenset(("prog_test_ref_kfunc", "cgroup", "bpf_cpumask", "task_struct", "bpf_crypto_ctx"))


def check_kptr_match(env: Env, field: BtfField, reg: RegState, regno: int) -> bool:
    """Does the pointer in Rn fit the field? If not the log says why (map_kptr_match_type())."""
    assert field.btf is not None
    perm = uapi.PTR_MAYBE_NULL
    if reg.btf is not None and is_kernel_btf(env, reg.btf):
        perm |= uapi.PTR_TRUSTED | uapi.MEM_RCU
        if field.kind == uapi.BPF_KPTR_UNREF:
            perm |= uapi.PTR_UNTRUSTED
    else:
        perm |= uapi.MEM_ALLOC
        if field.kind == uapi.BPF_KPTR_PERCPU:
            perm |= uapi.MEM_PERCPU
    name = ""
    if base_type(reg.type) == uapi.PTR_TO_BTF_ID and not type_flag(reg.type) & ~perm:
        name = reg.btf.name_of(reg.btf_id)
        if not _check_offset(env, reg, regno):
            return False
        strict = field.kind != uapi.BPF_KPTR_UNREF
        if struct_ids_match(env, reg.btf, reg.btf_id, reg.off, field.btf, field.btf_id, strict):
            return True
    wanted = field.btf.name_of(field.btf_id)
    text = f"invalid kptr access, R{regno} type={reg_type_str(reg.type)}{name} "
    text += f"expected={reg_type_str(uapi.PTR_TO_BTF_ID)}{wanted}"
    if field.kind == uapi.BPF_KPTR_UNREF:
        text += f" or {reg_type_str(uapi.PTR_TO_BTF_ID | uapi.PTR_UNTRUSTED)}{wanted}"
    env.verbose(text + "\n")
    return False


def _check_offset(env: Env, reg: RegState, regno: int) -> bool:
    name = reg_type_str(reg.type)
    if reg.off < 0:
        env.verbose(f"negative offset {name} ptr R{regno} off={reg.off} disallowed\n")
        return False
    var_off = reg.bounds.var_off
    if var_off.mask or var_off.value:
        env.verbose(f"variable {name} access var_off={tnum_text(var_off)} disallowed\n")
        return False
    return True


def check_map_kptr_access(env: Env, field: BtfField, value_regno: int) -> RegState | None:
    """A load or store of a kernel pointer in a map value. What a load yields."""
    rec = env.insns[env.insn_idx]
    if rec.mode != uapi.BPF_MEM:
        env.reject(EACCES, "kptr in map can only be accessed using BPF_MEM instruction mode")
    if rec.cls != uapi.BPF_LDX:
        if field.kind in (uapi.BPF_KPTR_REF, uapi.BPF_KPTR_PERCPU):
            env.reject(EACCES, "store to referenced kptr disallowed")
        if field.kind == uapi.BPF_UPTR:
            env.reject(EACCES, "store to uptr disallowed")
    assert field.btf is not None
    if rec.cls == uapi.BPF_LDX:
        if field.kind == uapi.BPF_UPTR:
            reg = pointer(uapi.PTR_TO_MEM | uapi.PTR_MAYBE_NULL)
            reg.mem_size = field.btf.size(field.btf_id)
            reg.id = env.new_id()
            return reg
        return loaded_btf_reg(env, uapi.PTR_TO_BTF_ID, field.btf, field.btf_id, _loaded_flags(env, field))
    if rec.cls == uapi.BPF_STX:
        reg = env.regs()[value_regno]
        if not is_const_null(reg) and not check_kptr_match(env, field, reg, value_regno):
            env.refuse(EACCES, env.log.last_line())
    elif rec.imm:
        env.reject(EACCES, f"BPF_ST imm must be 0 when storing to kptr at off={field.off}")
    return UNKNOWN_REG


def _loaded_flags(env: Env, field: BtfField) -> int:
    # How far a pointer loaded from the field is to be trusted (btf_ld_kptr_type()).
    assert field.btf is not None
    kernel = is_kernel_btf(env, field.btf)
    safe = field.kind == uapi.BPF_KPTR_PERCPU or (
        field.kind == uapi.BPF_KPTR_REF and (not kernel or field.btf.name_of(field.btf_id) in _RCU_PROTECTED)
    )
    if not safe or not env.in_rcu_cs():
        return uapi.PTR_MAYBE_NULL | uapi.PTR_UNTRUSTED
    flags = uapi.PTR_MAYBE_NULL | uapi.MEM_RCU
    if field.kind == uapi.BPF_KPTR_PERCPU:
        flags |= uapi.MEM_PERCPU
    elif not kernel:
        flags |= uapi.MEM_ALLOC
    record = struct_record(env, field.btf, field.btf_id)
    if record is not None and record.has(uapi.BPF_LIST_NODE | uapi.BPF_RB_NODE):
        flags |= uapi.NON_OWN_REF
    return flags
