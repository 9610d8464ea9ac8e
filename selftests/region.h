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
 * @refill: memory of the refill ring.
 */
struct target {
	struct io_uring ring;
	struct io_uring_zcrx_rq rq;
	__u64 token;
	char *refill;
};

int open_netgpu(void);

/* -1 with errno; the sentence is in region_message. */
int region_create(int netgpu, struct netgpu_region_create *create);
extern char region_message[256];

/*
 * Completions of this user_data and NETGPU_ZCRX_EVENT_REVOKED tell of a
 * revocation, in targets opened after it was set. 0 for none.
 */
extern __u64 target_event;

/* Flags of struct io_uring_zcrx_ifq_reg for targets opened after it was set. */
extern __u32 target_flags;

/* Bytes per buffer of targets opened after it was set, 0 for a page. */
extern __u32 target_buf_len;

/* Entries in the completion queue of rings made after it was set, a power of two from 64 on. */
extern __u32 target_cq_entries;

/*
 * Address of the memory of targets opened after it was set. Otherwise NULL, as it
 * has to be for dma-bufs.
 */
extern void *target_memory;

/*
 * The area's struct of targets opened after it was set, which is not written to;
 * NULL for one made of @fd, @size and @flags.
 */
extern struct io_uring_zcrx_area_reg *target_area;

/*
 * Errors are returned as -errno. @flags as in struct io_uring_zcrx_area_reg.
 * target_open() is target_ring() and target_register(). After a failure of
 * the latter alone, target_close() is still due.
 */
int target_open(struct target *t, unsigned int ifindex, unsigned int queue,
		int fd, size_t size, unsigned int flags);
int target_ring(struct target *t);
int target_register(struct target *t, unsigned int ifindex, unsigned int queue,
		    int fd, size_t size, unsigned int flags);
void target_close(struct target *t);

/* Of this network namespace, also those of receive paths. */
void regions_query(struct netgpu_query *query);
long regions_left(void);

#endif
