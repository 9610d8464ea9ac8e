// SPDX-License-Identifier: GPL-2.0
/*
 * Stray bytes: payload that arrived in host memory, and belongs in a region.
 */
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/jiffies.h>

#include "internal.h"
#include "trace.h"

/* How long a receive, with its socket locked, waits for the GPU. */
#define NETGPU_COPY_WAIT_MS	100

static int netgpu_copy_locked(struct netgpu_region *region, void *priv,
			      u64 offset, const void *from, size_t length)
{
	struct netgpu_attachment *attachment = region->attachment;
	struct dma_buf *dmabuf = region->dmabuf;
	int err;

	dma_resv_assert_held(dmabuf->resv);

	/* The receive may be the last one of a ring that is on its way out. */
	if (region->state != NETGPU_LIFE_BOUND || region->user_privs[NETGPU_USE_RX] != priv)
		return -ENODEV;
	if (!dmabuf->ops->vmap)
		return -EOPNOTSUPP;

	/* Kept until the memory is unmapped: where one stray is, more are. */
	if (iosys_map_is_null(&attachment->vmap)) {
		err = dma_buf_vmap(dmabuf, &attachment->vmap);
		if (err)
			return err;
	}
	iosys_map_memcpy_to(&attachment->vmap, region->offset + offset, from,
			    length);
	if (attachment->vmap.is_iomem) {
		/* It may be mapped write-combining; who reads it is told next. */
		wmb();
	}
	return 0;
}

static int netgpu_copy(struct netgpu_region *region, void *priv, u64 offset,
		       const void *from, size_t length,
		       enum netgpu_copy_cause cause)
{
	struct dma_resv *resv = region->dmabuf->resv;
	int err;

	err = dma_resv_lock_interruptible(resv, NULL);
	if (err)
		return err;
	err = netgpu_copy_locked(region, priv, offset, from, length);
	if (!err)
		region->copied[cause] += length;
	else if (err == -EOPNOTSUPP)
		region->copy_refused += length;
	dma_resv_unlock(resv);
	return err;
}

/*
 * A job that uses the buffer may itself wait for what is to be copied. So the
 * GPU is waited for in bounded time, although dma_buf_begin_cpu_access() would
 * do it as well. For a fence that is added in between, that does, until a signal.
 */
static int netgpu_begin_cpu_access(struct dma_buf *dmabuf,
				   enum dma_data_direction dir)
{
	long left;

	left = dma_resv_wait_timeout(dmabuf->resv, dma_resv_usage_rw(true), true,
				     msecs_to_jiffies(NETGPU_COPY_WAIT_MS));
	if (left < 0)
		return left;
	if (!left)
		return -ETIMEDOUT;
	return dma_buf_begin_cpu_access(dmabuf, dir);
}

int netgpu_region_copy(struct netgpu_region *region, void *priv, u64 offset,
		       const void *from, size_t length,
		       enum netgpu_copy_cause cause)
{
	enum dma_data_direction dir = DMA_TO_DEVICE;
	struct dma_buf *dmabuf = region->dmabuf;
	int err;

	if (WARN_ON_ONCE(offset > region->length ||
			 length > region->length - offset))
		return -ERANGE;

	if (region->placement == NETGPU_PLACEMENT_DEVICE) {
		err = netgpu_copy(region, priv, offset, from, length, cause);
	} else {
		/* The DMA API compares it with what was mapped. */
		if (region->attachment->dir == DMA_FROM_DEVICE)
			dir = DMA_FROM_DEVICE;
		err = netgpu_begin_cpu_access(dmabuf, dir);
		if (!err) {
			err = netgpu_copy(region, priv, offset, from, length, cause);
			dma_buf_end_cpu_access(dmabuf, dir);
		}
	}
	if (err == -EINTR)
		err = -ERESTARTSYS;
	trace_netgpu_copy(region, offset, length, cause, err);
	return err;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_copy, "NETGPU");
