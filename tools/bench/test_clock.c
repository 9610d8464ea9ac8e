// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include "command.h"
#include "test_clock.h"

void clock_wait(struct test_clock *c, uint64_t time)
{
	c->deadline = time ? now_ns() + time : 0;
}

static void cpu_begin(struct test_clock *c)
{
	clock_gettime(CLOCK_MONOTONIC, &c->cpu_wall);
	getrusage(RUSAGE_SELF, &c->cpu_start);
}

static double seconds_between(struct timeval a, struct timeval b)
{
	return (b.tv_sec - a.tv_sec) + (b.tv_usec - a.tv_usec) / 1e6;
}

static void cpu_end(struct test_clock *c)
{
	struct timespec now;
	struct rusage r;
	double wall;

	clock_gettime(CLOCK_MONOTONIC, &now);
	getrusage(RUSAGE_SELF, &r);
	wall = (now.tv_sec - c->cpu_wall.tv_sec) +
	       (now.tv_nsec - c->cpu_wall.tv_nsec) / 1e9;
	if (wall <= 0)
		return;
	c->cpu_user = 100 * seconds_between(c->cpu_start.ru_utime, r.ru_utime) / wall;
	c->cpu_system = 100 * seconds_between(c->cpu_start.ru_stime, r.ru_stime) / wall;
	c->cpu_total = c->cpu_user + c->cpu_system;
}

void clock_start(struct test_clock *c, unsigned int omit, uint64_t interval)
{
	cpu_begin(c);
	c->start = c->last_data = c->interval_start = now_ns();
	c->omitting = omit;
	c->omit_end = c->start + omit * NSEC;
	c->interval = interval;
	c->interval_next = interval ? c->start + interval : 0;
}

void clock_start_counting(struct test_clock *c, uint64_t now)
{
	c->omitting = false;
	c->start = c->interval_start = now;
	if (c->interval)
		c->interval_next = now + c->interval;
	cpu_begin(c);
}

void clock_next_interval(struct test_clock *c, uint64_t now)
{
	c->interval_start = now;
	while (c->interval_next <= now)
		c->interval_next += c->interval;
}

void clock_stop(struct test_clock *c)
{
	if (!c->stop)
		c->stop = now_ns();
	if (!c->cpu_known)
		cpu_end(c);
	c->cpu_known = true;
}

double clock_seconds(const struct test_clock *c)
{
	uint64_t end = c->last_data > c->stop ? c->last_data : c->stop;

	return (end - c->start) / 1e9;
}

void clock_sooner(int64_t *timeout, uint64_t now, uint64_t when)
{
	int64_t t = when > now ? (int64_t)(when - now) : 0;

	if (*timeout < 0 || t < *timeout)
		*timeout = t;
}
