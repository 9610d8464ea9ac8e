// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Endpoints and their requests. */
#include <stdlib.h>
#include <string.h>

#include "provider.h"

static struct ep *ep_of(struct fid_ep *fid)
{
	return container_of(fid, struct ep, fid);
}

/* ---------------------------------------------------------------- requests */

/* Where the buffer is, as the engine knows it. */
static struct netgpu_mr *place(const struct ep *ep, const void *buf, void *desc, uint64_t *offset)
{
	const struct mr *mr = desc;

	if (mr) {
		*offset = (const char *)buf - mr->start;
		return mr->mr;
	}
	*offset = (uintptr_t)buf;
	return netgpu_mr_process(ep->domain->fabric->engine);
}

/* Whose bytes are to be had at once, as the CPU finds them. */
static const void *bytes_of(const void *buf, size_t len, void *desc)
{
	const struct mr *mr = desc;
	uint64_t offset;

	if (!mr)
		return buf;
	offset = (const char *)buf - mr->start;
	return offset > mr->length || len > mr->length - offset ? NULL : mr->bytes + offset;
}

static int one(const struct iovec *iov, void **desc, size_t count, struct iovec *out, void **out_desc)
{
	if (count > 1)
		return -FI_EINVAL;
	*out = count ? *iov : (struct iovec){ 0 };
	*out_desc = count && desc ? *desc : NULL;
	return 0;
}

/* A receive that was posted after the end, while the program may not have heard of it. */
struct late {
	struct late *next;
	struct netgpu_event event;
};

void late_complete(struct ep *ep)
{
	struct late *late;

	while ((late = ep->late)) {
		ep->late = late->next;
		complete(ep, &late->event);
		free(late);
	}
	ep->late_end = &ep->late;
}

/* No program can know in time that its peer goes.  As with verbs it reads of this after all that came before. */
static int recv_late(struct ep *ep, void *context, unsigned int flags)
{
	struct late *late = calloc(1, sizeof(*late));

	if (!late)
		return -FI_ENOMEM;
	late->event.kind = NETGPU_EVENT_RECEIVED;
	late->event.user = context;
	late->event.flags = flags;
	late->event.result = -ECANCELED;
	*ep->late_end = late;
	ep->late_end = &late->next;
	return 0;
}

static ssize_t do_recv(struct ep *ep, void *buf, size_t len, void *desc, void *context, uint64_t flags)
{
	struct fabric *f = ep->domain->fabric;
	struct netgpu_mr *mr = NULL;
	uint64_t offset = 0;
	bool silent = ep->rx_selective && !(flags & FI_COMPLETION);
	ssize_t ret;

	pthread_mutex_lock(&f->lock);
	ret = f->error ? f->error : -FI_EAGAIN;
	if (len)
		mr = place(ep, buf, desc, &offset);
	if (ep->rx_posted >= ep->rx_size)
		fabric_progress(f);
	if (!f->error && ep->rx_posted < ep->rx_size && ((silent && !ep->ended) || !cq_is_full(ep->rx))) {
		ret = netgpu_ep_recv(ep->ep, mr, offset, len, context, silent ? NO_ENTRY : 0);
		if (ret == -ENOTCONN)
			ret = recv_late(ep, context, silent ? NO_ENTRY : 0);
	}
	if (!ret) {
		ep->rx_posted++;
		if (ep->ended)
			late_complete(ep);
		if (!(flags & FI_MORE))
			fabric_posted(f);
	}
	pthread_mutex_unlock(&f->lock);
	return errno_of(ret);
}

static ssize_t ep_recv(struct fid_ep *fid, void *buf, size_t len, void *desc, fi_addr_t from, void *context)
{
	struct ep *ep = ep_of(fid);

	(void)from;
	return do_recv(ep, buf, len, desc, context, ep->rx_flags);
}

static ssize_t ep_recvv(struct fid_ep *fid, const struct iovec *iov, void **desc, size_t count, fi_addr_t from, void *context)
{
	struct iovec v;
	void *d;

	if (one(iov, desc, count, &v, &d))
		return -FI_EINVAL;
	return ep_recv(fid, v.iov_base, v.iov_len, d, from, context);
}

static ssize_t ep_recvmsg(struct fid_ep *fid, const struct fi_msg *msg, uint64_t flags)
{
	struct iovec v;
	void *d;

	if (one(msg->msg_iov, msg->desc, msg->iov_count, &v, &d))
		return -FI_EINVAL;
	return do_recv(ep_of(fid), v.iov_base, v.iov_len, d, msg->context, flags);
}

typedef int (*post_t)(struct netgpu_ep *ep, const struct netgpu_msg *msg);

/* What a call asks for. */
struct request {
	post_t post;
	const void *buf;
	size_t len;
	void *desc;
	void *context;
	uint64_t flags;		/* of libfabric */
	uint64_t data;		/* with FI_REMOTE_CQ_DATA */
	uint64_t addr, key;
	bool no_context;	/* nor an entry, also where completions are not selective */
};

static ssize_t do_post(struct ep *ep, const struct request *r)
{
	struct fabric *f = ep->domain->fabric;
	struct netgpu_msg msg = {
		.length = r->len,
		.remote_offset = r->addr,
		.remote_key = r->key,
		.immediate = r->data,
		.user = r->context,
		.flags = (r->flags & FI_REMOTE_CQ_DATA ? NETGPU_MSG_IMMEDIATE : 0) |
			 (r->flags & (FI_DELIVERY_COMPLETE | FI_COMMIT_COMPLETE) ? NETGPU_MSG_DELIVERED : 0) |
			 (r->no_context ? NO_ENTRY | NO_CONTEXT : 0) |
			 (ep->tx_selective && !(r->flags & FI_COMPLETION) ? NO_ENTRY : 0),
	};
	ssize_t ret;

	pthread_mutex_lock(&f->lock);
	ret = f->error ? f->error : -FI_EAGAIN;
	if (r->flags & FI_INJECT) {
		msg.flags |= NETGPU_MSG_INJECT;
		msg.inject = bytes_of(r->buf, r->len, r->desc);
	} else if (r->len) {
		msg.mr = place(ep, r->buf, r->desc, &msg.offset);
	}
	if (ep->tx_posted >= ep->tx_size)
		fabric_progress(f);
	if (!f->error && ep->tx_posted < ep->tx_size && (msg.flags & NO_ENTRY || !cq_is_full(ep->tx)))
		ret = r->post(ep->ep, &msg);
	if (!ret) {
		ep->tx_posted++;
		/* Who injects may do something else for long. */
		if (!(r->flags & FI_MORE))
			fabric_posted(f);
	}
	pthread_mutex_unlock(&f->lock);
	return errno_of(ret);
}

static ssize_t ep_send(struct fid_ep *fid, const void *buf, size_t len, void *desc, fi_addr_t to, void *context)
{
	struct ep *ep = ep_of(fid);

	(void)to;
	return do_post(ep, &(struct request){
		.post = netgpu_ep_send, .buf = buf, .len = len, .desc = desc, .context = context, .flags = ep->tx_flags,
	});
}

static ssize_t ep_sendv(struct fid_ep *fid, const struct iovec *iov, void **desc, size_t count, fi_addr_t to, void *context)
{
	struct iovec v;
	void *d;

	if (one(iov, desc, count, &v, &d))
		return -FI_EINVAL;
	return ep_send(fid, v.iov_base, v.iov_len, d, to, context);
}

static ssize_t ep_sendmsg(struct fid_ep *fid, const struct fi_msg *msg, uint64_t flags)
{
	struct iovec v;
	void *d;

	if (one(msg->msg_iov, msg->desc, msg->iov_count, &v, &d))
		return -FI_EINVAL;
	return do_post(ep_of(fid), &(struct request){
		.post = netgpu_ep_send, .buf = v.iov_base, .len = v.iov_len, .desc = d, .context = msg->context,
		.flags = flags, .data = msg->data,
	});
}

static ssize_t ep_inject(struct fid_ep *fid, const void *buf, size_t len, fi_addr_t to)
{
	(void)to;
	return do_post(ep_of(fid), &(struct request){
		.post = netgpu_ep_send, .buf = buf, .len = len, .flags = FI_INJECT, .no_context = true,
	});
}

static ssize_t ep_senddata(struct fid_ep *fid, const void *buf, size_t len, void *desc, uint64_t data, fi_addr_t to, void *context)
{
	struct ep *ep = ep_of(fid);

	(void)to;
	return do_post(ep, &(struct request){
		.post = netgpu_ep_send, .buf = buf, .len = len, .desc = desc, .context = context,
		.flags = ep->tx_flags | FI_REMOTE_CQ_DATA, .data = data,
	});
}

static ssize_t ep_injectdata(struct fid_ep *fid, const void *buf, size_t len, uint64_t data, fi_addr_t to)
{
	(void)to;
	return do_post(ep_of(fid), &(struct request){
		.post = netgpu_ep_send, .buf = buf, .len = len, .flags = FI_INJECT | FI_REMOTE_CQ_DATA, .data = data,
		.no_context = true,
	});
}

static struct fi_ops_msg msg_ops = {
	.size = sizeof(struct fi_ops_msg),
	.recv = ep_recv,
	.recvv = ep_recvv,
	.recvmsg = ep_recvmsg,
	.send = ep_send,
	.sendv = ep_sendv,
	.sendmsg = ep_sendmsg,
	.inject = ep_inject,
	.senddata = ep_senddata,
	.injectdata = ep_injectdata,
};

static ssize_t ep_read(struct fid_ep *fid, void *buf, size_t len, void *desc, fi_addr_t from, uint64_t addr, uint64_t key,
		       void *context)
{
	struct ep *ep = ep_of(fid);

	(void)from;
	return do_post(ep, &(struct request){
		.post = netgpu_ep_read, .buf = buf, .len = len, .desc = desc, .context = context,
		.flags = ep->tx_flags & ~(uint64_t)FI_INJECT, .addr = addr, .key = key,
	});
}

static ssize_t ep_readv(struct fid_ep *fid, const struct iovec *iov, void **desc, size_t count, fi_addr_t from, uint64_t addr,
			uint64_t key, void *context)
{
	struct iovec v;
	void *d;

	if (one(iov, desc, count, &v, &d))
		return -FI_EINVAL;
	return ep_read(fid, v.iov_base, v.iov_len, d, from, addr, key, context);
}

/* As many bytes there as here; without any there may be no place, either. */
static int one_remote(const struct fi_msg_rma *msg, size_t len, struct fi_rma_iov *out)
{
	*out = msg->rma_iov_count ? msg->rma_iov[0] : (struct fi_rma_iov){ 0 };
	return msg->rma_iov_count <= 1 && out->len == len ? 0 : -FI_EINVAL;
}

static ssize_t ep_readmsg(struct fid_ep *fid, const struct fi_msg_rma *msg, uint64_t flags)
{
	struct fi_rma_iov remote;
	struct iovec v;
	void *d;

	if (one(msg->msg_iov, msg->desc, msg->iov_count, &v, &d) || one_remote(msg, v.iov_len, &remote))
		return -FI_EINVAL;
	return do_post(ep_of(fid), &(struct request){
		.post = netgpu_ep_read, .buf = v.iov_base, .len = v.iov_len, .desc = d, .context = msg->context,
		.flags = flags & ~(uint64_t)FI_INJECT, .addr = remote.addr, .key = remote.key,
	});
}

static ssize_t ep_write(struct fid_ep *fid, const void *buf, size_t len, void *desc, fi_addr_t to, uint64_t addr, uint64_t key,
			void *context)
{
	struct ep *ep = ep_of(fid);

	(void)to;
	return do_post(ep, &(struct request){
		.post = netgpu_ep_write, .buf = buf, .len = len, .desc = desc, .context = context, .flags = ep->tx_flags,
		.addr = addr, .key = key,
	});
}

static ssize_t ep_writev(struct fid_ep *fid, const struct iovec *iov, void **desc, size_t count, fi_addr_t to, uint64_t addr,
			 uint64_t key, void *context)
{
	struct iovec v;
	void *d;

	if (one(iov, desc, count, &v, &d))
		return -FI_EINVAL;
	return ep_write(fid, v.iov_base, v.iov_len, d, to, addr, key, context);
}

static ssize_t ep_writemsg(struct fid_ep *fid, const struct fi_msg_rma *msg, uint64_t flags)
{
	struct fi_rma_iov remote;
	struct iovec v;
	void *d;

	if (one(msg->msg_iov, msg->desc, msg->iov_count, &v, &d) || one_remote(msg, v.iov_len, &remote))
		return -FI_EINVAL;
	return do_post(ep_of(fid), &(struct request){
		.post = netgpu_ep_write, .buf = v.iov_base, .len = v.iov_len, .desc = d, .context = msg->context,
		.flags = flags, .data = msg->data, .addr = remote.addr, .key = remote.key,
	});
}

static ssize_t ep_inject_write(struct fid_ep *fid, const void *buf, size_t len, fi_addr_t to, uint64_t addr, uint64_t key)
{
	(void)to;
	return do_post(ep_of(fid), &(struct request){
		.post = netgpu_ep_write, .buf = buf, .len = len, .flags = FI_INJECT, .no_context = true,
		.addr = addr, .key = key,
	});
}

static ssize_t ep_writedata(struct fid_ep *fid, const void *buf, size_t len, void *desc, uint64_t data, fi_addr_t to,
			    uint64_t addr, uint64_t key, void *context)
{
	struct ep *ep = ep_of(fid);

	(void)to;
	return do_post(ep, &(struct request){
		.post = netgpu_ep_write, .buf = buf, .len = len, .desc = desc, .context = context,
		.flags = ep->tx_flags | FI_REMOTE_CQ_DATA, .data = data, .addr = addr, .key = key,
	});
}

static ssize_t ep_inject_writedata(struct fid_ep *fid, const void *buf, size_t len, uint64_t data, fi_addr_t to, uint64_t addr,
				   uint64_t key)
{
	(void)to;
	return do_post(ep_of(fid), &(struct request){
		.post = netgpu_ep_write, .buf = buf, .len = len, .flags = FI_INJECT | FI_REMOTE_CQ_DATA, .data = data,
		.no_context = true, .addr = addr, .key = key,
	});
}

static struct fi_ops_rma rma_ops = {
	.size = sizeof(struct fi_ops_rma),
	.read = ep_read,
	.readv = ep_readv,
	.readmsg = ep_readmsg,
	.write = ep_write,
	.writev = ep_writev,
	.writemsg = ep_writemsg,
	.inject = ep_inject_write,
	.writedata = ep_writedata,
	.injectdata = ep_inject_writedata,
};

/* --------------------------------------------------------------- endpoints */

static ssize_t ep_cancel(fid_t fid, void *context)
{
	struct ep *ep = container_of(fid, struct ep, fid.fid);
	struct fabric *f = ep->domain->fabric;
	ssize_t ret;

	pthread_mutex_lock(&f->lock);
	ret = netgpu_ep_cancel(ep->ep, context);
	fabric_posted(f);	/* somebody may wait for it */
	pthread_mutex_unlock(&f->lock);
	return errno_of(ret);
}

int get_option(fid_t fid, int level, int name, void *value, size_t *length)
{
	size_t room = *length, option;

	(void)fid;
	if (level != FI_OPT_ENDPOINT)
		return -FI_ENOPROTOOPT;
	if (name == FI_OPT_CM_DATA_SIZE)
		option = NETGPU_EP_DATA_MAX;
	else if (name == FI_OPT_MIN_MULTI_RECV)
		option = 0;
	else
		return -FI_ENOPROTOOPT;
	*length = sizeof(option);
	if (room < sizeof(option))
		return -FI_ETOOSMALL;
	memcpy(value, &option, sizeof(option));
	return 0;
}

static int ep_setopt(fid_t fid, int level, int name, const void *value, size_t length)
{
	(void)fid;
	(void)value;
	(void)length;
	/* There is no other memory than what has been registered. */
	if (level == FI_OPT_ENDPOINT && name == FI_OPT_CUDA_API_PERMITTED)
		return 0;
	return -FI_ENOPROTOOPT;
}

static ssize_t left(struct fid_ep *fid, bool rx)
{
	struct ep *ep = ep_of(fid);
	struct fabric *f = ep->domain->fabric;
	ssize_t n;

	pthread_mutex_lock(&f->lock);
	n = rx ? ep->rx_size - ep->rx_posted : ep->tx_size - ep->tx_posted;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static ssize_t ep_rx_size_left(struct fid_ep *fid)
{
	return left(fid, true);
}

static ssize_t ep_tx_size_left(struct fid_ep *fid)
{
	return left(fid, false);
}

static int no_tx_ctx(struct fid_ep *fid, int index, struct fi_tx_attr *attr, struct fid_ep **tx, void *context)
{
	(void)fid;
	(void)index;
	(void)attr;
	(void)tx;
	(void)context;
	return -FI_ENOSYS;
}

static int no_rx_ctx(struct fid_ep *fid, int index, struct fi_rx_attr *attr, struct fid_ep **rx, void *context)
{
	(void)fid;
	(void)index;
	(void)attr;
	(void)rx;
	(void)context;
	return -FI_ENOSYS;
}

static struct fi_ops_ep ep_ops = {
	.size = sizeof(struct fi_ops_ep),
	.cancel = ep_cancel,
	.getopt = get_option,
	.setopt = ep_setopt,
	.tx_ctx = no_tx_ctx,
	.rx_ctx = no_rx_ctx,
	.rx_size_left = ep_rx_size_left,
	.tx_size_left = ep_tx_size_left,
};

static int bind_cq(struct ep *ep, struct cq *cq, uint64_t flags)
{
	if (cq->domain != ep->domain || !(flags & (FI_TRANSMIT | FI_RECV)) ||
	    (flags & FI_TRANSMIT && ep->tx) || (flags & FI_RECV && ep->rx))
		return -FI_EINVAL;
	if (flags & FI_TRANSMIT) {
		ep->tx = cq;
		ep->tx_selective = flags & FI_SELECTIVE_COMPLETION;
		cq->users++;
	}
	if (flags & FI_RECV) {
		ep->rx = cq;
		ep->rx_selective = flags & FI_SELECTIVE_COMPLETION;
		cq->users++;
	}
	return 0;
}

static int bind_cntr(struct ep *ep, struct cntr *cntr, uint64_t flags)
{
	static const uint64_t of[COUNTS] = {
		[COUNT_SEND] = FI_SEND, [COUNT_RECV] = FI_RECV, [COUNT_READ] = FI_READ, [COUNT_WRITE] = FI_WRITE,
	};
	unsigned int i;

	if (cntr->domain != ep->domain)
		return -FI_EINVAL;
	/* FI_RMA_EVENT, which is not offered. */
	if (flags & (FI_REMOTE_READ | FI_REMOTE_WRITE))
		return -FI_ENOSYS;
	for (i = 0; i < COUNTS; i++) {
		if (!(flags & of[i]) || ep->cntr[i])
			continue;
		ep->cntr[i] = cntr;
		cntr->users++;
	}
	return 0;
}

static int bind_to(struct ep *ep, struct fid *to, uint64_t flags)
{
	switch (to->fclass) {
	case FI_CLASS_EQ:
		if (ep->eq)
			return -FI_EINVAL;
		ep->eq = container_of(to, struct eq, fid.fid);
		ep->eq->users++;
		return 0;
	case FI_CLASS_CQ:
		return bind_cq(ep, container_of(to, struct cq, fid.fid), flags);
	case FI_CLASS_CNTR:
		return bind_cntr(ep, container_of(to, struct cntr, fid.fid), flags);
	default:
		return -FI_EINVAL;
	}
}

static int ep_bind(struct fid *fid, struct fid *to, uint64_t flags)
{
	struct ep *ep = container_of(fid, struct ep, fid.fid);
	struct fabric *f = ep->domain->fabric;
	int ret;

	pthread_mutex_lock(&f->lock);
	ret = bind_to(ep, to, flags);
	pthread_mutex_unlock(&f->lock);
	return ret;
}

static int ep_control(struct fid *fid, int command, void *arg)
{
	struct ep *ep = container_of(fid, struct ep, fid.fid);

	(void)arg;
	if (command != FI_ENABLE)
		return -FI_ENOSYS;
	return ep->tx || ep->rx ? 0 : -FI_ENOCQ;
}

static void unbind(struct ep *ep)
{
	unsigned int i;

	if (ep->eq) {
		eq_forget(ep->eq, &ep->fid.fid);
		ep->eq->users--;
	}
	if (ep->tx)
		ep->tx->users--;
	if (ep->rx)
		ep->rx->users--;
	for (i = 0; i < COUNTS; i++)
		if (ep->cntr[i])
			ep->cntr[i]->users--;
}

static int close_ep(void *arg)
{
	struct ep *ep = arg;
	struct fabric *f = ep->domain->fabric;

	/* Programs free what they have posted when they read of it. */
	netgpu_ep_abort(ep->ep);
	fabric_flush(f, ep);
	late_complete(ep);
	netgpu_ep_close(ep->ep);
	connreq_free(f, ep->connreq);
	if (ep->listener)
		listener_put(f, ep->listener);
	listeners_close(f);
	cq_forget(ep);
	unbind(ep);
	ep->domain->users--;
	return 0;
}

static int ep_close(struct fid *fid)
{
	struct ep *ep = container_of(fid, struct ep, fid.fid);

	fabric_call(ep->domain->fabric, close_ep, ep);
	free(ep);
	return 0;
}

static struct fi_ops ep_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = ep_close,
	.bind = ep_bind,
	.control = ep_control,
	.ops_open = no_ops_open,
};

/* With the handle of a request, or of a passive endpoint, whose address it takes over. */
static int open_engine(struct ep *ep, const struct fi_info *info)
{
	struct fabric *f = ep->domain->fabric;
	struct connreq *c = connreq_find(f, info->handle);
	struct pep *pep = NULL;
	int ret;

	if (c) {
		if (c->user)
			return -FI_EINVAL;
		c->user = ep;
		ep->connreq = c;
		ep->ep = c->ep;
		ep->ended = c->ended;
		netgpu_ep_set_user(ep->ep, ep);
		return 0;
	}
	if (info->handle) {
		pep = pep_find(f, info->handle);
		if (!pep || pep->listener)
			return -FI_EINVAL;
		ret = pep_reserve(pep);
		if (ret)
			return ret;
	}
	ret = netgpu_ep_open(f->engine, ep, &ep->ep);
	if (ret)
		return errno_of(ret);
	if (pep)
		ret = netgpu_ep_bind(ep->ep, (struct sockaddr *)&pep->address, pep->address_length);
	else if (info->src_addr && !is_any(info->src_addr))
		ret = netgpu_ep_bind(ep->ep, info->src_addr, info->src_addrlen);
	if (ret)
		netgpu_ep_close(ep->ep);
	else if (pep)
		pep_release(pep);
	return errno_of(ret);
}

int ep_open(struct fid_domain *domain, struct fi_info *info, struct fid_ep **out, void *context)
{
	struct domain *d = container_of(domain, struct domain, fid);
	struct ep *ep;
	int ret;

	if (!info || (info->ep_attr && info->ep_attr->type != FI_EP_MSG) ||
	    (info->src_addr && !is_address(info->src_addr, info->src_addrlen)) ||
	    (info->dest_addr && !is_address(info->dest_addr, info->dest_addrlen)))
		return -FI_EINVAL;
	ep = calloc(1, sizeof(*ep));
	if (!ep)
		return -FI_ENOMEM;
	if (info->dest_addr) {
		memcpy(&ep->peer, info->dest_addr, info->dest_addrlen);
		ep->peer_length = info->dest_addrlen;
	}
	ep->domain = d;
	ep->late_end = &ep->late;
	ep->tx_flags = info->tx_attr ? info->tx_attr->op_flags : 0;
	ep->rx_flags = info->rx_attr ? info->rx_attr->op_flags : 0;
	ep->tx_size = info->tx_attr && info->tx_attr->size ? info->tx_attr->size : SIZE;
	ep->rx_size = info->rx_attr && info->rx_attr->size ? info->rx_attr->size : SIZE;
	ep->fid.fid.fclass = FI_CLASS_EP;
	ep->fid.fid.context = context;
	ep->fid.fid.ops = &ep_fid_ops;
	ep->fid.ops = &ep_ops;
	ep->fid.cm = &ep_cm_ops;
	ep->fid.msg = &msg_ops;
	ep->fid.rma = &rma_ops;
	pthread_mutex_lock(&d->fabric->lock);
	ret = open_engine(ep, info);
	if (!ret)
		d->users++;
	pthread_mutex_unlock(&d->fabric->lock);
	if (ret) {
		free(ep);
		return ret;
	}
	*out = &ep->fid;
	return 0;
}
