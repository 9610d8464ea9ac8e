/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The times of a test: what it has to wait for, when a line is due, what counts
 * and how long that took. Nanoseconds of CLOCK_MONOTONIC, 0 for none.
 */
#ifndef BENCH_TEST_CLOCK_H
#define BENCH_TEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

struct test_clock {
	uint64_t deadline;	/* of what is waited for */
	uint64_t start;		/* of what counts */
	uint64_t stop;		/* the client said it is done */
	uint64_t last_data;
	bool omitting;		/* what comes does not count yet */
	uint64_t omit_end;
	uint64_t interval;	/* between lines */
	uint64_t interval_start, interval_next;

	struct timespec cpu_wall;
	struct rusage cpu_start;
	bool cpu_known;
	double cpu_total, cpu_user, cpu_system;	/* percent, of what counts */
};

/* @time from now; 0: wait without end. */
void clock_wait(struct test_clock *c, uint64_t time);
/* The test begins; the first @omit seconds will not count. */
void clock_start(struct test_clock *c, unsigned int omit, uint64_t interval);
/* From @now on it counts. */
void clock_start_counting(struct test_clock *c, uint64_t now);
void clock_next_interval(struct test_clock *c, uint64_t now);
/* The test is over, and so is the use of the CPU. */
void clock_stop(struct test_clock *c);

/* Seconds of what counts: the last byte, or the client's word. */
double clock_seconds(const struct test_clock *c);

/* Make *@timeout, ns or -1 for never, end at @when at the latest. */
void clock_sooner(int64_t *timeout, uint64_t now, uint64_t when);

#endif
