// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* A domain: what has happened, and waiting for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint.h"

int netgpu_domain_open(const struct netgpu_domain_params *p, struct netgpu_domain **domain)
{
	struct netgpu_domain *d;
	size_t i;
	int ret;

	succeed();
	if (p->flags & ~(NETGPU_DOMAIN_FALL_BACK | NETGPU_DOMAIN_THREADS | NETGPU_DOMAIN_IN_PLACE))
		return fail(-EINVAL, "domain: unknown flags %#x", p->flags);
	for (i = 0; i < sizeof(p->resv) / sizeof(p->resv[0]); i++)
		if (p->resv[i])
			return fail(-EINVAL, "domain: reserved fields must be zero");
	if (!p->device && (p->queue || p->landing || p->landing_offset || p->landing_length || p->copier))
		return fail(-EINVAL, "domain: a queue, landing memory and a copier are for a network device, and none is named");
	if (!p->device && p->flags & NETGPU_DOMAIN_IN_PLACE)
		return fail(-EINVAL, "domain: a network device puts payload in place, and none is named");
	d = calloc(1, sizeof(*d));
	if (!d)
		return fail(-ENOMEM, "out of memory");
	list_init(&d->done);
	d->moving_end = &d->moving;
	d->process_memory.size = UINT64_MAX;
	d->process_memory.refs = 1;	/* never the last */
	d->process_memory.fd = -1;
	snprintf(d->process_memory.name, sizeof(d->process_memory.name), "host");
	d->process = (struct netgpu_mr) {
		.domain = d, .memory = &d->process_memory, .length = UINT64_MAX,
	};
	d->nowhere = malloc(NOWHERE);
	if (!d->nowhere) {
		free(d);
		return fail(-ENOMEM, "out of memory");
	}
	ret = polls_open(d);
	if (ret) {
		free(d->nowhere);
		free(d);
		return ret;
	}
	d->refs = 1;
	ret = p->device ? landing_open(d, p) : 0;
	if (!ret && p->copier) {
		ret = copier_open(d, p->copier);
		if (ret) {
			landing_stop(d);
			landing_close(d);
		}
	}
	if (ret && p->flags & NETGPU_DOMAIN_FALL_BACK) {
		snprintf(d->why, sizeof(d->why), "%s", netgpu_error());
		ret = 0;
	}
	if (ret) {
		polls_close(d);
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
	steer_forget(d);
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
	struct netgpu_listener *l;
	struct netgpu_ep *ep, *next;
	struct op *op;

	if (!d)
		return;
	/* Of these the program does not know. */
	for (op = d->done.first; op; op = op->next)
		if (op->kind == OP_EVENT && op->event == NETGPU_EVENT_REQUEST)
			op->ep->closed = true;
	for (ep = d->eps; ep; ep = ep->next) {
		ep_fail(ep, -ESHUTDOWN, true);
		if (ep->closed)
			domain_forget(ep);
	}
	for (l = d->listeners; l; l = l->next)
		close(l->fd);
	if (d->queue)
		landing_stop(d);
	d->closed = true;
	d->active = NULL;
	for (op = d->done.first; op; op = op->next)
		op->message = NULL;	/* of which the program has not heard */
	while (d->messages)
		message_free(d, d->messages);
	copier_close(d);
	if (d->queue)
		landing_close(d);
	polls_close(d);
	for (ep = d->eps; ep; ep = next) {
		next = ep->next;
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
	domain_put(d);
}

const char *netgpu_domain_why(const struct netgpu_domain *d)
{
	return d->why[0] ? d->why : NULL;
}

int netgpu_domain_fd(const struct netgpu_domain *d)
{
	return d->queue ? d->ring.ring_fd : d->epoll;
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
	if (op->message)
		message_free(d, op->message);
	/* The peer's next READ may have waited for it. */
	if (op->kind == OP_DATA && op->ep->answers-- == WINDOW)
		ep_activate(op->ep);
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
	/* Of one that has failed the program gets nothing. */
	if (op->message && op->result && op->result != -EMSGSIZE) {
		message_free(op->ep->domain, op->message);
		op->message = NULL;
	}
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
		if (ep->control_readable) {
			control_read(ep);
			if (ep->state == EP_ENDED) {
				ep_free_unused(ep);
				continue;
			}
		}
		if (ep->state == EP_AGAIN)
			ep_start_again(ep);
		if (ep->state == EP_UP || ep->state == EP_CLOSING) {
			payload_receive(ep);
			incoming_go_on(ep);
			if (ep->gone) {
				/* Of some requests it has said that they are carried out. */
				requests_report(ep);
				if (!ep->lane_in.first && !ep_is_copying(ep))
					ep_end(ep, ep->gone);
				continue;
			}
			requests_go_on(ep);
			payload_send(ep);
		}
		if (ep->state != EP_ENDED)
			control_flush(ep);
		if (ep->state == EP_UP || ep->state == EP_CLOSING)
			requests_report(ep);
	}
}

static unsigned int report(struct netgpu_domain *d, struct netgpu_event *out, unsigned int count)
{
	unsigned int n = 0;
	struct op *op;

	if (in_place_keeps(d))
		return 0;
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
				.message = (struct netgpu_message *)op->message,
				.data = op->kind == OP_EVENT && ep->data_length ? ep->data : NULL,
				.dropped = op->event == NETGPU_EVENT_RECEIVED && op->result == -EMSGSIZE ?
					   op->length - op->room : 0,
				.flags = op->flags & (NETGPU_MSG_IMMEDIATE | NETGPU_MSG_USER_0 | NETGPU_MSG_USER_1),
			};
			if (op->kind == OP_EVENT && op->event == NETGPU_EVENT_REQUEST)
				out[n - 1].user = ep->listener ? ep->listener->user : NULL;
			if (op->result && op == &ep->ended && ep->why)
				fail(op->result, "%s: %s", strerror(-op->result), ep->why);
			else if (op->result)
				fail(op->result, "%s", strerror(-op->result));
			op->message = NULL;	/* the program's */
		}
		if (op->kind != OP_EVENT)
			op_free(op);
	}
	return n;
}

/* Nanoseconds until the deadline, at least 0; < 0 without one. */
static int64_t left(int64_t timeout, uint64_t deadline)
{
	uint64_t now;

	if (timeout <= 0)
		return timeout;
	now = now_ns();
	return now < deadline ? (int64_t)(deadline - now) : 0;
}

/* Take what has happened, waiting for it if nothing else is to be done.  0 or -errno. */
static int take(struct netgpu_domain *d, bool wait, int64_t timeout, uint64_t deadline)
{
	const bool something = d->active || (d->done.first && !in_place_keeps(d));

	timeout = wait && !something ? in_place_patience(d, left(timeout, deadline)) : 0;
	return d->queue ? landing_take(d, timeout) : polls_take(d, timeout);
}

/* Who waits for the descriptor is woken by whatever there is to do. */
static void settle(struct netgpu_domain *d, bool more)
{
	if (d->queue)
		more |= landing_prepare(d);
	copier_go_on(d);
	if (more || d->active || (d->done.first && !in_place_keeps(d)))
		polls_wake(d, 1);
	else if (in_place_patience(d, -1) >= 0)
		polls_wake(d, in_place_patience(d, -1));
	if (d->queue)
		io_uring_submit(&d->ring);
}

int netgpu_domain_flush(struct netgpu_domain *d)
{
	succeed();
	if (d->closed)
		return domain_fail_closed();
	go_on(d);
	settle(d, false);
	return 0;
}

int netgpu_domain_wait(struct netgpu_domain *d, struct netgpu_event *events,
		       unsigned int count, int64_t timeout)
{
	uint64_t deadline = 0;
	bool last = false, failing, more;
	unsigned int n;
	int ret;

	succeed();
	if (d->closed)
		return domain_fail_closed();
	if (timeout > 0)
		deadline = now_ns() + timeout;
	for (;;) {
		go_on(d);
		more = d->queue && landing_prepare(d);
		if (more)
			go_on(d);
		copier_go_on(d);
		n = report(d, events, count);
		if (n)
			return n;
		failing = in_place_fails(d);
		if (failing || last)
			break;
		ret = take(d, !more, timeout, deadline);
		if (ret < 0 && ret != -EINTR)
			return fail(ret, "domain: %s", strerror(-ret));
		last = timeout == 0 || ret == -EINTR || (timeout > 0 && now_ns() >= deadline);
	}
	settle(d, more);
	return failing ? in_place_error(d) : 0;
}
