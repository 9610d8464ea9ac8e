/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * netgpu bench: a receiver for iperf3.
 *
 * bench.c      the options, the sockets, the clock: one thread, one loop
 * iperf3_server.c   iperf3's protocol, fed with the bytes of the control connection
 * report.c     what is printed, as text or as iperf3's JSON
 * receiver_socket.c, receiver_zc.c   how bytes get from a socket to iperf3_server.c
 */
#ifndef NETGPU_BENCH_H
#define NETGPU_BENCH_H

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "command.h"

#define COOKIE_SIZE	37	/* 36 characters and a NUL */
#define MAX_STREAMS	128

struct bench;
struct cJSON;

/* Something the loop waits for. The first member of its owner. */
struct watch {
	void (*ready)(struct bench *b, struct watch *w, uint32_t events);
};

enum receive_mode { MODE_ZC, MODE_RECV, MODE_RECV_COPY };

struct options {
	enum receive_mode mode;
	const char *iface;
	long queue;
	const char *gpu;
	const char *bind;
	long port;
	int family;			/* AF_UNSPEC, AF_INET, AF_INET6 */
	uint64_t region_size;		/* bytes */
	double interval;		/* seconds, 0 for none */
	char format;			/* one of kmgtKMGT, 0 for a fitting one */
	bool one_off, json, hold, nodev, allow_host, verbose;
	const char *record;
	const char *logfile;
	long idle;			/* seconds without data that end a test */
};

/* Bytes of a socket, as a receiver hands them over. */
struct chunk {
	const void *data;	/* for the CPU; NULL where it cannot read them */
	size_t length;
	uint64_t offset;	/* in the region, or NOT_IN_REGION */
};

#define NOT_IN_REGION	UINT64_MAX

/* What a receiver has counted since it was opened. */
struct receive_stats {
	uint64_t completions;		/* pieces of data handed over */
	uint64_t extents;		/* runs of adjacent pieces */
	uint64_t rearms;		/* receives ended by a full completion queue */
	uint64_t flushes;		/* of a full refill ring */
	uint64_t alloc_failures;	/* reports of an exhausted region */
	uint64_t kernel_copies;		/* pieces that the kernel copied */
	uint64_t kernel_copy_bytes;
	uint64_t stray_bytes;		/* came in host memory, read by recv() */
	uint64_t cpu_copy_bytes;	/* copied into the region by this program */
	uint64_t held;			/* pieces not given back */
};

/* For reports; strings live as long as the receiver. */
struct receive_info {
	const char *memory;		/* "vfio 0000:03:00.0 BAR 2", ... */
	const char *placement;		/* "device", "host", "unknown" */
	const char *exporter;
	uint64_t region_offset;		/* bytes, in the dma-buf */
	uint64_t region_length;		/* bytes */
	bool region;			/* made by /dev/netgpu */
};

enum role {
	ROLE_NEW,		/* has not said who it is */
	ROLE_CONTROL,
	ROLE_DATA,
	ROLE_CLOSING,		/* what it says is thrown away */
};

struct conn {
	struct watch watch;
	struct conn *next;
	int fd;
	enum role role;
	bool dead;		/* closed, freed at the end of the turn */
	bool eof;		/* nothing more will be received */
	bool want_write;	/* output waits for the socket */
	bool finish;		/* close when the output is out */
	uint64_t deadline;	/* ns; 0 for none */
	struct stream *stream;
	void *rx;		/* the receiver's */
	char *out;
	size_t out_len, out_cap;
	char cookie[COOKIE_SIZE];
	unsigned int cookie_len;
	char local_host[INET6_ADDRSTRLEN], remote_host[INET6_ADDRSTRLEN];
	int local_port, remote_port;
};

struct receiver {
	const char *name;
	bool in_epoll;		/* add() puts the socket into bench::epoll */
	/* 0 or -errno, having complained */
	int (*open)(struct bench *b);
	void (*close)(struct bench *b);
	int (*add)(struct bench *b, struct conn *c);
	void (*del)(struct bench *b, struct conn *c);
	/* Dispatch what there is, waiting @timeout ns for it, forever if < 0. */
	int (*wait)(struct bench *b, int64_t timeout);
	/* Give back what was held. */
	void (*release)(struct bench *b);
	void (*stats)(struct bench *b, struct receive_stats *stats);
	void (*info)(struct bench *b, struct receive_info *info);
};

extern const struct receiver socket_receiver, zc_receiver;

struct bench {
	struct options opt;
	const struct receiver *receiver;
	void *rx;		/* the receiver's */
	int epoll, listener, signals;
	struct watch listen_watch, signal_watch;
	struct conn *conns;
	unsigned int nr_conns;
	struct session *session;
	bool quit, holding;
	bool cut_off;		/* nothing can be received any more */
	int status;		/* to exit with */
	unsigned int tests;	/* started so far */
	FILE *out;		/* reports */
	int rcvbuf;		/* of the listener, as it was */
	bool window_set, mss_set;
};

/* Calls from receivers. */
void bench_epoll_dispatch(struct bench *b, int timeout_ms);
/* True: the receiver must keep the piece until release(). */
bool bench_received(struct bench *b, struct conn *c, const struct chunk *chunk);
/* @error is 0 at the end of the stream, else -errno. */
void bench_ended(struct bench *b, struct conn *c, int error);

/* Calls from the session. */
void conn_send(struct bench *b, struct conn *c, const void *data, size_t len);
/* Close once the output is out and the peer has closed, or soon. */
void conn_finish(struct bench *b, struct conn *c);
void conn_close(struct bench *b, struct conn *c);
/* Socket options of connections to come; 0 for the system's own. */
void bench_listen_options(struct bench *b, int window, int mss);
void bench_session_over(struct bench *b);

#endif
