// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Fabrics and domains, and having things go on. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "provider.h"

#define BATCH	64
#define TRIES	64	/* batches of events before a wait is put off */

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
 * has had things go on.
 */
int signal_open(struct signal *s, enum fi_wait_obj kind, struct fabric *f)
{
	struct epoll_event ev = { .events = EPOLLIN };

	s->epoll = s->event = -1;
	s->armed = false;
	s->waiters = 0;
	if (kind == FI_WAIT_NONE)
		return 0;
	if (kind != FI_WAIT_UNSPEC && kind != FI_WAIT_FD)
		return -FI_ENOSYS;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->epoll < 0 || s->event < 0 ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->event, &ev) ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, netgpu_domain_fd(f->engine), &ev)) {
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
	s->epoll = s->event = -1;
}

void signal_raise(struct signal *s)
{
	if (s->event < 0 || !s->armed)
		return;
	s->armed = false;
	eventfd_write(s->event, 1);
}

static void signal_arm(struct signal *s)
{
	eventfd_t count;

	if (s->event < 0 || s->armed)
		return;
	eventfd_read(s->event, &count);
	s->armed = true;
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

/* How many events there were: 0 when the descriptor will say that there are more. */
static int progress(struct fabric *f)
{
	struct netgpu_event events[BATCH];
	int i, n;

	n = netgpu_domain_wait(f->engine, events, BATCH, 0);
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

/* Whatever it leaves to do, others who wait are woken. */
void fabric_progress(struct fabric *f)
{
	int i;

	for (i = 0; i < TRIES && progress(f) == BATCH; i++)
		;
	netgpu_domain_flush(f->engine);
}

/* All that was posted to @ep, which has ended, is reported. */
void fabric_flush(struct fabric *f, const struct ep *ep)
{
	while ((ep->tx_posted || ep->rx_posted) && progress(f) > 0)
		;
	netgpu_domain_flush(f->engine);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* Until @ready, or @timeout ms (< 0: without end) are over: -FI_EAGAIN.  Called with the lock, which others have meanwhile. */
int fabric_wait(struct fabric *f, struct signal *s, bool (*ready)(void *), void *object, int timeout)
{
	int64_t end = timeout < 0 ? 0 : now_ms() + timeout, left = -1;
	struct pollfd pfd = { .fd = s->epoll, .events = POLLIN };
	int ret = 0;

	s->waiters++;
	for (;;) {
		signal_arm(s);
		while (progress(f) > 0 && !ready(object))
			;
		if (ready(object))
			break;
		if (timeout >= 0) {
			left = end - now_ms();
			if (left <= 0) {
				ret = -FI_EAGAIN;
				break;
			}
		}
		pthread_mutex_unlock(&f->lock);
		poll(&pfd, 1, left);
		pthread_mutex_lock(&f->lock);
	}
	/* What woke this thread may have been for others, who have slept on. */
	if (--s->waiters)
		signal_raise(s);
	netgpu_domain_flush(f->engine);
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
	netgpu_domain_flush(f->engine);
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

static int domain_open(struct fid_fabric *fabric, struct fi_info *info, struct fid_domain **out, void *context)
{
	struct fabric *f = container_of(fabric, struct fabric, fid);
	struct domain *d;

	if (info->domain_attr && info->domain_attr->name && strcmp(info->domain_attr->name, FABRIC_NAME))
		return -FI_EINVAL;
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

static int fabric_close(struct fid *fid)
{
	struct fabric *f = container_of(fid, struct fabric, fid.fid);

	if (__atomic_load_n(&f->users, __ATOMIC_RELAXED))
		return -FI_EBUSY;
	/* What nobody has answered. */
	while (f->connreqs)
		connreq_free(f, f->connreqs);
	listeners_close(f);
	netgpu_domain_close(f->engine);
	pthread_mutex_destroy(&f->lock);
	free(f);
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

int fabric_open(struct fi_fabric_attr *attr, struct fid_fabric **out, void *context)
{
	const struct netgpu_domain_params params = { .flags = NETGPU_DOMAIN_THREADS };
	struct fabric *f;
	int ret;

	if (attr->name && strcmp(attr->name, FABRIC_NAME))
		return -FI_ENODATA;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -FI_ENOMEM;
	ret = netgpu_domain_open(&params, &f->engine);
	if (ret) {
		free(f);
		return errno_of(ret);
	}
	pthread_mutex_init(&f->lock, NULL);
	f->fid.fid.fclass = FI_CLASS_FABRIC;
	f->fid.fid.context = context;
	f->fid.fid.ops = &fabric_fid_ops;
	f->fid.ops = &fabric_ops;
	f->fid.api_version = attr->api_version;
	*out = &f->fid;
	return 0;
}
