"""What R0 holds after the call of a kfunc, by the C type it returns, its flags, and its arguments.

:see: kernel/bpf/verifier.c:check_kfunc_call, check_special_kfunc
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from beespace.btf import Enum, Enum64, Int, Ptr, Struct, Union, Void
from beespace.errors import BtfError, Unsupported
from beespace.uapi import bpf as uapi
from beespace.verifier.argtags import kind_name
from beespace.verifier.btfptr import reg_record, struct_record
from beespace.verifier.env import EINVAL
from beespace.verifier.insns import InsnRec
from beespace.verifier.kfuncgraph import graph_node_reg, non_owning
from beespace.verifier.kfunciters import iter_reg
from beespace.verifier.kfuncparams import is_scalar_struct
from beespace.verifier.memory import may_access_direct_pkt_data
from beespace.verifier.objects import dynptr_type_flag
from beespace.verifier.refs import acquire_reference
from beespace.verifier.special import RES_SPIN_LOCKS, UNTRUSTED_RESULT_KFUNCS, VOID_ACQUIRE_KFUNCS
from beespace.verifier.state import UNKNOWN_REG, RegState, const_reg, copy_reg, pointer

if TYPE_CHECKING:
    from beespace.btf import Btf, BtfType
    from beespace.verifier.env import Env
    from beespace.verifier.kfuncargs import KfuncCall

__all__ = ["kfunc_result"]

BPF_GLOBAL_PERCPU_MA_MAX_SIZE = 512
_U32_MAX = (1 << 32) - 1
_ALLOC = uapi.PTR_TO_BTF_ID | uapi.MEM_ALLOC
_LOCKS = uapi.BPF_SPIN_LOCK | uapi.BPF_RES_SPIN_LOCK
_GRAPH_NODES = ("bpf_list_node", "bpf_rb_node")
_SESSION_COOKIE_SIZE = 8


def kfunc_result(env: Env, rec: InsnRec, call: KfuncCall) -> RegState | None:
    """R0 after the call; None for nothing."""
    meta = call.meta
    btf = meta.btf
    t = btf.type(btf.skip_mods_and_typedefs(meta.proto.type))
    target_id = btf.skip_mods_and_typedefs(t.type) if isinstance(t, Ptr) else 0
    target = btf.type(target_id)
    acquires = meta.has(uapi.KF_ACQUIRE)
    if acquires and not isinstance(target, Struct) and call.special not in VOID_ACQUIRE_KFUNCS:
        env.reject(EINVAL, "acquire kernel function does not return PTR_TO_BTF_ID")
    if isinstance(t, Int | Enum | Enum64):
        return const_reg(0) if call.special in RES_SPIN_LOCKS else UNKNOWN_REG
    if not isinstance(t, Ptr):
        return None
    reg = _special(env, rec, call, target) or _pointer(env, call, target_id, target)
    null = meta.has(uapi.KF_RET_NULL) and not (call.special == "bpf_refcount_acquire_impl" and call.arg_owning_ref)
    if reg is UNKNOWN_REG:
        if null or acquires:  # none of Linux 6.18
            raise Unsupported(f"kernel function {meta.name}: void * that may be NULL or has to be given back")
        return reg
    if null:
        reg.type |= uapi.PTR_MAYBE_NULL
        reg.id = env.new_id()
    if acquires:
        ref_id = acquire_reference(env, rec.idx)
        if null:
            reg.id = ref_id
        reg.ref_obj_id = ref_id
    elif isinstance(target, Struct) and target.name in _GRAPH_NODES:
        reg = non_owning(env, reg)
    if not reg.id and (record := reg_record(env, reg)) is not None and record.has(_LOCKS):
        reg = copy_reg(reg)
        reg.id = env.new_id()
    return reg


def _pointer(env: Env, call: KfuncCall, target_id: int, target: BtfType) -> RegState:
    meta = call.meta
    if isinstance(target, Void):
        return UNKNOWN_REG  # a number as far as the program goes
    if isinstance(target, Struct):
        reg = pointer(uapi.PTR_TO_BTF_ID | _trust(env, call))
        reg.btf = meta.btf
        reg.btf_id = target_id
        return reg
    if call.special == "bpf_session_cookie":
        call.ret_size, call.ret_rdonly = _SESSION_COOKIE_SIZE, False
    if not call.ret_size:
        with suppress(BtfError):
            call.ret_size, call.ret_rdonly = meta.btf.size(target_id), True
    if not call.ret_size:
        env.reject(
            EINVAL,
            f"kernel function {meta.name} returns pointer type {kind_name(target)} {target.name} is not supported",
        )
    reg = pointer(uapi.PTR_TO_MEM)
    reg.mem_size = call.ret_size
    if call.ret_rdonly:
        reg.type |= uapi.MEM_RDONLY
    reg.ref_obj_id = call.ref_obj_id  # good as long as the reference is held
    if meta.has(uapi.KF_RCU_PROTECTED):
        reg.type |= uapi.MEM_RCU
    return reg


def _trust(env: Env, call: KfuncCall) -> int:
    # Only what iterators yield is trusted as it is; what was acquired is trusted for its reference.
    if call.special in UNTRUSTED_RESULT_KFUNCS:
        return uapi.PTR_UNTRUSTED
    by_rcu = call.meta.has(uapi.KF_RCU_PROTECTED)
    if not call.meta.is_iter_next:
        return uapi.MEM_RCU if by_rcu else 0
    # the elements of an iterator made in an RCU critical section are kept by it
    by_rcu |= iter_reg(env.cur, call).type & uapi.MEM_RCU != 0
    return uapi.MEM_RCU if by_rcu else uapi.PTR_TRUSTED


# -- kfuncs whose result depends on more than their type --------------------------------------------------------------


def _special(env: Env, rec: InsnRec, call: KfuncCall, target: BtfType) -> RegState | None:
    if not call.meta.special:
        return None
    if isinstance(target, Struct) and target.name in _GRAPH_NODES:
        if call.graph_root is None:
            env.bug("graph node without root")
        return graph_node_reg(call.graph_root)
    make = _SPECIAL.get(call.meta.name)
    return make(env, rec, call) if make is not None else None


def _constant(env: Env, call: KfuncCall) -> int:
    if call.constant is None:
        env.bug(f"{call.meta.name} no constant argument")
    return call.constant


def _local_struct(env: Env, call: KfuncCall) -> tuple[Btf, int, Struct]:
    # The struct of the program that the constant argument names.
    type_id = _constant(env, call)
    if type_id > _U32_MAX:
        env.reject(EINVAL, "local type ID argument must be in range [0, U32_MAX]")
    btf = env.btf
    if btf is None:
        env.reject(EINVAL, "bpf_obj_new/bpf_percpu_obj_new requires prog BTF")
    t = btf.type(type_id) if type_id < btf.nr_types else None
    if not isinstance(t, Struct):
        env.reject(EINVAL, "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct")
    return btf, type_id, t


def _object(btf: Btf | None, btf_id: int, flags: int = 0) -> RegState:
    reg = pointer(_ALLOC | flags)
    reg.btf = btf
    reg.btf_id = btf_id
    return reg


def _obj_new(env: Env, rec: InsnRec, call: KfuncCall) -> RegState:
    btf, btf_id, t = _local_struct(env, call)
    rec.obj_new_size = t.size
    rec.kptr_struct_meta = struct_record(env, btf, btf_id)
    return _object(btf, btf_id)


def _percpu_obj_new(env: Env, rec: InsnRec, call: KfuncCall) -> RegState:
    btf, btf_id, t = _local_struct(env, call)
    if t.size > BPF_GLOBAL_PERCPU_MA_MAX_SIZE:
        env.reject(
            EINVAL,
            f"bpf_percpu_obj_new type size ({t.size}) is greater than {BPF_GLOBAL_PERCPU_MA_MAX_SIZE}",
        )
    record = struct_record(env, btf, btf_id)
    if not is_scalar_struct(env, btf, btf_id):
        env.reject(EINVAL, "bpf_percpu_obj_new type ID argument must be of a struct of scalars")
    if record:
        env.reject(EINVAL, "bpf_percpu_obj_new type ID argument must not contain special fields")
    rec.obj_new_size = t.size
    return _object(btf, btf_id, uapi.MEM_PERCPU)


def _refcount_acquire(env: Env, rec: InsnRec, call: KfuncCall) -> RegState:
    assert call.arg_btf is not None
    rec.kptr_struct_meta = struct_record(env, call.arg_btf, call.arg_btf_id)
    return _object(call.arg_btf, call.arg_btf_id)


def _cast_to_kern_ctx(env: Env, rec: InsnRec, call: KfuncCall) -> RegState:
    # get_kern_ctx_btf_id(): the kernel's BTF pairs the context each program type sees with the one behind it
    btf = call.meta.btf
    pairs = btf.find("bpf_ctx_convert", uapi.BTF_KIND_STRUCT)
    found = btf.find_member(pairs, f"BPF_PROG_TYPE_{env.ptype.name.upper()}_kern") if pairs else None
    if found is None:
        raise Unsupported(f"bpf_cast_to_kern_ctx() without the kernel's context of program type {env.ptype.name}")
    btf_id = found[1].type
    if not isinstance(btf.type(btf_id), Struct | Union):
        env.reject(EINVAL, f"kern ctx type id {btf_id} is not a struct")
    reg = pointer(uapi.PTR_TO_BTF_ID | uapi.PTR_TRUSTED)
    reg.btf = btf
    reg.btf_id = btf_id
    return reg


def _rdonly_cast(env: Env, rec: InsnRec, call: KfuncCall) -> RegState:
    btf, type_id = call.meta.btf, _constant(env, call)
    if (type_id & _U32_MAX) >= btf.nr_types:
        shown = type_id - (1 << 64) if type_id >> 63 else type_id
        env.reject(EINVAL, f"Unknown type ID {shown} passed to kfunc bpf_rdonly_cast")
    t = btf.type(type_id & _U32_MAX)
    if isinstance(t, Struct | Union):
        reg = pointer(uapi.PTR_TO_BTF_ID | uapi.PTR_UNTRUSTED)
        reg.btf = btf
        reg.btf_id = type_id & _U32_MAX
        return reg
    if isinstance(t, Void):
        return pointer(uapi.PTR_TO_MEM | uapi.MEM_RDONLY | uapi.PTR_UNTRUSTED)
    env.reject(EINVAL, "kfunc bpf_rdonly_cast type ID argument must be of a struct or void")


def _dynptr_slice(env: Env, rec: InsnRec, call: KfuncCall) -> RegState:
    kind, dynptr_id, _ = call.dynptr
    reg = pointer(uapi.PTR_TO_MEM | dynptr_type_flag(kind))
    reg.mem_size = _constant(env, call) & _U32_MAX
    if call.meta.name == "bpf_dynptr_slice":
        reg.type |= uapi.MEM_RDONLY
    elif not may_access_direct_pkt_data(env, None, True):
        env.reject(EINVAL, "the prog does not allow writes to packet data")
    if not dynptr_id:
        env.bug("no dynptr id")
    reg.dynptr_id = dynptr_id
    return reg


_SPECIAL: dict[str, Callable[[Env, InsnRec, KfuncCall], RegState]] = {
    "bpf_obj_new_impl": _obj_new,
    "bpf_percpu_obj_new_impl": _percpu_obj_new,
    "bpf_refcount_acquire_impl": _refcount_acquire,
    "bpf_cast_to_kern_ctx": _cast_to_kern_ctx,
    "bpf_rdonly_cast": _rdonly_cast,
    "bpf_dynptr_slice": _dynptr_slice,
    "bpf_dynptr_slice_rdwr": _dynptr_slice,
}
