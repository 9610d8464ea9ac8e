// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: attach, pin and map a range of a dma-buf for a network device.
 */
#include <linux/cred.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/overflow.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "internal.h"

static LIST_HEAD(netgpu_regions);

/**
 * netgpu_sgt_range - the part of a mapping that covers a range
 * @to: the part, DMA addresses and lengths only. To be freed with
 *	sg_free_table().
 * @from: the mapping.
 * @offset: first byte of the range.
 * @length: bytes in the range, not 0.
 *
 * Return: 0, -EINVAL when the mapping ends before the range, -ENOMEM.
 */
int netgpu_sgt_range(struct sg_table *to, struct sg_table *from, u64 offset,
		     u64 length)
{
	u64 end = offset + length;
	struct scatterlist *in, *out;
	unsigned int i, nents = 0;
	u64 pos = 0;
	int err;

	for_each_sgtable_dma_sg(from, in, i) {
		u64 next = pos + sg_dma_len(in);

		nents += next > offset && pos < end;
		pos = next;
	}
	if (pos < end)
		return -EINVAL;

	err = sg_alloc_table(to, nents, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;

	pos = 0;
	out = to->sgl;
	for_each_sgtable_dma_sg(from, in, i) {
		u64 next = pos + sg_dma_len(in);

		if (next > offset && pos < end) {
			u64 start = max(pos, offset);

			sg_dma_address(out) = sg_dma_address(in) + (start - pos);
			sg_dma_len(out) = min(next, end) - start;
			out = sg_next(out);
		}
		pos = next;
	}
	return 0;
}

/* Map, find the placement, and be one of the attachment's regions. */
static int netgpu_region_map(struct netgpu_region *region, u32 flags,
			     struct netlink_ext_ack *extack)
{
	struct netgpu_attachment *attachment = region->attachment;
	bool require_p2p = flags & NETGPU_REGION_REQUIRE_P2P;
	int err;

	dma_resv_assert_held(region->buffer->dmabuf->resv);

	err = netgpu_attachment_map(attachment, require_p2p, extack);
	if (err)
		return err;

	err = netgpu_sgt_range(&region->sgt, attachment->mapping,
			       region->offset, region->length);
	if (err) {
		if (err == -EINVAL)
			NL_SET_ERR_MSG(extack, "the exporter mapped less than the dma-buf's size");
		goto err_unmap;
	}

	region->placement = netgpu_placement(attachment->dev, &region->sgt);
	if (require_p2p && region->placement != NETGPU_PLACEMENT_DEVICE) {
		NL_SET_ERR_MSG(extack,
			       "the buffer is host memory: allocate it in device memory, or drop REQUIRE_P2P");
		err = -EXDEV;
		goto err_free_sgt;
	}

	list_add_tail(&region->node, &attachment->regions);
	return 0;

err_free_sgt:
	sg_free_table(&region->sgt);
err_unmap:
	if (list_empty(&attachment->regions))
		netgpu_attachment_unmap(attachment);
	return err;
}

static int netgpu_region_attach(struct netgpu_region *region,
				const struct netgpu_region_params *params,
				struct netlink_ext_ack *extack)
{
	struct netgpu_buffer *buffer = region->buffer;
	int err;

	guard(mutex)(&buffer->lock);

	region->attachment = netgpu_attachment_get(buffer, params->dev,
						   params->dir, extack);
	if (IS_ERR(region->attachment))
		return PTR_ERR(region->attachment);

	dma_resv_lock(buffer->dmabuf->resv, NULL);
	err = netgpu_region_map(region, params->flags, extack);
	dma_resv_unlock(buffer->dmabuf->resv);
	if (err)
		netgpu_attachment_put(region->attachment);
	return err;
}

/**
 * netgpu_check_range - can this be a region of a dma-buf?
 * @dmabuf: the dma-buf.
 * @offset: first byte.
 * @length: bytes.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Return: 0, -ENODATA, -EDOM, -EOVERFLOW, -ERANGE.
 */
int netgpu_check_range(const struct dma_buf *dmabuf, u64 offset, u64 length,
		       struct netlink_ext_ack *extack)
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

struct netgpu_region *
netgpu_region_create(struct dma_buf *dmabuf,
		     const struct netgpu_region_params *params,
		     struct netlink_ext_ack *extack)
{
	struct netgpu_region *region;
	int err;

	err = netgpu_check_range(dmabuf, params->offset, params->length,
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
	INIT_LIST_HEAD(&region->bound);
	region->offset = params->offset;
	region->length = params->length;
	region->queue = params->queue;
	region->netdev = params->netdev;
	if (params->netdev)
		region->ifindex = params->netdev->ifindex;
	region->charged = get_current_user();

	region->buffer = netgpu_buffer_get(dmabuf, region->charged, extack);
	if (IS_ERR(region->buffer)) {
		err = PTR_ERR(region->buffer);
		goto err_free;
	}
	err = netgpu_region_attach(region, params, extack);
	if (err)
		goto err_put_buffer;

	scoped_guard(mutex, &netgpu_lock)
		list_add_tail(&region->list, &netgpu_regions);
	return region;

err_put_buffer:
	netgpu_buffer_put(region->buffer, region->charged);
err_free:
	free_uid(region->charged);
	kfree(region);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_create, "NETGPU");

/**
 * netgpu_region_end_locked - nothing will access a region any more
 * @region: the region; without a user, for good.
 *
 * The last region of an attachment to end unmaps it. Later calls do nothing.
 *
 * Context: the reservation lock is held.
 */
void netgpu_region_end_locked(struct netgpu_region *region)
{
	struct netgpu_attachment *attachment = region->attachment;

	dma_resv_assert_held(region->buffer->dmabuf->resv);

	if (region->ended)
		return;
	WRITE_ONCE(region->ended, true);
	list_del(&region->node);
	if (list_empty(&attachment->regions))
		netgpu_attachment_unmap(attachment);
	wake_up_all(&region->wait);
}

/**
 * netgpu_region_end - netgpu_region_end_locked() without the lock
 * @region: the region.
 */
void netgpu_region_end(struct netgpu_region *region)
{
	struct dma_resv *resv = region->buffer->dmabuf->resv;

	dma_resv_lock(resv, NULL);
	netgpu_region_end_locked(region);
	dma_resv_unlock(resv);
}

void netgpu_region_put(struct netgpu_region *region)
{
	if (!refcount_dec_and_test(&region->refs))
		return;

	WARN_ON_ONCE(region->user);

	scoped_guard(mutex, &netgpu_lock)
		list_del(&region->list);

	netgpu_region_end(region);
	scoped_guard(mutex, &region->buffer->lock)
		netgpu_attachment_put(region->attachment);
	netgpu_buffer_put(region->buffer, region->charged);
	free_uid(region->charged);
	sg_free_table(&region->sgt);
	kfree(region);
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_put, "NETGPU");

struct device *netgpu_region_device(const struct netgpu_region *region)
{
	return region->attachment->dev;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_device, "NETGPU");

u64 netgpu_region_length(const struct netgpu_region *region)
{
	return region->length;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_length, "NETGPU");

u32 netgpu_region_placement(const struct netgpu_region *region)
{
	return region->placement;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_placement, "NETGPU");

struct sg_table *netgpu_region_sgt(struct netgpu_region *region)
{
	return &region->sgt;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_sgt, "NETGPU");

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

	guard(mutex)(&netgpu_lock);
	list_for_each_entry(region, &netgpu_regions, list) {
		(*regions)++;
		if (!READ_ONCE(region->ended))
			*bytes += region->length;
	}
}

/**
 * netgpu_regions_end - a network device goes away
 * @netdev: the device, already without memory providers.
 *
 * Its driver is about to lose the DMA device, so an idle region ends here and
 * now. One that is still bound is revoked like any other.
 */
void netgpu_regions_end(const struct net_device *netdev)
{
	struct netgpu_region *region;

	guard(mutex)(&netgpu_lock);
	list_for_each_entry(region, &netgpu_regions, list)
		if (region->netdev == netdev && netgpu_region_revoke(region))
			netgpu_region_end(region);
}
