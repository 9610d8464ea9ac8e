// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Completion queues and counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

/* ---------------------------------------------------------------- queues */

static struct entry *entry_new(struct cq *cq)
{
	struct entry *e = cq->unused;

	if (e)
		cq->unused = e->next;
	else
		e = malloc(sizeof(*e));
	return e;
}

static void entry_free(struct cq *cq, struct entry *e)
{
	e->next = cq->unused;
	cq->unused = e;
}

static void cq_add(struct cq *cq, const struct fi_cq_err_entry *e)
{
	struct entry *entry = entry_new(cq);

	/* Without memory for 100 bytes there is nobody to tell. */
	if (!entry)
		return;
	entry->e = *e;
	entry->next = NULL;
	*cq->end = entry;
	cq->end = &entry->next;
	cq->unread++;
	signal_raise(&cq->signal);
}

static void drop_first(struct cq *cq)
{
	struct entry *e = cq->first;

	cq->first = e->next;
	if (!cq->first)
		cq->end = &cq->first;
	entry_free(cq, e);
	cq->unread--;
}

/* What this program posts is refused then; what its peers write with data waits (pause_peer()). */
bool cq_is_full(const struct cq *cq)
{
	return cq && cq->unread >= cq->size;
}

static void pause_peer(struct ep *ep)
{
	struct cq *cq = ep->rx;

	if (ep->paused || netgpu_ep_pause(ep->ep, true))
		return;
	ep->paused = true;
	ep->next_paused = cq->paused;
	cq->paused = ep;
}

/* With some room, so that not each entry that is read wakes a peer. */
static void resume_peers(struct cq *cq)
{
	struct ep *ep;

	if (!cq->paused || cq->unread > cq->size / 2)
		return;
	while ((ep = cq->paused)) {
		cq->paused = ep->next_paused;
		ep->paused = false;
		netgpu_ep_pause(ep->ep, false);
	}
	fabric_posted(cq->domain->fabric);
}

/* Its endpoint is closed. */
void cq_forget(struct ep *ep)
{
	struct ep **at;

	if (!ep->paused)
		return;
	for (at = &ep->rx->paused; *at != ep; )
		at = &(*at)->next_paused;
	*at = ep->next_paused;
}

/* A signal is for those who wait, or for the next who does. */
bool cq_is_ready(struct cq *cq)
{
	bool signaled = cq->signals != cq->signals_taken;

	cq->signals_taken = cq->signals;
	return cq->first || signaled;
}

static size_t entry_size(enum fi_cq_format format)
{
	switch (format) {
	case FI_CQ_FORMAT_CONTEXT:
		return sizeof(struct fi_cq_entry);
	case FI_CQ_FORMAT_MSG:
		return sizeof(struct fi_cq_msg_entry);
	case FI_CQ_FORMAT_DATA:
		return sizeof(struct fi_cq_data_entry);
	default:
		return sizeof(struct fi_cq_tagged_entry);
	}
}

static ssize_t take(struct cq *cq, void *buf, size_t count)
{
	size_t n = 0, size = entry_size(cq->format);
	struct entry *e;

	/* In their order: an error waits for the program to come to it. */
	if (cq->first && cq->first->e.err)
		return -FI_EAVAIL;
	while (n < count && (e = cq->first) && !e->e.err) {
		/* Each format begins with the one before. */
		struct fi_cq_tagged_entry entry = {
			.op_context = e->e.op_context,
			.flags = e->e.flags,
			.len = e->e.len,
			.buf = e->e.buf,
			.data = e->e.data,
		};

		memcpy((char *)buf + n * size, &entry, size);
		drop_first(cq);
		n++;
	}
	resume_peers(cq);
	return n ? (ssize_t)n : -FI_EAGAIN;
}

static ssize_t cq_readfrom(struct fid_cq *fid, void *buf, size_t count, fi_addr_t *from)
{
	struct cq *cq = container_of(fid, struct cq, fid);
	struct fabric *f = cq->domain->fabric;
	ssize_t ret, i;

	pthread_mutex_lock(&f->lock);
	if (!cq->first || !count)
		fabric_progress(f);
	ret = take(cq, buf, count);
	if (ret == -FI_EAGAIN && f->error)
		ret = f->error;
	pthread_mutex_unlock(&f->lock);
	if (ret == -FI_EAGAIN)
		fabric_yield(f);
	for (i = 0; from && i < ret; i++)
		from[i] = FI_ADDR_NOTAVAIL;
	return ret;
}

static ssize_t cq_read(struct fid_cq *fid, void *buf, size_t count)
{
	return cq_readfrom(fid, buf, count, NULL);
}

struct cq_wait {
	const struct cq *cq;
	unsigned int signals;
};

static bool has_or_signaled(void *object)
{
	const struct cq_wait *w = object;

	return w->cq->first || w->cq->signals != w->signals;
}

static ssize_t cq_sreadfrom(struct fid_cq *fid, void *buf, size_t count, fi_addr_t *from, const void *cond, int timeout)
{
	struct cq *cq = container_of(fid, struct cq, fid);
	struct fabric *f = cq->domain->fabric;
	struct cq_wait w = { .cq = cq };
	ssize_t ret, i;

	(void)cond;	/* it may be met, or not */
	if (cq->signal.epoll < 0)
		return -FI_ENOSYS;
	pthread_mutex_lock(&f->lock);
	w.signals = cq->signals_taken;
	ret = fabric_wait(f, &cq->signal, has_or_signaled, &w, timeout);
	if (!ret)
		ret = take(cq, buf, count);
	cq->signals_taken = cq->signals;
	pthread_mutex_unlock(&f->lock);
	for (i = 0; from && i < ret; i++)
		from[i] = FI_ADDR_NOTAVAIL;
	return ret;
}

static ssize_t cq_sread(struct fid_cq *fid, void *buf, size_t count, const void *cond, int timeout)
{
	return cq_sreadfrom(fid, buf, count, NULL, cond, timeout);
}

static ssize_t cq_readerr(struct fid_cq *fid, struct fi_cq_err_entry *buf, uint64_t flags)
{
	struct cq *cq = container_of(fid, struct cq, fid);
	struct fabric *f = cq->domain->fabric;
	/* Programs of before 1.20 have a shorter entry. */
	size_t size = FI_VERSION_LT(f->fid.api_version, FI_VERSION(1, 20)) ?
		      offsetof(struct fi_cq_err_entry, src_addr) : sizeof(*buf);
	struct entry *e;
	ssize_t ret = -FI_EAGAIN;
	void *data = buf->err_data;
	size_t room = buf->err_data_size;

	(void)flags;
	pthread_mutex_lock(&f->lock);
	e = cq->first;
	if (e && e->e.err) {
		memcpy(buf, &e->e, size);
		buf->err_data = room ? data : NULL;
		buf->err_data_size = 0;
		drop_first(cq);
		resume_peers(cq);
		ret = 1;
	}
	pthread_mutex_unlock(&f->lock);
	return ret;
}

static int cq_signal(struct fid_cq *fid)
{
	struct cq *cq = container_of(fid, struct cq, fid);

	if (cq->signal.epoll < 0)
		return -FI_ENOSYS;
	pthread_mutex_lock(&cq->domain->fabric->lock);
	cq->signals++;
	signal_raise(&cq->signal);
	pthread_mutex_unlock(&cq->domain->fabric->lock);
	return 0;
}

static const char *cq_strerror(struct fid_cq *fid, int prov_errno, const void *err_data, char *buf, size_t len)
{
	(void)fid;
	(void)err_data;
	if (buf && len) {
		strncpy(buf, strerror(prov_errno), len);
		buf[len - 1] = 0;
	}
	return strerror(prov_errno);
}

static void free_entries(struct entry *e)
{
	struct entry *next;

	for (; e; e = next) {
		next = e->next;
		free(e);
	}
}

static int cq_close(struct fid *fid)
{
	struct cq *cq = container_of(fid, struct cq, fid.fid);
	bool used;

	pthread_mutex_lock(&cq->domain->fabric->lock);
	used = cq->users;
	if (!used)
		cq->domain->users--;
	pthread_mutex_unlock(&cq->domain->fabric->lock);
	if (used)
		return -FI_EBUSY;
	signal_close(&cq->signal);
	free_entries(cq->first);
	free_entries(cq->unused);
	free(cq);
	return 0;
}

static int cq_control(struct fid *fid, int command, void *arg)
{
	return signal_control(&container_of(fid, struct cq, fid.fid)->signal, command, arg);
}

static struct fi_ops cq_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = cq_close,
	.bind = no_bind,
	.control = cq_control,
	.ops_open = no_ops_open,
};

static struct fi_ops_cq cq_ops = {
	.size = sizeof(struct fi_ops_cq),
	.read = cq_read,
	.readfrom = cq_readfrom,
	.readerr = cq_readerr,
	.sread = cq_sread,
	.sreadfrom = cq_sreadfrom,
	.signal = cq_signal,
	.strerror = cq_strerror,
};

int cq_open(struct fid_domain *domain, struct fi_cq_attr *attr, struct fid_cq **out, void *context)
{
	struct domain *d = container_of(domain, struct domain, fid);
	struct cq *cq;
	int ret;

	cq = calloc(1, sizeof(*cq));
	if (!cq)
		return -FI_ENOMEM;
	ret = signal_open(&cq->signal, attr->wait_obj, d->fabric);
	if (ret) {
		free(cq);
		return ret;
	}
	cq->domain = d;
	cq->format = attr->format == FI_CQ_FORMAT_UNSPEC ? FI_CQ_FORMAT_CONTEXT : attr->format;
	attr->format = cq->format;
	cq->end = &cq->first;
	cq->size = attr->size ? attr->size : SIZE;
	cq->fid.fid.fclass = FI_CLASS_CQ;
	cq->fid.fid.context = context;
	cq->fid.fid.ops = &cq_fid_ops;
	cq->fid.ops = &cq_ops;
	pthread_mutex_lock(&d->fabric->lock);
	d->users++;
	pthread_mutex_unlock(&d->fabric->lock);
	*out = &cq->fid;
	return 0;
}

/* -------------------------------------------------------------- counters */

static void count(struct cntr *cntr, bool error)
{
	if (!cntr)
		return;
	if (error)
		cntr->errors++;
	else
		cntr->value++;
	cntr->changed = true;
	signal_raise(&cntr->signal);
}

/* Who has read it since may wait for more. */
bool cntr_is_ready(struct cntr *cntr)
{
	return cntr->changed;
}

static uint64_t cntr_get(struct cntr *cntr, const uint64_t *what)
{
	uint64_t value;
	bool changed;

	pthread_mutex_lock(&cntr->domain->fabric->lock);
	fabric_progress(cntr->domain->fabric);
	value = *what;
	changed = cntr->changed;
	cntr->changed = false;
	pthread_mutex_unlock(&cntr->domain->fabric->lock);
	if (!changed)
		fabric_yield(cntr->domain->fabric);
	return value;
}

static uint64_t cntr_read(struct fid_cntr *fid)
{
	struct cntr *cntr = container_of(fid, struct cntr, fid);

	return cntr_get(cntr, &cntr->value);
}

static uint64_t cntr_readerr(struct fid_cntr *fid)
{
	struct cntr *cntr = container_of(fid, struct cntr, fid);

	return cntr_get(cntr, &cntr->errors);
}

static int cntr_change(struct fid_cntr *fid, bool error, bool add, uint64_t value)
{
	struct cntr *cntr = container_of(fid, struct cntr, fid);
	uint64_t *what = error ? &cntr->errors : &cntr->value;

	pthread_mutex_lock(&cntr->domain->fabric->lock);
	*what = add ? *what + value : value;
	cntr->changed = true;
	signal_raise(&cntr->signal);
	pthread_mutex_unlock(&cntr->domain->fabric->lock);
	return 0;
}

static int cntr_add(struct fid_cntr *fid, uint64_t value)
{
	return cntr_change(fid, false, true, value);
}

static int cntr_set(struct fid_cntr *fid, uint64_t value)
{
	return cntr_change(fid, false, false, value);
}

static int cntr_adderr(struct fid_cntr *fid, uint64_t value)
{
	return cntr_change(fid, true, true, value);
}

static int cntr_seterr(struct fid_cntr *fid, uint64_t value)
{
	return cntr_change(fid, true, false, value);
}

struct threshold {
	const struct cntr *cntr;
	uint64_t value, errors;
};

static bool reached(void *object)
{
	const struct threshold *t = object;

	return t->cntr->value >= t->value || t->cntr->errors != t->errors;
}

static int cntr_wait(struct fid_cntr *fid, uint64_t value, int timeout)
{
	struct cntr *cntr = container_of(fid, struct cntr, fid);
	struct threshold t = { .cntr = cntr, .value = value };
	int ret;

	if (cntr->signal.epoll < 0)
		return -FI_ENOSYS;
	pthread_mutex_lock(&cntr->domain->fabric->lock);
	t.errors = cntr->errors;
	ret = fabric_wait(cntr->domain->fabric, &cntr->signal, reached, &t, timeout);
	if (!ret && cntr->value < value)
		ret = -FI_EAVAIL;
	pthread_mutex_unlock(&cntr->domain->fabric->lock);
	return ret == -FI_EAGAIN ? -FI_ETIMEDOUT : ret;
}

static int cntr_close(struct fid *fid)
{
	struct cntr *cntr = container_of(fid, struct cntr, fid.fid);
	bool used;

	pthread_mutex_lock(&cntr->domain->fabric->lock);
	used = cntr->users;
	if (!used)
		cntr->domain->users--;
	pthread_mutex_unlock(&cntr->domain->fabric->lock);
	if (used)
		return -FI_EBUSY;
	signal_close(&cntr->signal);
	free(cntr);
	return 0;
}

static int cntr_control(struct fid *fid, int command, void *arg)
{
	return signal_control(&container_of(fid, struct cntr, fid.fid)->signal, command, arg);
}

static struct fi_ops cntr_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = cntr_close,
	.bind = no_bind,
	.control = cntr_control,
	.ops_open = no_ops_open,
};

static struct fi_ops_cntr cntr_ops = {
	.size = sizeof(struct fi_ops_cntr),
	.read = cntr_read,
	.readerr = cntr_readerr,
	.add = cntr_add,
	.set = cntr_set,
	.wait = cntr_wait,
	.adderr = cntr_adderr,
	.seterr = cntr_seterr,
};

int cntr_open(struct fid_domain *domain, struct fi_cntr_attr *attr, struct fid_cntr **out, void *context)
{
	struct domain *d = container_of(domain, struct domain, fid);
	struct cntr *cntr;
	int ret;

	if (attr->events != FI_CNTR_EVENTS_COMP)
		return -FI_ENOSYS;
	cntr = calloc(1, sizeof(*cntr));
	if (!cntr)
		return -FI_ENOMEM;
	ret = signal_open(&cntr->signal, attr->wait_obj, d->fabric);
	if (ret) {
		free(cntr);
		return ret;
	}
	cntr->domain = d;
	cntr->fid.fid.fclass = FI_CLASS_CNTR;
	cntr->fid.fid.context = context;
	cntr->fid.fid.ops = &cntr_fid_ops;
	cntr->fid.ops = &cntr_ops;
	pthread_mutex_lock(&d->fabric->lock);
	d->users++;
	pthread_mutex_unlock(&d->fabric->lock);
	*out = &cntr->fid;
	return 0;
}

/* ------------------------------------------------------------ what ended */

static const struct {
	uint64_t flags;
	unsigned int count;
} kinds[] = {
	[NETGPU_EVENT_SENT]	 = { FI_SEND | FI_MSG, COUNT_SEND },
	[NETGPU_EVENT_WRITTEN]	 = { FI_WRITE | FI_RMA, COUNT_WRITE },
	[NETGPU_EVENT_READ]	 = { FI_READ | FI_RMA, COUNT_READ },
	[NETGPU_EVENT_RECEIVED]	 = { FI_RECV | FI_MSG, COUNT_RECV },
	[NETGPU_EVENT_IMMEDIATE] = { FI_REMOTE_WRITE | FI_RMA, COUNTS },
};

static int error_of(int result)
{
	switch (result) {
	case -EMSGSIZE:
		return FI_ETRUNC;
	case -EACCES:
		return FI_EACCES;
	default:
		return -result;
	}
}

void complete(struct ep *ep, const struct netgpu_event *ev)
{
	bool receive = ev->kind == NETGPU_EVENT_RECEIVED || ev->kind == NETGPU_EVENT_IMMEDIATE;
	bool number = receive && ev->flags & NETGPU_MSG_IMMEDIATE;
	bool placed = receive && (!ev->result || ev->result == -EMSGSIZE);
	struct cq *cq = receive ? ep->rx : ep->tx;
	struct fi_cq_err_entry e = {
		.op_context = ev->kind == NETGPU_EVENT_IMMEDIATE ? NULL : ev->user,
		.flags = kinds[ev->kind].flags | (number ? FI_REMOTE_CQ_DATA : 0),
		.len = placed ? ev->length - ev->dropped : 0,
		.data = number ? ev->immediate : 0,
		.olen = ev->dropped,
		.err = ev->result ? error_of(ev->result) : 0,
		.prov_errno = -ev->result,
		.src_addr = FI_ADDR_NOTAVAIL,
	};

	if (ev->kind == NETGPU_EVENT_RECEIVED)
		ep->rx_posted--;
	else if (!receive)
		ep->tx_posted--;
	if (kinds[ev->kind].count < COUNTS)
		count(ep->cntr[kinds[ev->kind].count], ev->result);
	/* Of what has no context nobody could tell what it was; the program hears of the endpoint's end. */
	if (cq && !(ev->flags & NO_CONTEXT) && (!(ev->flags & NO_ENTRY) || ev->result))
		cq_add(cq, &e);
	/* There may be no end of what a peer writes; of what is posted here there is. */
	if (ev->kind == NETGPU_EVENT_IMMEDIATE && cq_is_full(cq))
		pause_peer(ep);
}
