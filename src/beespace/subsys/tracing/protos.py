"""Helpers of kernel/trace/bpf_trace.c, kernel/bpf/{stackmap,bpf_lsm}.c, drivers/media/rc/bpf-lirc.c.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import Program, declare
from beespace.subsys.tracing.attach_rules import RULES
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE,
    ARG_CONST_SIZE_OR_ZERO,
    ARG_DONTCARE,
    ARG_PTR_TO_BTF_ID,
    ARG_PTR_TO_CTX,
    ARG_PTR_TO_MEM,
    ARG_PTR_TO_MEM_OR_NULL,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    BPF_MAP_TYPE_STACK_TRACE,
    BPF_PROG_TYPE_LSM,
    BPF_PROG_TYPE_TRACING,
    BPF_TRACE_ITER,
    MEM_ALIGNED,
    MEM_FIXED_SIZE,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    RET_INTEGER,
    RET_PTR_TO_BTF_ID,
    RET_PTR_TO_BTF_ID_TRUSTED,
    BPF_FUNC_get_attach_cookie,
    BPF_FUNC_get_func_ip,
    BPF_FUNC_get_stack,
    BPF_FUNC_get_stackid,
    BPF_FUNC_get_task_stack,
    BPF_FUNC_perf_event_output,
    BPF_FUNC_probe_read,
    BPF_FUNC_probe_read_str,
)

__all__ = ["PROTOS"]


def _is_sleepable_lsm_hook(prog: Program) -> bool:
    return prog.attach_name in RULES.lsm_sleepable


def _bpf_d_path_allowed(prog: Program) -> bool:
    if prog.prog_type == BPF_PROG_TYPE_TRACING and prog.expected_attach_type == BPF_TRACE_ITER:
        return True
    if prog.prog_type == BPF_PROG_TYPE_LSM:
        return _is_sleepable_lsm_hook(prog)
    return prog.attach_name in RULES.d_path_allow


_bpf_ima_inode_hash_allowed = _is_sleepable_lsm_hook
# LOCKDOWN_BPF_READ_KERNEL, LOCKDOWN_BPF_WRITE_USER: what a kernel that is locked down from its start forbids
_MAY_READ = ("!CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",)
_NOT_LOCKED_DOWN = (*_MAY_READ, "!CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY")

# fmt: off
PROTOS = (
    declare(
        "long bpf_override_return(struct pt_regs *regs, unsigned long rc)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        gpl_only=True, since="4.16", config=("CONFIG_BPF_KPROBE_OVERRIDE",),
        ref="kernel/trace/bpf_trace.c:bpf_override_return",
    ),
    declare(
        "long bpf_probe_read_user(void *dst, u32 size, const void *unsafe_ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        gpl_only=True, since="5.5", ref="kernel/trace/bpf_trace.c:bpf_probe_read_user",
    ),
    declare(
        "long bpf_probe_read_user_str(void *dst, u32 size, const void *unsafe_ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        gpl_only=True, since="5.5", ref="kernel/trace/bpf_trace.c:bpf_probe_read_user_str",
    ),
    declare(
        "long bpf_probe_read_kernel(void *dst, u32 size, const void *unsafe_ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        gpl_only=True, since="5.5", config=_MAY_READ, ref="kernel/trace/bpf_trace.c:bpf_probe_read_kernel",
    ),
    declare(
        "long bpf_probe_read_kernel_str(void *dst, u32 size, const void *unsafe_ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        gpl_only=True, since="5.5", config=_MAY_READ, ref="kernel/trace/bpf_trace.c:bpf_probe_read_kernel_str",
    ),
    declare(
        "long bpf_probe_read_compat(void *dst, u32 size, const void *unsafe_ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        func_id=BPF_FUNC_probe_read, gpl_only=True, since="4.1", config=_MAY_READ,
        ref="kernel/trace/bpf_trace.c:bpf_probe_read_compat",
    ),
    declare(
        "long bpf_probe_read_compat_str(void *dst, u32 size, const void *unsafe_ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        func_id=BPF_FUNC_probe_read_str, gpl_only=True,
        since="4.11", config=_MAY_READ, ref="kernel/trace/bpf_trace.c:bpf_probe_read_compat_str",
    ),
    declare(
        "long bpf_probe_write_user(void *unsafe_ptr, const void *src, u32 size)",
        RET_INTEGER, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        gpl_only=True, since="4.8", config=_NOT_LOCKED_DOWN, ref="kernel/trace/bpf_trace.c:bpf_probe_write_user",
    ),
    declare(
        "long bpf_trace_printk(char *fmt, u32 fmt_size, ...)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        gpl_only=True, since="4.1", ref="kernel/trace/bpf_trace.c:bpf_trace_printk",
    ),
    declare(
        "long bpf_trace_vprintk(char *fmt, u32 fmt_size, const void *args, u32 data_len)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_PTR_TO_MEM_OR_NULL | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        gpl_only=True, since="5.16", ref="kernel/trace/bpf_trace.c:bpf_trace_vprintk",
    ),
    declare(
        "long bpf_seq_printf(struct seq_file *m, char *fmt, u32 fmt_size, const void *args, u32 data_len)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        ARG_PTR_TO_MEM_OR_NULL | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO,
        arg_btf_ids=("seq_file", None, None, None, None), gpl_only=True,
        since="5.8", ref="kernel/trace/bpf_trace.c:bpf_seq_printf",
    ),
    declare(
        "long bpf_seq_write(struct seq_file *m, const void *data, u32 len)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO,
        arg_btf_ids=("seq_file", None, None), gpl_only=True, since="5.8", ref="kernel/trace/bpf_trace.c:bpf_seq_write",
    ),
    declare(
        "long bpf_seq_printf_btf(struct seq_file *m, struct btf_ptr *ptr, u32 btf_ptr_size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        arg_btf_ids=("seq_file", None, None, None), gpl_only=True,
        since="5.10", ref="kernel/trace/bpf_trace.c:bpf_seq_printf_btf",
    ),
    declare(
        "u64 bpf_perf_event_read(struct bpf_map *map, u64 flags)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.3", ref="kernel/trace/bpf_trace.c:bpf_perf_event_read",
    ),
    declare(
        "long bpf_perf_event_read_value(struct bpf_map *map, u64 flags, struct bpf_perf_event_value *buf, u32 size)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.15", ref="kernel/trace/bpf_trace.c:bpf_perf_event_read_value",
    ),
    declare(
        "long bpf_perf_event_output(struct pt_regs *regs, struct bpf_map *map, u64 flags, void *data, u64 size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.4", ref="kernel/trace/bpf_trace.c:bpf_perf_event_output",
    ),
    declare(
        "u64 bpf_get_current_task(void)",
        RET_INTEGER,
        gpl_only=True, since="4.8", ref="kernel/trace/bpf_trace.c:bpf_get_current_task",
    ),
    declare(
        "struct task_struct *bpf_get_current_task_btf(void)",
        RET_PTR_TO_BTF_ID_TRUSTED,
        ret_btf_id="task_struct", gpl_only=True, since="5.11", ref="kernel/trace/bpf_trace.c:bpf_get_current_task_btf",
    ),
    declare(
        "long bpf_task_pt_regs(struct task_struct *task)",
        RET_PTR_TO_BTF_ID, ARG_PTR_TO_BTF_ID,
        arg_btf_ids=("task_struct",), ret_btf_id="pt_regs", gpl_only=True,
        since="5.15", ref="kernel/trace/bpf_trace.c:bpf_task_pt_regs",
    ),
    declare(
        "long bpf_send_signal(u32 sig)",
        RET_INTEGER, ARG_ANYTHING,
        since="5.3", ref="kernel/trace/bpf_trace.c:bpf_send_signal",
    ),
    declare(
        "long bpf_send_signal_thread(u32 sig)",
        RET_INTEGER, ARG_ANYTHING,
        since="5.6", ref="kernel/trace/bpf_trace.c:bpf_send_signal_thread",
    ),
    declare(
        "long bpf_d_path(struct path *path, char *buf, u32 sz)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO,
        arg_btf_ids=("path", None, None), allowed=_bpf_d_path_allowed,
        since="5.10", ref="kernel/trace/bpf_trace.c:bpf_d_path",
    ),
    declare(
        "long bpf_snprintf_btf(char *str, u32 str_size, struct btf_ptr *ptr, u32 btf_ptr_size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_WRITE, ARG_CONST_SIZE, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE,
        ARG_ANYTHING,
        since="5.10", ref="kernel/trace/bpf_trace.c:bpf_snprintf_btf",
    ),
    declare(
        "u64 bpf_get_func_ip_tracing(void *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_func_ip, gpl_only=True,
        since="5.15", ref="kernel/trace/bpf_trace.c:bpf_get_func_ip_tracing",
    ),
    declare(
        "u64 bpf_get_func_ip_kprobe(struct pt_regs *regs)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_func_ip, gpl_only=True,
        since="5.15", ref="kernel/trace/bpf_trace.c:bpf_get_func_ip_kprobe",
    ),
    declare(
        "u64 bpf_get_func_ip_kprobe_multi(struct pt_regs *regs)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_func_ip, since="5.18", ref="kernel/trace/bpf_trace.c:bpf_get_func_ip_kprobe_multi",
    ),
    declare(
        "u64 bpf_get_attach_cookie_kmulti(struct pt_regs *regs)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_attach_cookie,
        since="5.18", ref="kernel/trace/bpf_trace.c:bpf_get_attach_cookie_kprobe_multi",
    ),
    declare(
        "u64 bpf_get_func_ip_uprobe_multi(struct pt_regs *regs)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_func_ip, since="6.6", ref="kernel/trace/bpf_trace.c:bpf_get_func_ip_uprobe_multi",
    ),
    declare(
        "u64 bpf_get_attach_cookie_umulti(struct pt_regs *regs)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_attach_cookie,
        since="6.6", ref="kernel/trace/bpf_trace.c:bpf_get_attach_cookie_uprobe_multi",
    ),
    declare(
        "u64 bpf_get_attach_cookie_trace(void *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_attach_cookie, since="5.15", ref="kernel/trace/bpf_trace.c:bpf_get_attach_cookie_trace",
    ),
    declare(
        "u64 bpf_get_attach_cookie_pe(struct bpf_perf_event_data_kern *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_attach_cookie, since="5.15", ref="kernel/trace/bpf_trace.c:bpf_get_attach_cookie_pe",
    ),
    declare(
        "u64 bpf_get_attach_cookie_tracing(void *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        func_id=BPF_FUNC_get_attach_cookie, since="5.19", ref="kernel/trace/bpf_trace.c:bpf_get_attach_cookie_tracing",
    ),
    declare(
        "long bpf_get_branch_snapshot(void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_DONTCARE,
        gpl_only=True, since="5.16", ref="kernel/trace/bpf_trace.c:bpf_get_branch_snapshot",
    ),
    declare(
        "long bpf_get_func_arg(void *ctx, u32 n, u64 *value)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING,
        ARG_PTR_TO_MEM | MEM_UNINIT | MEM_FIXED_SIZE | MEM_ALIGNED | MEM_WRITE,
        arg_sizes=(0, 0, 8), since="5.17", ref="kernel/trace/bpf_trace.c:get_func_arg",
    ),
    declare(
        "long bpf_get_func_ret(void *ctx, u64 *value)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_FIXED_SIZE | MEM_ALIGNED | MEM_WRITE,
        arg_sizes=(0, 8), since="5.17", ref="kernel/trace/bpf_trace.c:get_func_ret",
    ),
    declare(
        "long bpf_get_func_arg_cnt(void *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="5.17", ref="kernel/trace/bpf_trace.c:get_func_arg_cnt",
    ),
    declare(
        "long bpf_perf_event_output_tp(void *tp_buff, struct bpf_map *map, u64 flags, void *data, u64 size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        func_id=BPF_FUNC_perf_event_output, gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.4", ref="kernel/trace/bpf_trace.c:bpf_perf_event_output_tp",
    ),
    declare(
        "long bpf_get_stackid_tp(void *tp_buff, struct bpf_map *map, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        func_id=BPF_FUNC_get_stackid, gpl_only=True, only_map_types={BPF_MAP_TYPE_STACK_TRACE},
        since="4.6", ref="kernel/trace/bpf_trace.c:bpf_get_stackid_tp",
    ),
    declare(
        "long bpf_get_stack_tp(void *tp_buff, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        func_id=BPF_FUNC_get_stack, gpl_only=True, since="4.18", ref="kernel/trace/bpf_trace.c:bpf_get_stack_tp",
    ),
    declare(
        "long bpf_perf_prog_read_value(struct bpf_perf_event_data_kern *ctx, struct bpf_perf_event_value *buf, "
        "u32 size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        gpl_only=True, since="4.15", ref="kernel/trace/bpf_trace.c:bpf_perf_prog_read_value",
    ),
    declare(
        "long bpf_read_branch_records(struct bpf_perf_event_data_kern *ctx, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM_OR_NULL | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        gpl_only=True, since="5.6", ref="kernel/trace/bpf_trace.c:bpf_read_branch_records",
    ),
    declare(
        "long bpf_perf_event_output_raw_tp(struct bpf_raw_tracepoint_args *args, struct bpf_map *map, u64 flags, "
        "void *data, u64 size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        func_id=BPF_FUNC_perf_event_output, gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.4", ref="kernel/trace/bpf_trace.c:bpf_perf_event_output_raw_tp",
    ),
    declare(
        "long bpf_get_stackid_raw_tp(struct bpf_raw_tracepoint_args *args, struct bpf_map *map, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        func_id=BPF_FUNC_get_stackid, gpl_only=True, only_map_types={BPF_MAP_TYPE_STACK_TRACE},
        since="4.6", ref="kernel/trace/bpf_trace.c:bpf_get_stackid_raw_tp",
    ),
    declare(
        "long bpf_get_stack_raw_tp(struct bpf_raw_tracepoint_args *args, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        func_id=BPF_FUNC_get_stack, gpl_only=True, since="4.18", ref="kernel/trace/bpf_trace.c:bpf_get_stack_raw_tp",
    ),
    declare(
        "long bpf_get_stackid(struct pt_regs *regs, struct bpf_map *map, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        gpl_only=True, only_map_types={BPF_MAP_TYPE_STACK_TRACE},
        since="4.6", ref="kernel/bpf/stackmap.c:bpf_get_stackid",
    ),
    declare(
        "long bpf_get_stackid_pe(struct bpf_perf_event_data_kern *ctx, struct bpf_map *map, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        func_id=BPF_FUNC_get_stackid, only_map_types={BPF_MAP_TYPE_STACK_TRACE},
        since="4.6", ref="kernel/bpf/stackmap.c:bpf_get_stackid_pe",
    ),
    declare(
        "long bpf_get_stack(struct pt_regs *regs, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        gpl_only=True, since="4.18", ref="kernel/bpf/stackmap.c:bpf_get_stack",
    ),
    declare(
        "long bpf_get_stack_sleepable(struct pt_regs *regs, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        func_id=BPF_FUNC_get_stack, gpl_only=True, since="6.12", ref="kernel/bpf/stackmap.c:bpf_get_stack_sleepable",
    ),
    declare(
        "long bpf_get_task_stack(struct task_struct *task, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        arg_btf_ids=("task_struct", None, None, None), since="5.9", ref="kernel/bpf/stackmap.c:bpf_get_task_stack",
    ),
    declare(
        "long bpf_get_task_stack_sleepable(struct task_struct *task, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        func_id=BPF_FUNC_get_task_stack, arg_btf_ids=("task_struct", None, None, None),
        since="6.12", ref="kernel/bpf/stackmap.c:bpf_get_task_stack_sleepable",
    ),
    declare(
        "long bpf_get_stack_pe(struct bpf_perf_event_data_kern *ctx, void *buf, u32 size, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        func_id=BPF_FUNC_get_stack, gpl_only=True, since="4.18", ref="kernel/bpf/stackmap.c:bpf_get_stack_pe",
    ),
    declare(
        "long bpf_bprm_opts_set(struct linux_binprm *bprm, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_ANYTHING,
        arg_btf_ids=("linux_binprm", None), since="5.11", ref="kernel/bpf/bpf_lsm.c:bpf_bprm_opts_set",
    ),
    declare(
        "long bpf_ima_inode_hash(struct inode *inode, void *dst, u32 size)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        arg_btf_ids=("inode", None, None), might_sleep=True, allowed=_bpf_ima_inode_hash_allowed,
        since="5.11", ref="kernel/bpf/bpf_lsm.c:bpf_ima_inode_hash",
    ),
    declare(
        "long bpf_ima_file_hash(struct file *file, void *dst, u32 size)",
        RET_INTEGER, ARG_PTR_TO_BTF_ID, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        arg_btf_ids=("file", None, None), might_sleep=True, allowed=_bpf_ima_inode_hash_allowed,
        since="5.18", ref="kernel/bpf/bpf_lsm.c:bpf_ima_file_hash",
    ),
    declare(
        "u64 bpf_get_attach_cookie(void *ctx)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        since="5.15", ref="kernel/bpf/bpf_lsm.c:bpf_get_attach_cookie",
    ),
    declare(
        "long bpf_rc_repeat(u32 *sample)",
        RET_INTEGER, ARG_PTR_TO_CTX,
        gpl_only=True, since="4.18", ref="drivers/media/rc/bpf-lirc.c:bpf_rc_repeat",
    ),
    declare(
        "long bpf_rc_keydown(u32 *sample, u32 protocol, u64 scancode, u32 toggle)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING,
        gpl_only=True, since="4.18", ref="drivers/media/rc/bpf-lirc.c:bpf_rc_keydown",
    ),
    declare(
        "long bpf_rc_pointer_rel(u32 *sample, s32 rel_x, s32 rel_y)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_ANYTHING, ARG_ANYTHING,
        gpl_only=True, since="5.0", ref="drivers/media/rc/bpf-lirc.c:bpf_rc_pointer_rel",
    ),
)
# fmt: on
