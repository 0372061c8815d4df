"""Atomic operations.

:see: kernel/bpf/verifier.c:check_atomic
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.alu import check_bounds_sane
from beespace.verifier.auxtype import save_aux_ptr_type
from beespace.verifier.check import check_not_pointer, check_readable, check_writable
from beespace.verifier.env import EACCES
from beespace.verifier.insns import InsnRec
from beespace.verifier.memory import check_mem_access
from beespace.verifier.regtypes import is_pkt_pointer, is_sk_pointer, reg_type_str
from beespace.verifier.stack import write_stack
from beespace.verifier.state import UNKNOWN_REG

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["transfer_atomic"]


def transfer_atomic(env: Env, rec: InsnRec) -> None:
    """An atomic operation: it reads, may set a register to what it read, and writes, so its demands are interleaved."""
    if rec.imm == uapi.BPF_LOAD_ACQ:
        _load(env, rec)
    elif rec.imm == uapi.BPF_STORE_REL:
        _store(env, rec)
    else:
        _read_modify_write(env, rec)


def _check_ptr_type(env: Env, regno: int, what: str) -> None:
    t = env.regs()[regno].type
    if t in (uapi.PTR_TO_CTX, uapi.PTR_TO_FLOW_KEYS) or is_pkt_pointer(t) or is_sk_pointer(t):
        env.reject(EACCES, f"BPF_ATOMIC {what} R{regno} {reg_type_str(t)} is not allowed")


def _load(env: Env, rec: InsnRec) -> None:
    check_readable(env, rec.src)
    check_writable(env, rec.dst)
    regs = env.regs()
    src = regs[rec.src]
    value = check_mem_access(env, rec.src, rec.off, rec.size, False, rec.dst, True)
    regs[rec.dst] = value if value is not None else UNKNOWN_REG
    save_aux_ptr_type(env, rec, src.type, False)
    check_bounds_sane(env, regs, rec.dst, "atomic_load")
    _check_ptr_type(env, rec.src, "loads from")


def _store(env: Env, rec: InsnRec) -> None:
    check_readable(env, rec.src)
    check_readable(env, rec.dst)
    reg = env.regs()[rec.dst]
    check_mem_access(env, rec.dst, rec.off, rec.size, True, rec.src, True)
    if reg.type == uapi.PTR_TO_STACK:
        write_stack(env, rec.dst, rec.off + reg.off, rec.size, rec.src)
    save_aux_ptr_type(env, rec, reg.type, False)
    _check_ptr_type(env, rec.dst, "stores into")


def _read_modify_write(env: Env, rec: InsnRec) -> None:
    check_readable(env, rec.src)
    check_readable(env, rec.dst)
    if rec.imm == uapi.BPF_CMPXCHG:
        check_readable(env, 0)
        check_not_pointer(env, 0, "R0 leaks addr into mem")
    check_not_pointer(env, rec.src, f"R{rec.src} leaks addr into mem")
    _check_ptr_type(env, rec.dst, "stores into")
    regs = env.regs()
    load_reg = -1
    if rec.imm & uapi.BPF_FETCH:
        load_reg = 0 if rec.imm == uapi.BPF_CMPXCHG else rec.src
        check_writable(env, load_reg)
        regs[load_reg] = UNKNOWN_REG
    check_mem_access(env, rec.dst, rec.off, rec.size, False, -1, True)
    if load_reg >= 0:
        value = check_mem_access(env, rec.dst, rec.off, rec.size, False, load_reg, True)
        regs[load_reg] = value if value is not None else UNKNOWN_REG
    if regs[rec.dst].type == uapi.PTR_TO_ARENA:
        save_aux_ptr_type(env, rec, uapi.PTR_TO_ARENA, False)
    check_mem_access(env, rec.dst, rec.off, rec.size, True, -1, True)
    reg = regs[rec.dst]
    if reg.type == uapi.PTR_TO_STACK:
        write_stack(env, rec.dst, rec.off + reg.off, rec.size, -1)
