"""Program type syscall: runs in the context of a process that called BPF_PROG_RUN, on memory of its own.

:see: kernel/bpf/syscall.c:bpf_syscall_prog_ops
"""

from __future__ import annotations

from beespace.decl import Allow, ProgType, SectionDef
from beespace.helpers.protos.groups import TRACING_PROG, Protos
from beespace.subsys.core.testrun import bpf_prog_test_run_syscall
from beespace.uapi.bpf import BPF_PROG_TYPE_SYSCALL

__all__ = ["PROG_TYPES"]

U16_MAX = 0xFFFF

# kernel/bpf/syscall.c:syscall_prog_func_proto
_SYSCALL: Protos = (
    Allow("bpf_sys_bpf", caps=("perfmon",)),
    "bpf_btf_find_by_name_kind",
    "bpf_sys_close",
    "bpf_kallsyms_lookup_name",
    *TRACING_PROG,
)

PROG_TYPES = (
    ProgType(
        BPF_PROG_TYPE_SYSCALL,
        "syscall",
        ctx_kind="mem",
        ctx_size=U16_MAX,
        sections=(SectionDef("syscall", BPF_PROG_TYPE_SYSCALL, 0, frozenset({"sleepable"})),),
        protos=_SYSCALL,
        load_attach_types=frozenset({0}),
        sleepable="always",
        test_run=bpf_prog_test_run_syscall,
        since="5.14",
        ref="kernel/bpf/syscall.c:bpf_syscall_prog_ops",
    ),
)
