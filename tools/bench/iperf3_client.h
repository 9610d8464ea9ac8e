/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The client's end of a test. */
#ifndef BENCH_IPERF3_CLIENT_H
#define BENCH_IPERF3_CLIENT_H

#include "test.h"

struct conns;

/* Connect to the server, and begin. NULL when that cannot be, having complained. */
struct test *client_begin(struct run *run, struct conns *conns);

#endif
