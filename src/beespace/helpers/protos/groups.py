"""Groups of helpers that several program types share, named after the ``*_func_proto()`` functions of the kernel.

Rows are tried in order, so a type's own rows stand before the group it falls back to.
"""

from beespace.decl import Allow, Program
from beespace.uapi.bpf import (
    BPF_CGROUP_INET4_GETPEERNAME,
    BPF_CGROUP_INET4_GETSOCKNAME,
    BPF_CGROUP_INET6_GETPEERNAME,
    BPF_CGROUP_INET6_GETSOCKNAME,
    BPF_CGROUP_INET_EGRESS,
    BPF_CGROUP_INET_INGRESS,
    BPF_CGROUP_SOCK_OPS,
    BPF_CGROUP_UDP4_RECVMSG,
    BPF_CGROUP_UDP6_RECVMSG,
    BPF_CGROUP_UNIX_GETPEERNAME,
    BPF_CGROUP_UNIX_GETSOCKNAME,
    BPF_CGROUP_UNIX_RECVMSG,
    BPF_F_SLEEPABLE,
    BPF_LSM_MAC,
    BPF_MODIFY_RETURN,
    BPF_PROG_TYPE_KPROBE,
    BPF_PROG_TYPE_LSM,
    BPF_PROG_TYPE_PERF_EVENT,
    BPF_PROG_TYPE_RAW_TRACEPOINT,
    BPF_PROG_TYPE_TRACEPOINT,
    BPF_PROG_TYPE_TRACING,
    BPF_TRACE_FENTRY,
    BPF_TRACE_FEXIT,
    BPF_TRACE_ITER,
    BPF_TRACE_RAW_TP,
)

__all__ = [
    "BASE",
    "CGROUP_COMMON",
    "RAW_TP",
    "SK_BASE",
    "TRACING",
    "TRACING_PROG",
    "Protos",
    "bpf_prog_check_recur",
    "bpf_prog_has_trampoline",
    "is_sleepable",
    "rows",
]


Protos = tuple[str | Allow, ...]


def rows(*protos: str, **condition: object) -> tuple[Allow, ...]:
    """Allow rows for *protos* under one condition (fields of Allow)."""
    return tuple(Allow(proto, **condition) for proto in protos)  # type: ignore[arg-type]  # fields of Allow


def is_sleepable(prog: Program) -> bool:
    """``prog->sleepable``."""
    return bool(prog.prog_flags & BPF_F_SLEEPABLE)


def bpf_prog_has_trampoline(prog: Program) -> bool:
    """Whether the program runs from a trampoline, which stores arguments and return value.

    :see: kernel/bpf/trampoline.c:bpf_prog_has_trampoline
    """
    match prog.prog_type:
        case t if t == BPF_PROG_TYPE_TRACING:
            return prog.expected_attach_type in (BPF_TRACE_FENTRY, BPF_TRACE_FEXIT, BPF_MODIFY_RETURN)
        case t if t == BPF_PROG_TYPE_LSM:
            return prog.expected_attach_type == BPF_LSM_MAC
        case _:
            return False


def bpf_prog_check_recur(prog: Program) -> bool:
    """Whether the kernel refuses to run the program within itself on a CPU.

    :see: include/linux/bpf_verifier.h:bpf_prog_check_recur
    """
    if prog.prog_type == BPF_PROG_TYPE_TRACING:
        return prog.expected_attach_type != BPF_TRACE_ITER
    return prog.prog_type in (
        BPF_PROG_TYPE_KPROBE,
        BPF_PROG_TYPE_TRACEPOINT,
        BPF_PROG_TYPE_PERF_EVENT,
        BPF_PROG_TYPE_RAW_TRACEPOINT,
    )


# fmt: off
# kernel/bpf/helpers.c:bpf_base_func_proto
BASE: Protos = (
    "bpf_map_lookup_elem", "bpf_map_update_elem", "bpf_map_delete_elem", "bpf_map_push_elem", "bpf_map_pop_elem",
    "bpf_map_peek_elem", "bpf_map_lookup_percpu_elem", "bpf_get_prandom_u32", "bpf_get_raw_smp_processor_id",
    "bpf_get_numa_node_id", "bpf_tail_call", "bpf_ktime_get_ns", "bpf_ktime_get_boot_ns", "bpf_ktime_get_tai_ns",
    "bpf_ringbuf_output", "bpf_ringbuf_reserve", "bpf_ringbuf_submit", "bpf_ringbuf_discard", "bpf_ringbuf_query",
    "bpf_strncmp", "bpf_strtol", "bpf_strtoul", "bpf_get_current_pid_tgid", "bpf_get_ns_current_pid_tgid",
    "bpf_get_current_uid_gid",
    *rows(
        "bpf_spin_lock", "bpf_spin_unlock", "bpf_jiffies64", "bpf_per_cpu_ptr", "bpf_this_cpu_ptr", "bpf_timer_init",
        "bpf_timer_set_callback", "bpf_timer_start", "bpf_timer_cancel", "bpf_kptr_xchg", "bpf_for_each_map_elem",
        "bpf_loop", "bpf_user_ringbuf_drain", "bpf_ringbuf_reserve_dynptr", "bpf_ringbuf_submit_dynptr",
        "bpf_ringbuf_discard_dynptr", "bpf_dynptr_from_mem", "bpf_dynptr_read", "bpf_dynptr_write", "bpf_dynptr_data",
        "bpf_cgrp_storage_get", "bpf_cgrp_storage_delete", "bpf_get_current_cgroup_id",
        "bpf_get_current_ancestor_cgroup_id", "bpf_current_task_under_cgroup", "bpf_get_cgroup_classid_curr",
        caps=("bpf",),
    ),
    *rows(
        "bpf_task_storage_get_recur", "bpf_task_storage_delete_recur",
        caps=("bpf",), when=bpf_prog_check_recur,
    ),
    *rows("bpf_task_storage_get", "bpf_task_storage_delete", caps=("bpf",)),
    *rows(
        "bpf_trace_printk", "bpf_get_current_task", "bpf_get_current_task_btf", "bpf_get_current_comm",
        "bpf_probe_read_user", "bpf_probe_read_kernel", "bpf_probe_read_user_str", "bpf_probe_read_kernel_str",
        "bpf_snprintf_btf", "bpf_snprintf", "bpf_task_pt_regs", "bpf_trace_vprintk", "bpf_perf_event_read",
        "bpf_perf_event_read_value", "bpf_send_signal", "bpf_send_signal_thread", "bpf_get_branch_snapshot",
        "bpf_find_vma", "bpf_copy_from_user", "bpf_copy_from_user_task",
        caps=("bpf", "perfmon"),
    ),
    Allow("bpf_get_task_stack_sleepable", caps=("bpf", "perfmon"), when=is_sleepable),
    Allow("bpf_get_task_stack", caps=("bpf", "perfmon")),
)

# net/core/filter.c:bpf_sk_base_func_proto
SK_BASE: Protos = (
    *rows(
        "bpf_skc_to_tcp6_sock", "bpf_skc_to_tcp_sock", "bpf_skc_to_tcp_timewait_sock", "bpf_skc_to_tcp_request_sock",
        "bpf_skc_to_udp6_sock", "bpf_skc_to_unix_sock", "bpf_skc_to_mptcp_sock",
        caps=("perfmon",),
    ),
    "bpf_ktime_get_coarse_ns", *BASE,
)

_WITHOUT_RETVAL = {
    BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_SOCK_OPS, BPF_CGROUP_UDP4_RECVMSG,
    BPF_CGROUP_UDP6_RECVMSG, BPF_CGROUP_UNIX_RECVMSG, BPF_CGROUP_INET4_GETPEERNAME, BPF_CGROUP_INET6_GETPEERNAME,
    BPF_CGROUP_UNIX_GETPEERNAME, BPF_CGROUP_INET4_GETSOCKNAME, BPF_CGROUP_INET6_GETSOCKNAME,
    BPF_CGROUP_UNIX_GETSOCKNAME,
}
# fmt: on


def _has_retval(prog: Program) -> bool:
    return prog.expected_attach_type not in _WITHOUT_RETVAL


# fmt: off
# kernel/bpf/cgroup.c:cgroup_common_func_proto
CGROUP_COMMON: Protos = (
    "bpf_get_local_storage", *rows("bpf_get_retval", "bpf_set_retval", when=_has_retval),
)

# kernel/trace/bpf_trace.c:bpf_tracing_func_proto
TRACING: Protos = (
    "bpf_get_smp_processor_id", "bpf_get_func_ip_tracing", "bpf_probe_read_compat", "bpf_probe_read_compat_str",
    *BASE, Allow("bpf_probe_write_user", caps=("sys_admin",)),
)

_RAW_TP_OUTPUT = ("bpf_perf_event_output_raw_tp", "bpf_get_stackid_raw_tp", "bpf_get_stack_raw_tp")

# kernel/trace/bpf_trace.c:raw_tp_prog_func_proto
RAW_TP: Protos = (
    *_RAW_TP_OUTPUT, "bpf_get_attach_cookie_tracing", *TRACING,
)
# fmt: on


def _has_cookie(prog: Program) -> bool:
    if prog.prog_type == BPF_PROG_TYPE_TRACING and prog.expected_attach_type == BPF_TRACE_RAW_TP:
        return True
    return bpf_prog_has_trampoline(prog)


# fmt: off
# kernel/trace/bpf_trace.c:tracing_prog_func_proto
TRACING_PROG: Protos = (
    "bpf_skb_output", "bpf_xdp_output", "bpf_skc_to_tcp6_sock", "bpf_skc_to_tcp_sock", "bpf_skc_to_tcp_timewait_sock",
    "bpf_skc_to_tcp_request_sock", "bpf_skc_to_udp6_sock", "bpf_skc_to_unix_sock", "bpf_skc_to_mptcp_sock",
    "bpf_sk_storage_get_tracing", "bpf_sk_storage_delete_tracing", "bpf_sock_from_file", "bpf_get_socket_ptr_cookie",
    "bpf_xdp_get_buff_len_trace",
    *rows("bpf_seq_printf", "bpf_seq_write", "bpf_seq_printf_btf", attach_types=frozenset({BPF_TRACE_ITER})),
    "bpf_d_path",
    *rows("bpf_get_func_arg", "bpf_get_func_ret", "bpf_get_func_arg_cnt", when=bpf_prog_has_trampoline),
    Allow("bpf_get_attach_cookie_tracing", when=_has_cookie),
    *_RAW_TP_OUTPUT, *TRACING,
)
# fmt: on
