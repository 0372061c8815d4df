"""Constants that are macros in the kernel and therefore not in its BTF: flags of bpf(2) and of kfunc sets.

Values are interfaces; origin: include/uapi/linux/bpf.h and include/linux/btf.h of Linux 6.18, GPL-2.0 WITH
Linux-syscall-note.
"""

# BPF_PROG_LOAD prog_flags
BPF_F_STRICT_ALIGNMENT = 1 << 0
BPF_F_ANY_ALIGNMENT = 1 << 1
BPF_F_TEST_RND_HI32 = 1 << 2
BPF_F_TEST_STATE_FREQ = 1 << 3
BPF_F_SLEEPABLE = 1 << 4
BPF_F_XDP_HAS_FRAGS = 1 << 5
BPF_F_XDP_DEV_BOUND_ONLY = 1 << 6
BPF_F_TEST_REG_INVARIANTS = 1 << 7

# BPF_PROG_ATTACH, BPF_LINK_CREATE attach_flags
BPF_F_ALLOW_OVERRIDE = 1 << 0
BPF_F_ALLOW_MULTI = 1 << 1
BPF_F_REPLACE = 1 << 2
BPF_F_BEFORE = 1 << 3
BPF_F_AFTER = 1 << 4
BPF_F_ID = 1 << 5
BPF_F_PREORDER = 1 << 6

# BPF_PROG_TEST_RUN flags
BPF_F_TEST_RUN_ON_CPU = 1 << 0
BPF_F_TEST_XDP_LIVE_FRAMES = 1 << 1
BPF_F_TEST_SKB_CHECKSUM_COMPLETE = 1 << 2

# links on netfilter hooks, BPF_PROG_QUERY
BPF_F_NETFILTER_IP_DEFRAG = 1 << 0
BPF_F_QUERY_EFFECTIVE = 1 << 0

# include/linux/btf.h: flags of a kfunc in a set
KF_ACQUIRE = 1 << 0
KF_RELEASE = 1 << 1
KF_RET_NULL = 1 << 2
KF_TRUSTED_ARGS = 1 << 4
KF_SLEEPABLE = 1 << 5
KF_DESTRUCTIVE = 1 << 6
KF_RCU = 1 << 7
KF_ITER_NEW = 1 << 8
KF_ITER_NEXT = 1 << 9
KF_ITER_DESTROY = 1 << 10
KF_RCU_PROTECTED = 1 << 11
KF_FASTCALL = 1 << 12
KF_ARENA_RET = 1 << 13
KF_ARENA_ARG1 = 1 << 14
KF_ARENA_ARG2 = 1 << 15
