// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: attach, pin and map a range of a dma-buf for a network device.
 */
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "internal.h"

MODULE_IMPORT_NS("DMA_BUF");

static LIST_HEAD(netgpu_regions);
static DEFINE_MUTEX(netgpu_regions_lock);

static const struct dma_buf_attach_ops netgpu_attach_pinned_ops = {
	.allow_peer2peer = true,
};

static const struct dma_buf_attach_ops netgpu_attach_pinned_revocable_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = netgpu_region_invalidate,
};

/* Keep the part of the exporter's mapping that the region covers. */
static int netgpu_region_fill_sgt(struct netgpu_region *region)
{
	u64 start = region->offset, end = start + region->length;
	struct scatterlist *sg, *to;
	unsigned int i, nents = 0;
	u64 pos = 0;
	int err;

	for_each_sgtable_dma_sg(region->mapping, sg, i) {
		u64 next = pos + sg_dma_len(sg);

		nents += next > start && pos < end;
		pos = next;
	}
	if (pos < end)
		return -EINVAL;

	err = sg_alloc_table(&region->sgt, nents, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;

	pos = 0;
	to = region->sgt.sgl;
	for_each_sgtable_dma_sg(region->mapping, sg, i) {
		u64 next = pos + sg_dma_len(sg);

		if (next > start && pos < end) {
			u64 from = max(pos, start);

			sg_dma_address(to) = sg_dma_address(sg) + (from - pos);
			sg_dma_len(to) = min(next, end) - from;
			to = sg_next(to);
		}
		pos = next;
	}
	return 0;
}

static int netgpu_region_map(struct netgpu_region *region, u32 flags,
			     struct netlink_ext_ack *extack)
{
	struct dma_buf *dmabuf = region->dmabuf;
	struct sg_table *mapping;
	long err;

	dma_resv_assert_held(dmabuf->resv);

	err = dma_buf_pin(region->attach);
	if (err) {
		NL_SET_ERR_MSG(extack,
			       "the exporter could not pin the buffer where this device can reach it");
		return err;
	}

	mapping = dma_buf_map_attachment(region->attach, region->dir);
	if (IS_ERR(mapping)) {
		err = PTR_ERR(mapping);
		if (err == -EINVAL && (flags & NETGPU_REGION_REQUIRE_P2P))
			err = -EXDEV;
		NL_SET_ERR_MSG(extack,
			       "no peer-to-peer path to the buffer: put both devices below one PCIe switch, or use a host bridge that forwards between its ports");
		goto err_unpin;
	}
	region->mapping = mapping;

	/* The exporter may still be moving the content to where it is pinned. */
	err = dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_KERNEL, false,
				    MAX_SCHEDULE_TIMEOUT);
	if (err < 0)
		goto err_unmap;

	err = netgpu_region_fill_sgt(region);
	if (err) {
		if (err == -EINVAL)
			NL_SET_ERR_MSG(extack, "the exporter mapped less than the dma-buf's size");
		goto err_unmap;
	}

	region->placement = netgpu_placement(region->dev, &region->sgt);
	if ((flags & NETGPU_REGION_REQUIRE_P2P) &&
	    region->placement != NETGPU_PLACEMENT_DEVICE) {
		if (region->attach->peer2peer)
			NL_SET_ERR_MSG(extack,
				       "the buffer is host memory: allocate it in device memory, or drop REQUIRE_P2P");
		else
			NL_SET_ERR_MSG(extack,
				       "the exporter declined peer-to-peer and moved the buffer to host memory: put both devices below one PCIe switch, or drop REQUIRE_P2P");
		err = -EXDEV;
		goto err_free_sgt;
	}
	return 0;

err_free_sgt:
	sg_free_table(&region->sgt);
err_unmap:
	region->mapping = NULL;
	dma_buf_unmap_attachment(region->attach, mapping, region->dir);
err_unpin:
	dma_buf_unpin(region->attach);
	return err;
}

static int netgpu_region_check_range(const struct dma_buf *dmabuf, u64 offset,
				     u64 length, struct netlink_ext_ack *extack)
{
	u64 end;

	if (!length) {
		NL_SET_ERR_MSG(extack, "the length is zero: give a multiple of the page size");
		return -ENODATA;
	}
	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(length)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "offset and length must be multiples of the page size, %lu bytes",
				   PAGE_SIZE);
		return -EDOM;
	}
	if (check_add_overflow(offset, length, &end)) {
		NL_SET_ERR_MSG(extack, "offset + length does not fit in 64 bits");
		return -EOVERFLOW;
	}
	if (end > dmabuf->size) {
		NL_SET_ERR_MSG_FMT(extack, "the range ends at %llu, the dma-buf at %zu",
				   end, dmabuf->size);
		return -ERANGE;
	}
	return 0;
}

/**
 * netgpu_region_create - attach, pin and map a range of a dma-buf
 * @dmabuf: the buffer; the region takes a reference of its own.
 * @params: device, range and flags.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * The attachment allows peer-to-peer, so the exporter may leave the buffer in
 * device memory. Unless @params->dir is DMA_TO_DEVICE it is revocable too: the
 * exporter may end it, see netgpu_region_bind().
 *
 * Context: process context. Takes the reservation lock of @dmabuf; the netdev
 * instance lock may be held.
 *
 * Return: the region, to be released with netgpu_region_put(), or an ERR_PTR:
 * -ENODATA, -EDOM, -EOVERFLOW, -ERANGE for a bad range, -EXDEV where
 * NETGPU_REGION_REQUIRE_P2P cannot be met, -ENOMEM, or what the exporter said.
 */
struct netgpu_region *
netgpu_region_create(struct dma_buf *dmabuf,
		     const struct netgpu_region_params *params,
		     struct netlink_ext_ack *extack)
{
	const struct dma_buf_attach_ops *ops = &netgpu_attach_pinned_revocable_ops;
	struct netgpu_region *region;
	int err;

	err = netgpu_region_check_range(dmabuf, params->offset, params->length,
					extack);
	if (err)
		return ERR_PTR(err);

	region = kzalloc_obj(*region, GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);

	refcount_set(&region->refs, 1);
	spin_lock_init(&region->lock);
	init_waitqueue_head(&region->wait);
	INIT_WORK(&region->revoke_work, netgpu_revoke_work);
	region->dir = params->dir;
	region->offset = params->offset;
	region->length = params->length;
	region->queue = params->queue;
	region->netdev = params->netdev;
	if (params->netdev)
		region->ifindex = params->netdev->ifindex;

	if (params->dir == DMA_TO_DEVICE)
		ops = &netgpu_attach_pinned_ops;
	region->attach = dma_buf_dynamic_attach(dmabuf, params->dev, ops, region);
	if (IS_ERR(region->attach)) {
		err = PTR_ERR(region->attach);
		NL_SET_ERR_MSG_FMT(extack, "exporter %s refused to attach the device, error %d",
				   dmabuf->exp_name, err);
		goto err_free;
	}
	get_dma_buf(dmabuf);
	region->dmabuf = dmabuf;
	region->dev = get_device(params->dev);

	dma_resv_lock(dmabuf->resv, NULL);
	err = netgpu_region_map(region, params->flags, extack);
	dma_resv_unlock(dmabuf->resv);
	if (err)
		goto err_detach;

	scoped_guard(mutex, &netgpu_regions_lock)
		list_add_tail(&region->list, &netgpu_regions);
	return region;

err_detach:
	put_device(region->dev);
	dma_buf_detach(dmabuf, region->attach);
	dma_buf_put(dmabuf);
err_free:
	kfree(region);
	return ERR_PTR(err);
}

void netgpu_region_unmap_locked(struct netgpu_region *region)
{
	struct sg_table *mapping = region->mapping;

	dma_resv_assert_held(region->dmabuf->resv);

	if (!mapping)
		return;
	WRITE_ONCE(region->mapping, NULL);
	dma_buf_unmap_attachment(region->attach, mapping, region->dir);
	dma_buf_unpin(region->attach);
}

/* Nothing may access the memory any more. */
void netgpu_region_unmap(struct netgpu_region *region)
{
	dma_resv_lock(region->dmabuf->resv, NULL);
	netgpu_region_unmap_locked(region);
	dma_resv_unlock(region->dmabuf->resv);
	wake_up_all(&region->wait);
}

/**
 * netgpu_region_put - drop a reference
 * @region: the region; unmapped and freed with the last reference.
 *
 * Context: process context, as it may take the reservation lock.
 */
void netgpu_region_put(struct netgpu_region *region)
{
	if (!refcount_dec_and_test(&region->refs))
		return;

	WARN_ON_ONCE(region->user);

	scoped_guard(mutex, &netgpu_regions_lock)
		list_del(&region->list);

	netgpu_region_unmap(region);
	dma_buf_detach(region->dmabuf, region->attach);
	dma_buf_put(region->dmabuf);
	put_device(region->dev);
	sg_free_table(&region->sgt);
	kfree(region);
}

/**
 * netgpu_region_device - the DMA device a region is mapped for
 * @region: the region.
 *
 * Return: the device, valid as long as the region.
 */
struct device *netgpu_region_device(const struct netgpu_region *region)
{
	return region->dev;
}

/**
 * netgpu_region_length - size of a region
 * @region: the region.
 *
 * Return: bytes, a multiple of PAGE_SIZE.
 */
u64 netgpu_region_length(const struct netgpu_region *region)
{
	return region->length;
}

/**
 * netgpu_region_sgt - DMA addresses of a region
 * @region: a bound region.
 *
 * Return: a table that holds DMA addresses and lengths only, no pages. Valid
 * until netgpu_region_unbind().
 */
struct sg_table *netgpu_region_sgt(struct netgpu_region *region)
{
	return &region->sgt;
}

u32 netgpu_region_state(struct netgpu_region *region)
{
	guard(spinlock)(&region->lock);

	if (region->revoked)
		return NETGPU_STATE_REVOKED;
	return region->user ? NETGPU_STATE_BOUND : NETGPU_STATE_IDLE;
}

void netgpu_regions_count(unsigned long *regions, u64 *bytes)
{
	struct netgpu_region *region;

	*regions = 0;
	*bytes = 0;

	guard(mutex)(&netgpu_regions_lock);
	list_for_each_entry(region, &netgpu_regions, list) {
		(*regions)++;
		if (READ_ONCE(region->mapping))
			*bytes += region->length;
	}
}

/**
 * netgpu_regions_end - a network device goes away
 * @netdev: the device, already without memory providers.
 *
 * Its driver is about to lose the DMA device, so an idle region is unmapped
 * here and now. One that is still bound is revoked like any other.
 */
void netgpu_regions_end(const struct net_device *netdev)
{
	struct netgpu_region *region;

	guard(mutex)(&netgpu_regions_lock);
	list_for_each_entry(region, &netgpu_regions, list) {
		if (region->netdev != netdev)
			continue;
		netgpu_region_revoke(region);
		if (!READ_ONCE(region->user))
			netgpu_region_unmap(region);
	}
}
