// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Sending from the memory: one send of a connection is with the kernel at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netgpu.h"	/* the kernel's */
#include "queue.h"

#define SEND_MAX	(1u << 30)	/* the kernel takes no more than 2 GiB */

/* Have the ring know the region, as its buffer 0. */
int queue_register_region(struct netgpu_queue *q, const struct netgpu_region *region)
{
	struct netgpu_uring_buffer buffer = { .index = 0 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int ret = io_uring_register_buffers_sparse(&q->ring, 1);

	if (ret)
		return fail(ret, "io_uring: %s", strerror(-ret));
	sqe = queue_sqe(q);
	if (!sqe)
		return fail(-EBUSY, "the submission queue is full");
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = region->fd;
	sqe->cmd_op = NETGPU_URING_BUFFER_REGISTER;
	memcpy(sqe->cmd, &buffer, sizeof(buffer));
	ret = io_uring_submit_and_wait(&q->ring, 1);
	if (ret >= 0)
		ret = io_uring_peek_cqe(&q->ring, &cqe);
	if (ret < 0)
		return fail(ret, "io_uring: %s", strerror(-ret));
	ret = cqe->res;
	io_uring_cqe_seen(&q->ring, cqe);
	switch (ret) {
	case 0:
		return 0;
	case -ENODEV:
		return fail(ret, "%s was taken away by its exporter", q->memory->name);
	case -EACCES:
		return fail(ret, "the region of %s is not for sending: open it with NETGPU_SEND",
			    q->memory->name);
	}
	return fail(ret, "region of %s: %s", q->memory->name, strerror(-ret));
}

static struct send *send_new(struct netgpu_queue *q)
{
	struct send *s = q->free_sends;

	if (s) {
		q->free_sends = s->next;
		return s;
	}
	s = malloc(sizeof(*s));
	if (s) {
		s->all = q->all_sends;
		q->all_sends = s;
	}
	return s;
}

static void send_free(struct send *s)
{
	struct netgpu_queue *q = s->conn->queue;

	s->conn->nr_sends--;
	s->next = q->free_sends;
	q->free_sends = s;
}

static struct send *pop_front(struct netgpu_conn *c)
{
	struct send *s = c->sends;

	c->sends = s->next;
	if (!c->sends)
		c->sends_end = &c->sends;
	return s;
}

/* To be sent, or gone on with, before those that wait. */
static void push_front(struct netgpu_conn *c, struct send *s)
{
	s->next = c->sends;
	c->sends = s;
	if (!s->next)
		c->sends_end = &s->next;
}

/* Nobody is going to hear of them. */
void conn_drop_sends(struct netgpu_conn *c)
{
	struct send *s;

	while (c->sends) {
		s = pop_front(c);
		s->over = true;
		if (!s->notifs)
			send_free(s);
	}
}

void conn_send_next(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;
	struct send *s = c->sends;
	struct io_uring_sqe *sqe;
	uint64_t offset;

	if (!s || c->sending || c->send_error)
		return;
	sqe = queue_sqe(q);
	if (!sqe) {
		q->unsent = true;	/* netgpu_queue_wait() comes back to it */
		return;
	}
	c->sending = pop_front(c);
	offset = s->offset + s->taken;
	if (q->sends_region)
		io_uring_prep_send_zc_fixed(sqe, c->fd, (void *)(uintptr_t)offset, s->length - s->taken,
					    MSG_WAITALL | MSG_NOSIGNAL, IORING_SEND_ZC_REPORT_USAGE, 0);
	else
		io_uring_prep_send_zc(sqe, c->fd, (char *)q->memory->map + offset, s->length - s->taken,
				      MSG_WAITALL | MSG_NOSIGNAL, IORING_SEND_ZC_REPORT_USAGE);
	sqe->user_data = (uintptr_t)s | KIND_SEND;
}

void queue_send_all(struct netgpu_queue *q)
{
	struct netgpu_conn *c;

	q->unsent = false;
	for (c = q->conns; c; c = c->next)
		conn_send_next(c);
}

static void complete(const struct send *s, int result, struct netgpu_completion *out)
{
	*out = (struct netgpu_completion) {
		.conn = s->conn,
		.user = s->user,
		.offset = s->offset,
		.data = s->conn->queue->memory->map ?
			(char *)s->conn->queue->memory->map + s->offset : NULL,
		.result = result,
		.piece = s->length,
		.kind = NETGPU_SENT,
	};
}

/* When nothing more is heard of it; as take(). */
static int finish(struct send *s, struct netgpu_completion *out)
{
	struct netgpu_conn *c = s->conn;
	bool closed = c->closed;

	if (!s->over || s->notifs)
		return 0;
	if (!closed)
		complete(s, s->result, out);
	send_free(s);
	if (closed)
		conn_free_unused(c);
	return !closed;
}

static void end(struct send *s, int result)
{
	s->over = true;
	s->result = result;
	if (result < 0 && !s->conn->send_error)
		s->conn->send_error = result;
}

/* The kernel has taken some of it, or failed. */
int send_taken(struct send *s, const struct io_uring_cqe *cqe,
	       struct netgpu_completion *out)
{
	struct netgpu_conn *c = s->conn;
	struct netgpu_queue *q = c->queue;
	bool notif = cqe->flags & IORING_CQE_F_MORE;

	c->sending = NULL;
	s->notifs += notif;
	/* That of an attempt which failed comes at once, and unlocks nothing. */
	if (notif && cqe->res <= 0)
		s->empty++;
	else
		q->notifs += notif;
	if (cqe->res > 0) {
		s->taken += cqe->res;
		c->sent_bytes += cqe->res;
	}
	if (s->taken == s->length) {
		end(s, s->length);
	} else if (c->closed || c->send_error) {
		end(s, c->send_error ? c->send_error : -ECANCELED);
	} else if ((cqe->res == -ENOMEM || cqe->res == -ENOBUFS) && q->notifs) {
		/* Until one has come, which unlocks what it has sent. */
		push_front(c, s);
		q->short_of_memory = true;
		return 0;
	} else if (cqe->res > 0) {
		push_front(c, s);	/* MSG_WAITALL: the next try says what is wrong */
	} else {
		end(s, cqe->res ? cqe->res : -EPIPE);
	}
	if (c->send_error)
		q->failed_sends |= !!c->sends;
	else
		conn_send_next(c);
	return finish(s, out);
}

/* The peer has what was taken, or will not. */
int send_acknowledged(struct send *s, const struct io_uring_cqe *cqe,
		      struct netgpu_completion *out)
{
	struct netgpu_queue *q = s->conn->queue;

	s->notifs--;
	if (s->empty) {
		s->empty--;
		return finish(s, out);
	}
	q->notifs--;
	q->unsent |= q->short_of_memory;
	q->short_of_memory = false;
	/* IORING_NOTIF_USAGE_ZC_COPIED has the sign of an error. */
	if (cqe->res < 0 && cqe->res > -4096) {
		if (!s->conn->send_error)
			s->conn->send_error = cqe->res;
		/* Else it is still being sent, or waits, and ends there. */
		if (s->over)
			s->result = cqe->res;
		q->failed_sends |= !!s->conn->sends;
	} else if (cqe->res) {
		q->copied += s->taken;
	}
	return finish(s, out);
}

unsigned int take_failed_sends(struct netgpu_queue *q, struct netgpu_completion *out,
			       unsigned int count)
{
	struct netgpu_conn *c;
	unsigned int n = 0;
	struct send *s;

	q->failed_sends = false;
	for (c = q->conns; c; c = c->next) {
		while (c->send_error && (s = c->sends)) {
			if (n == count) {
				q->failed_sends = true;
				return n;
			}
			pop_front(c);
			end(s, c->send_error);
			n += finish(s, &out[n]);
		}
	}
	return n;
}

int netgpu_conn_send(struct netgpu_conn *c, uint64_t offset, uint32_t length, void *user)
{
	struct netgpu_queue *q = c->queue;
	struct send *s;

	if (!q->sends_region && q->memory->fd >= 0)
		return fail(-EOPNOTSUPP, "%s can be sent from only by a region that is opened with NETGPU_SEND",
			    q->memory->name);
	if (!length || length > SEND_MAX)
		return fail(-EINVAL, "a send of %u bytes: 1 to %u can be sent at once", length, SEND_MAX);
	if (offset > q->memory->size || length > q->memory->size - offset)
		return fail(-ERANGE, "a send of %u bytes at %llu: %s ends at %llu", length,
			    (unsigned long long)offset, q->memory->name,
			    (unsigned long long)q->memory->size);
	if (c->send_error)
		return fail(c->send_error, "the connection has failed: %s", strerror(-c->send_error));
	s = send_new(q);
	if (!s)
		return fail(-ENOMEM, "out of memory");
	s->next = NULL;
	s->conn = c;
	s->user = user;
	s->offset = offset;
	s->length = length;
	s->taken = 0;
	s->notifs = 0;
	s->empty = 0;
	s->result = 0;
	s->over = false;
	c->nr_sends++;
	*c->sends_end = s;
	c->sends_end = &s->next;
	conn_send_next(c);
	return 0;
}

void netgpu_conn_cancel(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;
	struct io_uring_sqe *sqe;

	if (!c->send_error)
		c->send_error = -ECANCELED;
	q->failed_sends |= !!c->sends;
	if (!c->sending)
		return;
	sqe = queue_sqe(q);
	if (!sqe)
		return;	/* it ends with the connection */
	io_uring_prep_cancel64(sqe, (uintptr_t)c->sending | KIND_SEND, 0);
	sqe->user_data = (uintptr_t)q | KIND_CALLER;
	io_uring_submit(&q->ring);
}

uint64_t netgpu_queue_copied(const struct netgpu_queue *q)
{
	return q->copied;
}

uint64_t netgpu_conn_sent(const struct netgpu_conn *c)
{
	return c->sent_bytes;
}
