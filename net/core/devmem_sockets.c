// SPDX-License-Identifier: GPL-2.0
/* Sockets that a revocation of device memory concerns. */
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <net/inet_hashtables.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "devmem.h"

static void net_devmem_sockets_bucket(struct inet_hashinfo *hashinfo,
				      unsigned int bucket, u32 id)
{
	struct hlist_nulls_node *node;
	struct sock *sk;

	guard(spinlock_bh)(inet_ehash_lockp(hashinfo, bucket));

	sk_nulls_for_each(sk, node, &hashinfo->ehash[bucket].chain) {
		if (!sk_fullsock(sk) || READ_ONCE(sk->sk_devmem_id) != id)
			continue;
		WRITE_ONCE(sk->sk_err, ENODEV);
		sk_error_report(sk);
	}
}

static void net_devmem_sockets_table(struct inet_hashinfo *hashinfo, u32 id)
{
	unsigned int bucket;

	for (bucket = 0; bucket <= hashinfo->ehash_mask; bucket++) {
		if (!hlist_nulls_empty(&hashinfo->ehash[bucket].chain))
			net_devmem_sockets_bucket(hashinfo, bucket, id);
		cond_resched();
	}
}

/**
 * net_devmem_sockets_revoked - tell the users of a devmem binding that it is over
 * @id: the binding, whose memory nothing is received into any more.
 *
 * Each TCP socket that has received from it gets the error ENODEV, once.
 *
 * Context: process context. Takes net_rwsem.
 */
void net_devmem_sockets_revoked(u32 id)
{
	struct inet_hashinfo *hashinfo;
	struct net *net;

	net_devmem_sockets_table(&tcp_hashinfo, id);

	guard(rwsem_read)(&net_rwsem);
	for_each_net(net) {
		hashinfo = net->ipv4.tcp_death_row.hashinfo;
		if (hashinfo->pernet)
			net_devmem_sockets_table(hashinfo, id);
	}
}

/* Numbers the sweeps, to know a socket that was looked at. */
static DEFINE_MUTEX(net_devmem_sweep_lock);
static u32 net_devmem_sweep = 1;

static bool net_devmem_is_sending(struct sock *sk,
				  const struct net_devmem_dmabuf_binding *binding)
{
	struct sk_buff *skb;

	for (skb = tcp_rtx_queue_head(sk); skb; skb = skb_rb_next(skb))
		if (net_devmem_skb_binding(skb) == binding)
			return true;
	skb_queue_walk(&sk->sk_write_queue, skb)
		if (net_devmem_skb_binding(skb) == binding)
			return true;
	return false;
}

/* Whoever has locked the socket may take as long as it pleases: false then. */
static bool net_devmem_abort_sender(struct sock *sk,
				    const struct net_devmem_dmabuf_binding *binding)
{
	bool owned;

	local_bh_disable();
	bh_lock_sock(sk);
	owned = sock_owned_by_user(sk);
	if (!owned && sk->sk_state != TCP_CLOSE &&
	    net_devmem_is_sending(sk, binding)) {
		if ((1 << sk->sk_state) &
		    (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_FIN_WAIT1))
			tcp_send_active_reset(sk, SK_RST_REASON_ERROR);
		tcp_done_with_error(sk, ENODEV);
	}
	WRITE_ONCE(sk->sk_devmem_sent, net_devmem_sweep);
	bh_unlock_sock(sk);
	local_bh_enable();

	return !owned;
}

static struct sock *net_devmem_next_sender(struct inet_hashinfo *hashinfo,
					   unsigned int bucket)
{
	struct hlist_nulls_node *node;
	struct sock *sk;
	u32 sent;

	guard(spinlock_bh)(inet_ehash_lockp(hashinfo, bucket));

	sk_nulls_for_each(sk, node, &hashinfo->ehash[bucket].chain) {
		if (!sk_fullsock(sk))
			continue;
		sent = READ_ONCE(sk->sk_devmem_sent);
		if (sent && sent != net_devmem_sweep &&
		    refcount_inc_not_zero(&sk->sk_refcnt))
			return sk;
	}
	return NULL;
}

static bool
net_devmem_abort_table(struct inet_hashinfo *hashinfo,
		       const struct net_devmem_dmabuf_binding *binding)
{
	unsigned int bucket;
	struct sock *sk;
	bool all = true;

	for (bucket = 0; bucket <= hashinfo->ehash_mask; bucket++) {
		while (!hlist_nulls_empty(&hashinfo->ehash[bucket].chain) &&
		       (sk = net_devmem_next_sender(hashinfo, bucket))) {
			all &= net_devmem_abort_sender(sk, binding);
			sock_put(sk);
		}
		cond_resched();
	}
	return all;
}

static bool
net_devmem_abort_all(const struct net_devmem_dmabuf_binding *binding)
{
	struct inet_hashinfo *hashinfo;
	struct net *net;
	bool all;

	guard(mutex)(&net_devmem_sweep_lock);
	/* Neither 0, which is for no sender, nor 1, for a new one. */
	if (++net_devmem_sweep < 2)
		net_devmem_sweep = 2;
	all = net_devmem_abort_table(&tcp_hashinfo, binding);

	guard(rwsem_read)(&net_rwsem);
	for_each_net(net) {
		hashinfo = net->ipv4.tcp_death_row.hashinfo;
		if (hashinfo->pernet)
			all &= net_devmem_abort_table(hashinfo, binding);
	}
	return all;
}

/**
 * net_devmem_abort_senders - end the connections that cannot go on
 * @binding: of which nothing can be sent any more: see net_devmem_can_send().
 *
 * Each TCP connection that has bytes of it queued, or waiting to be acknowledged,
 * is reset. Its user gets the error ENODEV, and its completions.
 *
 * Context: process context. Takes net_rwsem. Returns when none is left, which may
 * take as long as some user has locked a socket.
 */
void net_devmem_abort_senders(struct net_devmem_dmabuf_binding *binding)
{
	while (!net_devmem_abort_all(binding))
		fsleep(10 * USEC_PER_MSEC);
}
