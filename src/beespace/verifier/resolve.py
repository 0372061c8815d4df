"""The pass over all instructions: encodings, and what LD_IMM64 refers to: maps, kernel symbols, functions.

:see: kernel/bpf/verifier.c:resolve_pseudo_ldimm64, check_pseudo_btf_id, check_map_prog_compatibility
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beespace.errors import BpfError, BtfError, Unsupported
from beespace.isa.check import check_ld_imm64, check_opcode
from beespace.uapi import bpf as uapi
from beespace.verifier.env import BPF_MAX_VAR_OFF, EBUSY, EINVAL, ENOENT, ENOTSUPP, EOPNOTSUPP, EPERM, EPROTO
from beespace.verifier.insns import InsnRec
from beespace.verifier.memory import has_direct_value

if TYPE_CHECKING:
    from beespace.btf import Btf
    from beespace.decl.map import MapMeta
    from beespace.verifier.env import Env

__all__ = ["resolve_insns"]

_E2BIG, _EBADF, _ERANGE = 7, 9, 34
MAX_USED_MAPS = 64
MAX_USED_BTFS = 64
_PAGE_SIZE = 4096
_MAPS = (uapi.BPF_PSEUDO_MAP_FD, uapi.BPF_PSEUDO_MAP_IDX)
_BY_INDEX = (uapi.BPF_PSEUDO_MAP_IDX, uapi.BPF_PSEUDO_MAP_IDX_VALUE)
_TRACING = (
    uapi.BPF_PROG_TYPE_KPROBE,
    uapi.BPF_PROG_TYPE_TRACEPOINT,
    uapi.BPF_PROG_TYPE_PERF_EVENT,
    uapi.BPF_PROG_TYPE_RAW_TRACEPOINT,
    uapi.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
)
_CGROUP_STORAGE = (uapi.BPF_MAP_TYPE_CGROUP_STORAGE, uapi.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)
_LOCKS = uapi.BPF_SPIN_LOCK | uapi.BPF_RES_SPIN_LOCK
# special fields that tracing programs may not use, and how the log calls them
_NOT_TRACING = (
    (uapi.BPF_LIST_HEAD | uapi.BPF_RB_ROOT, "bpf_{list_head,rb_root}"),
    (_LOCKS, "bpf_spin_lock"),
    (uapi.BPF_TIMER, "bpf_timer"),
    (uapi.BPF_WORKQUEUE, "bpf_wq"),
)


def resolve_insns(env: Env) -> None:
    """Known opcodes only; every LD_IMM64 has both slots and names something that there is."""
    recs = env.insns
    idx = 0
    while idx < len(recs):
        rec = recs[idx]
        env.insn_idx = idx
        if message := check_opcode(rec.insn):
            env.reject(EINVAL, message)
        if rec.is_ld_imm64:
            second = recs[idx + 1] if idx + 1 < len(recs) else None
            if message := check_ld_imm64(rec.insn, second.insn if second is not None else None):
                env.reject(EINVAL, message)
            assert second is not None
            _resolve(env, rec, second.imm)
            idx += 1
        idx += 1


def _resolve(env: Env, rec: InsnRec, second: int) -> None:
    if rec.src == 0:
        return
    if rec.src == uapi.BPF_PSEUDO_BTF_ID:
        _check_pseudo_btf_id(env, rec, second)
        return
    if rec.src == uapi.BPF_PSEUDO_FUNC:
        rec.ptr_type = uapi.PTR_TO_FUNC
        return
    m = rec.map = _used_map(env, rec)
    if rec.src in _MAPS:
        return
    off = second & 0xFFFF_FFFF
    if off >= BPF_MAX_VAR_OFF:
        env.reject(EINVAL, f"direct value offset of {off} is not allowed")
    if not has_direct_value(env, m):
        env.reject(EINVAL, "no direct value access support for this map type")
    errno = _direct_value_addr(m, off)
    if errno:
        env.reject(errno, f"invalid access to map value pointer, value_size={m.value_size} off={off}")
    rec.map_off = off


def _direct_value_addr(m: MapMeta, off: int) -> int:
    # 0, or the errno of map_direct_value_addr()
    if m.map_type == uapi.BPF_MAP_TYPE_ARENA:
        return _ERANGE if off // _PAGE_SIZE >= m.max_entries else 0
    if m.max_entries != 1:
        return ENOTSUPP
    return EINVAL if off >= m.value_size else 0


# -- maps -------------------------------------------------------------------------------------------------------------


def _used_map(env: Env, rec: InsnRec) -> MapMeta:
    by_index = rec.src in _BY_INDEX
    try:
        if env.program.resolve_map is None:
            raise BpfError("no maps")
        m = env.program.resolve_map(rec.imm, by_index)
    except Unsupported:
        raise
    except BpfError as err:
        errno = getattr(err, "errno", None) or _EBADF
        if by_index and errno == EPROTO:
            env.reject(EPROTO, "fd_idx without fd_array is invalid")
        env.reject(errno, f"fd {rec.imm} is not pointing to valid bpf_map")
    if any(used is m for used in env.used_maps):
        return m
    if len(env.used_maps) >= MAX_USED_MAPS:
        env.reject(_E2BIG, f"The total number of maps per program has reached the limit of {MAX_USED_MAPS}")
    _check_map_prog_compatibility(env, m)
    env.used_maps.append(m)
    return m


def _check_map_prog_compatibility(env: Env, m: MapMeta) -> None:
    tracing = env.prog_type in _TRACING
    for fields, name in _NOT_TRACING:
        if not m.record.has(fields):
            continue
        if fields == _LOCKS and env.prog_type == uapi.BPF_PROG_TYPE_SOCKET_FILTER:
            env.reject(EINVAL, "socket filter progs cannot use bpf_spin_lock yet")
        if tracing:
            env.reject(EINVAL, f"tracing progs cannot use {name} yet")
    if m.map_type == uapi.BPF_MAP_TYPE_STRUCT_OPS:
        env.reject(EINVAL, "bpf_struct_ops map cannot be used in prog")
    kind = env.registry.map_types.get(m.map_type)
    if env.sleepable and (kind is None or not kind.sleepable):
        env.reject(EINVAL, "Sleepable programs can only use array, hash, ringbuf and local storage maps")
    if m.map_type in _CGROUP_STORAGE and any(used.map_type == m.map_type for used in env.used_maps):
        env.reject(EBUSY, "only one cgroup storage of each type is allowed")
    if m.map_type == uapi.BPF_MAP_TYPE_ARENA:
        _check_arena(env, m)


def _check_arena(env: Env, m: MapMeta) -> None:
    if env.arena is not None:
        env.reject(EBUSY, "Only one arena per program")
    if not env.allow_ptr_leaks or not env.bpf_capable:
        env.reject(EPERM, "CAP_BPF and CAP_PERFMON are required to use arena")
    if not env.registry.features.jit:
        env.reject(EOPNOTSUPP, "JIT is required to use arena")
    env.arena = m
    if not m.arena_vm_start:
        env.reject(EINVAL, "arena's user address must be set via map_extra or mmap()")


# -- kernel symbols ---------------------------------------------------------------------------------------------------


def _check_pseudo_btf_id(env: Env, rec: InsnRec, btf_fd: int) -> None:
    if btf_fd:
        raise Unsupported("address of a variable of a module (ksym of module BTF)")
    btf = env.btf_vmlinux
    if btf is None:
        env.reject(EINVAL, "kernel is missing BTF, make sure CONFIG_DEBUG_INFO_BTF=y is specified in Kconfig.")
    rec.btf_var = _symbol(env, btf, rec.imm)
    if not any(used is btf for used in env.used_btfs):
        env.used_btfs.append(btf)


def _symbol(env: Env, btf: Btf, btf_id: int) -> tuple[int, Btf | None, int, int, str]:
    kind = btf.kind(btf_id) if 0 <= btf_id < btf.nr_types else -1
    if kind < 0:
        env.reject(ENOENT, f"ldimm64 insn specifies invalid btf_id {btf_id}.")
    if kind not in (uapi.BTF_KIND_VAR, uapi.BTF_KIND_FUNC):
        env.reject(EINVAL, f"pseudo btf_id {btf_id} in ldimm64 isn't KIND_VAR or KIND_FUNC")
    name = btf.name_of(btf_id)
    if kind == uapi.BTF_KIND_VAR and not env.registry.features.configured("CONFIG_KALLSYMS_ALL"):
        env.reject(ENOENT, f"ldimm64 failed to find the address for kernel symbol '{name}'.")
    if kind == uapi.BTF_KIND_FUNC:
        return uapi.PTR_TO_MEM | uapi.MEM_RDONLY, None, 0, 0, name
    var_type = btf.type(btf_id).type  # type: ignore[union-attr]  # a Var
    if _is_percpu(btf, btf_id):
        return uapi.PTR_TO_BTF_ID | uapi.MEM_PERCPU, btf, var_type, 0, name
    target = btf.skip_mods_and_typedefs(var_type)
    if btf.kind(target) in (uapi.BTF_KIND_STRUCT, uapi.BTF_KIND_UNION):
        return uapi.PTR_TO_BTF_ID, btf, var_type, 0, name
    try:
        size = btf.size(target)
    except BtfError:
        env.reject(EINVAL, f"ldimm64 unable to resolve the size of type '{btf.name_of(target)}': -22")
    return uapi.PTR_TO_MEM | uapi.MEM_RDONLY, None, 0, size, name


def _is_percpu(btf: Btf, btf_id: int) -> bool:
    found = btf.find_all(".data..percpu", uapi.BTF_KIND_DATASEC)
    return bool(found) and any(var.type == btf_id for var in btf.type(found[0]).vars)  # type: ignore[union-attr]
