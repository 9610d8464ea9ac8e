/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A copier for endpoints that takes its time: a thread copies by the CPU, a millisecond after it was told. It takes two orders
 * at once, and no more after so many that it has carried out; of the last it does only half.
 */
#ifndef SLOW_COPIER_H
#define SLOW_COPIER_H

#include <errno.h>
#include <libnetgpu_endpoint.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define ORDERS		2

struct order {
	struct netgpu_copy copies[NETGPU_COPIES_MOST];
	unsigned int count;
	char *to;
	const char *from;
};

static struct {
	struct netgpu_copier copier;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct order orders[ORDERS];
	uint64_t told, done;	/* points */
	uint64_t last;		/* that fails */
	bool failed, closing;
	bool hold;		/* nothing is copied until it is false */
	unsigned int refused;	/* for the moment */
} slow = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void carry_out(const struct order *o, unsigned int most)
{
	unsigned int i;
	uint64_t n;

	for (i = 0; i < most; i++) {
		const struct netgpu_copy *c = &o->copies[i];
		const uint64_t part = c->part ? c->part : c->length;

		for (n = 0; n < c->length; n += part)
			memcpy(o->to + c->to + n, o->from + c->from + n / part * c->stride, part < c->length - n ? part : c->length - n);
	}
}

static void *copy_slowly(void *unused)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const uint64_t one = 1;
	const struct order *o;
	bool fails;

	(void)unused;
	pthread_mutex_lock(&slow.lock);
	while (!slow.failed) {
		while (slow.done == slow.told && !slow.closing)
			pthread_cond_wait(&slow.changed, &slow.lock);
		if (slow.done == slow.told)
			break;
		o = &slow.orders[(slow.done + 1) % ORDERS];
		while (slow.hold)
			pthread_cond_wait(&slow.changed, &slow.lock);
		fails = slow.done + 1 == slow.last;
		pthread_mutex_unlock(&slow.lock);
		nanosleep(&pause, NULL);
		carry_out(o, fails ? (o->count + 1) / 2 : o->count);
		pthread_mutex_lock(&slow.lock);
		/* Not before: it writes nothing any more. */
		slow.failed = fails;
		slow.done += !fails;
		pthread_cond_broadcast(&slow.changed);
		if (write(slow.copier.fd, &one, sizeof(one)) < 0)
			abort();
	}
	pthread_mutex_unlock(&slow.lock);
	return NULL;
}

static bool slow_can(void *context, const struct netgpu_memory *to, const struct netgpu_memory *from)
{
	(void)context;
	return netgpu_memory_fd(to) >= 0 && netgpu_memory_fd(from) >= 0;
}

static int slow_copy(void *context, struct netgpu_memory *to, struct netgpu_memory *from, const struct netgpu_copy *copies,
		     unsigned int number, uint64_t *point)
{
	int ret = -EAGAIN;
	struct order *o;

	(void)context;
	pthread_mutex_lock(&slow.lock);
	if (slow.failed) {
		ret = -EIO;
	} else if (slow.told - slow.done == ORDERS) {
		slow.refused++;
	} else {
		*point = ++slow.told;
		o = &slow.orders[slow.told % ORDERS];
		memcpy(o->copies, copies, number * sizeof(*copies));
		o->count = number;
		o->to = netgpu_memory_map(to);
		o->from = netgpu_memory_map(from);
		pthread_cond_broadcast(&slow.changed);
		ret = 0;
	}
	pthread_mutex_unlock(&slow.lock);
	return ret;
}

static int slow_reached(void *context, uint64_t *point)
{
	int ret;

	(void)context;
	pthread_mutex_lock(&slow.lock);
	*point = slow.done;
	ret = slow.failed ? -EIO : 0;
	pthread_mutex_unlock(&slow.lock);
	return ret;
}

static int slow_wait(void *context, uint64_t point, int64_t timeout)
{
	struct timespec until;
	int ret = 0;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout % 1000000000;
	until.tv_sec += timeout / 1000000000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&slow.lock);
	while (slow.done < point && !slow.failed && !ret)
		ret = -pthread_cond_timedwait(&slow.changed, &slow.lock, &until);
	if (slow.done < point && slow.failed)
		ret = -EIO;
	pthread_mutex_unlock(&slow.lock);
	return ret;
}

/* @last: the number of the order that it fails at, 0: none. */
static const struct netgpu_copier *slow_copier(uint64_t last)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&slow.changed, &attr);
	slow.last = last;
	slow.copier = (struct netgpu_copier) {
		.can = slow_can, .copy = slow_copy, .reached = slow_reached, .wait = slow_wait,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	if (slow.copier.fd < 0 || pthread_create(&slow.thread, NULL, copy_slowly, NULL))
		abort();
	return &slow.copier;
}

static void slow_copier_end(void)
{
	if (!slow.copier.copy)
		return;
	pthread_mutex_lock(&slow.lock);
	slow.closing = true;
	pthread_cond_broadcast(&slow.changed);
	pthread_mutex_unlock(&slow.lock);
	pthread_join(slow.thread, NULL);
	close(slow.copier.fd);
}

#endif
