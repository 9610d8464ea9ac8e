// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Descriptors that a queue looks at beside its connections. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "queue.h"

void watch_arm(struct watched *w)
{
	struct io_uring_sqe *sqe = queue_sqe(w->queue);

	if (!sqe) {
		w->queue->unwatched = true;	/* netgpu_queue_wait() comes back to it */
		return;
	}
	io_uring_prep_poll_add(sqe, w->fd, POLLIN);
	sqe->user_data = tagged(w, KIND_WATCH);
	w->armed = true;
}

void watch_arm_all(struct netgpu_queue *q)
{
	struct watched *w;

	q->unwatched = false;
	for (w = q->watches; w; w = w->next)
		if (!w->armed)
			watch_arm(w);
	if (q->wake.fd >= 0 && !q->wake.armed)
		watch_arm(&q->wake);
}

static void watch_free(struct watched *w)
{
	struct watched **p = &w->queue->watches;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	free(w);
}

void watch_free_all(struct netgpu_queue *q)
{
	while (q->watches)
		watch_free(q->watches);
}

int watch_fired(struct watched *w, int res, struct netgpu_completion *out)
{
	eventfd_t count;

	w->armed = false;
	if (w->removed) {
		watch_free(w);
		return 0;
	}
	if (w == &w->queue->wake) {
		eventfd_read(w->fd, &count);
		watch_arm(w);
		return 0;
	}
	*out = (struct netgpu_completion) {
		.user = w->user, .result = res, .offset = NETGPU_IN_HOST,
	};
	/* Once more is not what it would be told of, but nothing new. */
	if (res < 0 || res & POLLHUP)
		watch_free(w);
	else
		watch_arm(w);
	return 1;
}

int netgpu_queue_watch(struct netgpu_queue *q, int fd, void *user)
{
	struct watched *w;

	succeed();
	w = calloc(1, sizeof(*w));
	if (!w)
		return fail(-ENOMEM, "out of memory");
	w->queue = q;
	w->fd = fd;
	w->user = user;
	w->next = q->watches;
	q->watches = w;
	watch_arm(w);
	return 0;
}

int netgpu_queue_unwatch(struct netgpu_queue *q, int fd)
{
	struct io_uring_sqe *sqe;
	struct watched *w;

	succeed();
	for (w = q->watches; w; w = w->next)
		if (w->fd == fd && !w->removed)
			break;
	if (!w)
		return fail(-ENOENT, "descriptor %d is not watched", fd);
	if (!w->armed) {
		watch_free(w);
		return 0;
	}
	w->removed = true;
	sqe = queue_sqe(q);
	if (!sqe)
		return 0;	/* its completion comes sooner or later, to nobody */
	io_uring_prep_cancel64(sqe, tagged(w, KIND_WATCH), 0);
	sqe->user_data = tagged(q, KIND_NOTHING);
	io_uring_submit(q->ring);
	return 0;
}
