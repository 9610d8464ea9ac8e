/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NETGPU_INTERNAL_H
#define _NETGPU_INTERNAL_H

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/netgpu.h>

struct pci_dev;
struct user_struct;

/*
 * A buffer is a dma-buf that has regions. It has one attachment per device and
 * direction, and an attachment has one region per user of a range.
 *
 * Lock order: netdev instance lock, netgpu_lock, &netgpu_buffer.lock, the
 * reservation lock of the dma-buf, &netgpu_region.lock.
 */

/**
 * struct netgpu_buffer - a dma-buf that has regions
 * @refs: the number of its regions, also those being made. Protected by
 *	netgpu_lock.
 * @dmabuf: the dma-buf, referenced.
 * @list: member of the list of all buffers. Protected by netgpu_lock.
 * @charges: whom its size is charged to, &struct netgpu_charge. Protected by
 *	netgpu_lock.
 * @lock: protects @attachments and @bound.
 * @attachments: its attachments.
 * @bound: regions that a device may be writing into.
 */
struct netgpu_buffer {
	unsigned int refs;
	struct dma_buf *dmabuf;
	struct list_head list;
	struct list_head charges;
	struct mutex lock; /* attachments, bound */
	struct list_head attachments;
	struct list_head bound;
};

/**
 * struct netgpu_attachment - a buffer, attached to one device
 * @refs: the number of its regions. Protected by &netgpu_buffer.lock, like
 *	@list.
 * @list: member of &netgpu_buffer.attachments.
 * @buffer: what is attached.
 * @attach: the attachment.
 * @dev: DMA device, referenced.
 * @dir: direction of DMA.
 * @regions: regions that have not ended. This and all that follows is
 *	protected by the reservation lock.
 * @mapping: the exporter's mapping of all of the dma-buf; NULL when no region
 *	is left that has not ended.
 * @vmap: the CPU's view, when stray bytes have been copied.
 * @revoked: the exporter wants the memory back. Never cleared.
 */
struct netgpu_attachment {
	unsigned int refs;
	struct list_head list;
	struct netgpu_buffer *buffer;
	struct dma_buf_attachment *attach;
	struct device *dev;
	enum dma_data_direction dir;

	struct list_head regions;
	struct sg_table *mapping;
	struct iosys_map vmap;
	bool revoked;
};

/**
 * struct netgpu_region - a range of a dma-buf, mapped for one DMA device
 * @refs: references; the last one ends the region.
 * @buffer: what it is a range of.
 * @attachment: its attachment.
 * @charged: whom the buffer is charged to.
 * @offset: first byte of the range in the dma-buf.
 * @length: bytes in the range.
 * @sgt: DMA addresses of the range, without pages. Valid until @ended.
 * @placement: &enum netgpu_placement, found when it was mapped.
 * @node: member of &netgpu_attachment.regions until @ended.
 * @ended: nothing will access the memory any more. Never cleared. Protected
 *	by the reservation lock, like @copied and @copy_refused.
 * @copied: bytes that the CPU had to copy, by cause.
 * @copy_refused: bytes that could not be copied.
 * @unverified: packets that were dropped because nobody could verify them.
 * @bound: member of &netgpu_buffer.bound while it has a @user.
 * @lock: protects @user, @user_priv and the setting of @revoked.
 * @user: what receives into the region, NULL when nothing does.
 * @user_priv: private data of @user.
 * @revoked: the exporter wants the memory back, or the network device goes
 *	away. Never cleared.
 * @revoke_work: stops the user, then ends the region.
 * @wait: woken when @revoked or @ended is set.
 * @list: member of the list of all regions. Protected by netgpu_lock.
 * @netdev: device the region ends with, NULL for a region that its user owns.
 *	Only for comparison.
 * @ifindex: index of @netdev.
 * @queue: receive queue of @netdev.
 */
struct netgpu_region {
	refcount_t refs;
	struct netgpu_buffer *buffer;
	struct netgpu_attachment *attachment;
	struct user_struct *charged;
	u64 offset;
	u64 length;
	struct sg_table sgt;
	u32 placement;

	struct list_head node;
	bool ended;
	u64 copied[NETGPU_COPY_CAUSES];
	u64 copy_refused;
	atomic64_t unverified;

	struct list_head bound;
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

/**
 * struct netgpu_charge - a buffer's size, charged to one user
 * @list: member of &netgpu_buffer.charges.
 * @user: the user, referenced.
 * @regions: how many regions of the buffer the user has.
 */
struct netgpu_charge {
	struct list_head list;
	struct user_struct *user;
	unsigned int regions;
};

/**
 * struct netgpu_reach - how a device reaches a mapping
 * @placement: &enum netgpu_placement.
 * @path: &enum netgpu_path.
 * @distance: as pci_p2pdma_distance() counts, -1 when it is not known.
 */
struct netgpu_reach {
	u32 placement;
	u32 path;
	s32 distance;
};

extern struct mutex netgpu_lock;
extern struct list_head netgpu_buffers;

/* buffer.c */
struct netgpu_buffer *netgpu_buffer_get(struct dma_buf *dmabuf,
					struct user_struct *user,
					struct netlink_ext_ack *extack);
void netgpu_buffer_put(struct netgpu_buffer *buffer, struct user_struct *user);
struct netgpu_attachment *
netgpu_attachment_get(struct netgpu_buffer *buffer, struct device *dev,
		      enum dma_data_direction dir,
		      struct netlink_ext_ack *extack);
void netgpu_attachment_put(struct netgpu_attachment *attachment);
int netgpu_check_peer2peer(const struct dma_buf_attachment *attach,
			   bool require_p2p, struct netlink_ext_ack *extack);
struct sg_table *netgpu_map(struct dma_buf_attachment *attach,
			    enum dma_data_direction dir, bool require_p2p,
			    struct netlink_ext_ack *extack);
void netgpu_unmap(struct dma_buf_attachment *attach, struct sg_table *mapping,
		  enum dma_data_direction dir);
int netgpu_attachment_map(struct netgpu_attachment *attachment,
			  bool require_p2p, struct netlink_ext_ack *extack);
void netgpu_attachment_unmap(struct netgpu_attachment *attachment);

/* gate.c */
int netgpu_check_exporter(const struct dma_buf *dmabuf,
			  struct netlink_ext_ack *extack);
u64 netgpu_refused_exporters(void);

/* limit.c */
int netgpu_charge(struct netgpu_buffer *buffer, struct user_struct *user,
		  struct netlink_ext_ack *extack);
void netgpu_uncharge(struct netgpu_buffer *buffer, struct user_struct *user);
u64 netgpu_charged_bytes(const struct user_struct *user);
extern unsigned long netgpu_max_pinned_bytes;

/* region.c */
int netgpu_check_range(const struct dma_buf *dmabuf, u64 offset, u64 length,
		       struct netlink_ext_ack *extack);
int netgpu_sgt_range(struct sg_table *to, struct sg_table *from, u64 offset,
		     u64 length);
void netgpu_region_end_locked(struct netgpu_region *region);
void netgpu_region_end(struct netgpu_region *region);
u32 netgpu_region_state(struct netgpu_region *region);
void netgpu_regions_count(unsigned long *regions, u64 *bytes);
void netgpu_regions_end(const struct net_device *netdev);

/* placement.c */
u32 netgpu_placement(struct device *dev, struct sg_table *sgt);
void netgpu_reach(struct device *dev, struct sg_table *sgt,
		  struct netgpu_reach *reach);

/* revoke.c */
struct netgpu_region *netgpu_overlap(struct netgpu_buffer *buffer, u64 offset,
				     u64 length);
bool netgpu_region_revoke(struct netgpu_region *region);
void netgpu_invalidate(struct dma_buf_attachment *attach);
void netgpu_revoke_work(struct work_struct *work);

/* probe.c */
int netgpu_probe(struct dma_buf *dmabuf, struct device *dev, u64 offset,
		 u64 length, bool require_p2p, struct netgpu_reach *reach,
		 struct netlink_ext_ack *extack);

#endif /* _NETGPU_INTERNAL_H */
