// SPDX-License-Identifier: GPL-2.0
/* Queue statistics, and the replacement of one receive queue's buffers */

#include <linux/iopoll.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/page_pool/helpers.h>

#include "igb.h"

static void igb_get_queue_stats_rx(struct net_device *netdev, int idx,
				   struct netdev_queue_stats_rx *stats)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring = adapter->rx_ring[idx];
	unsigned int start;

	/* there are no rings while the device is suspended */
	if (!ring)
		return;

	do {
		start = u64_stats_fetch_begin(&ring->rx_syncp);
		stats->packets = ring->rx_stats.packets;
		stats->bytes = ring->rx_stats.bytes;
		stats->alloc_fail = ring->rx_stats.alloc_failed;
		stats->csum_bad = ring->rx_stats.csum_err;
	} while (u64_stats_fetch_retry(&ring->rx_syncp, start));
}

static void igb_get_queue_stats_tx(struct net_device *netdev, int idx,
				   struct netdev_queue_stats_tx *stats)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring = adapter->tx_ring[idx];
	unsigned int start;

	if (!ring)
		return;

	do {
		start = u64_stats_fetch_begin(&ring->tx_syncp);
		stats->packets = ring->tx_stats.packets;
		stats->bytes = ring->tx_stats.bytes;
	} while (u64_stats_fetch_retry(&ring->tx_syncp, start));
}

/* Like the statistics of the interface, these count what the present rings
 * have seen; nothing is carried over when the rings are set up anew.
 */
static void igb_get_base_stats(struct net_device *netdev,
			       struct netdev_queue_stats_rx *rx,
			       struct netdev_queue_stats_tx *tx)
{
	rx->packets = 0;
	rx->bytes = 0;
	rx->alloc_fail = 0;
	rx->csum_bad = 0;

	tx->packets = 0;
	tx->bytes = 0;
}

const struct netdev_stat_ops igb_stat_ops = {
	.get_queue_stats_rx	= igb_get_queue_stats_rx,
	.get_queue_stats_tx	= igb_get_queue_stats_tx,
	.get_base_stats		= igb_get_base_stats,
};

static void igb_default_qcfg(struct net_device *netdev,
			     struct netdev_queue_config *qcfg)
{
	qcfg->rx_page_size = IGB_RX_SPLIT_MIN_BUFSZ;
}

static int igb_validate_qcfg(struct net_device *netdev,
			     struct netdev_queue_config *qcfg,
			     struct netlink_ext_ack *extack)
{
	struct igb_adapter *adapter = netdev_priv(netdev);

	if (test_bit(__IGB_QUEUES_HELD, &adapter->state)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "the number of virtual functions, and of queues, is being changed");
		return -EBUSY;
	}

	if (!is_power_of_2(qcfg->rx_page_size) ||
	    qcfg->rx_page_size < IGB_RX_SPLIT_MIN_BUFSZ ||
	    qcfg->rx_page_size > IGB_RX_SPLIT_MAX_BUFSZ) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "rx-page-size has to be a power of 2 from %u to %u",
				       IGB_RX_SPLIT_MIN_BUFSZ,
				       IGB_RX_SPLIT_MAX_BUFSZ);
		return -ERANGE;
	}

	return 0;
}

/* What changes hands with a provider. The descriptors and the header buffers
 * stay with the ring, so that it does not take much memory to get rid of one.
 */
struct igb_queue_mem {
	struct page_pool *page_pool;
	unsigned int rx_page_size;
};

static int igb_queue_mem_alloc(struct net_device *netdev,
			       struct netdev_queue_config *qcfg,
			       void *per_queue_mem, int idx)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring = adapter->rx_ring[idx];
	struct igb_queue_mem *mem = per_queue_mem;
	struct page_pool *pool;

	/* the rings are gone while the device is suspended, and when it did
	 * not come up again they have no memory
	 */
	if (!ring || (netif_running(netdev) &&
		      adapter->flags & IGB_FLAG_RX_SPLIT && !ring->rx_hdr))
		return -ENETDOWN;

	if (!(adapter->flags & IGB_FLAG_RX_SPLIT))
		return -EOPNOTSUPP;

	pool = igb_split_create_pool(ring, qcfg);
	if (IS_ERR(pool))
		return PTR_ERR(pool);

	mem->page_pool = pool;
	mem->rx_page_size = qcfg->rx_page_size;

	return 0;
}

static void igb_queue_mem_free(struct net_device *netdev, void *per_queue_mem)
{
	struct igb_queue_mem *mem = per_queue_mem;

	page_pool_destroy(mem->page_pool);
}

/* 0 when the receive queue writes nothing any more; -ETIMEDOUT when only a reset stops it. */
int igb_queue_disable(struct igb_adapter *adapter, struct igb_ring *ring)
{
	struct e1000_hw *hw = &adapter->hw;
	u32 rxdctl;
	int err;

	wr32(E1000_RXDCTL(ring->reg_idx), 0);

	/* The bit reads as set until the packet being received is in memory;
	 * the last descriptors may take a moment longer to be written back.
	 */
	err = read_poll_timeout(igb_rd32, rxdctl,
				!(rxdctl & E1000_RXDCTL_QUEUE_ENABLE),
				100, 10 * USEC_PER_MSEC, false,
				hw, E1000_RXDCTL(ring->reg_idx));
	usleep_range(100, 200);

	if (!E1000_REMOVED(hw->hw_addr))
		return err;

	/* One that has been unplugged reads as all ones. If it only seemed so,
	 * it must not write any more.
	 */
	pci_clear_master(adapter->pdev);
	return 0;
}

static void igb_queue_napi_enable(struct napi_struct *napi)
{
	napi_enable_locked(napi);

	/* An interrupt that came while NAPI was disabled has masked itself and
	 * done nothing else. Do its work, and unmask it.
	 */
	local_bh_disable();
	napi_schedule(napi);
	local_bh_enable();
}

static int igb_queue_stop(struct net_device *netdev, void *per_queue_mem,
			  int idx)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring = adapter->rx_ring[idx];
	struct napi_struct *napi = &ring->q_vector->napi;
	struct igb_queue_mem *mem = per_queue_mem;
	bool stuck = false;
	bool down;

	/* After a fatal PCI error the device is down although the interface is
	 * up: the rings are empty, NAPI is disabled.
	 */
	down = test_bit(__IGB_DOWN, &adapter->state);
	if (!down)
		stuck = igb_queue_disable(adapter, ring);

	if (stuck) {
		netdev_err(netdev, "Rx queue %d does not stop, resetting the device\n",
			   idx);
		while (test_and_set_bit(__IGB_RESETTING, &adapter->state))
			usleep_range(1000, 2000);
		igb_down(adapter);
	} else if (!down) {
		napi_disable_locked(napi);
	}

	igb_clean_rx_ring(ring);

	mem->page_pool = ring->page_pool;
	mem->rx_page_size = ring->rx_page_size;
	ring->page_pool = NULL;

	/* The pool outlives this: buffers of it are with sockets. It must not
	 * take NAPI, which is going to work on another pool, for its own.
	 */
	if (mem->page_pool)
		page_pool_disable_direct_recycling(mem->page_pool);

	/* Without a pool the queue is quiet, the transmit queue goes on. */
	if (stuck) {
		igb_up(adapter);
		clear_bit(__IGB_RESETTING, &adapter->state);
	} else if (!down) {
		igb_queue_napi_enable(napi);
	}

	return 0;
}

static int igb_queue_start(struct net_device *netdev,
			   struct netdev_queue_config *qcfg,
			   void *per_queue_mem, int idx)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring = adapter->rx_ring[idx];
	struct napi_struct *napi = &ring->q_vector->napi;
	bool down = test_bit(__IGB_DOWN, &adapter->state);
	struct igb_queue_mem *mem = per_queue_mem;

	if (!down)
		napi_disable_locked(napi);

	ring->page_pool = mem->page_pool;
	ring->rx_page_size = mem->rx_page_size;
	mem->page_pool = NULL;
	if (ring->page_pool)
		page_pool_enable_direct_recycling(ring->page_pool, napi);

	if (down)
		return 0;

	igb_configure_rx_ring(adapter, ring);
	igb_fill_rx_ring(ring);
	igb_queue_napi_enable(napi);

	return 0;
}

/**
 * igb_hold_queues - keep memory providers away, as queues are going to go
 * @adapter: board private structure
 *
 * For what cannot hold the instance lock all the time.
 *
 * Return: 0, and igb_release_queues() is to be called, or -EBUSY when a queue
 * has a memory provider
 */
int igb_hold_queues(struct igb_adapter *adapter)
{
	struct net_device *netdev = adapter->netdev;
	int err = 0;
	int i;

	netdev_lock(netdev);
	for (i = 0; i < netdev->real_num_rx_queues; i++) {
		if (!netif_rxq_has_unreadable_mp(netdev, i))
			continue;
		netdev_err(netdev, "Rx queue %d has a memory provider: close it before the number of virtual functions is changed\n",
			   i);
		err = -EBUSY;
		break;
	}
	if (!err)
		set_bit(__IGB_QUEUES_HELD, &adapter->state);
	netdev_unlock(netdev);

	return err;
}

/**
 * igb_release_queues - let memory providers come again
 * @adapter: board private structure
 */
void igb_release_queues(struct igb_adapter *adapter)
{
	clear_bit(__IGB_QUEUES_HELD, &adapter->state);
}

const struct netdev_queue_mgmt_ops igb_queue_mgmt_ops = {
	.ndo_queue_mem_size	= sizeof(struct igb_queue_mem),
	.ndo_queue_mem_alloc	= igb_queue_mem_alloc,
	.ndo_queue_mem_free	= igb_queue_mem_free,
	.ndo_queue_start	= igb_queue_start,
	.ndo_queue_stop		= igb_queue_stop,
	.ndo_default_qcfg	= igb_default_qcfg,
	.ndo_validate_qcfg	= igb_validate_qcfg,
	.supported_params	= QCFG_RX_PAGE_SIZE,
};
