// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Sending from the memory: one send of a connection is with the kernel at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netgpu.h"	/* the kernel's */
#include "queue.h"

#define TRIES		1000	/* system calls, for what the kernel does in the first */
#define SEND_MAX	(1u << 30)	/* the kernel takes no more than 2 GiB */

static int register_fail(int ret, const struct area *area)
{
	const char *name = area->memory->name;

	switch (ret) {
	case -ENODEV:
		return fail(ret, "%s was taken away by its exporter", name);
	case -EACCES:
		return fail(ret, "the region of %s is not for sending: open it with NETGPU_SEND", name);
	case -EBUSY:
		return fail(ret, "the ring has another buffer where the region of %s was to be", name);
	}
	return fail(ret, "region of %s: %s", name, strerror(-ret));
}

/* The completion of a command that is in the ring somewhere; NULL when it is not. */
static struct io_uring_cqe *find_cqe(struct netgpu_queue *q, __u64 user_data)
{
	struct io_uring_cqe *cqe;
	unsigned int head;

	io_uring_for_each_cqe(q->ring, head, cqe)
		if (cqe->user_data == user_data)
			return cqe;
	return NULL;
}

static bool submit_command(struct netgpu_queue *q, const struct area *area, __u32 cmd_op, __u64 name)
{
	struct netgpu_uring_buffer buffer = { .index = q->buffers + (area - q->areas) };
	struct io_uring_sqe *sqe = queue_sqe(q);

	if (!sqe)
		return false;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = area->region->fd;
	sqe->cmd_op = cmd_op;
	sqe->user_data = name;
	memcpy(sqe->cmd, &buffer, sizeof(buffer));
	return true;
}

static bool is_full(const struct netgpu_queue *q)
{
	return io_uring_cq_ready(q->ring) == q->ring->cq.ring_entries;
}

/*
 * Have a region do what @cmd_op is.  The kernel does it at once; its completion is
 * taken from among others, which stay.  When those leave no room for it, what has
 * become of it is not known.
 */
static int command(struct netgpu_queue *q, struct area *area, __u32 cmd_op)
{
	/* Nobody's address, so that one that comes too late is not the next one's. */
	__u64 name = NETGPU_CQE | ++q->commands << 3 | KIND_NOTHING;
	struct io_uring_cqe *cqe;
	unsigned int tries = 0;
	int ret;

	/* What is yet to be submitted completes before it, some of it at once. */
	if (io_uring_cq_ready(q->ring) + io_uring_sq_ready(q->ring) >= q->ring->cq.ring_entries)
		io_uring_submit(q->ring);
	if (is_full(q) || !submit_command(q, area, cmd_op, name))
		return fail(-EAGAIN, "the io_uring is full: take completions first");
	do {
		ret = io_uring_submit_and_get_events(q->ring);
		cqe = find_cqe(q, name);
	} while (!cqe && (ret >= 0 || ret == -EINTR) && !is_full(q) && ++tries < TRIES);
	area->unsure = !cqe;
	if (!cqe && ret < 0 && ret != -EINTR)
		return fail(ret, "io_uring: %s", strerror(-ret));
	if (!cqe)
		return fail(-EOVERFLOW, "the io_uring has no room for the completion of this: take completions, and try again");
	cqe->user_data = tagged(q, KIND_NOTHING);	/* not to be found the next time */
	return cqe->res ? register_fail(cqe->res, area) : 0;
}

/* Have the ring know the region of an area, if it has one that is sent from. */
int queue_register_region(struct netgpu_queue *q, struct area *area)
{
	int ret;

	if (!area->region || !area->region->send)
		return 0;
	if (!q->has_table) {
		ret = io_uring_register_buffers_sparse(q->ring, MEMORIES);
		if (ret)
			return fail(ret, "io_uring: %s", strerror(-ret));
		q->has_table = true;
	}
	ret = command(q, area, NETGPU_URING_BUFFER_REGISTER);
	area->sends = !ret;
	/* It may be there, and would be in the way: whatever has become of it, this comes after it. */
	if (area->unsure && submit_command(q, area, NETGPU_URING_BUFFER_UNREGISTER, tagged(q, KIND_NOTHING)))
		io_uring_submit(q->ring);
	return ret;
}

/* After an error it may be tried again. */
int queue_unregister_region(struct netgpu_queue *q, struct area *area)
{
	bool tried = area->unsure;
	int ret = area->sends ? command(q, area, NETGPU_URING_BUFFER_UNREGISTER) : 0;

	if (ret == -EINVAL && tried)
		ret = 0;	/* the one before has done it */
	area->sends = ret;
	return ret;
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
	s->area->sending--;
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
	if (s->area->sends)
		io_uring_prep_send_zc_fixed(sqe, c->fd, (void *)(uintptr_t)(offset - s->area->offset),
					    s->length - s->taken, MSG_WAITALL | MSG_NOSIGNAL,
					    IORING_SEND_ZC_REPORT_USAGE, q->buffers + (s->area - q->areas));
	else
		io_uring_prep_send_zc(sqe, c->fd, (char *)s->area->memory->map + offset, s->length - s->taken,
				      MSG_WAITALL | MSG_NOSIGNAL, IORING_SEND_ZC_REPORT_USAGE);
	sqe->user_data = tagged(s, KIND_SEND);
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
	const struct netgpu_memory *m = s->area->memory;

	*out = (struct netgpu_completion) {
		.conn = s->conn,
		.user = s->user,
		.memory = s->area->memory,
		.offset = s->offset,
		.data = m->map ? (char *)m->map + s->offset : NULL,
		.result = result,
		.piece = s->length,
		.kind = NETGPU_SENT,
		.index = s->area - s->conn->queue->areas,
	};
	if (result < 0)
		fail(result, "sending out of %s has failed: %s", m->name, strerror(-result));
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
		q->stats.send_copy_bytes += s->taken;
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

static bool contains(const struct area *area, uint64_t offset, uint32_t length)
{
	return offset >= area->offset && offset - area->offset <= area->length &&
	       length <= area->length - (offset - area->offset);
}

/* The queue's, or NULL; of several that are parts of one memory the one in which the bytes are. */
static struct area *find_area(struct netgpu_queue *q, const struct netgpu_memory *memory,
				    uint64_t offset, uint32_t length)
{
	struct area *found = NULL, *area;

	for (area = q->areas; area < q->areas + q->nr_areas; area++) {
		if (area->memory != (memory ? memory : q->areas[0].memory))
			continue;
		if (contains(area, offset, length))
			return area;
		if (!found)
			found = area;
	}
	return found;
}

int netgpu_conn_send(struct netgpu_conn *c, struct netgpu_memory *memory, uint64_t offset,
		     uint32_t length, void *user)
{
	struct netgpu_queue *q = c->queue;
	struct area *area;
	struct send *s;

	succeed();
	if (q->closed)
		return queue_fail_closed();
	area = find_area(q, memory, offset, length);
	if (!area)
		return fail(-EINVAL, "%s is none of the queue's memories", memory->name);
	memory = area->memory;
	if (!area->sends && memory->fd >= 0)
		return fail(-EOPNOTSUPP, "%s can be sent from only by a region that is opened with NETGPU_SEND",
			    memory->name);
	if (!length || length > SEND_MAX)
		return fail(-EINVAL, "a send of %u bytes: 1 to %u can be sent at once", length, SEND_MAX);
	if (!contains(area, offset, length))
		return fail(-ERANGE, "a send of %u bytes at %llu: what there is of %s begins at %llu, and ends at %llu",
			    length, (unsigned long long)offset, memory->name, (unsigned long long)area->offset,
			    (unsigned long long)area->offset + area->length);
	if (c->send_error)
		return fail(c->send_error, "the connection has failed: %s", strerror(-c->send_error));
	s = send_new(q);
	if (!s)
		return fail(-ENOMEM, "out of memory");
	s->next = NULL;
	s->conn = c;
	s->area = area;
	s->user = user;
	s->offset = offset;
	s->length = length;
	s->taken = 0;
	s->notifs = 0;
	s->empty = 0;
	s->result = 0;
	s->over = false;
	c->nr_sends++;
	area->sending++;
	*c->sends_end = s;
	c->sends_end = &s->next;
	conn_send_next(c);
	return 0;
}

void netgpu_conn_cancel(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;
	struct io_uring_sqe *sqe;

	if (q->closed)
		return;
	if (!c->send_error)
		c->send_error = -ECANCELED;
	q->failed_sends |= !!c->sends;
	if (!c->sending)
		return;
	sqe = queue_sqe(q);
	if (!sqe)
		return;	/* it ends with the connection */
	io_uring_prep_cancel64(sqe, tagged(c->sending, KIND_SEND), 0);
	sqe->user_data = tagged(q, KIND_NOTHING);
	io_uring_submit(q->ring);
}

uint64_t netgpu_conn_sent(const struct netgpu_conn *c)
{
	return c->sent_bytes;
}
