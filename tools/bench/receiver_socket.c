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

#include "command.h"
#include "connection.h"
#include "options.h"
#include "receiver.h"

#define BUFFER_SIZE	(128u << 10)

struct socket_receiver {
	struct receiver base;
	struct netgpu_memory *memory;
	char *map;
	uint64_t size, cursor;
	char *buffer;
	struct receive_stats stats;
};

static struct socket_receiver *socket_of(struct receiver *r)
{
	return container_of(r, struct socket_receiver, base);
}

static void readable(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);
	struct receiver *r = c->all->receiver;
	struct socket_receiver *s = socket_of(r);
	struct chunk chunk = { .data = s->buffer, .offset = NOT_IN_REGION };
	ssize_t n;
	int ret;

	if (events & EPOLLOUT)
		conn_send(c, NULL, 0);
	if (c->dead || c->eof || !(events & ~EPOLLOUT))
		return;

	n = recv(c->fd, s->buffer, BUFFER_SIZE, MSG_DONTWAIT);
	if (n <= 0) {
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		ret = n ? -errno : 0;
		epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		r->events->ended(r->owner, c, ret);
		return;
	}

	if (!s->map || c->role != ROLE_DATA) {
		chunk.length = n;
		s->stats.completions++;
		s->stats.extents++;
		r->events->received(r->owner, c, &chunk);
		return;
	}
	while (n && !c->dead) {
		chunk.length = n;
		if (chunk.length > s->size - s->cursor)
			chunk.length = s->size - s->cursor;
		if (!chunk.length) {
			/* With --hold, nothing may be written over. */
			if (r->opt->hold) {
				r->events->ended(r->owner, c, -ENOBUFS);
				return;
			}
			s->cursor = 0;
			s->stats.extents++;
			continue;
		}
		memcpy(s->map + s->cursor, chunk.data, chunk.length);
		chunk.offset = s->cursor;
		s->cursor += chunk.length;
		s->stats.completions++;
		s->stats.cpu_copy_bytes += chunk.length;
		n -= chunk.length;
		r->events->received(r->owner, c, &chunk);
		chunk.data = (const char *)chunk.data + chunk.length;
	}
}

static void socket_close(struct receiver *r)
{
	struct socket_receiver *s = socket_of(r);

	netgpu_memory_close(s->memory);
	free(s->buffer);
	free(s);
}

static int socket_add(struct receiver *r, struct conn *c)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP,
		.data.ptr = &c->watch,
	};

	c->watch.ready = readable;
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &ev) ? -errno : 0;
}

static void socket_del(struct receiver *r, struct conn *c)
{
	epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
}

static int socket_wait(struct receiver *r, int64_t timeout)
{
	/* Round up, or the loop spins through the last millisecond. */
	loop_dispatch(r->epoll, timeout < 0 ? -1 : (int)((timeout + 999999) / 1000000));
	return 0;
}

static void socket_release(struct receiver *r)
{
	struct socket_receiver *s = socket_of(r);

	s->cursor = 0;
}

static void socket_stats(struct receiver *r, struct receive_stats *stats)
{
	struct socket_receiver *s = socket_of(r);

	*stats = s->stats;
}

static void socket_info(struct receiver *r, struct receive_info *info)
{
	struct socket_receiver *s = socket_of(r);

	if (!s->memory)
		return;
	info->memory = netgpu_memory_name(s->memory);
	info->placement = netgpu_memory_is_device(s->memory) ? "device" : "host";
	info->region_offset = netgpu_memory_offset(s->memory);
	info->region_length = s->size;
}

static const struct receiver_ops socket_ops = {
	.in_epoll = true,
	.close = socket_close,
	.add = socket_add,
	.del = socket_del,
	.wait = socket_wait,
	.release = socket_release,
	.stats = socket_stats,
	.info = socket_info,
};

/* 0 or -errno, having complained. */
static int open_memory(struct socket_receiver *s)
{
	const struct options *opt = s->base.opt;
	int ret = netgpu_memory_open(opt->gpu, opt->region_size, &s->memory);

	if (ret) {
		complain("%s", netgpu_error());
		return ret;
	}
	s->map = netgpu_memory_map(s->memory);
	s->size = netgpu_memory_size(s->memory);
	s->stats.extents = 1;
	if (!s->map) {
		complain("%s cannot be mapped for the CPU, so nothing can be copied into it",
			 netgpu_memory_name(s->memory));
		return -EOPNOTSUPP;
	}
	return 0;
}

struct receiver *receiver_socket_open(const struct receiver *init)
{
	struct socket_receiver *s = calloc(1, sizeof(*s));

	if (s)
		s->buffer = aligned_alloc(4096, BUFFER_SIZE);
	if (!s || !s->buffer) {
		free(s);
		complain("out of memory");
		return NULL;
	}
	s->base = *init;
	s->base.ops = &socket_ops;
	if (init->opt->mode == MODE_RECV_COPY && open_memory(s)) {
		socket_close(&s->base);
		return NULL;
	}
	return &s->base;
}
