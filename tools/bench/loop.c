// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <errno.h>
#include <sys/epoll.h>

#include "loop.h"

int loop_watch(int epoll, int fd, struct watch *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = w };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

void loop_dispatch(int epoll, int timeout_ms)
{
	struct epoll_event ev[64];
	int i, n;

	n = epoll_wait(epoll, ev, sizeof(ev) / sizeof(ev[0]), timeout_ms);
	for (i = 0; i < n; i++) {
		struct watch *w = ev[i].data.ptr;

		w->ready(w, ev[i].events);
	}
}
