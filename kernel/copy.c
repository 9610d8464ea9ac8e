// SPDX-License-Identifier: GPL-2.0
/*
 * Stray bytes: payload that arrived in host memory, and belongs in a region.
 */
#include <linux/dma-resv.h>
#include <linux/export.h>

#include "internal.h"
#include "trace.h"

static int netgpu_region_copy_locked(struct netgpu_region *region, u64 offset,
				     const void *from, size_t length)
{
	struct netgpu_attachment *attachment = region->attachment;
	struct dma_buf *dmabuf = region->buffer->dmabuf;
	int err;

	dma_resv_assert_held(dmabuf->resv);

	if (region->ended || region->revoked)
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

int netgpu_region_copy(struct netgpu_region *region, u64 offset,
		       const void *from, size_t length,
		       enum netgpu_copy_cause cause)
{
	struct dma_buf *dmabuf = region->buffer->dmabuf;
	int err;

	if (WARN_ON_ONCE(offset > region->length ||
			 length > region->length - offset))
		return -ERANGE;

	err = dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE);
	if (err)
		return err;

	dma_resv_lock(dmabuf->resv, NULL);
	err = netgpu_region_copy_locked(region, offset, from, length);
	if (!err)
		region->copied[cause] += length;
	else if (err == -EOPNOTSUPP)
		region->copy_refused += length;
	dma_resv_unlock(dmabuf->resv);

	dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE);
	trace_netgpu_copy(region, offset, length, cause, err);
	return err;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_copy, "NETGPU");
