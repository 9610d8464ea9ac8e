// SPDX-License-Identifier: GPL-2.0
/* Wait for a network device to have read what it is to send. */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>

#include "devmem.h"

/* A queue that stands still for so long is reset, as its watchdog does it. The
 * peer may hold it up, by pause frames, and who waits for the memory has no time.
 */
#define NETDEV_DRAIN_STALL	(HZ / 2)

#ifdef CONFIG_BQL
static unsigned int netdev_txq_queued(const struct netdev_queue *txq)
{
	return READ_ONCE(txq->dql.num_queued);
}

/* The device is through with @until, counted in bytes; or the queue is empty; or it
 * has been reset, which counts from 0.
 */
static bool netdev_txq_is_drained(const struct netdev_queue *txq,
				  unsigned int until)
{
	unsigned int completed = READ_ONCE(txq->dql.num_completed);
	unsigned int queued;

	/* completed first: what is equal then was so at that time */
	smp_rmb();
	queued = netdev_txq_queued(txq);

	return completed == queued || (int)(completed - until) >= 0 ||
	       (int)(queued - until) < 0;
}
#else
static unsigned int netdev_txq_queued(const struct netdev_queue *txq)
{
	return 0;
}

/* Nothing is sent from memory that can be taken back: netgpu_region_create(). */
static bool netdev_txq_is_drained(const struct netdev_queue *txq,
				  unsigned int until)
{
	return true;
}
#endif

static void netdev_reset_txq(struct net_device *dev, unsigned int index)
{
	netif_tx_lock_bh(dev);
	if (netif_device_present(dev) && netif_running(dev) &&
	    dev->netdev_ops->ndo_tx_timeout)
		dev->netdev_ops->ndo_tx_timeout(dev, index);
	netif_tx_unlock_bh(dev);
}

static void netdev_drain_txq(struct net_device *dev, unsigned int index)
{
	const struct netdev_queue *txq = netdev_get_tx_queue(dev, index);
	unsigned int until = netdev_txq_queued(txq);
	unsigned long stalled = jiffies + NETDEV_DRAIN_STALL;

	while (!netdev_txq_is_drained(txq, until)) {
		if (time_after(jiffies, stalled)) {
			netdev_warn(dev, "transmit queue %u stands still, and reads memory that its exporter wants back: resetting it\n",
				    index);
			netdev_reset_txq(dev, index);
			stalled = jiffies + 10 * NETDEV_DRAIN_STALL;
		}
		fsleep(100);
	}
}

/**
 * netdev_drain_tx - wait until a device has read what it was given to send
 * @dev: network device, held by the caller. It reports to byte queue limits, as all
 *	do that set &net_device.netmem_tx.
 *
 * What is not to be sent any more is kept from the device already, by what
 * validate_xmit_skb() looks at. It may be in any queue of the kernel, but not in
 * one of the device when this returns. A queue that does not go on is reset.
 *
 * Context: process context, without locks of the device.
 */
void netdev_drain_tx(struct net_device *dev)
{
	unsigned int i;

	/* packets on their way from validate_xmit_skb() to the device */
	synchronize_net();
	for (i = 0; i < dev->num_tx_queues; i++)
		netdev_drain_txq(dev, i);
}
