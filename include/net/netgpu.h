/* SPDX-License-Identifier: GPL-2.0 */
/*
 * netgpu regions: device memory that network traffic is received into, and sent from.
 *
 * A module imports the namespace NETGPU: all of this is GPL-only.
 */
#ifndef _NET_NETGPU_H
#define _NET_NETGPU_H

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/net_trackers.h>

#include <uapi/linux/netgpu.h>

struct device;
struct dma_buf;
struct module;
struct net_device;
struct net_devmem_dmabuf_binding;
struct netgpu_attachment;
struct netlink_ext_ack;
struct user_struct;

#define NETGPU_COPY_CAUSES	3

/**
 * enum netgpu_use - what a region is bound for
 * @NETGPU_USE_RX: a queue receives into it.
 * @NETGPU_USE_TX: it is sent from.
 * @NETGPU_USES: how many there are, at the same time.
 */
enum netgpu_use {
	NETGPU_USE_RX,
	NETGPU_USE_TX,
	NETGPU_USES
};

/**
 * struct netgpu_region_user - what binds a region, and gives it up on demand
 * @owner: module that the callbacks are in. It stays as long as a region is
 *	bound, and until @put has returned.
 * @tryget: take a reference on the user's private data, false if it is on its
 *	way out. Called under the reservation lock of the dma-buf.
 * @put: drop that reference. May sleep.
 * @revoke: the exporter takes the memory back. Stop the device and call
 *	netgpu_region_unbind(), within bounded time. Called from a work item,
 *	without locks; may run while the user stops for a reason of its own. The
 *	other use of the same region may be told first.
 */
struct netgpu_region_user {
	struct module *owner;
	bool (*tryget)(void *priv);
	void (*put)(void *priv);
	void (*revoke)(void *priv);
};

/**
 * struct netgpu_region - a range of a dma-buf, mapped for one DMA device
 * @dmabuf: the dma-buf, referenced.
 * @dev: DMA device.
 * @offset: first byte of the range in the dma-buf.
 * @length: bytes, a multiple of PAGE_SIZE.
 * @sgt: DMA addresses and lengths of the range, no pages. Valid while the
 *	region is bound.
 * @placement: &enum netgpu_placement, found when it was mapped.
 * @path: &enum netgpu_path, found at the same time.
 * @distance: of the devices, as pci_p2pdma_distance() counts; -1 when it is not
 *	known.
 * @sender: what sockets send from it by, if it is a region of /dev/netgpu that was
 *	made for that.
 */
struct netgpu_region {
	struct dma_buf *dmabuf;
	struct device *dev;
	u64 offset;
	u64 length;
	struct sg_table sgt;
	u32 placement;
	u32 path;
	s32 distance;
	struct net_devmem_dmabuf_binding *sender;

	/* private: */
	refcount_t refs;
	struct netgpu_attachment *attachment;
	/* whom it is charged to; NULL for what a receive path has made */
	struct user_struct *charged;
	/* under netgpu_lock: of all regions, those of one dma-buf side by side */
	struct list_head list;
	/* referenced as long as the region is mapped */
	struct net_device *phys;
	netdevice_tracker phys_tracker;
	/* only for comparison: the device it ends with, whom it is shown to */
	struct net_device *netdev;
	u64 net_cookie;
	u32 ifindex;
	u32 queue;
	u32 flags;
	/* sent from by a device that does not say when it has read it */
	bool undrained;
	/* woken by each change of the state */
	wait_queue_head_t wait;
	struct work_struct revoke_work;
	atomic64_t unverified;

	/* under the reservation lock */
	int state;
	struct list_head node;
	const struct netgpu_region_user *users[NETGPU_USES];
	void *user_privs[NETGPU_USES];
	u64 copied[NETGPU_COPY_CAUSES];
	u64 copy_refused;
};

/**
 * struct netgpu_region_params - what a region is made for
 * @dev: DMA device that is to access the memory.
 * @offset: first byte in the dma-buf, a multiple of PAGE_SIZE.
 * @length: bytes, a non-zero multiple of PAGE_SIZE.
 * @flags: &enum netgpu_region_flags; NETGPU_REGION_RX, _TX, or both.
 * @netdev: for a region of /dev/netgpu, the network device it was asked for: its
 *	unregistration ends the region. NULL for a region that lives for one
 *	binding, whose user sees to that. Not referenced.
 * @phys: device that the queue is of, where it is leased the one that it is leased
 *	from. Held by the caller, and by the region as long as it is mapped: its
 *	driver keeps @dev working.
 * @queue: receive queue of @netdev, when it is received into.
 */
struct netgpu_region_params {
	struct device *dev;
	u64 offset;
	u64 length;
	u32 flags;
	struct net_device *netdev;
	struct net_device *phys;
	u32 queue;
};

#if IS_ENABLED(CONFIG_NETGPU_REGION)
/**
 * netgpu_region_create - attach, pin and map a range of a dma-buf
 * @dmabuf: the buffer; the region takes a reference of its own.
 * @params: device, range and flags.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * The attachment allows peer-to-peer, so the exporter may leave the buffer in
 * device memory, and is revocable: see netgpu_region_bind(). Waits for the
 * exporter to have moved the buffer.
 *
 * For a region of /dev/netgpu there is a policy too: the memory of a proprietary
 * module is refused, and the size is charged. Such regions of one dma-buf for
 * one device share the attachment. Without @params->netdev, the memory of a
 * proprietary module is attached as dma_buf_attach() does, and where there is no
 * room in device memory, the exporter is asked for host memory.
 *
 * Context: process context, without the netdev instance lock: the exporter may
 * take as long as the device behind it. A signal ends that.
 *
 * Return: the region, to be released with netgpu_region_put(), or an ERR_PTR:
 * -ENODATA, -EDOM, -EOVERFLOW, -ERANGE for a bad range, -EPERM where the
 * exporter is a proprietary module, -EDQUOT where the user has pinned too
 * much, -EXDEV where NETGPU_REGION_REQUIRE_P2P cannot be met, -ENOMEM,
 * -ERESTARTSYS for a signal, -EAGAIN while the system goes to sleep, or what the
 * exporter said. Without @params->netdev, -EINVAL for every bad range.
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
 * netgpu_region_get - take a reference
 * @region: a region that the caller has one on.
 */
static inline void netgpu_region_get(struct netgpu_region *region)
{
	refcount_inc(&region->refs);
}

/**
 * netgpu_region_bind - start to use a region
 * @region: the region.
 * @use: what for; it was created for that.
 * @user: callbacks, of static lifetime.
 * @priv: passed to them.
 *
 * From here on @user->revoke may be called, until netgpu_region_unbind(). No
 * two regions of /dev/netgpu may overlap while they are received into: one would
 * overwrite what the other has received.
 *
 * Context: process context. Takes the reservation lock of the dma-buf; the
 * netdev instance lock may be held.
 *
 * Return: 0, -EACCES when it was not created for that use, -EBUSY when the region is
 * in use or overlaps one that is, -ENODEV when it was revoked, or @user->owner is
 * being unloaded, -ERESTARTSYS for a signal.
 */
int netgpu_region_bind(struct netgpu_region *region, enum netgpu_use use,
		       const struct netgpu_region_user *user, void *priv);

/**
 * netgpu_region_unbind - the device has stopped to access a region
 * @region: a region; when it is not bound (any more), nothing happens.
 * @use: what it was bound for.
 *
 * A region that only lives for its user, and one that was revoked, ends here,
 * with the last of its uses. A region that has a file descriptor of its own can be
 * bound again.
 *
 * Context: takes the reservation lock of the dma-buf. The caller has made sure
 * that the device does not access the memory any more.
 */
void netgpu_region_unbind(struct netgpu_region *region, enum netgpu_use use);

/**
 * netgpu_region_copy - copy stray payload into a region
 * @region: a region that is bound for receiving.
 * @priv: as given to netgpu_region_bind().
 * @offset: where to in the region, bytes.
 * @from: the payload.
 * @length: bytes, not more than what the region has from @offset on.
 * @cause: why it was in host memory.
 *
 * Counts the bytes by @cause.
 *
 * Memory of a device is written as the network device writes it: what the GPU
 * does with it at the same time is up to those who use both. Host memory wants
 * the CPU's access announced, for which the exporter waits for the GPU; that has
 * a bound.
 *
 * Context: process context. Takes the reservation lock of the dma-buf.
 *
 * Return: 0, -EOPNOTSUPP when the exporter does not let the CPU at the memory,
 * -ENODEV when the region was revoked or @priv does not have it bound,
 * -ERESTARTSYS for a signal, -ETIMEDOUT when the GPU uses the memory for long, or
 * what the exporter said.
 */
int netgpu_region_copy(struct netgpu_region *region, void *priv, u64 offset,
		       const void *from, size_t length,
		       enum netgpu_copy_cause cause);

/**
 * netgpu_region_is_revoked - was the memory taken back?
 * @region: the region.
 *
 * Context: any. It may be taken back at any time.
 *
 * Return: true from the moment on that the exporter wants it.
 */
bool netgpu_region_is_revoked(const struct netgpu_region *region);

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
				     enum netgpu_use use,
				     const struct netgpu_region_user *user,
				     void *priv)
{
	return -EOPNOTSUPP;
}

static inline void netgpu_region_unbind(struct netgpu_region *region,
					enum netgpu_use use)
{
}

static inline bool netgpu_region_is_revoked(const struct netgpu_region *region)
{
	return false;
}

static inline int netgpu_region_copy(struct netgpu_region *region, void *priv,
				     u64 offset, const void *from,
				     size_t length,
				     enum netgpu_copy_cause cause)
{
	return -EOPNOTSUPP;
}
#endif

/**
 * netgpu_region_unverified - count a packet that nobody could verify
 * @region: the region that it was received into, and is dropped with: the
 *	network device has not verified its checksum, and the CPU cannot.
 *
 * Context: any.
 */
static inline void netgpu_region_unverified(struct netgpu_region *region)
{
	atomic64_inc(&region->unverified);
}

/* net/core/devmem.c, for regions of /dev/netgpu */
struct net_devmem_dmabuf_binding *
net_devmem_bind_region(struct netgpu_region *region, struct net_device *dev,
		       void *vdev, struct netlink_ext_ack *extack);
void net_devmem_unbind_region(struct net_devmem_dmabuf_binding *binding);
bool net_devmem_hold_sender(struct net_devmem_dmabuf_binding *binding);
void net_devmem_put_sender(struct net_devmem_dmabuf_binding *binding);

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
