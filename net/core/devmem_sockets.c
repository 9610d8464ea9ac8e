// SPDX-License-Identifier: GPL-2.0
/* Sockets that a revocation of device memory concerns. */
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
