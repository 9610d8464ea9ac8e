/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The server's end of a test of an iperf3 client. */
#ifndef BENCH_IPERF3_SERVER_H
#define BENCH_IPERF3_SERVER_H

#include "test.h"

/* @control is its client's. NULL when there is no memory. */
struct test *server_begin(struct run *run, struct conn *control);
/* True when the connection is one of the test's. */
bool server_join(struct test *t, struct conn *c);

#endif
