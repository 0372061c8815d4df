// A helper for GPL programs in a program under another licence.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int enter(void *ctx)
{
	bpf_printk("entered");
	return 0;
}

#ifdef FIXED
#define LICENCE "Dual BSD/GPL"
#else
#define LICENCE "Proprietary"
#endif

char LICENSE[] SEC("license") = LICENCE;
