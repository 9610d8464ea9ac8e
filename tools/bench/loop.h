/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* One thread waits for everything: descriptors in an epoll instance. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stddef.h>
#include <stdint.h>

/* Something that is waited for, a member of its owner. */
struct watch {
	void (*ready)(struct watch *w, uint32_t events);
};

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* Wait for input; 0 or -errno. The watch stays where it is. */
int loop_watch(int epoll, int fd, struct watch *w);

/* Call what is ready, waiting @timeout_ms for it, forever if < 0. */
void loop_dispatch(int epoll, int timeout_ms);

#endif
