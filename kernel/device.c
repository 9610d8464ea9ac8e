// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/netgpu: regions as file descriptors.
 */
#include <linux/anon_inodes.h>
#include <linux/ethtool.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>

#include "../core/dev.h"
#include "internal.h"

static const char * const netgpu_placement_names[] = {
	[NETGPU_PLACEMENT_HOST]		= "host",
	[NETGPU_PLACEMENT_DEVICE]	= "device",
};

static const char * const netgpu_state_names[] = {
	[NETGPU_STATE_IDLE]		= "idle",
	[NETGPU_STATE_BOUND]		= "bound",
	[NETGPU_STATE_REVOKED]		= "revoked",
};

static int netgpu_region_release(struct inode *inode, struct file *file)
{
	netgpu_region_put(file->private_data);
	return 0;
}

static __poll_t netgpu_region_poll(struct file *file, poll_table *wait)
{
	struct netgpu_region *region = file->private_data;

	poll_wait(file, &region->wait, wait);
	return READ_ONCE(region->revoked) ? EPOLLHUP : 0;
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
	if (!mem_is_zero(&query, sizeof(query)))
		return -EINVAL;

	query.offset = region->offset;
	query.length = region->length;
	query.ifindex = region->ifindex;
	query.queue = region->queue;
	query.placement = region->placement;
	query.state = netgpu_region_state(region);
	strscpy(query.exporter, region->dmabuf->exp_name);

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

static void netgpu_region_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct netgpu_region *region = file->private_data;

	seq_printf(m, "netgpu-exporter:\t%s\n", region->dmabuf->exp_name);
	seq_printf(m, "netgpu-offset:\t%llu\n", region->offset);
	seq_printf(m, "netgpu-length:\t%llu\n", region->length);
	seq_printf(m, "netgpu-ifindex:\t%u\n", region->ifindex);
	seq_printf(m, "netgpu-queue:\t%u\n", region->queue);
	seq_printf(m, "netgpu-placement:\t%s\n",
		   netgpu_placement_names[region->placement]);
	seq_printf(m, "netgpu-state:\t%s\n",
		   netgpu_state_names[netgpu_region_state(region)]);
}

static const struct file_operations netgpu_region_fops = {
	.owner		= THIS_MODULE,
	.release	= netgpu_region_release,
	.poll		= netgpu_region_poll,
	.unlocked_ioctl	= netgpu_region_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= netgpu_region_show_fdinfo,
};

/**
 * netgpu_region_get_fd - look up a region by its file descriptor
 * @fd: what NETGPU_IOC_REGION_CREATE returned.
 *
 * Return: the region, with a reference; -EBADF when @fd is not open, -EBADFD
 * when it is something else than a region.
 */
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

/* Would a memory provider be accepted on this queue now? */
static int netgpu_check_queue(struct net_device *dev, u32 queue,
			      struct netlink_ext_ack *extack)
{
	struct netdev_rx_queue *rxq;

	netdev_assert_locked(dev);

	if (!netdev_need_ops_lock(dev) || !dev->queue_mgmt_ops) {
		NL_SET_ERR_MSG(extack,
			       "the device's driver cannot change the memory of a single queue: use one that has queue_mgmt_ops");
		return -EOPNOTSUPP;
	}
	if (!netif_running(dev)) {
		NL_SET_ERR_MSG(extack, "the device is down: set it up with 'ip link'");
		return -ENETDOWN;
	}
	if (queue >= dev->real_num_rx_queues) {
		NL_SET_ERR_MSG_FMT(extack, "no receive queue %u: the device has %u, counted from 0",
				   queue, dev->real_num_rx_queues);
		return -ECHRNG;
	}
	if (dev->cfg->hds_config != ETHTOOL_TCP_DATA_SPLIT_ENABLED ||
	    dev->cfg->hds_thresh) {
		NL_SET_ERR_MSG(extack,
			       "the device does not split headers from data: ethtool -G DEVICE tcp-data-split on hds-thresh 0");
		return -ENOPROTOOPT;
	}
	if (dev_xdp_prog_count(dev)) {
		NL_SET_ERR_MSG(extack, "an XDP program is attached to the device: detach it");
		return -EBUSY;
	}
	if (netif_rxq_is_leased(dev, queue)) {
		NL_SET_ERR_MSG(extack, "the queue is leased to a virtual device: use another");
		return -EBUSY;
	}

	rxq = __netif_get_rx_queue(dev, queue);
	if (rxq->mp_params.mp_ops) {
		NL_SET_ERR_MSG(extack,
			       "the queue already receives into other memory: use another, or end what uses it");
		return -EEXIST;
	}
#ifdef CONFIG_XDP_SOCKETS
	if (rxq->pool) {
		NL_SET_ERR_MSG(extack, "the queue is used by AF_XDP: use another");
		return -EBUSY;
	}
#endif
	return 0;
}

static struct netgpu_region *
netgpu_region_create_locked(struct net_device *dev, struct dma_buf *dmabuf,
			    const struct netgpu_region_create *create,
			    struct netlink_ext_ack *extack)
{
	struct netgpu_region_params params = {
		.dir	= DMA_FROM_DEVICE,
		.offset	= create->offset,
		.length	= create->length,
		.flags	= create->flags,
		.netdev	= dev,
		.queue	= create->queue,
	};
	int err;

	err = netgpu_check_queue(dev, create->queue, extack);
	if (err)
		return ERR_PTR(err);

	params.dev = netdev_queue_get_dma_dev(dev, create->queue,
					      NETDEV_QUEUE_TYPE_RX);
	if (!params.dev) {
		NL_SET_ERR_MSG(extack, "the device does no DMA of its own: use a physical one");
		return ERR_PTR(-EOPNOTSUPP);
	}
	return netgpu_region_create(dmabuf, &params, extack);
}

static struct netgpu_region *
netgpu_region_create_user(const struct netgpu_region_create *create,
			  struct netlink_ext_ack *extack)
{
	struct net *net = current->nsproxy->net_ns;
	struct netgpu_region *region;
	struct net_device *dev;
	struct dma_buf *dmabuf;

	if (!ns_capable(net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "receive queues need CAP_NET_ADMIN over the device's network namespace");
		return ERR_PTR(-EPERM);
	}
	if (create->flags & ~(u32)NETGPU_REGION_REQUIRE_P2P) {
		NL_SET_ERR_MSG(extack, "unknown flag: this kernel knows REQUIRE_P2P (1)");
		return ERR_PTR(-EINVAL);
	}
	if (!mem_is_zero(create->resv, sizeof(create->resv))) {
		NL_SET_ERR_MSG(extack, "a reserved field is not zero");
		return ERR_PTR(-EBADR);
	}

	dmabuf = dma_buf_get(create->dmabuf_fd);
	if (IS_ERR(dmabuf)) {
		if (PTR_ERR(dmabuf) == -EINVAL) {
			NL_SET_ERR_MSG(extack,
				       "the file descriptor is not a dma-buf: export the memory as one first");
			return ERR_PTR(-EMEDIUMTYPE);
		}
		NL_SET_ERR_MSG(extack, "the dma-buf's file descriptor is not open");
		return ERR_CAST(dmabuf);
	}

	dev = netdev_get_by_index_lock(net, create->ifindex);
	if (!dev) {
		NL_SET_ERR_MSG_FMT(extack, "no network device %u in this network namespace",
				   create->ifindex);
		dma_buf_put(dmabuf);
		return ERR_PTR(-ENODEV);
	}
	region = netgpu_region_create_locked(dev, dmabuf, create, extack);
	netdev_unlock(dev);
	dma_buf_put(dmabuf);
	return region;
}

/* The reason of a failure, as far as it has one and the caller has room. */
static int netgpu_put_msg(const struct netgpu_region_create *create,
			  const struct netlink_ext_ack *extack)
{
	const char *msg = extack->_msg ?: "";
	size_t len = strlen(msg) + 1;

	if (!create->msg_size)
		return 0;
	if (len > create->msg_size) {
		len = create->msg_size;
		if (put_user('\0', (char __user *)u64_to_user_ptr(create->msg) + len - 1))
			return -EFAULT;
		len--;
	}
	return copy_to_user(u64_to_user_ptr(create->msg), msg, len) ? -EFAULT : 0;
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

	region = netgpu_region_create_user(&create, &extack);
	err = netgpu_put_msg(&create, &extack);
	if (IS_ERR(region))
		return PTR_ERR(region);
	if (err || put_user(region->placement, &arg->placement)) {
		netgpu_region_put(region);
		return -EFAULT;
	}

	err = anon_inode_getfd("[netgpu-region]", &netgpu_region_fops, region,
			       O_RDWR | O_CLOEXEC);
	if (err < 0)
		netgpu_region_put(region);
	return err;
}

static long netgpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (_IOC_TYPE(cmd) != NETGPU_IOC_MAGIC)
		return -ENOTTY;

	switch (_IOC_NR(cmd)) {
	case _IOC_NR(NETGPU_IOC_REGION_CREATE):
		return netgpu_ioctl_create((void __user *)arg, _IOC_SIZE(cmd));
	}
	return -ENOTTY;
}

static const struct file_operations netgpu_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= netgpu_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static ssize_t regions_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	unsigned long regions;
	u64 bytes;

	netgpu_regions_count(&regions, &bytes);
	return sysfs_emit(buf, "%lu\n", regions);
}
static DEVICE_ATTR_RO(regions);

static ssize_t mapped_bytes_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	unsigned long regions;
	u64 bytes;

	netgpu_regions_count(&regions, &bytes);
	return sysfs_emit(buf, "%llu\n", bytes);
}
static DEVICE_ATTR_RO(mapped_bytes);

static struct attribute *netgpu_attrs[] = {
	&dev_attr_regions.attr,
	&dev_attr_mapped_bytes.attr,
	NULL
};
ATTRIBUTE_GROUPS(netgpu);

static struct miscdevice netgpu_miscdev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "netgpu",
	.fops	= &netgpu_fops,
	.groups	= netgpu_groups,
	.mode	= 0666,
};

static int netgpu_netdev_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	if (event == NETDEV_UNREGISTER)
		netgpu_regions_end(netdev_notifier_info_to_dev(ptr));
	return NOTIFY_DONE;
}

static struct notifier_block netgpu_netdev_notifier = {
	.notifier_call = netgpu_netdev_event,
};

static int __init netgpu_init(void)
{
	int err;

	err = register_netdevice_notifier(&netgpu_netdev_notifier);
	if (err)
		return err;

	err = misc_register(&netgpu_miscdev);
	if (err)
		unregister_netdevice_notifier(&netgpu_netdev_notifier);
	return err;
}
device_initcall(netgpu_init);
