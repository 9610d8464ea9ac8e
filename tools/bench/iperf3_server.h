/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* One test of one iperf3 client. */
#ifndef BENCH_IPERF3_SERVER_H
#define BENCH_IPERF3_SERVER_H

#include "test.h"

/* @control is its client's. NULL when there is no memory. */
struct test *server_begin(struct run *run, struct conn *control);
void server_free(struct test *t);

/* Bytes of the control connection. */
void server_control(struct test *t, const void *data, size_t len);
void server_control_ended(struct test *t, int error);
/* True when the connection is one of the test's. */
bool server_join(struct test *t, struct conn *c);
/* Bytes of a stream. */
void server_data(struct test *t, struct stream *st, const struct chunk *chunk);
void server_data_ended(struct test *t, struct stream *st, int error);
/* End the test, and tell the client. */
void server_terminate(struct test *t, const char *why);
void server_error(struct test *t, enum iperf_error error, int err,
		  const char *why);
/*
 * At the end of each turn, when the receiver has accounted for all that it has
 * handed over: do what the clock says, and answer if everything has come.
 */
void server_clock(struct test *t, uint64_t now);
/* ns until server_clock() is wanted, -1 for never. */
int64_t server_timeout(const struct test *t, uint64_t now);

#endif
