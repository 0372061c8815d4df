"""Arguments of kfuncs: each register against what the parameter demands.

The obligations of a call are the parameters as BTF has them (kfuncparams.py). check_kfunc_args() decides them in order;
KfuncCall collects what one argument tells about the others and the result.

:see: kernel/bpf/verifier.c:check_kfunc_args
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from beespace.btf import Enum, Enum64, Int, Struct, Union, Void
from beespace.errors import BtfError, Unsupported
from beespace.uapi import bpf as uapi
from beespace.verifier.args import check_const_str, check_func_arg_reg_off, check_map_field, process_dynptr_func
from beespace.verifier.argtags import kind_name
from beespace.verifier.btfptr import REG2BTF, is_rcu_reg, is_trusted_reg, struct_by_name, struct_ids_match
from beespace.verifier.env import EACCES, EINVAL, Reject
from beespace.verifier.helpermem import check_mem_reg, check_mem_size_pair
from beespace.verifier.kfuncgraph import check_graph_node, check_graph_root, process_refcounted
from beespace.verifier.kfunciters import check_iter_arg
from beespace.verifier.kfuncparams import (
    ARG_BY_VALUE,
    ARG_IGNORED,
    ARG_POINTER,
    ARG_PROG,
    ARG_SCALAR,
    KfuncParam,
    is_scalar_struct,
    params_of,
)
from beespace.verifier.locks import PROCESS_LOCK_IRQ, PROCESS_RES_LOCK, PROCESS_SPIN_LOCK, process_spin_lock
from beespace.verifier.memory import check_mem_access
from beespace.verifier.objects import (
    dynptr_reg,
    dynptr_type_flag,
    dynptr_type_refcounted,
    is_irq_flag_valid_init,
    is_irq_flag_valid_uninit,
    mark_object_read,
    mark_stack_slot_irq_flag,
    unmark_stack_slot_irq_flag,
)
from beespace.verifier.precision import mark_chain_precision
from beespace.verifier.regtypes import (
    BPF_REG_TRUSTED_MODIFIERS,
    base_type,
    has_unsafe_modifiers,
    is_alloc,
    may_be_null,
    reg_type_str,
    type_flag,
)
from beespace.verifier.special import DYNPTR_FROM_KFUNCS, IRQ_KFUNCS, OBJ_DROP_KFUNCS, RES_SPIN_KFUNCS, RES_SPIN_LOCKS
from beespace.verifier.stack import write_stack
from beespace.verifier.state import RegState, is_const_null

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.btf.record import BtfField
    from beespace.verifier.env import Env
    from beespace.verifier.kfuncmeta import KfuncMeta

__all__ = ["KfuncCall", "check_kfunc_args"]

MAX_BPF_FUNC_REG_ARGS = 5
_ALLOC = uapi.PTR_TO_BTF_ID | uapi.MEM_ALLOC
_U32_MAX = (1 << 32) - 1
_INIT_SUFFIX = "___init"
_PROJECTIONS = frozenset((("__sk_buff", "sk_buff"), ("xdp_md", "xdp_buff")))
_MAP_FIELDS = uapi.BPF_WORKQUEUE | uapi.BPF_TASK_WORK


class KfuncCall:
    """``struct bpf_kfunc_call_arg_meta``: what the arguments of one call tell.

    :ivar ref_obj_id: reference of the last argument that has one; ``release_regno`` the register that gives it up.
    :ivar ret_size: bytes of the memory returned, 0 for not known; ``ret_rdonly`` it may not be written.
    :ivar constant: value of the argument that has to be known, None if there is none.
    :ivar graph_root: field of the list or tree.
    :ivar dynptr: type, id and reference of the last initialised dynptr.
    """

    def __init__(self, meta: KfuncMeta) -> None:
        self.meta = meta
        self.ref_obj_id = 0
        self.release_regno = 0
        self.ret_rdonly = False
        self.ret_size = 0
        self.ret_btf_id = 0
        self.subprogno = 0
        self.constant: int | None = None
        self.arg_btf: Btf | None = None
        self.arg_btf_id = 0
        self.arg_owning_ref = False
        self.arg_prog = False
        self.graph_root: BtfField | None = None
        self.dynptr: tuple[int, int, int] = (uapi.BPF_DYNPTR_TYPE_INVALID, 0, 0)
        self.iter_frameno = 0
        self.iter_spi = 0
        self.map_ptr: object = None
        self.map_uid = 0

    @property
    def special(self) -> str:
        """The name, if it is a kfunc of vmlinux (which the verifier may know), else ""."""
        return self.meta.name if self.meta.special else ""


def check_kfunc_args(env: Env, call: KfuncCall) -> None:
    """Every argument of the call."""
    meta = call.meta
    if len(meta.params) > MAX_BPF_FUNC_REG_ARGS:
        env.reject(EINVAL, f"Function {meta.name} has {len(meta.params)} > {MAX_BPF_FUNC_REG_ARGS} args")
    params = params_of(env, meta)
    i = 0
    while i < len(params):
        param = params[i]
        if param.kind == ARG_SCALAR:
            _scalar(env, call, param)
        elif param.kind == ARG_PROG:
            if call.arg_prog:
                env.bug("Only 1 prog->aux argument supported per-kfunc")
            call.arg_prog = True
            env.insns[env.insn_idx].arg_prog = True
        elif param.kind == ARG_BY_VALUE:
            env.reject(EINVAL, f"Unrecognized arg#{i} type {kind_name(meta.btf.type(param.type_id))}")
        elif param.kind != ARG_IGNORED:
            i += _pointer(env, call, params, i)
        i += 1
    if meta.has(uapi.KF_RELEASE) and not call.release_regno:
        env.reject(EINVAL, f"release kernel function {meta.name} expects refcounted PTR_TO_BTF_ID")


# -- numbers ----------------------------------------------------------------------------------------------------------


def _scalar(env: Env, call: KfuncCall, param: KfuncParam) -> None:
    regno = param.index + 1
    reg = env.regs()[regno]
    if reg.type != uapi.SCALAR_VALUE:
        env.reject(EINVAL, f"R{regno} is not a scalar")
    var_off = reg.bounds.var_off
    if param.constant:
        if call.constant is not None:
            env.bug("only one constant argument permitted")
        if var_off.mask:
            env.reject(EINVAL, f"R{regno} must be a known constant")
        mark_chain_precision(env, regno)
        call.constant = var_off.value
    elif param.ret_buf is not None:
        call.ret_rdonly |= param.ret_buf
        if call.ret_size:
            env.refuse_at_line_end(EINVAL, "2 or more rdonly/rdwr_buf_size parameters for kfunc")
        if var_off.mask:
            env.reject(EINVAL, f"R{regno} is not a const")
        call.ret_size = var_off.value
        if call.ret_size > _U32_MAX:
            env.reject(EINVAL, f"R{regno} rdonly/rdwr_buf_size exceeds u32 max")
        mark_chain_precision(env, regno)


# -- pointers ---------------------------------------------------------------------------------------------------------


def _pointer(env: Env, call: KfuncCall, params: tuple[KfuncParam, ...], i: int) -> int:
    # Argument i. How many of those that follow belong to it.
    meta, param, regno = call.meta, params[i], i + 1
    reg = env.regs()[regno]
    vouched = meta.has(uapi.KF_TRUSTED_ARGS | uapi.KF_RELEASE | uapi.KF_RCU)
    is_null = is_const_null(reg)
    if vouched and (is_null or may_be_null(reg.type)) and not param.nullable:
        env.reject(EACCES, f"Possibly NULL pointer passed to trusted arg{i}")
    releases = meta.has(uapi.KF_RELEASE)
    if reg.ref_obj_id:
        if releases and call.ref_obj_id:
            env.bug(f"more than one arg with ref_obj_id R{regno} {reg.ref_obj_id} {call.ref_obj_id}")
        call.ref_obj_id = reg.ref_obj_id
        if releases:
            call.release_regno = regno
    kind = param.kind
    if param.nullable and is_null and kind != uapi.KF_ARG_PTR_TO_CTX:
        return 0
    if kind == ARG_POINTER:
        kind = _kind_by_register(env, call, params, i, reg)
    if kind == uapi.KF_ARG_PTR_TO_MAP:
        _map_uid(env, call, reg, regno)
    if kind in _VOUCHED and vouched and not is_trusted_reg(reg):
        if not meta.has(uapi.KF_RCU):
            env.reject(EINVAL, f"R{regno} must be referenced or trusted")
        if not is_rcu_reg(reg):
            env.reject(EINVAL, f"R{regno} must be a rcu pointer")
    check_func_arg_reg_off(env, reg, regno, uapi.OBJ_RELEASE if releases and reg.ref_obj_id else 0)
    if kind == uapi.KF_ARG_PTR_TO_MEM_SIZE:
        _memory_and_size(env, call, param, params[i + 1], reg)
        return 1
    _CHECKS[kind](env, call, param, reg)
    return 0


_VOUCHED = (uapi.KF_ARG_PTR_TO_MAP, uapi.KF_ARG_PTR_TO_ALLOC_BTF_ID, uapi.KF_ARG_PTR_TO_BTF_ID)


def _kind_by_register(env: Env, call: KfuncCall, params: tuple[KfuncParam, ...], i: int, reg: RegState) -> int:
    param, btf = params[i], call.meta.btf
    target = btf.type(param.type_id)
    base = base_type(reg.type)
    if base == uapi.PTR_TO_BTF_ID or base in REG2BTF:
        if not isinstance(target, Struct | Union):
            env.reject(
                EINVAL,
                f"kernel function {call.meta.name} args#{i} pointer type {kind_name(target)} {target.name} "
                "is not supported",
            )
        return uapi.KF_ARG_PTR_TO_BTF_ID
    if param.callback:
        return uapi.KF_ARG_PTR_TO_CALLBACK
    sized = (
        i + 1 < len(params)
        and params[i + 1].size_of_memory != ""
        and env.regs()[i + 2].type == uapi.SCALAR_VALUE
    )  # fmt: skip
    ok = (
        isinstance(target, Int | Enum | Enum64)
        or is_scalar_struct(env, btf, param.type_id)
        or (sized and isinstance(target, Void))
    )
    if not ok:
        what = "void, " if sized else ""
        env.reject(
            EINVAL,
            f"arg#{i} pointer type {kind_name(target)} {target.name} must point to {what}scalar, or struct with scalar",
        )
    return uapi.KF_ARG_PTR_TO_MEM_SIZE if sized else uapi.KF_ARG_PTR_TO_MEM


def _map_uid(env: Env, call: KfuncCall, reg: RegState, regno: int) -> None:
    # The map is the one that the bpf_wq or bpf_task_work before it lies in.
    m = reg.map_ptr
    if m is None:
        # a struct bpf_map from elsewhere; what the fields mean that others keep in its place is looked at later
        if base_type(reg.type) == uapi.PTR_TO_BTF_ID or reg.mem_size:
            if call.map_ptr is not None:
                raise Unsupported("a bpf_map that is not known together with a bpf_wq or bpf_task_work")
            return
        env.reject(EINVAL, f"pointer in R{regno} isn't map pointer")
    same = call.map_ptr is None or (call.map_ptr is m and call.map_uid == reg.map_uid)
    if not same and m.record.has(_MAP_FIELDS):
        what, first = ("bpf_task_work", 2) if m.record.has(uapi.BPF_TASK_WORK) else ("workqueue", 1)
        env.reject(
            EINVAL,
            f"{what} pointer in R{first} map_uid={call.map_uid} doesn't match map pointer in R{first + 1} "
            f"map_uid={reg.map_uid}",
        )
    call.map_ptr, call.map_uid = m, reg.map_uid


# -- one function for each kind ---------------------------------------------------------------------------------------


def _ctx(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    if reg.type != uapi.PTR_TO_CTX:
        env.reject(EINVAL, f"arg#{param.index} expected pointer to ctx, but got {reg_type_str(reg.type)}")


def _allocated(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    drop = OBJ_DROP_KFUNCS.get(reg.type)
    if drop is None:
        env.reject(EINVAL, f"arg#{param.index} expected pointer to allocated object")
    if call.special != drop:
        env.reject(EINVAL, f"arg#{param.index} expected for {drop}()")
    if not reg.ref_obj_id:
        env.reject(EINVAL, "allocated object must be referenced")
    if call.meta.special:
        call.arg_btf, call.arg_btf_id = reg.btf, reg.btf_id


def _dynptr(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    arg_type = uapi.ARG_PTR_TO_DYNPTR
    clone_ref_obj_id = 0
    if reg.type == uapi.CONST_PTR_TO_DYNPTR:
        arg_type |= uapi.MEM_RDONLY
    if param.uninit:
        arg_type |= uapi.MEM_UNINIT
        if reg.type == uapi.CONST_PTR_TO_DYNPTR:
            env.bug("misconfigured dynptr helper type flags")
    arg_type |= DYNPTR_FROM_KFUNCS.get(call.special, 0)
    if call.special == "bpf_dynptr_clone" and param.uninit:
        kind, _, clone_ref_obj_id = call.dynptr
        if kind == uapi.BPF_DYNPTR_TYPE_INVALID:
            env.bug("no dynptr type for parent of clone")
        arg_type |= dynptr_type_flag(kind)
        if dynptr_type_refcounted(kind) and not clone_ref_obj_id:
            env.bug("missing ref obj id for parent of clone")
    process_dynptr_func(env, param.index + 1, env.insn_idx, arg_type, clone_ref_obj_id)
    if not param.uninit:
        found = dynptr_reg(env, reg)
        if found is None:
            env.bug("failed to obtain dynptr id")
        call.dynptr = found.obj.kind, found.id, found.ref_obj_id


def _iterator(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    check_iter_arg(env, call, param.index, reg)


def _list_head(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    check_graph_root(env, call, param.index, reg, uapi.BPF_LIST_HEAD)


def _rb_root(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    check_graph_root(env, call, param.index, reg, uapi.BPF_RB_ROOT)


def _list_node(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    check_graph_node(env, call, param.index, reg, uapi.BPF_LIST_NODE)


def _rb_node(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    check_graph_node(env, call, param.index, reg, uapi.BPF_RB_NODE)


def _refcounted(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    process_refcounted(env, call, param.index, reg)


def _map(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    btf, btf_id = struct_by_name(env, REG2BTF[uapi.CONST_PTR_TO_MAP])
    _object(env, call, param, reg, btf, btf_id)


def _kernel_object(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    _object(env, call, param, reg, call.meta.btf, param.type_id)


def _object(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState, btf: Btf, btf_id: int) -> None:
    base = base_type(reg.type)
    unsafe = base != uapi.PTR_TO_BTF_ID or (has_unsafe_modifiers(reg.type) and not is_rcu_reg(reg))
    if unsafe and base not in REG2BTF:
        wanted = reg_type_str(base | type_flag(reg.type) & BPF_REG_TRUSTED_MODIFIERS)
        env.reject(EINVAL, f"arg#{param.index} is {reg_type_str(reg.type)} expected {wanted} or socket")
    if base == uapi.PTR_TO_BTF_ID:
        reg_btf, reg_id = reg.btf, reg.btf_id
    else:
        reg_btf, reg_id = struct_by_name(env, REG2BTF[base])
    reg_id = reg_btf.skip_mods_and_typedefs(reg_id)
    have, want = reg_btf.type(reg_id), btf.type(btf_id)
    strict = (call.meta.has(uapi.KF_RELEASE) and reg.ref_obj_id != 0) or _is_nocast_alias(have.name, want.name)
    if struct_ids_match(env, reg_btf, reg_id, reg.off, btf, btf_id, strict, not is_alloc(reg.type)):
        return
    if (want.name, have.name) in _PROJECTIONS:
        return
    env.reject(
        EINVAL,
        f"kernel function {call.meta.name} args#{param.index} expected pointer to {kind_name(want)} {want.name} "
        f"but R{param.index + 1} has a pointer to {kind_name(have)} {have.name}",
    )


def _is_nocast_alias(a: str, b: str) -> bool:
    # one is the other while it is being set up (nf_conn___init): the same bytes, but not to be mixed up
    return a == b + _INIT_SUFFIX or b == a + _INIT_SUFFIX


def _memory(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    btf = call.meta.btf
    try:
        size = btf.size(param.type_id)
    except BtfError:
        t = btf.type(param.type_id)
        env.reject(
            EINVAL,
            f"arg#{param.index} reference type('{kind_name(t)} {t.name}') size cannot be determined: -22",
        )
    check_mem_reg(env, param.index + 1, size)


def _memory_and_size(env: Env, call: KfuncCall, param: KfuncParam, size_param: KfuncParam, reg: RegState) -> None:
    i = param.index
    if not (is_const_null(reg) and param.optional):
        try:
            check_mem_size_pair(env, i + 2)
        except Reject as err:
            message = f"arg#{i} arg#{i + 1} memory, len pair leads to invalid memory access"
            env.verbose(message + "\n")
            raise Reject(err.errno, err.message or message) from None
    if size_param.size_of_memory == "__szk":
        var_off = env.regs()[i + 2].bounds.var_off
        if call.constant is not None:
            env.bug("only one constant argument permitted")
        if var_off.mask:
            env.reject(EINVAL, f"R{i + 2} must be a known constant")
        call.constant = var_off.value


def _callback(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    if reg.type != uapi.PTR_TO_FUNC:
        env.reject(EINVAL, f"arg{param.index} expected pointer to func")
    call.subprogno = reg.subprogno


def _const_str(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    if reg.type != uapi.PTR_TO_MAP_VALUE:
        env.reject(EINVAL, f"arg#{param.index} doesn't point to a const string")
    check_const_str(env, reg, param.index + 1)


def _map_field(field: int) -> Callable[[Env, KfuncCall, KfuncParam, RegState], None]:
    def check(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
        if reg.type != uapi.PTR_TO_MAP_VALUE:
            env.reject(EINVAL, f"arg#{param.index} doesn't point to a map value")
        check_map_field(env, reg, param.index + 1, field)
        call.map_ptr, call.map_uid = reg.map_ptr, reg.map_uid

    return check


def _irq_flag(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    i = param.index
    if reg.type != uapi.PTR_TO_STACK:
        env.reject(EINVAL, f"arg#{i} doesn't point to an irq flag on stack")
    rule = IRQ_KFUNCS.get(call.special)
    if rule is None:
        env.bug("unknown irq flags kfunc")
    saves, kfunc_class = rule
    if saves:
        if not is_irq_flag_valid_uninit(env, reg):
            env.reject(EINVAL, f"expected uninitialized irq flag as arg#{i}")
        check_mem_access(env, i + 1, 0, 8, True, -1)
        write_stack(env, i + 1, reg.off, 8, -1)
        mark_stack_slot_irq_flag(env, reg, env.insn_idx, kfunc_class)
        return
    spi = is_irq_flag_valid_init(env, reg)
    if spi < 0:
        env.reject(EINVAL, f"expected an initialized irq flag as arg#{i}")
    mark_object_read(env, reg, spi, 1)
    unmark_stack_slot_irq_flag(env, reg, kfunc_class)


def _res_spin_lock(env: Env, call: KfuncCall, param: KfuncParam, reg: RegState) -> None:
    if reg.type not in (uapi.PTR_TO_MAP_VALUE, _ALLOC):
        env.reject(EINVAL, f"arg#{param.index} doesn't point to map value or allocated object")
    if call.special not in RES_SPIN_KFUNCS:
        env.bug("unknown lock kfunc")
    flags = PROCESS_RES_LOCK
    if call.special in RES_SPIN_LOCKS:
        flags |= PROCESS_SPIN_LOCK
    if call.special in IRQ_KFUNCS:
        flags |= PROCESS_LOCK_IRQ
    process_spin_lock(env, param.index + 1, flags)


_CHECKS: dict[int, Callable[[Env, KfuncCall, KfuncParam, RegState], None]] = {
    uapi.KF_ARG_PTR_TO_CTX: _ctx,
    uapi.KF_ARG_PTR_TO_ALLOC_BTF_ID: _allocated,
    uapi.KF_ARG_PTR_TO_DYNPTR: _dynptr,
    uapi.KF_ARG_PTR_TO_ITER: _iterator,
    uapi.KF_ARG_PTR_TO_LIST_HEAD: _list_head,
    uapi.KF_ARG_PTR_TO_LIST_NODE: _list_node,
    uapi.KF_ARG_PTR_TO_RB_ROOT: _rb_root,
    uapi.KF_ARG_PTR_TO_RB_NODE: _rb_node,
    uapi.KF_ARG_PTR_TO_REFCOUNTED_KPTR: _refcounted,
    uapi.KF_ARG_PTR_TO_MAP: _map,
    uapi.KF_ARG_PTR_TO_BTF_ID: _kernel_object,
    uapi.KF_ARG_PTR_TO_MEM: _memory,
    uapi.KF_ARG_PTR_TO_CALLBACK: _callback,
    uapi.KF_ARG_PTR_TO_CONST_STR: _const_str,
    uapi.KF_ARG_PTR_TO_WORKQUEUE: _map_field(uapi.BPF_WORKQUEUE),
    uapi.KF_ARG_PTR_TO_TASK_WORK: _map_field(uapi.BPF_TASK_WORK),
    uapi.KF_ARG_PTR_TO_IRQ_FLAG: _irq_flag,
    uapi.KF_ARG_PTR_TO_RES_SPIN_LOCK: _res_spin_lock,
}
