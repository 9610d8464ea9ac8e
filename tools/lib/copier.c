// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Payload that a GPU moves from where it landed to where it belongs.
 *
 * What is started is on one list, in order, and the copier says how far it has come. Until then the buffers of the landing
 * memory are not given back, the peer is not granted them, and nobody is told of the message. When the copier fails, the CPU
 * does all of the list once more: what is to be moved is still there.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"

#define PATIENCE	1000000000ll	/* ns, before it is asked whether there is anything to wait for */
#define FEW		(256u << 10)	/* bytes: an order of fewer costs more than they do, and waits while there is another */

struct moving {
	struct moving *next;
	uint64_t point;			/* of the copier, that says it is done; 0: not yet started */
	struct op *op;			/* whose bytes these are; NULL: nobody's any more */
	struct netgpu_completion c;	/* of which they are, or which is to be given back */
	uint32_t at, bytes;		/* in that; no bytes: give it back */
	uint64_t to;			/* in the op's mr */
};

int copier_open(struct netgpu_domain *d, const struct netgpu_copier *copier)
{
	int ret;

	if (!copier)
		return 0;
	ret = poll_start(d, copier->fd, d, POLL_COPIER);
	if (ret)
		return ret;
	d->copier = copier;
	return 0;
}

bool copier_can(const struct netgpu_domain *d, const struct op *op, const struct netgpu_completion *c)
{
	return d->copier && c->offset != NETGPU_IN_HOST && op->mr->memory != &d->process_memory &&
	       d->copier->can(d->copier->context, op->mr->memory, c->memory);
}

/* ---------------------------------------------------------------- done */

static void free_moving(struct netgpu_domain *d, struct moving *m)
{
	m->next = d->free_moving;
	d->free_moving = m;
}

/* The first of the list is. */
static void finish(struct netgpu_domain *d)
{
	struct moving *m = d->moving;
	struct op *op = m->op;

	d->moving = m->next;
	if (!d->moving)
		d->moving_end = &d->moving;
	if (!m->bytes) {
		landing_give_back(d, &m->c);
	} else if (op) {
		op->ep->consumed += m->bytes;
		if (!--op->copying && op->moved == op->length)
			op->moved_all = true;
		ep_activate(op->ep);
	}
	free_moving(d, m);
}

/* The copier is of no use any more. */
static void finish_by_cpu(struct netgpu_domain *d)
{
	struct moving *m;

	poll_end(d, d->copier->fd);
	d->copier = NULL;
	d->nr_copies = 0;
	d->copies_bytes = 0;
	for (m = d->moving; m; m = m->next)
		if (m->bytes && m->op)
			landing_copy_out(&m->c, m->at, mr_address(m->op->mr, m->to), m->bytes);
	while (d->moving)
		finish(d);
}

/*
 * All that it was told is done, or never will be: 0 or -errno.  A copier that is only slow may still write, so that nothing
 * else can be done with the memory; a GPU that hangs its driver resets, after seconds, and the copier says so.
 */
static int wait_for_all(struct netgpu_domain *d)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t point;
	int ret;

	do {
		ret = d->copier->wait(d->copier->context, d->last_point, PATIENCE);
		if (ret && ret != -ETIMEDOUT)
			nanosleep(&pause, NULL);
	} while (ret && !d->copier->reached(d->copier->context, &point) && point < d->last_point);
	return ret && d->copier->reached(d->copier->context, &point) ? ret : 0;
}

void copier_take(struct netgpu_domain *d)
{
	uint64_t point = 0, count;
	ssize_t n;

	if (!d->copier)
		return;
	do {
		n = read(d->copier->fd, &count, sizeof(count));
	} while (n < 0 && errno == EINTR);
	if (d->copier->reached(d->copier->context, &point)) {
		finish_by_cpu(d);
		return;
	}
	while (d->moving && d->moving->point && d->moving->point <= point)
		finish(d);
}

/* ------------------------------------------------------------- started */

/* Those that it has not been told of yet; when it takes no more now they stay that. */
void copier_start(struct netgpu_domain *d)
{
	struct moving *m;
	uint64_t point;
	int ret;

	if (!d->nr_copies)
		return;
	ret = d->copier->copy(d->copier->context, d->copies_to, d->copies_from, d->copies, d->nr_copies, &point);
	/* It has its hands full: when some of that is done it is asked again. */
	if (ret == -EAGAIN && d->moving->point)
		return;
	if (ret) {
		/* Those before may be under way: they are waited for, and are right once or twice. */
		wait_for_all(d);
		finish_by_cpu(d);
		return;
	}
	d->nr_copies = 0;
	d->copies_bytes = 0;
	d->last_point = point;
	for (m = d->moving; m; m = m->next)
		if (!m->point)
			m->point = point;
}

/* Small messages become one order, those that come while the copier is busy. */
void copier_go_on(struct netgpu_domain *d)
{
	if (d->copies_bytes >= FEW || !d->moving || !d->moving->point)
		copier_start(d);
}

static struct moving *append(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	struct moving *m = d->free_moving;

	if (m)
		d->free_moving = m->next;
	else
		m = malloc(sizeof(*m));
	if (!m)
		return NULL;
	*m = (struct moving) { .c = *c, .point = d->nr_copies ? 0 : d->last_point };
	*d->moving_end = m;
	d->moving_end = &m->next;
	return m;
}

/* The bytes of @c from @at on, as few copies as they make. */
static void add_copies(struct netgpu_domain *d, const struct netgpu_completion *c, uint32_t at, uint32_t bytes, uint64_t to)
{
	uint32_t n;

	for (; bytes; at += n, to += n, bytes -= n) {
		const uint32_t in = at % c->piece;
		struct netgpu_copy *copy = &d->copies[d->nr_copies++];

		*copy = (struct netgpu_copy) { .from = c->offset + (uint64_t)(at / c->piece) * c->stride + in, .to = to };
		n = bytes;
		if (c->stride && (in || bytes < c->piece)) {	/* one that is begun, or not whole */
			n = c->piece - in < bytes ? c->piece - in : bytes;
		} else if (c->stride) {
			copy->part = c->piece;
			copy->stride = c->stride;
		}
		copy->length = n;
	}
}

/* With those that it will be told of: three at most for one, begun, whole, not whole. */
static bool fits(const struct netgpu_domain *d, const struct op *op, const struct netgpu_completion *c)
{
	return !d->nr_copies || (d->copies_to == op->mr->memory && d->copies_from == c->memory &&
				 d->nr_copies <= NETGPU_COPIES_MOST - 3);
}

bool copier_add(struct op *op, const struct netgpu_completion *c, uint32_t at, uint32_t bytes)
{
	struct netgpu_domain *d = op->ep->domain;
	const uint64_t to = op->offset + op->moved;
	struct moving *m;

	if (!fits(d, op, c))
		copier_start(d);
	if (!d->copier || !fits(d, op, c))
		return false;
	m = append(d, c);
	if (!m)
		return false;
	m->point = 0;
	m->op = op;
	m->at = at;
	m->bytes = bytes;
	m->to = to;
	op->copying++;
	d->copies_to = op->mr->memory;
	d->copies_from = c->memory;
	d->copies_bytes += bytes;
	add_copies(d, c, at, bytes, op->mr->offset + to);
	return true;
}

/* When all that was started before is done.  False when nothing is: at once. */
bool copier_give_back(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	if (!d->moving || c->offset == NETGPU_IN_HOST)
		return false;
	if (append(d, c))
		return true;
	copier_drain(d);
	return false;
}

/* ------------------------------------------------------------ waited for */

void copier_drain(struct netgpu_domain *d)
{
	while (d->copier && d->moving) {
		copier_start(d);
		if (d->copier && wait_for_all(d))
			finish_by_cpu(d);
		else
			copier_take(d);
	}
}

/* The ring is closed: nothing is given back. */
void copier_close(struct netgpu_domain *d)
{
	struct moving *m;

	while ((m = d->moving)) {
		d->moving = m->next;
		free(m);
	}
	while ((m = d->free_moving)) {
		d->free_moving = m->next;
		free(m);
	}
	d->moving_end = &d->moving;
	d->copier = NULL;
}
