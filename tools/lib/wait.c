// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Completions: what has come, and what has ended. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "netgpu.h"	/* the kernel's */
#include "queue.h"

/*
 * Connections whose data had no buffer to be copied to try again, or hear that
 * the memory was taken away.
 */
static void feed_starved(struct netgpu_queue *q)
{
	struct netgpu_conn *c;

	if (!q->nr_starved ||
	    (!__atomic_load_n(&q->returned, __ATOMIC_SEQ_CST) && !q->revoked))
		return;
	__atomic_store_n(&q->returned, 0, __ATOMIC_SEQ_CST);
	queue_flush(q);
	for (c = q->conns; c; c = c->next) {
		if (!c->starved)
			continue;
		c->starved = false;
		conn_want_armed(c);
	}
	__atomic_store_n(&q->nr_starved, 0, __ATOMIC_SEQ_CST);
}

static int taken_away(const struct netgpu_queue *q)
{
	return fail(-ENODEV, "%s was taken away by its exporter, or the network device has gone",
		    q->areas[0].memory->name);
}

/* A receive has ended; 1 when the caller must hear of it. */
static int receive_ended(struct netgpu_conn *c, int res,
			 struct netgpu_completion *out)
{
	struct netgpu_queue *q = c->queue;

	c->armed = false;
	if (c->closed) {
		conn_free_unused(c);
		return 0;
	}
	switch (res) {
	case -ENOSPC:
		q->stats.rearms++;
		conn_want_armed(c);
		return 0;
	case -EINTR:
	case -EAGAIN:
		conn_want_armed(c);
		return 0;
	case -ENOMEM:
		/*
		 * No buffer left to copy to: wait for one that the caller has.
		 * When there is none, all are with the network device, and
		 * nothing would ever bring one.
		 */
		q->stats.alloc_failures += q->kernel_writes;
		if (q->kernel_writes && (__atomic_load_n(&q->lent, __ATOMIC_RELAXED) ||
					 __atomic_load_n(&q->returned, __ATOMIC_RELAXED))) {
			c->starved = true;
			__atomic_fetch_add(&q->nr_starved, 1, __ATOMIC_SEQ_CST);
			return 0;
		}
		/* fall through */
	case -EOPNOTSUPP:	/* the exporter does not let the CPU at it */
	case -EFAULT:
	case -EIO:
		c->stray = true;
		conn_want_armed(c);
		return 0;
	}
	if (res == -ENODEV)
		taken_away(q);
	else if (res < 0)
		fail(res, "the connection has failed: %s", strerror(-res));
	conn_complete(c, out, res);
	return 1;
}

static void event(struct netgpu_queue *q, int type)
{
	if (type == NETGPU_ZCRX_EVENT_REVOKED) {
		q->revoked = true;	/* posted once */
		return;
	}
	if (type == ZCRX_EVENT_ALLOC_FAIL)
		q->stats.alloc_failures++;
	zcrx_arm_event(q->ring, q->id, type);
}

/* As take(). */
static int data(struct netgpu_queue *q, struct netgpu_conn *c,
		const struct io_uring_cqe *cqe, struct netgpu_completion *out)
{
	const struct io_uring_zcrx_cqe *zc = (const void *)(cqe + 1);
	unsigned int index = (zc->off & IORING_ZCRX_AREA_MASK) >> IORING_ZCRX_AREA_SHIFT;
	const struct area *area = q->received[index];

	out->conn = c;
	out->user = c->user;
	out->memory = area->memory;
	out->offset = area->offset + (zc->off & ~IORING_ZCRX_AREA_MASK);
	out->data = area->memory->map ? (char *)area->memory->map + out->offset : NULL;
	out->result = cqe->res;
	out->piece = cqe->res;
	out->stride = 0;
	out->kind = NETGPU_RECEIVED;
	out->index = area - q->areas;
	out->resv = 0;
	if (q->merge) {
		const struct netgpu_zcrx_cqe *merged = (const void *)zc;

		out->piece = merged->piece;
		out->stride = merged->stride;
	}
	__atomic_fetch_add(&q->lent, 1, __ATOMIC_RELAXED);
	if (c->closed && q->unwanted) {
		q->unwanted(q->unwanted_for, out);
		return 0;
	}
	if (c->closed && netgpu_queue_return(q, out, 1) < 0) {
		__atomic_fetch_sub(&q->lent, 1, __ATOMIC_RELAXED);
		return -1;
	}
	q->stats.completions++;
	q->stats.bytes += cqe->res;
	return !c->closed;
}

/* 1 when *@out holds something, -1 when the completion has to wait. */
static int take(const struct io_uring_cqe *cqe, struct netgpu_completion *out)
{
	void *p = (void *)(uintptr_t)(cqe->user_data & ~(NETGPU_CQE | KIND_MASK));
	struct netgpu_conn *c;

	switch (cqe->user_data & KIND_MASK) {
	case KIND_CONN:
		c = p;
		if (cqe->flags & IORING_CQE_F_MORE)
			return data(c->queue, c, cqe, out);
		return receive_ended(c, cqe->res, out);
	case KIND_WATCH:
		return watch_fired(p, cqe->res, out);
	case KIND_EVENT:
		event(p, cqe->res);
		return 0;
	case KIND_SEND:
		return cqe->flags & IORING_CQE_F_NOTIF ? send_acknowledged(p, cqe, out) :
							 send_taken(p, cqe, out);
	}
	return 0;
}

/* The memory was taken away, and every connection has heard of it. */
static bool over(const struct netgpu_queue *q)
{
	const struct netgpu_conn *c;

	if (!q->revoked)
		return false;
	for (c = q->conns; c; c = c->next)
		if (c->armed || c->queued || c->starved || c->nr_sends)
			return false;
	return true;
}

/* How many are in @out. */
static unsigned int take_all(struct netgpu_queue *q,
			     struct netgpu_completion *out, unsigned int count)
{
	unsigned int head, seen = 0, n = 0;
	struct io_uring_cqe *cqe;
	int ret;

	q->stuck = false;
	io_uring_for_each_cqe(q->ring, head, cqe) {
		if (n == count)
			break;
		ret = take(cqe, &out[n]);
		if (ret < 0) {
			q->stuck = true;
			break;
		}
		n += ret;
		seen++;
	}
	io_uring_cq_advance(q->ring, seen);
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/*
 * Submit, and wait for a completion if there is none; -ETIME after the timeout.
 * *@deadline is 0 until it is known.
 */
static int submit_and_wait(struct netgpu_queue *q, int64_t timeout,
			   uint64_t *deadline)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct __kernel_timespec ts = { 0 };
	struct io_uring_cqe *cqe;
	uint64_t now;

	if ((!q->stuck && io_uring_cq_ready(q->ring)) || timeout == 0 ||
	    q->todo || q->unsent || q->failed_sends || over(q))
		return io_uring_submit_and_get_events(q->ring);
	if (timeout > 0) {
		now = now_ns();
		if (!*deadline)
			*deadline = now + timeout;
		if (now >= *deadline)
			return -ETIME;
		ts.tv_sec = (*deadline - now) / 1000000000;
		ts.tv_nsec = (*deadline - now) % 1000000000;
	}
	if (q->stuck) {
		nanosleep(&pause, NULL);
		return io_uring_submit_and_get_events(q->ring);
	}
	return io_uring_submit_and_wait_timeout(q->ring, &cqe, 1,
						timeout < 0 ? NULL : &ts, NULL);
}

/* What needs no completion of the ring; how many are in @out. */
static unsigned int prepare(struct netgpu_queue *q, struct netgpu_completion *out, unsigned int count)
{
	feed_starved(q);
	if (q->todo && conn_arm_all(q, out))
		return 1;
	if (q->unwatched)
		watch_arm_all(q);
	if (q->unsent)
		queue_send_all(q);
	return q->failed_sends ? take_failed_sends(q, out, count) : 0;
}

int netgpu_queue_wait(struct netgpu_queue *q, struct netgpu_completion *out,
		      unsigned int count, int64_t timeout)
{
	uint64_t deadline = 0;
	unsigned int n;
	int ret;

	succeed();
	if (!q->own_ring)
		return fail(-EINVAL, "the ring is the caller's: netgpu_queue_prepare() and netgpu_queue_take()");
	/* Not every completion of the ring is one for the caller. */
	do {
		n = prepare(q, out, count);
		if (n)
			return n;
		ret = submit_and_wait(q, timeout, &deadline);
		if (ret < 0 && ret != -ETIME && ret != -EINTR &&
		    ret != -EAGAIN && ret != -EBUSY)
			return fail(ret, "io_uring: %s", strerror(-ret));
		n = take_all(q, out, count);
		if (n)
			return n;
		if (over(q))
			return taken_away(q);
	} while (ret >= 0 && timeout != 0);
	return 0;
}

int netgpu_queue_prepare(struct netgpu_queue *q, struct netgpu_completion *out, unsigned int count)
{
	unsigned int n;

	succeed();
	n = prepare(q, out, count);
	return !n && over(q) ? taken_away(q) : (int)n;
}

int netgpu_queue_take(struct netgpu_queue *q, const struct io_uring_cqe *cqe,
		      struct netgpu_completion *out)
{
	int ret;

	(void)q;
	succeed();
	if (!(cqe->user_data & NETGPU_CQE))
		return fail(-EINVAL, "completion %#llx is not of this library", (unsigned long long)cqe->user_data);
	ret = take(cqe, out);
	if (ret < 0)
		return fail(-EAGAIN, "the refill ring is full, and the kernel does not empty it now");
	return ret;
}
