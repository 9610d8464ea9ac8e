// SPDX-License-Identifier: GPL-2.0
/* KUnit tests: wait for a network device to have read what it is to send. */
#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/ktime.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/netdev_queues.h>

#include "devmem.h"

#define DRAIN_BYTES	1000

/* A device that sends nothing by itself. */
struct drain_fake {
	struct net_device *dev;
	unsigned int timeouts;
	unsigned int stops;
	bool heals;		/* by a reset */
	struct timer_list timer;	/* completes a little, so often */
	unsigned int left;
};

static netdev_tx_t drain_fake_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static void drain_fake_timeout(struct net_device *dev, unsigned int index)
{
	struct drain_fake *fake = netdev_priv(dev);

	fake->timeouts++;
	if (fake->heals)
		netdev_tx_reset_queue(netdev_get_tx_queue(dev, index));
}

static int drain_fake_open(struct net_device *dev)
{
	return 0;
}

static int drain_fake_stop(struct net_device *dev)
{
	struct drain_fake *fake = netdev_priv(dev);
	unsigned int i;

	fake->stops++;
	for (i = 0; i < dev->num_tx_queues; i++)
		netdev_tx_reset_queue(netdev_get_tx_queue(dev, i));
	return 0;
}

static const struct net_device_ops drain_fake_ops = {
	.ndo_open	= drain_fake_open,
	.ndo_stop	= drain_fake_stop,
	.ndo_start_xmit	= drain_fake_xmit,
	.ndo_tx_timeout	= drain_fake_timeout,
};

static void drain_fake_free(void *data)
{
	struct net_device *dev = data;
	struct drain_fake *fake = netdev_priv(dev);

	timer_shutdown_sync(&fake->timer);
	unregister_netdev(dev);
	free_netdev(dev);
}

static void drain_fake_tick(struct timer_list *timer)
{
	struct drain_fake *fake = timer_container_of(fake, timer, timer);

	netdev_tx_completed_queue(netdev_get_tx_queue(fake->dev, 0), 1,
				  DRAIN_BYTES);
	if (--fake->left)
		mod_timer(&fake->timer, jiffies + HZ / 10);
}

static struct net_device *drain_fake_alloc(struct kunit *test)
{
	struct drain_fake *fake;
	struct net_device *dev;
	int err;

	dev = alloc_etherdev_mqs(sizeof(*fake), 2, 1);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	fake = netdev_priv(dev);
	fake->dev = dev;
	timer_setup(&fake->timer, drain_fake_tick, 0);
	dev->netdev_ops = &drain_fake_ops;
	dev->netmem_tx_drain = true;
	eth_hw_addr_random(dev);
	err = register_netdev(dev);
	if (err)
		free_netdev(dev);
	KUNIT_ASSERT_EQ(test, 0, err);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, drain_fake_free,
							   dev));
	rtnl_lock();
	err = dev_open(dev, NULL);
	rtnl_unlock();
	KUNIT_ASSERT_EQ(test, 0, err);
	KUNIT_ASSERT_TRUE(test, netdev_can_drain_tx(dev));
	return dev;
}

static s64 drain_ms(struct net_device *dev)
{
	ktime_t start = ktime_get();

	netdev_drain_tx(dev);
	return ktime_ms_delta(ktime_get(), start);
}

static void drain_test_idle(struct kunit *test)
{
	struct net_device *dev = drain_fake_alloc(test);
	struct drain_fake *fake = netdev_priv(dev);

	/* not even the time of a stall passes */
	drain_ms(dev);
	KUNIT_EXPECT_EQ(test, fake->timeouts, 0);
	KUNIT_EXPECT_EQ(test, fake->stops, 0);
}

/* Who goes on is not reset. */
static void drain_test_progress(struct kunit *test)
{
	struct net_device *dev = drain_fake_alloc(test);
	struct drain_fake *fake = netdev_priv(dev);
	struct netdev_queue *txq = netdev_get_tx_queue(dev, 0);
	s64 ms;

	/* 800 ms in all, 100 ms each */
	fake->left = 8;
	netdev_tx_sent_queue(txq, 8 * DRAIN_BYTES);
	mod_timer(&fake->timer, jiffies + HZ / 10);
	ms = drain_ms(dev);
	/* what has completed the last may still be at work */
	timer_delete_sync(&fake->timer);
	KUNIT_EXPECT_GE(test, ms, 700);
	KUNIT_EXPECT_EQ(test, fake->left, 0);
	KUNIT_EXPECT_EQ(test, fake->timeouts, 0);
}

static void drain_test_reset(struct kunit *test)
{
	struct net_device *dev = drain_fake_alloc(test);
	struct drain_fake *fake = netdev_priv(dev);

	fake->heals = true;
	netdev_tx_sent_queue(netdev_get_tx_queue(dev, 1), DRAIN_BYTES);
	drain_ms(dev);
	KUNIT_EXPECT_EQ(test, fake->timeouts, 1);
	KUNIT_EXPECT_EQ(test, fake->stops, 0);
}

static void drain_test_close(struct kunit *test)
{
	struct net_device *dev = drain_fake_alloc(test);
	struct drain_fake *fake = netdev_priv(dev);

	netdev_tx_sent_queue(netdev_get_tx_queue(dev, 0), DRAIN_BYTES);
	netdev_tx_sent_queue(netdev_get_tx_queue(dev, 1), DRAIN_BYTES);
	drain_ms(dev);
	KUNIT_EXPECT_EQ(test, fake->timeouts, 1);
	KUNIT_EXPECT_EQ(test, fake->stops, 1);
	KUNIT_EXPECT_FALSE(test, netif_running(dev));
}

static struct kunit_case drain_test_cases[] = {
	KUNIT_CASE(drain_test_idle),
	KUNIT_CASE(drain_test_progress),
	KUNIT_CASE_SLOW(drain_test_reset),
	KUNIT_CASE_SLOW(drain_test_close),
	{},
};

static struct kunit_suite drain_test_suite = {
	.name = "netdev_drain",
	.test_cases = drain_test_cases,
};

kunit_test_suite(drain_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of netdev_drain_tx()");
MODULE_LICENSE("GPL");
