// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Sockets of a domain, by epoll, and what takes too long, by a timer. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"

#define AT_ONCE		64		/* events */
#define TICK		1		/* second */
#define PATIENCE	(30 * 1000000000ull)	/* ns, for an endpoint to come up */
#define SOON		(3 * 1000000000ull)	/* for one lane after the other */

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

int polls_open(struct netgpu_domain *d)
{
	int ret;

	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	d->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->epoll < 0 || d->timer < 0) {
		ret = fail(-errno, "domain: %s", strerror(errno));
		polls_close(d);
		return ret;
	}
	ret = poll_start(d, d->timer, d, POLL_TIMER);
	if (ret)
		polls_close(d);
	return ret;
}

void polls_close(struct netgpu_domain *d)
{
	if (d->epoll >= 0)
		close(d->epoll);
	if (d->timer >= 0)
		close(d->timer);
	d->epoll = d->timer = -1;
}

/* Whatever happens to @fd from now on, once each; again when called again. */
int poll_start(struct netgpu_domain *d, int fd, void *object, enum poll_kind kind)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.u64 = (uintptr_t)object | kind,
	};

	if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &ev) &&
	    (errno != EEXIST || epoll_ctl(d->epoll, EPOLL_CTL_MOD, fd, &ev)))
		return fail(-errno, "epoll: %s", strerror(errno));
	return 0;
}

void poll_end(struct netgpu_domain *d, int fd)
{
	epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* ---------------------------------------------------------------- timer */

static void set_timer(struct netgpu_domain *d)
{
	const struct itimerspec its = {
		.it_value.tv_sec = !d->awake && d->timed ? TICK : 0,
		.it_value.tv_nsec = d->awake ? d->awake_in : 0,
		.it_interval.tv_sec = d->timed ? TICK : 0,
	};

	timerfd_settime(d->timer, 0, &its, NULL);
}

void timer_start(struct netgpu_domain *d)
{
	if (!d->timed++)
		set_timer(d);
}

void timer_end(struct netgpu_domain *d)
{
	if (!--d->timed && !d->closed)
		set_timer(d);
}

/* Make the descriptors readable in @ns, less than a second, until tick(). */
void polls_wake(struct netgpu_domain *d, unsigned int ns)
{
	if (d->awake && d->awake_in <= ns)
		return;
	d->awake = true;
	d->awake_in = ns;
	set_timer(d);
}

void deadline_start(struct netgpu_ep *ep)
{
	if (!ep->late_at)
		timer_start(ep->domain);
	ep->late_at = now_ns() + PATIENCE;
}

/* Between two connections there is no order: what was said before on the other may come after this. */
void deadline_soon(struct netgpu_ep *ep, int lost, const char *lane)
{
	const uint64_t at = now_ns() + SOON;

	if (!ep->late_at)
		timer_start(ep->domain);
	if (!ep->late_at || ep->late_at > at)
		ep->late_at = at;
	if (ep->lost)
		return;
	ep->lost = lost;
	ep->lost_lane = lane;
}

void deadline_end(struct netgpu_ep *ep)
{
	if (ep->late_at)
		timer_end(ep->domain);
	ep->late_at = 0;
}

static void tick(struct netgpu_domain *d)
{
	struct netgpu_listener *l;
	struct netgpu_ep *ep;
	uint64_t n, now;

	if (read(d->timer, &n, sizeof(n)) != sizeof(n))
		return;		/* it has been set again since, and comes again */
	d->awake = false;
	if (!d->timed)
		return;
	now = now_ns();
	for (ep = d->eps; ep; ep = ep->next) {
		/* What has come in whole is still well. */
		if (!ep->late_at || now < ep->late_at || (ep_is_copying(ep) && !in_place_is_late(ep)))
			continue;
		if (ep->lost && !ep->gone)
			ep_say(ep, ep->lost_lane);
		ep_fail(ep, ep->gone ? ep->gone : ep->lost ? ep->lost : -ETIMEDOUT, true);
	}
	for (l = d->listeners; l; l = l->next)
		if (l->again && !l->closed)
			listener_ready(l);
}

/* -------------------------------------------------------------- sockets */

static void lane_event(struct netgpu_ep *ep, enum poll_kind lane, uint32_t events)
{
	if (ep->state == EP_ENDED)
		return;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		if ((lane == POLL_CONTROL && ep->state == EP_CONNECTING) ||
		    (lane == POLL_PAYLOAD && ep->state == EP_JOINING && !ep->accepting)) {
			ep_connected(ep, lane);
			if (ep->state == EP_ENDED)
				return;
		}
		if (lane == POLL_CONTROL)
			ep->control_blocked = false;
		else
			ep->payload_blocked = false;
		ep_activate(ep);
	}
	if (!(events & ~(uint32_t)EPOLLOUT) || ep->domain->queue)
		return;		/* the device tells of what there is to receive */
	if (lane == POLL_PAYLOAD) {
		ep->payload_readable = true;
		ep_activate(ep);
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		ep->hung_up = true;
	control_read(ep);
}

/* What has happened, waiting @timeout ns for it, without end if < 0.  0 or -errno. */
int polls_take(struct netgpu_domain *d, int64_t timeout)
{
	const struct timespec ts = { .tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000 };
	struct epoll_event events[AT_ONCE];
	int i, n;

	n = epoll_pwait2(d->epoll, events, AT_ONCE, timeout < 0 ? NULL : &ts, NULL);
	if (n < 0)
		return -errno;
	/* Of one endpoint there may be several: none is freed before go_on(). */
	for (i = 0; i < n; i++) {
		enum poll_kind kind = events[i].data.u64 & POLL_MASK;
		void *object = (void *)(uintptr_t)(events[i].data.u64 & ~(uint64_t)POLL_MASK);

		if (kind == POLL_TIMER)
			tick(d);
		else if (kind == POLL_COPIER)
			copier_take(object);
		else if (kind == POLL_LISTENER)
			listener_ready(object);
		else
			lane_event(object, kind, events[i].events);
	}
	d->polled = n == AT_ONCE;	/* there may be more */
	return 0;
}
