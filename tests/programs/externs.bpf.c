// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig __weak;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_BPF_JIT __kconfig __weak;
extern unsigned int CONFIG_HZ __kconfig __weak;
extern char CONFIG_CC_VERSION_TEXT[16] __kconfig __weak;
extern bool CONFIG_BEESPACE_IS_NOT_THERE __kconfig __weak;

extern const void bpf_prog_active __ksym __weak;
extern const void beespace_no_such_symbol __ksym __weak;
extern const int bpf_prog_active_typed __ksym __weak;

struct task_struct { int pid; } __attribute__((preserve_access_index));
struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
void bpf_task_release(struct task_struct *p) __ksym;
int beespace_no_such_kfunc(int x) __ksym __weak;

int version, hz, has_bpf, jit, missing;
char compiler[16];
__u64 active_address;

SEC("socket")
int read_kconfig(struct __sk_buff *skb)
{
	version = LINUX_KERNEL_VERSION;
	has_bpf = CONFIG_BPF_SYSCALL;
	jit = CONFIG_BPF_JIT;
	hz = CONFIG_HZ;
	missing = CONFIG_BEESPACE_IS_NOT_THERE;
	for (int i = 0; i < 16; i++)
		compiler[i] = CONFIG_CC_VERSION_TEXT[i];
	return LINUX_HAS_SYSCALL_WRAPPER;
}

SEC("socket")
int read_ksyms(struct __sk_buff *skb)
{
	if (&beespace_no_such_symbol)
		return 1;
	if (&bpf_prog_active_typed)
		return 2;
	if (&beespace_no_such_kfunc)
		return beespace_no_such_kfunc(1);
	active_address = (__u64)&bpf_prog_active;
	return 0;
}

SEC("tp_btf/task_newtask")
int use_kfuncs(__u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];

	task = bpf_task_acquire(task);
	if (task)
		bpf_task_release(task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
