// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Fabrics and domains, and having things go on. */
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "provider.h"

#define BATCH	64
#define TRIES	64	/* batches of events before a wait is put off */
#define PATIENCE 2000	/* ms, for the device to let go of what an endpoint was sending */
#define LOOK	10	/* ms, until one who waits looks by himself */
#define LANDING_SIZE (64ull << 20)

/* libfabric's are negative, too, and the same numbers. */
int errno_of(int ret)
{
	return ret == -ESHUTDOWN || ret == -ENOTCONN ? -FI_ENOTCONN : ret;
}

int no_control(struct fid *fid, int command, void *arg)
{
	(void)fid;
	(void)command;
	(void)arg;
	return -FI_ENOSYS;
}

int no_bind(struct fid *fid, struct fid *to, uint64_t flags)
{
	(void)fid;
	(void)to;
	(void)flags;
	return -FI_ENOSYS;
}

int no_ops_open(struct fid *fid, const char *name, uint64_t flags, void **ops, void *context)
{
	(void)fid;
	(void)name;
	(void)flags;
	(void)ops;
	(void)context;
	return -FI_ENOSYS;
}

/* ------------------------------------------------------------- waiting */

/*
 * A descriptor to wait for is an epoll instance: the engine's, and an event that is raised when somebody else
 * has had things go on.  That alone where it is always somebody else; and that nothing goes on any more.
 */
int signal_open(struct signal *s, enum fi_wait_obj kind, struct fabric *f)
{
	struct epoll_event ev = { .events = EPOLLIN };

	*s = (struct signal){ .epoll = -1, .event = -1, .wake = -1 };
	if (kind == FI_WAIT_NONE)
		return 0;
	if (kind != FI_WAIT_UNSPEC && kind != FI_WAIT_FD)
		return -FI_ENOSYS;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll < 0 || s->event < 0 || s->wake < 0 ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->event, &ev) ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, f->failed, &ev) ||
	    (!f->threaded && epoll_ctl(s->epoll, EPOLL_CTL_ADD, netgpu_domain_fd(f->engine), &ev))) {
		signal_close(s);
		return -FI_ENOMEM;
	}
	return 0;
}

void signal_close(struct signal *s)
{
	if (s->epoll >= 0)
		close(s->epoll);
	if (s->event >= 0)
		close(s->event);
	if (s->wake >= 0)
		close(s->wake);
	s->epoll = s->event = s->wake = -1;
}

static void wake(struct signal *s)
{
	s->raised++;
	s->seen = 0;
	if (!s->wake_armed)
		return;
	s->wake_armed = false;
	eventfd_write(s->wake, 1);
}

void signal_raise(struct signal *s)
{
	if (s->event < 0)
		return;
	wake(s);
	if (!s->armed)
		return;
	s->armed = false;
	eventfd_write(s->event, 1);
}

/* By fi_trywait() alone: who polls has then looked. */
static void signal_arm(struct signal *s)
{
	eventfd_t count;

	if (s->event < 0 || s->armed)
		return;
	eventfd_read(s->event, &count);
	s->armed = true;
}

/* Not before all who wait have looked: it may be what one of them waits for that woke another. */
static void wake_arm(struct signal *s)
{
	eventfd_t count;

	if (s->wake_armed || s->seen < s->waiters)
		return;
	eventfd_read(s->wake, &count);
	s->wake_armed = true;
}

int signal_control(struct signal *s, int command, void *arg)
{
	switch (command) {
	case FI_GETWAIT:
		if (s->epoll < 0)
			return -FI_ENODATA;
		*(int *)arg = s->epoll;
		return 0;
	case FI_GETWAITOBJ:
		*(enum fi_wait_obj *)arg = s->epoll < 0 ? FI_WAIT_NONE : FI_WAIT_FD;
		return 0;
	default:
		return -FI_ENOSYS;
	}
}

static bool is_elsewhere(const struct fabric *f)
{
	return f->threaded && !pthread_equal(pthread_self(), f->thread);
}

static void kick(struct fabric *f)
{
	if (!f->asleep)
		return;
	f->asleep = false;
	eventfd_write(f->kick, 1);
}

static int take_events(struct fabric *f)
{
	struct netgpu_event events[BATCH];
	int i, n;

	n = netgpu_domain_wait(f->engine, events, BATCH, 0);
	if (n == -EBUSY) {	/* said again and again, until the network device lets go of buffers */
		FI_WARN(&provider, FI_LOG_FABRIC, "%s\n", netgpu_error());
		n = 0;
	}
	if (n < 0 && !f->error) {
		f->error = errno_of(n);
		FI_WARN(&provider, FI_LOG_FABRIC, "nothing goes on any more: %s\n", netgpu_error());
		eventfd_write(f->failed, 1);
	}
	for (i = 0; i < n; i++) {
		switch (events[i].kind) {
		case NETGPU_EVENT_REQUEST:
		case NETGPU_EVENT_CONNECTED:
		case NETGPU_EVENT_ENDED:
			cm_event(f, &events[i]);
			break;
		default:
			complete(netgpu_ep_user(events[i].ep), &events[i]);
		}
	}
	listeners_close(f);
	return n;
}

/* How many events there were: 0 when the descriptor will say that there are more; < 0 when there never will be. */
static int progress(struct fabric *f)
{
	if (is_elsewhere(f))
		return 0;
	return f->error ? f->error : take_events(f);
}

/* Whatever it leaves to do, others who wait are woken. */
void fabric_progress(struct fabric *f)
{
	int i;

	for (i = 0; i < TRIES && progress(f) == BATCH; i++)
		;
	fabric_posted(f);
}

void fabric_posted(struct fabric *f)
{
	if (is_elsewhere(f))
		kick(f);
	else
		netgpu_domain_flush(f->engine);
}

void fabric_yield(const struct fabric *f)
{
	if (f->threaded)
		sched_yield();
}

int fabric_call(struct fabric *f, int (*run)(void *arg), void *arg)
{
	struct call call = { .run = run, .arg = arg };

	pthread_mutex_lock(&f->lock);
	if (!is_elsewhere(f)) {
		call.ret = run(arg);
	} else {
		*f->calls_end = &call;
		f->calls_end = &call.next;
		kick(f);
		while (!call.done)
			pthread_cond_wait(&f->called, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return call.ret;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/*
 * All that was posted to @ep, which was ended, is reported, and its memory is free: the device may take a while.  Others have the
 * lock meanwhile.
 */
void fabric_flush(struct fabric *f, const struct ep *ep)
{
	struct pollfd pfd = { .fd = netgpu_domain_fd(f->engine), .events = POLLIN };
	int64_t end = now_ms() + PATIENCE;
	int n;

	while (!ep->ended) {
		n = take_events(f);
		if (n < 0 || (!ep->ended && now_ms() >= end)) {
			FI_WARN(&provider, FI_LOG_EP_DATA, "an endpoint is closed with %zu requests that nothing more is heard of\n",
				ep->tx_posted + ep->rx_posted);
			break;
		}
		if (n > 0)
			continue;
		pthread_mutex_unlock(&f->lock);
		poll(&pfd, 1, LOOK);
		pthread_mutex_lock(&f->lock);
	}
	fabric_posted(f);
}

/*
 * Until @ready, or @timeout ms (< 0: without end) are over: -FI_EAGAIN; or until the engine has failed.  Called with the lock, which
 * others have meanwhile.
 */
int fabric_wait(struct fabric *f, struct signal *s, bool (*ready)(void *), void *object, int timeout)
{
	int64_t end = timeout < 0 ? 0 : now_ms() + timeout, left = -1;
	struct pollfd fds[] = {
		{ .fd = s->wake, .events = POLLIN }, { .fd = f->failed, .events = POLLIN }, { .events = POLLIN },
	};
	uint64_t saw = s->raised - 1;
	int i, ret = 0;

	s->waiters++;
	for (;;) {
		if (saw != s->raised) {
			saw = s->raised;
			s->seen++;
		}
		wake_arm(s);
		for (i = 0; i < TRIES && progress(f) > 0 && !ready(object); i++)
			;
		if (i == TRIES)
			fabric_posted(f);	/* there may be more, which the descriptor says then */
		if (ready(object))
			break;
		if (f->error) {
			ret = f->error;
			break;
		}
		if (timeout >= 0) {
			left = end - now_ms();
			if (left <= 0) {
				ret = -FI_EAGAIN;
				break;
			}
		}
		fds[2].fd = f->threaded ? -1 : netgpu_domain_fd(f->engine);
		pthread_mutex_unlock(&f->lock);
		poll(fds, 3, left);
		pthread_mutex_lock(&f->lock);
	}
	/* What woke this thread may have been for others, who have slept on. */
	s->seen = 0;
	if (--s->waiters)
		wake(s);
	fabric_posted(f);
	return ret;
}

static bool is_ready(struct fid *fid, struct signal **s)
{
	switch (fid->fclass) {
	case FI_CLASS_CQ:
		*s = &container_of(fid, struct cq, fid.fid)->signal;
		return cq_is_ready(container_of(fid, struct cq, fid.fid));
	case FI_CLASS_EQ:
		*s = &container_of(fid, struct eq, fid.fid)->signal;
		return eq_has(container_of(fid, struct eq, fid.fid));
	case FI_CLASS_CNTR:
		*s = &container_of(fid, struct cntr, fid.fid)->signal;
		return cntr_is_ready(container_of(fid, struct cntr, fid.fid));
	default:
		*s = NULL;
		return false;
	}
}

static int trywait(struct fid_fabric *fabric, struct fid **fids, int count)
{
	struct fabric *f = container_of(fabric, struct fabric, fid);
	int i, ret = 0, rounds = TRIES;
	struct signal *s;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < count && !ret; i++) {
		if (is_ready(fids[i], &s))
			ret = -FI_EAGAIN;
		if (s)
			signal_arm(s);
		else
			ret = -FI_EINVAL;
	}
	while (!ret && progress(f) > 0)
		if (!--rounds)
			ret = -FI_EAGAIN;
	for (i = 0; i < count && !ret; i++)
		if (is_ready(fids[i], &s))
			ret = -FI_EAGAIN;
	if (!ret)
		ret = f->error;
	fabric_posted(f);
	pthread_mutex_unlock(&f->lock);
	return ret;
}

/* -------------------------------------------------------------- domains */

static int domain_close(struct fid *fid)
{
	struct domain *d = container_of(fid, struct domain, fid.fid);
	bool used;

	pthread_mutex_lock(&d->fabric->lock);
	used = d->users;
	pthread_mutex_unlock(&d->fabric->lock);
	if (used)
		return -FI_EBUSY;
	__atomic_sub_fetch(&d->fabric->users, 1, __ATOMIC_RELAXED);
	free(d);
	return 0;
}

static int domain_bind(struct fid *fid, struct fid *to, uint64_t flags)
{
	(void)fid;
	(void)flags;
	/* Nothing here happens later than the call. */
	return to->fclass == FI_CLASS_EQ ? 0 : -FI_EINVAL;
}

static struct fi_ops domain_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = domain_close,
	.bind = domain_bind,
	.control = no_control,
	.ops_open = no_ops_open,
};

static int no_av(struct fid_domain *domain, struct fi_av_attr *attr, struct fid_av **av, void *context)
{
	(void)domain;
	(void)attr;
	(void)av;
	(void)context;
	return -FI_ENOSYS;
}

static int no_scalable_ep(struct fid_domain *domain, struct fi_info *info, struct fid_ep **sep, void *context)
{
	(void)domain;
	(void)info;
	(void)sep;
	(void)context;
	return -FI_ENOSYS;
}

static int no_poll(struct fid_domain *domain, struct fi_poll_attr *attr, struct fid_poll **pollset)
{
	(void)domain;
	(void)attr;
	(void)pollset;
	return -FI_ENOSYS;
}

static int no_stx(struct fid_domain *domain, struct fi_tx_attr *attr, struct fid_stx **stx, void *context)
{
	(void)domain;
	(void)attr;
	(void)stx;
	(void)context;
	return -FI_ENOSYS;
}

static int no_srx(struct fid_domain *domain, struct fi_rx_attr *attr, struct fid_ep **ep, void *context)
{
	(void)domain;
	(void)attr;
	(void)ep;
	(void)context;
	return -FI_ENOSYS;
}

static int no_atomic(struct fid_domain *domain, enum fi_datatype datatype, enum fi_op op, struct fi_atomic_attr *attr, uint64_t flags)
{
	(void)domain;
	(void)datatype;
	(void)op;
	(void)attr;
	(void)flags;
	return -FI_EOPNOTSUPP;
}

static struct fi_ops_domain domain_ops = {
	.size = sizeof(struct fi_ops_domain),
	.av_open = no_av,
	.cq_open = cq_open,
	.endpoint = ep_open,
	.scalable_ep = no_scalable_ep,
	.cntr_open = cntr_open,
	.poll_open = no_poll,
	.stx_ctx = no_stx,
	.srx_ctx = no_srx,
	.query_atomic = no_atomic,
};

static int start_thread(struct fabric *f);

static int domain_open(struct fid_fabric *fabric, struct fi_info *info, struct fid_domain **out, void *context)
{
	struct fabric *f = container_of(fabric, struct fabric, fid);
	struct domain *d;
	int ret;

	if (info->domain_attr && info->domain_attr->name && !is_domain_name(info->domain_attr->name))
		return -FI_EINVAL;
	if (info->domain_attr && info->domain_attr->progress == FI_PROGRESS_AUTO) {
		pthread_mutex_lock(&f->lock);
		ret = start_thread(f);
		pthread_mutex_unlock(&f->lock);
		if (ret)
			return errno_of(ret);
	}
	d = calloc(1, sizeof(*d));
	if (!d)
		return -FI_ENOMEM;
	d->fabric = f;
	d->fid.fid.fclass = FI_CLASS_DOMAIN;
	d->fid.fid.context = context;
	d->fid.fid.ops = &domain_fid_ops;
	d->fid.ops = &domain_ops;
	d->fid.mr = &mr_ops;
	__atomic_add_fetch(&f->users, 1, __ATOMIC_RELAXED);
	*out = &d->fid;
	return 0;
}

/* -------------------------------------------------------------- fabrics */

static void fabric_free(struct fabric *f)
{
	if (f->kick >= 0)
		close(f->kick);
	if (f->failed >= 0)
		close(f->failed);
	pthread_cond_destroy(&f->called);
	pthread_mutex_destroy(&f->lock);
	free(f->device);
	free(f);
}

static int close_engine(void *arg)
{
	struct netgpu_domain_stats stats;
	struct fabric *f = arg;

	netgpu_domain_get_stats(f->engine, &stats);
	FI_INFO(&provider, FI_LOG_FABRIC, "payload in place %llu, moved %llu, of it by a DMA engine %llu bytes\n",
		(unsigned long long)stats.in_place, (unsigned long long)stats.moved, (unsigned long long)stats.by_copier);
	/* What nobody has answered. */
	while (f->connreqs)
		connreq_free(f, f->connreqs);
	listeners_close(f);
	netgpu_domain_close(f->engine);
	copier_close(f);
	f->stop = true;
	return 0;
}

static int fabric_close(struct fid *fid)
{
	struct fabric *f = container_of(fid, struct fabric, fid.fid);

	if (__atomic_load_n(&f->users, __ATOMIC_RELAXED))
		return -FI_EBUSY;
	fabric_call(f, close_engine, f);
	if (f->threaded)
		pthread_join(f->thread, NULL);
	fabric_free(f);
	return 0;
}

static int no_wait_set(struct fid_fabric *fabric, struct fi_wait_attr *attr, struct fid_wait **waitset)
{
	(void)fabric;
	(void)attr;
	(void)waitset;
	return -FI_ENOSYS;
}

static struct fi_ops fabric_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = fabric_close,
	.bind = no_bind,
	.control = no_control,
	.ops_open = no_ops_open,
};

static struct fi_ops_fabric fabric_ops = {
	.size = sizeof(struct fi_ops_fabric),
	.domain = domain_open,
	.passive_ep = pep_open,
	.eq_open = eq_open,
	.wait_open = no_wait_set,
	.trywait = trywait,
};

/* With what arrives at a queue of the device, where the environment says. */
static int open_engine(struct fabric *f)
{
	struct netgpu_domain_params params = { .device = f->device, .flags = NETGPU_DOMAIN_THREADS };
	char *landing = "udmabuf";
	size_t size = LANDING_SIZE, offset = 0;
	int ret, queue = 1, in_place = 0;
	bool part;

	if (!f->device)
		return netgpu_domain_open(&params, &f->engine);
	fi_param_get_str(&provider, "landing", &landing);
	fi_param_get_size_t(&provider, "landing_size", &size);
	fi_param_get_size_t(&provider, "landing_offset", &offset);
	fi_param_get_int(&provider, "queue", &queue);
	fi_param_get_bool(&provider, "in_place", &in_place);
	f->in_place = in_place;
	if (in_place)
		params.flags |= NETGPU_DOMAIN_IN_PLACE;
	/* Somebody else's may be larger than what is for this. */
	part = !strncmp(landing, "dmabuf-fd:", 10);
	ret = netgpu_memory_open(landing, part ? 0 : offset + size, &params.landing);
	if (!ret) {
		params.queue = queue;
		params.landing_offset = offset;
		params.landing_length = strcmp(landing, "host") ? size : 0;
		ret = copier_open(f, &params);
		if (!ret)
			ret = netgpu_domain_open(&params, &f->engine);
		if (ret)
			copier_close(f);
		netgpu_memory_close(params.landing);
	}
	if (ret)
		FI_WARN(&provider, FI_LOG_FABRIC, "%s, queue %d: %s\n", f->device, queue, netgpu_error());
	return ret;
}

static bool more_to_do(struct fabric *f)
{
	struct call *c = f->calls;

	if (c) {
		f->calls = c->next;
		if (!f->calls)
			f->calls_end = &f->calls;
		c->ret = c->run(c->arg);
		c->done = true;
		pthread_cond_broadcast(&f->called);
	}
	return (!f->stop && progress(f) > 0) || f->calls;
}

static void *run(void *arg)
{
	struct fabric *f = arg;
	struct call *first;
	struct pollfd fds[2] = { { .fd = f->kick, .events = POLLIN }, { .events = POLLIN } };
	eventfd_t count;

	pthread_mutex_lock(&f->lock);
	/* Whoever opens the engine, its ring belongs to. Others may have called already. */
	first = f->first;
	first->ret = f->engine ? 0 : open_engine(f);
	f->stop = first->ret;
	first->done = true;
	pthread_cond_broadcast(&f->called);
	if (!f->stop)
		fds[1].fd = netgpu_domain_fd(f->engine);
	while (!f->stop) {
		if (more_to_do(f)) {
			pthread_mutex_unlock(&f->lock);
			sched_yield();
			pthread_mutex_lock(&f->lock);
			continue;
		}
		if (f->stop)
			break;
		/* Then only calls are left, such as those that close. */
		if (f->error)
			fds[1].fd = -1;
		else
			netgpu_domain_flush(f->engine);
		f->asleep = true;
		pthread_mutex_unlock(&f->lock);
		poll(fds, 2, -1);
		pthread_mutex_lock(&f->lock);
		f->asleep = false;
		eventfd_read(f->kick, &count);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* With the lock. */
static int start_thread(struct fabric *f)
{
	struct call first = { 0 };
	int ret;

	if (f->threaded)
		return 0;
	f->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->kick < 0)
		return -FI_ENOMEM;
	f->first = &first;
	ret = pthread_create(&f->thread, NULL, run, f);
	if (ret) {
		close(f->kick);
		f->kick = -1;
		return -ret;
	}
	f->threaded = true;
	while (!first.done)
		pthread_cond_wait(&f->called, &f->lock);
	if (first.ret) {
		pthread_mutex_unlock(&f->lock);
		pthread_join(f->thread, NULL);
		pthread_mutex_lock(&f->lock);
		f->threaded = false;
	}
	return first.ret;
}

int fabric_open(struct fi_fabric_attr *attr, struct fid_fabric **out, void *context)
{
	struct fabric *f;
	int ret;

	if (attr->name && !is_fabric_name(attr->name))
		return -FI_ENODATA;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -FI_ENOMEM;
	f->kick = -1;
	f->failed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->calls_end = &f->calls;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->called, NULL);
	f->device = device_name() ? strdup(device_name()) : NULL;
	pthread_mutex_lock(&f->lock);
	if (f->failed < 0 || (device_name() && !f->device))
		ret = -FI_ENOMEM;
	else
		ret = f->device ? start_thread(f) : open_engine(f);
	pthread_mutex_unlock(&f->lock);
	if (ret) {
		fabric_free(f);
		return errno_of(ret);
	}
	f->fid.fid.fclass = FI_CLASS_FABRIC;
	f->fid.fid.context = context;
	f->fid.fid.ops = &fabric_fid_ops;
	f->fid.ops = &fabric_ops;
	f->fid.api_version = attr->api_version;
	*out = &f->fid;
	return 0;
}
