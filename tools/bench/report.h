/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What is printed of a test: iperf3's lines, or iperf3's JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "test.h"

void report_listening(const struct run *run);
void report_accepted(struct test *t);
void report_connecting(struct test *t);
void report_stream(struct test *t, struct stream *st);
void report_started(struct test *t);
void report_interval(struct test *t, uint64_t now);
void report_final(struct test *t);
/* After the last byte of the test. */
void report_done(struct test *t);
void report_note(struct test *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
