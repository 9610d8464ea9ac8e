// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The zero-copy transport.
 *
 * All connections are received this way, the control connection too: which
 * queue its packets come in on is the network device's choice, and one that
 * directs all flows to the zero-copy queue ("netgpu setup") directs this one
 * as well. Control data is then read in the region, through the mapping that
 * the CPU has of it. Packets that came in elsewhere are handed over by
 * libnetgpu with their data in host memory, in order, and are counted.
 *
 * What is sent comes straight out of the region, too, but for control data.
 *
 * The loop's other descriptors are behind one epoll instance, which the ring
 * watches.
 */
#include <errno.h>
#include <libnetgpu.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "connection.h"
#include "options.h"
#include "transport.h"

#define BATCH		256
/* Small ones wait for each other in the library, and large ones for the peer. */
#define SENDS_MAX	64
#define BIND_TRIES	40
#define BIND_PAUSE	50000	/* us */

struct pieces {
	struct netgpu_completion *p;
	size_t nr, cap;
};

struct zc_transport {
	struct transport base;
	struct transport_ops ops;
	struct netgpu_memory *memory;
	struct netgpu_region *region;
	struct netgpu_queue *queue;
	struct netgpu_region_info info;
	uint64_t next;		/* where an extent would go on */
	uint64_t extents, alloc_failures;
	uint64_t sends;
	struct pieces held;	/* --hold */
	uint64_t held_bytes;
	struct pieces late;	/* the refill ring had no room for them */
	bool send_only;		/* there is no receive queue */
	bool sends_region;
	char why_not[256];	/* if it does not */
	struct netgpu_completion batch[BATCH], back[BATCH];
};

static struct zc_transport *zc_of(struct transport *r)
{
	return container_of(r, struct zc_transport, base);
}

/* Upstream kernels have no regions; there io_uring attaches the dma-buf. */
static int attach(struct zc_transport *zc, unsigned int ifindex)
{
	const struct options *opt = zc->base.opt;
	struct netgpu_region_params params = {
		.ifindex = ifindex,
		.queue = opt->queue < 0 ? 0 : opt->queue,
		.flags = NETGPU_SEND | (zc->send_only ? 0 : NETGPU_RECEIVE),
	};
	int ret;

	if (netgpu_memory_fd(zc->memory) < 0)
		return 0;
	if (netgpu_memory_is_device(zc->memory) && !opt->allow_host)
		params.flags |= NETGPU_REQUIRE_P2P;
	ret = netgpu_region_open(zc->memory, &params, &zc->region);
	zc->sends_region = !ret;
	if (!zc->send_only && (ret == -EOPNOTSUPP || ret == -EINVAL)) {
		snprintf(zc->why_not, sizeof(zc->why_not), "%s", netgpu_error());
		params.flags &= ~NETGPU_SEND;
		ret = netgpu_region_open(zc->memory, &params, &zc->region);
	}
	if (ret == -ENOENT && access("/dev/netgpu", F_OK)) {
		complain("%s; going on without a region", netgpu_error());
		return 0;
	}
	if (ret) {
		complain("%s", netgpu_error());
		return ret;
	}
	ret = netgpu_region_query(zc->region, &zc->info);
	if (ret)
		complain("%s", netgpu_error());
	return ret;
}

/* The queue of a server that has just been killed is free a moment later. */
static bool taken(int ret)
{
	return ret == -EEXIST || ret == -EBUSY;
}

/* 0 or -errno, having complained. */
static int open_queue(struct zc_transport *zc)
{
	const struct options *opt = zc->base.opt;
	struct netgpu_queue_params params = {
		.queue = opt->nodev || zc->send_only ? 0 : opt->queue,
		.buffer_size = opt->buffer_size,
		.flags = zc->send_only ? NETGPU_QUEUE_SEND_ONLY :
			 NETGPU_QUEUE_MERGE | (opt->nodev ? NETGPU_QUEUE_NODEV : 0),
	};
	int ret, tries;

	if (!opt->nodev) {
		params.ifindex = if_nametoindex(opt->iface);
		if (!params.ifindex) {
			complain("%s: no such network device here", opt->iface);
			return -ENODEV;
		}
	}
	ret = netgpu_memory_open(opt->gpu, opt->region_size, &zc->memory);
	if (ret) {
		complain("%s", netgpu_error());
		return ret;
	}
	for (tries = 0; tries < BIND_TRIES; tries++) {
		if (!zc->region && !opt->nodev) {
			ret = attach(zc, params.ifindex);
			if (ret)
				return ret;
		}
		ret = netgpu_queue_open(&params, zc->memory, zc->region,
					&zc->queue);
		if (!taken(ret))
			break;
		usleep(BIND_PAUSE);
	}
	if (!ret)
		ret = netgpu_queue_watch(zc->queue, zc->base.epoll, NULL);
	if (!ret && zc->region)
		ret = netgpu_queue_watch(zc->queue,
					 netgpu_region_fd(zc->region), zc);
	if (ret)
		complain("%s", netgpu_error());
	return ret;
}

static void zc_close(struct transport *r)
{
	struct zc_transport *zc = zc_of(r);

	netgpu_queue_close(zc->queue);
	netgpu_region_close(zc->region);
	netgpu_memory_close(zc->memory);
	free(zc->held.p);
	free(zc->late.p);
	free(zc);
}

static int zc_add(struct transport *r, struct conn *c)
{
	struct netgpu_conn *nc = NULL;
	int ret = netgpu_queue_add(zc_of(r)->queue, c->fd, c, &nc);

	c->rx = nc;
	return ret;
}

/* Without a receive queue: control data, as everybody reads it. */
static void readable(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);
	struct transport *r = c->all->transport;
	struct chunk chunk = { .offset = NOT_IN_REGION };
	static char buffer[4096];
	ssize_t n;

	if (events & EPOLLOUT)
		conn_send(c, NULL, 0);
	if (c->dead || c->eof || !(events & ~EPOLLOUT))
		return;
	n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (n > 0) {
		chunk.data = buffer;
		chunk.length = n;
		r->events->received(r->owner, c, &chunk);
	} else if (!n || (errno != EAGAIN && errno != EINTR)) {
		epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		r->events->ended(r->owner, c, n ? -errno : 0);
	}
}

static int send_only_add(struct transport *r, struct conn *c)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP,
		.data.ptr = &c->watch,
	};
	int ret = zc_add(r, c);

	if (ret)
		return ret;
	c->watch.ready = readable;
	if (!epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &ev))
		return 0;
	ret = -errno;
	netgpu_conn_close(c->rx);
	c->rx = NULL;
	return ret;
}

static void zc_del(struct transport *r, struct conn *c)
{
	(void)r;
	netgpu_conn_close(c->rx);
	c->rx = NULL;
}

static void send_only_del(struct transport *r, struct conn *c)
{
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	zc_del(r, c);
}

static int zc_send(struct transport *r, struct conn *c, uint64_t offset, uint32_t length)
{
	int ret = netgpu_conn_send(c->rx, NULL, offset, length, c);

	(void)r;
	if (ret)
		complain("%s", netgpu_error());
	return ret;
}

static void zc_stop(struct transport *r, struct conn *c)
{
	(void)r;
	netgpu_conn_cancel(c->rx);
}

static uint64_t zc_taken(struct transport *r, struct conn *c)
{
	(void)r;
	return netgpu_conn_sent(c->rx);
}

static bool keep(struct zc_transport *zc, struct pieces *in,
		 const struct netgpu_completion *c)
{
	if (in->nr == in->cap) {
		size_t cap = in->cap ? in->cap * 2 : 32768;
		void *p = realloc(in->p, cap * sizeof(*in->p));

		if (!p) {
			complain("out of memory for what cannot be given back yet");
			zc->base.failed = true;
			return false;
		}
		in->p = p;
		in->cap = cap;
	}
	in->p[in->nr++] = *c;
	return true;
}

/* Give back, the late ones first; what finds no room is late the next time. */
static void give_back(struct zc_transport *zc,
		      const struct netgpu_completion *p, size_t nr)
{
	struct pieces *late = &zc->late;
	int done;

	if (late->nr) {
		done = netgpu_queue_return(zc->queue, late->p, late->nr);
		if (done > 0) {
			late->nr -= done;
			memmove(late->p, late->p + done,
				late->nr * sizeof(*late->p));
		}
	}
	done = late->nr ? 0 : netgpu_queue_return(zc->queue, p, nr);
	for (done = done < 0 ? 0 : done; (size_t)done < nr; done++)
		keep(zc, late, &p[done]);
}

/* Runs of adjacent bytes. */
static void count_extents(struct zc_transport *zc,
			  const struct netgpu_completion *done)
{
	uint32_t before_last;

	if (done->offset != zc->next)
		zc->extents++;
	zc->next = done->offset + done->result;
	if (!done->stride)
		return;
	before_last = (done->result - 1) / done->piece;
	zc->extents += before_last;
	zc->next += (uint64_t)before_last * (done->stride - done->piece);
}

/* True when the buffers may go back. */
static bool received(struct zc_transport *zc, const struct netgpu_completion *done)
{
	const struct transport *r = &zc->base;
	bool in_region = done->offset != NETGPU_IN_HOST, hold = false;
	uint32_t left = done->result, piece = done->piece;
	struct conn *c = done->user;
	struct chunk chunk = {
		.data = done->data,
		.offset = in_region ? done->offset : NOT_IN_REGION,
	};

	if (c->role == ROLE_DATA && in_region) {
		count_extents(zc, done);
		/* Who only counts bytes does not care where they are. */
		if (!r->opt->record)
			piece = left;
	}
	for (; left; left -= chunk.length) {
		chunk.length = left < piece ? left : piece;
		hold |= r->events->received(r->owner, c, &chunk);
		if (chunk.data)
			chunk.data = (const char *)chunk.data + done->stride;
		chunk.offset += in_region ? done->stride : 0;
	}
	if (!hold || !keep(zc, &zc->held, done))
		return true;
	zc->held_bytes += done->result;
	return false;
}

static void notice_exhaustion(struct zc_transport *zc)
{
	struct netgpu_queue_stats st;

	netgpu_queue_get_stats(zc->queue, &st);
	if (st.alloc_failures == zc->alloc_failures)
		return;
	zc->alloc_failures = st.alloc_failures;
	zc->base.events->exhausted(zc->base.owner);
}

static int zc_wait(struct transport *r, int64_t timeout)
{
	struct zc_transport *zc = zc_of(r);
	unsigned int back = 0;
	bool revoked = false;
	int i, n;

	n = netgpu_queue_wait(zc->queue, zc->batch, BATCH, timeout);
	if (n < 0) {
		complain("%s", netgpu_error());
		return n;
	}
	for (i = 0; i < n; i++) {
		struct netgpu_completion *done = &zc->batch[i];

		if (!done->conn && done->user == zc) {
			complain("%s was taken back by its exporter, or %s has gone",
				 netgpu_memory_name(zc->memory), r->opt->iface);
			revoked = true;
		} else if (!done->conn) {
			loop_dispatch(r->epoll, 0);
		} else if (done->kind == NETGPU_SENT) {
			zc->sends++;
			r->events->sent(r->owner, done->user, done->piece,
					done->result < 0 ? done->result : 0);
		} else if (done->result > 0) {
			if (received(zc, done))
				zc->back[back++] = *done;
		} else {
			r->events->ended(r->owner, done->user, done->result);
		}
	}
	give_back(zc, zc->back, back);
	if (r->opt->hold)
		notice_exhaustion(zc);
	return revoked ? -ENODEV : 0;
}

static void zc_release(struct transport *r)
{
	struct zc_transport *zc = zc_of(r);

	give_back(zc, zc->held.p, zc->held.nr);
	zc->held.nr = 0;
	zc->held_bytes = 0;
}

static void zc_stats(struct transport *r, struct transport_stats *stats)
{
	struct zc_transport *zc = zc_of(r);
	struct netgpu_queue_stats st;

	netgpu_queue_get_stats(zc->queue, &st);
	*stats = (struct transport_stats) {
		.completions = st.completions,
		.extents = zc->extents,
		.rearms = st.rearms,
		.flushes = st.flushes,
		.alloc_failures = st.alloc_failures,
		.kernel_copies = st.copies,
		.kernel_copy_bytes = st.copy_bytes,
		.stray_bytes = st.stray_bytes,
		.held_bytes = zc->held_bytes,
		.sends = zc->sends,
		.send_copy_bytes = st.send_copy_bytes,
	};
}

static const char *where(const struct zc_transport *zc)
{
	if (zc->region)
		return zc->info.where == NETGPU_WHERE_DEVICE ? "device" : "host";
	return netgpu_memory_fd(zc->memory) < 0 ? "host" : "unknown";
}

static void zc_info(struct transport *r, struct transport_info *info)
{
	struct zc_transport *zc = zc_of(r);

	/* Asked again: it may have been revoked, and the counters move. */
	if (zc->region)
		netgpu_region_query(zc->region, &zc->info);
	info->memory = netgpu_memory_name(zc->memory);
	info->placement = where(zc);
	info->exporter = zc->region ? zc->info.exporter : NULL;
	info->region_offset = netgpu_memory_offset(zc->memory);
	info->region_length = netgpu_memory_size(zc->memory);
	info->region = zc->region;
}

static const struct transport_ops zc_ops = {
	.close = zc_close,
	.add = zc_add,
	.del = zc_del,
	.send = zc_send,
	.stop = zc_stop,
	.taken = zc_taken,
	.wait = zc_wait,
	.release = zc_release,
	.stats = zc_stats,
	.info = zc_info,
};

struct transport *transport_zc_open(const struct transport *init)
{
	struct zc_transport *zc = calloc(1, sizeof(*zc));

	if (!zc) {
		complain("out of memory");
		return NULL;
	}
	zc->base = *init;
	zc->send_only = options_send_only(zc->base.opt);
	zc->ops = zc_ops;
	if (zc->send_only) {
		zc->ops.in_epoll = true;
		zc->ops.add = send_only_add;
		zc->ops.del = send_only_del;
	}
	zc->base.ops = &zc->ops;
	zc->next = NOT_IN_REGION;
	if (open_queue(zc)) {
		zc_close(&zc->base);
		return NULL;
	}
	zc->base.why_not = zc->why_not;
	zc->base.sends_max = SENDS_MAX;
	if (zc->sends_region || netgpu_memory_fd(zc->memory) < 0)
		zc->base.sendable = netgpu_memory_size(zc->memory);
	else if (!zc->region)
		snprintf(zc->why_not, sizeof(zc->why_not),
			 "this kernel has no regions, of which to send");
	return &zc->base;
}
