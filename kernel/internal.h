/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NETGPU_INTERNAL_H
#define _NETGPU_INTERNAL_H

#include <linux/dma-buf.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/netgpu.h>

/**
 * struct netgpu_region - a range of a dma-buf, mapped for one DMA device
 *
 * Lock order: netdev instance lock, then netgpu_regions_lock, then the
 * reservation lock of the dma-buf, then @lock.
 *
 * @refs: references; the last one unmaps and detaches.
 * @dmabuf: the buffer, referenced.
 * @attach: its attachment to @dev.
 * @dev: DMA device, referenced.
 * @dir: direction of DMA.
 * @offset: first byte of the range in @dmabuf.
 * @length: bytes in the range.
 * @mapping: the exporter's mapping of all of @dmabuf, NULL once unmapped.
 *	Protected by the reservation lock.
 * @sgt: DMA addresses of the range, without pages. Valid as long as @mapping.
 * @placement: &enum netgpu_placement, found when it was mapped.
 * @lock: protects @user, @user_priv and the setting of @revoked.
 * @user: what receives into the region, NULL when nothing does.
 * @user_priv: private data of @user.
 * @revoked: the exporter wants the memory back. Never cleared.
 * @revoke_work: stops the user, then unmaps.
 * @wait: woken when @revoked is set and when the region is unmapped.
 * @list: member of the list of all regions.
 * @netdev: device the region ends with, NULL for a region that its user owns.
 *	Only for comparison.
 * @ifindex: index of @netdev.
 * @queue: receive queue of @netdev.
 */
struct netgpu_region {
	refcount_t refs;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct device *dev;
	enum dma_data_direction dir;
	u64 offset;
	u64 length;
	struct sg_table *mapping;
	struct sg_table sgt;
	u32 placement;

	spinlock_t lock; /* user, user_priv, revoked */
	const struct netgpu_region_user *user;
	void *user_priv;
	bool revoked;
	struct work_struct revoke_work;
	wait_queue_head_t wait;

	struct list_head list;
	struct net_device *netdev;
	u32 ifindex;
	u32 queue;
};

void netgpu_region_unmap_locked(struct netgpu_region *region);
void netgpu_region_unmap(struct netgpu_region *region);
u32 netgpu_region_state(struct netgpu_region *region);
void netgpu_regions_count(unsigned long *regions, u64 *bytes);
void netgpu_regions_end(const struct net_device *netdev);

u32 netgpu_placement(struct device *dev, struct sg_table *sgt);

void netgpu_region_invalidate(struct dma_buf_attachment *attach);
void netgpu_region_revoke(struct netgpu_region *region);
void netgpu_revoke_work(struct work_struct *work);

#endif /* _NETGPU_INTERNAL_H */
