// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The transports to compare with: recv() into host memory and send() out of it,
 * and the same with a copy into, or out of, the memory of the GPU, as programs do it
 * today.
 */
#include <errno.h>
#include <libnetgpu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "command.h"
#include "connection.h"
#include "options.h"
#include "transport.h"

#define BUFFER_SIZE	(128u << 10)

struct socket_transport {
	struct transport base;
	struct netgpu_memory *memory;
	char *map;
	uint64_t size, cursor;
	char *buffer;
	struct transport_stats stats;
};

/* A send of a connection, see transport::sends_max; its conn::rx. */
struct output {
	uint64_t offset;
	uint32_t length, done;
	uint64_t taken;
	char *copy;		/* of what is in the memory of the GPU */
	uint32_t copied;	/* bytes up to there are in it */
	uint32_t copy_start;
	bool waiting;		/* for room in the socket */
};

static struct socket_transport *socket_of(struct transport *r)
{
	return container_of(r, struct socket_transport, base);
}

/* Bytes that are to go next, and where they are for the CPU. */
static uint32_t next_bytes(struct socket_transport *s, struct output *o, const char **p)
{
	uint32_t n = o->length - o->done;
	uint64_t at = o->offset + o->done;

	if (!s->map) {
		at %= BUFFER_SIZE;
		*p = s->buffer + at;
		return n < BUFFER_SIZE - at ? n : BUFFER_SIZE - at;
	}
	if (o->done == o->copied) {
		if (n > BUFFER_SIZE)
			n = BUFFER_SIZE;
		memcpy(o->copy, s->map + at, n);
		o->copy_start = o->done;
		o->copied = o->done + n;
		s->stats.send_copy_bytes += n;
	}
	*p = o->copy + o->done - o->copy_start;
	return o->copied - o->done;
}

static void wait_for_room(struct conn *c, bool on)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP | (on ? EPOLLOUT : 0),
		.data.ptr = &c->watch,
	};
	struct output *o = c->rx;

	if (o->waiting == on)
		return;
	o->waiting = on;
	epoll_ctl(c->all->transport->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static void send_more(struct conn *c)
{
	struct transport *r = c->all->transport;
	struct socket_transport *s = socket_of(r);
	struct output *o = c->rx;
	const char *p;
	uint32_t n;
	ssize_t ret;

	while (o->done < o->length) {
		n = next_bytes(s, o, &p);
		ret = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0 && errno == EAGAIN)
			return;
		if (ret < 0) {
			ret = -errno;
			o->length = 0;
			wait_for_room(c, false);
			r->events->sent(r->owner, c, 0, ret);
			return;
		}
		o->done += ret;
		o->taken += ret;
	}
	n = o->length;
	o->length = 0;
	s->stats.sends++;
	/* which may start the next */
	r->events->sent(r->owner, c, n, 0);
	if (!c->dead && !o->length)
		wait_for_room(c, false);
}

static int socket_send(struct transport *r, struct conn *c, uint64_t offset, uint32_t length)
{
	struct output *o = c->rx;

	if (!o) {
		o = calloc(1, sizeof(*o));
		if (o && socket_of(r)->map)
			o->copy = malloc(BUFFER_SIZE);
		if (!o || (socket_of(r)->map && !o->copy)) {
			free(o);
			complain("out of memory");
			return -ENOMEM;
		}
		c->rx = o;
	}
	o->offset = offset;
	o->length = length;
	o->done = o->copied = 0;
	wait_for_room(c, true);
	return 0;
}

static void socket_stop(struct transport *r, struct conn *c)
{
	struct output *o = c->rx;

	(void)r;
	if (!o)
		return;
	o->length = 0;
	wait_for_room(c, false);
}

static uint64_t socket_taken(struct transport *r, struct conn *c)
{
	const struct output *o = c->rx;

	(void)r;
	return o ? o->taken : 0;
}

static void readable(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);
	struct transport *r = c->all->transport;
	struct socket_transport *s = socket_of(r);
	struct chunk chunk = { .data = s->buffer, .offset = NOT_IN_REGION };
	ssize_t n;
	int ret;

	if (events & EPOLLOUT)
		conn_send(c, NULL, 0);
	if (events & EPOLLOUT && !c->dead && c->rx && ((struct output *)c->rx)->length)
		send_more(c);
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

static void socket_close(struct transport *r)
{
	struct socket_transport *s = socket_of(r);

	netgpu_memory_close(s->memory);
	free(s->buffer);
	free(s);
}

static int socket_add(struct transport *r, struct conn *c)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP,
		.data.ptr = &c->watch,
	};

	c->watch.ready = readable;
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &ev) ? -errno : 0;
}

static void socket_del(struct transport *r, struct conn *c)
{
	struct output *o = c->rx;

	epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	if (o)
		free(o->copy);
	free(o);
	c->rx = NULL;
}

static int socket_wait(struct transport *r, int64_t timeout)
{
	/* Round up, or the loop spins through the last millisecond. */
	loop_dispatch(r->epoll, timeout < 0 ? -1 : (int)((timeout + 999999) / 1000000));
	return 0;
}

static void socket_release(struct transport *r)
{
	struct socket_transport *s = socket_of(r);

	s->cursor = 0;
}

static void socket_stats(struct transport *r, struct transport_stats *stats)
{
	struct socket_transport *s = socket_of(r);

	*stats = s->stats;
}

static void socket_info(struct transport *r, struct transport_info *info)
{
	struct socket_transport *s = socket_of(r);

	if (!s->memory)
		return;
	info->memory = netgpu_memory_name(s->memory);
	info->placement = netgpu_memory_is_device(s->memory) ? "device" : "host";
	info->region_offset = netgpu_memory_offset(s->memory);
	info->region_length = s->size;
}

static const struct transport_ops socket_ops = {
	.in_epoll = true,
	.close = socket_close,
	.add = socket_add,
	.del = socket_del,
	.send = socket_send,
	.stop = socket_stop,
	.taken = socket_taken,
	.wait = socket_wait,
	.release = socket_release,
	.stats = socket_stats,
	.info = socket_info,
};

/* 0 or -errno, having complained. */
static int open_memory(struct socket_transport *s)
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

struct transport *transport_socket_open(const struct transport *init)
{
	struct socket_transport *s = calloc(1, sizeof(*s));

	if (s)
		s->buffer = aligned_alloc(4096, BUFFER_SIZE);	/* of what is sent, too */
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
	s->base.sendable = s->map ? s->size : init->opt->region_size;
	s->base.sends_max = 1;
	return &s->base;
}
