// The example of the message that introduced bpf_timer (version 3 of the patch), as written there up to the line "as
// written ends"; what it leaves to the reader follows. V3 selects its form, on timer_v3.h; without, it is today's.
#ifdef V3
#define TIMER_V3_MAP hmap
#include "timer_v3.h"
#else
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#endif
#include <bpf/bpf_tracing.h>

#define CLOCK_REALTIME 0

struct map_elem {
    int counter;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1000);
    __type(key, int);
    __type(value, struct map_elem);
} hmap SEC(".maps");

static int timer_cb(void *map, int *key, struct map_elem *val);
/* val points to particular map element that contains bpf_timer. */

SEC("fentry/bpf_fentry_test1")
int BPF_PROG(test1, int a)
{
    struct map_elem *val;
    int key = 0;

    val = bpf_map_lookup_elem(&hmap, &key);
    if (val) {
#ifdef V3
        bpf_timer_init(&val->timer, CLOCK_REALTIME);
        bpf_timer_start(&val->timer, timer_cb, 1000 /* call timer_cb2 in 1 usec */);
#else
        bpf_timer_init(&val->timer, &hmap, CLOCK_REALTIME);
        bpf_timer_set_callback(&val->timer, timer_cb);
        bpf_timer_start(&val->timer, 1000, 0);
#endif
    }
    return 0;
}
/* as written ends */

static int timer_cb(void *map, int *key, struct map_elem *val)
{
    val->counter++;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
