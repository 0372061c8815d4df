// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int tgid, pid;
	char comm[16];
	struct task_struct *real_parent;
} __attribute__((preserve_access_index));

struct task_struct___old {
	long state;
	int beespace_no_such_field;
} __attribute__((preserve_access_index));

struct beespace_no_such_struct {
	int x;
} __attribute__((preserve_access_index));

enum bpf_map_type___local { BPF_MAP_TYPE_HASH___local = 99, BEESPACE_NO_SUCH_VALUE = 5 };

int pid, exists, old_field, size, hash, no_type;

SEC("raw_tp/sched_switch")
int BPF_PROG(reads, int preempt, struct task_struct *prev)
{
	struct task_struct___old *old = (void *)prev;

	pid = BPF_CORE_READ(prev, real_parent, pid);
	exists = bpf_core_field_exists(prev->comm);
	old_field = bpf_core_field_exists(old->beespace_no_such_field) ? 1 : 2;
	size = bpf_core_type_size(struct task_struct);
	hash = bpf_core_enum_value(enum bpf_map_type___local, BPF_MAP_TYPE_HASH___local);
	no_type = bpf_core_type_exists(struct beespace_no_such_struct) ? 1 : 2;
	return 0;
}

SEC("raw_tp/sched_switch")
int BPF_PROG(fails, int preempt, struct task_struct___old *prev)
{
	pid = BPF_CORE_READ(prev, beespace_no_such_field);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
