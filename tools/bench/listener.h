/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The listening socket. */
#ifndef BENCH_LISTENER_H
#define BENCH_LISTENER_H

#include <stdbool.h>

#include "loop.h"

struct options;

struct listener {
	struct watch watch;
	const struct options *opt;
	int fd;			/* -1 when there is none */
	int rcvbuf;		/* as it was */
	bool window_set, mss_set;
	/* A connection has come. */
	void (*accepted)(void *owner, int fd);
	void *owner;
};

/* 0 or -errno, having complained. */
int listener_open(struct listener *l, int epoll);
void listener_close(struct listener *l);
/* Of a socket that is not connected yet: see there. */
void listener_coarse_window(int fd);
/* Socket options of connections to come; 0 for the system's own. */
void listener_set_options(struct listener *l, int window, int mss);

#endif
