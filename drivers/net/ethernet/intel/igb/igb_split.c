// SPDX-License-Identifier: GPL-2.0
/* Receive with the headers split from the payload
 *
 * The controller writes the headers of a packet, up to the start of the TCP
 * or UDP payload, into a header buffer and what follows into a page of its
 * own, or its part of one. The header buffers are a fixed array, one per
 * descriptor: headers are copied into the linear part of the skb. The pages
 * come from a page_pool, which hands out memory that the CPU cannot read where
 * the queue has a memory provider. Nothing in this file looks at the payload.
 */

#include <net/gro.h>
#include <net/netdev_queues.h>
#include <net/page_pool/helpers.h>
#include <net/tcp.h>

#include "e1000_hw.h"
#include "igb.h"

/* How long a ring that found no buffers waits before it asks again. */
#define IGB_RX_SPLIT_RETRY_MS	20

static u32 igb_split_hdr_offset(u16 i)
{
	return i * IGB_RX_SPLIT_HDR_LEN;
}

static size_t igb_split_hdr_size(const struct igb_ring *rx_ring)
{
	return rx_ring->count * IGB_RX_SPLIT_HDR_LEN;
}

/**
 * igb_split_supported - can this controller split headers from payload?
 * @adapter: board private structure
 *
 * The earlier ones differ in how they split, the later ones do not document
 * it.
 *
 * Return: true if so
 */
bool igb_split_supported(const struct igb_adapter *adapter)
{
	switch (adapter->hw.mac.type) {
	case e1000_82576:
	case e1000_i350:
	case e1000_i210:
		return true;
	default:
		return false;
	}
}

/**
 * igb_split_check - find what forbids to split headers from payload
 * @adapter: board private structure
 * @extack: where to say so
 *
 * Return: 0 if nothing does, negative otherwise
 */
int igb_split_check(struct igb_adapter *adapter, struct netlink_ext_ack *extack)
{
	int i;

	if (!igb_split_supported(adapter)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "this controller cannot split headers from payload");
		return -EOPNOTSUPP;
	}

	if (adapter->flags & IGB_FLAG_RX_LEGACY) {
		NL_SET_ERR_MSG_MOD(extack,
				   "tcp-data-split does not go with the private flag legacy-rx: turn that off first");
		return -EINVAL;
	}

	if (igb_xdp_is_enabled(adapter)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "tcp-data-split does not go with XDP: detach the program first");
		return -EBUSY;
	}

	for (i = 0; i < adapter->num_rx_queues; i++) {
		struct xsk_buff_pool *pool;

		/* those that copy have no device */
		pool = xsk_get_pool_from_qid(adapter->netdev, i);
		if (!pool || !pool->dev)
			continue;
		NL_SET_ERR_MSG_MOD(extack,
				   "tcp-data-split does not go with AF_XDP zero-copy: close its sockets first");
		return -EBUSY;
	}

	if (igb_split_tstamp_conflict(adapter, &adapter->tstamp_config)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "tcp-data-split does not go with hardware receive timestamps, which this controller puts ahead of the packet: turn them off first");
		return -EBUSY;
	}

	return 0;
}

/**
 * igb_split_create_pool - create the pool that a ring's payload goes to
 * @rx_ring: Rx ring
 * @qcfg: what is configured for the queue
 *
 * The caller holds the instance lock of the device, and is to tell the pool
 * when it belongs to the ring's NAPI.
 *
 * Return: the pool, or an error pointer
 */
struct page_pool *igb_split_create_pool(const struct igb_ring *rx_ring,
					const struct netdev_queue_config *qcfg)
{
	struct page_pool_params params = {
		.order		= get_order(qcfg->rx_page_size),
		.pool_size	= rx_ring->count,
		.nid		= dev_to_node(rx_ring->dev),
		.dev		= rx_ring->dev,
		.dma_dir	= DMA_FROM_DEVICE,
		.max_len	= qcfg->rx_page_size,
		.netdev		= rx_ring->netdev,
		.queue_idx	= rx_ring->queue_index,
		.flags		= PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV |
				  PP_FLAG_ALLOW_UNREADABLE_NETMEM,
	};

	return page_pool_create(&params);
}

/**
 * igb_split_alloc - allocate what a ring needs to receive split packets
 * @rx_ring: Rx ring, with its other memory allocated
 *
 * Does nothing where headers are not to be split. The caller holds the
 * instance lock of the device.
 *
 * Return: 0 on success, negative on failure
 */
int igb_split_alloc(struct igb_ring *rx_ring)
{
	struct igb_adapter *adapter = netdev_priv(rx_ring->netdev);
	struct netdev_queue_config qcfg;
	struct page_pool *pool;
	void *hdr;

	/* the ring may be a copy of another, with its pointers */
	rx_ring->rx_hdr = NULL;
	rx_ring->page_pool = NULL;

	/* the ring of the self-test has no vector, and no use for this */
	if (!(adapter->flags & IGB_FLAG_RX_SPLIT) || !rx_ring->q_vector)
		return 0;

	hdr = dma_alloc_noncoherent(rx_ring->dev, igb_split_hdr_size(rx_ring),
				    &rx_ring->rx_hdr_dma, DMA_FROM_DEVICE,
				    GFP_KERNEL);
	if (!hdr)
		return -ENOMEM;

	netdev_queue_config(rx_ring->netdev, rx_ring->queue_index, &qcfg);
	pool = igb_split_create_pool(rx_ring, &qcfg);
	if (IS_ERR(pool)) {
		dma_free_noncoherent(rx_ring->dev, igb_split_hdr_size(rx_ring),
				     hdr, rx_ring->rx_hdr_dma, DMA_FROM_DEVICE);
		return PTR_ERR(pool);
	}

	memset(rx_ring->rx_buffer_info, 0,
	       sizeof(*rx_ring->rx_buffer_info) * rx_ring->count);
	page_pool_enable_direct_recycling(pool, &rx_ring->q_vector->napi);
	rx_ring->rx_hdr = hdr;
	rx_ring->page_pool = pool;
	rx_ring->rx_page_size = qcfg.rx_page_size;

	return 0;
}

/**
 * igb_split_free - free what igb_split_alloc() has allocated
 * @rx_ring: Rx ring, without buffers
 */
void igb_split_free(struct igb_ring *rx_ring)
{
	if (!rx_ring->rx_hdr)
		return;

	/* a queue that has been stopped has none */
	page_pool_destroy(rx_ring->page_pool);
	rx_ring->page_pool = NULL;

	dma_free_noncoherent(rx_ring->dev, igb_split_hdr_size(rx_ring),
			     rx_ring->rx_hdr, rx_ring->rx_hdr_dma,
			     DMA_FROM_DEVICE);
	rx_ring->rx_hdr = NULL;
}

/**
 * igb_clean_rx_ring_split - give the buffers of a stopped ring back
 * @rx_ring: Rx ring to take the buffers from
 */
void igb_clean_rx_ring_split(struct igb_ring *rx_ring)
{
	u16 i;

	/* A buffer that no payload went to stays where it is, so they can be
	 * anywhere in the ring.
	 */
	for (i = 0; i < rx_ring->count; i++) {
		struct igb_rx_buffer *bi = &rx_ring->rx_buffer_info[i];

		if (!bi->netmem)
			continue;

		page_pool_put_full_netmem(rx_ring->page_pool, bi->netmem,
					  false);
		bi->netmem = 0;
	}
}

/**
 * igb_split_set_size - set how much payload a descriptor has room for
 * @rx_ring: Rx ring
 *
 * As much as a full TCP packet has, rounded up so that such parts fill a
 * buffer. What is longer, such as a packet without timestamps where the MTU
 * leaves no room for more, takes another one.
 *
 * Return: number of bytes, a power of two
 */
unsigned int igb_split_set_size(struct igb_ring *rx_ring)
{
	unsigned int payload = READ_ONCE(rx_ring->netdev->mtu) -
			       sizeof(struct iphdr) - sizeof(struct tcphdr) -
			       TCPOLEN_TSTAMP_ALIGNED;

	rx_ring->rx_split_size = clamp_t(unsigned int,
					 roundup_pow_of_two(payload),
					 IGB_RXBUFFER_2048,
					 rx_ring->rx_page_size);
	return rx_ring->rx_split_size;
}

/* Where the payload of the next packet goes. */
static bool igb_split_get_buffer(struct igb_ring *rx_ring,
				 struct igb_rx_buffer *bi)
{
	unsigned int size = rx_ring->rx_split_size, offset = 0;
	struct page_pool *pool = rx_ring->page_pool;

	if (size == rx_ring->rx_page_size)
		bi->netmem = page_pool_dev_alloc_netmems(pool);
	else
		bi->netmem = page_pool_alloc_frag_netmem(pool, &offset, size,
							 GFP_ATOMIC |
							 __GFP_NOWARN);
	bi->page_offset = offset;

	return bi->netmem;
}

/* Without descriptors no interrupt comes that would make a ring be filled. */
static void igb_split_retry_later(struct igb_ring *rx_ring)
{
	unsigned long soon = jiffies + msecs_to_jiffies(IGB_RX_SPLIT_RETRY_MS);
	struct igb_adapter *adapter = rx_ring->q_vector->adapter;

	set_bit(IGB_RING_FLAG_RX_ALLOC_FAILED, &rx_ring->flags);
	if (!test_bit(__IGB_DOWN, &adapter->state))
		timer_reduce(&adapter->watchdog_timer, soon);
}

/**
 * igb_alloc_rx_buffers_split - hand descriptors to the hardware
 * @rx_ring: Rx ring to fill
 * @count: number of descriptors to fill
 */
void igb_alloc_rx_buffers_split(struct igb_ring *rx_ring, u16 count)
{
	union e1000_adv_rx_desc *rx_desc;
	u16 i = rx_ring->next_to_use;

	/* not a queue that has been stopped */
	if (!rx_ring->page_pool)
		return;

	while (count--) {
		struct igb_rx_buffer *bi = &rx_ring->rx_buffer_info[i];
		dma_addr_t hdr, dma;

		if (!bi->netmem &&
		    unlikely(!igb_split_get_buffer(rx_ring, bi))) {
			rx_ring->rx_stats.alloc_failed++;
			igb_split_retry_later(rx_ring);
			break;
		}

		dma = page_pool_get_dma_addr_netmem(bi->netmem) +
		      bi->page_offset;
		hdr = rx_ring->rx_hdr_dma + igb_split_hdr_offset(i);
		dma_sync_single_for_device(rx_ring->dev, hdr,
					   IGB_RX_SPLIT_HDR_LEN,
					   DMA_FROM_DEVICE);

		/* hdr_addr overlays the status, and is even: DD is clear */
		rx_desc = IGB_RX_DESC(rx_ring, i);
		rx_desc->read.pkt_addr = cpu_to_le64(dma);
		rx_desc->read.hdr_addr = cpu_to_le64(hdr);

		if (++i == rx_ring->count)
			i = 0;
	}

	/* the hardware has yet to be given the next one */
	IGB_RX_DESC(rx_ring, i)->wb.upper.status_error = 0;

	if (rx_ring->next_to_use == i)
		return;

	rx_ring->next_to_use = i;
	rx_ring->next_to_alloc = i;

	/* the descriptors must be in memory before the hardware is told */
	dma_wmb();
	writel(i, rx_ring->tail);
}

/* The skb of the packet before, where GRO has taken but its payload. */
static struct sk_buff *igb_split_get_skb(struct igb_ring *rx_ring,
					 union e1000_adv_rx_desc *rx_desc)
{
	u32 offset = igb_split_hdr_offset(rx_ring->next_to_clean);
	struct sk_buff *skb;
	unsigned int len;

	BUILD_BUG_ON(IGB_RX_SPLIT_HDR_LEN > GRO_MAX_HEAD);

	skb = napi_get_frags(&rx_ring->q_vector->napi);
	if (unlikely(!skb))
		return NULL;

	/* what is left of the packet before */
	skb->pp_recycle = 0;
	skb->csum_level = 0;
	skb_clear_hash(skb);

	/* A length beyond the buffer is that of the headers as the controller
	 * found them. It has then put what did not fit before the payload.
	 */
	len = le16_to_cpu(rx_desc->wb.lower.lo_dword.hdr_info);
	len = (len & E1000_RXDADV_HDRBUFLEN_MASK) >> E1000_RXDADV_HDRBUFLEN_SHIFT;
	len = min(len, IGB_RX_SPLIT_HDR_LEN);

	dma_sync_single_range_for_cpu(rx_ring->dev, rx_ring->rx_hdr_dma,
				      offset, len, DMA_FROM_DEVICE);
	__skb_put_data(skb, rx_ring->rx_hdr + offset, len);

	return skb;
}

static void igb_split_add_payload(struct igb_ring *rx_ring,
				  struct igb_rx_buffer *bi,
				  struct sk_buff *skb, unsigned int size)
{
	/* Not on a packet that is in its header buffer in full: that keeps GRO
	 * from joining payload that the CPU can read to payload that it cannot.
	 */
	skb_mark_for_recycle(skb);

	page_pool_dma_sync_netmem_for_cpu(rx_ring->page_pool, bi->netmem,
					  bi->page_offset, size);
	skb_add_rx_frag_netmem(skb, skb_shinfo(skb)->nr_frags, bi->netmem,
			       bi->page_offset, size, rx_ring->rx_split_size);
	bi->netmem = 0;
}

/* Is it a packet for the stack? If not, it is freed. */
static bool igb_split_verify(struct igb_ring *rx_ring,
			     union e1000_adv_rx_desc *rx_desc,
			     struct sk_buff *skb)
{
	struct napi_struct *napi = &rx_ring->q_vector->napi;

	if (likely(!igb_test_staterr(rx_desc,
				     E1000_RXDEXT_ERR_FRAME_ERR_MASK) &&
		   skb_headlen(skb) >= ETH_HLEN && skb->len >= ETH_ZLEN))
		return true;

	/* what follows may free it */
	napi->skb = NULL;

	/* verify the packet layout is correct */
	if (igb_cleanup_headers(rx_ring, rx_desc, skb))
		return false;

	/* The stack counts on the Ethernet header being readable. Some
	 * controllers do not split what they do not look into, such as
	 * fragments.
	 */
	if (!pskb_may_pull(skb, ETH_HLEN)) {
		dev_core_stats_rx_dropped_inc(rx_ring->netdev);
		dev_kfree_skb_any(skb);
		return false;
	}

	napi->skb = skb;
	return true;
}

/**
 * igb_clean_rx_irq_split - receive packets with their headers split off
 * @q_vector: vector with the Rx ring to look at
 * @budget: number of packets to receive at most
 *
 * Return: number of packets received
 */
int igb_clean_rx_irq_split(struct igb_q_vector *q_vector, const int budget)
{
	unsigned int total_bytes = 0, total_packets = 0;
	struct igb_ring *rx_ring = q_vector->rx.ring;
	u16 cleaned_count = igb_desc_unused(rx_ring);
	struct sk_buff *skb = rx_ring->skb;

	/* its vector may still have a transmit queue to look after */
	if (!rx_ring->page_pool)
		return 0;

	/* the beginning of a frame */
	if (skb)
		q_vector->napi.skb = skb;

	while (likely(total_packets < budget)) {
		union e1000_adv_rx_desc *rx_desc;
		struct igb_rx_buffer *bi;
		unsigned int size;

		/* return some buffers to hardware, one at a time is too slow */
		if (cleaned_count >= IGB_RX_BUFFER_WRITE) {
			igb_alloc_rx_buffers_split(rx_ring, cleaned_count);
			cleaned_count = 0;
		}

		/* A packet that fits into the header buffer has no payload, so
		 * the length does not tell whether the descriptor is done.
		 */
		rx_desc = IGB_RX_DESC(rx_ring, rx_ring->next_to_clean);
		if (!igb_test_staterr(rx_desc, E1000_RXD_STAT_DD))
			break;

		/* This memory barrier is needed to keep us from reading
		 * any other fields out of the rx_desc until we know the
		 * descriptor has been written back
		 */
		dma_rmb();

		/* only the first descriptor of a packet has headers */
		if (!skb) {
			skb = igb_split_get_skb(rx_ring, rx_desc);
			if (unlikely(!skb)) {
				rx_ring->rx_stats.alloc_failed++;
				igb_split_retry_later(rx_ring);
				break;
			}
		}

		bi = &rx_ring->rx_buffer_info[rx_ring->next_to_clean];
		size = le16_to_cpu(rx_desc->wb.upper.length);
		if (size)
			igb_split_add_payload(rx_ring, bi, skb, size);
		cleaned_count++;

		/* fetch next buffer in frame if non-eop */
		if (igb_is_non_eop(rx_ring, rx_desc))
			continue;

		if (unlikely(!igb_split_verify(rx_ring, rx_desc, skb))) {
			skb = NULL;
			continue;
		}

		total_bytes += skb->len;

		/* populate checksum, timestamp, and VLAN */
		igb_process_skb_fields(rx_ring, rx_desc, skb);

		napi_gro_frags(&q_vector->napi);
		skb = NULL;

		/* update budget accounting */
		total_packets++;
	}

	/* place incomplete frames back on ring for completion */
	rx_ring->skb = skb;
	if (skb)
		q_vector->napi.skb = NULL;

	igb_update_rx_stats(q_vector, total_packets, total_bytes);

	if (cleaned_count)
		igb_alloc_rx_buffers_split(rx_ring, cleaned_count);

	return total_packets;
}
