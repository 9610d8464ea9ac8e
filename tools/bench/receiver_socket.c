// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The receivers to compare with: recv() into host memory, and recv() followed
 * by a copy into the memory of the GPU, as programs do it today.
 */
#include <errno.h>
#include <libnetgpu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench.h"

#define BUFFER_SIZE	(128u << 10)

struct socket_rx {
	struct netgpu_memory *memory;
	char *map;
	uint64_t size, cursor;
	char *buffer;
	struct receive_stats stats;
};

static void readable(struct bench *b, struct watch *w, uint32_t events)
{
	struct socket_rx *rx = b->rx;
	struct conn *c = (struct conn *)w;
	struct chunk chunk = { .data = rx->buffer, .offset = NOT_IN_REGION };
	ssize_t n;
	int ret;

	if (events & EPOLLOUT)
		conn_send(b, c, NULL, 0);
	if (c->dead || c->eof || !(events & ~EPOLLOUT))
		return;

	n = recv(c->fd, rx->buffer, BUFFER_SIZE, MSG_DONTWAIT);
	if (n <= 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		ret = n ? -errno : 0;
		epoll_ctl(b->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		bench_ended(b, c, ret);
		return;
	}

	if (!rx->map || c->role != ROLE_DATA) {
		chunk.length = n;
		rx->stats.completions++;
		rx->stats.extents++;
		bench_received(b, c, &chunk);
		return;
	}
	while (n && !c->dead) {
		chunk.length = n;
		if (chunk.length > rx->size - rx->cursor)
			chunk.length = rx->size - rx->cursor;
		if (!chunk.length) {
			/* With --hold, nothing may be written over. */
			if (b->opt.hold) {
				bench_ended(b, c, -ENOBUFS);
				return;
			}
			rx->cursor = 0;
			rx->stats.extents++;
			continue;
		}
		memcpy(rx->map + rx->cursor, chunk.data, chunk.length);
		chunk.offset = rx->cursor;
		rx->cursor += chunk.length;
		rx->stats.completions++;
		rx->stats.cpu_copy_bytes += chunk.length;
		n -= chunk.length;
		bench_received(b, c, &chunk);
		chunk.data = (const char *)chunk.data + chunk.length;
	}
}

static int socket_open(struct bench *b)
{
	struct socket_rx *rx = calloc(1, sizeof(*rx));
	int ret;

	if (rx)
		rx->buffer = aligned_alloc(4096, BUFFER_SIZE);
	if (!rx || !rx->buffer) {
		free(rx);
		complain("out of memory");
		return -ENOMEM;
	}
	b->rx = rx;
	if (b->opt.mode == MODE_RECV)
		return 0;

	ret = netgpu_memory_open(b->opt.gpu, b->opt.region_size, &rx->memory);
	if (ret) {
		complain("%s", netgpu_error());
		return ret;
	}
	rx->map = netgpu_memory_map(rx->memory);
	rx->size = netgpu_memory_size(rx->memory);
	rx->stats.extents = 1;
	if (!rx->map) {
		complain("%s cannot be mapped for the CPU, so nothing can be copied into it",
			 netgpu_memory_name(rx->memory));
		return -EOPNOTSUPP;
	}
	return 0;
}

static void socket_close(struct bench *b)
{
	struct socket_rx *rx = b->rx;

	if (!rx)
		return;
	netgpu_memory_close(rx->memory);
	free(rx->buffer);
	free(rx);
	b->rx = NULL;
}

static int socket_add(struct bench *b, struct conn *c)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP,
		.data.ptr = &c->watch,
	};

	c->watch.ready = readable;
	return epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &ev) ? -errno : 0;
}

static void socket_del(struct bench *b, struct conn *c)
{
	epoll_ctl(b->epoll, EPOLL_CTL_DEL, c->fd, NULL);
}

static int socket_wait(struct bench *b, int64_t timeout)
{
	/* Round up, or the loop spins through the last millisecond. */
	bench_epoll_dispatch(b, timeout < 0 ? -1 : (int)((timeout + 999999) / 1000000));
	return 0;
}

static void socket_release(struct bench *b)
{
	struct socket_rx *rx = b->rx;

	rx->cursor = 0;
}

static void socket_stats(struct bench *b, struct receive_stats *stats)
{
	struct socket_rx *rx = b->rx;

	*stats = rx->stats;
}

static void socket_info(struct bench *b, struct receive_info *info)
{
	struct socket_rx *rx = b->rx;

	if (!rx->memory)
		return;
	info->memory = netgpu_memory_name(rx->memory);
	info->placement = netgpu_memory_is_device(rx->memory) ? "device" : "host";
	info->region_offset = netgpu_memory_offset(rx->memory);
	info->region_length = rx->size;
}

const struct receiver socket_receiver = {
	.name = "socket",
	.in_epoll = true,
	.open = socket_open,
	.close = socket_close,
	.add = socket_add,
	.del = socket_del,
	.wait = socket_wait,
	.release = socket_release,
	.stats = socket_stats,
	.info = socket_info,
};
