"""What an instruction does to the state that has been found to entail its obligations.

:see: kernel/bpf/verifier.c:do_check_insn
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.alu import check_bounds_sane, transfer_alu
from beespace.verifier.atomics import transfer_atomic
from beespace.verifier.auxtype import save_aux_ptr_type
from beespace.verifier.calls import check_helper_call
from beespace.verifier.check import check_readable
from beespace.verifier.env import EINVAL
from beespace.verifier.exits import process_exit
from beespace.verifier.insns import InsnRec
from beespace.verifier.jumps import transfer_cond_jump, transfer_may_goto
from beespace.verifier.kfuncmeta import find_kfunc
from beespace.verifier.kfuncs import check_kfunc_call
from beespace.verifier.memory import check_ptr_off_reg
from beespace.verifier.paths import push_stack
from beespace.verifier.refs import check_resource_leak, clear_all_pkt_pointers
from beespace.verifier.special import ALLOWED_UNDER_LOCK, ENDING_HELPERS, SPIN_ALLOWED_KFUNCS
from beespace.verifier.stack import write_stack
from beespace.verifier.state import NOT_INIT_REG, UNKNOWN_REG, RegState, const_reg, pointer
from beespace.verifier.subcalls import check_func_call

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["transfer"]

_MAY_ACCESS_SKB = (uapi.BPF_PROG_TYPE_SOCKET_FILTER, uapi.BPF_PROG_TYPE_SCHED_CLS, uapi.BPF_PROG_TYPE_SCHED_ACT)


def transfer(env: Env, rec: InsnRec, loaded: RegState | None) -> bool:
    """Apply *rec* to the current state and go on to the next insn.

    :param loaded: what check() found a load to yield.
    :return: the path ends here.
    """
    cls = rec.cls
    if cls in (uapi.BPF_ALU64, uapi.BPF_ALU):
        transfer_alu(env, rec)
    elif cls == uapi.BPF_LDX:
        _load(env, rec, loaded)
    elif cls == uapi.BPF_STX:
        if rec.mode == uapi.BPF_ATOMIC:
            transfer_atomic(env, rec)
        else:
            _store(env, rec, rec.src)
    elif cls in (uapi.BPF_JMP, uapi.BPF_JMP32):
        return _jump(env, rec)
    elif cls == uapi.BPF_ST:
        _store(env, rec, -1)
    elif rec.is_ld_imm64:
        env.regs()[rec.dst] = _imm64(env, rec)
        if not env.cur.speculative:
            second = env.insns[rec.idx + 1]
            second.seen = True
        env.insn_idx = rec.idx + 2
        return False
    else:
        return _load_packet(env, rec)
    env.insn_idx = rec.idx + 1
    return False


def _load(env: Env, rec: InsnRec, loaded: RegState | None) -> None:
    regs = env.regs()
    ptr = regs[rec.src]
    reg_type = ptr.type
    regs[rec.dst] = loaded if loaded is not None else UNKNOWN_REG
    save_aux_ptr_type(env, rec, reg_type, True)
    check_bounds_sane(env, regs, rec.dst, "ldx")


def _store(env: Env, rec: InsnRec, value_regno: int) -> None:
    ptr = env.regs()[rec.dst]
    reg_type = ptr.type
    if reg_type == uapi.PTR_TO_STACK:
        write_stack(env, rec.dst, rec.off + ptr.off, rec.size, value_regno)
    save_aux_ptr_type(env, rec, reg_type, False)


def _jump(env: Env, rec: InsnRec) -> bool:
    env.jmps_processed += 1
    op = rec.op
    if op == uapi.BPF_CALL:
        return _call(env, rec)
    if op == uapi.BPF_EXIT:
        return process_exit(env, False)
    if op == uapi.BPF_JA:
        env.insn_idx = rec.target
    elif op == uapi.BPF_JCOND:
        transfer_may_goto(env, rec)
    else:
        transfer_cond_jump(env, rec)
    return False


def _call(env: Env, rec: InsnRec) -> bool:
    ends = False
    if rec.is_pseudo_call:
        check_func_call(env, rec)
    elif rec.is_kfunc_call:
        if env.cur.active_locks and not _allowed_under_lock(env, rec):
            env.reject(EINVAL, "function calls are not allowed while holding a lock")
        ends = check_kfunc_call(env, rec)
    else:
        if env.cur.active_locks and rec.imm not in ALLOWED_UNDER_LOCK:
            env.reject(EINVAL, "function calls are not allowed while holding a lock")
        check_helper_call(env, rec)
        if rec.imm in ENDING_HELPERS and len(env.cur.frames) > 1:
            return _end_function(env, rec)
    if ends:
        return process_exit(env, True)
    env.scratched_regs |= 1
    return False


def _allowed_under_lock(env: Env, rec: InsnRec) -> bool:
    meta = find_kfunc(env, rec)
    return meta is not None and meta.special and meta.name in SPIN_ALLOWED_KFUNCS


def _imm64(env: Env, rec: InsnRec) -> RegState:
    if rec.src == 0:
        return const_reg(rec.value)
    if rec.btf_var is not None:
        reg_type, btf, btf_id, mem_size, _ = rec.btf_var
        reg = pointer(reg_type)
        reg.btf = btf
        reg.btf_id = btf_id
        reg.mem_size = mem_size
        return reg
    if rec.is_pseudo_func:
        return _func_ptr(env, rec)
    m = rec.map
    if rec.src in (uapi.BPF_PSEUDO_MAP_VALUE, uapi.BPF_PSEUDO_MAP_IDX_VALUE):
        if m.map_type == uapi.BPF_MAP_TYPE_ARENA:
            return UNKNOWN_REG
        reg = pointer(uapi.PTR_TO_MAP_VALUE)
        reg.off = rec.map_off
    else:
        reg = pointer(uapi.CONST_PTR_TO_MAP)
    reg.map_ptr = m
    return reg


def _func_ptr(env: Env, rec: InsnRec) -> RegState:
    subprogno = env.subprog_at(rec.idx + rec.imm + 1)
    sub = env.subprogs[subprogno]
    if sub.type_id == 0:
        env.reject(EINVAL, "missing btf func_info")
    if sub.linkage != uapi.BTF_FUNC_STATIC:
        env.reject(EINVAL, "callback function not static")
    reg = pointer(uapi.PTR_TO_FUNC)
    reg.subprogno = subprogno
    return reg


def _end_function(env: Env, rec: InsnRec) -> bool:
    # A tail call from a subprogram: the program it starts returns anything to the caller, the packet may have moved.
    env.scratched_regs |= 1
    env.insn_idx = rec.idx
    push_stack(env, rec.idx + 1, rec.idx, False)
    clear_all_pkt_pointers(env)
    env.regs()[0] = UNKNOWN_REG
    return process_exit(env, False)


def _load_packet(env: Env, rec: InsnRec) -> bool:
    # LD_ABS and LD_IND: R6 is the context, R0 the value, in the order of the machine. If the packet is too short the
    # function ends and returns 0.
    if env.prog_type not in _MAY_ACCESS_SKB:
        env.reject(EINVAL, "BPF_LD_[ABS|IND] instructions not allowed for this program type")
    check_readable(env, 6)
    check_resource_leak(env, False, True, "BPF_LD_[ABS|IND]")
    regs = env.regs()
    if regs[6].type != uapi.PTR_TO_CTX:
        env.reject(EINVAL, "at the time of BPF_LD_ABS|IND R6 != pointer to skb")
    if rec.mode == uapi.BPF_IND:
        check_readable(env, rec.src)
    check_ptr_off_reg(env, regs[6], 6)
    for i in range(6):
        regs[i] = NOT_INIT_REG
    env.scratched_regs |= 0x3F
    regs[0] = UNKNOWN_REG
    env.insn_idx = rec.idx + 1
    if len(env.cur.frames) == 1:
        return False
    env.insn_idx = rec.idx
    push_stack(env, rec.idx + 1, rec.idx, False)
    env.regs()[0] = const_reg(0)
    return process_exit(env, False)
