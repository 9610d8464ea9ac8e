// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "connection.h"
#include "transport.h"

#define CONNS_MAX	(2 * MAX_STREAMS + 64)
#define LINGER_TIME	(2 * NSEC)
#define OUTPUT_MAX	(64u << 20)

static void conn_free(struct conn *c)
{
	free(c->out);
	free(c);
}

static void watch_output(struct conn *c, bool on)
{
	struct epoll_event ev = { .data.ptr = &c->watch };
	struct transport *r = c->all->transport;

	if (c->want_write == on)
		return;
	c->want_write = on;
	if (r->ops->in_epoll) {
		ev.events = EPOLLIN | EPOLLRDHUP | (on ? EPOLLOUT : 0);
		epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->fd, &ev);
	} else {
		ev.events = EPOLLOUT;
		epoll_ctl(r->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->fd, &ev);
	}
}

static void writable(struct watch *w, uint32_t events)
{
	(void)events;
	conn_send(container_of(w, struct conn, watch), NULL, 0);
}

static bool queue_output(struct conn *c, const void *data, size_t len)
{
	if (!len)
		return true;
	if (c->out_len + len > c->out_cap) {
		size_t cap = (c->out_len + len) * 2;
		char *out = cap > OUTPUT_MAX ? NULL : realloc(c->out, cap);

		if (!out)
			return false;
		c->out = out;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
	return true;
}

void conn_send(struct conn *c, const void *data, size_t len)
{
	ssize_t n;

	if (c->dead)
		return;
	if (!queue_output(c, data, len)) {
		/* Its receiving end says so: nobody else frees it under its owner. */
		c->out_len = 0;
		shutdown(c->fd, SHUT_RDWR);
		return;
	}
	while (c->out_len) {
		n = send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_output(c, true);
			return;
		}
		if (n < 0) {
			/* Its receiving end will say so, too. */
			c->out_len = 0;
			break;
		}
		c->out_len -= n;
		memmove(c->out, c->out + n, c->out_len);
	}
	watch_output(c, false);
	if (c->finish)
		shutdown(c->fd, SHUT_WR);
}

void conn_close(struct conn *c)
{
	/*
	 * With the network gone, a socket would wait minutes for its peer, and
	 * keep the buffers of segments that came out of order.
	 */
	struct linger now = { .l_onoff = 1 };

	if (c->dead)
		return;
	c->dead = true;
	c->stream = NULL;
	c->all->transport->ops->del(c->all->transport, c);
	if (c->all->cut_off)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->all->count--;
}

void conn_finish(struct conn *c)
{
	if (c->dead)
		return;
	c->role = ROLE_CLOSING;
	c->stream = NULL;
	/*
	 * Closing with input unread resets the connection, and what was sent
	 * last is lost on the way: read until the peer has closed.
	 */
	c->finish = true;
	c->deadline = now_ns() + LINGER_TIME;
	conn_send(c, NULL, 0);
	if (c->eof)
		conn_close(c);
}

static void name_of(const struct sockaddr_storage *ss, char *host, int *port)
{
	const struct sockaddr_in6 *in6 = (const void *)ss;
	const struct sockaddr_in *in = (const void *)ss;

	if (ss->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, INET6_ADDRSTRLEN);
		*port = ntohs(in->sin_port);
		return;
	}
	if (ss->ss_family != AF_INET6)
		return;
	*port = ntohs(in6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host,
			  INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, host, INET6_ADDRSTRLEN);
}

struct conn *conn_open(struct conns *all, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct conn *c;
	int ret, one = 1;

	c = all->count < CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return NULL;
	}
	/* Control messages are a byte long, and the next one is not to wait. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->all = all;
	c->fd = fd;
	c->number = all->opened++;
	c->watch.ready = writable;
	if (!getpeername(fd, (struct sockaddr *)&ss, &len))
		name_of(&ss, c->remote_host, &c->remote_port);
	len = sizeof(ss);
	if (!getsockname(fd, (struct sockaddr *)&ss, &len))
		name_of(&ss, c->local_host, &c->local_port);

	ret = all->transport->ops->add(all->transport, c);
	if (ret) {
		complain("connection from %s: %s", c->remote_host, strerror(-ret));
		close(fd);
		conn_free(c);
		return NULL;
	}
	c->next = all->first;
	all->first = c;
	all->count++;
	return c;
}

void conns_clock(struct conns *all, uint64_t now)
{
	struct conn *c;

	for (c = all->first; c; c = c->next)
		if (!c->dead && c->deadline && now >= c->deadline)
			conn_close(c);
}

int64_t conns_timeout(const struct conns *all, uint64_t now)
{
	const struct conn *c;
	int64_t t = -1, left;

	for (c = all->first; c; c = c->next) {
		if (!c->deadline)
			continue;
		left = c->deadline > now ? (int64_t)(c->deadline - now) : 0;
		if (t < 0 || left < t)
			t = left;
	}
	return t;
}

void conns_reap(struct conns *all)
{
	struct conn **p = &all->first, *c;

	while ((c = *p)) {
		if (c->dead) {
			*p = c->next;
			conn_free(c);
		} else {
			p = &c->next;
		}
	}
}
