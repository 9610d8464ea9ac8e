// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Event queues, passive endpoints, and connecting. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

/* ---------------------------------------------------------- event queues */

bool eq_has(void *object)
{
	return ((const struct eq *)object)->first;
}

static void eq_add(struct eq *eq, uint32_t type, int error, struct fid *fid, struct fi_info *info, const void *data, size_t length)
{
	struct event *e = eq ? calloc(1, sizeof(*e)) : NULL;

	if (!e) {
		fi_freeinfo(info);
		return;
	}
	e->type = type;
	e->error = error;
	e->entry.fid = fid;
	e->entry.info = info;
	e->length = length;
	if (length)
		memcpy(e->data, data, length);
	*eq->end = e;
	eq->end = &e->next;
	signal_raise(&eq->signal);
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
		if (e->entry.fid != fid) {
			at = &e->next;
			continue;
		}
		*at = e->next;
		fi_freeinfo(e->entry.info);
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
	if (len < sizeof(e->entry))
		return -FI_ETOOSMALL;
	*event = e->type;
	memcpy(buf, &e->entry, sizeof(e->entry));
	bytes = e->length < len - sizeof(e->entry) ? e->length : len - sizeof(e->entry);
	memcpy((char *)buf + sizeof(e->entry), e->data, bytes);
	if (!(flags & FI_PEEK))
		drop_first(eq);
	return sizeof(e->entry) + bytes;
}

static ssize_t eq_read(struct fid_eq *fid, uint32_t *event, void *buf, size_t len, uint64_t flags)
{
	struct eq *eq = container_of(fid, struct eq, fid);
	ssize_t ret;

	pthread_mutex_lock(&eq->fabric->lock);
	fabric_progress(eq->fabric);
	ret = eq_take(eq, event, buf, len, flags);
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
			.fid = e->entry.fid,
			.context = e->entry.fid->context,
			.err = e->error,
			.prov_errno = e->error,
		};
		memcpy(eq->error_data, e->data, e->length);
		if (room) {
			buf->err_data = data;
			buf->err_data_size = e->length < room ? e->length : room;
			memcpy(data, e->data, buf->err_data_size);
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
	const struct fi_eq_cm_entry *entry = buf;

	(void)flags;
	if (len < sizeof(struct fi_eq_entry))
		return -FI_EINVAL;
	pthread_mutex_lock(&eq->fabric->lock);
	eq_add(eq, event, 0, entry->fid, entry->info, NULL, 0);
	pthread_mutex_unlock(&eq->fabric->lock);
	return len;
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

	if (eq->users)
		return -FI_EBUSY;
	while (eq->first) {
		fi_freeinfo(eq->first->entry.info);
		drop_first(eq);
	}
	signal_close(&eq->signal);
	__atomic_sub_fetch(&eq->fabric->users, 1, __ATOMIC_RELAXED);
	free(eq);
	return 0;
}

static int eq_control(struct fid *fid, int command, void *arg)
{
	struct eq *eq = container_of(fid, struct eq, fid.fid);

	return command == FI_GETWAIT ? signal_get(&eq->signal, arg) : -FI_ENOSYS;
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

static void request(struct pep *pep, const struct netgpu_event *e)
{
	struct fi_info *info = info_for_request(pep->info, e->ep);
	struct connreq *c = calloc(1, sizeof(*c));

	if (!info || !c || !pep->eq) {
		fi_freeinfo(info);
		free(c);
		netgpu_ep_reject(e->ep, NULL, 0);
		return;
	}
	c->fid.fclass = FI_CLASS_CONNREQ;
	c->fabric = pep->fabric;
	c->ep = e->ep;
	netgpu_ep_set_user(e->ep, c);
	info->handle = &c->fid;
	eq_add(pep->eq, FI_CONNREQ, 0, &pep->fid.fid, info, e->data, e->length);
}

void cm_event(struct fabric *f, const struct netgpu_event *e)
{
	struct fid *fid = e->user;
	struct ep *ep;

	(void)f;
	if (e->kind == NETGPU_EVENT_REQUEST) {
		request(e->user, e);
		return;
	}
	/* A request whose peer has gone: who accepts it hears of that. */
	if (!fid || fid->fclass == FI_CLASS_CONNREQ)
		return;
	ep = container_of(fid, struct ep, fid.fid);
	if (e->kind == NETGPU_EVENT_CONNECTED) {
		ep->connected = true;
		eq_add(ep->eq, FI_CONNECTED, 0, fid, NULL, e->data, e->length);
	} else if (ep->connected) {
		eq_add(ep->eq, FI_SHUTDOWN, 0, fid, NULL, NULL, 0);
	} else {
		eq_add(ep->eq, FI_SHUTDOWN, e->result ? -e->result : FI_ECONNABORTED, fid, NULL, e->data, e->length);
	}
}

/* ------------------------------------------------------- passive endpoints */

static int pep_close(struct fid *fid)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);
	struct fabric *f = pep->fabric;

	pthread_mutex_lock(&f->lock);
	netgpu_listener_close(pep->listener);
	if (pep->eq) {
		eq_forget(pep->eq, fid);
		pep->eq->users--;
	}
	pthread_mutex_unlock(&f->lock);
	__atomic_sub_fetch(&f->users, 1, __ATOMIC_RELAXED);
	fi_freeinfo(pep->info);
	free(pep);
	return 0;
}

static int pep_bind(struct fid *fid, struct fid *to, uint64_t flags)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);

	(void)flags;
	if (to->fclass != FI_CLASS_EQ || pep->eq)
		return -FI_EINVAL;
	pep->eq = container_of(to, struct eq, fid.fid);
	pep->eq->users++;
	return 0;
}

static int pep_control(struct fid *fid, int command, void *arg)
{
	(void)fid;
	(void)arg;
	return command == FI_BACKLOG ? 0 : -FI_ENOSYS;
}

static int store_address(void *to, size_t *room, const void *address, size_t length)
{
	size_t n = *room < length ? *room : length;

	memcpy(to, address, n);
	*room = length;
	return n < length ? -FI_ETOOSMALL : 0;
}

static int pep_getname(struct fid *fid, void *addr, size_t *addrlen)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);
	struct sockaddr_storage own;
	int length;

	if (!pep->listener)
		return store_address(addr, addrlen, &pep->address, pep->address_length);
	length = netgpu_listener_address(pep->listener, (struct sockaddr *)&own, sizeof(own));
	return length < 0 ? length : store_address(addr, addrlen, &own, length);
}

static int pep_setname(struct fid *fid, void *addr, size_t addrlen)
{
	struct pep *pep = container_of(fid, struct pep, fid.fid);

	if (pep->listener || addrlen > sizeof(pep->address))
		return -FI_EINVAL;
	memcpy(&pep->address, addr, addrlen);
	pep->address_length = addrlen;
	return 0;
}

static int pep_listen(struct fid_pep *fid)
{
	struct pep *pep = container_of(fid, struct pep, fid);
	int ret;

	if (pep->listener)
		return -FI_EINVAL;
	if (!pep->address_length) {
		pep->address.ss_family = pep->info->addr_format == FI_SOCKADDR_IN6 ? AF_INET6 : AF_INET;
		pep->address_length = pep->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	}
	pthread_mutex_lock(&pep->fabric->lock);
	ret = netgpu_listen(pep->fabric->engine, (struct sockaddr *)&pep->address, pep->address_length, pep, &pep->listener);
	pthread_mutex_unlock(&pep->fabric->lock);
	return errno_of(ret);
}

static int pep_reject(struct fid_pep *fid, fid_t handle, const void *param, size_t paramlen)
{
	struct connreq *c = container_of(handle, struct connreq, fid);
	int ret;

	(void)fid;
	if (handle->fclass != FI_CLASS_CONNREQ)
		return -FI_EINVAL;
	pthread_mutex_lock(&c->fabric->lock);
	ret = netgpu_ep_reject(c->ep, param, paramlen);
	pthread_mutex_unlock(&c->fabric->lock);
	if (!ret)
		free(c);
	return errno_of(ret);
}

static struct fi_ops pep_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = pep_close,
	.bind = pep_bind,
	.control = pep_control,
	.ops_open = no_ops_open,
};

static int pep_getopt(fid_t fid, int level, int name, void *value, size_t *length)
{
	(void)fid;
	if (level != FI_OPT_ENDPOINT || name != FI_OPT_CM_DATA_SIZE || *length < sizeof(size_t))
		return -FI_ENOPROTOOPT;
	*(size_t *)value = NETGPU_EP_DATA_MAX;
	*length = sizeof(size_t);
	return 0;
}

static int pep_setopt(fid_t fid, int level, int name, const void *value, size_t length)
{
	(void)fid;
	(void)level;
	(void)name;
	(void)value;
	(void)length;
	return -FI_ENOPROTOOPT;
}

static struct fi_ops_ep pep_ops = {
	.size = sizeof(struct fi_ops_ep),
	.getopt = pep_getopt,
	.setopt = pep_setopt,
};

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

	if (!info || (info->ep_attr && info->ep_attr->type != FI_EP_MSG) || info->src_addrlen > sizeof(pep->address))
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
	pep->fid.fid.fclass = FI_CLASS_PEP;
	pep->fid.fid.context = context;
	pep->fid.fid.ops = &pep_fid_ops;
	pep->fid.ops = &pep_ops;
	pep->fid.cm = &pep_cm_ops;
	__atomic_add_fetch(&f->users, 1, __ATOMIC_RELAXED);
	*out = &pep->fid;
	return 0;
}

/* --------------------------------------------------------------- connecting */

static int ep_getname(struct fid *fid, void *addr, size_t *addrlen)
{
	struct ep *ep = container_of(fid, struct ep, fid.fid);
	struct sockaddr_storage own;
	int length = netgpu_ep_address(ep->ep, false, (struct sockaddr *)&own, sizeof(own));

	return length < 0 ? errno_of(length) : store_address(addr, addrlen, &own, length);
}

static int ep_getpeer(struct fid_ep *fid, void *addr, size_t *addrlen)
{
	struct ep *ep = container_of(fid, struct ep, fid);
	struct sockaddr_storage peer;
	int length = netgpu_ep_address(ep->ep, true, (struct sockaddr *)&peer, sizeof(peer));

	return length <= 0 ? -FI_ENOTCONN : store_address(addr, addrlen, &peer, length);
}

static size_t address_length(const struct sockaddr *a)
{
	return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static int ep_connect(struct fid_ep *fid, const void *addr, const void *param, size_t paramlen)
{
	struct ep *ep = container_of(fid, struct ep, fid);
	struct fabric *f = ep->domain->fabric;
	const struct sockaddr *to = addr ? addr : (struct sockaddr *)&ep->peer;
	int ret;

	if (!ep->eq)
		return -FI_ENOEQ;
	if (!addr && !ep->peer_length)
		return -FI_EINVAL;
	pthread_mutex_lock(&f->lock);
	ret = netgpu_ep_connect(ep->ep, to, address_length(to), param, paramlen);
	pthread_mutex_unlock(&f->lock);
	return errno_of(ret);
}

static int ep_accept(struct fid_ep *fid, const void *param, size_t paramlen)
{
	struct ep *ep = container_of(fid, struct ep, fid);
	struct fabric *f = ep->domain->fabric;
	int ret;

	if (!ep->eq)
		return -FI_ENOEQ;
	pthread_mutex_lock(&f->lock);
	ret = netgpu_ep_accept(ep->ep, param, paramlen);
	pthread_mutex_unlock(&f->lock);
	return errno_of(ret);
}

static int ep_shutdown(struct fid_ep *fid, uint64_t flags)
{
	struct ep *ep = container_of(fid, struct ep, fid);
	struct fabric *f = ep->domain->fabric;
	int ret;

	if (flags)
		return -FI_EBADFLAGS;
	pthread_mutex_lock(&f->lock);
	ret = netgpu_ep_shutdown(ep->ep);
	fabric_progress(f);
	pthread_mutex_unlock(&f->lock);
	return errno_of(ret);
}

struct fi_ops_cm ep_cm_ops = {
	.size = sizeof(struct fi_ops_cm),
	.getname = ep_getname,
	.getpeer = ep_getpeer,
	.connect = ep_connect,
	.accept = ep_accept,
	.shutdown = ep_shutdown,
};
