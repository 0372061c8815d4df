// A helper for socket buffers is called by an XDP program.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int first(struct xdp_md *ctx)
{
	char buf[4] = {};

#ifdef FIXED
	bpf_xdp_load_bytes(ctx, 0, buf, sizeof(buf));
#else
	bpf_skb_load_bytes(ctx, 0, buf, sizeof(buf));
#endif
	return buf[0] ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
