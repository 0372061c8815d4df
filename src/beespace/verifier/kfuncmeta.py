"""Kfuncs as calls name them: a function of the kernel's BTF (or a module's), with the flags it has for this program.

:see: kernel/bpf/verifier.c:add_kfunc_call, fetch_kfunc_meta
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from beespace.btf import Func, FuncProto, Param
from beespace.errors import BpfError, BtfError, Unsupported
from beespace.uapi import bpf as uapi
from beespace.values import frozen
from beespace.verifier.env import EINVAL, ENOTSUPP, EPROTO
from beespace.verifier.insns import InsnRec

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.verifier.env import Env

__all__ = ["KfuncMeta", "add_kfunc_call", "check_kfuncs_found", "find_kfunc", "resolve_kfunc_flags"]

MAX_KFUNC_DESCS = 256
_E2BIG = 7
# xdp_metadata_kfunc_ids
_DEVICE_BOUND = ("bpf_xdp_metadata_rx_timestamp", "bpf_xdp_metadata_rx_hash", "bpf_xdp_metadata_rx_vlan_tag")


@frozen
class KfuncMeta:
    """A kfunc that the program names in a call.

    :ivar flags: KF_* for this program, None when it may not call it.
    :ivar special: of the kernel itself (not a module): may be one of those the verifier knows by name.
    """

    name: str
    func_id: int
    btf: Btf
    proto: FuncProto
    flags: int | None
    special: bool

    @property
    def params(self) -> tuple[Param, ...]:
        """The C parameters."""
        return self.proto.params

    def has(self, flag: int) -> bool:
        """Is a KF_* flag set?"""
        return self.flags is not None and self.flags & flag != 0

    @property
    def is_iter_next(self) -> bool:
        """``bpf_iter_*_next()``."""
        return self.has(uapi.KF_ITER_NEXT)

    @property
    def is_sleepable(self) -> bool:
        """May sleep."""
        return self.has(uapi.KF_SLEEPABLE)

    @property
    def changes_pkt(self) -> bool:
        """Invalidates packet pointers."""
        return self.special and self.name == "bpf_xdp_pull_data"


def find_kfunc(env: Env, rec: InsnRec) -> KfuncMeta | None:
    """The kfunc that *rec* calls, None when there is none."""
    found: KfuncMeta | None = env.kfuncs.get((rec.imm, rec.off))
    return found


def add_kfunc_call(env: Env, func_id: int, offset: int) -> None:
    """Look up a kfunc that a call names; whether it may be called is asked when a path reaches the call."""
    if (func_id, offset) in env.kfuncs:
        return
    if env.btf_vmlinux is None:
        env.reject(ENOTSUPP, "calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF")
    if not env.registry.features.jit:
        env.reject(ENOTSUPP, "JIT is required for calling kernel function")
    if not env.program.gpl_compatible:
        env.reject(EINVAL, "cannot call kernel function from non-GPL compatible program")
    if func_id == 0 and offset == 0:
        return  # refused if a path reaches it
    btf = _btf_of(env, offset)
    if len(env.kfuncs) == MAX_KFUNC_DESCS:
        env.reject(_E2BIG, "too many different kernel function calls")
    try:
        func = btf.type(func_id)
    except BtfError:
        func = None
    if not isinstance(func, Func):
        env.reject(EINVAL, f"kernel btf_id {func_id & 0xFFFF_FFFF} is not a function")
    proto = btf.type(func.type)
    if not isinstance(proto, FuncProto):
        env.reject(EINVAL, f"kernel function btf_id {func_id} does not have a valid func_proto")
    if func.name in _DEVICE_BOUND and offset == 0:
        _check_device_bound(env)
    env.kfuncs[func_id, offset] = KfuncMeta(func.name, func_id, btf, proto, _flags(env, func.name), offset == 0)


def _flags(env: Env, name: str) -> int | None:
    return env.registry.kfunc_flags(env.prog_type, name, env.program.expected_attach_type, env.program)


def resolve_kfunc_flags(env: Env) -> None:
    """What the program may call, once it is known what it attaches to (an extension calls what its target may)."""
    for key, meta in env.kfuncs.items():
        env.kfuncs[key] = replace(meta, flags=_flags(env, meta.name))


def _check_device_bound(env: Env) -> None:
    # bpf_dev_bound_kfunc_check(): what the device knows of a packet
    if env.program.prog_flags & uapi.BPF_F_XDP_DEV_BOUND_ONLY:
        raise Unsupported("programs bound to a device")
    env.reject(EINVAL, "metadata kfuncs require device-bound program")


def _btf_of(env: Env, offset: int) -> Btf:
    if offset == 0:
        assert env.btf_vmlinux is not None
        return env.btf_vmlinux
    if offset < 0:
        env.verbose("negative offset disallowed for kernel module function call\n")
        env.reject(EINVAL, "failed to find BTF for kernel function")
    if env.program.resolve_btf is None:
        env.verbose("kfunc offset > 0 without fd_array is invalid\n")
        env.reject(EPROTO, "failed to find BTF for kernel function")
    try:
        btf = env.program.resolve_btf(offset)
    except (BpfError, OSError) as err:
        env.verbose("invalid module BTF fd specified\n")
        env.reject(getattr(err, "errno", None) or EINVAL, "failed to find BTF for kernel function")
    if btf.base is None:
        env.verbose("BTF fd for kfunc is not a module BTF\n")
        env.reject(EINVAL, "failed to find BTF for kernel function")
    return btf


def check_kfuncs_found(env: Env) -> None:
    """A weak kfunc that this kernel lacks is called only where no path goes (fixup_kfunc_call())."""
    for rec in env.insns:
        if rec.is_kfunc_call and rec.imm == 0 and rec.seen:
            env.reject(EINVAL, "invalid kernel function call not eliminated in verifier pass")
