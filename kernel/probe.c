// SPDX-License-Identifier: GPL-2.0
/*
 * Probe: would a device reach a dma-buf, and how?
 */
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/netlink.h>

#include "internal.h"

/* A move while nothing is pinned is the exporter's right, and no concern. */
static void netgpu_probe_invalidate(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_attach_ops netgpu_attach_probe_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = netgpu_probe_invalidate,
};

static int netgpu_probe_mapping(struct dma_buf_attachment *attach,
				struct sg_table *mapping, u64 offset,
				u64 length, bool require_p2p,
				struct netgpu_reach *reach,
				struct netlink_ext_ack *extack)
{
	struct sg_table sgt;
	int err;

	err = netgpu_sgt_range(&sgt, mapping, offset, length);
	if (err) {
		if (err == -EINVAL)
			NL_SET_ERR_MSG(extack, "the exporter mapped less than the dma-buf's size");
		return err;
	}
	netgpu_reach(attach->dev, &sgt, reach);
	sg_free_table(&sgt);

	if (reach->placement == NETGPU_PLACEMENT_DEVICE)
		return 0;

	if (attach->peer2peer)
		NL_SET_ERR_MSG(extack,
			       "the buffer is host memory: allocate it in device memory to receive into that");
	else
		NL_SET_ERR_MSG(extack,
			       "the exporter declined peer-to-peer, so the buffer would be in host memory: put both devices below one PCIe switch");
	return require_p2p ? -EXDEV : 0;
}

/**
 * netgpu_probe - find out what a region would be like, without making one
 * @dmabuf: the buffer.
 * @dev: DMA device.
 * @offset: first byte of the range.
 * @length: bytes in the range.
 * @require_p2p: fail when DMA would end in host memory.
 * @reach: where to put what was found.
 * @extack: receives the reason of a refusal, or why placement is host; may be
 *	NULL.
 *
 * Attaches and maps, but does not pin.
 *
 * Context: process context. Takes the reservation lock of @dmabuf; the netdev
 * instance lock may be held.
 *
 * Return: 0, or what netgpu_region_create() would return.
 */
int netgpu_probe(struct dma_buf *dmabuf, struct device *dev, u64 offset,
		 u64 length, bool require_p2p, struct netgpu_reach *reach,
		 struct netlink_ext_ack *extack)
{
	struct dma_buf_attachment *attach;
	struct sg_table *mapping;
	int err;

	err = netgpu_check_range(dmabuf, offset, length, extack);
	if (err)
		return err;
	err = netgpu_check_exporter(dmabuf, extack);
	if (err)
		return err;

	attach = dma_buf_dynamic_attach(dmabuf, dev, &netgpu_attach_probe_ops,
					NULL);
	if (IS_ERR(attach)) {
		err = PTR_ERR(attach);
		NL_SET_ERR_MSG_FMT(extack, "exporter %s refused to attach the device, error %d",
				   dmabuf->exp_name, err);
		return err;
	}

	err = netgpu_check_peer2peer(attach, require_p2p, extack);
	if (err)
		goto out_detach;

	dma_resv_lock(dmabuf->resv, NULL);
	mapping = netgpu_map(attach, DMA_FROM_DEVICE, require_p2p, extack);
	if (IS_ERR(mapping)) {
		err = PTR_ERR(mapping);
	} else {
		err = netgpu_probe_mapping(attach, mapping, offset, length,
					   require_p2p, reach, extack);
		netgpu_unmap(attach, mapping, DMA_FROM_DEVICE);
	}
	dma_resv_unlock(dmabuf->resv);
out_detach:
	dma_buf_detach(dmabuf, attach);
	return err;
}
