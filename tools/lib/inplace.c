// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Payload in place: the network device gets the pages of posted buffers in the order in which the stream is going to fill them.
 *
 * It fills pages in the order in which it gets them, one for each packet that is as long as a page, and it gets what is put into
 * the refill ring.  Each page that is put there has a number, its slot.  A completion tells which slots have been filled, and
 * with what, and the requests that the peer has announced tell what follows; so it is known what the next slots will have.
 * Where that belongs to a posted buffer its page is put there, else one of landing memory.
 *
 * Nothing rests on it.  What has come elsewhere than where it belongs is moved: out of landing memory as without any of this; out
 * of another message's page by way of host memory, and at once, so that that page is free for what belongs there.  Of a page that
 * the device still has nothing is written by others: bytes for it are late, and wait in host memory until the device has filled it
 * with something, and that was read.  When nothing is to come that would fill it, and before a buffer goes back to the program
 * unfilled, the queue is restarted, and the device lets go of all.
 *
 * One endpoint has that, while its domain has no other: their packets would take slots, and lie unread in its buffers.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "queue.h"

#define RUN		16u	/* pages of an entry of the refill ring, at most */
#define LOW		256u	/* pages there: what comes while this program does not run; the more, the later a mistake is noticed */
#define MISSING		64	/* slots, at most */
#define UNKNOWN		UINT64_MAX
#define SCORE_BEST	4096	/* pages in place; as many elsewhere, and it rests */
#define RESTARTS	4	/* of the queue, for nothing but bytes that are late: the same */
#define REST		4096u	/* slots, to begin with */
#define REST_MOST	(1u << 20)
#define PAUSE		10000000	/* ns: so often it is looked for what nobody tells of */
#define QUIET		100		/* of these without a byte: the peer sends no more for now */
#define TRIES		100		/* of these, for what is in sockets, and when the domain is closed */
#define LONGER		6		/* times that the pause is doubled, when restarts of the queue fail */
#define LASTING		20		/* of these, ten seconds: the program is told */

/* A memory of the queue whose pages are here until they are put into the refill ring. */
struct held_area {
	unsigned int index;	/* in the queue */
	uint64_t offset;	/* of its first page, in the memory */
	uint32_t nr_pages, nr_out;
	struct held_page {
		uint64_t slot;
		bool out;	/* not here: nothing is put there, nor is it put into the ring */
		bool away;	/* out, but the device does not write there: something that came is not yet read */
		uint16_t seen;	/* out, and so many parts of what came have been */
	} *pages;
};

/* Pages of landing memory that are here. */
struct spare {
	uint64_t first;
	uint32_t count;
};

/* Bytes that wait for their page. */
struct late {
	struct late *next;
	struct op *op;
	uint64_t at;		/* of the request */
	uint32_t bytes, room;
	char data[];
};

struct in_place {
	struct netgpu_ep *ep;		/* whose payload it is */
	struct held_area *areas[MEMORIES];	/* by the queue's index */
	uint64_t page;			/* bytes */
	uint64_t share;			/* bytes that its peer may send at once */
	uint64_t landing_offset;	/* of its first page, in the memory */
	uint64_t *slots;		/* of each page of landing memory */
	uint64_t nr_slots;
	uint64_t with_kernel;		/* pages of these */
	uint64_t pushed;		/* slots, ever */
	uint64_t next;			/* that is filled next */
	uint64_t missing[MISSING];	/* slots before that which nothing was heard of: the driver uses these pages once more */
	unsigned int nr_missing;
	bool missed;			/* more since it was asked for what came back */
	uint64_t missing_for;		/* slots, then it does not */
	uint64_t collect_at;		/* slot, from which on it is asked for what came back */
	uint64_t *ends;			/* behind the last slot of each entry of the refill ring */
	struct spare *spares;		/* a ring of 2^n, first in, first out */
	uint32_t spares_head, nr_spares, room_spares;
	struct late *late, **late_end, *last_late;
	uint32_t *back;			/* pages that came back unused */
	uint32_t room_back;
	int score;
	uint64_t rest, rest_until;	/* slots */
	bool full;			/* packets fill pages */
	bool tried;			/* the queue can be restarted */
	unsigned int failing;		/* restarts that failed since one did not */
	unsigned int told;		/* of these */
	int error;			/* by which */
	bool keeps;			/* the device has pages of what the program was to have back */
	bool stays;			/* it has some that no more is to come for */
	unsigned int looked;		/* pauses, since an endpoint has ended */
	uint64_t came;			/* bytes, when it was looked last */
	unsigned int quiet;		/* pauses that nothing had come since */
	uint64_t try_at;		/* ns, the next time to do something about either */
	char *bounce;			/* a page */
};

/* ------------------------------------------------------------ open, close */

/* Buffers that the device has at once; 0 when it does not say. */
static uint64_t ring_size(const struct netgpu_domain *d)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	struct ifreq ifr = { .ifr_data = (char *)&ring };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t size = 0;

	if (fd < 0)
		return 0;
	if (if_indextoname(d->ifindex, ifr.ifr_name) && !ioctl(fd, SIOCETHTOOL, &ifr))
		size = ring.rx_pending;
	close(fd);
	return size;
}

/*
 * So much that the device never wants for a buffer: what is lost comes later, and what comes after it is not where it was to be.  It
 * has the queue for itself.
 */
static uint64_t share(const struct netgpu_domain *d, uint64_t ring)
{
	uint64_t most = d->landing / 4;

	if (ring && ring / 4 * 3 < most)
		most = ring / 4 * 3;
	return most < SHARE_LEAST ? SHARE_LEAST : most;
}

/* The refill ring is empty. */
static void nothing_pends(struct netgpu_domain *d)
{
	unsigned int i;

	for (i = 0; i <= d->queue->mask; i++)
		d->in_place->ends[i] = d->in_place->pushed;
}

int in_place_open(struct netgpu_domain *d)
{
	struct in_place *ip;
	uint64_t ring, i;

	if (!d->queue->merge || !d->region)
		return fail(-EOPNOTSUPP, "domain: payload in place needs a dma-buf to land in, and a kernel with netgpu");
	ip = calloc(1, sizeof(*ip));
	if (!ip)
		return fail(-ENOMEM, "out of memory");
	d->in_place = ip;
	ip->late_end = &ip->late;
	ip->page = page_size();
	ip->rest = REST;
	ring = ring_size(d);
	ip->share = share(d, ring * ip->page);
	ip->missing_for = ring + 4ull * LOW;
	ip->landing_offset = d->region->offset;
	ip->nr_slots = ip->with_kernel = ip->pushed = d->landing / ip->page;
	ip->slots = malloc(ip->nr_slots * sizeof(*ip->slots));
	ip->ends = malloc((d->queue->mask + 1) * sizeof(*ip->ends));
	ip->bounce = malloc(ip->page);
	if (!ip->slots || !ip->ends || !ip->bounce) {
		in_place_close(d);
		return fail(-ENOMEM, "out of memory");
	}
	/* The kernel gives it to the device from its first page to its last, before it looks at the refill ring. */
	for (i = 0; i < ip->nr_slots; i++)
		ip->slots[i] = i;
	nothing_pends(d);
	d->queue->unwanted = in_place_unwanted;
	d->queue->unwanted_for = d;
	return 0;
}

static void free_late(struct in_place *ip)
{
	struct late *l;

	while ((l = ip->late)) {
		ip->late = l->next;
		free(l);
	}
	ip->late_end = &ip->late;
	ip->last_late = NULL;
}

void in_place_close(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;
	unsigned int i;

	if (!ip)
		return;
	free_late(ip);
	for (i = 0; i < MEMORIES; i++) {
		if (ip->areas[i])
			free(ip->areas[i]->pages);
		free(ip->areas[i]);
	}
	free(ip->slots);
	free(ip->ends);
	free(ip->spares);
	free(ip->back);
	free(ip->bounce);
	free(ip);
	d->in_place = NULL;
}

static struct held_area *new_area(struct in_place *ip, const struct netgpu_region *region)
{
	struct held_area *held = calloc(1, sizeof(*held));
	uint32_t *back;

	if (!held)
		return NULL;
	held->offset = region->offset;
	held->nr_pages = region->length / ip->page;
	held->pages = calloc(held->nr_pages, sizeof(*held->pages));
	back = realloc(ip->back, (held->nr_pages > ip->room_back ? held->nr_pages : ip->room_back) * sizeof(*back));
	if (back)
		ip->back = back;
	if (!held->pages || !back) {
		free(held->pages);
		free(held);
		return NULL;
	}
	if (held->nr_pages > ip->room_back)
		ip->room_back = held->nr_pages;
	return held;
}

static int let_go(struct netgpu_domain *d);

/* For good: nothing could ever be taken from the device.  It is tried with the first memory. */
static bool cannot_restart(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;

	if (ip->tried)
		return false;
	ip->tried = let_go(d) != -EOPNOTSUPP;
	ip->failing = 0;
	d->stats.restarts = 0;
	return !ip->tried;
}

/* It stays the queue's until the domain is closed. */
int in_place_add(struct netgpu_domain *d, struct netgpu_mr *mr, struct netgpu_memory *memory, uint64_t offset, uint64_t length)
{
	struct netgpu_region_params where = {
		.ifindex = d->ifindex, .queue = d->rx_queue, .flags = NETGPU_RECEIVE | NETGPU_SEND,
		.offset = offset, .length = length,
	};
	struct in_place *ip = d->in_place;
	struct netgpu_region *region;
	struct held_area *held;
	int ret;

	if (memory->fd < 0)
		return fail(-EOPNOTSUPP, "mr: %s is no dma-buf, and nothing is received in place there", memory->name);
	if (offset % ip->page || length % ip->page || length / ip->page > UINT32_MAX)
		return fail(-EINVAL, "mr: what is received into in place begins and ends with a page");
	ret = netgpu_region_open(memory, &where, &region);
	if (ret == -EOPNOTSUPP) {	/* then it is not sent from */
		where.flags = NETGPU_RECEIVE;
		ret = netgpu_region_open(memory, &where, &region);
	}
	if (ret)
		return ret;
	held = new_area(ip, region);
	ret = held ? queue_add_held(d->queue, memory, region) : fail(-ENOMEM, "out of memory");
	if (ret < 0) {
		if (held)
			free(held->pages);
		free(held);
		netgpu_region_close(region);
		return ret;
	}
	held->index = ret;
	ip->areas[ret] = held;
	if (cannot_restart(d)) {
		netgpu_region_close(region);
		return fail(-EOPNOTSUPP, "mr: queue %u of the network device cannot be restarted (it is leased?), and would keep what it has of %s",
			    d->rx_queue, memory->name);
	}
	mr->held = held;
	mr->index = held->index;
	if (region->send)
		mr->region = region;
	else
		netgpu_region_close(region);	/* the queue has it */
	return 0;
}

/* ------------------------------------------------------------ what follows */

static void collect(struct netgpu_domain *d);

void in_place_begin(struct netgpu_ep *ep)
{
	struct in_place *ip = ep->domain->in_place;
	const struct netgpu_ep *other;

	if (!ip || ip->ep || !ep->alone || ip->keeps || ip->stays)
		return;
	for (other = ep->domain->eps; other; other = other->next)
		if (other != ep && other->state >= EP_JOINING && other->state < EP_ENDED)
			return;
	collect(ep->domain);
	ip->ep = ep;
}

/* Of a message without a buffer, all of which is granted once. */
uint64_t in_place_message_most(const struct netgpu_domain *d, uint64_t most)
{
	return d->in_place && d->in_place->share < most ? d->in_place->share : most;
}

/* Bytes that the peer may send, if it is this endpoint's payload that is received in place; else 0. */
uint64_t in_place_share(const struct netgpu_ep *ep)
{
	const struct in_place *ip = ep->domain->in_place;

	return ip && ip->ep == ep ? ip->share : 0;
}

/* Bytes of payload that the peer may send, ever: up to where a page of a message ends, or a segment would end elsewhere. */
uint64_t in_place_grant(const struct netgpu_ep *ep)
{
	const struct in_place *ip = ep->domain->in_place;
	uint64_t to = ep->consumed + ip->share, start = ep->in_stream;
	const struct op *op;

	if (to <= ep->granted)
		return ep->granted;
	for (op = ep->lane_in.first; op; op = op->next_lane) {
		if (to > op->stream && to <= op->stream + op->length) {
			if (to == op->stream + op->length)
				return to;
			start = op->stream;
			break;
		}
	}
	if (to > start)
		to = start + (to - start) / ip->page * ip->page;
	return to > ep->granted ? to : ep->granted;
}

/* May the device have a page of what it receives into?  Nobody but the program knows of a buffer that is posted. */
static bool is_posted(const struct op *op)
{
	return op->mr && op->mr->held && !op->unmatched && (op->kind == OP_IN_SEND || op->kind == OP_IN_DATA);
}

/* Pages of a buffer that all of the bytes of a request from @at on will fill, and which the device has not. */
static int run_of(const struct in_place *ip, const struct op *op, uint64_t at, struct held_area **held, uint32_t *page)
{
	uint32_t first, n = 0;

	if (!is_posted(op) || (op->offset + at) % ip->page)
		return -1;
	*held = op->mr->held;
	first = *page = (op->offset + at) / ip->page;
	while (n < RUN && at + (n + 1) * ip->page <= op->room && !(*held)->pages[first + n].out)
		n++;
	return n ? (int)n : -1;
}

/*
 * What the next slot that is put into the refill ring will have: pages of a buffer, and how many of them; -1: something for which
 * there is no such page; 0: nobody knows.
 */
static int wanted(const struct netgpu_domain *d, struct held_area **held, uint32_t *page)
{
	const struct in_place *ip = d->in_place;
	const struct netgpu_ep *ep = ip->ep;
	uint64_t ahead = ip->pushed - ip->next + ip->nr_missing, from, n;
	const struct op *op;

	if (!ep || !ip->full || (ep->state != EP_UP && ep->state != EP_CLOSING) || ep->gone || ip->next < ip->rest_until)
		return 0;
	for (op = ep->lane_in.first; op; op = op->next_lane) {
		if (op->stream + op->length <= ep->arrived)
			continue;
		from = ep->arrived > op->stream ? ep->arrived - op->stream : 0;
		n = (op->length - from + ip->page - 1) / ip->page;
		if (ahead < n)
			return run_of(ip, op, from + ahead * ip->page, held, page);
		ahead -= n;
	}
	return 0;
}

/* ------------------------------------------------------------ to the device */

static bool push(struct netgpu_domain *d, unsigned int index, uint64_t offset, uint32_t pages)
{
	struct in_place *ip = d->in_place;
	int entry = queue_push(d->queue, index, offset, pages * ip->page);

	if (entry < 0)
		return false;
	ip->pushed += pages;
	ip->ends[entry] = ip->pushed;
	return true;
}

static bool push_buffer(struct netgpu_domain *d, struct held_area *held, uint32_t page, uint32_t n)
{
	struct in_place *ip = d->in_place;
	uint64_t slot = ip->pushed;

	if (!push(d, held->index, held->offset + page * ip->page, n))
		return false;
	held->nr_out += n;
	for (; n; n--, page++)
		held->pages[page] = (struct held_page) { .slot = slot++, .out = true };
	return true;
}

/* At most @n pages of landing memory. */
static bool push_spare(struct netgpu_domain *d, uint32_t n)
{
	struct in_place *ip = d->in_place;
	struct spare *spare;
	uint64_t slot = ip->pushed, i;

	if (!ip->nr_spares)
		return false;
	spare = &ip->spares[ip->spares_head & (ip->room_spares - 1)];
	if (n > spare->count)
		n = spare->count;
	if (!push(d, 0, ip->landing_offset + spare->first * ip->page, n))
		return false;
	for (i = 0; i < n; i++)
		ip->slots[spare->first + i] = slot + i;
	ip->with_kernel += n;
	spare->first += n;
	spare->count -= n;
	if (!spare->count) {
		ip->spares_head++;
		ip->nr_spares--;
	}
	return true;
}

/* Pages in the refill ring, as far as the kernel says what it has taken. */
static uint64_t pending(const struct netgpu_domain *d)
{
	const struct netgpu_queue *q = d->queue;
	const unsigned int entries = queue_pending(q);
	uint64_t begin;

	if (!entries)
		return 0;
	if (entries > q->mask)
		return LOW;
	begin = d->in_place->ends[(q->tail - entries - 1) & q->mask];
	return begin < d->in_place->pushed ? d->in_place->pushed - begin : 0;
}

/* Before the device wants more: pages of buffers where it is known what comes, else others. */
void in_place_feed(struct netgpu_domain *d)
{
	struct held_area *held;
	uint32_t page;
	bool more = true;
	int n;

	while (more && pending(d) < LOW) {
		n = wanted(d, &held, &page);
		if (n > 0)
			more = push_buffer(d, held, page, n);
		else
			more = push_spare(d, n < 0 ? 1 : RUN);
	}
}

/* Pages of landing memory. Of a buffer all are where they should be. */
void in_place_give_back(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	struct in_place *ip = d->in_place;
	const uint64_t at = c->offset - ip->landing_offset;
	uint32_t room = ip->room_spares ? 2 * ip->room_spares : 256, i;
	struct spare *more;

	if (ip->areas[c->index])
		return;
	if (ip->nr_spares == ip->room_spares) {
		more = malloc(room * sizeof(*more));
		if (!more) {
			if (netgpu_queue_return(d->queue, c, 1) == 1)
				ip->with_kernel += (at % ip->page + span_of(c) + ip->page - 1) / ip->page;
			return;
		}
		for (i = 0; i < ip->nr_spares; i++)
			more[i] = ip->spares[(ip->spares_head + i) & (ip->room_spares - 1)];
		free(ip->spares);
		ip->spares = more;
		ip->spares_head = 0;
		ip->room_spares = room;
	}
	ip->spares[(ip->spares_head + ip->nr_spares++) & (ip->room_spares - 1)] = (struct spare) {
		.first = at / ip->page, .count = (at % ip->page + span_of(c) + ip->page - 1) / ip->page,
	};
}

/* ------------------------------------------------------- from the device */

static void count(struct in_place *ip, int score)
{
	ip->score += score;
	if (ip->score >= SCORE_BEST) {
		ip->score = SCORE_BEST;
		ip->rest = REST;
	} else if (ip->score <= -SCORE_BEST) {
		/* Something comes between, again and again: other flows, what is lost. */
		ip->score = 0;
		ip->rest_until = ip->next + ip->rest;
		ip->rest = ip->rest < REST_MOST ? 2 * ip->rest : REST_MOST;
	}
}

/* The page of this slot is filled, or all of those before it have been, with something that was not for this. */
static void filled(struct in_place *ip, uint64_t slot)
{
	unsigned int i, n = 0;

	for (; ip->next < slot; ip->next++) {
		ip->missed = true;
		if (ip->nr_missing < MISSING)
			ip->missing[ip->nr_missing++] = ip->next;
	}
	for (i = 0; i < ip->nr_missing; i++)
		if (ip->missing[i] != slot && ip->missing[i] + ip->missing_for > ip->next)
			ip->missing[n++] = ip->missing[i];
	ip->nr_missing = n;
	if (slot == ip->next)
		ip->next++;
}

/* The page of this slot will not be used once more. */
static void not_missing(struct in_place *ip, uint64_t slot)
{
	unsigned int i;

	for (i = 0; i < ip->nr_missing; i++)
		if (ip->missing[i] == slot)
			ip->missing[i] = ip->missing[--ip->nr_missing];
}

/* What a completion says of slots. */
void in_place_took(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	struct in_place *ip = d->in_place;
	struct held_area *held;
	uint64_t first, last, slot;

	if (c->result <= 0 || c->offset == NETGPU_IN_HOST)
		return;
	held = ip->areas[c->index];
	first = c->offset - (held ? held->offset : ip->landing_offset);
	last = (first + span_of(c) - 1) / ip->page;
	for (first /= ip->page; first <= last; first++) {
		/* The queue has been restarted since. */
		if (held && held->pages[first].away)
			continue;
		slot = held ? held->pages[first].slot : ip->slots[first];
		if (!held && ip->with_kernel)
			ip->with_kernel--;
		filled(ip, slot == UNKNOWN ? ip->next : slot);
	}
	if (ip->next > ip->pushed)
		ip->next = ip->pushed;
	if (ip->ep && c->user == ip->ep && (c->stride || c->result >= (int)ip->page))
		ip->full = !c->stride && !(c->offset % ip->page);
	/* The driver puts more than one packet into a page: it may write there when one of them has come. */
	if (c->offset % ip->page)
		count(ip, -2 * SCORE_BEST);
}

static void is_here(struct held_area *held, struct held_page *page)
{
	held->nr_out -= page->out;
	*page = (struct held_page) { .slot = page->slot };
}

/*
 * All that a completion has told has been looked at.  A page of which it is not all may have another packet, which has not been
 * read, or not come: let_go() asks for it.
 */
void in_place_done(struct netgpu_domain *d, const struct netgpu_completion *c)
{
	struct in_place *ip = d->in_place;
	struct held_area *held = c->result > 0 && c->offset != NETGPU_IN_HOST ? ip->areas[c->index] : NULL;
	uint64_t begin, end, i;

	if (!held)
		return;
	begin = c->offset - held->offset;
	end = begin + span_of(c);
	for (i = begin / ip->page; i * ip->page < end; i++) {
		if (!c->stride && i * ip->page >= begin && (i + 1) * ip->page <= end)
			is_here(held, &held->pages[i]);
		else if (held->pages[i].out)
			held->pages[i].seen++;
	}
}

/* One that nobody waits for: its connection has been closed. */
void in_place_unwanted(void *domain, const struct netgpu_completion *c)
{
	struct netgpu_domain *d = domain;

	in_place_took(d, c);
	in_place_done(d, c);
	in_place_give_back(d, c);
}

/* How many of @bytes, of the stream from @stream on, lie where they belong. */
static uint32_t at_home(const struct netgpu_ep *ep, uint64_t stream, const struct netgpu_memory *memory, uint64_t offset,
			uint32_t bytes)
{
	const struct op *op = ep->lane_in.first;
	uint64_t at;

	while (op && op->stream + op->length <= stream)
		op = op->next_lane;
	if (!op || !is_posted(op) || op->mr->memory != memory || stream < op->stream)
		return 0;
	at = stream - op->stream;
	if (at >= op->room || op->mr->offset + op->offset + at != offset)
		return 0;
	return op->room - at < bytes ? op->room - at : bytes;
}

/*
 * What of a completion from byte @done on is together: the bytes of the stream from @stream on.  In a page of a buffer that is not
 * theirs they do not stay.
 */
struct netgpu_completion in_place_part(struct netgpu_ep *ep, uint64_t stream, const struct netgpu_completion *c, uint32_t done)
{
	struct in_place *ip = ep->domain->in_place;
	const uint64_t from = c->stride ? (uint64_t)(done / c->piece) * c->stride + done % c->piece : done;
	struct netgpu_completion part = *c;
	uint32_t left = c->stride ? c->piece - done % c->piece : (uint32_t)c->result - done, n;

	if (!ip->areas[c->index])
		return part;
	if (left > (uint32_t)c->result - done)
		left = c->result - done;
	part.offset += from;
	part.data = (const char *)c->data + from;
	part.stride = 0;
	n = at_home(ep, stream, c->memory, part.offset, left);
	if (n) {
		count(ip, n / ip->page);
	} else {
		n = ip->page - part.offset % ip->page;
		if (n > left)
			n = left;
		memcpy(ip->bounce, part.data, n);
		part.data = ip->bounce;
		part.offset = NETGPU_IN_HOST;
		count(ip, -1);
	}
	part.result = part.piece = n;
	return part;
}

/* ----------------------------------------------------------- to its place */

/* How many of the @bytes from byte @done of @c on go the same way to their place in the request, and which. */
uint32_t in_place_way(const struct op *op, const struct netgpu_completion *c, uint32_t done, uint32_t bytes, enum way *way)
{
	const struct held_area *held = op->mr->held;
	const uint64_t page = op->ep->domain->in_place->page, to = op->offset + op->moved;
	uint64_t first = to / page, n;
	bool out;

	if (c->offset != NETGPU_IN_HOST && c->memory == op->mr->memory && !c->stride && c->offset + done == op->mr->offset + to) {
		*way = WAY_NONE;
		return bytes;
	}
	out = held->pages[first].out;
	*way = out ? WAY_LATE : WAY_MOVE;
	for (n = page - to % page; n < bytes && held->pages[++first].out == out; )
		n += page;
	return n < bytes ? n : bytes;
}

/* It lies in a buffer. */
bool in_place_is(const struct netgpu_domain *d, const struct netgpu_completion *c)
{
	return d->in_place && c->offset != NETGPU_IN_HOST && d->in_place->areas[c->index];
}

/* These bytes wait for their page; false without memory.  Those that come one by one share what a page takes. */
bool in_place_late(struct op *op, const struct netgpu_completion *c, uint32_t done, uint32_t bytes)
{
	struct in_place *ip = op->ep->domain->in_place;
	const uint32_t left = ip->page - (op->offset + op->moved) % ip->page;
	struct late *l = ip->last_late;

	if (l && l->op == op && l->at + l->bytes == op->moved && bytes <= l->room - l->bytes) {
		landing_copy_out(c, done, l->data + l->bytes, bytes);
		l->bytes += bytes;
		return true;
	}
	l = malloc(sizeof(*l) + (bytes > left ? bytes : left));
	if (!l)
		return false;
	*l = (struct late) { .op = op, .at = op->moved, .bytes = bytes, .room = bytes > left ? bytes : left };
	landing_copy_out(c, done, l->data, bytes);
	op->copying++;
	*ip->late_end = l;
	ip->late_end = &l->next;
	ip->last_late = l;
	return true;
}

static bool is_free(const struct in_place *ip, const struct late *l)
{
	const struct held_area *held = l->op->mr->held;
	const uint64_t to = l->op->offset + l->at, last = (to + l->bytes - 1) / ip->page;
	uint64_t i;

	for (i = to / ip->page; i <= last; i++)
		if (held->pages[i].out)
			return false;
	return true;
}

static void remove_late(struct in_place *ip, struct late **at)
{
	struct late *l = *at;

	if (ip->last_late == l)
		ip->last_late = NULL;
	*at = l->next;
	free(l);
}

/* The device has come so far, or has let go. */
static void put_late(struct in_place *ip)
{
	struct late **at = &ip->late, *l;

	while ((l = *at)) {
		struct op *op = l->op;

		if (!is_free(ip, l)) {
			at = &l->next;
			continue;
		}
		memcpy(mr_address(op->mr, op->offset + l->at), l->data, l->bytes);
		if (!--op->copying && op->moved == op->length)
			op->moved_all = true;
		ep_activate(op->ep);
		remove_late(ip, at);
	}
	ip->late_end = at;
}

/* ----------------------------------------------------------- taken back */

/* How many came back, which are in ->back, or -errno. */
static int take_back(struct netgpu_domain *d, const struct held_area *held, bool restart)
{
	return queue_take_back(d->queue, held->index, restart, d->in_place->back, d->in_place->room_back);
}

/* Of these pages, as many as ->back says, nobody has anything any more. */
static void came_back(struct in_place *ip, struct held_area *held, int n)
{
	while (n-- > 0) {
		not_missing(ip, held->pages[ip->back[n]].slot);
		is_here(held, &held->pages[ip->back[n]]);
	}
}

/* Pages that came back, and are not used once more: their packets were dropped when the driver had gone on. */
static void collect(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;
	unsigned int i;

	for (i = 0; i < MEMORIES; i++)
		if (ip->areas[i] && ip->areas[i]->nr_out)
			came_back(ip, ip->areas[i], take_back(d, ip->areas[i], false));
	ip->missed = false;
	ip->collect_at = ip->next + ip->missing_for;
}

static bool give_up(struct netgpu_queue *q, unsigned int index, uint64_t offset, uint32_t length)
{
	if (queue_push(q, index, offset, length) >= 0)
		return true;
	queue_flush(q);
	return queue_push(q, index, offset, length) >= 0;
}

/* What was seen in part is given up here, each part by itself, and comes back when nobody else has the rest. */
static void give_up_parts(struct netgpu_domain *d, struct held_area *held)
{
	struct held_page *page = held->pages;
	uint32_t i;

	for (i = 0; i < held->nr_pages; i++, page++)
		while (page->seen && give_up(d->queue, held->index, held->offset + i * d->in_place->page, d->in_place->page))
			page->seen--;
	queue_flush(d->queue);
}

/*
 * Has the device, or may it get, a page that is not here, or is there one of which a part was seen?  With @away also one in a socket,
 * of which something is going to be read.
 */
static bool any_out(const struct in_place *ip, bool away)
{
	const struct held_page *page;
	unsigned int i;

	for (i = 0; i < MEMORIES; i++) {
		if (!ip->areas[i] || !ip->areas[i]->nr_out)
			continue;
		for (page = ip->areas[i]->pages; page < ip->areas[i]->pages + ip->areas[i]->nr_pages; page++)
			if (page->out && (away || !page->away || page->seen))
				return true;
	}
	return false;
}

/*
 * All that was put into the refill ring, and is not filled: the device has none of it afterwards.  A page that does not come back is
 * in a socket, and away until what is there has been read, or dropped.  Where the slots will be is not known; landing memory
 * comes first.  0 or -errno: then all is as it was.
 */
static int let_go(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;
	struct held_area *held = NULL;
	unsigned int i;
	uint32_t page;
	int ret;

	for (i = 0; i < MEMORIES; i++) {
		if (!ip->areas[i])
			continue;
		held = ip->areas[i];
		give_up_parts(d, held);
	}
	if (!held)
		return 0;
	ret = take_back(d, held, true);
	if (ret < 0 && ret != -ENODEV) {
		ip->failing++;
		ip->error = ret;
		return ret;
	}
	ip->failing = ip->told = 0;
	came_back(ip, held, ret);
	d->stats.restarts += ret >= 0;
	collect(d);
	for (i = 0; i < MEMORIES; i++) {
		held = ip->areas[i];
		for (page = 0; held && held->nr_out && page < held->nr_pages; page++)
			held->pages[page].away = held->pages[page].out;
	}
	for (page = 0; page < ip->nr_slots; page++)
		ip->slots[page] = UNKNOWN;
	ip->rest_until = ip->rest_until > ip->next ? ip->rest_until - ip->next : 0;
	ip->next = ip->nr_missing = 0;
	ip->collect_at = ip->missing_for;
	ip->pushed = ip->with_kernel;
	nothing_pends(d);
	return 0;
}

/* Will nothing come that fills the pages for which bytes are late?  Or not as long as the peer sends nothing. */
static bool stands(const struct netgpu_ep *ep)
{
	return ep->domain->in_place->quiet >= QUIET || ep->arrived == ep->in_stream ||
	       (ep->arrived >= ep->granted && !control_grants(ep)) || ep->payload_ended;
}

/* Some bytes are late for want of a page which a restart would bring.  One in a socket comes by itself. */
static bool restart_helps(const struct in_place *ip)
{
	const struct late *l;
	uint64_t i, last;

	for (l = ip->late; l; l = l->next) {
		if (!stands(l->op->ep))
			continue;
		last = (l->op->offset + l->at + l->bytes - 1) / ip->page;
		for (i = (l->op->offset + l->at) / ip->page; i <= last; i++) {
			const struct held_page *page = &l->op->mr->held->pages[i];

			if (page->out && (!page->away || page->seen))
				return true;
		}
	}
	return false;
}

/* A restart takes the queue down, and one that fails does so again and again: how long until the next, in pauses. */
static unsigned int pauses(const struct in_place *ip)
{
	return 1u << (ip->failing < LONGER ? ip->failing : LONGER);
}

/* Pages for which bytes are late: nothing may come that would bring them, unless it is asked for.  @passed pauses are over. */
static void fetch_pages(struct netgpu_domain *d, unsigned int passed)
{
	const uint64_t came = d->stats.in_place + d->stats.moved;
	struct in_place *ip = d->in_place;

	ip->quiet = came == ip->came ? ip->quiet + passed : 0;
	ip->came = came;
	collect(d);
	put_late(ip);
	if (restart_helps(ip) && !let_go(d)) {
		put_late(ip);
		count(ip, -SCORE_BEST / RESTARTS);
	}
}

static bool is_shared(const struct netgpu_domain *d)
{
	const struct netgpu_ep *ep;

	for (ep = d->eps; ep; ep = ep->next)
		if (ep->payload_conn && ep->state != EP_ENDED)
			return true;
	return false;
}

/*
 * What was to come back: also out of the sockets of others, who would read it where the program has its own again.  But that is not
 * waited for as long as they like, which may not be this domain's at all, and never read.  @passed pauses are over.  0 or -errno: the
 * queue could not be restarted.
 */
static int fetch_all(struct netgpu_domain *d, unsigned int passed)
{
	struct in_place *ip = d->in_place;
	int ret = 0;

	collect(d);
	if (any_out(ip, false))
		ret = let_go(d);
	else
		ip->failing = ip->told = 0;	/* all came back by itself: the device was down */
	ip->stays = any_out(ip, false);
	ip->looked += passed;
	ip->keeps = ip->keeps && any_out(ip, ip->looked < TRIES && is_shared(d));
	return ret;
}

void in_place_settle(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;
	unsigned int passed;
	bool failed;

	if (ip->missed || (ip->late && ip->next >= ip->collect_at))
		collect(d);
	if (ip->late)
		put_late(ip);
	if ((ip->late || ip->keeps || ip->stays) && now_ns() >= ip->try_at) {
		passed = pauses(ip);
		failed = (ip->keeps || ip->stays) && fetch_all(d, passed);
		if (ip->late && !failed)
			fetch_pages(d, passed);
		ip->try_at = now_ns() + (uint64_t)PAUSE * pauses(ip);
	}
	in_place_feed(d);
}

/* The device may write to what the program would be told is its own. */
bool in_place_keeps(const struct netgpu_domain *d)
{
	return d->in_place && d->in_place->keeps;
}

/* What is withheld for that has been so for long, and nobody but the administrator can help: once for each restart that failed. */
bool in_place_fails(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;

	if (!in_place_keeps(d) || ip->failing < LASTING || ip->told == ip->failing)
		return false;
	ip->told = ip->failing;
	return true;
}

int in_place_error(const struct netgpu_domain *d)
{
	return fail(-EBUSY, "domain: queue %u of network device %u cannot be restarted (%s), and may still write into buffers whose events are withheld: take the device down and up, or unbind its driver",
		    d->rx_queue, d->ifindex, strerror(-d->in_place->error));
}

/* How long to wait at most, if not as long as @timeout: nobody tells when the queue can be restarted, or what comes out of a socket. */
int64_t in_place_patience(const struct netgpu_domain *d, int64_t timeout)
{
	const struct in_place *ip = d->in_place;
	const int64_t pause = ip ? (int64_t)PAUSE * pauses(ip) : 0;

	return ip && (ip->keeps || ip->stays || ip->late) && (timeout < 0 || timeout > pause) ? pause : timeout;
}

/* Bytes of it are late. */
bool in_place_is_late(const struct netgpu_ep *ep)
{
	const struct late *l = ep->domain->in_place ? ep->domain->in_place->late : NULL;

	while (l && l->op->ep != ep)
		l = l->next;
	return l;
}

/* Nothing is put where it may belong any more. */
static void stop(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;

	ip->ep = NULL;
	ip->full = false;
	if (any_out(ip, false) && !(ip->failing && now_ns() < ip->try_at))
		let_go(d);
	ip->stays = any_out(ip, false);
}

/* Another is about to receive on the queue, which is no longer one's alone. */
void in_place_other(struct netgpu_ep *ep)
{
	struct in_place *ip = ep->domain->in_place;

	/* What the device keeps it fills with other bytes, and the right ones wait for that. */
	if (ip && ip->ep && ip->ep != ep)
		stop(ep->domain);
}

/* Its buffers are the program's again, which is told of that when nobody else has anything in them. */
void in_place_end(struct netgpu_ep *ep)
{
	struct in_place *ip = ep->domain->in_place;
	struct late **at, *l;

	if (!ip)
		return;
	for (at = &ip->late; (l = *at); ) {
		if (l->op->ep != ep) {
			at = &l->next;
			continue;
		}
		l->op->copying--;
		remove_late(ip, at);
	}
	ip->late_end = at;
	if (ip->ep && ip->ep != ep)
		return;
	stop(ep->domain);
	ip->keeps = any_out(ip, is_shared(ep->domain));
	ip->looked = 0;
}

/* The domain is about to be closed: all of its buffers are the program's. */
void in_place_stop(struct netgpu_domain *d)
{
	struct in_place *ip = d->in_place;
	unsigned int tries, passed;

	if (!ip)
		return;
	ip->ep = NULL;
	for (tries = 0; tries < TRIES && any_out(ip, false); tries += passed) {
		const struct timespec pause = { .tv_nsec = PAUSE * (long)(passed = pauses(ip)) };

		if (tries)
			nanosleep(&pause, NULL);
		fetch_all(d, passed);
	}
}
