// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/netgpu: regions as file descriptors.
 */
#include <linux/anon_inodes.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/memory_provider.h>

#include "internal.h"

static const char * const netgpu_placement_names[] = {
	[NETGPU_PLACEMENT_UNKNOWN]	= "unknown",
	[NETGPU_PLACEMENT_HOST]		= "host",
	[NETGPU_PLACEMENT_DEVICE]	= "device",
};

static const char * const netgpu_state_names[] = {
	[NETGPU_STATE_IDLE]		= "idle",
	[NETGPU_STATE_BOUND]		= "bound",
	[NETGPU_STATE_REVOKED]		= "revoked",
};

static u32 netgpu_region_state(const struct netgpu_region *region)
{
	switch (region->state) {
	case NETGPU_LIFE_IDLE:
		return NETGPU_STATE_IDLE;
	case NETGPU_LIFE_BOUND:
		return NETGPU_STATE_BOUND;
	default:
		return NETGPU_STATE_REVOKED;
	}
}

/* What there is to know about a region; all who ask are told from here. */
static void netgpu_region_describe(struct netgpu_region *region,
				   struct netgpu_region_query *query)
{
	*query = (struct netgpu_region_query) {
		.region_flags	= region->flags,
		.offset		= region->offset,
		.length		= region->length,
		.ifindex	= region->ifindex,
		.queue		= region->queue,
		.placement	= region->placement,
		.path		= region->path,
		.distance	= region->distance,
	};
	strscpy(query->exporter, region->dmabuf->exp_name);

	dma_resv_lock(region->dmabuf->resv, NULL);
	query->state = netgpu_region_state(region);
	query->copied_header_bytes = region->copied[NETGPU_COPY_HEADER];
	query->copied_page_bytes = region->copied[NETGPU_COPY_PAGE];
	query->copied_other_queue_bytes = region->copied[NETGPU_COPY_OTHER_QUEUE];
	query->copy_refused_bytes = region->copy_refused;
	dma_resv_unlock(region->dmabuf->resv);
	query->unverified_packets = atomic64_read(&region->unverified);
}

static int netgpu_region_release(struct inode *inode, struct file *file)
{
	netgpu_region_close(file->private_data);
	return 0;
}

static __poll_t netgpu_region_poll(struct file *file, poll_table *wait)
{
	struct netgpu_region *region = file->private_data;

	poll_wait(file, &region->wait, wait);
	return netgpu_region_is_revoked(region) ? EPOLLHUP : 0;
}

static long netgpu_region_query(struct netgpu_region *region,
				void __user *arg, size_t size)
{
	struct netgpu_region_query query;
	int err;

	BUILD_BUG_ON(sizeof(query) != NETGPU_REGION_QUERY_SIZE_VER0);

	if (size < NETGPU_REGION_QUERY_SIZE_VER0)
		return -EMSGSIZE;
	err = copy_struct_from_user(&query, sizeof(query), arg, size);
	if (err)
		return err;
	if (query.flags)
		return -EINVAL;

	netgpu_region_describe(region, &query);
	return copy_struct_to_user(arg, size, &query, sizeof(query), NULL);
}

static long netgpu_region_ioctl(struct file *file, unsigned int cmd,
				unsigned long arg)
{
	if (_IOC_TYPE(cmd) != NETGPU_IOC_MAGIC)
		return -ENOTTY;

	switch (_IOC_NR(cmd)) {
	case _IOC_NR(NETGPU_IOC_REGION_QUERY):
		return netgpu_region_query(file->private_data,
					   (void __user *)arg, _IOC_SIZE(cmd));
	}
	return -ENOTTY;
}

static const char * const netgpu_use_names[] = { "none", "rx", "tx", "rx,tx" };

static void netgpu_region_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct netgpu_region_query query;

	netgpu_region_describe(file->private_data, &query);

	seq_printf(m, "netgpu-exporter:\t%s\n", query.exporter);
	seq_printf(m, "netgpu-offset:\t%llu\n", query.offset);
	seq_printf(m, "netgpu-length:\t%llu\n", query.length);
	seq_printf(m, "netgpu-ifindex:\t%u\n", query.ifindex);
	seq_printf(m, "netgpu-queue:\t%u\n", query.queue);
	seq_printf(m, "netgpu-use:\t%s\n",
		   netgpu_use_names[(query.region_flags & NETGPU_REGION_RX ? 1 : 0) |
				    (query.region_flags & NETGPU_REGION_TX ? 2 : 0)]);
	seq_printf(m, "netgpu-placement:\t%s\n",
		   netgpu_placement_names[query.placement]);
	seq_printf(m, "netgpu-state:\t%s\n", netgpu_state_names[query.state]);
	seq_printf(m, "netgpu-copied-header:\t%llu\n", query.copied_header_bytes);
	seq_printf(m, "netgpu-copied-page:\t%llu\n", query.copied_page_bytes);
	seq_printf(m, "netgpu-copied-other-queue:\t%llu\n",
		   query.copied_other_queue_bytes);
	seq_printf(m, "netgpu-copy-refused:\t%llu\n", query.copy_refused_bytes);
	seq_printf(m, "netgpu-unverified:\t%llu\n", query.unverified_packets);
}

static const struct file_operations netgpu_region_fops = {
	.owner		= THIS_MODULE,
	.release	= netgpu_region_release,
	.poll		= netgpu_region_poll,
	.unlocked_ioctl	= netgpu_region_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= netgpu_region_show_fdinfo,
	.uring_cmd	= netgpu_region_uring_cmd,
};

struct netgpu_region *netgpu_region_get_fd(int fd)
{
	CLASS(fd, f)(fd);
	struct netgpu_region *region;

	if (fd_empty(f))
		return ERR_PTR(-EBADF);
	if (fd_file(f)->f_op != &netgpu_region_fops)
		return ERR_PTR(-EBADFD);

	region = fd_file(f)->private_data;
	refcount_inc(&region->refs);
	return region;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_get_fd, "NETGPU");

/**
 * struct netgpu_queue - a receive queue, or what is sent by, and what does DMA for it
 * @dev: network device that was asked for.
 * @phys: device that the queue is leased from, or that @dev sends by, or @dev.
 * @dma_dev: DMA device, referenced.
 * @dev_tracker: of the reference on @dev.
 * @phys_tracker: of that on @phys.
 *
 * As long as it is held, the devices may be unregistered but not go away: their
 * driver waits.
 */
struct netgpu_queue {
	struct net_device *dev;
	struct net_device *phys;
	struct device *dma_dev;
	netdevice_tracker dev_tracker;
	netdevice_tracker phys_tracker;
};

static int netgpu_queue_get(struct netgpu_queue *queue, struct net *net,
			    u32 ifindex, u32 index,
			    struct netlink_ext_ack *extack)
{
	int err;

	queue->dev = netdev_get_by_index_lock(net, ifindex);
	if (!queue->dev) {
		NL_SET_ERR_MSG_FMT(extack, "no network device %u in this network namespace",
				   ifindex);
		return -ENODEV;
	}
	err = netif_mp_check_rxq(queue->dev, index, &queue->phys, extack);
	if (err)
		goto out_unlock;
	queue->dma_dev = netdev_queue_get_dma_dev(queue->dev, index,
						  NETDEV_QUEUE_TYPE_RX);
	if (!queue->dma_dev) {
		NL_SET_ERR_MSG(extack, "the device does no DMA of its own: use a physical one");
		err = -EOPNOTSUPP;
		goto out_unlock;
	}
	get_device(queue->dma_dev);
	netdev_hold(queue->dev, &queue->dev_tracker, GFP_KERNEL);
	netdev_hold(queue->phys, &queue->phys_tracker, GFP_KERNEL);
out_unlock:
	netdev_unlock(queue->dev);
	return err;
}

static void netgpu_queue_put(struct netgpu_queue *queue)
{
	netdev_put(queue->phys, &queue->phys_tracker);
	netdev_put(queue->dev, &queue->dev_tracker);
	put_device(queue->dma_dev);
}

/* What sends for a device does so by all of its queues. */
static int netgpu_sender_get(struct netgpu_queue *queue, struct net *net,
			     u32 ifindex, struct netlink_ext_ack *extack)
{
	int err = 0;

	queue->dev = netdev_get_by_index_lock(net, ifindex);
	if (!queue->dev) {
		NL_SET_ERR_MSG_FMT(extack, "no network device %u in this network namespace",
				   ifindex);
		return -ENODEV;
	}
	if (!netif_device_present(queue->dev)) {
		NL_SET_ERR_MSG(extack, "the network device has been taken away for the moment");
		err = -ENODEV;
		goto out_unlock;
	}
	queue->phys = netdev_find_netmem_tx_dev(queue->dev);
	if (!queue->phys) {
		NL_SET_ERR_MSG(extack, "the driver cannot send what the CPU cannot read");
		err = -EOPNOTSUPP;
		goto out_unlock;
	}
	if (!netdev_can_drain_tx(queue->phys)) {
		NL_SET_ERR_MSG(extack,
			       "the network device's driver does not say when it has read what it sends, or the kernel is built without BQL: device memory could not be taken back");
		err = -EOPNOTSUPP;
		queue->phys = NULL;
		goto out_unlock;
	}
	if (queue->phys != queue->dev)
		netdev_lock(queue->phys);
	queue->dma_dev = netdev_queue_get_dma_dev(queue->phys, 0,
						  NETDEV_QUEUE_TYPE_TX);
	get_device(queue->dma_dev);
	netdev_hold(queue->phys, &queue->phys_tracker, GFP_KERNEL);
	if (queue->phys != queue->dev)
		netdev_unlock(queue->phys);
	netdev_hold(queue->dev, &queue->dev_tracker, GFP_KERNEL);
	if (!queue->dma_dev) {
		NL_SET_ERR_MSG(extack, "the device does no DMA of its own: use a physical one");
		err = -EOPNOTSUPP;
	}
out_unlock:
	netdev_unlock(queue->dev);
	if (err && queue->phys)
		netgpu_queue_put(queue);
	return err;
}

/* One that is unregistered later finds the regions that were made until then. */
static int netgpu_queue_check(struct netgpu_queue *queue,
			      struct netlink_ext_ack *extack)
{
	if (READ_ONCE(queue->dev->reg_state) == NETREG_REGISTERED &&
	    READ_ONCE(queue->phys->reg_state) == NETREG_REGISTERED)
		return 0;
	NL_SET_ERR_MSG(extack, "the network device is just going away");
	return -ENODEV;
}

static int netgpu_check_create(const struct netgpu_region_create *create,
			       const struct net *net,
			       struct netlink_ext_ack *extack)
{
	const u32 known = NETGPU_REGION_REQUIRE_P2P | NETGPU_REGION_RX |
			  NETGPU_REGION_TX;

	/* What is sent is the caller's own, who could send it by the CPU, too. */
	if (create->flags & NETGPU_REGION_RX &&
	    !ns_capable(net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "receive queues need CAP_NET_ADMIN over the device's network namespace");
		return -EPERM;
	}
	if (create->flags & ~known) {
		NL_SET_ERR_MSG(extack,
			       "unknown flag: this kernel knows REQUIRE_P2P (1), RX (2) and TX (4)");
		return -EINVAL;
	}
	if (!(create->flags & (NETGPU_REGION_RX | NETGPU_REGION_TX))) {
		NL_SET_ERR_MSG(extack,
			       "say what the region is for: RX, to receive into it, TX, to send from it, or both");
		return -EINVAL;
	}
	if (!(create->flags & NETGPU_REGION_RX) && create->queue) {
		NL_SET_ERR_MSG(extack, "a region that is not received into has no queue: give 0");
		return -EINVAL;
	}
	if (!mem_is_zero(create->resv, sizeof(create->resv))) {
		NL_SET_ERR_MSG(extack, "a reserved field is not zero");
		return -EBADR;
	}
	return 0;
}

static struct dma_buf *netgpu_get_dmabuf(int fd, struct netlink_ext_ack *extack)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (!IS_ERR(dmabuf))
		return dmabuf;
	if (PTR_ERR(dmabuf) == -EINVAL) {
		NL_SET_ERR_MSG(extack,
			       "the file descriptor is not a dma-buf: export the memory as one first");
		return ERR_PTR(-EMEDIUMTYPE);
	}
	NL_SET_ERR_MSG(extack, "the dma-buf's file descriptor is not open");
	return dmabuf;
}

/* A buffer lies in one entry of the mapping. */
static u32 netgpu_largest_buffer(struct net_device *phys,
				 const struct netgpu_region *region)
{
	const struct netdev_queue_mgmt_ops *ops = phys->queue_mgmt_ops;
	struct netdev_queue_config qcfg;
	struct scatterlist *sg;
	u32 size, most = SZ_1G;
	int err, i;

	netdev_assert_locked(phys);

	for_each_sgtable_dma_sg(&region->sgt, sg, i)
		most = min(most, BIT(__ffs(sg_dma_len(sg))));
	if (most < PAGE_SIZE)
		return 0;
	if (!(ops->supported_params & QCFG_RX_PAGE_SIZE))
		return PAGE_SIZE;
	/* Upwards, as some drivers log what they refuse. */
	for (size = PAGE_SIZE; size < most; size *= 2) {
		memset(&qcfg, 0, sizeof(qcfg));
		if (ops->ndo_default_qcfg)
			ops->ndo_default_qcfg(phys, &qcfg);
		qcfg.rx_page_size = size * 2;
		err = ops->ndo_validate_qcfg ?
			ops->ndo_validate_qcfg(phys, &qcfg, NULL) : 0;
		/* it does not say now */
		if (err == -EBUSY)
			return 0;
		if (err)
			break;
	}
	return size;
}

/* What receives and what sends: one attachment is for both, so one device is. */
static int netgpu_queues_get(struct netgpu_queue *rx, struct netgpu_queue *tx,
			     const struct netgpu_region_create *create,
			     struct netlink_ext_ack *extack)
{
	struct net *net = current->nsproxy->net_ns;
	int err;

	if (create->flags & NETGPU_REGION_RX) {
		err = netgpu_queue_get(rx, net, create->ifindex, create->queue,
				       extack);
		if (err)
			return err;
	}
	if (create->flags & NETGPU_REGION_TX) {
		err = netgpu_sender_get(tx, net, create->ifindex, extack);
		if (err)
			goto err_put_rx;
	}
	if (!rx->dev || !tx->dev ||
	    (rx->phys == tx->phys && rx->dma_dev == tx->dma_dev))
		return 0;

	NL_SET_ERR_MSG(extack,
		       "one device receives, and another sends: make a region for each");
	err = -EOPNOTSUPP;
	netgpu_queue_put(tx);
err_put_rx:
	if (rx->dev)
		netgpu_queue_put(rx);
	return err;
}

static struct netgpu_region *
netgpu_create_on(const struct netgpu_region_create *create,
		 struct dma_buf *dmabuf, struct netgpu_queue *rx,
		 struct netgpu_queue *tx, struct netlink_ext_ack *extack)
{
	struct netgpu_queue *queue = rx->dev ? rx : tx;
	struct netgpu_region_params params = {
		.dev	= queue->dma_dev,
		.offset	= create->offset,
		.length	= create->length,
		.flags	= create->flags,
		.netdev	= queue->dev,
		.phys	= queue->phys,
		.queue	= create->queue,
	};
	struct netgpu_region *region;
	int err = 0;

	region = netgpu_region_create(dmabuf, &params, extack);
	if (IS_ERR(region))
		return region;
	if (tx->dev)
		err = netgpu_open_sender(region, tx->phys, tx->dev, extack);
	if (!err)
		err = netgpu_queue_check(queue, extack);
	if (err) {
		netgpu_region_close(region);
		return ERR_PTR(err);
	}
	return region;
}

static struct netgpu_region *
netgpu_create_on_queue(const struct netgpu_region_create *create,
		       struct dma_buf *dmabuf, u32 *buffer_size,
		       struct netlink_ext_ack *extack)
{
	struct netgpu_queue rx = {}, tx = {};
	struct netgpu_region *region;
	int err;

	err = netgpu_queues_get(&rx, &tx, create, extack);
	if (err)
		return ERR_PTR(err);

	region = netgpu_create_on(create, dmabuf, &rx, &tx, extack);
	if (!IS_ERR(region) && rx.dev && buffer_size) {
		netdev_lock(rx.phys);
		*buffer_size = netgpu_largest_buffer(rx.phys, region);
		netdev_unlock(rx.phys);
	}
	if (rx.dev)
		netgpu_queue_put(&rx);
	if (tx.dev)
		netgpu_queue_put(&tx);
	return region;
}

static struct netgpu_region *
netgpu_create_user(const struct netgpu_region_create *create,
		   u32 *buffer_size, struct netlink_ext_ack *extack)
{
	struct netgpu_region *region;
	struct dma_buf *dmabuf;
	int err;

	err = netgpu_check_create(create, current->nsproxy->net_ns, extack);
	if (err)
		return ERR_PTR(err);
	dmabuf = netgpu_get_dmabuf(create->dmabuf_fd, extack);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	region = netgpu_create_on_queue(create, dmabuf, buffer_size, extack);
	dma_buf_put(dmabuf);
	return region;
}

/* The reason of a failure, as far as it has one and the caller has room. */
static int netgpu_put_msg(u64 to, u32 size, const struct netlink_ext_ack *extack)
{
	const char *msg = extack->_msg ?: "";
	size_t len = strlen(msg) + 1;

	if (!size)
		return 0;
	if (len > size) {
		len = size;
		if (put_user('\0', (char __user *)u64_to_user_ptr(to) + len - 1))
			return -EFAULT;
		len--;
	}
	return copy_to_user(u64_to_user_ptr(to), msg, len) ? -EFAULT : 0;
}

static long netgpu_ioctl_create(struct netgpu_region_create __user *arg,
				size_t size)
{
	struct netgpu_region_create create;
	struct netlink_ext_ack extack = {};
	struct netgpu_region *region;
	int err;

	BUILD_BUG_ON(sizeof(create) != NETGPU_REGION_CREATE_SIZE_VER0);

	if (size < NETGPU_REGION_CREATE_SIZE_VER0)
		return -EMSGSIZE;
	err = copy_struct_from_user(&create, sizeof(create), arg, size);
	if (err)
		return err;

	region = netgpu_create_user(&create, NULL, &extack);
	err = netgpu_put_msg(create.msg, create.msg_size, &extack);
	if (IS_ERR(region))
		return PTR_ERR(region);
	if (err || put_user(region->placement, &arg->placement)) {
		netgpu_region_close(region);
		return -EFAULT;
	}

	err = anon_inode_getfd("[netgpu-region]", &netgpu_region_fops, region,
			       O_RDWR | O_CLOEXEC);
	if (err < 0)
		netgpu_region_close(region);
	return err;
}

/* Make a region, look at it, and give it back. */
static int netgpu_probe_user(struct netgpu_probe *probe,
			     struct netlink_ext_ack *extack)
{
	const struct netgpu_region_create create = {
		.dmabuf_fd	= probe->dmabuf_fd,
		.flags		= probe->flags,
		.offset		= probe->offset,
		.length		= probe->length,
		.ifindex	= probe->ifindex,
		.queue		= probe->queue,
		.resv		= { probe->resv0, probe->resv },
	};
	struct netgpu_region *region;
	int err;

	probe->placement = NETGPU_PLACEMENT_UNKNOWN;
	probe->path = NETGPU_PATH_UNKNOWN;
	probe->distance = -1;
	probe->buffer_size = 0;
	region = netgpu_create_user(&create, &probe->buffer_size, extack);
	if (IS_ERR(region))
		return PTR_ERR(region);

	probe->placement = region->placement;
	probe->path = region->path;
	probe->distance = region->distance;
	err = 0;
	if (region->flags & NETGPU_REGION_RX) {
		dma_resv_lock(region->dmabuf->resv, NULL);
		err = netgpu_check_overlap(region, extack);
		dma_resv_unlock(region->dmabuf->resv);
	}
	netgpu_region_close(region);
	return err;
}

static long netgpu_ioctl_probe(struct netgpu_probe __user *arg, size_t size)
{
	struct netlink_ext_ack extack = {};
	struct netgpu_probe probe;
	int err, result;

	BUILD_BUG_ON(sizeof(probe) != NETGPU_PROBE_SIZE_VER0);

	if (size < NETGPU_PROBE_SIZE_VER0)
		return -EMSGSIZE;
	err = copy_struct_from_user(&probe, sizeof(probe), arg, size);
	if (err)
		return err;

	result = netgpu_probe_user(&probe, &extack);
	err = netgpu_put_msg(probe.msg, probe.msg_size, &extack);
	if (err || put_user(probe.placement, &arg->placement) ||
	    put_user(probe.path, &arg->path) ||
	    put_user(probe.distance, &arg->distance) ||
	    put_user(probe.buffer_size, &arg->buffer_size))
		return -EFAULT;
	return result;
}

static void netgpu_count(struct netgpu_query *query, const struct net *net)
{
	const struct netgpu_region *region;

	guard(mutex)(&netgpu_lock);
	list_for_each_entry(region, &netgpu_regions, list) {
		if (region->net_cookie != net->net_cookie)
			continue;
		query->regions++;
		if (READ_ONCE(region->state) != NETGPU_LIFE_ENDED)
			query->mapped_bytes += region->length;
	}
	query->pinned_bytes = netgpu_pinned_bytes(current_user());
}

static long netgpu_ioctl_query(struct netgpu_query __user *arg, size_t size)
{
	struct netgpu_query query;
	int err;

	BUILD_BUG_ON(sizeof(query) != NETGPU_QUERY_SIZE_VER0);

	if (size < NETGPU_QUERY_SIZE_VER0)
		return -EMSGSIZE;
	err = copy_struct_from_user(&query, sizeof(query), arg, size);
	if (err)
		return err;
	if (query.flags)
		return -EINVAL;
	if (query.resv)
		return -EBADR;

	query = (struct netgpu_query) {
		.max_pinned_bytes = READ_ONCE(netgpu_max_pinned_bytes),
	};
	netgpu_count(&query, current->nsproxy->net_ns);
	return copy_struct_to_user(arg, size, &query, sizeof(query), NULL);
}

static long netgpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (_IOC_TYPE(cmd) != NETGPU_IOC_MAGIC)
		return -ENOTTY;

	switch (_IOC_NR(cmd)) {
	case _IOC_NR(NETGPU_IOC_REGION_CREATE):
		return netgpu_ioctl_create((void __user *)arg, _IOC_SIZE(cmd));
	case _IOC_NR(NETGPU_IOC_PROBE):
		return netgpu_ioctl_probe((void __user *)arg, _IOC_SIZE(cmd));
	case _IOC_NR(NETGPU_IOC_QUERY):
		return netgpu_ioctl_query((void __user *)arg, _IOC_SIZE(cmd));
	}
	return -ENOTTY;
}

static const struct file_operations netgpu_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= netgpu_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice netgpu_miscdev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "netgpu",
	.fops	= &netgpu_fops,
	.mode	= 0666,
};

static int __init netgpu_init(void)
{
	return misc_register(&netgpu_miscdev);
}
device_initcall(netgpu_init);
