// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "listener.h"
#include "options.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK	72
#endif

/*
 * The unit in which the window of a connection is counted is settled in the
 * handshake, by the receive buffer that the listening socket has then.
 *
 * For zero-copy receive it shall be 4096 bytes.  A sender that meets the end
 * of the window cuts a segment there and sends the rest by itself later: were
 * the window counted in smaller units, there would be pieces of a few bytes
 * among segments that fill a buffer each, and network devices are apt to put
 * very short packets into host memory, headers and data alike.  What the
 * buffer allows to be queued is in the region, whose size is the true limit.
 */
#define COARSE_WINDOW	(1 << 27)

void listener_coarse_window(int fd)
{
	int coarse = COARSE_WINDOW;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &coarse, sizeof(coarse));
}

void listener_set_options(struct listener *l, int window, int mss)
{
	int half = l->rcvbuf / 2, unlocked = 0, no_clamp = 1 << 30;
	int fd = l->fd;

	if (window) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
	} else if (l->opt->mode == MODE_ZC) {
		listener_coarse_window(fd);
	} else if (l->window_set) {
		/* Setting a buffer fixes it, and clamps the window. */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &half, sizeof(half));
		setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof(unlocked));
		setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &no_clamp,
			   sizeof(no_clamp));
	}
	l->window_set = window;
	if (mss || l->mss_set)
		setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
	l->mss_set = mss;
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);
	int fd;

	(void)events;
	for (;;) {
		fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			l->accepted(l->owner, fd);
		else if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
	    errno == ENOBUFS)
		usleep(10000);
}

int listener_open(struct listener *l, int epoll)
{
	int one = 1, v6only = l->opt->family == AF_INET6, family = l->opt->family;
	struct addrinfo hints = {
		.ai_family = family ? family : AF_INET6,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	}, *ai;
	socklen_t len = sizeof(int);
	int fd, ret, buf = 0;
	char port[16];

	if (l->opt->bind && !family)
		hints.ai_family = AF_UNSPEC;
	snprintf(port, sizeof(port), "%ld", l->opt->port);
again:
	ret = getaddrinfo(l->opt->bind, port, &hints, &ai);
	if (ret) {
		complain("%s: %s", l->opt->bind ? l->opt->bind : "address",
			 gai_strerror(ret));
		return -EADDRNOTAVAIL;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		ret = -errno;
		freeaddrinfo(ai);
		if (ret == -EAFNOSUPPORT && !family &&
		    hints.ai_family == AF_INET6) {
			hints.ai_family = AF_INET;
			goto again;
		}
		complain("socket: %s", strerror(-ret));
		return ret;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
	ret = bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, 512) ? -errno : 0;
	freeaddrinfo(ai);
	if (ret) {
		complain("port %ld: %s", l->opt->port, strerror(-ret));
		close(fd);
		return ret;
	}
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buf, &len);
	l->rcvbuf = buf;
	l->fd = fd;
	l->watch.ready = listener_ready;
	listener_set_options(l, 0, 0);
	return loop_watch(epoll, fd, &l->watch);
}

void listener_close(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
