"""Kfuncs of sched_ext as of Linux 6.18, and the operations that may call each group.

Not compared with a running kernel: the reference machine's is built without CONFIG_SCHED_CLASS_EXT.

:see: kernel/sched/ext.c:scx_kfunc_context_filter, kernel/sched/ext_idle.c
"""

from beespace.decl import KfuncSet, declare_kfunc
from beespace.helpers.protos.hooks import HOOK_STRUCT_OPS, HOOK_SYSCALL, HOOK_TRACING
from beespace.uapi.bpf import (
    KF_ACQUIRE,
    KF_ITER_DESTROY,
    KF_ITER_NEW,
    KF_ITER_NEXT,
    KF_RCU,
    KF_RCU_PROTECTED,
    KF_RELEASE,
    KF_RET_NULL,
    KF_SLEEPABLE,
    KF_TRUSTED_ARGS,
)

__all__ = ["KFUNC_SETS", "PROTOS"]

# fmt: off
PROTOS = (
    # kernel/sched/ext_idle.c
    declare_kfunc(
        "s32 scx_bpf_select_cpu_dfl(struct task_struct *p, s32 prev_cpu, u64 wake_flags, bool *is_idle)"
    ),
    declare_kfunc(
        "s32 scx_bpf_select_cpu_and(struct task_struct *p, s32 prev_cpu, u64 wake_flags, "
        "const struct cpumask *cpus_allowed, u64 flags)", "6.16",
    ),
    declare_kfunc("int scx_bpf_cpu_node(s32 cpu)", "6.15"),
    declare_kfunc("const struct cpumask *scx_bpf_get_idle_cpumask_node(int node)", "6.15"),
    declare_kfunc("const struct cpumask *scx_bpf_get_idle_cpumask(void)"),
    declare_kfunc("const struct cpumask *scx_bpf_get_idle_smtmask_node(int node)", "6.15"),
    declare_kfunc("const struct cpumask *scx_bpf_get_idle_smtmask(void)"),
    declare_kfunc("void scx_bpf_put_idle_cpumask(const struct cpumask *idle_mask)"),
    declare_kfunc("bool scx_bpf_test_and_clear_cpu_idle(s32 cpu)"),
    declare_kfunc("s32 scx_bpf_pick_idle_cpu_node(const struct cpumask *cpus_allowed, int node, u64 flags)", "6.15"),
    declare_kfunc("s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, u64 flags)"),
    declare_kfunc("s32 scx_bpf_pick_any_cpu_node(const struct cpumask *cpus_allowed, int node, u64 flags)", "6.15"),
    declare_kfunc("s32 scx_bpf_pick_any_cpu(const struct cpumask *cpus_allowed, u64 flags)"),
    # kernel/sched/ext.c
    declare_kfunc("void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags)", "6.13"),
    declare_kfunc(
        "void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime, u64 enq_flags)", "6.13",
    ),
    declare_kfunc("u32 scx_bpf_dispatch_nr_slots(void)"),
    declare_kfunc("void scx_bpf_dispatch_cancel(void)"),
    declare_kfunc("bool scx_bpf_dsq_move_to_local(u64 dsq_id)", "6.13"),
    declare_kfunc("void scx_bpf_dsq_move_set_slice(struct bpf_iter_scx_dsq *it__iter, u64 slice)", "6.13"),
    declare_kfunc("void scx_bpf_dsq_move_set_vtime(struct bpf_iter_scx_dsq *it__iter, u64 vtime)", "6.13"),
    declare_kfunc(
        "bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p, u64 dsq_id, u64 enq_flags)",
        "6.13",
    ),
    declare_kfunc(
        "bool scx_bpf_dsq_move_vtime(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p, u64 dsq_id, "
        "u64 enq_flags)", "6.13",
    ),
    declare_kfunc("u32 scx_bpf_reenqueue_local(void)"),
    declare_kfunc("s32 scx_bpf_create_dsq(u64 dsq_id, s32 node)"),
    declare_kfunc("void scx_bpf_kick_cpu(s32 cpu, u64 flags)"),
    declare_kfunc("s32 scx_bpf_dsq_nr_queued(u64 dsq_id)"),
    declare_kfunc("void scx_bpf_destroy_dsq(u64 dsq_id)"),
    declare_kfunc("int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, u64 dsq_id, u64 flags)"),
    declare_kfunc("struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it)"),
    declare_kfunc("void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it)"),
    declare_kfunc("void scx_bpf_exit_bstr(s64 exit_code, char *fmt, unsigned long long *data, u32 data__sz)"),
    declare_kfunc("void scx_bpf_error_bstr(char *fmt, unsigned long long *data, u32 data__sz)"),
    declare_kfunc("void scx_bpf_dump_bstr(char *fmt, unsigned long long *data, u32 data__sz)"),
    declare_kfunc("u32 scx_bpf_cpuperf_cap(s32 cpu)"),
    declare_kfunc("u32 scx_bpf_cpuperf_cur(s32 cpu)"),
    declare_kfunc("void scx_bpf_cpuperf_set(s32 cpu, u32 perf)"),
    declare_kfunc("u32 scx_bpf_nr_node_ids(void)", "6.15"),
    declare_kfunc("u32 scx_bpf_nr_cpu_ids(void)"),
    declare_kfunc("const struct cpumask *scx_bpf_get_possible_cpumask(void)"),
    declare_kfunc("const struct cpumask *scx_bpf_get_online_cpumask(void)"),
    declare_kfunc("void scx_bpf_put_cpumask(const struct cpumask *cpumask)"),
    declare_kfunc("bool scx_bpf_task_running(const struct task_struct *p)"),
    declare_kfunc("s32 scx_bpf_task_cpu(const struct task_struct *p)"),
    declare_kfunc("struct rq *scx_bpf_cpu_rq(s32 cpu)"),
    declare_kfunc("struct rq *scx_bpf_locked_rq(void)", "6.18"),
    declare_kfunc("struct task_struct *scx_bpf_cpu_curr(s32 cpu)", "6.18"),
    declare_kfunc("struct cgroup *scx_bpf_task_cgroup(struct task_struct *p)"),
    declare_kfunc("u64 scx_bpf_now(void)", "6.14"),
    declare_kfunc("void scx_bpf_events(struct scx_event_stats *events, size_t events__sz)", "6.15"),
)

_MOVE = {
    "scx_bpf_dsq_move_set_slice": KF_RCU,
    "scx_bpf_dsq_move_set_vtime": KF_RCU,
    "scx_bpf_dsq_move": KF_RCU,
    "scx_bpf_dsq_move_vtime": KF_RCU,
}

KFUNC_SETS = (
    KfuncSet(
        "scx_kfunc_ids_idle",
        HOOK_STRUCT_OPS | HOOK_TRACING | HOOK_SYSCALL,
        {
            "scx_bpf_cpu_node": 0,
            "scx_bpf_get_idle_cpumask_node": KF_ACQUIRE,
            "scx_bpf_get_idle_cpumask": KF_ACQUIRE,
            "scx_bpf_get_idle_smtmask_node": KF_ACQUIRE,
            "scx_bpf_get_idle_smtmask": KF_ACQUIRE,
            "scx_bpf_put_idle_cpumask": KF_RELEASE,
            "scx_bpf_test_and_clear_cpu_idle": 0,
            "scx_bpf_pick_idle_cpu_node": KF_RCU,
            "scx_bpf_pick_idle_cpu": KF_RCU,
            "scx_bpf_pick_any_cpu_node": KF_RCU,
            "scx_bpf_pick_any_cpu": KF_RCU,
            "scx_bpf_select_cpu_and": KF_RCU,
            "scx_bpf_select_cpu_dfl": KF_RCU,
        },
    ),
    KfuncSet(
        "scx_kfunc_ids_enqueue_dispatch",
        HOOK_STRUCT_OPS,
        {"scx_bpf_dsq_insert": KF_RCU, "scx_bpf_dsq_insert_vtime": KF_RCU},
    ),
    KfuncSet(
        "scx_kfunc_ids_dispatch",
        HOOK_STRUCT_OPS,
        {"scx_bpf_dispatch_nr_slots": 0, "scx_bpf_dispatch_cancel": 0, "scx_bpf_dsq_move_to_local": 0, **_MOVE},
    ),
    KfuncSet("scx_kfunc_ids_cpu_release", HOOK_STRUCT_OPS, {"scx_bpf_reenqueue_local": 0}),
    KfuncSet(
        "scx_kfunc_ids_unlocked",
        HOOK_STRUCT_OPS | HOOK_SYSCALL,
        {"scx_bpf_create_dsq": KF_SLEEPABLE, **_MOVE},
    ),
    KfuncSet(
        "scx_kfunc_ids_any",
        HOOK_STRUCT_OPS | HOOK_TRACING | HOOK_SYSCALL,
        {
            "scx_bpf_kick_cpu": 0,
            "scx_bpf_dsq_nr_queued": 0,
            "scx_bpf_destroy_dsq": 0,
            "bpf_iter_scx_dsq_new": KF_ITER_NEW | KF_RCU_PROTECTED,
            "bpf_iter_scx_dsq_next": KF_ITER_NEXT | KF_RET_NULL,
            "bpf_iter_scx_dsq_destroy": KF_ITER_DESTROY,
            "scx_bpf_exit_bstr": KF_TRUSTED_ARGS,
            "scx_bpf_error_bstr": KF_TRUSTED_ARGS,
            "scx_bpf_dump_bstr": KF_TRUSTED_ARGS,
            "scx_bpf_cpuperf_cap": 0,
            "scx_bpf_cpuperf_cur": 0,
            "scx_bpf_cpuperf_set": 0,
            "scx_bpf_nr_node_ids": 0,
            "scx_bpf_nr_cpu_ids": 0,
            "scx_bpf_get_possible_cpumask": KF_ACQUIRE,
            "scx_bpf_get_online_cpumask": KF_ACQUIRE,
            "scx_bpf_put_cpumask": KF_RELEASE,
            "scx_bpf_task_running": KF_RCU,
            "scx_bpf_task_cpu": KF_RCU,
            "scx_bpf_cpu_rq": 0,
            "scx_bpf_locked_rq": KF_RET_NULL,
            "scx_bpf_cpu_curr": KF_RET_NULL | KF_RCU_PROTECTED,
            "scx_bpf_task_cgroup": KF_RCU | KF_ACQUIRE,
            "scx_bpf_now": 0,
            "scx_bpf_events": KF_TRUSTED_ARGS,
        },
    ),
)
# fmt: on
