// SPDX-License-Identifier: GPL-2.0
/*
 * Regions end when their network device goes away, and those in the memory of
 * a device when the system goes to sleep.
 */
#include <linux/delay.h>
#include <linux/dma-resv.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/suspend.h>

#include "internal.h"

/* For all regions together. */
#define NETGPU_SLEEP_WAIT	(10 * HZ)

/**
 * netgpu_netdev_goes - a network device goes away
 * @netdev: the device, already without memory providers.
 *
 * Its driver is about to lose the DMA device, so an idle region ends here and
 * now. One that is still bound is revoked like any other. One that is being closed
 * is not seen; unregistration waits for whatever is mapped, see struct
 * netgpu_region. What lives for one binding is its receive path's.
 */
void netgpu_netdev_goes(const struct net_device *netdev)
{
	struct netgpu_region *region;

	netgpu_for_each_region(region) {
		if (!region->netdev ||
		    (region->netdev != netdev && region->phys != netdev))
			continue;
		dma_resv_lock(region->dmabuf->resv, NULL);
		netgpu_region_revoke(region);
		dma_resv_unlock(region->dmabuf->resv);
	}
}

/*
 * What the memory of a device holds is not kept, and nobody moves it away. What is
 * sent by a device that does not say when it has read it is left alone, as it was.
 */
static bool netgpu_loses_memory(const struct netgpu_region *region)
{
	return region->placement != NETGPU_PLACEMENT_HOST &&
	       !region->undrained &&
	       READ_ONCE(region->state) != NETGPU_LIFE_ENDED;
}

/* netgpu_for_each_region() does not see those that are being closed. */
static bool netgpu_is_closing(void)
{
	const struct netgpu_region *region;

	guard(mutex)(&netgpu_lock);
	list_for_each_entry(region, &netgpu_regions, list)
		if (!refcount_read(&region->refs) && netgpu_loses_memory(region))
			return true;
	return false;
}

/**
 * netgpu_sleep - the system is about to go to sleep
 *
 * Device memory that is pinned is neither evicted nor kept, and devices are
 * suspended in an order that knows nothing of one writing to the other. So
 * regions in such memory are revoked while everything still works. Those in host
 * memory stay, as memory does.
 *
 * Return: 0, or -EBUSY when a network device does not stop, or memory is not
 * unmapped, in time.
 */
int netgpu_sleep(void)
{
	unsigned long end = jiffies + NETGPU_SLEEP_WAIT;
	struct netgpu_region *region;
	int err = 0;

	netgpu_stop_creating(true);
	netgpu_for_each_region(region) {
		dma_resv_lock(region->dmabuf->resv, NULL);
		if (netgpu_loses_memory(region))
			netgpu_region_revoke(region);
		dma_resv_unlock(region->dmabuf->resv);
	}

	netgpu_for_each_region(region) {
		long left = max_t(long, end - jiffies, 0);

		if (!netgpu_loses_memory(region))
			continue;
		if (wait_event_timeout(region->wait,
				       !netgpu_loses_memory(region), left))
			continue;
		pr_err("netgpu: %s does not stop writing to the memory of %s: the system stays awake\n",
		       dev_name(region->dev), region->dmabuf->exp_name);
		err = -EBUSY;
	}

	while (!err && netgpu_is_closing()) {
		if (time_after(jiffies, end)) {
			pr_err("netgpu: a region is not unmapped in time: the system stays awake\n");
			err = -EBUSY;
		}
		fsleep(10 * USEC_PER_MSEC);
	}
	/* Then nobody says that it is awake. */
	if (err)
		netgpu_stop_creating(false);
	return err;
}

static int netgpu_pm_event(struct notifier_block *nb, unsigned long event,
			   void *ptr)
{
	switch (event) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
	case PM_SUSPEND_PREPARE:
		return notifier_from_errno(netgpu_sleep());
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
	case PM_POST_SUSPEND:
		netgpu_stop_creating(false);
	}
	return NOTIFY_DONE;
}

static struct notifier_block netgpu_pm_notifier = {
	.notifier_call = netgpu_pm_event,
};

static int netgpu_netdev_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	if (event == NETDEV_UNREGISTER)
		netgpu_netdev_goes(netdev_notifier_info_to_dev(ptr));
	return NOTIFY_DONE;
}

static struct notifier_block netgpu_netdev_notifier = {
	.notifier_call = netgpu_netdev_event,
};

static int __init netgpu_events_init(void)
{
	int err;

	err = register_netdevice_notifier(&netgpu_netdev_notifier);
	if (err)
		return err;
	err = register_pm_notifier(&netgpu_pm_notifier);
	if (err)
		unregister_netdevice_notifier(&netgpu_netdev_notifier);
	return err;
}
device_initcall(netgpu_events_init);
