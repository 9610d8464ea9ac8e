// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Completions: what has come, and what has ended. */
#include <errno.h>
#include <poll.h>
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

	if (!q->nr_starved || (!q->returned && !q->revoked))
		return;
	queue_flush(q);
	q->returned = 0;
	for (c = q->conns; c; c = c->next) {
		if (!c->starved)
			continue;
		c->starved = false;
		conn_want_armed(c);
	}
	q->nr_starved = 0;
}

static int taken_away(const struct netgpu_queue *q)
{
	return fail(-ENODEV, "%s was taken away by its exporter, or the network device has gone",
		    q->memory->name);
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
		if (q->kernel_writes && (q->lent || q->returned)) {
			c->starved = true;
			q->nr_starved++;
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
	zcrx_arm_event(&q->ring, q->id, type);
}

/* As take(). */
static int data(struct netgpu_queue *q, struct netgpu_conn *c,
		const struct io_uring_cqe *cqe, struct netgpu_completion *out)
{
	const struct io_uring_zcrx_cqe *zc = (const void *)(cqe + 1);

	out->conn = c;
	out->user = c->user;
	out->offset = zc->off & ~IORING_ZCRX_AREA_MASK;
	out->data = q->memory->map ? (char *)q->memory->map + out->offset : NULL;
	out->result = cqe->res;
	out->piece = cqe->res;
	out->stride = 0;
	out->kind = NETGPU_RECEIVED;
	if (q->merge) {
		const struct netgpu_zcrx_cqe *merged = (const void *)zc;

		out->piece = merged->piece;
		out->stride = merged->stride;
	}
	q->lent++;
	if (c->closed && netgpu_queue_return(q, out, 1) < 0) {
		q->lent--;
		return -1;
	}
	q->stats.completions++;
	q->stats.bytes += cqe->res;
	return !c->closed;
}

/* 1 when *@out holds something, -1 when the completion has to wait. */
static int take(struct netgpu_queue *q, const struct io_uring_cqe *cqe,
		struct netgpu_completion *out)
{
	void *p = (void *)(uintptr_t)(cqe->user_data & ~(__u64)KIND_MASK);
	struct watched *w;

	switch (cqe->user_data & KIND_MASK) {
	case KIND_CONN:
		if (cqe->flags & IORING_CQE_F_MORE)
			return data(q, p, cqe, out);
		return receive_ended(p, cqe->res, out);
	case KIND_WATCH:
		w = p;
		*out = (struct netgpu_completion) {
			.user = w->user, .result = cqe->res,
			.offset = NETGPU_IN_HOST,
		};
		if (cqe->res >= 0 && !(cqe->res & POLLHUP))
			watch_arm(w);
		return 1;
	case KIND_EVENT:
		event(q, cqe->res);
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
	io_uring_for_each_cqe(&q->ring, head, cqe) {
		if (n == count)
			break;
		ret = take(q, cqe, &out[n]);
		if (ret < 0) {
			q->stuck = true;
			break;
		}
		n += ret;
		seen++;
	}
	io_uring_cq_advance(&q->ring, seen);
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

	if ((!q->stuck && io_uring_cq_ready(&q->ring)) || timeout == 0 ||
	    q->todo || q->unsent || q->failed_sends || over(q))
		return io_uring_submit_and_get_events(&q->ring);
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
		return io_uring_submit_and_get_events(&q->ring);
	}
	return io_uring_submit_and_wait_timeout(&q->ring, &cqe, 1,
						timeout < 0 ? NULL : &ts, NULL);
}

int netgpu_queue_wait(struct netgpu_queue *q, struct netgpu_completion *out,
		      unsigned int count, int64_t timeout)
{
	uint64_t deadline = 0;
	unsigned int n;
	int ret;

	/* Not every completion of the ring is one for the caller. */
	do {
		feed_starved(q);
		if (q->todo && conn_arm_all(q, out))
			return 1;
		if (q->unsent)
			queue_send_all(q);
		if (q->failed_sends) {
			n = take_failed_sends(q, out, count);
			if (n)
				return n;
		}
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
