/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _NETGPU_INTERNAL_H
#define _NETGPU_INTERNAL_H

#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <net/netgpu.h>

/*
 * Lock order: netdev instance lock, &netgpu_attachment.lock, the reservation
 * lock of the dma-buf, netgpu_lock. Nothing is allocated under netgpu_lock, as
 * memory may be reclaimed from under a reservation lock.
 */

/**
 * enum netgpu_life - what may be done with a region
 * @NETGPU_LIFE_IDLE: mapped, without a user.
 * @NETGPU_LIFE_BOUND: mapped, a device may be writing into it.
 * @NETGPU_LIFE_REVOKED: the same, but the user has been told to stop.
 * @NETGPU_LIFE_ENDED: not mapped, for good; or not yet, while it is made.
 */
enum netgpu_life {
	NETGPU_LIFE_IDLE,
	NETGPU_LIFE_BOUND,
	NETGPU_LIFE_REVOKED,
	NETGPU_LIFE_ENDED,
};

/**
 * struct netgpu_attachment - a dma-buf, attached to one device
 * @refs: the number of its regions, also those being made. Protected by
 *	netgpu_lock, like @list.
 * @list: member of the list of attachments that are shared.
 * @dmabuf: what is attached, referenced.
 * @dev: DMA device, referenced.
 * @dir: what it is mapped for.
 * @lock: held while it is being attached.
 * @attach: the attachment, NULL until then.
 * @regions: regions that have not ended. This and all that follows is
 *	protected by the reservation lock.
 * @mapping: the exporter's mapping of all of the dma-buf; NULL when no region
 *	is left that has not ended.
 * @vmap: the CPU's view, when stray bytes have been copied.
 * @stale: the exporter has taken the memory back. Never cleared: it may have the
 *	memory again, but decides anew whom to give it to.
 */
struct netgpu_attachment {
	unsigned int refs;
	struct list_head list;
	struct dma_buf *dmabuf;
	struct device *dev;
	enum dma_data_direction dir;
	struct mutex lock; /* attach */
	struct dma_buf_attachment *attach;

	struct list_head regions;
	struct sg_table *mapping;
	struct iosys_map vmap;
	bool stale;
};

struct io_uring_cmd;

extern struct mutex netgpu_lock;

/* attach.c */
struct netgpu_attachment *
netgpu_attachment_get(struct dma_buf *dmabuf, struct device *dev, bool share,
		      enum dma_data_direction dir,
		      const struct dma_buf_attach_ops *ops,
		      struct netlink_ext_ack *extack);
void netgpu_attachment_put(struct netgpu_attachment *attachment);
int netgpu_attachment_map(struct netgpu_attachment *attachment,
			  bool require_p2p, struct netlink_ext_ack *extack);
void netgpu_attachment_unmap(struct netgpu_attachment *attachment);

/* gate.c */
extern atomic_long_t netgpu_refused_exporters;
bool netgpu_exporter_is_proprietary(const struct dma_buf *dmabuf);
int netgpu_check_exporter(const struct dma_buf *dmabuf,
			  struct netlink_ext_ack *extack);

/* limit.c */
extern unsigned long netgpu_max_pinned_bytes;
u64 netgpu_pinned_bytes(const struct user_struct *user);
int netgpu_check_limit(const struct netgpu_region *region,
		       struct netlink_ext_ack *extack);

/* placement.c */
u32 netgpu_memory_at(phys_addr_t phys, struct range *same);
void netgpu_find_placement(struct netgpu_region *region);

/* region.c */
int netgpu_check_range(const struct dma_buf *dmabuf, u64 offset, u64 length,
		       struct netlink_ext_ack *extack);
int netgpu_sgt_range(struct sg_table *to, struct sg_table *from, u64 offset,
		     u64 length);
void netgpu_stop_creating(bool stop);

/* revoke.c */
extern struct list_head netgpu_regions;
struct netgpu_region *netgpu_region_next(struct netgpu_region *region);
int netgpu_check_overlap(const struct netgpu_region *region,
			 struct netlink_ext_ack *extack);
void netgpu_region_revoke(struct netgpu_region *region);
void netgpu_region_revoke_work(struct work_struct *work);
void netgpu_invalidate(struct dma_buf_attachment *attach);

/* send.c */
#ifdef CONFIG_NETGPU_SEND
int netgpu_open_sender(struct netgpu_region *region, struct net_device *phys,
		       struct net_device *netdev,
		       struct netlink_ext_ack *extack);
void netgpu_region_close(struct netgpu_region *region);
int netgpu_region_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
#else
static inline int
netgpu_open_sender(struct netgpu_region *region, struct net_device *phys,
		   struct net_device *netdev, struct netlink_ext_ack *extack)
{
	NL_SET_ERR_MSG(extack,
		       "this kernel cannot send from a region: it is built without devmem TCP or io_uring");
	return -EOPNOTSUPP;
}

static inline void netgpu_region_close(struct netgpu_region *region)
{
	netgpu_region_put(region);
}

static inline int netgpu_region_uring_cmd(struct io_uring_cmd *cmd,
					  unsigned int issue_flags)
{
	return -EOPNOTSUPP;
}
#endif

/**
 * netgpu_for_each_region - all regions, with no lock held
 * @region: cursor; referenced in the body of the loop, which does not leave it.
 */
#define netgpu_for_each_region(region)				\
	for (region = netgpu_region_next(NULL); region;		\
	     region = netgpu_region_next(region))

/* events.c */
void netgpu_netdev_goes(const struct net_device *netdev);
int netgpu_sleep(void);

#endif /* _NETGPU_INTERNAL_H */
