// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A domain with a network device: payload arrives where the device puts it, in landing memory, and is moved to where it belongs; what
 * is sent from device memory the device reads.  Both lanes are received so, as which queue a connection comes in on is the
 * device's choice.
 */
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "endpoint.h"

#define BATCH		64
#define SQ_ENTRIES	256
#define CQ_ENTRIES	4096
#define KEPT_LEAST	4096	/* bytes of host memory for what is kept there */

/* ------------------------------------------------------------ open, close */

int landing_open(struct netgpu_domain *d, const struct netgpu_domain_params *p)
{
	struct netgpu_region_params where = {
		.queue = p->queue, .flags = NETGPU_RECEIVE,
		.offset = p->landing_offset, .length = p->landing_length,
	};
	struct netgpu_queue_params params = {
		.queue = p->queue, .flags = NETGPU_QUEUE_MERGE, .ring = &d->ring,
	};
	struct io_uring_params ring = {
		.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQE32 | IORING_SETUP_CQSIZE |
			 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		.cq_entries = CQ_ENTRIES,
	};
	int ret;

	where.ifindex = params.ifindex = if_nametoindex(p->device);
	if (!params.ifindex)
		return fail(-ENODEV, "%s: no such network device here", p->device);
	if (!p->landing)
		return fail(-EINVAL, "domain: memory is needed for what arrives");
	if (!p->landing->map)
		return fail(-EOPNOTSUPP, "domain: the CPU cannot read %s, and nothing else here can", p->landing->name);
	if (p->landing->fd < 0 && (p->landing_offset || p->landing_length))
		return fail(-EINVAL, "domain: a part of a memory can be landed in if it has a dma-buf");
	ret = io_uring_queue_init_params(SQ_ENTRIES, &d->ring, &ring);
	if (ret)
		return fail(ret, "io_uring: %s%s", strerror(-ret),
			    ret == -ENOSYS ? " (this kernel has none, or it is switched off)" : "");
	io_uring_ring_dontfork(&d->ring);
	ret = io_uring_register_buffers_sparse(&d->ring, 64);
	if (ret) {
		fail(ret, "io_uring: %s", strerror(-ret));
		goto no_region;
	}
	if (p->landing->fd >= 0) {
		ret = netgpu_region_open(p->landing, &where, &d->region);
		if (ret)
			goto no_region;
	}
	ret = netgpu_queue_open(&params, p->landing, d->region, &d->queue);
	if (ret)
		goto no_queue;
	ret = netgpu_queue_watch(d->queue, d->epoll, d);
	if (ret)
		goto no_watch;
	d->ifindex = params.ifindex;
	d->rx_queue = p->queue;
	d->landing = d->region ? d->region->length : p->landing->size;
	if (!(p->flags & NETGPU_DOMAIN_IN_PLACE))
		return 0;
	ret = in_place_open(d);
	if (!ret)
		return 0;
no_watch:
	netgpu_queue_close(d->queue);
	d->queue = NULL;
no_queue:
	netgpu_region_close(d->region);
	d->region = NULL;
no_region:
	io_uring_queue_exit(&d->ring);
	return ret;
}

void landing_stop(struct netgpu_domain *d)
{
	in_place_stop(d);
	io_uring_queue_exit(&d->ring);
}

void landing_close(struct netgpu_domain *d)
{
	free(d->late);
	in_place_close(d);
	netgpu_queue_close(d->queue);
	netgpu_region_close(d->region);
	d->late = NULL;
	d->queue = NULL;
	d->region = NULL;
}

/* How many bytes a peer may send before it hears of more: a packet takes a buffer, be it ever so short. */
uint64_t landing_share(const struct netgpu_domain *d)
{
	uint64_t share = d->landing / SHARES;

	return share < SHARE_LEAST ? SHARE_LEAST : share;
}

uint64_t landing_share_of(const struct netgpu_ep *ep)
{
	const uint64_t share = in_place_share(ep);

	return share ? share : landing_share(ep->domain);
}

int landing_add(struct netgpu_ep *ep, int fd, enum lane lane, struct netgpu_conn **conn)
{
	return netgpu_queue_add(ep->domain->queue, fd, (char *)ep + lane, conn);
}

/* ------------------------------------------------------------ buffers back */

void landing_give_back(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	void *more;

	if (d->in_place && c->offset != NETGPU_IN_HOST) {
		in_place_give_back(d, c);
		return;
	}
	if (c->offset == NETGPU_IN_HOST || netgpu_queue_return(d->queue, c, 1) == 1)
		return;
	if (d->nr_late == d->room_late) {
		more = realloc(d->late, (d->room_late * 2 + 256) * sizeof(*d->late));
		if (!more)
			return;		/* a buffer less */
		d->late = more;
		d->room_late = d->room_late * 2 + 256;
	}
	d->late[d->nr_late++] = *c;
}

/* Not before what was told to the copier is done. */
void landing_release(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	if (!copier_give_back(d, c))
		landing_give_back(d, c);
}

static void piece_put(struct netgpu_domain *d, const struct piece *p)
{
	if (p->held)
		held_put(d, p->held);
	else if (!d->closed)
		landing_release(d, &p->c);
}

static void give_late(struct netgpu_domain *d)
{
	int n;

	if (!d->nr_late)
		return;
	n = netgpu_queue_return(d->queue, d->late, d->nr_late);
	if (n <= 0)
		return;
	d->nr_late -= n;
	memmove(d->late, d->late + n, d->nr_late * sizeof(*d->late));
}

/* ----------------------------------------------------------- what arrived */

/* @bytes from byte @at on: a completion may be many pieces. */
void landing_copy_out(const struct netgpu_completion *c, uint32_t at, char *to, uint32_t bytes)
{
	const char *data = c->data;
	uint32_t in, n;

	while (bytes) {
		in = at % c->piece;
		n = c->piece - in < bytes ? c->piece - in : bytes;
		memcpy(to, data + (uint64_t)(at / c->piece) * c->stride + in, n);
		to += n;
		at += n;
		bytes -= n;
	}
}

static void control_arrived(struct netgpu_ep *ep, const struct netgpu_completion *c)
{
	uint32_t done, n;

	/* Of one that has gone nothing is taken, and there would be no room in the end. */
	for (done = 0; done < (uint32_t)c->result && ep->state != EP_ENDED && !ep->gone; done += n) {
		n = CONTROL_ROOM - ep->in_bytes;
		if (n > c->result - done)
			n = c->result - done;
		landing_copy_out(c, done, (char *)ep->in + ep->in_bytes, n);
		ep->in_bytes += n;
		control_take(ep);
	}
}

/* The next @n bytes of a piece, which are the request's.  False without memory. */
static bool put(struct netgpu_ep *ep, struct piece *p, struct op *op, uint32_t n, enum way way, bool *later)
{
	struct netgpu_domain_stats *stats = &ep->domain->stats;
	int copied;

	if (!op->mr) {
		copied = message_add(op->message, p, n);
		*later = true;
		if (copied)
			stats->moved += n;
		else
			stats->in_place += n;
		return copied >= 0;
	}
	if (way == WAY_NONE) {
		stats->in_place += n;
		return true;
	}
	if (way == WAY_LATE) {
		stats->moved += n;
		return in_place_late(op, &p->c, p->done, n);
	}
	*later = copier_can(ep->domain, op, &p->c) && copier_add(op, &p->c, p->done, n);
	if (*later)
		stats->by_copier += n;
	else
		landing_copy_out(&p->c, p->done, mr_address(op->mr, op->offset + op->moved), n);
	stats->moved += n;
	return true;
}

/* As much as has somewhere to go; how many bytes of it are needed here no more. */
static uint32_t place(struct netgpu_ep *ep, struct piece *p)
{
	uint32_t taken = 0;
	struct op *op;

	while (p->done < (uint32_t)p->c.result && (op = payload_next(ep))) {
		uint64_t n = p->c.result - p->done;
		bool later = false;	/* it is needed there for a while, or not yet granted again */
		enum way way = WAY_MOVE;

		if (n > op->length - op->moved)
			n = op->length - op->moved;
		if (op->moved < op->room) {
			if (n > op->room - op->moved)
				n = op->room - op->moved;
			if (op->mr && op->mr->held)
				n = in_place_way(op, &p->c, p->done, n, &way);
			if (!put(ep, p, op, n, way, &later)) {
				ep_fail(ep, -ENOMEM, true);
				return taken;
			}
		}
		p->done += n;
		taken += later || p->consumed ? 0 : n;
		op->moved += n;
		if (op->moved == op->length) {
			lane_take(&ep->lane_in);
			op->moved_all = !op->copying;
		}
	}
	return taken;
}

static void keep(struct netgpu_ep *ep, const struct piece *from)
{
	uint32_t left = from->c.result - from->done;
	/* Small packets are not to keep all of the buffers of landing memory. */
	bool copy = from->c.offset == NETGPU_IN_HOST ||
		    (!from->consumed && ep->nr_pieces >= landing_share_of(ep) / PIECE_LEAST);
	uint32_t room = !copy ? 0 : left < KEPT_LEAST ? KEPT_LEAST : left;
	struct piece *p;

	/* Or a few bytes would each take more to keep than they are. */
	if (copy && ep->pieces) {
		p = (void *)((char *)ep->pieces_end - offsetof(struct piece, next));
		if (p->room && p->room - p->c.result >= left && p->consumed == from->consumed) {
			landing_copy_out(&from->c, from->done, p->bytes + p->c.result, left);
			piece_put(ep->domain, from);
			p->c.result += left;
			p->c.piece = p->c.result;
			return;
		}
	}
	p = malloc(sizeof(*p) + room);
	if (!p) {
		piece_put(ep->domain, from);
		ep_fail(ep, -ENOMEM, true);
		return;
	}
	*p = *from;
	p->next = NULL;
	p->room = room;
	if (copy) {
		/* In host memory, it is gone with the next wait. */
		landing_copy_out(&from->c, from->done, p->bytes, left);
		piece_put(ep->domain, from);
		p->held = NULL;
		p->c.offset = NETGPU_IN_HOST;
		p->c.data = p->bytes;
		p->c.result = p->c.piece = left;
		p->c.stride = 0;
		p->done = 0;
	}
	*ep->pieces_end = p;
	ep->pieces_end = &p->next;
	ep->nr_pieces += !p->consumed;
}

static void piece_arrived(struct netgpu_ep *ep, const struct netgpu_completion *c)
{
	struct piece p = { .c = *c, .consumed = in_place_is(ep->domain, c) };

	if (p.consumed)
		ep->consumed += c->result;
	if (!ep->pieces)
		ep->consumed += place(ep, &p);
	if (p.done == (uint32_t)c->result || ep->state == EP_ENDED)
		piece_put(ep->domain, &p);
	else
		keep(ep, &p);
}

static void payload_arrived(struct netgpu_ep *ep, const struct netgpu_completion *c)
{
	const uint64_t stream = ep->arrived;
	struct netgpu_completion part;
	uint32_t done;

	ep->arrived += c->result;
	if (ep->arrived > ep->granted) {
		landing_release(ep->domain, c);
		ep_broken(ep, -EPROTO, "the peer has sent more payload than it was granted");
		return;
	}
	for (done = 0; done < (uint32_t)c->result && ep->state != EP_ENDED; done += part.result) {
		part = *c;
		if (ep->domain->in_place && c->offset != NETGPU_IN_HOST)
			part = in_place_part(ep, stream + done, c, done);
		piece_arrived(ep, &part);
	}
	ep_activate(ep);
}

void landing_receive(struct netgpu_ep *ep)
{
	struct piece *p;

	while ((p = ep->pieces)) {
		/* Not on the list meanwhile: the endpoint may end. */
		ep->pieces = p->next;
		if (!p->next)
			ep->pieces_end = &ep->pieces;
		ep->consumed += place(ep, p);
		if (ep->state != EP_ENDED && p->done < (uint32_t)p->c.result) {
			p->next = ep->pieces;
			if (!p->next)
				ep->pieces_end = &p->next;
			ep->pieces = p;
			return;
		}
		if (ep->state != EP_ENDED)
			ep->nr_pieces -= !p->consumed;
		piece_put(ep->domain, p);
		free(p);
	}
}

void landing_drop(struct netgpu_ep *ep)
{
	struct piece *p;

	while ((p = ep->pieces)) {
		ep->pieces = p->next;
		piece_put(ep->domain, p);
		free(p);
	}
	ep->pieces_end = &ep->pieces;
	ep->nr_pieces = 0;
}

static void received_by(struct netgpu_domain *d, struct netgpu_ep *ep, enum lane lane, const struct netgpu_completion *c)
{
	if (ep->state == EP_ENDED) {
		if (c->result > 0)
			landing_release(d, c);
		return;
	}
	if (c->result <= 0) {
		if (lane == LANE_CONTROL) {
			control_over(ep, c->result);
		} else if (!c->result || is_reset(c->result)) {
			payload_over(ep, c->result ? c->result : -ECONNRESET);
		} else {
			ep_fail(ep, c->result, true);
		}
		return;
	}
	if (lane == LANE_CONTROL) {
		control_arrived(ep, c);
		landing_release(d, c);
		if (ep->state != EP_ENDED)
			ep_activate(ep);
	} else {
		payload_arrived(ep, c);
	}
}

static void received(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	enum lane lane = (uintptr_t)c->user & 1;

	if (d->in_place)
		in_place_took(d, c);
	received_by(d, (void *)((char *)c->user - lane), lane, c);
	if (d->in_place)
		in_place_done(d, c);
}

static void sent(const struct netgpu_completion *c)
{
	struct op *op = c->user;
	struct netgpu_ep *ep = op->ep;

	op->in_flight--;
	op->failed |= c->result < 0;
	if (!op->in_flight) {
		ep->sending--;
		/* The rest of it may wait until the peer grants more. */
		if (op->flushed || (op->kind == OP_DATA && op->moved == op->length))
			request_let_go(op);
		else if (op->moved == op->length)
			op->moved_all = !op->failed;
	}
	if (ep->state == EP_ENDED && !ep->sending)
		ep_finish(ep);
	else if (ep->state != EP_ENDED && is_reset(c->result))
		payload_lost(ep, c->result);
	else if (ep->state != EP_ENDED && c->result < 0)
		ep_fail(ep, c->result, true);
	if (ep->state != EP_ENDED)
		ep_activate(ep);
}

void landing_completed(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	if (c->kind == NETGPU_SENT)
		sent(c);
	else if (c->conn)
		received(d, c);
	else
		d->polled = true;
}

static void take_completions(struct netgpu_domain *d)
{
	struct netgpu_completion c;
	unsigned int head, seen = 0;
	struct io_uring_cqe *cqe;
	int taken;

	d->stuck = false;
	io_uring_for_each_cqe(&d->ring, head, cqe) {
		taken = netgpu_queue_take(d->queue, cqe, &c);
		d->stuck = taken == -EAGAIN;
		if (d->stuck)
			break;
		if (taken == 1)
			landing_completed(d, &c);
		seen++;
	}
	io_uring_cq_advance(&d->ring, seen);
}

/* As polls_take(), by the ring, which says when there is something for that, too. */
int landing_take(struct netgpu_domain *d, int64_t timeout)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct __kernel_timespec ts = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
	struct io_uring_cqe *cqe;
	int ret;

	if (timeout == 0 || d->polled || (!d->stuck && io_uring_cq_ready(&d->ring))) {
		ret = io_uring_submit_and_get_events(&d->ring);
	} else if (d->stuck) {
		/* The first completion cannot be taken now, and no other tells when it can be. */
		nanosleep(&pause, NULL);
		ret = io_uring_submit_and_get_events(&d->ring);
	} else {
		ret = io_uring_submit_and_wait_timeout(&d->ring, &cqe, 1, timeout < 0 ? NULL : &ts, NULL);
	}
	take_completions(d);
	if (d->polled)
		polls_take(d, 0);
	return ret >= 0 || ret == -ETIME || ret == -EAGAIN || ret == -EBUSY ? 0 : ret;
}

/* Before the ring is waited on; true when something has happened. */
bool landing_prepare(struct netgpu_domain *d)
{
	struct netgpu_completion c[BATCH];
	int i, n;

	give_late(d);
	if (d->in_place)
		in_place_settle(d);
	n = netgpu_queue_prepare(d->queue, c, BATCH);
	for (i = 0; i < n; i++)
		landing_completed(d, &c[i]);
	return n > 0;
}
