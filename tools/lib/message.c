// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Messages that are received without a buffer: they stay where they came, and belong to the program until it gives them back.
 *
 * Payload that the network device has put into landing memory keeps its buffers there; a completion may be of the end of one
 * message and the begin of the next, and its buffers go back with the last of both.  Until then the peer is not granted the
 * bytes again.
 *
 * All else is in memory of the host that is allocated for it: what came with a control message, over ordinary sockets, or in host
 * memory; what comes in more pieces than may keep a buffer each; and what comes when messages keep half of the landing memory, or
 * nothing could arrive that would let one of them go.
 */
#include <errno.h>
#include <stdlib.h>

#include "endpoint.h"

#define ROOM	8		/* extents, to begin with */
#define CHUNK	(64u << 10)	/* bytes of host memory at once */

struct held {
	struct netgpu_completion c;
	unsigned int refs;	/* extents, and the piece while it is looked at */
	uint64_t span;		/* bytes of landing memory */
};

struct part {
	struct held *held;	/* NULL: in @bytes */
	char *bytes;
	uint64_t room;		/* there */
};

struct message {
	struct netgpu_message m;	/* what the program sees */
	struct message *next, **prev;	/* of the domain */
	struct netgpu_ep *ep;		/* NULL: it is no more */
	uint64_t granted;		/* bytes that the peer may send again afterwards */
	uint64_t left;			/* bytes that are to come */
	unsigned int room, nr_held;
	struct netgpu_extent *extents;
	struct part *parts;
};

/* Of one message, so that the peer has been granted all of it whatever was told last; see tell(). */
uint64_t message_most(const struct netgpu_domain *d)
{
	return d->queue ? in_place_message_most(d, landing_share(d)) / 2 : NO_LIMIT;
}

struct message *message_new(struct netgpu_ep *ep, uint64_t length)
{
	struct netgpu_domain *d = ep->domain;
	struct message *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->ep = ep;
	m->left = length;
	m->next = d->messages;
	m->prev = &d->messages;
	if (m->next)
		m->next->prev = &m->next;
	d->messages = m;
	return m;
}

void held_put(struct netgpu_domain *d, struct held *held)
{
	if (--held->refs)
		return;
	d->held -= held->span;
	if (!d->closed)
		landing_release(d, &held->c);
	free(held);
}

void message_free(struct netgpu_domain *d, struct message *m)
{
	unsigned int i;

	for (i = 0; i < m->m.count; i++) {
		if (m->parts[i].held)
			held_put(d, m->parts[i].held);
		free(m->parts[i].bytes);
	}
	if (m->ep) {
		m->ep->nr_held -= m->nr_held;
		m->ep->consumed += m->granted;
		if (!d->closed)
			ep_activate(m->ep);
	}
	if (m->next)
		m->next->prev = m->prev;
	*m->prev = m->next;
	free(m->extents);
	free(m->parts);
	free(m);
}

/* The endpoint is no more; its messages are the program's all the same. */
void messages_forget(struct netgpu_ep *ep)
{
	struct message *m;

	for (m = ep->domain->messages; m; m = m->next)
		if (m->ep == ep)
			m->ep = NULL;
}

static bool has_room(struct message *m)
{
	unsigned int room = m->room ? 2 * m->room : ROOM;
	struct netgpu_extent *extents;
	struct part *parts;

	if (m->extents && m->parts && m->m.count < m->room)
		return true;
	extents = realloc(m->extents, room * sizeof(*extents));
	if (!extents)
		return false;
	m->m.extents = m->extents = extents;
	parts = realloc(m->parts, room * sizeof(*parts));
	if (!parts)
		return false;
	m->parts = parts;
	m->room = room;
	return true;
}

/* Room in host memory for @bytes of it; NULL without memory. */
char *message_add_host(struct message *m, uint64_t bytes)
{
	char *data = has_room(m) ? malloc(bytes ? bytes : 1) : NULL;

	if (!data)
		return NULL;
	m->parts[m->m.count] = (struct part) { .bytes = data, .room = bytes };
	m->extents[m->m.count++] = (struct netgpu_extent) {
		.data = data, .offset = NETGPU_IN_HOST, .length = bytes, .piece = bytes,
	};
	return data;
}

/* @bytes of a completion, from @at on: they begin within a piece, or end within one, at most. */
static bool add_held(struct message *m, struct held *held, uint32_t at, uint32_t bytes, uint32_t stride)
{
	const struct netgpu_completion *c = &held->c;
	uint64_t from = (uint64_t)(at / c->piece) * c->stride + at % c->piece;

	if (!has_room(m))
		return false;
	held->refs++;
	m->ep->nr_held++;
	m->nr_held++;
	m->parts[m->m.count] = (struct part) { .held = held };
	m->extents[m->m.count++] = (struct netgpu_extent) {
		.memory = c->memory, .data = (char *)c->data + from, .offset = c->offset + from, .length = bytes,
		.piece = stride ? c->piece : bytes, .stride = stride,
	};
	return true;
}

/* Into memory of the host, as few pieces of it as there can be. */
static bool add_copy(struct message *m, const struct netgpu_completion *c, uint32_t at, uint32_t bytes)
{
	uint64_t n;

	for (; bytes; at += n, bytes -= n, m->left -= n) {
		struct netgpu_extent *x = m->m.count ? &m->extents[m->m.count - 1] : NULL;
		const struct part *part = x ? &m->parts[m->m.count - 1] : NULL;

		if (!part || part->held || x->length == part->room) {
			if (!message_add_host(m, m->left < CHUNK ? m->left : CHUNK))
				return false;
			x = &m->extents[m->m.count - 1];
			part = &m->parts[m->m.count - 1];
			x->length = 0;
		}
		n = part->room - x->length < bytes ? part->room - x->length : bytes;
		landing_copy_out(c, at, part->bytes + x->length, n);
		x->length += n;
		x->piece = x->length;
	}
	return true;
}

static uint64_t span(const struct netgpu_completion *c)
{
	uint64_t bytes = c->stride ? (uint64_t)(c->result - 1) / c->piece * c->stride + c->piece : (uint64_t)c->result;

	return bytes + page_size();	/* it may begin anywhere in a buffer */
}

static bool may_stay(const struct message *m, const struct piece *p)
{
	const struct netgpu_domain *d = m->ep->domain;

	if (p->c.offset == NETGPU_IN_HOST || m->ep->nr_held >= landing_share(d) / PIECE_LEAST)
		return false;
	return p->held || d->held + span(&p->c) <= d->landing / 2;
}

/*
 * @bytes of a piece, from where it is on, are the next of the message: 0 when they stay there, 1 when they have been copied,
 * -ENOMEM.
 */
int message_add(struct message *m, struct piece *p, uint32_t bytes)
{
	const struct netgpu_completion *c = &p->c;
	uint32_t at = p->done, left = bytes, n;

	if (!may_stay(m, p)) {
		if (!add_copy(m, c, at, bytes))
			return -ENOMEM;
		m->granted += bytes;
		return 1;
	}
	if (!p->held) {
		p->held = malloc(sizeof(*p->held));
		if (!p->held)
			return -ENOMEM;
		*p->held = (struct held) { .c = *c, .refs = 1, .span = span(c) };
		m->ep->domain->held += p->held->span;
	}
	m->left -= bytes;
	/* One extent, unless it begins within a piece and goes on in the next. */
	for (; left; at += n, left -= n) {
		n = left;
		if (c->stride && at % c->piece && c->piece - at % c->piece < left)
			n = c->piece - at % c->piece;
		if (!add_held(m, p->held, at, n, at % c->piece ? 0 : c->stride))
			return -ENOMEM;
	}
	m->granted += bytes;
	return 0;
}

int netgpu_message_release(struct netgpu_domain *d, const struct netgpu_message *message)
{
	struct message *m;

	succeed();
	if (d->closed)
		return domain_fail_closed();
	for (m = d->messages; m; m = m->next)
		if (&m->m == message)
			break;
	if (!m)
		return fail(-ENOENT, "domain: the message is not one of its, or was given back before");
	message_free(d, m);
	return 0;
}
