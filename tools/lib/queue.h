/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A queue from the inside, for the files that it is made of:
 *
 * queue.c        the ring: opening, closing, counters
 * area.c         its memories, and the zcrx instance
 * connection.c   what is received from, and starting to receive
 * watch.c        descriptors that are looked at, too
 * wait.c         completions: what has come, and what has ended
 * refill.c       buffers that go back
 * send.c         sending from the memories
 *
 * user_data of a completion is a pointer with NETGPU_CQE, and its kind in the low
 * bits; see enum kind.  Nothing is allocated between netgpu_queue_open() and
 * netgpu_queue_close() except by netgpu_queue_add(), netgpu_queue_watch(), and by
 * netgpu_conn_send() when more sends are pending than ever before.
 *
 * One thread has all of it, but for the refill ring, which has a lock, and what
 * is said to be atomic.
 */
#ifndef NETGPU_QUEUE_H
#define NETGPU_QUEUE_H

#include <pthread.h>

#include "internal.h"
#include "zcrx_abi.h"

#define MEMORIES	64	/* of a queue */
#define BOUNCE_SIZE	(64u << 10)

enum kind {
	KIND_CONN	= 0,
	KIND_WATCH	= 1,
	KIND_EVENT	= 2,
	KIND_SEND	= 3,	/* twice: taken, and acknowledged */
	KIND_NOTHING	= 4,	/* nobody wants to know */
	KIND_MASK	= 7,
};

static inline __u64 tagged(const void *p, enum kind kind)
{
	return NETGPU_CQE | (uintptr_t)p | kind;
}

struct watched {
	struct watched *next;
	struct netgpu_queue *queue;
	int fd;
	void *user;
	bool armed;
	bool removed;	/* by the caller; freed when it is not armed */
};

/* A memory of the queue. */
struct area {
	struct netgpu_memory *memory;
	struct netgpu_region *region;	/* may be NULL */
	uint64_t offset, length;	/* what there is of the memory */
	__u64 token;
	unsigned int sending;		/* sends that have not completed */
	bool sends;			/* a buffer of the ring */
	bool unsure;			/* or no longer: there was no room to hear of it */
	bool receives;
	bool held;			/* its buffers are the caller's, who says when the device gets which */
};

struct send {
	struct send *next;
	struct send *all;	/* the next that was ever allocated */
	struct netgpu_conn *conn;
	struct area *area;
	void *user;
	uint64_t offset;
	uint32_t length;
	uint32_t taken;		/* bytes, by the kernel */
	unsigned int notifs;	/* notifications that are due */
	unsigned int empty;	/* of those, of attempts that failed */
	int32_t result;		/* once it is over */
	bool over;
};

struct netgpu_conn {
	struct netgpu_queue *queue;
	struct netgpu_conn *next, **prev;	/* of all */
	struct netgpu_conn *todo;		/* of those to be armed */
	void *user;
	struct send *sends, **sends_end;	/* that wait for the one before them */
	struct send *sending;			/* not all of it is queued */
	unsigned int nr_sends;			/* until the last that is heard of them */
	int send_error;
	uint64_t sent_bytes;			/* that the kernel has taken */
	int fd;
	bool queued;	/* on the list of those to be armed */
	bool armed;	/* a receive is with the kernel */
	bool stray;	/* data in host memory is in front */
	bool starved;	/* waits for a buffer */
	bool ended;	/* the last completion was handed out */
	bool closed;	/* by the caller; freed with its last completion, or send */
};

struct netgpu_queue {
	unsigned int refs;	/* atomic: the caller's, and of each connection */
	struct io_uring *ring, own;
	struct area areas[MEMORIES];
	unsigned int nr_areas;
	struct area *received[MEMORIES];	/* that are received into, by the kernel's number */
	unsigned int nr_received;
	unsigned int buffers;	/* of the ring's table: the first */

	/* refill ring, under the lock but for what the kernel writes */
	pthread_mutex_t lock;
	unsigned int *khead, *ktail;
	struct io_uring_zcrx_rqe *rqes;
	unsigned int tail, mask;
	__u32 id;
	void *refill;
	size_t refill_size;
	volatile struct zcrx_stats *counters;	/* the kernel's; may be NULL */

	struct netgpu_conn *conns;
	struct netgpu_conn *todo;
	struct netgpu_conn **todo_end;
	unsigned int nr_starved;	/* atomic, like the next two */
	unsigned int returned;		/* since starved connections were fed */
	uint64_t lent;			/* completions with the caller */
	pthread_t owner;
	struct watched wake;		/* by another thread that has returned some */
	struct send *all_sends, *free_sends;
	unsigned int notifs;	/* of sends, that are due */
	uint64_t commands;	/* ever */
	bool has_table;		/* of buffers, the ring */
	bool unwatched;		/* a descriptor waits for room for a submission */
	bool unsent;		/* there was no room for a submission */
	bool short_of_memory;	/* a send waits for a notification */
	bool failed_sends;	/* are to be handed out */
	bool send_only;
	bool kernel_writes;	/* to the memory: it copies what came elsewhere */
	bool nodev;
	bool merge;	/* completions tell of extents */
	bool revoked;	/* the memory was taken away */
	bool stuck;	/* a completion in front waits for room to refill */
	bool own_ring;		/* to be closed */
	bool closed;		/* what is left is for connections to be closed */
	/* Who wants to know of what comes for closed connections, and returns it; else it is returned at once. */
	void (*unwanted)(void *context, const struct netgpu_completion *c);
	void *unwanted_for;
	char *bounce;
	struct watched *watches;
	unsigned int buffer_size;
	struct netgpu_queue_stats stats;
};

/* A free submission, NULL when there is none and the kernel takes none. */
struct io_uring_sqe *queue_sqe(struct netgpu_queue *q);

void queue_put(struct netgpu_queue *q);
int queue_fail_closed(void);

/* area.c */
#define NOT_MERGED	1	/* refused, if not for another reason */
/* As netgpu_queue_add_memory(), of a region; the device has none of it but what queue_push() says. */
int queue_add_held(struct netgpu_queue *q, struct netgpu_memory *memory, struct netgpu_region *region);
/* Those of a held memory that came back unused, by number: how many, or -errno. With @restart the device has none of it then. */
int queue_take_back(struct netgpu_queue *q, unsigned int index, bool restart, uint32_t *pages, unsigned int count);
int queue_open_zcrx(struct netgpu_queue *q, const struct netgpu_queue_params *p,
		    unsigned int rq_entries);
/* Its memory is that of the queue from now on. */
struct area *queue_new_area(struct netgpu_queue *q, struct netgpu_memory *memory,
			    struct netgpu_region *region);
void queue_drop_areas(struct netgpu_queue *q);

/* Have conn_arm_all() start a receive, or read what is in front. */
void conn_want_armed(struct netgpu_conn *c);
/* Start what is to be started; 1 when *@out holds something. */
int conn_arm_all(struct netgpu_queue *q, struct netgpu_completion *out);
void conn_free(struct netgpu_conn *c);

/* Free it when nothing of it is with the kernel, or queued here. */
void conn_free_unused(struct netgpu_conn *c);

/* watch.c */
void watch_arm(struct watched *w);
void watch_arm_all(struct netgpu_queue *q);
/* 1 when *@out holds something. */
int watch_fired(struct watched *w, int res, struct netgpu_completion *out);
void watch_free_all(struct netgpu_queue *q);

/* send.c */
int queue_register_region(struct netgpu_queue *q, struct area *area);
int queue_unregister_region(struct netgpu_queue *q, struct area *area);
void conn_send_next(struct netgpu_conn *c);
void conn_drop_sends(struct netgpu_conn *c);
void queue_send_all(struct netgpu_queue *q);
/* 1 when *@out holds something. */
int send_taken(struct send *s, const struct io_uring_cqe *cqe,
		struct netgpu_completion *out);
int send_acknowledged(struct send *s, const struct io_uring_cqe *cqe,
		      struct netgpu_completion *out);
/* How many are in @out. */
unsigned int take_failed_sends(struct netgpu_queue *q, struct netgpu_completion *out,
			       unsigned int count);

/* Bytes from the first one of a completion to its last. */
static inline uint64_t span_of(const struct netgpu_completion *c)
{
	uint32_t pieces;

	if (!c->stride)
		return c->result;
	pieces = (c->result - 1) / c->piece;	/* before the last */
	return (uint64_t)pieces * c->stride + c->result - pieces * c->piece;
}

/* Something but data in the memory: the caller sets where it is. */
void conn_complete(struct netgpu_conn *c, struct netgpu_completion *out, int result);

/* Have the kernel take all that is in the refill ring; 0 or -errno. */
int queue_flush(struct netgpu_queue *q);
/* The device gets @length bytes of a memory next, from @offset in it on; the entry, or -ENOBUFS. */
int queue_push(struct netgpu_queue *q, unsigned int index, uint64_t offset, uint32_t length);
/* Entries that the kernel has not taken. */
unsigned int queue_pending(const struct netgpu_queue *q);

#endif
