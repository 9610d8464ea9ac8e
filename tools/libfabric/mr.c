// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Registered memory: of the process, and of dma-bufs. */
#include <stdlib.h>
#include <unistd.h>

#include "provider.h"

static int close_mr(void *arg)
{
	struct mr *mr = arg;
	int ret = netgpu_mr_close(mr->mr);

	/* The ring may have been full of what is taken now. */
	if (ret == -EAGAIN || ret == -EOVERFLOW) {
		fabric_progress(mr->domain->fabric);
		ret = netgpu_mr_close(mr->mr);
	}
	if (ret)
		return ret;
	copier_remove(mr->domain->fabric, mr);
	mr->domain->users--;
	return 0;
}

static int mr_close(struct fid *fid)
{
	struct mr *mr = container_of(fid, struct mr, fid.fid);
	int ret = fabric_call(mr->domain->fabric, close_mr, mr);

	if (ret)
		return ret;
	netgpu_memory_close(mr->memory);
	free(mr);
	return 0;
}

static struct fi_ops mr_fid_ops = {
	.size = sizeof(struct fi_ops),
	.close = mr_close,
	.bind = no_bind,
	.control = no_control,
	.ops_open = no_ops_open,
};

static unsigned int rights(uint64_t access)
{
	return (access & FI_REMOTE_READ ? NETGPU_MR_REMOTE_READ : 0) |
	       (access & FI_REMOTE_WRITE ? NETGPU_MR_REMOTE_WRITE : 0);
}

/* What is received into whole pages the device can put there. */
static unsigned int in_place(const struct mr *mr, const struct fi_mr_dmabuf *b, uint64_t access, uint64_t page)
{
	return mr->domain->fabric->in_place && access & FI_RECV && !(b->offset % page) && !(b->len % page) ? NETGPU_MR_IN_PLACE : 0;
}

static int open_dmabuf(struct mr *mr, const struct fi_mr_dmabuf *b, uint64_t access)
{
	uint64_t page = sysconf(_SC_PAGESIZE), start = b->offset / page * page;
	int ret;

	ret = netgpu_memory_import(b->fd, start, b->offset - start + b->len, &mr->memory);
	if (ret)
		return ret;
	mr->start = (const char *)b->base_addr + b->offset;
	mr->bytes = (const char *)netgpu_memory_map(mr->memory) + (b->offset - start);
	mr->length = b->len;
	ret = netgpu_mr_open(mr->domain->fabric->engine, mr->memory, b->offset - start, b->len,
			     rights(access) | in_place(mr, b, access, page), &mr->mr);
	if (!ret)
		copier_add(mr->domain->fabric, mr);
	return ret;
}

static int open_host(struct mr *mr, const struct iovec *iov, uint64_t access)
{
	mr->start = mr->bytes = iov->iov_base;
	mr->length = iov->iov_len ? iov->iov_len : 1;
	return netgpu_mr_open(mr->domain->fabric->engine, NULL, (uintptr_t)mr->start, mr->length, rights(access),
			      &mr->mr);
}

struct registration {
	struct mr *mr;
	const struct fi_mr_attr *attr;
	uint64_t flags;
};

static int open_mr(void *arg)
{
	struct registration *r = arg;
	int ret;

	if (r->flags & FI_MR_DMABUF)
		ret = open_dmabuf(r->mr, r->attr->dmabuf, r->attr->access);
	else
		ret = open_host(r->mr, r->attr->mr_iov, r->attr->access);
	if (!ret)
		r->mr->domain->users++;
	else
		FI_WARN(&provider, FI_LOG_MR, "%s\n", netgpu_error());
	return ret;
}

static int regattr(struct fid *fid, const struct fi_mr_attr *attr, uint64_t flags, struct fid_mr **out)
{
	struct domain *d = container_of(fid, struct domain, fid.fid);
	struct registration r = { .attr = attr, .flags = flags };
	struct mr *mr;
	int ret;

	if (fid->fclass != FI_CLASS_DOMAIN || attr->iov_count > 1 || (!attr->iov_count && !(flags & FI_MR_DMABUF)))
		return -FI_EINVAL;
	if (flags & ~(uint64_t)(FI_MR_DMABUF | FI_HMEM_DEVICE_ONLY | FI_HMEM_HOST_ALLOC))
		return -FI_EBADFLAGS;
	/* As a dma-buf, which says what it is, or where the host has it. */
	if (!(flags & (FI_MR_DMABUF | FI_HMEM_HOST_ALLOC)) && attr->iface != FI_HMEM_SYSTEM)
		return -FI_EOPNOTSUPP;
	mr = calloc(1, sizeof(*mr));
	if (!mr)
		return -FI_ENOMEM;
	mr->domain = d;
	r.mr = mr;
	ret = fabric_call(d->fabric, open_mr, &r);
	if (ret) {
		netgpu_memory_close(mr->memory);
		free(mr);
		return ret;
	}
	mr->fid.fid.fclass = FI_CLASS_MR;
	mr->fid.fid.context = attr->context;
	mr->fid.fid.ops = &mr_fid_ops;
	mr->fid.mem_desc = mr;
	mr->fid.key = netgpu_mr_key(mr->mr);
	*out = &mr->fid;
	return 0;
}

static int regv(struct fid *fid, const struct iovec *iov, size_t count, uint64_t access, uint64_t offset,
		uint64_t requested_key, uint64_t flags, struct fid_mr **mr, void *context)
{
	struct fi_mr_attr attr = {
		.mr_iov = iov,
		.iov_count = count,
		.access = access,
		.offset = offset,
		.requested_key = requested_key,
		.context = context,
		.iface = FI_HMEM_SYSTEM,
	};

	return count == 1 ? regattr(fid, &attr, flags, mr) : -FI_EINVAL;
}

static int reg(struct fid *fid, const void *buf, size_t len, uint64_t access, uint64_t offset, uint64_t requested_key,
	       uint64_t flags, struct fid_mr **mr, void *context)
{
	const struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

	return regv(fid, &iov, 1, access, offset, requested_key, flags, mr, context);
}

struct fi_ops_mr mr_ops = {
	.size = sizeof(struct fi_ops_mr),
	.reg = reg,
	.regv = regv,
	.regattr = regattr,
};
