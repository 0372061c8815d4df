"""Types that all areas use: integers, lists, locks, references."""

DECLARATIONS = """
typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __s8 s8;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef u8 uint8_t;
typedef u16 uint16_t;
typedef u32 uint32_t;
typedef u64 uint64_t;
typedef s32 int32_t;
typedef s64 int64_t;
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __le32;
typedef __u32 __be32;
typedef __u64 __le64;
typedef __u64 __be64;
typedef __u16 __sum16;
typedef __u32 __wsum;
typedef _Bool bool;
typedef unsigned long size_t;
typedef long ssize_t;
typedef unsigned long uintptr_t;
typedef long long loff_t;
typedef u64 phys_addr_t;
typedef u64 sector_t;
typedef u64 blkcnt_t;
typedef s64 ktime_t;
typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
typedef u32 dev_t;
typedef unsigned short umode_t;
typedef unsigned int fmode_t;
typedef unsigned int gfp_t;
typedef int qsize_t;
typedef unsigned short sa_family_t;

typedef struct { uid_t val; } kuid_t;
typedef struct { gid_t val; } kgid_t;
typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef atomic64_t atomic_long_t;

struct refcount_struct { atomic_t refs; };
typedef struct refcount_struct refcount_t;
struct kref { refcount_t refcount; };

struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };
struct hlist_nulls_node { struct hlist_nulls_node *next, **pprev; };
struct rb_node { unsigned long __rb_parent_color; struct rb_node *rb_right, *rb_left; } __attribute__((aligned(8)));
struct rb_root { struct rb_node *rb_node; };
struct rb_root_cached { struct rb_root rb_root; struct rb_node *rb_leftmost; };
struct llist_node { struct llist_node *next; };
struct callback_head { struct callback_head *next; void (*func)(struct callback_head *head); };

typedef struct { unsigned int lock; } arch_spinlock_t;
struct raw_spinlock { arch_spinlock_t raw_lock; };
typedef struct raw_spinlock raw_spinlock_t;
struct spinlock { struct raw_spinlock rlock; };
typedef struct spinlock spinlock_t;
struct mutex { atomic_long_t owner; raw_spinlock_t wait_lock; struct list_head wait_list; };
struct rw_semaphore { atomic_long_t count; atomic_long_t owner; raw_spinlock_t wait_lock; struct list_head wait_list; };
struct work_struct { atomic_long_t data; struct list_head entry; void (*func)(struct work_struct *work); };
struct wait_queue_head { spinlock_t lock; struct list_head head; };
typedef struct wait_queue_head wait_queue_head_t;
struct timespec64 { s64 tv_sec; long tv_nsec; };
struct percpu_counter { raw_spinlock_t lock; s64 count; s32 *counters; };

struct cpumask { unsigned long bits[128]; };
typedef struct cpumask cpumask_t;

struct module { int state; struct list_head list; char name[56]; };
struct kobject { const char *name; struct list_head entry; struct kobject *parent; struct kref kref; };
struct device_driver { const char *name; struct module *owner; };
struct device {
	struct kobject kobj;
	struct device *parent;
	const char *init_name;
	struct device_driver *driver;
	void *driver_data;
	dev_t devt;
	u32 id;
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
	union { u16 cs; u64 csx; };
	unsigned long flags, sp;
	union { u16 ss; u64 ssx; };
};
typedef struct pt_regs bpf_user_pt_regs_t;

struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct ns_common { atomic_long_t stashed; unsigned int inum; refcount_t count; };
struct trace_entry { unsigned short type; unsigned char flags, preempt_count; int pid; };
struct seq_file {
	char *buf;
	size_t size, from, count;
	loff_t index, read_pos;
	const struct file *file;
	void *private;
};
"""
