// A pointer into the kernel is followed without a helper.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct;

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	long *regs = (long *)ctx->args[0];
	long ip = 0;

#ifdef FIXED
	bpf_probe_read_kernel(&ip, sizeof(ip), regs + 16);
#else
	ip = regs[16];
#endif
	return ip != 0;
}

char LICENSE[] SEC("license") = "GPL";
