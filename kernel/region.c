// SPDX-License-Identifier: GPL-2.0
/*
 * Regions are made: attach, pin and map a range of a dma-buf for a network device.
 */
#include <linux/cred.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/nsproxy.h>
#include <linux/overflow.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <net/netdev_queues.h>

#include "internal.h"

static const struct dma_buf_attach_ops netgpu_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = netgpu_invalidate,
};

/* Host memory alone: the exporter moves the buffer there. */
static const struct dma_buf_attach_ops netgpu_attach_host_ops = {
	.invalidate_mappings = netgpu_invalidate,
};

static bool netgpu_asleep;

/**
 * netgpu_stop_creating - while the system sleeps, device memory is lost
 * @stop: from now on, or not any more.
 *
 * Who looks at all regions afterwards, each with its reservation lock held, sees
 * what was mapped before; what comes later fails.
 */
void netgpu_stop_creating(bool stop)
{
	WRITE_ONCE(netgpu_asleep, stop);
}

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
	struct scatterlist *in, *out;
	u64 end = offset + length;
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

static int netgpu_check_placement(const struct netgpu_region *region,
				  struct netlink_ext_ack *extack)
{
	if (region->placement == NETGPU_PLACEMENT_HOST)
		NL_SET_ERR_MSG(extack,
			       "the buffer is host memory: allocate it in device memory if payload is to be there");
	else if (region->placement == NETGPU_PLACEMENT_UNKNOWN)
		NL_SET_ERR_MSG(extack,
			       "what is at the buffer's addresses is not known: neither host memory nor that of a PCI device");
	else
		return 0;
	return region->flags & NETGPU_REGION_REQUIRE_P2P ? -EXDEV : 0;
}

/* Map, find the placement, and be one of the attachment's regions. */
static int netgpu_region_map(struct netgpu_region *region,
			     struct netlink_ext_ack *extack)
{
	struct netgpu_attachment *attachment = region->attachment;
	int err;

	dma_resv_assert_held(region->dmabuf->resv);

	err = netgpu_attachment_map(attachment,
				    region->flags & NETGPU_REGION_REQUIRE_P2P,
				    extack);
	if (err)
		return err;

	err = netgpu_sgt_range(&region->sgt, attachment->mapping,
			       region->offset, region->length);
	if (err) {
		if (err == -EINVAL)
			NL_SET_ERR_MSG(extack, "the exporter mapped less than the dma-buf's size");
		goto err_unmap;
	}

	netgpu_find_placement(region);
	err = netgpu_check_placement(region, extack);
	if (err)
		goto err_unmap;
	if (READ_ONCE(netgpu_asleep) &&
	    region->placement != NETGPU_PLACEMENT_HOST) {
		NL_SET_ERR_MSG(extack,
			       "the system goes to sleep, and device memory is lost: try again later");
		err = -EAGAIN;
		goto err_unmap;
	}

	/* Its driver, and with it the DMA device, stays until this is unmapped. */
	netdev_hold(region->phys, &region->phys_tracker, GFP_KERNEL);
	list_add_tail(&region->node, &attachment->regions);
	region->state = NETGPU_LIFE_IDLE;
	return 0;

err_unmap:
	if (list_empty(&attachment->regions))
		netgpu_attachment_unmap(attachment);
	return err;
}

/*
 * Payload that came in host memory is written by the CPU, into what is mapped for a
 * device to write. The exporter syncs for that, and the DMA API wants the mapping
 * to be for both directions then. Whoever did not ask for a region gets what it
 * always did: a device that cannot read.
 */
static enum dma_data_direction
netgpu_region_direction(const struct netgpu_region *region)
{
	if (!(region->flags & NETGPU_REGION_RX))
		return DMA_TO_DEVICE;
	if (region->flags & NETGPU_REGION_TX ||
	    (region->netdev && region->dmabuf->ops->vmap))
		return DMA_BIDIRECTIONAL;
	return DMA_FROM_DEVICE;
}

static int netgpu_region_attach_as(struct netgpu_region *region,
				   const struct dma_buf_attach_ops *ops,
				   struct netlink_ext_ack *extack)
{
	struct dma_resv *resv = region->dmabuf->resv;
	struct netgpu_attachment *attachment;
	int err;

	attachment = netgpu_attachment_get(region->dmabuf, region->dev,
					   region->netdev,
					   netgpu_region_direction(region), ops,
					   extack);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);

	region->attachment = attachment;
	err = dma_resv_lock_interruptible(resv, NULL);
	if (!err) {
		err = netgpu_region_map(region, extack);
		dma_resv_unlock(resv);
	}
	if (err) {
		region->attachment = NULL;
		netgpu_attachment_put(attachment);
	}
	return err;
}

static int netgpu_region_attach(struct netgpu_region *region,
				struct netlink_ext_ack *extack)
{
	const struct dma_buf_attach_ops *ops = &netgpu_attach_ops;
	long err;
	int host;

	if (!region->netdev && (region->undrained ||
				netgpu_exporter_is_proprietary(region->dmabuf)))
		ops = NULL;
	/*
	 * Every user may send from a dma-buf, which pins it. Device memory is
	 * pinned within the user's limit, and beyond that host memory, as ever.
	 */
	else if (!region->netdev && region->flags & NETGPU_REGION_TX &&
		 !region->charged)
		ops = &netgpu_attach_host_ops;
	err = netgpu_region_attach_as(region, ops, extack);
	/*
	 * Device memory may be full, or all of it that others reach. Whoever
	 * did not ask for a region gets host memory then, as ever.
	 */
	if (!region->netdev && (err == -ENOMEM || err == -ENOSPC) && ops) {
		host = netgpu_region_attach_as(region, &netgpu_attach_host_ops,
					       NULL);
		/* Who has none, such as vfio-pci, is not asked for it. */
		if (host != -EOPNOTSUPP)
			err = host;
	}
	if (err)
		return err;

	/* The exporter may still be moving the content to where it is pinned. */
	err = dma_resv_wait_timeout(region->dmabuf->resv, DMA_RESV_USAGE_KERNEL,
				    true, MAX_SCHEDULE_TIMEOUT);
	return err < 0 ? err : 0;
}

static struct netgpu_region *
netgpu_region_alloc(struct dma_buf *dmabuf,
		    const struct netgpu_region_params *params)
{
	struct netgpu_region *region;

	region = kzalloc_obj(*region, GFP_KERNEL_ACCOUNT);
	if (!region)
		return NULL;
	get_dma_buf(dmabuf);
	region->dmabuf = dmabuf;
	region->dev = params->dev;
	region->offset = params->offset;
	region->length = params->length;
	region->flags = params->flags;
	region->phys = params->phys;
	region->undrained = params->flags & NETGPU_REGION_TX &&
			    !netdev_can_drain_tx(params->phys);
	region->distance = -1;
	refcount_set(&region->refs, 1);
	region->net_cookie = current->nsproxy->net_ns->net_cookie;
	INIT_LIST_HEAD(&region->list);
	init_waitqueue_head(&region->wait);
	INIT_WORK(&region->revoke_work, netgpu_region_revoke_work);
	region->state = NETGPU_LIFE_ENDED;
	if (params->netdev || params->flags & NETGPU_REGION_TX)
		region->charged = get_current_user();
	if (params->netdev) {
		region->netdev = params->netdev;
		region->ifindex = params->netdev->ifindex;
		region->queue = params->queue;
	}
	return region;
}

/* From here on it is charged, and seen by who looks at all of them. */
static int netgpu_region_list(struct netgpu_region *region,
			      struct netlink_ext_ack *extack)
{
	struct list_head *neighbour = &netgpu_regions;
	struct netgpu_region *other;
	int err;

	guard(mutex)(&netgpu_lock);

	if (region->charged) {
		err = netgpu_check_limit(region,
					 region->netdev ? extack : NULL);
		if (err && region->netdev)
			return err;
		if (err) {
			free_uid(region->charged);
			region->charged = NULL;
		}
	}
	list_for_each_entry(other, &netgpu_regions, list)
		if (other->dmabuf == region->dmabuf)
			neighbour = &other->list;
	list_add(&region->list, neighbour);
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
	/* Whoever did not ask for a region knows one error for all of that. */
	if (err && !params->netdev)
		err = -EINVAL;
	if (!err && params->netdev)
		err = netgpu_check_exporter(dmabuf, extack);
	if (err)
		return ERR_PTR(err);

	region = netgpu_region_alloc(dmabuf, params);
	if (!region)
		return ERR_PTR(-ENOMEM);

	err = netgpu_region_list(region, extack);
	if (!err)
		err = netgpu_region_attach(region, extack);
	if (err) {
		netgpu_region_put(region);
		return ERR_PTR(err == -EINTR ? -ERESTARTSYS : err);
	}
	return region;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_create, "NETGPU");
