// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum level { LOW = 1, HIGH = 7 };

struct point { int x, y; };

struct config {
	char name[8];
	struct point at[2];
	enum level level;
	__u8 low : 3, high : 5;
};

const volatile __u32 limit = 10;
const volatile struct config defaults = { .name = "abc", .at = { { 1, 2 }, { 3, 4 } }, .level = HIGH, .low = 5, .high = 9 };
const volatile bool verbose = false;

int start = 42;
struct config current = { .name = "def" };
__s64 counter;
__u32 table[4];
static volatile int private_count = 5;
__hidden int hidden_sum = 6;

int custom SEC(".data.custom") = 7;
const volatile int fixed SEC(".rodata.fixed") = 8;
__u64 scratch[600] SEC(".bss.scratch");

SEC("socket")
int touch(struct __sk_buff *skb)
{
	__u32 i = counter & 3;

	private_count++;
	hidden_sum += private_count;
	counter += 1;
	table[i] = limit + defaults.at[1].y;
	current.at[0].x = start;
	current.level = LOW;
	if (verbose)
		bpf_printk("touched %d", custom);
	custom += fixed;
	scratch[599] = counter;
	return limit;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
