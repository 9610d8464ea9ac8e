/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A queue from the inside, for the files that it is made of:
 *
 * queue.c        the ring and its zcrx instance: opening, closing, counters
 * connection.c   what is received from, and starting to receive
 * wait.c         completions: what has come, and what has ended
 * refill.c       buffers that go back
 *
 * user_data of a completion is a pointer with its kind in the low bits; see
 * enum kind.  Nothing is allocated and no lock is taken between
 * netgpu_queue_open() and netgpu_queue_close() except by netgpu_queue_add().
 */
#ifndef NETGPU_QUEUE_H
#define NETGPU_QUEUE_H

#include "internal.h"
#include "zcrx_abi.h"

#define WATCHES		8
#define BOUNCE_SIZE	(64u << 10)

enum kind {
	KIND_CONN	= 0,
	KIND_WATCH	= 1,
	KIND_EVENT	= 2,
	KIND_CANCEL	= 3,
	KIND_CALLER	= 4,
	KIND_MASK	= 7,
};

struct watched {
	struct netgpu_queue *queue;
	int fd;
	void *user;
};

struct netgpu_conn {
	struct netgpu_queue *queue;
	struct netgpu_conn *next, **prev;	/* of all */
	struct netgpu_conn *todo;		/* of those to be armed */
	void *user;
	int fd;
	bool queued;	/* on the list of those to be armed */
	bool armed;	/* a receive is with the kernel */
	bool stray;	/* data in host memory is in front */
	bool starved;	/* waits for a buffer */
	bool ended;	/* the last completion was handed out */
	bool closed;	/* by the caller; freed with its last completion */
};

struct netgpu_queue {
	struct io_uring ring;
	struct netgpu_memory *memory;

	/* refill ring */
	unsigned int *khead, *ktail;
	struct io_uring_zcrx_rqe *rqes;
	unsigned int tail, mask;
	__u64 token;
	__u32 id;
	void *refill;
	size_t refill_size;
	volatile struct zcrx_stats *counters;	/* the kernel's; may be NULL */

	struct netgpu_conn *conns;
	struct netgpu_conn *todo;
	struct netgpu_conn **todo_end;
	unsigned int nr_starved;
	unsigned int returned;	/* since starved connections were fed */
	uint64_t lent;		/* completions with the caller */
	bool kernel_writes;	/* to the memory: it copies what came elsewhere */
	bool nodev;
	bool merge;	/* completions tell of extents */
	bool revoked;	/* the memory was taken away */
	bool stuck;	/* a completion in front waits for room to refill */
	bool ring_ready;
	char *bounce;
	struct watched watches[WATCHES];
	unsigned int nr_watches;
	struct netgpu_queue_stats stats;
};

/* A free submission, NULL when there is none and the kernel takes none. */
struct io_uring_sqe *queue_sqe(struct netgpu_queue *q);

/* Have conn_arm_all() start a receive, or read what is in front. */
void conn_want_armed(struct netgpu_conn *c);
/* Start what is to be started; 1 when *@out holds something. */
int conn_arm_all(struct netgpu_queue *q, struct netgpu_completion *out);
int watch_arm(struct watched *w);
void conn_free(struct netgpu_conn *c);

/* Something but data in the memory: the caller sets where it is. */
void conn_complete(struct netgpu_conn *c, struct netgpu_completion *out, int result);

/* Have the kernel take all that is in the refill ring; 0 or -errno. */
int queue_flush(struct netgpu_queue *q);

#endif
