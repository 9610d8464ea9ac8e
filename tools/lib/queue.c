// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* A queue: its ring, opening, closing, counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "queue.h"

#define SQ_ENTRIES	256	/* the least that a completion queue may have */
#define RQ_ENTRIES_MIN	64
#define ENTRIES_MAX	32768
#define MERGED_USUAL	2048	/* entries that tell of many buffers: no more of them, unless asked for */

#define KNOWN_FLAGS	(NETGPU_QUEUE_NODEV | NETGPU_QUEUE_MERGE | NETGPU_QUEUE_SEND_ONLY)

static int ring_fail(int ret, const char *what)
{
	if (ret == -ENOSYS)
		return fail(ret, "this kernel has no io_uring, or it is switched off");
	return fail(ret, "%s: %s", what, strerror(-ret));
}

static int open_ring(struct netgpu_queue *q, unsigned int cq_entries)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQE32 |
			 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = cq_entries,
	};
	int ret = io_uring_queue_init_params(SQ_ENTRIES, &q->own, &p);

	if (ret)
		return ring_fail(ret, "io_uring");
	q->own_ring = true;
	q->ring = &q->own;
	io_uring_ring_dontfork(q->ring);
	return 0;
}

static int use_ring(struct netgpu_queue *q, const struct netgpu_queue_params *p)
{
	unsigned int flags = p->ring->flags;

	if (!(flags & IORING_SETUP_DEFER_TASKRUN) ||
	    !(flags & (IORING_SETUP_CQE32 | IORING_SETUP_CQE_MIXED)))
		return fail(-EINVAL, "queue: the ring must be set up with IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN and IORING_SETUP_CQE32 (or CQE_MIXED)");
	q->ring = p->ring;
	q->buffers = p->buffers;
	q->has_table = true;
	return 0;
}

static unsigned int entries(unsigned int wanted, uint64_t usual,
			    unsigned int least)
{
	uint64_t n = wanted ? wanted : usual;

	if (n > ENTRIES_MAX)
		n = ENTRIES_MAX;
	return n < least ? least : n;
}

static int check_params(const struct netgpu_queue_params *p, const struct netgpu_memory *memory,
			const struct netgpu_region *region)
{
	size_t i;

	if (p->flags & ~KNOWN_FLAGS)
		return fail(-EINVAL, "queue: unknown flags %#x", p->flags);
	for (i = 0; i < sizeof(p->resv) / sizeof(p->resv[0]); i++)
		if (p->resv[i])
			return fail(-EINVAL, "queue: reserved fields must be zero");
	if (p->buffer_size & (p->buffer_size - 1) ||
	    (p->buffer_size && p->buffer_size < page_size()))
		return fail(-EINVAL, "queue: buffers of %u bytes: must be a power of two, a page (%zu) or more",
			    p->buffer_size, page_size());
	if ((p->flags & NETGPU_QUEUE_NODEV) && memory->fd >= 0)
		return fail(-EINVAL, "queue without a device: %s cannot be written by the kernel, use \"host\"",
			    memory->name);
	if (region && region->memory != memory)
		return fail(-EINVAL, "queue: the region is of %s, not of %s", region->memory->name,
			    memory->name);
	if (p->ring && p->cq_entries)
		return fail(-EINVAL, "queue: the ring is the caller's, who has said already how many completions may wait");
	return 0;
}

/* It is all zero and closed. */
static int open_queue(struct netgpu_queue *q, const struct netgpu_queue_params *p,
		      struct netgpu_memory *memory, struct netgpu_region *region)
{
	/* A completion is a packet or more, of which a buffer may hold several. */
	uint64_t usual = (region ? region->length : memory->size) / page_size();
	unsigned int rq = 1;
	struct area *area;
	int ret;

	if (p->flags & NETGPU_QUEUE_MERGE && usual > MERGED_USUAL)
		usual = MERGED_USUAL;
	while (rq < entries(p->rq_entries, usual, RQ_ENTRIES_MIN))
		rq *= 2;
	q->nodev = p->flags & NETGPU_QUEUE_NODEV;
	q->send_only = p->flags & NETGPU_QUEUE_SEND_ONLY;
	q->buffer_size = p->buffer_size ? p->buffer_size : page_size();
	q->bounce = malloc(BOUNCE_SIZE);
	if (!q->bounce)
		return fail(-ENOMEM, "out of memory");
	if (p->ring)
		ret = use_ring(q, p);
	else
		ret = open_ring(q, entries(p->cq_entries, usual, SQ_ENTRIES));
	if (ret)
		return ret;
	area = queue_new_area(q, memory, region);
	ret = queue_register_region(q, area);
	if (!ret && !q->send_only)
		ret = queue_open_zcrx(q, p, rq);
	/* Of the caller's ring nothing is kept. */
	if (ret && p->ring)
		queue_unregister_region(q, area);
	if (ret || !q->kernel_writes)
		return ret;
	q->wake.queue = q;
	q->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->wake.fd < 0)
		return fail(-errno, "eventfd: %s", strerror(errno));
	watch_arm(&q->wake);
	return 0;
}

int netgpu_queue_open(const struct netgpu_queue_params *p,
		      struct netgpu_memory *memory,
		      struct netgpu_region *region,
		      struct netgpu_queue **queue)
{
	struct netgpu_queue_params plain = *p;
	struct netgpu_queue *q;
	int ret;

	succeed();
	ret = check_params(p, memory, region);
	if (ret)
		return ret;
	q = calloc(1, sizeof(*q));
	if (!q)
		return fail(-ENOMEM, "out of memory");
	q->refs = 1;
	q->wake.fd = -1;
	q->todo_end = &q->todo;
	q->owner = pthread_self();
	pthread_mutex_init(&q->lock, NULL);
	ret = open_queue(q, p, memory, region);
	if (ret) {
		/* Of the last failure, not of what is closed. */
		netgpu_queue_close(q);
		if (ret != NOT_MERGED)
			return ret;
		/* Each packet has a completion then, and the rings room for them. */
		plain.flags &= ~NETGPU_QUEUE_MERGE;
		return netgpu_queue_open(&plain, memory, region, queue);
	}
	*queue = q;
	return 0;
}

void queue_put(struct netgpu_queue *q)
{
	if (!ref_put(&q->refs))
		return;
	pthread_mutex_destroy(&q->lock);
	free(q);
}

int queue_fail_closed(void)
{
	return fail(-ESHUTDOWN, "the queue is closed");
}

void netgpu_queue_close(struct netgpu_queue *q)
{
	struct netgpu_conn *c, *next;
	struct send *s;

	if (!q)
		return;
	q->closed = true;
	if (q->own_ring)
		io_uring_queue_exit(&q->own);
	if (q->refill)
		munmap(q->refill, q->refill_size);
	if (q->wake.fd >= 0)
		close(q->wake.fd);
	watch_free_all(q);
	queue_drop_areas(q);
	while ((s = q->all_sends)) {
		q->all_sends = s->all;
		free(s);
	}
	free(q->bounce);
	/* Those that the caller has closed have waited for a completion. */
	for (c = q->conns; c; c = next) {
		next = c->next;
		if (c->closed)
			conn_free(c);
	}
	queue_put(q);
}

struct io_uring_sqe *queue_sqe(struct netgpu_queue *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(q->ring);

	if (!sqe) {
		io_uring_submit(q->ring);
		sqe = io_uring_get_sqe(q->ring);
	}
	return sqe;
}

int netgpu_queue_fd(const struct netgpu_queue *q)
{
	return q->ring->ring_fd;
}

void netgpu_queue_get_stats(const struct netgpu_queue *q,
			    struct netgpu_queue_stats *stats)
{
	*stats = q->stats;
	if (q->counters) {
		stats->copies = q->counters->copy_count;
		stats->copy_bytes = q->counters->copy_bytes;
	}
}

void netgpu_queue_query(const struct netgpu_queue *q, struct netgpu_queue_info *info)
{
	*info = (struct netgpu_queue_info) {
		.flags = (q->nodev ? NETGPU_QUEUE_NODEV : 0) |
			 (q->merge ? NETGPU_QUEUE_MERGE : 0) |
			 (q->send_only ? NETGPU_QUEUE_SEND_ONLY : 0),
		.cq_entries = q->ring->cq.ring_entries,
		.rq_entries = q->refill ? q->mask + 1 : 0,
		.buffer_size = q->send_only ? 0 : q->buffer_size,
		.memories = q->nr_areas,
	};
}
