// SPDX-License-Identifier: GPL-2.0
/* Wait for a network device to have read what it is to send. */
#include <kunit/visibility.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/netdev_queues.h>

#include "devmem.h"

/* A queue that stands still for so long is reset, as its watchdog does it. The
 * peer may hold it up, by pause frames, and who waits for the memory has no time.
 */
#define NETDEV_DRAIN_STALL	(HZ / 2)
/* The same, however little goes on, and for the reset. */
#define NETDEV_DRAIN_MAX	(2 * HZ)

#ifdef CONFIG_BQL
static unsigned int netdev_txq_queued(const struct netdev_queue *txq)
{
	return READ_ONCE(txq->dql.num_queued);
}

static unsigned int netdev_txq_completed(const struct netdev_queue *txq)
{
	return READ_ONCE(txq->dql.num_completed);
}
#else
/* No device can be drained then: netdev_can_drain_tx(). */
static unsigned int netdev_txq_queued(const struct netdev_queue *txq)
{
	return 0;
}

static unsigned int netdev_txq_completed(const struct netdev_queue *txq)
{
	return 0;
}
#endif

/* The device is through with @until, counted in bytes; or the queue is empty; or it
 * has been reset, which counts from 0.
 */
static bool netdev_txq_is_drained(const struct netdev_queue *txq,
				  unsigned int until)
{
	unsigned int completed = netdev_txq_completed(txq);
	unsigned int queued;

	/* completed first: what is equal then was so at that time */
	smp_rmb();
	queued = netdev_txq_queued(txq);

	return completed == queued || (int)(completed - until) >= 0 ||
	       (int)(queued - until) < 0;
}

/* False when nothing goes on for @stall, or all of it takes too long. */
static bool netdev_txq_wait(const struct netdev_queue *txq, unsigned int until,
			    unsigned long stall)
{
	unsigned int completed = netdev_txq_completed(txq), last;
	unsigned long end = jiffies + NETDEV_DRAIN_MAX;
	unsigned long stalled = jiffies + stall;

	while (!netdev_txq_is_drained(txq, until)) {
		last = completed;
		completed = netdev_txq_completed(txq);
		if (completed != last)
			stalled = jiffies + stall;
		if (time_after(jiffies, stalled) || time_after(jiffies, end))
			return false;
		fsleep(100);
	}
	return true;
}

static void netdev_reset_txq(struct net_device *dev, unsigned int index)
{
	netdev_warn(dev, "transmit queue %u stands still, and reads memory that its exporter wants back: resetting it\n",
		    index);
	netif_tx_lock_bh(dev);
	if (netif_device_present(dev) && netif_running(dev))
		dev->netdev_ops->ndo_tx_timeout(dev, index);
	netif_tx_unlock_bh(dev);
}

static void netdev_drain_txq(struct net_device *dev, unsigned int index)
{
	const struct netdev_queue *txq = netdev_get_tx_queue(dev, index);
	unsigned int until = netdev_txq_queued(txq);

	if (netdev_txq_wait(txq, until, NETDEV_DRAIN_STALL))
		return;
	netdev_reset_txq(dev, index);
	if (netdev_txq_wait(txq, until, NETDEV_DRAIN_MAX))
		return;
	/* Some drivers take the RTNL for a reset: it may have waited for that, too. */
	while (!rtnl_trylock())
		if (netdev_txq_wait(txq, until, HZ / 100))
			return;
	if (!netdev_txq_is_drained(txq, until)) {
		netdev_err(dev, "transmit queue %u does not stop to read memory that its exporter wants back: closing the device\n",
			   index);
		dev_close(dev);
	}
	rtnl_unlock();
	WARN_ON_ONCE(!netdev_txq_is_drained(txq, until));
}

/**
 * netdev_drain_tx - wait until a device has read what it was given to send
 * @dev: network device, held by the caller. One that cannot say that, see
 *	netdev_can_drain_tx(), is closed.
 *
 * What is not to be sent any more is kept from the device already, by what
 * validate_xmit_skb() looks at. It may be in any queue of the kernel, but not in
 * one of the device when this returns. A queue that does not go on is reset, and
 * if that does not help either, the device is closed. That takes 4 seconds for
 * each queue at most, and to close it as long as others hold the RTNL.
 * After a reset of all, or a close, the others are empty.
 *
 * Context: process context, without locks of the device. May take the RTNL.
 */
void netdev_drain_tx(struct net_device *dev)
{
	unsigned int i;

	/* packets on their way from validate_xmit_skb() to the device */
	synchronize_net();
	if (!netdev_can_drain_tx(dev)) {
		rtnl_lock();
		dev_close(dev);
		rtnl_unlock();
		return;
	}
	for (i = 0; i < dev->num_tx_queues; i++)
		netdev_drain_txq(dev, i);
}
EXPORT_SYMBOL_IF_KUNIT(netdev_drain_tx);
