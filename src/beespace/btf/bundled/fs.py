"""Files, directories and block devices."""

DECLARATIONS = """
struct qstr { union { struct { u32 hash, len; }; u64 hash_len; }; const unsigned char *name; };
struct file_system_type { const char *name; int fs_flags; struct module *owner; };
typedef struct { __u8 b[16]; } uuid_t;
struct super_block {
	struct list_head s_list;
	dev_t s_dev;
	unsigned char s_blocksize_bits;
	unsigned long s_blocksize;
	loff_t s_maxbytes;
	struct file_system_type *s_type;
	unsigned long s_flags, s_iflags, s_magic;
	struct dentry *s_root;
	struct block_device *s_bdev;
	void *s_fs_info;
	char s_id[32];
	uuid_t s_uuid;
	struct user_namespace *s_user_ns;
};
struct vfsmount { struct dentry *mnt_root; struct super_block *mnt_sb; int mnt_flags; };
struct mnt_namespace { struct ns_common ns; struct mount *root; struct user_namespace *user_ns; u64 seq; };
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
	int mnt_id;
};
struct address_space { struct inode *host; unsigned long nrpages; };
struct inode {
	umode_t i_mode;
	unsigned short i_opflags;
	kuid_t i_uid;
	kgid_t i_gid;
	unsigned int i_flags;
	struct super_block *i_sb;
	struct address_space *i_mapping;
	void *i_security;
	unsigned long i_ino;
	union { const unsigned int i_nlink; unsigned int __i_nlink; };
	dev_t i_rdev;
	loff_t i_size;
	s64 i_atime_sec, i_mtime_sec, i_ctime_sec;
	u32 i_atime_nsec, i_mtime_nsec, i_ctime_nsec, i_generation;
	unsigned short i_bytes;
	u8 i_blkbits;
	blkcnt_t i_blocks;
	unsigned long i_state;
	atomic64_t i_version;
	atomic_t i_count, i_writecount;
	void *i_private;
};
struct dentry {
	unsigned int d_flags;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	unsigned char d_iname[40];
	struct super_block *d_sb;
	unsigned long d_time;
	void *d_fsdata;
};
struct file_operations { struct module *owner; };
struct file {
	fmode_t f_mode;
	const struct file_operations *f_op;
	struct address_space *f_mapping;
	void *private_data;
	struct inode *f_inode;
	unsigned int f_flags;
	const struct cred *f_cred;
	struct path f_path;
	loff_t f_pos;
	void *f_security;
};
struct iovec { void *iov_base; size_t iov_len; };
struct kvec { void *iov_base; size_t iov_len; };
struct iov_iter {
	u8 iter_type;
	bool data_source;
	size_t iov_offset, count;
	const struct iovec *__iov;
	unsigned long nr_segs;
};
struct kiocb { struct file *ki_filp; loff_t ki_pos; int ki_flags; };
struct filename { const char *name; const char *uptr; };
struct open_how { __u64 flags, mode, resolve; };
struct linux_binprm {
	struct vm_area_struct *vma;
	unsigned long p, argmin;
	unsigned int secureexec : 1;
	struct file *executable, *interpreter, *file;
	struct cred *cred;
	int unsafe;
	int argc, envc;
	const char *filename, *interp, *fdpath;
	unsigned int interp_flags;
	char buf[256];
};

struct gendisk { int major, first_minor, minors; char disk_name[32]; struct request_queue *queue; };
struct block_device { sector_t bd_start_sect, bd_nr_sectors; struct gendisk *bd_disk; dev_t bd_dev; };
struct request_queue { void *queuedata; unsigned long queue_flags; struct gendisk *disk; int id; };
struct bio { struct bio *bi_next; struct block_device *bi_bdev; u32 bi_opf; unsigned short bi_flags; u8 bi_status; };
struct request {
	struct request_queue *q;
	u32 cmd_flags, rq_flags;
	int tag;
	unsigned int __data_len;
	sector_t __sector;
	struct bio *bio, *biotail;
	struct block_device *part;
	u64 start_time_ns, io_start_time_ns;
};

struct kmem_cache { unsigned long flags; unsigned int size, object_size; const char *name; int refcount; };
struct dma_buf { size_t size; struct file *file; const char *exp_name, *name; };
struct key { refcount_t usage; int serial; kuid_t uid; kgid_t gid; };
struct bpf_key { struct key *key; bool has_ref; };
"""
