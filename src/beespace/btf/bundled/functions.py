"""Functions programs attach to: fentry targets, security hooks, tracepoints, iterators."""

DECLARATIONS = """
int bpf_fentry_test1(int a);
int bpf_fentry_test2(int a, u64 b);
int bpf_fentry_test3(char a, int b, u64 c);
int bpf_fentry_test4(void *a, char b, int c, u64 d);
int bpf_fentry_test5(u64 a, void *b, short c, int d, u64 e);
int bpf_fentry_test6(u64 a, void *b, short c, int d, void *e, u64 f);
int bpf_modify_return_test(int a, int *b);

int do_unlinkat(int dfd, struct filename *name);
ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos);
ssize_t vfs_write(struct file *file, const char *buf, size_t count, loff_t *pos);
int vfs_open(const struct path *path, struct file *file);
int vfs_fsync(struct file *file, int datasync);
long do_sys_openat2(int dfd, const char *filename, struct open_how *how);
int filp_close(struct file *filp, void *id);
void wake_up_new_task(struct task_struct *p);
void do_exit(long code);
int tcp_connect(struct sock *sk);
int tcp_v4_connect(struct sock *sk, struct sockaddr *uaddr, int addr_len);
int tcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size);
int tcp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags, int *addr_len);
void tcp_close(struct sock *sk, long timeout);
void tcp_set_state(struct sock *sk, int state);
int tcp_rcv_established(struct sock *sk, struct sk_buff *skb);
int udp_sendmsg(struct sock *sk, struct msghdr *msg, size_t len);
int ip_rcv(struct sk_buff *skb, struct net_device *dev, void *pt, struct net_device *orig_dev);
int dev_queue_xmit_nit(struct sk_buff *skb, struct net_device *dev);
void blk_account_io_start(struct request *req);
void blk_account_io_done(struct request *req, u64 now);

int bpf_lsm_file_open(struct file *file);
int bpf_lsm_file_permission(struct file *file, int mask);
int bpf_lsm_file_mprotect(struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot);
int bpf_lsm_bprm_check_security(struct linux_binprm *bprm);
void bpf_lsm_bprm_committed_creds(const struct linux_binprm *bprm);
int bpf_lsm_bprm_creds_for_exec(struct linux_binprm *bprm);
int bpf_lsm_task_alloc(struct task_struct *task, unsigned long clone_flags);
void bpf_lsm_task_free(struct task_struct *task);
int bpf_lsm_task_kill(struct task_struct *p, struct kernel_siginfo *info, int sig, const struct cred *cred);
int bpf_lsm_cred_prepare(struct cred *new, const struct cred *old, gfp_t gfp);
int bpf_lsm_inode_create(struct inode *dir, struct dentry *dentry, umode_t mode);
int bpf_lsm_inode_unlink(struct inode *dir, struct dentry *dentry);
int bpf_lsm_inode_rename(struct inode *old_dir, struct dentry *old_dentry, struct inode *new_dir,
					struct dentry *new_dentry);
int bpf_lsm_path_unlink(const struct path *dir, struct dentry *dentry);
int bpf_lsm_socket_create(int family, int type, int protocol, int kern);
int bpf_lsm_socket_connect(struct socket *sock, struct sockaddr *address, int addrlen);
int bpf_lsm_socket_bind(struct socket *sock, struct sockaddr *address, int addrlen);
int bpf_lsm_socket_post_create(struct socket *sock, int family, int type, int protocol, int kern);
int bpf_lsm_socket_sendmsg(struct socket *sock, struct msghdr *msg, int size);
int bpf_lsm_bpf(int cmd, union bpf_attr *attr, unsigned int size, bool kernel);
int bpf_lsm_bpf_map(struct bpf_map *map, fmode_t fmode);
int bpf_lsm_ptrace_access_check(struct task_struct *child, unsigned int mode);

typedef void (*btf_trace_sys_enter)(void *, struct pt_regs *, long);
typedef void (*btf_trace_sys_exit)(void *, struct pt_regs *, long);
typedef void (*btf_trace_sched_switch)(void *, bool, struct task_struct *, struct task_struct *, unsigned int);
typedef void (*btf_trace_sched_wakeup)(void *, struct task_struct *);
typedef void (*btf_trace_sched_wakeup_new)(void *, struct task_struct *);
typedef void (*btf_trace_sched_process_fork)(void *, struct task_struct *, struct task_struct *);
typedef void (*btf_trace_sched_process_exec)(void *, struct task_struct *, pid_t, struct linux_binprm *);
typedef void (*btf_trace_sched_process_exit)(void *, struct task_struct *, bool);
typedef void (*btf_trace_task_newtask)(void *, struct task_struct *, unsigned long);
typedef void (*btf_trace_task_rename)(void *, struct task_struct *, const char *);
typedef void (*btf_trace_signal_generate)(void *, int, struct kernel_siginfo *, struct task_struct *, int, int);
typedef void (*btf_trace_kfree_skb)(void *, struct sk_buff *, void *, int, struct sock *);
typedef void (*btf_trace_netif_receive_skb)(void *, struct sk_buff *);
typedef void (*btf_trace_net_dev_queue)(void *, struct sk_buff *);
typedef void (*btf_trace_inet_sock_set_state)(void *, const struct sock *, const int, const int);
typedef void (*btf_trace_tcp_retransmit_skb)(void *, const struct sock *, const struct sk_buff *, int);
typedef void (*btf_trace_tcp_destroy_sock)(void *, struct sock *);
typedef void (*btf_trace_xdp_exception)(void *, const struct net_device *, const struct bpf_prog *, u32);
typedef void (*btf_trace_block_rq_issue)(void *, struct request *);
typedef void (*btf_trace_block_rq_insert)(void *, struct request *);
typedef void (*btf_trace_block_rq_complete)(void *, struct request *, u8, unsigned int);

struct trace_event_raw_sys_enter { struct trace_entry ent; long id; unsigned long args[6]; char __data[0]; };
struct trace_event_raw_sys_exit { struct trace_entry ent; long id, ret; char __data[0]; };
struct trace_event_raw_sched_switch {
	struct trace_entry ent;
	char prev_comm[16];
	pid_t prev_pid;
	int prev_prio;
	long prev_state;
	char next_comm[16];
	pid_t next_pid;
	int next_prio;
	char __data[0];
};
struct trace_event_raw_sched_wakeup_template {
	struct trace_entry ent;
	char comm[16];
	pid_t pid;
	int prio, target_cpu;
	char __data[0];
};
struct trace_event_raw_sched_process_template {
	struct trace_entry ent;
	char comm[16];
	pid_t pid;
	int prio;
	char __data[0];
};
struct trace_event_raw_sched_process_fork {
	struct trace_entry ent;
	u32 __data_loc_parent_comm;
	pid_t parent_pid;
	u32 __data_loc_child_comm;
	pid_t child_pid;
	char __data[0];
};
struct trace_event_raw_sched_process_exec {
	struct trace_entry ent;
	u32 __data_loc_filename;
	pid_t pid, old_pid;
	char __data[0];
};
struct trace_event_raw_sched_process_exit {
	struct trace_entry ent;
	char comm[16];
	pid_t pid;
	int prio;
	bool group_dead;
	char __data[0];
};

int bpf_iter_bpf_map(struct bpf_iter_meta *meta, struct bpf_map *map);
int bpf_iter_bpf_map_elem(struct bpf_iter_meta *meta, struct bpf_map *map, void *key, void *value);
int bpf_iter_bpf_prog(struct bpf_iter_meta *meta, struct bpf_prog *prog);
int bpf_iter_bpf_link(struct bpf_iter_meta *meta, struct bpf_link *link);
int bpf_iter_task(struct bpf_iter_meta *meta, struct task_struct *task);
int bpf_iter_task_file(struct bpf_iter_meta *meta, struct task_struct *task, u32 fd, struct file *file);
int bpf_iter_task_vma(struct bpf_iter_meta *meta, struct task_struct *task, struct vm_area_struct *vma);
int bpf_iter_cgroup(struct bpf_iter_meta *meta, struct cgroup *cgroup);
int bpf_iter_ksym(struct bpf_iter_meta *meta, struct kallsym_iter *ksym);
int bpf_iter_kmem_cache(struct bpf_iter_meta *meta, struct kmem_cache *s);
int bpf_iter_dmabuf(struct bpf_iter_meta *meta, struct dma_buf *dmabuf);
int bpf_iter_netlink(struct bpf_iter_meta *meta, struct netlink_sock *sk);
int bpf_iter_ipv6_route(struct bpf_iter_meta *meta, struct fib6_info *rt);
int bpf_iter_tcp(struct bpf_iter_meta *meta, struct sock_common *sk_common, uid_t uid);
int bpf_iter_udp(struct bpf_iter_meta *meta, struct udp_sock *udp_sk, uid_t uid, int bucket);
int bpf_iter_unix(struct bpf_iter_meta *meta, struct unix_sock *unix_sk, uid_t uid);
int bpf_iter_sockmap(struct bpf_iter_meta *meta, struct bpf_map *map, void *key, struct sock *sk);
int bpf_iter_bpf_sk_storage_map(struct bpf_iter_meta *meta, struct bpf_map *map, struct sock *sk, void *value);
"""
