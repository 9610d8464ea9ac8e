/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The streams of a test that this end sends. */
#ifndef BENCH_SENDER_H
#define BENCH_SENDER_H

#include "test.h"

#define BLOCK_USUAL	(128u << 10)	/* bytes of a send; iperf3's */

/* Pace them as the client wants it, and send until sender_stop(), or all is sent. */
void sender_start(struct test *t);
/* What is sent counts from now on. */
void sender_go_on(struct test *t);
/* What the kernel has taken is sent, and no more; the streams of a server end with it. */
void sender_stop(struct test *t);
/* A send of a stream has ended. */
void sender_sent(struct test *t, struct stream *st, uint32_t length, int error);
/* Ask what was taken to be sent, and what was sent again. */
void sender_sample(struct test *t, struct stream *st);
/* What was sent so far does not count. */
void sender_omit(struct stream *st);

#endif
