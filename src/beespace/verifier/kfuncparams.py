"""What the parameters of a kfunc demand, read from its prototype in BTF: types and the suffixes of their names.

These are the obligations of a call of the kfunc, as values: made once for each kfunc that a program names.
``kfuncargs.py`` decides whether a state entails them.

:see: kernel/bpf/verifier.c:get_kfunc_ptr_arg_type, Documentation/bpf/kfuncs.rst
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.btf import Array, Enum, Enum64, FuncProto, Int, Ptr, Struct, Union
from beespace.uapi import bpf as uapi
from beespace.values import frozen
from beespace.verifier.argtags import is_prog_ctx_type

if TYPE_CHECKING:
    from beespace.btf import Btf, Param
    from beespace.verifier.env import Env
    from beespace.verifier.kfuncmeta import KfuncMeta

__all__ = ["ARG_BY_VALUE", "ARG_IGNORED", "ARG_POINTER", "ARG_PROG", "ARG_SCALAR", "KfuncParam", "params_of"]

# KfuncParam.kind: KF_ARG_PTR_TO_* where BTF alone decides, else one of these
ARG_SCALAR, ARG_IGNORED, ARG_PROG, ARG_BY_VALUE = -1, -2, -3, -4
ARG_POINTER = -5  # a kernel object, a callback or memory: the register decides

_STRUCTS = {
    "bpf_dynptr": uapi.KF_ARG_PTR_TO_DYNPTR,
    "bpf_list_head": uapi.KF_ARG_PTR_TO_LIST_HEAD,
    "bpf_list_node": uapi.KF_ARG_PTR_TO_LIST_NODE,
    "bpf_rb_root": uapi.KF_ARG_PTR_TO_RB_ROOT,
    "bpf_rb_node": uapi.KF_ARG_PTR_TO_RB_NODE,
    "bpf_wq": uapi.KF_ARG_PTR_TO_WORKQUEUE,
    "bpf_task_work": uapi.KF_ARG_PTR_TO_TASK_WORK,
    "bpf_res_spin_lock": uapi.KF_ARG_PTR_TO_RES_SPIN_LOCK,
}
_SUFFIXES = {
    "__alloc": uapi.KF_ARG_PTR_TO_ALLOC_BTF_ID,
    "__refcounted_kptr": uapi.KF_ARG_PTR_TO_REFCOUNTED_KPTR,
    "__iter": uapi.KF_ARG_PTR_TO_ITER,
    "__str": uapi.KF_ARG_PTR_TO_CONST_STR,
    "__map": uapi.KF_ARG_PTR_TO_MAP,
    "__irq_flag": uapi.KF_ARG_PTR_TO_IRQ_FLAG,
}
_ITERATORS = uapi.KF_ITER_NEW | uapi.KF_ITER_NEXT | uapi.KF_ITER_DESTROY
_BUF_SIZES = {"rdonly_buf_size": True, "rdwr_buf_size": False}
_MAX_NESTING = 3


@frozen
class KfuncParam:
    """What one parameter of a kfunc demands.

    :ivar index: from 0.
    :ivar kind: KF_ARG_PTR_TO_* or ARG_*.
    :ivar type_id: of the parameter without modifiers; of a pointer, what it points to.
    :ivar nullable: NULL may be passed; ``optional``: with any size.
    :ivar uninit: the call makes a dynptr there.
    :ivar constant: its value has to be known.
    :ivar size_of_memory: the size of the memory before it: "__sz", "__szk" (a known one), "" for none.
    :ivar ret_buf: it is the size of the memory that the call returns: read-only (True) or not; None if it is not.
    :ivar callback: a pointer to a function.
    """

    index: int
    kind: int
    type_id: int = 0
    nullable: bool = False
    optional: bool = False
    uninit: bool = False
    constant: bool = False
    size_of_memory: str = ""
    ret_buf: bool | None = None
    callback: bool = False


def params_of(env: Env, meta: KfuncMeta) -> tuple[KfuncParam, ...]:
    """The demands of the parameters of a kfunc, for programs of the type that is verified."""
    key = meta.func_id, id(meta.btf)
    found: tuple[KfuncParam, ...] | None = env.kfunc_params.get(key)
    if found is None:
        found = tuple(_param(env, meta, i, param) for i, param in enumerate(meta.params))
        env.kfunc_params[key] = found
    return found


def _has(param: Param, suffix: str) -> bool:
    return len(param.name) > len(suffix) and param.name.endswith(suffix)


def _param(env: Env, meta: KfuncMeta, i: int, param: Param) -> KfuncParam:
    btf = meta.btf
    type_id = btf.skip_mods_and_typedefs(param.type)
    t = btf.type(type_id)
    if _has(param, "__ign"):
        return KfuncParam(i, ARG_IGNORED)
    if _has(param, "__prog"):
        return KfuncParam(i, ARG_PROG)
    if isinstance(t, Int | Enum | Enum64):
        size_of = next((suffix for suffix in ("__sz", "__szk") if _has(param, suffix)), "")
        constant = _has(param, "__k")
        ret_buf = None if constant else _BUF_SIZES.get(param.name)
        return KfuncParam(i, ARG_SCALAR, type_id, constant=constant, size_of_memory=size_of, ret_buf=ret_buf)
    if not isinstance(t, Ptr):
        return KfuncParam(i, ARG_BY_VALUE, type_id)
    target_id = btf.skip_mods_and_typedefs(t.type)
    return KfuncParam(
        i,
        _pointer_kind(env, meta, i, param, t, target_id),
        target_id,
        nullable=_has(param, "__nullable"),
        optional=_has(param, "__opt"),
        uninit=_has(param, "__uninit"),
        callback=isinstance(btf.type(target_id), FuncProto),
    )


def _pointer_kind(env: Env, meta: KfuncMeta, i: int, param: Param, ptr: Ptr, target_id: int) -> int:
    if meta.special and meta.name == "bpf_cast_to_kern_ctx":
        return uapi.KF_ARG_PTR_TO_CTX
    if is_prog_ctx_type(env, meta.btf, ptr):
        return uapi.KF_ARG_PTR_TO_CTX
    # a suffix weighs more than the type for the first two, less for the others; none of 6.18 has both
    for suffix, kind in _SUFFIXES.items():
        if _has(param, suffix):
            return kind
    if i == 0 and meta.has(_ITERATORS):
        return uapi.KF_ARG_PTR_TO_ITER
    target = meta.btf.type(target_id)
    if isinstance(target, Struct):
        return _STRUCTS.get(target.name, ARG_POINTER)
    return ARG_POINTER


def is_scalar_struct(env: Env, btf: Btf, type_id: int, depth: int = 0) -> bool:
    """Is it a struct of numbers, of arrays of numbers, and of such structs? (__btf_type_is_scalar_struct())"""
    t = btf.type(btf.skip_mods_and_typedefs(type_id))
    if not isinstance(t, Struct | Union):
        return False
    for member in t.members:
        member_id = btf.skip_mods_and_typedefs(member.type)
        m = btf.type(member_id)
        if isinstance(m, Struct | Union):
            if depth >= _MAX_NESTING:
                env.verbose("max struct nesting depth exceeded\n")
                return False
            if not is_scalar_struct(env, btf, member_id, depth + 1):
                return False
            continue
        if isinstance(m, Array):
            if not m.nelems:
                return False
            m = btf.type(btf.skip_mods_and_typedefs(m.type))
        if not isinstance(m, Int | Enum | Enum64):
            return False
    return True
