"""Helpers of kernel/bpf/helpers.c: what every program may ask.

Contracts as of Linux 6.18 (``tools/check_helpers.py`` compares them with the running kernel).
"""

from beespace.decl import declare
from beespace.uapi.bpf import (
    ARG_ANYTHING,
    ARG_CONST_MAP_PTR,
    ARG_CONST_SIZE,
    ARG_CONST_SIZE_OR_ZERO,
    ARG_PTR_TO_BTF_ID,
    ARG_PTR_TO_CONST_STR,
    ARG_PTR_TO_CTX,
    ARG_PTR_TO_MEM,
    ARG_PTR_TO_MEM_OR_NULL,
    ARG_PTR_TO_PERCPU_BTF_ID,
    BPF_MAP_TYPE_CGROUP_ARRAY,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    MEM_ALIGNED,
    MEM_FIXED_SIZE,
    MEM_RDONLY,
    MEM_UNINIT,
    MEM_WRITE,
    PTR_MAYBE_NULL,
    RET_INTEGER,
    RET_PTR_TO_MEM_OR_BTF_ID,
    BPF_FUNC_get_smp_processor_id,
    BPF_FUNC_perf_event_output,
)

__all__ = ["PROTOS"]

# fmt: off
PROTOS = (
    declare(
        "u32 bpf_get_prandom_u32(void)",
        RET_INTEGER,
        since="4.1", ref="kernel/bpf/helpers.c:bpf_user_rnd_u32",
    ),
    declare(
        "u32 bpf_get_smp_processor_id(void)",
        RET_INTEGER,
        allow_fastcall=True, since="4.1", ref="kernel/bpf/helpers.c:bpf_get_smp_processor_id",
    ),
    declare(
        "long bpf_get_numa_node_id(void)",
        RET_INTEGER,
        since="4.10", ref="kernel/bpf/helpers.c:bpf_get_numa_node_id",
    ),
    declare(
        "u64 bpf_ktime_get_ns(void)",
        RET_INTEGER,
        since="4.1", ref="kernel/bpf/helpers.c:bpf_ktime_get_ns",
    ),
    declare(
        "u64 bpf_ktime_get_boot_ns(void)",
        RET_INTEGER,
        since="5.8", ref="kernel/bpf/helpers.c:bpf_ktime_get_boot_ns",
    ),
    declare(
        "u64 bpf_ktime_get_coarse_ns(void)",
        RET_INTEGER,
        since="5.11", ref="kernel/bpf/helpers.c:bpf_ktime_get_coarse_ns",
    ),
    declare(
        "u64 bpf_ktime_get_tai_ns(void)",
        RET_INTEGER,
        since="6.1", ref="kernel/bpf/helpers.c:bpf_ktime_get_tai_ns",
    ),
    declare(
        "u64 bpf_get_current_pid_tgid(void)",
        RET_INTEGER,
        since="4.2", ref="kernel/bpf/helpers.c:bpf_get_current_pid_tgid",
    ),
    declare(
        "u64 bpf_get_current_uid_gid(void)",
        RET_INTEGER,
        since="4.2", ref="kernel/bpf/helpers.c:bpf_get_current_uid_gid",
    ),
    declare(
        "long bpf_get_current_comm(char *buf, u32 size)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        since="4.2", ref="kernel/bpf/helpers.c:bpf_get_current_comm",
    ),
    declare(
        "u64 bpf_jiffies64(void)",
        RET_INTEGER,
        since="5.6", ref="kernel/bpf/helpers.c:bpf_jiffies64",
    ),
    declare(
        "u64 bpf_get_current_cgroup_id(void)",
        RET_INTEGER,
        since="4.18", ref="kernel/bpf/helpers.c:bpf_get_current_cgroup_id",
    ),
    declare(
        "u64 bpf_get_current_ancestor_cgroup_id(int ancestor_level)",
        RET_INTEGER, ARG_ANYTHING,
        since="5.7", ref="kernel/bpf/helpers.c:bpf_get_current_ancestor_cgroup_id",
    ),
    declare(
        "long bpf_strtol(const char *buf, size_t buf_len, u64 flags, s64 *res)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_ANYTHING,
        ARG_PTR_TO_MEM | MEM_UNINIT | MEM_FIXED_SIZE | MEM_ALIGNED | MEM_WRITE,
        arg_sizes=(0, 0, 0, 8), since="5.2", ref="kernel/bpf/helpers.c:bpf_strtol",
    ),
    declare(
        "long bpf_strtoul(const char *buf, size_t buf_len, u64 flags, u64 *res)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_ANYTHING,
        ARG_PTR_TO_MEM | MEM_UNINIT | MEM_FIXED_SIZE | MEM_ALIGNED | MEM_WRITE,
        arg_sizes=(0, 0, 0, 8), since="5.2", ref="kernel/bpf/helpers.c:bpf_strtoul",
    ),
    declare(
        "long bpf_strncmp(const char *s1, u32 s1_sz, const char *s2)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_RDONLY, ARG_CONST_SIZE, ARG_PTR_TO_CONST_STR,
        since="5.17", ref="kernel/bpf/helpers.c:bpf_strncmp",
    ),
    declare(
        "long bpf_get_ns_current_pid_tgid(u64 dev, u64 ino, struct bpf_pidns_info *nsdata, u32 size)",
        RET_INTEGER, ARG_ANYTHING, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE,
        since="5.7", ref="kernel/bpf/helpers.c:bpf_get_ns_current_pid_tgid",
    ),
    declare(
        "u32 bpf_get_raw_smp_processor_id(void)",
        RET_INTEGER,
        func_id=BPF_FUNC_get_smp_processor_id, since="4.1", ref="kernel/bpf/helpers.c:bpf_get_raw_cpu_id",
    ),
    declare(
        "long bpf_event_output_data(void *ctx, struct bpf_map *map, u64 flags, void *data, u64 size)",
        RET_INTEGER, ARG_PTR_TO_CTX, ARG_CONST_MAP_PTR, ARG_ANYTHING, ARG_PTR_TO_MEM | MEM_RDONLY,
        ARG_CONST_SIZE_OR_ZERO,
        func_id=BPF_FUNC_perf_event_output, gpl_only=True, only_map_types={BPF_MAP_TYPE_PERF_EVENT_ARRAY},
        since="4.4", ref="kernel/bpf/helpers.c:bpf_event_output_data",
    ),
    declare(
        "long bpf_copy_from_user(void *dst, u32 size, const void *user_ptr)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING,
        might_sleep=True, since="5.10", ref="kernel/bpf/helpers.c:bpf_copy_from_user",
    ),
    declare(
        "long bpf_copy_from_user_task(void *dst, u32 size, const void *user_ptr, struct task_struct *tsk, u64 flags)",
        RET_INTEGER, ARG_PTR_TO_MEM | MEM_UNINIT | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_ANYTHING, ARG_PTR_TO_BTF_ID,
        ARG_ANYTHING,
        arg_btf_ids=(None, None, None, "task_struct", None), gpl_only=True, might_sleep=True,
        since="5.18", ref="kernel/bpf/helpers.c:bpf_copy_from_user_task",
    ),
    declare(
        "void *bpf_per_cpu_ptr(const void *ptr, u32 cpu)",
        RET_PTR_TO_MEM_OR_BTF_ID | PTR_MAYBE_NULL | MEM_RDONLY, ARG_PTR_TO_PERCPU_BTF_ID, ARG_ANYTHING,
        since="5.10", ref="kernel/bpf/helpers.c:bpf_per_cpu_ptr",
    ),
    declare(
        "void *bpf_this_cpu_ptr(const void *percpu_ptr)",
        RET_PTR_TO_MEM_OR_BTF_ID | MEM_RDONLY, ARG_PTR_TO_PERCPU_BTF_ID,
        since="5.10", ref="kernel/bpf/helpers.c:bpf_this_cpu_ptr",
    ),
    declare(
        "long bpf_snprintf(char *str, u32 str_size, char *fmt, const void *args, u32 data_len)",
        RET_INTEGER, ARG_PTR_TO_MEM_OR_NULL | MEM_WRITE, ARG_CONST_SIZE_OR_ZERO, ARG_PTR_TO_CONST_STR,
        ARG_PTR_TO_MEM_OR_NULL | MEM_RDONLY, ARG_CONST_SIZE_OR_ZERO,
        gpl_only=True, since="5.13", ref="kernel/bpf/helpers.c:bpf_snprintf",
    ),
    declare(
        "long bpf_current_task_under_cgroup(struct bpf_map *map, u32 idx)",
        RET_INTEGER, ARG_CONST_MAP_PTR, ARG_ANYTHING,
        only_map_types={BPF_MAP_TYPE_CGROUP_ARRAY},
        since="4.9", ref="kernel/bpf/helpers.c:bpf_current_task_under_cgroup",
    ),
)
# fmt: on
