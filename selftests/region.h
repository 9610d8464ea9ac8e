/* SPDX-License-Identifier: GPL-2.0 */
/* Regions and zcrx queues as the tests use them: the bare interface. */
#ifndef REGION_H
#define REGION_H

#include <liburing.h>
#include <linux/netgpu.h>

#include "memory.h"

/**
 * struct target - a zcrx queue of one ring
 * @ring: the ring.
 * @rq: its refill ring.
 * @token: of its only area.
 */
struct target {
	struct io_uring ring;
	struct io_uring_zcrx_rq rq;
	__u64 token;
};

int open_netgpu(void);

/* -1 with errno; the sentence is in region_message. */
int region_create(int netgpu, struct netgpu_region_create *create);
extern char region_message[256];

/* Errors are returned as -errno. @flags as in struct io_uring_zcrx_area_reg. */
int target_open(struct target *t, unsigned int ifindex, unsigned int queue,
		int fd, size_t size, unsigned int flags);
void target_close(struct target *t);

long regions_left(void);

#endif
