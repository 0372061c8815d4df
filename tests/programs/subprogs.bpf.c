// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int calls;

static __attribute__((noinline)) int leaf(int x)
{
	calls += 1;
	return x + 1;
}

static __attribute__((noinline)) int twice(int x)
{
	return leaf(x) + leaf(x + 1);
}

__attribute__((noinline)) int global_square(int x)
{
	calls += 100;
	return x * x;
}

__weak __attribute__((noinline)) int weak_three(void)
{
	return 3;
}

__hidden __attribute__((noinline)) int hidden_add(int x)
{
	return twice(x) + 10;
}

static __attribute__((noinline)) int on_step(__u64 index, void *ctx)
{
	*(int *)ctx += leaf(index);
	return index == 4;
}

SEC("socket")
int one(struct __sk_buff *skb)
{
	return twice(1);
}

SEC("socket")
int two(struct __sk_buff *skb)
{
	return global_square(5) + weak_three() + hidden_add(0);
}

SEC("socket/loop")
int misnamed(struct __sk_buff *skb)
{
	return 1;
}

SEC("tc")
int loop(struct __sk_buff *skb)
{
	int sum = 0;

	bpf_loop(100, on_step, &sum, 0);
	return sum;
}

SEC("?tc")
int optional(struct __sk_buff *skb)
{
	return global_square(2);
}

char LICENSE[] SEC("license") = "GPL";
