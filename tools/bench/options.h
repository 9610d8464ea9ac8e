/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What the command line of netgpu bench says. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum receive_mode { MODE_ZC, MODE_RECV, MODE_RECV_COPY };

struct options {
	enum receive_mode mode;
	const char *iface;
	long queue;
	const char *gpu;
	const char *bind;
	long port;
	int family;			/* AF_UNSPEC, AF_INET, AF_INET6 */
	uint64_t region_size;		/* bytes */
	uint64_t buffer_size;		/* bytes, 0 for a page */
	double interval;		/* seconds, 0 for none */
	char format;			/* one of kmgtKMGT, 0 for a fitting one */
	bool one_off, json, hold, nodev, allow_host;
	const char *record;
	const char *logfile;
	/* as the client */
	const char *client;		/* NULL for a server */
	bool reverse, bidir;
	long seconds, omit, parallel, window, mss;
	uint64_t bytes, length, bitrate;
	long rcv_timeout;		/* ms without data that end a test, 0 for never */
};

/* A client without a receive queue: nothing of the test is received. */
bool options_send_only(const struct options *opt);

/* 0, or an errno having complained. */
int options_parse(int argc, char **argv, struct options *opt);

#endif
