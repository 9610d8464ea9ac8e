/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Connections of the server: their output, their ends. */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include <netinet/in.h>

#include "iperf3_wire.h"
#include "loop.h"

struct conns;
struct transport;
struct stream;

enum role {
	ROLE_NEW,		/* has not said who it is */
	ROLE_CONTROL,
	ROLE_DATA,
	ROLE_CLOSING,		/* what it says is thrown away */
};

struct conn {
	struct watch watch;
	struct conns *all;
	struct conn *next;
	int fd;
	unsigned int number;	/* in the order in which they came */
	enum role role;
	bool dead;		/* closed, freed at the end of the turn */
	bool eof;		/* nothing more will be received */
	bool want_write;	/* output waits for the socket */
	bool finish;		/* close when the output is out */
	uint64_t deadline;	/* ns; 0 for none */
	struct stream *stream;
	void *rx;		/* the transport's */
	char *out;
	size_t out_len, out_cap;
	char cookie[COOKIE_SIZE];
	unsigned int cookie_len;
	char local_host[INET6_ADDRSTRLEN], remote_host[INET6_ADDRSTRLEN];
	int local_port, remote_port;
};

struct conns {
	struct transport *transport;
	struct conn *first;	/* the newest */
	unsigned int count;
	unsigned int opened;	/* so far */
	bool cut_off;		/* nothing can be received any more */
};

/* Receive from @fd. NULL when that cannot be; it is closed then. */
struct conn *conn_open(struct conns *all, int fd);
void conn_send(struct conn *c, const void *data, size_t len);
/* Close once the output is out and the peer has closed, or soon. */
void conn_finish(struct conn *c);
void conn_close(struct conn *c);

/* Close those whose deadline is over. */
void conns_clock(struct conns *all, uint64_t now);
/* ns until conns_clock() is wanted, -1 for never. */
int64_t conns_timeout(const struct conns *all, uint64_t now);
/* Free those that are dead. */
void conns_reap(struct conns *all);

#endif
