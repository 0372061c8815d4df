"""Tasks: what tracing programs read of a process, its credentials, memory, name spaces and control groups."""

DECLARATIONS = """
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };

struct user_namespace { struct user_namespace *parent; int level; kuid_t owner; kgid_t group; struct ns_common ns; };
struct pid_namespace {
	struct ns_common ns;
	unsigned int level;
	struct pid_namespace *parent;
	struct task_struct *child_reaper;
	struct user_namespace *user_ns;
};
struct new_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
struct uts_namespace { struct new_utsname name; struct user_namespace *user_ns; struct ns_common ns; };
struct ipc_namespace { struct ns_common ns; struct user_namespace *user_ns; };
struct time_namespace { struct ns_common ns; struct user_namespace *user_ns; };
struct cgroup_namespace { struct ns_common ns; struct user_namespace *user_ns; struct css_set *root_cset; };
struct nsproxy {
	refcount_t count;
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct time_namespace *time_ns;
	struct cgroup_namespace *cgroup_ns;
};
struct upid { int nr; struct pid_namespace *ns; };
struct pid {
	refcount_t count;
	unsigned int level;
	u64 ino;
	struct hlist_head tasks[4];
	struct upid numbers[1];
};

typedef struct { u64 val; } kernel_cap_t;
struct cred {
	atomic_long_t usage;
	kuid_t uid; kgid_t gid;
	kuid_t suid; kgid_t sgid;
	kuid_t euid; kgid_t egid;
	kuid_t fsuid; kgid_t fsgid;
	unsigned int securebits;
	kernel_cap_t cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	void *security;
	struct user_namespace *user_ns;
};

struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct file *vm_file;
};
struct mm_struct {
	atomic_t mm_users, mm_count;
	unsigned long mmap_base, task_size;
	int map_count;
	unsigned long total_vm, locked_vm, pinned_vm, data_vm, exec_vm, stack_vm;
	unsigned long start_code, end_code, start_data, end_data;
	unsigned long start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	struct percpu_counter rss_stat[4];
	struct task_struct __rcu *owner;
	struct file __rcu *exe_file;
};

struct rlimit { unsigned long rlim_cur, rlim_max; };
struct tty_struct { int index; char name[64]; };
struct signal_struct {
	refcount_t sigcnt;
	atomic_t live;
	int nr_threads;
	int group_exit_code;
	struct pid *pids[4];
	struct tty_struct *tty;
	int leader;
	u64 utime, stime, cutime, cstime;
	unsigned long nvcsw, nivcsw, min_flt, maj_flt;
	struct rlimit rlim[16];
	short oom_score_adj;
};
struct sighand_struct { spinlock_t siglock; refcount_t count; };
typedef struct { unsigned long sig[1]; } sigset_t;
struct kernel_siginfo { int si_signo, si_errno, si_code; };

struct fdtable { unsigned int max_fds; struct file __rcu **fd; unsigned long *open_fds; };
struct files_struct { atomic_t count; struct fdtable __rcu *fdt; unsigned int next_fd; };
struct fs_struct { int users; int umask; struct path root, pwd; };

struct kernfs_node {
	atomic_t count;
	struct kernfs_node *__parent;
	const char *name;
	u64 id;
	void *priv;
	unsigned short flags;
	umode_t mode;
};
struct cgroup_subsys { int id; const char *name; };
struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys *ss;
	struct cgroup_subsys_state *parent;
	int id;
	unsigned int flags;
	u64 serial_nr;
};
struct cgroup_root { u32 hierarchy_id; char name[64]; };
struct cgroup {
	struct cgroup_subsys_state self;
	unsigned long flags;
	int level;
	int max_depth, nr_descendants, nr_populated_csets;
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct cgroup_subsys_state __rcu *subsys[16];
	struct cgroup *ancestors[8];
};
struct css_set { struct cgroup_subsys_state *subsys[16]; refcount_t refcount; struct cgroup *dfl_cgrp; };

struct load_weight { unsigned long weight; u32 inv_weight; };
struct sched_entity {
	struct load_weight load;
	struct rb_node run_node;
	u64 deadline;
	unsigned int on_rq;
	u64 exec_start, sum_exec_runtime, prev_sum_exec_runtime, vruntime;
	s64 vlag;
	u64 slice;
};
struct sched_info { unsigned long pcount; unsigned long long run_delay, last_arrival, last_queued; };
struct sched_class { int uclamp_enabled; };
struct thread_info { unsigned long flags, syscall_work; u32 status, cpu; };
struct thread_struct { unsigned long sp, fsbase, gsbase; };
struct rq {
	raw_spinlock_t __lock;
	unsigned int nr_running;
	u64 nr_switches;
	struct task_struct __rcu *curr;
	int cpu;
	u64 clock;
};
struct seccomp { int mode; atomic_t filter_count; };
struct task_io_accounting { u64 rchar, wchar, syscr, syscw, read_bytes, write_bytes; };
struct linux_binfmt { struct module *module; };
struct bpf_local_storage;

struct scx_dispatch_q { raw_spinlock_t lock; struct list_head list; struct rb_root priq; u32 nr, seq; u64 id; };
struct sched_ext_entity {
	struct scx_dispatch_q *dsq;
	u32 dsq_flags, flags, weight;
	s32 sticky_cpu, holding_cpu;
	u32 kf_mask;
	atomic_long_t ops_state;
	u64 ddsp_dsq_id, ddsp_enq_flags;
	u64 slice;
	u64 dsq_vtime;
	bool disallow;
	struct list_head tasks_node;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	void *stack;
	refcount_t usage;
	unsigned int flags;
	int on_cpu, on_rq;
	int recent_used_cpu, wake_cpu;
	int prio, static_prio, normal_prio;
	unsigned int rt_priority;
	struct sched_entity se;
	const struct sched_class *sched_class;
	struct sched_ext_entity scx;
	unsigned int policy;
	int nr_cpus_allowed;
	const cpumask_t *cpus_ptr;
	cpumask_t cpus_mask;
	struct sched_info sched_info;
	struct list_head tasks;
	struct mm_struct *mm, *active_mm;
	int exit_state, exit_code, exit_signal;
	unsigned int personality;
	unsigned int in_execve : 1;
	unsigned int in_iowait : 1;
	unsigned int no_cgroup_migration : 1;
	unsigned long atomic_flags;
	pid_t pid, tgid;
	unsigned long stack_canary;
	struct task_struct __rcu *real_parent, *parent;
	struct list_head children, sibling;
	struct task_struct *group_leader;
	struct list_head ptraced, ptrace_entry;
	struct pid *thread_pid;
	struct list_head thread_node;
	int *set_child_tid, *clear_child_tid;
	u64 utime, stime, gtime;
	unsigned long nvcsw, nivcsw;
	u64 start_time, start_boottime;
	unsigned long min_flt, maj_flt;
	const struct cred __rcu *ptracer_cred, *real_cred, *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct sighand_struct __rcu *sighand;
	sigset_t blocked, real_blocked;
	kuid_t loginuid;
	unsigned int sessionid;
	struct seccomp seccomp;
	u64 parent_exec_id, self_exec_id;
	spinlock_t alloc_lock;
	struct kernel_siginfo *last_siginfo;
	struct task_io_accounting ioac;
	struct css_set __rcu *cgroups;
	struct list_head cg_list;
	struct bpf_local_storage __rcu *bpf_storage;
	void *security;
	struct callback_head rcu;
	struct thread_struct thread;
};
"""
