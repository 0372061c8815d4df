"""Attaching to functions: of the kernel, of its tracepoints and iterators, of other programs.

:see: kernel/bpf/verifier.c:bpf_check_attach_target, kernel/bpf/btf.c:btf_distill_func_proto, btf_check_func_type_match
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from beespace.btf import Enum, Enum64, Func, FuncProto, Int, Ptr, Struct, Typedef, Union
from beespace.errors import BtfError
from beespace.uapi import bpf as uapi
from beespace.verifier.argtags import kind_name
from beespace.verifier.attachctx import MAX_BPF_FUNC_ARGS, AttachTarget
from beespace.verifier.env import EINVAL, EOPNOTSUPP

if TYPE_CHECKING:
    from beespace.btf import Btf, BtfType
    from beespace.decl.prog import SubprogInfo, VerifiedProgram
    from beespace.verifier.env import Env

__all__ = ["check_target"]

_TP_PREFIX = "btf_trace_"
_TO_FUNCTIONS = (
    uapi.BPF_MODIFY_RETURN,
    uapi.BPF_LSM_MAC,
    uapi.BPF_LSM_CGROUP,
    uapi.BPF_TRACE_FENTRY,
    uapi.BPF_TRACE_FEXIT,
)
_STORES_RETVAL = frozenset(_TO_FUNCTIONS) - {uapi.BPF_TRACE_FENTRY}
_SYSCALL = re.compile(r"__(x64|ia32)_(compat_)?sys_")  # all of them may be made to fail
_SECURITY = "security_"
_MAX_STRUCT_ARG = 16


def check_target(env: Env) -> AttachTarget:
    """Find the function, and see whether the program may attach to it."""
    program = env.program
    attach_prog, btf_id = program.attach_prog, program.attach_btf_id
    if not btf_id:
        env.reject(EINVAL, "Tracing programs must provide btf_id")
    btf = attach_prog.program.btf if attach_prog is not None else program.attach_btf
    if btf is None:
        env.reject(EINVAL, "FENTRY/FEXIT program can only be attached to another program annotated with BTF")
    try:
        t = btf.type(btf_id)
    except BtfError:
        env.reject(EINVAL, f"attach_btf_id {btf_id} is invalid")
    if not t.name:
        env.reject(EINVAL, f"attach_btf_id {btf_id} doesn't have a name")
    reliable = True
    if attach_prog is not None:
        reliable = _check_program(env, attach_prog, t.name)
    elif program.prog_type == uapi.BPF_PROG_TYPE_EXT:
        env.reject(EINVAL, "Cannot replace kernel functions")
    attach_type = program.expected_attach_type
    if attach_type == uapi.BPF_TRACE_RAW_TP:
        return _tracepoint(env, btf, t)
    if attach_type == uapi.BPF_TRACE_ITER:
        target = AttachTarget(t.name, btf, _prototype(env, btf, t), trusted=True)
        _distill(env, target)
        return target
    if attach_type not in _TO_FUNCTIONS and program.prog_type != uapi.BPF_PROG_TYPE_EXT:
        _refuse(env)
    return _function(env, btf, t, reliable)


def _refuse(env: Env) -> NoReturn:
    # The kernel says nothing.
    env.refuse(EINVAL, env.log.last_line())


# ------------------------------------------------------------------------------------------------- other programs


def _check_program(env: Env, target: VerifiedProgram, name: str) -> bool:
    # May its function be traced or replaced? Whether its prototype says what its arguments are.
    program = env.program
    extends = program.prog_type == uapi.BPF_PROG_TYPE_EXT
    number = next((i for i, f in enumerate(target.func_info) if f.type_id == program.attach_btf_id), -1)
    if number < 0:
        env.reject(EINVAL, f"Subprog {name} doesn't exist")
    sub = target.subprogs[number]
    if sub.is_exception_cb and len(target.subprogs) > 1:
        kind = "Extension" if extends else "FENTRY/FEXIT"
        env.reject(EINVAL, f"{kind} programs cannot attach to exception callback")
    if extends:
        _check_replaced(env, sub)
    kind_of_target = target.program.prog_type
    if program.prog_type == uapi.BPF_PROG_TYPE_TRACING:
        if kind_of_target == uapi.BPF_PROG_TYPE_TRACING and target.program.attach_prog is not None:
            env.reject(EINVAL, "Cannot nest tracing program attach more than once")
    elif kind_of_target == program.prog_type:
        env.reject(EINVAL, "Cannot recursively attach")
    traces = target.program.expected_attach_type in (uapi.BPF_TRACE_FENTRY, uapi.BPF_TRACE_FEXIT)
    if extends and kind_of_target == uapi.BPF_PROG_TYPE_TRACING and traces:
        env.reject(EINVAL, "Cannot extend fentry/fexit")
    if program.expected_attach_type == uapi.BPF_TRACE_RAW_TP:
        env.reject(EINVAL, "Only FENTRY/FEXIT progs are attachable to another BPF prog")
    return not sub.unreliable


def _check_replaced(env: Env, sub: SubprogInfo) -> None:
    # An extension does nothing that the function it replaces did not do.
    if sub.unreliable:
        env.reject(EINVAL, "Cannot replace static functions")
    if env.changes_pkt_data and not sub.changes_pkt_data:
        env.reject(EINVAL, "Extension program changes packet data, while original does not")
    if env.subprogs[0].might_sleep and not sub.might_sleep:
        env.reject(EINVAL, "Extension program may sleep, while original does not")


# ---------------------------------------------------------------------------------------------------- tracepoints


def _tracepoint(env: Env, btf: Btf, t: BtfType) -> AttachTarget:
    btf_id = env.program.attach_btf_id
    if not isinstance(t, Typedef):
        env.reject(EINVAL, f"attach_btf_id {btf_id} is not a typedef")
    if not t.name.startswith(_TP_PREFIX):
        env.reject(EINVAL, f"attach_btf_id {btf_id} points to wrong type name {t.name}")
    name = t.name.removeprefix(_TP_PREFIX)
    # Each event has a function with its template's prototype. The typedef has no names of arguments.
    owner = btf.type(btf.find(f"__traceiter_{name}", uapi.BTF_KIND_FUNC) or t.type)
    proto = btf.type(owner.type) if isinstance(owner, Func | Ptr) else None
    if not isinstance(proto, FuncProto):
        _refuse(env)
    null_args = env.registry.rules.raw_tp_null_args.get(name)
    if null_args is None:  # of a module's tracepoint nothing is known
        null_args = 0x1111_1111_1111 if btf.base is not None else 0
    return AttachTarget(name, btf, proto, is_tracepoint=True, trusted=True, null_args=null_args)


# ------------------------------------------------------------------------------------------------------ functions


def _prototype(env: Env, btf: Btf, t: BtfType) -> FuncProto:
    if not isinstance(t, Func):
        env.reject(EINVAL, f"attach_btf_id {env.program.attach_btf_id} is not a function")
    proto = btf.type(t.type)
    if not isinstance(proto, FuncProto):
        _refuse(env)
    return proto


def _function(env: Env, btf: Btf, t: BtfType, reliable: bool) -> AttachTarget:
    program = env.program
    proto = _prototype(env, btf, t)
    if program.prog_type == uapi.BPF_PROG_TYPE_EXT:
        _check_type_match(env, btf, t)
    target = AttachTarget(t.name, btf, proto if reliable else None)
    _distill(env, target)
    if env.sleepable:
        _check_sleepable(env, target)
    elif program.expected_attach_type == uapi.BPF_MODIFY_RETURN:
        if program.attach_prog is not None:
            env.reject(EINVAL, "can't modify return codes of BPF programs")
        if not _is_modifiable(env, target.name):
            env.reject(EINVAL, f"{target.name}() is not modifiable")
    return target


def _distill(env: Env, target: AttachTarget) -> None:
    # btf_distill_func_proto(): can a trampoline be made for the function?
    proto, name, btf = target.proto, target.name, target.btf
    if proto is None:
        return
    if len(proto.params) > MAX_BPF_FUNC_ARGS:
        env.reject(EINVAL, f"The function {name} has {len(proto.params)} arguments. Too many.")
    ret, size = _sized(btf, proto.type)
    if size < 0 or isinstance(ret, Struct | Union):
        env.reject(EINVAL, f"The function {name} return type {kind_name(ret)} is unsupported.")
    for i, param in enumerate(proto.params):
        if i == len(proto.params) - 1 and not param.type:
            env.reject(EINVAL, f"The function {name} with variable args is unsupported.")
        arg, arg_size = _sized(btf, param.type)
        if not 0 <= arg_size <= _MAX_STRUCT_ARG:
            env.reject(EINVAL, f"The function {name} arg{i} type {kind_name(arg)} is unsupported.")
        if not arg_size:
            env.reject(EINVAL, f"The function {name} has malformed void argument.")
    if size > 8 and env.program.expected_attach_type in _STORES_RETVAL:
        env.reject(
            EOPNOTSUPP,
            f"Attach to function {name} with a >8 byte return value is not supported for this attach type",
        )


def _sized(btf: Btf, type_id: int) -> tuple[BtfType, int]:
    # The type and its bytes, -1 for what cannot be passed.
    t = btf.type(btf.skip_mods_and_typedefs(type_id))
    if isinstance(t, Ptr):
        return t, 8
    if isinstance(t, Int | Enum | Enum64 | Struct | Union):
        return t, t.size
    return t, -1 if t.kind else 0


def _may_fail(env: Env, name: str) -> bool:
    # within_error_injection_list()
    if not env.registry.features.configured("CONFIG_FUNCTION_ERROR_INJECTION"):
        return False
    return name in env.registry.rules.error_injection or _SYSCALL.match(name) is not None


def _check_sleepable(env: Env, target: AttachTarget) -> None:
    rules, name = env.registry.rules, target.name
    of_kernel = env.program.attach_prog is None
    if env.program.prog_type == uapi.BPF_PROG_TYPE_LSM:
        allowed = name in rules.lsm_sleepable
    else:
        allowed = _may_fail(env, name) and name not in rules.non_sleepable_error_injection
        allowed = allowed or bool(rules.fmod_ret.get(name, 0) & uapi.KF_SLEEPABLE)
    if not (of_kernel and allowed):
        env.reject(EINVAL, f"{name} is not sleepable")


def _is_modifiable(env: Env, name: str) -> bool:
    return name in env.registry.rules.fmod_ret or name.startswith(_SECURITY) or _may_fail(env, name)


# ----------------------------------------------------------------------------------------------------- extensions


def _check_type_match(env: Env, btf: Btf, t: BtfType) -> None:
    # btf_check_func_type_match(): is the extension's function of the same type?
    if not env.program.func_info or env.btf is None:
        env.reject(EINVAL, "Program extension requires BTF")
    mine = env.btf.type(env.program.func_info[0].type_id)
    assert isinstance(mine, Func)
    assert isinstance(t, Func)
    for func in (mine, t):
        if func.linkage != uapi.BTF_FUNC_GLOBAL:
            env.reject(EINVAL, f"{func.name}() is not a global function")
    _Match(env, env.btf, mine, btf, t).check()


class _Match:
    def __init__(self, env: Env, btf1: Btf, func1: Func, btf2: Btf, func2: Func) -> None:
        self.env = env
        self.btf1, self.btf2 = btf1, btf2
        self.fn1, self.fn2 = func1.name, func2.name
        self.protos = btf1.type(func1.type), btf2.type(func2.type)

    def check(self) -> None:
        proto1, proto2 = self.protos
        assert isinstance(proto1, FuncProto)
        assert isinstance(proto2, FuncProto)
        count1, count2 = len(proto1.params), len(proto2.params)
        if count1 != count2:
            self.env.reject(EINVAL, f"{self.fn1}() has {count1} args while {self.fn2}() has {count2} args")
        t1, t2 = self.resolved(proto1.type, proto2.type)
        if _info(t1) != _info(t2):
            self.env.reject(
                EINVAL,
                f"Return type {kind_name(t1)} of {self.fn1}() doesn't match "
                f"type {kind_name(t2)} of {self.fn2}()",
            )  # fmt: skip
        for i in range(count1):
            self.check_arg(i, proto1.params[i].type, proto2.params[i].type)

    def resolved(self, id1: int, id2: int) -> tuple[BtfType, BtfType]:
        return (
            self.btf1.type(self.btf1.skip_mods_and_typedefs(id1)),
            self.btf2.type(self.btf2.skip_mods_and_typedefs(id2)),
        )

    def check_arg(self, i: int, id1: int, id2: int) -> None:
        env, fn1, fn2 = self.env, self.fn1, self.fn2
        t1, t2 = self.resolved(id1, id2)
        if _info(t1) != _info(t2):
            env.reject(EINVAL, f"arg{i} in {fn1}() is {kind_name(t1)} while {fn2}() has {kind_name(t2)}")
        size1, size2 = getattr(t1, "size", 0), getattr(t2, "size", 0)
        if size1 != size2:
            env.reject(EINVAL, f"arg{i} in {fn1}() has size {size1} while {fn2}() has {size2}")
        if isinstance(t1, Int | Enum | Enum64):
            return
        if not isinstance(t1, Ptr) or not isinstance(t2, Ptr):
            env.reject(EINVAL, f"arg{i} in {fn1}() has unrecognized type")
        t1, t2 = self.resolved(t1.type, t2.type)
        for name, t in ((fn1, t1), (fn2, t2)):
            if not isinstance(t, Struct | Union):
                env.reject(EINVAL, f"arg{i} in {name}() is not a pointer to context")
        if t1.name != t2.name:
            env.reject(EINVAL, f"arg{i} {fn1}(struct {t1.name} *) doesn't match {fn2}(struct {t2.name} *)")


def _info(t: BtfType) -> tuple[int, int]:
    # struct btf_type.info: the kind, and how many members there are
    return t.kind, len(getattr(t, "members", getattr(t, "values", ())))
