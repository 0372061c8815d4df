"""Program types on kernel events: kprobe, tracepoint, raw_tracepoint, perf_event.

:see: kernel/trace/bpf_trace.c
"""

from __future__ import annotations

from beespace.decl import Allow, CtxField, ProgType, SectionDef
from beespace.helpers.protos.groups import RAW_TP, TRACING, Protos, is_sleepable
from beespace.subsys.tracing.testrun import bpf_prog_test_run_raw_tp
from beespace.uapi.bpf import (
    BPF_PROG_TYPE_KPROBE,
    BPF_PROG_TYPE_PERF_EVENT,
    BPF_PROG_TYPE_RAW_TRACEPOINT,
    BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
    BPF_PROG_TYPE_TRACEPOINT,
    BPF_TRACE_KPROBE_MULTI,
    BPF_TRACE_KPROBE_SESSION,
    BPF_TRACE_UPROBE_MULTI,
    BPF_TRACE_UPROBE_SESSION,
    PTR_TO_TP_BUFFER,
)

__all__ = ["PROG_TYPES"]

PT_REGS_SIZE = 168  # bytes of struct pt_regs, x86-64
PERF_MAX_TRACE_SIZE = 8192
MAX_BPF_FUNC_ARGS = 12

SLEEPABLE = frozenset({"sleepable"})
_KPROBE_MULTI = frozenset({BPF_TRACE_KPROBE_MULTI, BPF_TRACE_KPROBE_SESSION})
_UPROBE_MULTI = frozenset({BPF_TRACE_UPROBE_MULTI, BPF_TRACE_UPROBE_SESSION})


def _kprobe(sec: str, attach_type: int = 0, *flags: str) -> SectionDef:
    return SectionDef(sec, BPF_PROG_TYPE_KPROBE, attach_type, frozenset(flags))


def _words(name: str, off: int, size: int) -> CtxField:
    return CtxField(name, off, size, elem=8, kernel_off=off, kernel_size=8)


# fmt: off
# kernel/trace/bpf_trace.c:kprobe_prog_func_proto
_KPROBE: Protos = (
    "bpf_perf_event_output", "bpf_get_stackid", Allow("bpf_get_stack_sleepable", when=is_sleepable), "bpf_get_stack",
    "bpf_override_return",
    Allow("bpf_get_func_ip_kprobe_multi", attach_types=_KPROBE_MULTI),
    Allow("bpf_get_func_ip_uprobe_multi", attach_types=_UPROBE_MULTI), "bpf_get_func_ip_kprobe",
    Allow("bpf_get_attach_cookie_kmulti", attach_types=_KPROBE_MULTI),
    Allow("bpf_get_attach_cookie_umulti", attach_types=_UPROBE_MULTI), "bpf_get_attach_cookie_trace", *TRACING,
)

# kernel/trace/bpf_trace.c:tp_prog_func_proto
_TRACEPOINT: Protos = (
    "bpf_perf_event_output_tp", "bpf_get_stackid_tp", "bpf_get_stack_tp", "bpf_get_attach_cookie_trace", *TRACING,
)

# kernel/trace/bpf_trace.c:pe_prog_func_proto
_PERF_EVENT: Protos = (
    "bpf_perf_event_output_tp", "bpf_get_stackid_pe", "bpf_get_stack_pe", "bpf_perf_prog_read_value",
    "bpf_read_branch_records", "bpf_get_attach_cookie_pe", *TRACING,
)

_ARGS = _words("args", 0, 8 * MAX_BPF_FUNC_ARGS)

PROG_TYPES = (
    ProgType(
        BPF_PROG_TYPE_KPROBE, "kprobe", "bpf_user_pt_regs_t", "pt_regs", ctx_size=PT_REGS_SIZE,
        ctx_fields=(_words("regs", 0, PT_REGS_SIZE),),
        sections=(
            _kprobe("kprobe+"),
            _kprobe("uprobe+"),
            _kprobe("uprobe.s+", 0, "sleepable"),
            _kprobe("kretprobe+"),
            _kprobe("uretprobe+"),
            _kprobe("uretprobe.s+", 0, "sleepable"),
            _kprobe("kprobe.multi+", BPF_TRACE_KPROBE_MULTI),
            _kprobe("kretprobe.multi+", BPF_TRACE_KPROBE_MULTI),
            _kprobe("kprobe.session+", BPF_TRACE_KPROBE_SESSION),
            _kprobe("uprobe.multi+", BPF_TRACE_UPROBE_MULTI),
            _kprobe("uretprobe.multi+", BPF_TRACE_UPROBE_MULTI),
            _kprobe("uprobe.session+", BPF_TRACE_UPROBE_SESSION),
            _kprobe("uprobe.multi.s+", BPF_TRACE_UPROBE_MULTI, "sleepable"),
            _kprobe("uretprobe.multi.s+", BPF_TRACE_UPROBE_MULTI, "sleepable"),
            _kprobe("uprobe.session.s+", BPF_TRACE_UPROBE_SESSION, "sleepable"),
            _kprobe("ksyscall+"),
            _kprobe("kretsyscall+"),
            _kprobe("usdt+", 0, "usdt"),
            _kprobe("usdt.s+", 0, "usdt", "sleepable"),
        ),
        protos=_KPROBE,
        attach_types=(
            BPF_TRACE_KPROBE_MULTI, BPF_TRACE_KPROBE_SESSION, BPF_TRACE_UPROBE_MULTI, BPF_TRACE_UPROBE_SESSION,
        ),
        ret_ranges={BPF_TRACE_KPROBE_SESSION: (0, 1), BPF_TRACE_UPROBE_SESSION: (0, 1)},
        perfmon=True, sleepable="may", since="4.1", ref="kernel/trace/bpf_trace.c:kprobe_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_TRACEPOINT, "tracepoint", "__u64", "u64", ctx_size=PERF_MAX_TRACE_SIZE,
        ctx_fields=(_words("data", 8, PERF_MAX_TRACE_SIZE - 8),),
        sections=(SectionDef("tracepoint+", BPF_PROG_TYPE_TRACEPOINT), SectionDef("tp+", BPF_PROG_TYPE_TRACEPOINT)),
        protos=_TRACEPOINT, perfmon=True, since="4.7", ref="kernel/trace/bpf_trace.c:tracepoint_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_PERF_EVENT, "perf_event", "bpf_perf_event_data", "bpf_perf_event_data_kern",
        ctx_size=PT_REGS_SIZE + 16,
        ctx_fields=(
            CtxField("regs", 0, PT_REGS_SIZE, elem=8, narrow=False, kernel_off=0, kernel_size=8),
            _words("sample_period", PT_REGS_SIZE, 8),
            _words("addr", PT_REGS_SIZE + 8, 8),
        ),
        sections=(SectionDef("perf_event", BPF_PROG_TYPE_PERF_EVENT),),
        protos=_PERF_EVENT, perfmon=True, since="4.9", ref="kernel/trace/bpf_trace.c:perf_event_prog_ops",
    ),
    ProgType(
        BPF_PROG_TYPE_RAW_TRACEPOINT, "raw_tracepoint", "bpf_raw_tracepoint_args", "u64", ctx_kind="raw",
        ctx_size=8 * MAX_BPF_FUNC_ARGS, ctx_fields=(_ARGS,),
        sections=(
            SectionDef("raw_tracepoint+", BPF_PROG_TYPE_RAW_TRACEPOINT),
            SectionDef("raw_tp+", BPF_PROG_TYPE_RAW_TRACEPOINT),
        ),
        protos=RAW_TP, perfmon=True, since="4.17", ref="kernel/trace/bpf_trace.c:raw_tracepoint_prog_ops",
        test_run=bpf_prog_test_run_raw_tp,
    ),
    ProgType(
        BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, "raw_tracepoint_writable", "bpf_raw_tracepoint_args", "u64",
        ctx_kind="raw", ctx_size=8 * MAX_BPF_FUNC_ARGS,
        ctx_fields=(
            CtxField("args[0]", 0, 8, reg_type=PTR_TO_TP_BUFFER, narrow=False, kernel_off=0, kernel_size=8),
            _words("args[0]", 1, 7),  # only an access at its start is to the buffer
            _words("args", 8, 8 * (MAX_BPF_FUNC_ARGS - 1)),
        ),
        sections=(
            SectionDef("raw_tracepoint.w+", BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE),
            SectionDef("raw_tp.w+", BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE),
        ),
        protos=RAW_TP, perfmon=True, since="5.2", ref="kernel/trace/bpf_trace.c:raw_tracepoint_writable_prog_ops",
    ),
)
# fmt: on
