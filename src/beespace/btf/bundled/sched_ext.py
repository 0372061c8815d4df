"""sched_ext_ops and the arguments of its callbacks."""

DECLARATIONS = """
enum scx_public_consts { SCX_OPS_NAME_LEN = 128, SCX_SLICE_DFL = 20000000, SCX_SLICE_INF = -1 };
enum scx_dsq_id_flags {
	SCX_DSQ_FLAG_BUILTIN = 1 << 63, SCX_DSQ_FLAG_LOCAL_ON = 1 << 62, SCX_DSQ_INVALID = 1 << 63,
	SCX_DSQ_GLOBAL = (1 << 63) | 1, SCX_DSQ_LOCAL = (1 << 63) | 2, SCX_DSQ_LOCAL_ON = (3 << 62),
	SCX_DSQ_LOCAL_CPU_MASK = 0xffffffff,
};
enum scx_exit_kind {
	SCX_EXIT_NONE, SCX_EXIT_DONE, SCX_EXIT_UNREG = 64, SCX_EXIT_UNREG_BPF, SCX_EXIT_UNREG_KERN, SCX_EXIT_SYSRQ,
	SCX_EXIT_ERROR = 1024, SCX_EXIT_ERROR_BPF, SCX_EXIT_ERROR_STALL,
};
enum scx_exit_code { SCX_ECODE_RSN_HOTPLUG = 1 << 32, SCX_ECODE_ACT_RESTART = 1 << 48 };
enum scx_ops_flags {
	SCX_OPS_KEEP_BUILTIN_IDLE = 1 << 0, SCX_OPS_ENQ_LAST = 1 << 1, SCX_OPS_ENQ_EXITING = 1 << 2,
	SCX_OPS_SWITCH_PARTIAL = 1 << 3, SCX_OPS_ENQ_MIGRATION_DISABLED = 1 << 4,
	SCX_OPS_ALLOW_QUEUED_WAKEUP = 1 << 5, SCX_OPS_BUILTIN_IDLE_PER_NODE = 1 << 6,
};
enum scx_wake_flags { SCX_WAKE_FORK = 4, SCX_WAKE_TTWU = 8, SCX_WAKE_SYNC = 16 };
enum scx_enq_flags {
	SCX_ENQ_WAKEUP = 1, SCX_ENQ_HEAD = 16, SCX_ENQ_CPU_SELECTED = 1024,
	SCX_ENQ_PREEMPT = 1 << 32, SCX_ENQ_REENQ = 1 << 40, SCX_ENQ_LAST = 1 << 41,
};
enum scx_deq_flags { SCX_DEQ_SLEEP = 1, SCX_DEQ_CORE_SCHED_EXEC = 1 << 32 };
enum scx_pick_idle_cpu_flags { SCX_PICK_IDLE_CORE = 1, SCX_PICK_IDLE_IN_NODE = 2 };
enum scx_kick_flags { SCX_KICK_IDLE = 1, SCX_KICK_PREEMPT = 2, SCX_KICK_WAIT = 4 };
enum scx_cpu_preempt_reason {
	SCX_CPU_PREEMPT_RT, SCX_CPU_PREEMPT_DL, SCX_CPU_PREEMPT_STOP, SCX_CPU_PREEMPT_UNKNOWN,
};

struct scx_exit_info {
	enum scx_exit_kind kind;
	s64 exit_code;
	const char *reason;
	unsigned long *bt;
	u32 bt_len;
	char *msg, *dump;
};
struct scx_init_task_args { bool fork; struct cgroup *cgroup; };
struct scx_exit_task_args { bool cancelled; };
struct scx_cpu_acquire_args {};
struct scx_cpu_release_args { enum scx_cpu_preempt_reason reason; struct task_struct *task; };
struct scx_dump_ctx { enum scx_exit_kind kind; s64 exit_code; const char *reason; u64 at_ns, at_jiffies; };
struct scx_cgroup_init_args { u32 weight; u64 bw_period_us, bw_quota_us, bw_burst_us; };
struct scx_event_stats { s64 SCX_EV_SELECT_CPU_FALLBACK, SCX_EV_DISPATCH_LOCAL_DSQ_OFFLINE, SCX_EV_ENQ_SKIP_EXITING; };

struct sched_ext_ops {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dequeue)(struct task_struct *p, u64 deq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*tick)(struct task_struct *p);
	void (*runnable)(struct task_struct *p, u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	void (*quiescent)(struct task_struct *p, u64 deq_flags);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	bool (*core_sched_before)(struct task_struct *a, struct task_struct *b);
	void (*set_weight)(struct task_struct *p, u32 weight);
	void (*set_cpumask)(struct task_struct *p, const struct cpumask *cpumask);
	void (*update_idle)(s32 cpu, bool idle);
	void (*cpu_acquire)(s32 cpu, struct scx_cpu_acquire_args *args);
	void (*cpu_release)(s32 cpu, struct scx_cpu_release_args *args);
	s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*exit_task)(struct task_struct *p, struct scx_exit_task_args *args);
	void (*enable)(struct task_struct *p);
	void (*disable)(struct task_struct *p);
	void (*dump)(struct scx_dump_ctx *ctx);
	void (*dump_cpu)(struct scx_dump_ctx *ctx, s32 cpu, bool idle);
	void (*dump_task)(struct scx_dump_ctx *ctx, struct task_struct *p);
	s32 (*cgroup_init)(struct cgroup *cgrp, struct scx_cgroup_init_args *args);
	void (*cgroup_exit)(struct cgroup *cgrp);
	s32 (*cgroup_prep_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_cancel_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_set_weight)(struct cgroup *cgrp, u32 weight);
	void (*cgroup_set_bandwidth)(struct cgroup *cgrp, u64 period_us, u64 quota_us, u64 burst_us);
	void (*cgroup_set_idle)(struct cgroup *cgrp, bool idle);
	void (*cpu_online)(s32 cpu);
	void (*cpu_offline)(s32 cpu);
	s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	u32 dispatch_max_batch;
	u64 flags;
	u32 timeout_ms;
	u32 exit_dump_len;
	u64 hotplug_seq;
	char name[128];
	void *priv;
};
struct bpf_struct_ops_sched_ext_ops {
	struct bpf_struct_ops_common_value common;
	struct sched_ext_ops data __attribute__((aligned(64)));
};
void sched_ext_ops__dispatch(s32 prev_cpu, struct task_struct *prev__nullable);
bool sched_ext_ops__yield(struct task_struct *from, struct task_struct *to__nullable);
"""
