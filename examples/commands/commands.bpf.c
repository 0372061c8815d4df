// SPDX-License-Identifier: Apache-2.0
/* A counter service: commands come through a user ring buffer, answers go back through a ring buffer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum operation { ADD, GET, RESET };

struct command {
	__u64 id;
	__u32 counter;
	enum operation operation;
	__u64 value;
};

struct answer {
	__u64 id;
	__s64 error;
	__u64 value;
};

struct answer *unused_answer __attribute__((unused));
struct command *unused_command __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16384); /* 512 answers */
} answers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

__u64 unanswered = 0; /* no room for the answer, or a command too short to have an id */

static __s64 carry_out(const struct command *command, __u64 *value)
{
	__u32 key = command->counter;
	__u64 *counter = bpf_map_lookup_elem(&counters, &key);

	if (!counter)
		return -2; /* ENOENT */
	switch (command->operation) {
	case ADD:
		*counter += command->value;
		break;
	case GET:
		break;
	case RESET:
		*counter = 0;
		break;
	default:
		return -22; /* EINVAL */
	}
	*value = *counter;
	return 0;
}

static long handle(struct bpf_dynptr *dynptr, void *ctx)
{
	struct command command = {};
	struct answer *answer;

	/* a copy: user space may write to the sample at any time */
	if (bpf_dynptr_read(&command, sizeof(command), dynptr, 0, 0)) {
		unanswered++;
		return 0;
	}
	answer = bpf_ringbuf_reserve(&answers, sizeof(*answer), 0);
	if (!answer) {
		unanswered++;
		return 0;
	}
	answer->id = command.id;
	answer->value = 0;
	answer->error = carry_out(&command, &answer->value);
	bpf_ringbuf_submit(answer, 0);
	return 0;
}

SEC("syscall")
int serve(void *ctx)
{
	return bpf_user_ringbuf_drain(&commands, handle, NULL, 0);
}

char _license[] SEC("license") = "GPL";
