// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Buffers that go back to the network device. */
#include <errno.h>
#include <sys/eventfd.h>

#include "queue.h"

int queue_flush(struct netgpu_queue *q)
{
	q->stats.flushes++;
	return zcrx_flush_rq(q->ring, q->id);
}

/*
 * Refill entries are taken by the network device when it needs buffers, so a
 * full ring means that it has plenty; the kernel can be told to take them all.
 * One that is too old for that, or another thread's call, leaves them there.
 */
static bool make_room(struct netgpu_queue *q, unsigned int *head)
{
	__atomic_store_n(q->ktail, q->tail, __ATOMIC_RELEASE);
	queue_flush(q);
	*head = __atomic_load_n(q->khead, __ATOMIC_ACQUIRE);
	return q->tail - *head <= q->mask;
}

/* @c is one of @q: where its first byte is to the kernel. */
static __u64 refill_offset(const struct netgpu_queue *q, const struct netgpu_completion *c)
{
	const struct area *area = &q->areas[c->index];

	return area->token | (c->offset - area->offset);
}

/* As netgpu_queue_return(), with the lock; *@given are those that were buffers. */
static unsigned int give_back(struct netgpu_queue *q, const struct netgpu_completion *completions,
			      unsigned int count, unsigned int *given)
{
	unsigned int i, head = __atomic_load_n(q->khead, __ATOMIC_ACQUIRE);

	for (i = 0; i < count; i++) {
		const struct netgpu_completion *c = &completions[i];
		struct io_uring_zcrx_rqe *rqe;

		if (c->result <= 0 || c->offset == NETGPU_IN_HOST || !c->conn ||
		    c->kind != NETGPU_RECEIVED || q->areas[c->index].held)
			continue;
		if (q->tail - head > q->mask && !make_room(q, &head))
			break;
		rqe = &q->rqes[q->tail++ & q->mask];
		rqe->off = refill_offset(q, c);
		rqe->len = span_of(c);
		rqe->__pad = 0;
		++*given;
	}
	__atomic_store_n(q->ktail, q->tail, __ATOMIC_RELEASE);
	return i;
}

int queue_push(struct netgpu_queue *q, unsigned int index, uint64_t offset, uint32_t length)
{
	const struct area *area = &q->areas[index];
	unsigned int head, entry;

	pthread_mutex_lock(&q->lock);
	head = __atomic_load_n(q->khead, __ATOMIC_ACQUIRE);
	entry = q->tail & q->mask;
	if (q->tail - head <= q->mask) {
		q->rqes[entry] = (struct io_uring_zcrx_rqe) { .off = area->token | (offset - area->offset), .len = length };
		__atomic_store_n(q->ktail, ++q->tail, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&q->lock);
		return entry;
	}
	pthread_mutex_unlock(&q->lock);
	return -ENOBUFS;
}

unsigned int queue_pending(const struct netgpu_queue *q)
{
	return q->tail - __atomic_load_n(q->khead, __ATOMIC_ACQUIRE);
}

int netgpu_queue_return(struct netgpu_queue *q,
			const struct netgpu_completion *completions,
			unsigned int count)
{
	unsigned int done, given = 0;

	succeed();
	if (q->send_only)
		return count;
	pthread_mutex_lock(&q->lock);
	done = give_back(q, completions, count, &given);
	pthread_mutex_unlock(&q->lock);
	if (given) {
		__atomic_fetch_sub(&q->lent, given, __ATOMIC_RELAXED);
		__atomic_fetch_add(&q->returned, given, __ATOMIC_SEQ_CST);
		/* Either this sees that a connection starves, or that one sees this. */
		if (__atomic_load_n(&q->nr_starved, __ATOMIC_SEQ_CST) && !pthread_equal(pthread_self(), q->owner))
			eventfd_write(q->wake.fd, 1);
	}
	if (count && !done)
		return fail(-ENOBUFS, "the refill ring is full, and the kernel does not empty it now");
	return done;
}
