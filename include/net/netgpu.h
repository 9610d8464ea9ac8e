/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netgpu regions: device memory that network traffic is received into.
 *
 * A module imports the namespace NETGPU: all of this is GPL-only.
 */
#ifndef _NET_NETGPU_H
#define _NET_NETGPU_H

#include <linux/dma-direction.h>
#include <linux/err.h>
#include <linux/types.h>

#include <uapi/linux/netgpu.h>

struct device;
struct dma_buf;
struct module;
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
 * @owner: module that the callbacks are in. It stays as long as a region is
 *	bound, and until @put has returned.
 * @tryget: take a reference on the user's private data, false if it is on its
 *	way out. Called under a spinlock.
 * @put: drop that reference. May sleep.
 * @revoke: the exporter takes the memory back. Stop the device and call
 *	netgpu_region_unbind(), within bounded time. Called from a work item,
 *	without locks; may run while the user stops for a reason of its own.
 */
struct netgpu_region_user {
	struct module *owner;
	bool (*tryget)(void *priv);
	void (*put)(void *priv);
	void (*revoke)(void *priv);
};

#if IS_ENABLED(CONFIG_NETGPU_REGION)
/**
 * netgpu_region_create - attach, pin and map a range of a dma-buf
 * @dmabuf: the buffer; the region takes a reference of its own.
 * @params: device, range and flags.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * The attachment allows peer-to-peer, so the exporter may leave the buffer in
 * device memory. Unless @params->dir is DMA_TO_DEVICE it is revocable too: the
 * exporter may end it, see netgpu_region_bind(). Regions of one dma-buf for
 * one device share the attachment.
 *
 * Context: process context. Takes the reservation lock of @dmabuf; the netdev
 * instance lock may be held.
 *
 * Return: the region, to be released with netgpu_region_put(), or an ERR_PTR:
 * -ENODATA, -EDOM, -EOVERFLOW, -ERANGE for a bad range, -EPERM where the
 * exporter is a proprietary module, -EDQUOT where the user has pinned too
 * much, -EXDEV where NETGPU_REGION_REQUIRE_P2P cannot be met, -ENOMEM, or what
 * the exporter said.
 */
struct netgpu_region *
netgpu_region_create(struct dma_buf *dmabuf,
		     const struct netgpu_region_params *params,
		     struct netlink_ext_ack *extack);

/**
 * netgpu_region_put - drop a reference
 * @region: the region; ended and freed with the last reference.
 *
 * Context: process context, as it may take the reservation lock.
 */
void netgpu_region_put(struct netgpu_region *region);

/**
 * netgpu_region_bind - start to use a region
 * @region: the region.
 * @user: callbacks, of static lifetime.
 * @priv: passed to them.
 *
 * From here on @user->revoke may be called, until netgpu_region_unbind(). No
 * two regions that a device writes into may overlap while they are bound: one
 * would overwrite what the other has received. Sending from memory that is
 * being received into is its user's business.
 *
 * Context: process context. The netdev instance lock may be held.
 *
 * Return: 0, -EBUSY when the region is in use or overlaps one that is, -ENODEV
 * when it was revoked, or @user->owner is being unloaded.
 */
int netgpu_region_bind(struct netgpu_region *region,
		       const struct netgpu_region_user *user, void *priv);

/**
 * netgpu_region_unbind - the device has stopped to access a region
 * @region: a region; when it is not bound (any more), nothing happens.
 *
 * A region that only lives for its user, and one that was revoked, ends here.
 * A region that has a file descriptor of its own can be bound again.
 *
 * Context: takes the reservation lock of the dma-buf. The caller has made sure
 * that the device does not access the memory any more.
 */
void netgpu_region_unbind(struct netgpu_region *region);

/**
 * netgpu_region_device - the DMA device a region is mapped for
 * @region: the region.
 *
 * Return: the device, valid as long as the region.
 */
struct device *netgpu_region_device(const struct netgpu_region *region);

/**
 * netgpu_region_length - size of a region
 * @region: the region.
 *
 * Return: bytes, a multiple of PAGE_SIZE.
 */
u64 netgpu_region_length(const struct netgpu_region *region);

/**
 * netgpu_region_placement - where DMA to a region ends
 * @region: the region.
 *
 * Return: &enum netgpu_placement, as found when it was mapped.
 */
u32 netgpu_region_placement(const struct netgpu_region *region);

/**
 * netgpu_region_sgt - DMA addresses of a region
 * @region: a bound region.
 *
 * Return: a table that holds DMA addresses and lengths only, no pages. Valid
 * until netgpu_region_unbind().
 */
struct sg_table *netgpu_region_sgt(struct netgpu_region *region);

/**
 * netgpu_region_copy - copy stray payload into a region
 * @region: a bound region.
 * @offset: where to in the region, bytes.
 * @from: the payload.
 * @length: bytes, not more than what the region has from @offset on.
 * @cause: why it was in host memory.
 *
 * Counts the bytes by @cause.
 *
 * Context: process context. Takes the reservation lock of the dma-buf.
 *
 * Return: 0, -EOPNOTSUPP when the exporter does not let the CPU at the memory,
 * -ENODEV when the region was revoked, or what the exporter said.
 */
int netgpu_region_copy(struct netgpu_region *region, u64 offset,
		       const void *from, size_t length,
		       enum netgpu_copy_cause cause);

/**
 * netgpu_region_unverified - count a packet that nobody could verify
 * @region: the region that its payload is in.
 *
 * The device has not verified its checksum, and the CPU does not read the
 * region, so it is dropped.
 *
 * Context: any.
 */
void netgpu_region_unverified(struct netgpu_region *region);
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

static inline u32 netgpu_region_placement(const struct netgpu_region *region)
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

static inline void netgpu_region_unverified(struct netgpu_region *region)
{
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
/**
 * netgpu_region_get_fd - look up a region by its file descriptor
 * @fd: what NETGPU_IOC_REGION_CREATE returned.
 *
 * Return: the region, with a reference; -EBADF when @fd is not open, -EBADFD
 * when it is something else than a region.
 */
struct netgpu_region *netgpu_region_get_fd(int fd);
#else
static inline struct netgpu_region *netgpu_region_get_fd(int fd)
{
	return ERR_PTR(-EOPNOTSUPP);
}
#endif

#endif /* _NET_NETGPU_H */
