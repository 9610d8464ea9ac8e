/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netgpu regions: device memory that network traffic is received into.
 */
#ifndef _NET_NETGPU_H
#define _NET_NETGPU_H

#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/types.h>

#include <uapi/linux/netgpu.h>

struct device;
struct dma_buf;
struct net_device;
struct netgpu_region;
struct netlink_ext_ack;
struct sg_table;

/**
 * struct netgpu_region_params - what a region is made for
 * @dev: DMA device that is to access the memory.
 * @dir: direction of its access. Only DMA_FROM_DEVICE regions are revocable;
 *	a network device cannot be made to stop sending within bounded time.
 * @offset: first byte in the dma-buf, a multiple of PAGE_SIZE.
 * @length: bytes, a non-zero multiple of PAGE_SIZE.
 * @flags: &enum netgpu_region_flags.
 * @netdev: network device whose unregistration ends the region, or NULL when
 *	the user sees to that itself. Not referenced.
 * @queue: receive queue of @netdev.
 */
struct netgpu_region_params {
	struct device *dev;
	enum dma_data_direction dir;
	u64 offset;
	u64 length;
	u32 flags;
	struct net_device *netdev;
	u32 queue;
};

/**
 * struct netgpu_region_user - what binds a region, and gives it up on demand
 * @tryget: take a reference on the user's private data, false if it is on its
 *	way out. Called under a spinlock.
 * @put: drop that reference. May sleep.
 * @revoke: the exporter takes the memory back. Stop the device and call
 *	netgpu_region_unbind(), within bounded time. Called from a work item,
 *	without locks; may run while the user stops for a reason of its own.
 */
struct netgpu_region_user {
	bool (*tryget)(void *priv);
	void (*put)(void *priv);
	void (*revoke)(void *priv);
};

#if IS_ENABLED(CONFIG_NETGPU_REGION)
struct netgpu_region *
netgpu_region_create(struct dma_buf *dmabuf,
		     const struct netgpu_region_params *params,
		     struct netlink_ext_ack *extack);
void netgpu_region_put(struct netgpu_region *region);

int netgpu_region_bind(struct netgpu_region *region,
		       const struct netgpu_region_user *user, void *priv);
void netgpu_region_unbind(struct netgpu_region *region);

struct device *netgpu_region_device(const struct netgpu_region *region);
u64 netgpu_region_length(const struct netgpu_region *region);
struct sg_table *netgpu_region_sgt(struct netgpu_region *region);

int netgpu_region_copy(struct netgpu_region *region, u64 offset,
		       const void *from, size_t length,
		       enum netgpu_copy_cause cause);
#else
static inline struct netgpu_region *
netgpu_region_create(struct dma_buf *dmabuf,
		     const struct netgpu_region_params *params,
		     struct netlink_ext_ack *extack)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void netgpu_region_put(struct netgpu_region *region)
{
}

static inline int netgpu_region_bind(struct netgpu_region *region,
				     const struct netgpu_region_user *user,
				     void *priv)
{
	return -EOPNOTSUPP;
}

static inline void netgpu_region_unbind(struct netgpu_region *region)
{
}

static inline struct device *
netgpu_region_device(const struct netgpu_region *region)
{
	return NULL;
}

static inline u64 netgpu_region_length(const struct netgpu_region *region)
{
	return 0;
}

static inline struct sg_table *netgpu_region_sgt(struct netgpu_region *region)
{
	return NULL;
}

static inline int netgpu_region_copy(struct netgpu_region *region, u64 offset,
				     const void *from, size_t length,
				     enum netgpu_copy_cause cause)
{
	return -EOPNOTSUPP;
}
#endif

#if IS_ENABLED(CONFIG_NET_DEVMEM) && IS_ENABLED(CONFIG_INET)
void netgpu_sockets_revoked(u32 id);
#else
static inline void netgpu_sockets_revoked(u32 id)
{
}
#endif

#if IS_ENABLED(CONFIG_NETGPU)
struct netgpu_region *netgpu_region_get_fd(int fd);
#else
static inline struct netgpu_region *netgpu_region_get_fd(int fd)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

#endif /* _NET_NETGPU_H */
