// SPDX-License-Identifier: Apache-2.0
/* Ring buffers in both directions, for tests and for tools/bench_ringbuf.py. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u64 seq;
	__u32 tag;
	__u32 twice;
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} more SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 1 << 16);
} commands SEC(".maps");

struct args {
	__u32 count;
	__u32 flags;
};

__u64 seq = 0;
__u64 flags = 0;
__u64 sum = 0;

static long event(__u32 i, void *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return 1;
	e->seq = seq++;
	e->tag = 7;
	e->twice = i * 2;
	bpf_ringbuf_submit(e, flags);
	return 0;
}

SEC("syscall")
int produce16(struct args *args)
{
	flags = args->flags;
	return bpf_loop(args->count, event, NULL, 0);
}

#define PRODUCE(size)                                                          \
	static long record##size(__u32 i, void *ctx)                           \
	{                                                                      \
		__u64 *p = bpf_ringbuf_reserve(&events, size, 0);              \
		if (!p)                                                        \
			return 1;                                              \
		p[0] = seq++;                                                  \
		p[size / 8 - 1] = i;                                           \
		bpf_ringbuf_submit(p, flags);                                  \
		return 0;                                                      \
	}                                                                      \
	SEC("syscall")                                                         \
	int produce##size(struct args *args)                                   \
	{                                                                      \
		flags = args->flags;                                           \
		return bpf_loop(args->count, record##size, NULL, 0);           \
	}

PRODUCE(128)
PRODUCE(1024)

SEC("syscall")
int put_more(__u64 *value)
{
	__u64 copy = *value;

	return bpf_ringbuf_output(&more, &copy, sizeof(copy), 0);
}

SEC("syscall")
int discard_more(__u64 *value)
{
	__u64 *p = bpf_ringbuf_reserve(&more, sizeof(*p), 0);

	if (!p)
		return -1;
	*p = *value;
	bpf_ringbuf_discard(p, 0);
	return 0;
}

static long take(struct bpf_dynptr *dynptr, void *ctx)
{
	__u64 *p = bpf_dynptr_data(dynptr, 0, sizeof(*p));

	if (p)
		sum += *p;
	return 0;
}

SEC("syscall")
int drain(struct args *args)
{
	return bpf_user_ringbuf_drain(&commands, take, NULL, args->flags);
}

/* looks at all bytes that the dynptr admits, first and last of each sample */
static long touch(struct bpf_dynptr *dynptr, void *ctx)
{
	__u64 word = 0;
	__u8 byte = 0;
	__u32 size = *(__u32 *)ctx;

	if (!bpf_dynptr_read(&word, sizeof(word), dynptr, 0, 0))
		sum ^= word;
	if (!bpf_dynptr_read(&byte, sizeof(byte), dynptr, size & 0xffff, 0))
		sum ^= byte;
	return 0;
}

SEC("syscall")
int drain_all(struct args *args)
{
	__u32 last = args->count;

	return bpf_user_ringbuf_drain(&commands, touch, &last, args->flags);
}

char _license[] SEC("license") = "GPL";
