// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/netgpu: regions as file descriptors.
 */
#include <linux/anon_inodes.h>
#include <linux/cred.h>
#include <linux/dma-resv.h>
#include <linux/ethtool.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/nsproxy.h>
#include <linux/poll.h>
#include <linux/sched/user.h>
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

static const char * const netgpu_cause_names[] = {
	[NETGPU_COPY_HEADER]		= "header",
	[NETGPU_COPY_PAGE]		= "page",
	[NETGPU_COPY_OTHER_QUEUE]	= "other-queue",
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

static void netgpu_region_counters(struct netgpu_region *region, u64 *copied,
				   u64 *refused)
{
	struct dma_resv *resv = region->buffer->dmabuf->resv;

	dma_resv_lock(resv, NULL);
	memcpy(copied, region->copied, sizeof(region->copied));
	*refused = region->copy_refused;
	dma_resv_unlock(resv);
}

/*
 * Queries have nothing to ask, so that later versions can: their struct, which
 * has grown from @oldest to @known bytes, is zero on entry.
 */
static int netgpu_query_begin(void *query, size_t known, size_t oldest,
			      const void __user *arg, size_t size)
{
	int err;

	if (size < oldest)
		return -EMSGSIZE;
	err = copy_struct_from_user(query, known, arg, size);
	if (err)
		return err;
	return mem_is_zero(query, known) ? 0 : -EINVAL;
}

static long netgpu_region_query(struct netgpu_region *region,
				void __user *arg, size_t size)
{
	struct netgpu_region_query query;
	int err;

	BUILD_BUG_ON(sizeof(query) != NETGPU_REGION_QUERY_SIZE_VER1);

	err = netgpu_query_begin(&query, sizeof(query), NETGPU_REGION_QUERY_SIZE_VER0,
				 arg, size);
	if (err)
		return err;

	query.offset = region->offset;
	query.length = region->length;
	query.ifindex = region->ifindex;
	query.queue = region->queue;
	query.placement = region->placement;
	query.state = netgpu_region_state(region);
	strscpy(query.exporter, region->buffer->dmabuf->exp_name);
	netgpu_region_counters(region, query.copied_bytes,
			       &query.copy_refused_bytes);
	query.unverified = atomic64_read(&region->unverified);

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
	u64 copied[NETGPU_COPY_CAUSES], refused;
	unsigned int i;

	netgpu_region_counters(region, copied, &refused);

	seq_printf(m, "netgpu-exporter:\t%s\n",
		   region->buffer->dmabuf->exp_name);
	seq_printf(m, "netgpu-offset:\t%llu\n", region->offset);
	seq_printf(m, "netgpu-length:\t%llu\n", region->length);
	seq_printf(m, "netgpu-ifindex:\t%u\n", region->ifindex);
	seq_printf(m, "netgpu-queue:\t%u\n", region->queue);
	seq_printf(m, "netgpu-placement:\t%s\n",
		   netgpu_placement_names[region->placement]);
	seq_printf(m, "netgpu-state:\t%s\n",
		   netgpu_state_names[netgpu_region_state(region)]);
	for (i = 0; i < NETGPU_COPY_CAUSES; i++)
		seq_printf(m, "netgpu-copied-%s:\t%llu\n",
			   netgpu_cause_names[i], copied[i]);
	seq_printf(m, "netgpu-copy-refused:\t%llu\n", refused);
	seq_printf(m, "netgpu-unverified:\t%llu\n",
		   atomic64_read(&region->unverified));
}

static const struct file_operations netgpu_region_fops = {
	.owner		= THIS_MODULE,
	.release	= netgpu_region_release,
	.poll		= netgpu_region_poll,
	.unlocked_ioctl	= netgpu_region_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= netgpu_region_show_fdinfo,
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

/* What creating and probing have in common. */
struct netgpu_request {
	int dmabuf_fd;
	u32 flags;
	u64 offset;
	u64 length;
	u32 ifindex;
	u32 queue;
	bool resv_used;
	struct dma_buf *dmabuf;
	struct net_device *dev;
	struct device *dma_dev;
};

static int netgpu_request_check(const struct netgpu_request *req,
				const struct net *net,
				struct netlink_ext_ack *extack)
{
	if (!ns_capable(net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "receive queues need CAP_NET_ADMIN over the device's network namespace");
		return -EPERM;
	}
	if (req->flags & ~(u32)NETGPU_REGION_REQUIRE_P2P) {
		NL_SET_ERR_MSG(extack, "unknown flag: this kernel knows REQUIRE_P2P (1)");
		return -EINVAL;
	}
	if (req->resv_used) {
		NL_SET_ERR_MSG(extack, "a reserved field is not zero");
		return -EBADR;
	}
	return 0;
}

/* Look up and lock the device, find what does DMA for its queue. */
static int netgpu_request_lock_dev(struct netgpu_request *req, struct net *net,
				   struct netlink_ext_ack *extack)
{
	int err;

	req->dev = netdev_get_by_index_lock(net, req->ifindex);
	if (!req->dev) {
		NL_SET_ERR_MSG_FMT(extack, "no network device %u in this network namespace",
				   req->ifindex);
		return -ENODEV;
	}
	err = netgpu_check_queue(req->dev, req->queue, extack);
	if (err)
		goto err_unlock;

	req->dma_dev = netdev_queue_get_dma_dev(req->dev, req->queue,
						NETDEV_QUEUE_TYPE_RX);
	if (!req->dma_dev) {
		NL_SET_ERR_MSG(extack, "the device does no DMA of its own: use a physical one");
		err = -EOPNOTSUPP;
		goto err_unlock;
	}
	return 0;

err_unlock:
	netdev_unlock(req->dev);
	return err;
}

/* On success the device is locked and the dma-buf referenced. */
static int netgpu_request_begin(struct netgpu_request *req,
				struct netlink_ext_ack *extack)
{
	struct net *net = current->nsproxy->net_ns;
	int err;

	err = netgpu_request_check(req, net, extack);
	if (err)
		return err;

	req->dmabuf = dma_buf_get(req->dmabuf_fd);
	if (IS_ERR(req->dmabuf)) {
		if (PTR_ERR(req->dmabuf) == -EINVAL) {
			NL_SET_ERR_MSG(extack,
				       "the file descriptor is not a dma-buf: export the memory as one first");
			return -EMEDIUMTYPE;
		}
		NL_SET_ERR_MSG(extack, "the dma-buf's file descriptor is not open");
		return PTR_ERR(req->dmabuf);
	}

	err = netgpu_request_lock_dev(req, net, extack);
	if (err)
		dma_buf_put(req->dmabuf);
	return err;
}

static void netgpu_request_end(struct netgpu_request *req)
{
	netdev_unlock(req->dev);
	dma_buf_put(req->dmabuf);
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

static struct netgpu_region *
netgpu_region_create_user(const struct netgpu_region_create *create,
			  struct netlink_ext_ack *extack)
{
	struct netgpu_request req = {
		.dmabuf_fd	= create->dmabuf_fd,
		.flags		= create->flags,
		.ifindex	= create->ifindex,
		.queue		= create->queue,
		.resv_used	= !mem_is_zero(create->resv, sizeof(create->resv)),
	};
	struct netgpu_region_params params = {
		.dir	= DMA_FROM_DEVICE,
		.offset	= create->offset,
		.length	= create->length,
		.flags	= create->flags,
		.queue	= create->queue,
	};
	struct netgpu_region *region;
	int err;

	err = netgpu_request_begin(&req, extack);
	if (err)
		return ERR_PTR(err);
	params.dev = req.dma_dev;
	params.netdev = req.dev;
	region = netgpu_region_create(req.dmabuf, &params, extack);
	netgpu_request_end(&req);
	return region;
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
	err = netgpu_put_msg(create.msg, create.msg_size, &extack);
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

/* What stands in the way of the range, beside the path to it. */
static int netgpu_probe_use(struct dma_buf *dmabuf, u64 offset, u64 length,
			    struct netlink_ext_ack *extack)
{
	struct user_struct *user = get_current_user();
	struct netgpu_buffer *buffer;
	int err = 0;

	buffer = netgpu_buffer_get(dmabuf, user, extack);
	if (IS_ERR(buffer)) {
		err = PTR_ERR(buffer);
		goto out;
	}
	scoped_guard(mutex, &buffer->lock) {
		if (netgpu_overlap(buffer, offset, length)) {
			NL_SET_ERR_MSG(extack,
				       "a part of the range is being received into already: use another, or end what uses it");
			err = -EBUSY;
		}
	}
	netgpu_buffer_put(buffer, user);
out:
	free_uid(user);
	return err;
}

static int netgpu_probe_user(const struct netgpu_probe *probe,
			     struct netgpu_reach *reach,
			     struct netlink_ext_ack *extack)
{
	struct netgpu_request req = {
		.dmabuf_fd	= probe->dmabuf_fd,
		.flags		= probe->flags,
		.ifindex	= probe->ifindex,
		.queue		= probe->queue,
		.resv_used	= !mem_is_zero(probe->resv, sizeof(probe->resv)),
	};
	int err;

	err = netgpu_request_begin(&req, extack);
	if (err)
		return err;
	err = netgpu_probe(req.dmabuf, req.dma_dev, probe->offset, probe->length,
			   probe->flags & NETGPU_REGION_REQUIRE_P2P, reach,
			   extack);
	if (!err)
		err = netgpu_probe_use(req.dmabuf, probe->offset, probe->length,
				       extack);
	netgpu_request_end(&req);
	return err;
}

static long netgpu_ioctl_probe(struct netgpu_probe __user *arg, size_t size)
{
	struct netgpu_reach reach = { .distance = -1 };
	struct netlink_ext_ack extack = {};
	struct netgpu_probe probe;
	int err, result;

	BUILD_BUG_ON(sizeof(probe) != NETGPU_PROBE_SIZE_VER0);

	if (size < NETGPU_PROBE_SIZE_VER0)
		return -EMSGSIZE;
	err = copy_struct_from_user(&probe, sizeof(probe), arg, size);
	if (err)
		return err;

	result = netgpu_probe_user(&probe, &reach, &extack);
	err = netgpu_put_msg(probe.msg, probe.msg_size, &extack);
	if (err || put_user(reach.placement, &arg->placement) ||
	    put_user(reach.path, &arg->path) ||
	    put_user(reach.distance, &arg->distance))
		return -EFAULT;
	return result;
}

static long netgpu_ioctl_query(struct netgpu_query __user *arg, size_t size)
{
	struct netgpu_query query;
	unsigned long regions;
	u64 mapped;
	int err;

	BUILD_BUG_ON(sizeof(query) != NETGPU_QUERY_SIZE_VER0);

	err = netgpu_query_begin(&query, sizeof(query), NETGPU_QUERY_SIZE_VER0,
				 arg, size);
	if (err)
		return err;

	netgpu_regions_count(&regions, &mapped);
	query.regions = regions;
	query.mapped_bytes = mapped;
	scoped_guard(mutex, &netgpu_lock)
		query.pinned_bytes = netgpu_charged_bytes(current_user());
	query.max_pinned_bytes = READ_ONCE(netgpu_max_pinned_bytes);
	query.refused_exporters = netgpu_refused_exporters();

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
