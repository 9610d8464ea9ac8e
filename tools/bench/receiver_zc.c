// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The zero-copy receiver.
 *
 * All connections are received this way, the control connection too: which
 * queue its packets come in on is the network device's choice, and one that
 * directs all flows to the zero-copy queue ("netgpu setup") directs this one
 * as well. Control data is then read in the region, through the mapping that
 * the CPU has of it. Packets that came in elsewhere are handed over by
 * libnetgpu with their data in host memory, in order, and are counted.
 *
 * The loop's other descriptors are behind one epoll instance, which the ring
 * watches.
 */
#include <errno.h>
#include <libnetgpu.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iperf3_server.h"

#define BATCH		256
#define BIND_TRIES	40
#define BIND_PAUSE	50000	/* us */

struct zc_rx {
	struct netgpu_memory *memory;
	struct netgpu_region *region;
	struct netgpu_queue *queue;
	struct netgpu_region_info info;
	uint64_t next;		/* where an extent would go on */
	uint64_t extents, alloc_failures;
	/* --hold */
	struct netgpu_completion *held;
	size_t nr_held, cap_held;
	struct netgpu_completion batch[BATCH], back[BATCH];
};

/* Upstream kernels have no regions; there io_uring attaches the dma-buf. */
static int attach(struct bench *b, struct zc_rx *rx, unsigned int ifindex)
{
	unsigned int flags = 0;
	int ret;

	if (netgpu_memory_fd(rx->memory) < 0)
		return 0;
	if (netgpu_memory_is_device(rx->memory) && !b->opt.allow_host)
		flags = NETGPU_REQUIRE_P2P;
	ret = netgpu_region_open(rx->memory, ifindex, b->opt.queue, flags,
				 &rx->region);
	if (ret == -ENOENT && access("/dev/netgpu", F_OK)) {
		complain("%s; going on without a region", netgpu_error());
		return 0;
	}
	if (ret) {
		complain("%s", netgpu_error());
		return ret;
	}
	ret = netgpu_region_query(rx->region, &rx->info);
	if (ret)
		complain("%s", netgpu_error());
	return ret;
}

/* The queue of a receiver that has just been killed is free a moment later. */
static bool taken(int ret)
{
	return ret == -EEXIST || ret == -EBUSY;
}

static int zc_open(struct bench *b)
{
	struct netgpu_queue_params params = {
		.queue = b->opt.queue,
		.flags = b->opt.nodev ? NETGPU_QUEUE_NODEV : 0,
	};
	struct zc_rx *rx = calloc(1, sizeof(*rx));
	int ret, tries;

	if (!rx) {
		complain("out of memory");
		return -ENOMEM;
	}
	b->rx = rx;
	rx->next = NOT_IN_REGION;
	if (!b->opt.nodev) {
		params.ifindex = if_nametoindex(b->opt.iface);
		if (!params.ifindex) {
			complain("%s: no such network device here", b->opt.iface);
			return -ENODEV;
		}
	} else {
		params.queue = 0;
	}
	ret = netgpu_memory_open(b->opt.gpu, b->opt.region_size, &rx->memory);
	if (ret) {
		complain("%s", netgpu_error());
		return ret;
	}
	for (tries = 0; tries < BIND_TRIES; tries++) {
		if (!rx->region && !b->opt.nodev) {
			ret = attach(b, rx, params.ifindex);
			if (ret)
				return ret;
		}
		ret = netgpu_queue_open(&params, rx->memory, rx->region,
					&rx->queue);
		if (!taken(ret))
			break;
		usleep(BIND_PAUSE);
	}
	if (!ret)
		ret = netgpu_queue_watch(rx->queue, b->epoll, b);
	if (!ret && rx->region)
		ret = netgpu_queue_watch(rx->queue,
					 netgpu_region_fd(rx->region), rx);
	if (ret)
		complain("%s", netgpu_error());
	return ret;
}

static void zc_close(struct bench *b)
{
	struct zc_rx *rx = b->rx;

	if (!rx)
		return;
	netgpu_queue_close(rx->queue);
	netgpu_region_close(rx->region);
	netgpu_memory_close(rx->memory);
	free(rx->held);
	free(rx);
	b->rx = NULL;
}

static int zc_add(struct bench *b, struct conn *c)
{
	struct zc_rx *rx = b->rx;
	struct netgpu_conn *nc;
	int ret = netgpu_queue_add(rx->queue, c->fd, c, &nc);

	c->rx = nc;
	return ret;
}

static void zc_del(struct bench *b, struct conn *c)
{
	(void)b;
	netgpu_conn_close(c->rx);
	c->rx = NULL;
}

static bool keep(struct bench *b, const struct netgpu_completion *c)
{
	struct zc_rx *rx = b->rx;

	if (rx->nr_held == rx->cap_held) {
		size_t cap = rx->cap_held ? rx->cap_held * 2 : 32768;
		void *held = realloc(rx->held, cap * sizeof(*rx->held));

		if (!held) {
			complain("out of memory for --hold");
			b->status = 1;
			return false;
		}
		rx->held = held;
		rx->cap_held = cap;
	}
	rx->held[rx->nr_held++] = *c;
	return true;
}

/* True when the buffer may go back. */
static bool received(struct bench *b, const struct netgpu_completion *done)
{
	struct zc_rx *rx = b->rx;
	struct conn *c = done->user;
	struct chunk chunk = {
		.data = done->data,
		.length = done->result,
		.offset = done->offset == NETGPU_IN_HOST ? NOT_IN_REGION :
							   done->offset,
	};

	if (c->role == ROLE_DATA && chunk.offset != NOT_IN_REGION) {
		if (chunk.offset != rx->next)
			rx->extents++;
		rx->next = chunk.offset + chunk.length;
	}
	return !bench_received(b, c, &chunk) || !keep(b, done);
}

static void notice_exhaustion(struct bench *b, struct zc_rx *rx)
{
	struct netgpu_queue_stats st;

	netgpu_queue_get_stats(rx->queue, &st);
	if (st.alloc_failures == rx->alloc_failures)
		return;
	rx->alloc_failures = st.alloc_failures;
	if (b->session)
		b->session->alloc_fail = true;
}

static int zc_wait(struct bench *b, int64_t timeout)
{
	struct zc_rx *rx = b->rx;
	unsigned int back = 0;
	bool revoked = false;
	int i, n;

	n = netgpu_queue_wait(rx->queue, rx->batch, BATCH, timeout);
	if (n < 0) {
		complain("%s", netgpu_error());
		return n;
	}
	for (i = 0; i < n; i++) {
		struct netgpu_completion *done = &rx->batch[i];

		if (!done->conn && done->user == rx) {
			complain("%s was taken back by its exporter, or %s has gone",
				 netgpu_memory_name(rx->memory), b->opt.iface);
			revoked = true;
		} else if (!done->conn) {
			bench_epoll_dispatch(b, 0);
		} else if (done->result > 0) {
			if (received(b, done))
				rx->back[back++] = *done;
		} else {
			bench_ended(b, done->user, done->result);
		}
	}
	netgpu_queue_return(rx->queue, rx->back, back);
	if (b->opt.hold)
		notice_exhaustion(b, rx);
	return revoked ? -ENODEV : 0;
}

static void zc_release(struct bench *b)
{
	struct zc_rx *rx = b->rx;

	netgpu_queue_return(rx->queue, rx->held, rx->nr_held);
	rx->nr_held = 0;
}

static void zc_stats(struct bench *b, struct receive_stats *stats)
{
	struct zc_rx *rx = b->rx;
	struct netgpu_queue_stats st;

	netgpu_queue_get_stats(rx->queue, &st);
	*stats = (struct receive_stats) {
		.completions = st.completions,
		.extents = rx->extents,
		.rearms = st.rearms,
		.flushes = st.flushes,
		.alloc_failures = st.alloc_failures,
		.kernel_copies = st.copies,
		.kernel_copy_bytes = st.copy_bytes,
		.stray_bytes = st.stray_bytes,
		.held = rx->nr_held,
	};
}

static const char *where(const struct zc_rx *rx)
{
	if (rx->region)
		return rx->info.where == NETGPU_WHERE_DEVICE ? "device" : "host";
	return netgpu_memory_fd(rx->memory) < 0 ? "host" : "unknown";
}

static void zc_info(struct bench *b, struct receive_info *info)
{
	struct zc_rx *rx = b->rx;

	/* Asked again: it may have been revoked, and the counters move. */
	if (rx->region)
		netgpu_region_query(rx->region, &rx->info);
	info->memory = netgpu_memory_name(rx->memory);
	info->placement = where(rx);
	info->exporter = rx->region ? rx->info.exporter : NULL;
	info->region_offset = netgpu_memory_offset(rx->memory);
	info->region_length = netgpu_memory_size(rx->memory);
	info->region = rx->region;
}

const struct receiver zc_receiver = {
	.name = "zero-copy",
	.open = zc_open,
	.close = zc_close,
	.add = zc_add,
	.del = zc_del,
	.wait = zc_wait,
	.release = zc_release,
	.stats = zc_stats,
	.info = zc_info,
};
