// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int frags(struct xdp_md *ctx) { return XDP_PASS; }

SEC("xdp/devmap")
int on_devmap(struct xdp_md *ctx) { return XDP_PASS; }

SEC("kprobe/do_nanosleep")
int probe(void *ctx) { return 0; }

SEC("fentry/bpf_fentry_test1")
int enter(void *ctx) { return 0; }

SEC("fentry.s/bpf_fentry_test1")
int enter_sleepable(void *ctx) { return 0; }

SEC("lsm/file_open")
int opened(void *ctx) { return 0; }

SEC("iter/bpf_map_elem")
int elements(void *ctx) { return 0; }

SEC("tp_btf/sched_switch")
int switched(void *ctx) { return 0; }

SEC("fexit")
int later(void *ctx) { return 0; }

SEC("cgroup/connect4")
int connects(struct bpf_sock_addr *ctx) { return 1; }

SEC("beespace/no_such_type")
int unknown(void *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
