// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* A domain: its ring, what has happened, and waiting for it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"

#define SQ_ENTRIES	256
#define CQ_ENTRIES	4096
#define OPS_AT_ONCE	64	/* are allocated */

int netgpu_domain_open(const struct netgpu_domain_params *p, struct netgpu_domain **domain)
{
	struct io_uring_params ring = {
		.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQE32 | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	struct netgpu_domain *d;
	size_t i;
	int ret;

	succeed();
	if (p->flags & ~(NETGPU_DOMAIN_FALL_BACK | NETGPU_DOMAIN_THREADS))
		return fail(-EINVAL, "domain: unknown flags %#x", p->flags);
	for (i = 0; i < sizeof(p->resv) / sizeof(p->resv[0]); i++)
		if (p->resv[i])
			return fail(-EINVAL, "domain: reserved fields must be zero");
	if (!p->device && (p->queue || p->landing || p->landing_offset || p->landing_length))
		return fail(-EINVAL, "domain: a queue and landing memory are of a network device, and none is named");
	if (p->device && p->flags & NETGPU_DOMAIN_THREADS)
		return fail(-EINVAL, "domain: with a network device it is used by one thread");
	if (!(p->flags & NETGPU_DOMAIN_THREADS))
		ring.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	d = calloc(1, sizeof(*d));
	if (!d)
		return fail(-ENOMEM, "out of memory");
	list_init(&d->done);
	d->process_memory.size = UINT64_MAX;
	d->process_memory.refs = 1;	/* never the last */
	snprintf(d->process_memory.name, sizeof(d->process_memory.name), "host");
	d->process = (struct netgpu_mr) {
		.domain = d, .memory = &d->process_memory, .length = UINT64_MAX,
	};
	d->nowhere = malloc(NOWHERE);
	if (!d->nowhere) {
		free(d);
		return fail(-ENOMEM, "out of memory");
	}
	ret = io_uring_queue_init_params(SQ_ENTRIES, &d->ring, &ring);
	if (ret) {
		free(d->nowhere);
		free(d);
		return fail(ret, "io_uring: %s%s", strerror(-ret),
			    ret == -ENOSYS ? " (this kernel has none, or it is switched off)" : "");
	}
	d->refs = 1;
	io_uring_ring_dontfork(&d->ring);
	ret = p->device ? landing_open(d, p) : 0;
	if (ret && p->flags & NETGPU_DOMAIN_FALL_BACK) {
		snprintf(d->why, sizeof(d->why), "%s", netgpu_error());
		ret = 0;
	}
	if (ret) {
		io_uring_queue_exit(&d->ring);
		free(d->nowhere);
		free(d);
		return ret;
	}
	*domain = d;
	return 0;
}

int domain_fail_closed(void)
{
	return fail(-ESHUTDOWN, "the domain is closed");
}

void domain_put(struct netgpu_domain *d)
{
	struct op *op;

	if (!ref_put(&d->refs))
		return;
	while ((op = d->free_ops)) {
		d->free_ops = op->next;
		free(op);
	}
	free(d->nowhere);
	free(d);
}

void domain_forget(struct netgpu_ep *ep)
{
	struct netgpu_domain *d = ep->domain;
	struct list keep;
	struct op *op;

	list_init(&keep);
	while ((op = list_take(&d->done))) {
		if (op->ep != ep)
			list_add(&keep, op);
		else if (op->kind != OP_EVENT)
			op_free(op);
	}
	d->done = keep;
	if (!keep.first)
		list_init(&d->done);
}

void netgpu_domain_close(struct netgpu_domain *d)
{
	struct netgpu_listener *l, *next_l;
	struct netgpu_ep *ep, *next;

	if (!d)
		return;
	for (ep = d->eps; ep; ep = ep->next)
		ep_fail(ep, -ESHUTDOWN, true);
	for (l = d->listeners; l; l = l->next)
		if (!l->closed)
			close(l->fd);
	io_uring_queue_exit(&d->ring);
	d->closed = true;
	d->active = NULL;
	if (d->queue)
		landing_close(d);
	ref_get(&d->refs);	/* until all of this is done */
	for (ep = d->eps; ep; ep = next) {
		next = ep->next;
		ep->polls = 0;
		ep->active = false;
		if (ep->sending) {
			/* The ring is closed: nobody sends any more. */
			ep->sending = 0;
			requests_let_go(ep);
			ep_finish(ep);
			ep->active = false;
		}
		ep_free_unused(ep);
	}
	for (l = d->listeners; l; l = next_l) {
		next_l = l->next;
		l->polls = 0;
		listener_free_unused(l);
	}
	domain_put(d);
	domain_put(d);
}

const char *netgpu_domain_why(const struct netgpu_domain *d)
{
	return d->why[0] ? d->why : NULL;
}

int netgpu_domain_fd(const struct netgpu_domain *d)
{
	return d->ring.ring_fd;
}

void netgpu_domain_get_stats(const struct netgpu_domain *d, struct netgpu_domain_stats *stats)
{
	*stats = d->stats;
}

struct op *op_new(struct netgpu_ep *ep, enum op_kind kind)
{
	struct netgpu_domain *d = ep->domain;
	struct op *op = d->free_ops;

	if (!op) {
		op = calloc(1, sizeof(*op));
		if (!op)
			return NULL;
	} else {
		d->free_ops = op->next;
	}
	/* all but the bytes of an inject */
	memset(op, 0, offsetof(struct op, inject));
	op->ep = ep;
	op->kind = kind;
	return op;
}

void op_free(struct op *op)
{
	struct netgpu_domain *d = op->ep->domain;

	if (op->mr)
		op->mr->uses--;
	op->next = d->free_ops;
	d->free_ops = op;
}

void op_report(struct op *op)
{
	if (!op->event || op->ep->closed || (op->flags & NETGPU_MSG_SILENT && !op->result)) {
		if (op->kind != OP_EVENT)
			op_free(op);
		return;
	}
	if (op->mr)
		op->mr->uses--;
	op->mr = NULL;
	list_add(&op->ep->domain->done, op);
}

void ep_activate(struct netgpu_ep *ep)
{
	if (ep->active)
		return;
	ep->active = true;
	ep->next_active = ep->domain->active;
	ep->domain->active = ep;
}

static struct io_uring_sqe *get_sqe(struct netgpu_domain *d)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring);

	if (!sqe) {
		io_uring_submit(&d->ring);
		sqe = io_uring_get_sqe(&d->ring);
	}
	return sqe;
}

int poll_start(struct netgpu_domain *d, int fd, unsigned int events, void *object, enum poll_kind kind)
{
	struct io_uring_sqe *sqe = get_sqe(d);

	if (!sqe)
		return fail(-EBUSY, "the io_uring takes no more now");
	if (events & POLLIN)
		io_uring_prep_poll_multishot(sqe, fd, events);
	else
		io_uring_prep_poll_add(sqe, fd, events);
	sqe->user_data = (uintptr_t)object | kind;
	return 0;
}

/* All that wait for @fd: each has a last completion. */
void poll_end(struct netgpu_domain *d, int fd)
{
	struct io_uring_sqe *sqe = get_sqe(d);

	if (!sqe)
		return;
	io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
	sqe->user_data = POLL_NOTHING;
	io_uring_submit(&d->ring);
}

static void polled(struct netgpu_domain *d, const struct io_uring_cqe *cqe)
{
	void *object = (void *)(uintptr_t)(cqe->user_data & ~(__u64)POLL_MASK);
	enum poll_kind kind = cqe->user_data & POLL_MASK;
	bool last = !(cqe->flags & IORING_CQE_F_MORE);
	struct netgpu_listener *l = object;
	struct netgpu_ep *ep = object;

	(void)d;
	switch (kind) {
	case POLL_LISTENER:
		l->polls -= last;
		if (l->closed)
			listener_free_unused(l);
		else
			listener_ready(l);
		return;
	case POLL_CONTROL_IN:
	case POLL_CONTROL_OUT:
	case POLL_PAYLOAD_IN:
	case POLL_PAYLOAD_OUT:
		break;
	default:
		return;
	}
	ep->polls += 1 - last;	/* one that keeps it until this is done */
	if (ep->state == EP_ENDED)
		goto done;
	if (last && (kind == POLL_CONTROL_IN || kind == POLL_PAYLOAD_IN) &&
	    !poll_start(d, kind == POLL_CONTROL_IN ? ep->control : ep->payload, POLLIN, ep, kind))
		ep->polls++;
	switch (kind) {
	case POLL_CONTROL_IN:
		control_read(ep);
		break;
	case POLL_PAYLOAD_IN:
		ep->payload_readable = true;
		ep_activate(ep);
		break;
	case POLL_CONTROL_OUT:
		if (ep->state == EP_CONNECTING) {
			ep_connected(ep, kind);
			break;
		}
		ep->control_blocked = false;
		ep_activate(ep);
		break;
	case POLL_PAYLOAD_OUT:
		if (ep->state == EP_JOINING && !ep->accepting) {
			ep_connected(ep, kind);
			break;
		}
		ep->payload_blocked = false;
		ep_activate(ep);
		break;
	default:
		break;
	}
done:
	ep->polls--;
	ep_free_unused(ep);
}

/* Each endpoint on which something has happened. */
static void go_on(struct netgpu_domain *d)
{
	struct netgpu_ep *ep, *list = d->active;

	d->active = NULL;
	while ((ep = list)) {
		list = ep->next_active;
		ep->active = false;
		if (ep->state == EP_ENDED) {
			ep_free_unused(ep);
			continue;
		}
		if (ep->state == EP_UP || ep->state == EP_CLOSING) {
			payload_receive(ep);
			incoming_go_on(ep);
			requests_go_on(ep);
			payload_send(ep);
			requests_report(ep);
		}
		if (ep->state != EP_ENDED)
			control_flush(ep);
	}
}

static unsigned int report(struct netgpu_domain *d, struct netgpu_event *out, unsigned int count)
{
	unsigned int n = 0;
	struct op *op;

	while (n < count && (op = list_take(&d->done))) {
		struct netgpu_ep *ep = op->ep;

		if (!ep->closed) {
			out[n++] = (struct netgpu_event) {
				.kind = op->event,
				.result = op->result,
				.ep = ep,
				.user = op->kind == OP_EVENT || op->event == NETGPU_EVENT_IMMEDIATE ? ep->user : op->user,
				.length = op->kind == OP_EVENT ? ep->data_length : op->length,
				.immediate = op->immediate,
				.data = op->kind == OP_EVENT && ep->data_length ? ep->data : NULL,
				.flags = op->flags & (NETGPU_MSG_IMMEDIATE | NETGPU_MSG_USER_0 | NETGPU_MSG_USER_1),
			};
			if (op->kind == OP_EVENT && op->event == NETGPU_EVENT_REQUEST)
				out[n - 1].user = ep->listener ? ep->listener->user : NULL;
			if (op->result)
				fail(op->result, "%s", strerror(-op->result));
		}
		if (op->kind != OP_EVENT)
			op_free(op);
	}
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Submit, and wait when there is nothing yet; -ETIME after the timeout. */
static int submit_and_wait(struct netgpu_domain *d, int64_t timeout, uint64_t *deadline)
{
	struct __kernel_timespec ts = { 0 };
	struct io_uring_cqe *cqe;
	uint64_t now;

	if (timeout == 0 || d->active || d->done.first || io_uring_cq_ready(&d->ring))
		return io_uring_submit_and_get_events(&d->ring);
	if (timeout > 0) {
		now = now_ns();
		if (!*deadline)
			*deadline = now + timeout;
		if (now >= *deadline)
			return -ETIME;
		ts.tv_sec = (*deadline - now) / 1000000000;
		ts.tv_nsec = (*deadline - now) % 1000000000;
	}
	return io_uring_submit_and_wait_timeout(&d->ring, &cqe, 1, timeout < 0 ? NULL : &ts, NULL);
}

int netgpu_domain_wait(struct netgpu_domain *d, struct netgpu_event *events,
		       unsigned int count, int64_t timeout)
{
	struct netgpu_completion c;
	unsigned int head, seen, n;
	struct io_uring_cqe *cqe;
	uint64_t deadline = 0;
	int ret, taken;

	succeed();
	if (d->closed)
		return domain_fail_closed();
	do {
		go_on(d);
		if (d->queue && landing_prepare(d))
			go_on(d);
		n = report(d, events, count);
		if (n)
			return n;
		ret = submit_and_wait(d, timeout, &deadline);
		if (ret < 0 && ret != -ETIME && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
			return fail(ret, "io_uring: %s", strerror(-ret));
		seen = 0;
		io_uring_for_each_cqe(&d->ring, head, cqe) {
			if (!(cqe->user_data & NETGPU_CQE)) {
				polled(d, cqe);
			} else {
				taken = netgpu_queue_take(d->queue, cqe, &c);
				if (taken == -EAGAIN)
					break;
				if (taken == 1)
					landing_completed(d, &c);
			}
			seen++;
		}
		io_uring_cq_advance(&d->ring, seen);
	} while (ret >= 0 && timeout != 0);
	go_on(d);
	n = report(d, events, count);
	/* Who waits for the descriptor comes again at once. */
	if (!n && d->active) {
		struct io_uring_sqe *sqe = get_sqe(d);

		if (sqe) {
			io_uring_prep_nop(sqe);
			sqe->user_data = POLL_NOTHING;
			io_uring_submit(&d->ring);
		}
	}
	return n;
}
