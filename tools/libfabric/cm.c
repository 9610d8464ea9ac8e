// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Event queues, passive endpoints, and connecting. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider.h"

#define BACKLOG	128	/* requests to connect that the program has not answered */

/* ---------------------------------------------------------- event queues */

bool eq_has(void *object)
{
	return ((const struct eq *)object)->first;
}

/* False when nobody will hear of it. */
static bool eq_put(struct eq *eq, const struct event *of, const void *entry, size_t entry_length,
		   const void *data, size_t length)
{
	struct event *e = eq ? malloc(sizeof(*e) + entry_length + length) : NULL;

	if (!e)
		return false;
	*e = *of;
	e->next = NULL;
	e->length = entry_length + length;
	if (entry_length)
		memcpy(e->bytes, entry, entry_length);
	if (length)
		memcpy(e->bytes + entry_length, data, length);
	*eq->end = e;
	eq->end = &e->next;
	signal_raise(&eq->signal);
	return true;
}

static bool eq_add(struct eq *eq, uint32_t type, struct fid *fid, struct fi_info *info, const void *data, size_t length)
{
	const struct fi_eq_cm_entry entry = { .fid = fid, .info = info };
	const struct event e = { .type = type, .fid = fid, .info = info, .least = sizeof(entry) };

	return eq_put(eq, &e, &entry, sizeof(entry), data, length);
}

static void eq_add_error(struct eq *eq, uint32_t type, int error, struct fid *fid, const void *data, size_t length)
{
	const struct event e = { .type = type, .error = error, .fid = fid };

	eq_put(eq, &e, NULL, 0, data, length);
}

static void drop_first(struct eq *eq)
{
	struct event *e = eq->first;

	eq->first = e->next;
	if (!eq->first)
		eq->end = &eq->first;
	free(e);
}

/* What is about something that is closed nobody wants. */
void eq_forget(struct eq *eq, const struct fid *fid)
{
	struct event **at = &eq->first, *e;

	while ((e = *at)) {
		if (e->fid != fid) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		if (e->info) {
			connreq_free(eq->fabric, connreq_find(eq->fabric, e->info->handle));
			fi_freeinfo(e->info);
		}
		free(e);
	}
	eq->end = at;
}

static ssize_t eq_take(struct eq *eq, uint32_t *event, void *buf, size_t len, uint64_t flags)
{
	struct event *e = eq->first;
	size_t bytes;

	if (!e)
		return -FI_EAGAIN;
	if (e->error)
		return -FI_EAVAIL;
	if (len < e->least)
		return -FI_ETOOSMALL;
	*event = e->type;
	bytes = e->length < len ? e->length : len;
	memcpy(buf, e->bytes, bytes);
	if (!(flags & FI_PEEK))
		drop_first(eq);
	return bytes;
}

static ssize_t eq_read(struct fid_eq *fid, uint32_t *event, void *buf, size_t len, uint64_t flags)
{
	struct eq *eq = container_of(fid, struct eq, fid);
	ssize_t ret;

	pthread_mutex_lock(&eq->fabric->lock);
	fabric_progress(eq->fabric);
	ret = eq_take(eq, event, buf, len, flags);
	if (ret == -FI_EAGAIN && eq->fabric->error)
		ret = eq->fabric->error;
	pthread_mutex_unlock(&eq->fabric->lock);
	return ret;
}

static ssize_t eq_sread(struct fid_eq *fid, uint32_t *event, void *buf, size_t len, int timeout, uint64_t flags)
{
	struct eq *eq = container_of(fid, struct eq, fid);
	ssize_t ret;

	if (eq->signal.epoll < 0)
		return -FI_ENOSYS;
	pthread_mutex_lock(&eq->fabric->lock);
	ret = fabric_wait(eq->fabric, &eq->signal, eq_has, eq, timeout);
	if (!ret)
		ret = eq_take(eq, event, buf, len, flags);
	pthread_mutex_unlock(&eq->fabric->lock);
	return ret;
}

static ssize_t eq_readerr(struct fid_eq *fid, struct fi_eq_err_entry *buf, uint64_t flags)
{
	struct eq *eq = container_of(fid, struct eq, fid);
	size_t room = buf->err_data_size;
	void *data = buf->err_data;
	struct event *e;
	ssize_t ret = -FI_EAGAIN;

	pthread_mutex_lock(&eq->fabric->lock);
	e = eq->first;
	if (e && e->error) {
		*buf = (struct fi_eq_err_entry) {
			.fid = e->fid,
			.context = e->fid->context,
			.err = e->error,
			.prov_errno = e->error,
		};
		memcpy(eq->error_data, e->bytes, e->length);
		if (room) {
			buf->err_data = data;
			buf->err_data_size = e->length < room ? e->length : room;
			memcpy(data, e->bytes, buf->err_data_size);
		} else {
			buf->err_data = e->length ? eq->error_data : NULL;
			buf->err_data_size = e->length;
		}
		if (!(flags & FI_PEEK))
			drop_first(eq);
		ret = sizeof(*buf);
	}
	pthread_mutex_unlock(&eq->fabric->lock);
	return ret;
}

static ssize_t eq_write(struct fid_eq *fid, uint32_t event, const void *buf, size_t len, uint64_t flags)
{
	struct eq *eq = container_of(fid, struct eq, fid);
	const struct event e = { .type = event, .least = len };
	bool written;

	(void)flags;
	pthread_mutex_lock(&eq->fabric->lock);
	written = eq_put(eq, &e, buf, len, NULL, 0);
	pthread_mutex_unlock(&eq->fabric->lock);
	return written ? (ssize_t)len : -FI_ENOMEM;
}

static const char *eq_strerror(struct fid_eq *fid, int prov_errno, const void *err_data, char *buf, size_t len)
{
	(void)fid;
	(void)err_data;
	if (buf && len) {
		strncpy(buf, strerror(prov_errno), len);
		buf[len - 1] = 0;
	}
	return strerror(prov_errno);
}

static int eq_close(struct fid *fid)
{
	struct eq *eq = container_of(fid, struct eq, fid.fid);
	bool used;

	pthread_mutex_lock(&eq->fabric->lock);
	used = eq->users;
	pthread_mutex_unlock(&eq->fabric->lock);
	if (used)
		return -FI_EBUSY;
	/* Only what the program has written: of whatever else there was the end. */
	while (eq->first)
		drop_first(eq);
	signal_close(&eq->signal);
	__atomic_sub_fetch(&eq->fabric->users, 1, __ATOMIC_RELAXED);
	free(eq);
	return 0;
}

static int eq_control(struct fid *fid, int command, void *arg)
{
	return signal_control(&container_of(fid, struct eq, fid.fid)->signal, command, arg);
}

static struct fi_ops eq_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = eq_close,
	.bind = no_bind,
	.control = eq_control,
	.ops_open = no_ops_open,
};

static struct fi_ops_eq eq_ops = {
	.size = sizeof(struct fi_ops_eq),
	.read = eq_read,
	.readerr = eq_readerr,
	.write = eq_write,
	.sread = eq_sread,
	.strerror = eq_strerror,
};

int eq_open(struct fid_fabric *fabric, struct fi_eq_attr *attr, struct fid_eq **out, void *context)
{
	struct fabric *f = container_of(fabric, struct fabric, fid);
	struct eq *eq = calloc(1, sizeof(*eq));
	int ret;

	if (!eq)
		return -FI_ENOMEM;
	ret = signal_open(&eq->signal, attr ? attr->wait_obj : FI_WAIT_NONE, f);
	if (ret) {
		free(eq);
		return ret;
	}
	eq->fabric = f;
	eq->end = &eq->first;
	eq->fid.fid.fclass = FI_CLASS_EQ;
	eq->fid.fid.context = context;
	eq->fid.fid.ops = &eq_fid_ops;
	eq->fid.ops = &eq_ops;
	__atomic_add_fetch(&f->users, 1, __ATOMIC_RELAXED);
	*out = &eq->fid;
	return 0;
}

/* ------------------------------------------------------------ what happens */

struct connreq *connreq_find(struct fabric *f, const struct fid *handle)
{
	struct connreq *c = f->connreqs;

	while (c && &c->fid != handle)
		c = c->next;
	return c;
}

/* NULL is allowed.  One with an endpoint leaves that to the program. */
void connreq_free(struct fabric *f, struct connreq *c)
{
	struct connreq **at = &f->connreqs;

	if (!c)
		return;
	if (c->ep && !c->user)		/* not rejected already */
		netgpu_ep_reject(c->ep, NULL, 0);
	if (c->listener)
		listener_put(f, c->listener);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c);
}

/* Not at once: there may be an event of it that is still to be looked at. */
void listener_put(struct fabric *f, struct listener *l)
{
	if (--l->users)
		return;
	l->next = f->unused;
	f->unused = l;
}

void listeners_close(struct fabric *f)
{
	struct listener *l;

	while ((l = f->unused)) {
		f->unused = l->next;
		netgpu_listener_close(l->engine);
		free(l);
	}
}

static bool has_room(const struct fabric *f, const struct listener *l)
{
	const struct connreq *c;
	unsigned int n = 0;

	for (c = f->connreqs; c; c = c->next)
		n += c->listener == l;
	return n < l->pep->backlog;
}

/* A program that answers nobody is not asked without end: each has a descriptor. */
static void request(struct fabric *f, struct listener *l, const struct netgpu_event *e)
{
	struct pep *pep = l ? l->pep : NULL;
	struct fi_info *info = pep && pep->eq && has_room(f, l) ? info_for_request(pep->info, e->ep) : NULL;
	struct connreq *c = info ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		fi_freeinfo(info);
		netgpu_ep_reject(e->ep, NULL, 0);
		return;
	}
	c->fid.fclass = FI_CLASS_CONNREQ;
	c->ep = e->ep;
	c->listener = l;
	l->users++;
	c->next = f->connreqs;
	f->connreqs = c;
	netgpu_ep_set_user(e->ep, c);
	info->handle = &c->fid;
	if (!eq_add(pep->eq, FI_CONNREQ, &pep->fid.fid, info, e->data, e->length)) {
		connreq_free(f, c);
		fi_freeinfo(info);
	}
}

/* It is up, or never will be. */
static void leave_listener(struct fabric *f, struct ep *ep)
{
	if (ep->listener)
		listener_put(f, ep->listener);
	ep->listener = NULL;
}

void cm_event(struct fabric *f, const struct netgpu_event *e)
{
	struct fid *fid = e->user;
	struct ep *ep;

	if (e->kind == NETGPU_EVENT_REQUEST) {
		request(f, e->user, e);
		return;
	}
	if (!fid)
		return;
	/* A request whose peer has gone: who accepts it hears of that. */
	if (fid->fclass == FI_CLASS_CONNREQ) {
		container_of(fid, struct connreq, fid)->ended = true;
		return;
	}
	ep = container_of(fid, struct ep, fid.fid);
	leave_listener(f, ep);
	if (e->kind == NETGPU_EVENT_CONNECTED) {
		ep->connected = true;
		eq_add(ep->eq, FI_CONNECTED, fid, NULL, e->data, e->length);
		return;
	}
	ep->ended = true;
	late_complete(ep);
	if (ep->connected)
		eq_add(ep->eq, FI_SHUTDOWN, fid, NULL, NULL, 0);
	else
		eq_add_error(ep->eq, FI_SHUTDOWN, e->result ? -e->result : FI_ECONNABORTED, fid, e->data, e->length);
}

/* ------------------------------------------------------- passive endpoints */

struct pep *pep_find(const struct fabric *f, const struct fid *handle)
{
	struct pep *pep = f->peps;

	while (pep && &pep->fid.fid != handle)
		pep = pep->next;
	return pep;
}

static int close_pep(void *arg)
{
	struct pep *pep = arg;
	struct fabric *f = pep->fabric;
	struct pep **at = &f->peps;

	while (*at != pep)
		at = &(*at)->next;
	*at = pep->next;

	if (pep->eq) {
		eq_forget(pep->eq, &pep->fid.fid);
		pep->eq->users--;
	}
	if (pep->listener) {
		pep->listener->pep = NULL;
		listener_put(f, pep->listener);
		listeners_close(f);
	}
	pep_release(pep);
	fabric_posted(f);
	return 0;
}

static int pep_close(struct fid *fid)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);
	struct fabric *f = pep->fabric;

	fabric_call(f, close_pep, pep);
	__atomic_sub_fetch(&f->users, 1, __ATOMIC_RELAXED);
	fi_freeinfo(pep->info);
	free(pep);
	return 0;
}

static int pep_bind(struct fid *fid, struct fid *to, uint64_t flags)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);
	int ret = -FI_EINVAL;

	(void)flags;
	pthread_mutex_lock(&pep->fabric->lock);
	if (to->fclass == FI_CLASS_EQ && !pep->eq) {
		pep->eq = container_of(to, struct eq, fid.fid);
		pep->eq->users++;
		ret = 0;
	}
	pthread_mutex_unlock(&pep->fabric->lock);
	return ret;
}

static int pep_control(struct fid *fid, int command, void *arg)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);
	int backlog;

	if (command != FI_BACKLOG)
		return -FI_ENOSYS;
	backlog = *(int *)arg;
	if (backlog < 1)
		return -FI_EINVAL;
	pthread_mutex_lock(&pep->fabric->lock);
	pep->backlog = backlog;
	pthread_mutex_unlock(&pep->fabric->lock);
	return 0;
}

static int store_address(void *to, size_t *room, const void *address, size_t length)
{
	size_t n = *room < length ? *room : length;

	memcpy(to, address, n);
	*room = length;
	return n < length ? -FI_ETOOSMALL : 0;
}

static size_t address_length(const struct sockaddr *a)
{
	return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void pep_release(struct pep *pep)
{
	if (pep->reserved >= 0)
		close(pep->reserved);
	pep->reserved = -1;
}

/* Have a socket on its address, so that its port is known, and nobody else's. */
int pep_reserve(struct pep *pep)
{
	struct sockaddr *address = (struct sockaddr *)&pep->address;
	socklen_t room = sizeof(pep->address);
	const int one = 1;
	int ret = 0;

	if (pep->reserved >= 0)
		return 0;
	if (!pep->address_length) {
		address->sa_family = pep->info->addr_format == FI_SOCKADDR_IN6 ? AF_INET6 : AF_INET;
		pep->address_length = address_length(address);
	}
	pep->reserved = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pep->reserved < 0)
		return -errno;
	setsockopt(pep->reserved, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(pep->reserved, address, pep->address_length) || getsockname(pep->reserved, address, &room))
		ret = -errno;
	if (ret)
		pep_release(pep);
	return ret;
}

static int pep_getname(struct fid *fid, void *addr, size_t *addrlen)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);
	int ret;

	pthread_mutex_lock(&pep->fabric->lock);
	ret = pep->listener ? 0 : pep_reserve(pep);
	if (!ret)
		ret = store_address(addr, addrlen, &pep->address, pep->address_length);
	pthread_mutex_unlock(&pep->fabric->lock);
	return ret;
}

static int pep_setname(struct fid *fid, void *addr, size_t addrlen)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);
	int ret = -FI_EINVAL;

	pthread_mutex_lock(&pep->fabric->lock);
	if (!pep->listener && is_address(addr, addrlen)) {
		pep_release(pep);
		memcpy(&pep->address, addr, addrlen);
		pep->address_length = addrlen;
		ret = pep_reserve(pep);
	}
	pthread_mutex_unlock(&pep->fabric->lock);
	return ret;
}

static int start_listening(struct pep *pep)
{
	struct listener *l;
	int ret;

	if (pep->listener)
		return -FI_EINVAL;
	ret = pep_reserve(pep);
	if (ret)
		return ret;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -FI_ENOMEM;
	ret = netgpu_listen(pep->fabric->engine, (struct sockaddr *)&pep->address, pep->address_length, l, &l->engine);
	if (ret) {
		free(l);
		return errno_of(ret);
	}
	l->pep = pep;
	l->users = 1;
	pep->listener = l;
	pep_release(pep);
	return 0;
}

static int pep_listen(struct fid_pep *fid)
{
	struct pep *pep = container_of(fid, struct pep, fid);
	int ret;

	pthread_mutex_lock(&pep->fabric->lock);
	ret = start_listening(pep);
	pthread_mutex_unlock(&pep->fabric->lock);
	return ret;
}

/* What the peer's program does not get is not told to be missing. */
static size_t most(size_t paramlen)
{
	return paramlen < NETGPU_EP_DATA_MAX ? paramlen : NETGPU_EP_DATA_MAX;
}

/* What goes with a call for the program on the other side. */
struct words {
	struct fabric *fabric;
	struct ep *ep;
	fid_t handle;
	const struct sockaddr *to;
	const void *param;
	size_t length;
};

static int reject(void *arg)
{
	const struct words *w = arg;
	struct fabric *f = w->fabric;
	struct connreq *c = connreq_find(f, w->handle);
	struct netgpu_ep *instead = NULL;
	int ret;

	if (!c)
		return -FI_EINVAL;
	if (c->user) {
		/* Its endpoint is there until it is closed, as one that was never connected. */
		ret = netgpu_ep_open(f->engine, c->user, &instead);
		if (ret)
			return errno_of(ret);
	}
	ret = netgpu_ep_reject(c->ep, w->param, w->length);
	if (ret) {
		netgpu_ep_close(instead);
		return errno_of(ret);
	}
	if (c->user) {
		late_complete(c->user);
		c->user->ep = instead;
		c->user->connreq = NULL;
		c->user->tx_posted = c->user->rx_posted = 0;
		c->user->ended = false;
	}
	c->ep = NULL;
	connreq_free(f, c);
	listeners_close(f);
	return 0;
}

static int pep_reject(struct fid_pep *fid, fid_t handle, const void *param, size_t paramlen)
{
	struct words w = {
		.fabric = container_of(fid, struct pep, fid)->fabric, .handle = handle, .param = param, .length = most(paramlen),
	};

	return fabric_call(w.fabric, reject, &w);
}

static struct fi_ops pep_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = pep_close,
	.bind = pep_bind,
	.control = pep_control,
	.ops_open = no_ops_open,
};

static int pep_setopt(fid_t fid, int level, int name, const void *value, size_t length)
{
	(void)fid;
	(void)level;
	(void)name;
	(void)value;
	(void)length;
	return -FI_ENOPROTOOPT;
}

static ssize_t no_cancel(fid_t fid, void *context)
{
	(void)fid;
	(void)context;
	return -FI_ENOSYS;
}

static struct fi_ops_ep pep_ops = {
	.size = sizeof(struct fi_ops_ep),
	.cancel = no_cancel,
	.getopt = get_option,
	.setopt = pep_setopt,
};

struct pep *pep_of(fid_t fid)
{
	return fid->fclass == FI_CLASS_PEP && fid->ops == &pep_fid_ops ? container_of(fid, struct pep, fid.fid) : NULL;
}

static struct fi_ops_cm pep_cm_ops = {
	.size = sizeof(struct fi_ops_cm),
	.setname = pep_setname,
	.getname = pep_getname,
	.listen = pep_listen,
	.reject = pep_reject,
};

int pep_open(struct fid_fabric *fabric, struct fi_info *info, struct fid_pep **out, void *context)
{
	struct fabric *f = container_of(fabric, struct fabric, fid);
	struct pep *pep;

	if (!info || (info->ep_attr && info->ep_attr->type != FI_EP_MSG) ||
	    (info->src_addr && !is_address(info->src_addr, info->src_addrlen)))
		return -FI_EINVAL;
	pep = calloc(1, sizeof(*pep));
	if (!pep)
		return -FI_ENOMEM;
	pep->info = fi_dupinfo(info);
	if (!pep->info) {
		free(pep);
		return -FI_ENOMEM;
	}
	if (info->src_addr) {
		memcpy(&pep->address, info->src_addr, info->src_addrlen);
		pep->address_length = info->src_addrlen;
	}
	pep->fabric = f;
	pep->reserved = -1;
	pep->backlog = BACKLOG;
	pep->fid.fid.fclass = FI_CLASS_PEP;
	pep->fid.fid.context = context;
	pep->fid.fid.ops = &pep_fid_ops;
	pep->fid.ops = &pep_ops;
	pep->fid.cm = &pep_cm_ops;
	pthread_mutex_lock(&f->lock);
	pep->next = f->peps;
	f->peps = pep;
	pthread_mutex_unlock(&f->lock);
	__atomic_add_fetch(&f->users, 1, __ATOMIC_RELAXED);
	*out = &pep->fid;
	return 0;
}

/* --------------------------------------------------------------- connecting */

static int ep_setname(struct fid *fid, void *addr, size_t addrlen)
{
	struct ep *ep = container_of(fid, struct ep, fid.fid);
	struct fabric *f = ep->domain->fabric;
	int ret;

	if (!is_address(addr, addrlen))
		return -FI_EINVAL;
	pthread_mutex_lock(&f->lock);
	ret = netgpu_ep_bind(ep->ep, addr, addrlen);
	pthread_mutex_unlock(&f->lock);
	return errno_of(ret);
}

static int get_address(struct ep *ep, bool peer, void *addr, size_t *addrlen)
{
	struct fabric *f = ep->domain->fabric;
	struct sockaddr_storage address;
	int length;

	pthread_mutex_lock(&f->lock);
	length = netgpu_ep_address(ep->ep, peer, (struct sockaddr *)&address, sizeof(address));
	pthread_mutex_unlock(&f->lock);
	if (length <= 0)
		return length ? errno_of(length) : -FI_ENOTCONN;
	return store_address(addr, addrlen, &address, length);
}

static int ep_getname(struct fid *fid, void *addr, size_t *addrlen)
{
	return get_address(container_of(fid, struct ep, fid.fid), false, addr, addrlen);
}

static int ep_getpeer(struct fid_ep *fid, void *addr, size_t *addrlen)
{
	return get_address(container_of(fid, struct ep, fid), true, addr, addrlen);
}

static int connect_ep(void *arg)
{
	const struct words *w = arg;

	return netgpu_ep_connect(w->ep->ep, w->to, address_length(w->to), w->param, w->length);
}

static int ep_connect(struct fid_ep *fid, const void *addr, const void *param, size_t paramlen)
{
	struct ep *ep = container_of(fid, struct ep, fid);
	struct words w = {
		.ep = ep, .to = addr ? addr : (struct sockaddr *)&ep->peer, .param = param, .length = most(paramlen),
	};

	if (!ep->eq)
		return -FI_ENOEQ;
	if (!addr && !ep->peer_length)
		return -FI_EINVAL;
	return errno_of(fabric_call(ep->domain->fabric, connect_ep, &w));
}

static int accept_ep(void *arg)
{
	const struct words *w = arg;
	struct ep *ep = w->ep;
	struct fabric *f = ep->domain->fabric;
	int ret = netgpu_ep_accept(ep->ep, w->param, w->length);

	if (!ret) {
		/* It needs the listener until it is up, and nobody the handle. */
		ep->listener = ep->connreq->listener;
		ep->connreq->listener = NULL;
		connreq_free(f, ep->connreq);
		ep->connreq = NULL;
		fabric_posted(f);
	}
	return ret;
}

static int ep_accept(struct fid_ep *fid, const void *param, size_t paramlen)
{
	struct ep *ep = container_of(fid, struct ep, fid);
	struct words w = { .ep = ep, .param = param, .length = most(paramlen) };

	if (!ep->eq)
		return -FI_ENOEQ;
	return errno_of(fabric_call(ep->domain->fabric, accept_ep, &w));
}

static int shut_down(void *arg)
{
	struct ep *ep = arg;
	int ret = ep->shut || ep->ended ? 0 : netgpu_ep_shutdown(ep->ep);

	ep->shut |= !ret;
	fabric_progress(ep->domain->fabric);
	return ret;
}

static int ep_shutdown(struct fid_ep *fid, uint64_t flags)
{
	struct ep *ep = container_of(fid, struct ep, fid);

	return flags ? -FI_EBADFLAGS : errno_of(fabric_call(ep->domain->fabric, shut_down, ep));
}

static int no_join(struct fid_ep *fid, const void *addr, uint64_t flags, struct fid_mc **mc, void *context)
{
	(void)fid;
	(void)addr;
	(void)flags;
	(void)mc;
	(void)context;
	return -FI_ENOSYS;
}

struct fi_ops_cm ep_cm_ops = {
	.size = sizeof(struct fi_ops_cm),
	.setname = ep_setname,
	.getname = ep_getname,
	.getpeer = ep_getpeer,
	.connect = ep_connect,
	.accept = ep_accept,
	.shutdown = ep_shutdown,
	.join = no_join,
};
