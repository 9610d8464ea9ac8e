// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Connections of a queue, and starting to receive from them. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "queue.h"

void conn_want_armed(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;

	if (c->queued)
		return;
	c->queued = true;
	c->todo = NULL;
	*q->todo_end = c;
	q->todo_end = &c->todo;
}

void conn_free_unused(struct netgpu_conn *c)
{
	if (!c->armed && !c->queued && !c->nr_sends)
		conn_free(c);
}

void conn_free(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;

	if (c->next)
		c->next->prev = c->prev;
	*c->prev = c->next;
	free(c);
	queue_put(q);
}

static void arm(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;
	struct io_uring_sqe *sqe = queue_sqe(q);

	if (!sqe) {
		conn_want_armed(c);
		return;
	}
	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, c->fd, NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	sqe->zcrx_ifq_idx = q->id;
	sqe->user_data = tagged(c, KIND_CONN);
	c->armed = true;
}

int netgpu_queue_add(struct netgpu_queue *q, int fd, void *user,
		     struct netgpu_conn **conn)
{
	struct netgpu_conn *c;

	succeed();
	c = calloc(1, sizeof(*c));
	if (!c)
		return fail(-ENOMEM, "out of memory");
	ref_get(&q->refs);
	c->queue = q;
	c->fd = fd;
	c->user = user;
	c->next = q->conns;
	c->prev = &q->conns;
	if (c->next)
		c->next->prev = &c->next;
	q->conns = c;
	c->sends_end = &c->sends;
	if (!q->send_only)
		conn_want_armed(c);
	*conn = c;
	return 0;
}

void netgpu_conn_close(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;
	struct io_uring_sqe *sqe;

	c->closed = true;
	if (q->closed) {
		conn_free(c);
		return;
	}
	if (c->starved) {
		c->starved = false;
		__atomic_fetch_sub(&q->nr_starved, 1, __ATOMIC_SEQ_CST);
	}
	conn_drop_sends(c);
	/* Not later, when the caller has closed the socket, and another has its number. */
	if (c->sending)
		netgpu_conn_cancel(c);
	if (!c->armed) {
		conn_free_unused(c);	/* else netgpu_queue_wait() will */
		return;
	}
	sqe = queue_sqe(q);
	if (!sqe)
		return;	/* ends with the stream, or the queue */
	io_uring_prep_cancel64(sqe, tagged(c, KIND_CONN), 0);
	sqe->user_data = tagged(q, KIND_NOTHING);
	io_uring_submit(q->ring);
}

int netgpu_conn_fd(const struct netgpu_conn *c)
{
	return c->fd;
}

void conn_complete(struct netgpu_conn *c, struct netgpu_completion *out, int result)
{
	*out = (struct netgpu_completion) {
		.conn = c,
		.user = c->user,
		.offset = NETGPU_IN_HOST,
		.result = result,
		.piece = result > 0 ? result : 0,
		.kind = NETGPU_RECEIVED,
	};
	if (result <= 0)
		c->ended = true;
}

/*
 * Data in host memory is in front, where the kernel cannot copy it into the
 * memory: read it the ordinary way, up to the next byte that is there already.
 * 1 when *@out holds something.
 */
static int read_stray(struct netgpu_conn *c, struct netgpu_completion *out)
{
	struct netgpu_queue *q = c->queue;
	ssize_t n = recv(c->fd, q->bounce, BOUNCE_SIZE, MSG_DONTWAIT);

	c->stray = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		conn_want_armed(c);
		return 0;
	}
	if (n <= 0) {
		/* EFAULT: what is in front belongs to another queue's memory. */
		conn_complete(c, out, n ? -errno : 0);
		return 1;
	}
	conn_complete(c, out, n);
	out->data = q->bounce;
	q->stats.stray_bytes += n;
	q->stats.completions++;
	q->stats.bytes += n;
	conn_want_armed(c);
	return 1;
}

int conn_arm_all(struct netgpu_queue *q, struct netgpu_completion *out)
{
	struct netgpu_conn *c, *list = q->todo;

	q->todo = NULL;
	q->todo_end = &q->todo;
	while ((c = list)) {
		list = c->todo;
		c->queued = false;
		if (c->closed) {
			conn_free_unused(c);
			continue;
		}
		if (!c->stray) {
			arm(c);
			continue;
		}
		if (!read_stray(c, out))
			continue;
		/* There is one bounce buffer: the others in their turn. */
		while ((c = list)) {
			list = c->todo;
			c->queued = false;
			conn_want_armed(c);
		}
		return 1;
	}
	return 0;
}
