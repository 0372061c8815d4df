"""What a program attaches to: functions, LSM hooks, tracepoints, iterators, other programs, struct_ops members.

:see: kernel/bpf/verifier.c:check_attach_btf_id
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from beespace.uapi import bpf as uapi
from beespace.verifier.attachctx import AttachTarget, CtxArg
from beespace.verifier.attachfunc import check_target
from beespace.verifier.attachops import check_struct_ops
from beespace.verifier.env import EINVAL

if TYPE_CHECKING:
    from beespace.verifier.env import Env

__all__ = ["check_attach_target"]

_BTF_ATTACHED = (uapi.BPF_PROG_TYPE_TRACING, uapi.BPF_PROG_TYPE_LSM, uapi.BPF_PROG_TYPE_EXT)
_MAX_ERRNO = 4095
_LSM_PREFIX = "bpf_lsm_"
_ITER_PREFIX = "bpf_iter_"


def check_attach_target(env: Env) -> None:
    """Find out what the program attaches to, if its type attaches to BTF types, and whether it may."""
    if env.prog_type == uapi.BPF_PROG_TYPE_SYSCALL and not env.sleepable:
        env.reject(EINVAL, "Syscall programs can only be sleepable")
    if env.sleepable and not _can_be_sleepable(env):
        env.reject(
            EINVAL,
            "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable",
        )
    if env.prog_type == uapi.BPF_PROG_TYPE_STRUCT_OPS:
        env.attach = check_struct_ops(env)
    elif env.prog_type in _BTF_ATTACHED:
        env.attach = check_target(env)
        _check_kind(env, env.attach)


def _can_be_sleepable(env: Env) -> bool:
    kind = env.ptype
    types = kind.sleepable_attach_types
    return kind.sleepable != "never" and (types is None or env.program.expected_attach_type in types)


def _check_kind(env: Env, target: AttachTarget) -> None:
    program = env.program
    if program.prog_type == uapi.BPF_PROG_TYPE_EXT:
        _become_target(env)
    if env.program.expected_attach_type == uapi.BPF_TRACE_RAW_TP:
        return
    if env.program.expected_attach_type == uapi.BPF_TRACE_ITER:
        _check_iterator(env, target)
    elif program.prog_type == uapi.BPF_PROG_TYPE_LSM:
        _check_lsm(env, target)
    elif program.attach_prog is None:
        _check_denied(env, target)


def _become_target(env: Env) -> None:
    # Context, helpers and attach type of an extension are those of the program it extends.
    attach_prog = env.program.attach_prog
    assert attach_prog is not None
    env.program = replace(env.program, expected_attach_type=attach_prog.program.expected_attach_type)
    env.prog_type = attach_prog.program.prog_type
    env.ptype = env.registry.prog_types[env.prog_type]


def _check_iterator(env: Env, target: AttachTarget) -> None:
    # bpf_iter_prog_supported()
    iterator = env.registry.iter_targets.get(target.name.removeprefix(_ITER_PREFIX))
    if not target.name.startswith(_ITER_PREFIX) or iterator is None:
        env.refuse(EINVAL, env.log.last_line())
    btf = target.btf
    target.args = tuple(
        CtxArg(
            btf.field(iterator.ctx_struct, field).byte_off,
            reg_type,
            btf,
            btf.find(name, uapi.BTF_KIND_STRUCT) if name else 0,
        )
        for field, reg_type, name in iterator.ctx_args
    )


def _check_lsm(env: Env, target: AttachTarget) -> None:
    # bpf_lsm_verify_prog()
    rules, name, btf_id = env.registry.rules, target.name, env.program.attach_btf_id
    if not env.program.gpl_compatible:
        env.reject(EINVAL, "LSM programs must have a GPL compatible license")
    if name in rules.lsm_disabled:
        env.reject(EINVAL, f"attach_btf_id {btf_id} points to disabled hook {name}")
    if not name.startswith(_LSM_PREFIX) or not _is_lsm_hook(target, name.removeprefix(_LSM_PREFIX)):
        env.reject(EINVAL, f"attach_btf_id {btf_id} points to wrong type name {name}")
    target.trusted = name not in rules.lsm_untrusted
    if env.program.expected_attach_type == uapi.BPF_LSM_MAC and not target.returns_void(env):
        target.ret_range = (0, 1) if name in rules.lsm_bool else (-_MAX_ERRNO, 0)


def _is_lsm_hook(target: AttachTarget, name: str) -> bool:
    # lsm_hook_defs.h makes the hooks, and a union with a member for each of them.
    btf = target.btf
    union_id = btf.find("security_list_options", uapi.BTF_KIND_UNION)
    return not union_id or any(m.name == name for m in btf.members(union_id))


def _check_denied(env: Env, target: AttachTarget) -> None:
    rules, name, attach_type = env.registry.rules, target.name, env.program.expected_attach_type
    if name in rules.attach_deny:
        env.reject(EINVAL, f"Attaching tracing programs to function '{name}' is rejected.")
    if attach_type in (uapi.BPF_TRACE_FEXIT, uapi.BPF_MODIFY_RETURN) and name in rules.noreturn_deny:
        env.reject(EINVAL, f"Attaching fexit/fmod_ret to __noreturn function '{name}' is rejected.")
