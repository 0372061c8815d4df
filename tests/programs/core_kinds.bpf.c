// SPDX-License-Identifier: Apache-2.0
// Every kind of CO-RE relocation, against the types of core_target.bpf.c.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define ACCESS __attribute__((preserve_access_index))

typedef int (*compare_fn)(const void *, const void *);

struct inner {
	int a;
	short b;
} ACCESS;

struct subject {
	int first;
	struct inner in[4];
	union {
		long whole;
		int half[2];
	};
	unsigned int low : 3;
	int high : 5;
	unsigned char byte;
	int moved;
	unsigned int grown;
	int grown_signed;
	void *pointer;
	compare_fn compare;
	char name[8];
	long gone;
	struct inner tail[];
} ACCESS;

/* a flavour: the same kernel struct, seen differently */
struct subject___other {
	long renamed;
} ACCESS;

struct absent {
	int x;
} ACCESS;

struct shape {
	int x, y;
} ACCESS;

struct narrower {
	int x;
} ACCESS;

union either {
	int a;
	long b;
} ACCESS;

typedef struct {
	int x;
} anonymous_t;

typedef int (*callback_t)(struct shape *, int);

enum color { RED = 1, GREEN = 2, BLUE = 3 };
enum color___wide { RED___wide = 7, PINK = 8 };
enum big { BIG = 1ULL << 40, SMALL = 1 };
enum negative { MINUS = -5, PLUS = 5 };

volatile __u64 sink;

SEC("socket")
int fields(void *ctx)
{
	struct subject *s = ctx;
	struct subject___other *o = ctx;
	struct absent *a = ctx;

	sink = __builtin_preserve_field_info(s->first, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->in[2].b, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->in[2].b, BPF_FIELD_BYTE_SIZE);
	sink = __builtin_preserve_field_info(s->in, BPF_FIELD_BYTE_SIZE);
	sink = __builtin_preserve_field_info(s->in[1], BPF_FIELD_BYTE_SIZE);
	sink = __builtin_preserve_field_info(s->in[1], BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->whole, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->half[1], BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->moved, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->grown, BPF_FIELD_BYTE_SIZE);
	sink = __builtin_preserve_field_info(s->grown_signed, BPF_FIELD_BYTE_SIZE);
	sink = __builtin_preserve_field_info(s->tail[3].b, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(o->renamed, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->gone, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(a->x, BPF_FIELD_BYTE_OFFSET);
	return 0;
}

SEC("socket")
int existence(void *ctx)
{
	struct subject *s = ctx;
	struct subject___other *o = ctx;
	struct absent *a = ctx;

	sink = __builtin_preserve_field_info(s->first, BPF_FIELD_EXISTS);
	sink = __builtin_preserve_field_info(s->in[3], BPF_FIELD_EXISTS);
	sink = __builtin_preserve_field_info(s->low, BPF_FIELD_EXISTS);
	sink = __builtin_preserve_field_info(o->renamed, BPF_FIELD_EXISTS);
	sink = __builtin_preserve_field_info(s->gone, BPF_FIELD_EXISTS);
	sink = __builtin_preserve_field_info(a->x, BPF_FIELD_EXISTS);
	return 0;
}

SEC("socket")
int bitfields(void *ctx)
{
	struct subject *s = ctx;

	sink = __builtin_preserve_field_info(s->low, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->low, BPF_FIELD_BYTE_SIZE);
	sink = __builtin_preserve_field_info(s->low, BPF_FIELD_SIGNED);
	sink = __builtin_preserve_field_info(s->low, BPF_FIELD_LSHIFT_U64);
	sink = __builtin_preserve_field_info(s->low, BPF_FIELD_RSHIFT_U64);
	sink = __builtin_preserve_field_info(s->high, BPF_FIELD_BYTE_OFFSET);
	sink = __builtin_preserve_field_info(s->high, BPF_FIELD_BYTE_SIZE);
	sink = __builtin_preserve_field_info(s->high, BPF_FIELD_SIGNED);
	sink = __builtin_preserve_field_info(s->high, BPF_FIELD_LSHIFT_U64);
	sink = __builtin_preserve_field_info(s->high, BPF_FIELD_RSHIFT_U64);
	sink = __builtin_preserve_field_info(s->byte, BPF_FIELD_LSHIFT_U64);
	sink = __builtin_preserve_field_info(s->byte, BPF_FIELD_RSHIFT_U64);
	sink = __builtin_preserve_field_info(s->byte, BPF_FIELD_SIGNED);
	return 0;
}

/* loads and stores: the offset, and where it is safe the size, are patched */
SEC("socket")
int memory(void *ctx)
{
	struct subject *s = ctx;

	sink = s->moved;
	sink = s->grown;
	sink = (__u64)s->pointer;
	sink = s->in[1].a;
	s->moved = 7;
	s->grown = sink;
	return 0;
}

SEC("socket")
int memory_signed(void *ctx)
{
	struct subject *s = ctx;

	sink = s->grown_signed;
	return 0;
}

SEC("socket")
int types(void *ctx)
{
	sink = bpf_core_type_id_local(struct shape);
	sink = bpf_core_type_id_kernel(struct shape);
	sink = bpf_core_type_exists(struct shape);
	sink = bpf_core_type_size(struct shape);
	sink = bpf_core_type_matches(struct shape);
	sink = bpf_core_type_exists(struct narrower);
	sink = bpf_core_type_matches(struct narrower);
	sink = bpf_core_type_size(struct narrower);
	sink = bpf_core_type_exists(struct absent);
	sink = bpf_core_type_size(struct absent);
	sink = bpf_core_type_id_kernel(struct absent);
	sink = bpf_core_type_matches(struct subject);
	sink = bpf_core_type_matches(union either);
	sink = bpf_core_type_exists(union either);
	sink = bpf_core_type_exists(callback_t);
	sink = bpf_core_type_matches(callback_t);
	sink = bpf_core_type_exists(anonymous_t);
	sink = bpf_core_type_matches(anonymous_t);
	sink = bpf_core_type_matches(enum color);
	sink = bpf_core_type_matches(enum big);
	return 0;
}

SEC("socket")
int enums(void *ctx)
{
	sink = bpf_core_enum_value_exists(enum color, GREEN);
	sink = bpf_core_enum_value(enum color, GREEN);
	sink = bpf_core_enum_value_exists(enum color, BLUE);
	sink = bpf_core_enum_value_exists(enum color___wide, RED___wide);
	sink = bpf_core_enum_value(enum color___wide, RED___wide);
	sink = bpf_core_enum_value_exists(enum color___wide, PINK);
	sink = bpf_core_enum_value(enum color___wide, PINK);
	sink = bpf_core_enum_value(enum big, BIG);
	sink = bpf_core_enum_value(enum negative, MINUS);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
