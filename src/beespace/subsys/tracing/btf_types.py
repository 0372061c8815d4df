"""Program types whose context is the arguments of a BTF function: tracing, lsm, ext.

:see: kernel/trace/bpf_trace.c, kernel/bpf/bpf_lsm.c, kernel/bpf/verifier.c:check_attach_btf_id
"""

from __future__ import annotations

from beespace.decl import Allow, Program, ProgType, SectionDef
from beespace.helpers.protos.groups import TRACING_PROG, Protos, bpf_prog_has_trampoline, rows
from beespace.subsys.tracing.attach_rules import RULES
from beespace.uapi.bpf import (
    BPF_LSM_CGROUP,
    BPF_LSM_MAC,
    BPF_MODIFY_RETURN,
    BPF_PROG_TYPE_EXT,
    BPF_PROG_TYPE_LSM,
    BPF_PROG_TYPE_TRACING,
    BPF_TRACE_FENTRY,
    BPF_TRACE_FEXIT,
    BPF_TRACE_ITER,
    BPF_TRACE_RAW_TP,
)

__all__ = ["PROG_TYPES"]

MAX_BPF_FUNC_ARGS = 12
_CTX_SIZE = 8 * MAX_BPF_FUNC_ARGS

_LSM_CGROUP = frozenset({BPF_LSM_CGROUP})


def _section(sec: str, prog_type: int, attach_type: int, *flags: str) -> SectionDef:
    return SectionDef(sec, prog_type, attach_type, frozenset({"attach_btf", *flags}))


def _tracing(sec: str, attach_type: int, *flags: str) -> SectionDef:
    return _section(sec, BPF_PROG_TYPE_TRACING, attach_type, *flags)


def _locked(prog: Program) -> bool:
    return prog.attach_name in RULES.lsm_locked_sockopt


def _unlocked(prog: Program) -> bool:
    return prog.attach_name in RULES.lsm_unlocked_sockopt


# fmt: off
# kernel/bpf/bpf_lsm.c:bpf_lsm_func_proto
_LSM: Protos = (
    *rows("bpf_get_local_storage", "bpf_get_retval", "bpf_set_retval", attach_types=_LSM_CGROUP),
    "bpf_inode_storage_get", "bpf_inode_storage_delete", "bpf_sk_storage_get", "bpf_sk_storage_delete",
    "bpf_spin_lock", "bpf_spin_unlock", "bpf_bprm_opts_set", "bpf_ima_inode_hash", "bpf_ima_file_hash",
    Allow("bpf_get_attach_cookie", when=bpf_prog_has_trampoline),
    *rows("bpf_sk_setsockopt", "bpf_sk_getsockopt", attach_types=_LSM_CGROUP, when=_locked),
    *rows("bpf_unlocked_sk_setsockopt", "bpf_unlocked_sk_getsockopt", attach_types=_LSM_CGROUP, when=_unlocked),
    *TRACING_PROG,
)

PROG_TYPES = (
    ProgType(
        BPF_PROG_TYPE_TRACING, "tracing", ctx_kind="btf", ctx_size=_CTX_SIZE,
        sections=(
            _tracing("tp_btf+", BPF_TRACE_RAW_TP),
            _tracing("fentry+", BPF_TRACE_FENTRY),
            _tracing("fmod_ret+", BPF_MODIFY_RETURN),
            _tracing("fexit+", BPF_TRACE_FEXIT),
            _tracing("fentry.s+", BPF_TRACE_FENTRY, "sleepable"),
            _tracing("fmod_ret.s+", BPF_MODIFY_RETURN, "sleepable"),
            _tracing("fexit.s+", BPF_TRACE_FEXIT, "sleepable"),
            _tracing("iter+", BPF_TRACE_ITER),
            _tracing("iter.s+", BPF_TRACE_ITER, "sleepable"),
        ),
        protos=TRACING_PROG,
        attach_types=(BPF_TRACE_RAW_TP, BPF_TRACE_FENTRY, BPF_TRACE_FEXIT, BPF_MODIFY_RETURN, BPF_TRACE_ITER),
        ret_ranges={BPF_TRACE_FENTRY: (0, 0), BPF_TRACE_FEXIT: (0, 0), BPF_TRACE_ITER: (0, 1)},
        perfmon=True, sleepable="may",
        sleepable_attach_types=frozenset({BPF_TRACE_FENTRY, BPF_TRACE_FEXIT, BPF_MODIFY_RETURN, BPF_TRACE_ITER}),
        since="5.5", ref="kernel/trace/bpf_trace.c:tracing_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_LSM, "lsm", ctx_kind="btf", ctx_size=_CTX_SIZE,
        sections=(
            _section("lsm+", BPF_PROG_TYPE_LSM, BPF_LSM_MAC),
            _section("lsm.s+", BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "sleepable"),
            _section("lsm_cgroup+", BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP),
        ),
        protos=_LSM, attach_types=(BPF_LSM_MAC, BPF_LSM_CGROUP), ret_ranges={BPF_LSM_CGROUP: (0, 1)},
        perfmon=True, sleepable="may", sleepable_attach_types=frozenset({BPF_LSM_MAC}),
        since="5.7", ref="kernel/bpf/bpf_lsm.c:lsm_prog_ops",
    ),
    # Context, helpers and R0 are those of the program it replaces a function of.
    ProgType(
        BPF_PROG_TYPE_EXT, "ext", ctx_kind="btf", ctx_size=_CTX_SIZE,
        sections=(_section("freplace+", BPF_PROG_TYPE_EXT, 0),),
        load_attach_types=frozenset({0}), net_admin=True, perfmon=True,
        since="5.6", ref="kernel/bpf/syscall.c:bpf_extension_prog_ops",
    ),
)
# fmt: on
