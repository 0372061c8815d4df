/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An extension, not UAPI: bpf_timer as version 3 of the patch proposed it (June 2021), on today's helpers.
 *
 *	long bpf_timer_init(struct bpf_timer *timer, int flags);
 *	long bpf_timer_start(struct bpf_timer *timer, void *callback_fn, u64 nsec);
 *
 * Their map and program arguments were hidden. The program still is; the map has to be said once, before this file is
 * included, as no C compiler knows which map a value belongs to:
 *
 *	-DTIMER_V3_MAP=hmap -include timer_v3.h
 *
 * After the fact, from the same proposals: bpf_timer_start2() sets the callback and arms the timer, with flags.
 */
#ifndef TIMER_V3_H
#define TIMER_V3_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef TIMER_V3_MAP
#error "-DTIMER_V3_MAP=<the map whose values hold the timer>"
#endif

static __always_inline long timer_start2(struct bpf_timer *timer, void *callback_fn, __u64 nsec, __u64 flags)
{
	long err = bpf_timer_set_callback(timer, callback_fn);

	return err ? err : bpf_timer_start(timer, nsec, flags);
}

#define bpf_timer_start2(timer, callback_fn, nsec, flags) timer_start2(timer, callback_fn, nsec, flags)
#define bpf_timer_init(timer, flags) (bpf_timer_init)(timer, &TIMER_V3_MAP, flags)
#define bpf_timer_start(timer, callback_fn, nsec) timer_start2(timer, callback_fn, nsec, 0)

#endif
