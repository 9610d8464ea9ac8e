// SPDX-License-Identifier: GPL-2.0
/* Connections that send device memory which was taken back. */
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <net/inet_hashtables.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "devmem.h"

/* Numbers the sweeps, to know a socket that was looked at. */
static DEFINE_MUTEX(net_devmem_sweep_lock);
static u32 net_devmem_sweep = 1;

/* All of its device memory is of one binding. */
static bool net_devmem_skb_is_stuck(const struct sk_buff *skb)
{
	const struct net_iov *niov;

	if (skb_frags_readable(skb) || !skb_shinfo(skb)->nr_frags)
		return false;
	niov = skb_frag_net_iov(&skb_shinfo(skb)->frags[0]);
	return niov && net_is_devmem_iov(niov) &&
	       !net_devmem_can_send(net_devmem_iov_binding(niov));
}

/* Has it bytes queued, or waiting to be acknowledged, that cannot be sent any more? */
static bool net_devmem_is_stuck(struct sock *sk)
{
	struct sk_buff *skb;

	for (skb = tcp_rtx_queue_head(sk); skb; skb = skb_rb_next(skb))
		if (net_devmem_skb_is_stuck(skb))
			return true;
	skb_queue_walk(&sk->sk_write_queue, skb)
		if (net_devmem_skb_is_stuck(skb))
			return true;
	return false;
}

/**
 * net_devmem_abort_stuck - end a connection that cannot go on
 * @sk: TCP socket.
 *
 * If it has bytes of device memory that was taken back, it is reset. Its user gets the
 * error ENODEV, and its completions.
 *
 * Context: softirqs off, the spinlock of the socket is held, and whoever has locked
 * the socket is this, or nobody.
 */
void net_devmem_abort_stuck(struct sock *sk)
{
	if (sk->sk_state == TCP_CLOSE || !net_devmem_is_stuck(sk))
		return;
	/* Whatever the peer still waits for, it hears that it does not come. */
	if ((1 << sk->sk_state) &
	    (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_FIN_WAIT1 |
	     TCPF_CLOSING | TCPF_LAST_ACK | TCPF_SYN_RECV))
		tcp_send_active_reset(sk, SK_RST_REASON_ERROR);
	tcp_done_with_error(sk, ENODEV);
}

static void net_devmem_abort_sender(struct sock *sk)
{
	local_bh_disable();
	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk))
		net_devmem_abort_stuck(sk);
	else
		set_bit(TCP_DEVMEM_DEFERRED, &sk->sk_tsq_flags);
	WRITE_ONCE(sk->sk_devmem_sent, net_devmem_sweep);
	bh_unlock_sock(sk);
	local_bh_enable();
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

static void net_devmem_abort_table(struct inet_hashinfo *hashinfo)
{
	unsigned int bucket;
	struct sock *sk;

	for (bucket = 0; bucket <= hashinfo->ehash_mask; bucket++) {
		while (!hlist_nulls_empty(&hashinfo->ehash[bucket].chain) &&
		       (sk = net_devmem_next_sender(hashinfo, bucket))) {
			net_devmem_abort_sender(sk);
			sock_put(sk);
		}
		cond_resched();
	}
}

/**
 * net_devmem_abort_senders - end the connections that cannot go on
 *
 * The memory of a binding was taken back: see net_devmem_can_send(). Each TCP
 * connection that has bytes of it is reset; one whose socket somebody has locked,
 * when it is unlocked.
 *
 * Context: process context. Takes net_rwsem.
 */
void net_devmem_abort_senders(void)
{
	struct inet_hashinfo *hashinfo;
	struct net *net;

	guard(mutex)(&net_devmem_sweep_lock);
	/* Who sends says so first, then looks whether it may: see tcp_sendmsg_locked(). */
	smp_mb();
	/* Neither 0, which is for no sender, nor 1, for a new one. */
	if (++net_devmem_sweep < 2)
		net_devmem_sweep = 2;
	net_devmem_abort_table(&tcp_hashinfo);

	guard(rwsem_read)(&net_rwsem);
	for_each_net(net) {
		hashinfo = net->ipv4.tcp_death_row.hashinfo;
		if (hashinfo->pernet)
			net_devmem_abort_table(hashinfo);
	}
}
