// SPDX-License-Identifier: GPL-2.0
/*
 * Between the core and the queue operations of a network device, to let them
 * fail, and to do to it what is hard to come by from user space.
 *
 * netdev=NAME	which device, in the first network namespace
 * alloc, stop, start
 *		how often these operations fail from now on; -1: always
 * error=ERRNO	what they fail with
 * failed	how often they did
 * poll=QUEUE	poll the queue's NAPI as netpoll does: without a budget, and
 *		with interrupts off
 * poll_allocs	how many allocations of buffers failed in that poll
 * hold=MS	hold the instance lock for so long
 * held		it is being held
 * rx_queues=N	say that there are so many receive queues, as a driver does
 *		that has to make do with fewer
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>

static char *netdev = "eth0";
module_param(netdev, charp, 0444);
static int alloc;
module_param(alloc, int, 0644);
static int stop;
module_param(stop, int, 0644);
static int start;
module_param(start, int, 0644);
static int error = ENOMEM;
module_param(error, int, 0644);
static int failed;
module_param(failed, int, 0444);
static int poll_allocs = -1;
module_param(poll_allocs, int, 0444);
static bool held;
module_param(held, bool, 0444);

static struct net_device *dev;
static netdevice_tracker dev_tracker;
static const struct netdev_queue_mgmt_ops *real_ops;
static struct netdev_queue_mgmt_ops ops;

static bool fails(int *times)
{
	if (!*times)
		return false;
	if (*times > 0)
		--*times;
	failed++;
	return true;
}

static int fault_mem_alloc(struct net_device *dev,
			   struct netdev_queue_config *qcfg, void *mem, int idx)
{
	return fails(&alloc) ? -error :
	       real_ops->ndo_queue_mem_alloc(dev, qcfg, mem, idx);
}

static int fault_stop(struct net_device *dev, void *mem, int idx)
{
	return fails(&stop) ? -error : real_ops->ndo_queue_stop(dev, mem, idx);
}

static int fault_start(struct net_device *dev, struct netdev_queue_config *qcfg,
		       void *mem, int idx)
{
	return fails(&start) ? -error :
	       real_ops->ndo_queue_start(dev, qcfg, mem, idx);
}

static int poll_set(const char *val, const struct kernel_param *kp)
{
	struct netdev_queue_stats_rx before = {}, after = {};
	struct napi_struct *napi;
	unsigned int idx;
	int err;

	err = kstrtouint(val, 0, &idx);
	if (err)
		return err;

	netdev_lock(dev);
	napi = idx < dev->real_num_rx_queues ? dev->_rx[idx].napi : NULL;
	if (!napi) {
		netdev_unlock(dev);
		return -ENODEV;
	}
	napi_disable_locked(napi);
	set_bit(NAPI_STATE_NPSVC, &napi->state);
	dev->stat_ops->get_queue_stats_rx(dev, idx, &before);
	local_irq_disable();
	napi->poll(napi, 0);
	local_irq_enable();
	dev->stat_ops->get_queue_stats_rx(dev, idx, &after);
	clear_bit(NAPI_STATE_NPSVC, &napi->state);
	napi_enable_locked(napi);
	local_bh_disable();
	napi_schedule(napi);
	local_bh_enable();
	netdev_unlock(dev);

	poll_allocs = after.alloc_fail - before.alloc_fail;
	return 0;
}

static const struct kernel_param_ops poll_ops = { .set = poll_set };
module_param_cb(poll, &poll_ops, NULL, 0200);

static int hold_set(const char *val, const struct kernel_param *kp)
{
	unsigned int ms;
	int err;

	err = kstrtouint(val, 0, &ms);
	if (err)
		return err;

	/*
	 * Who waits for a parameter must be able to read "held", and the others
	 * are set with the lock of the parameters first.
	 */
	kernel_param_unlock(THIS_MODULE);
	netdev_lock(dev);
	WRITE_ONCE(held, true);
	msleep(ms);
	WRITE_ONCE(held, false);
	netdev_unlock(dev);
	kernel_param_lock(THIS_MODULE);
	return 0;
}

static const struct kernel_param_ops hold_ops = { .set = hold_set };
module_param_cb(hold, &hold_ops, NULL, 0200);

static int rx_queues_set(const char *val, const struct kernel_param *kp)
{
	unsigned int n;
	int err;

	err = kstrtouint(val, 0, &n);
	if (err)
		return err;

	rtnl_lock();
	netdev_lock(dev);
	err = netif_set_real_num_rx_queues(dev, n);
	netdev_unlock(dev);
	rtnl_unlock();
	return err;
}

static const struct kernel_param_ops rx_queues_ops = { .set = rx_queues_set };
module_param_cb(rx_queues, &rx_queues_ops, NULL, 0200);

static int __init queue_fault_init(void)
{
	dev = netdev_get_by_name(&init_net, netdev, &dev_tracker, GFP_KERNEL);
	if (!dev)
		return -ENODEV;
	if (!dev->queue_mgmt_ops) {
		netdev_put(dev, &dev_tracker);
		return -EOPNOTSUPP;
	}

	netdev_lock(dev);
	real_ops = dev->queue_mgmt_ops;
	ops = *real_ops;
	ops.ndo_queue_mem_alloc = fault_mem_alloc;
	ops.ndo_queue_stop = fault_stop;
	ops.ndo_queue_start = fault_start;
	dev->queue_mgmt_ops = &ops;
	netdev_unlock(dev);
	return 0;
}
module_init(queue_fault_init);

static void __exit queue_fault_exit(void)
{
	netdev_lock(dev);
	dev->queue_mgmt_ops = real_ops;
	netdev_unlock(dev);
	netdev_put(dev, &dev_tracker);
}
module_exit(queue_fault_exit);

MODULE_DESCRIPTION("Test: queue operations that fail");
MODULE_LICENSE("GPL");
