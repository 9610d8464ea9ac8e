/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* How bytes get from sockets to memory, and from memory to sockets. */
#ifndef BENCH_TRANSPORT_H
#define BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct options;
struct transport;

/* Bytes of a socket, as a transport hands them over. */
struct chunk {
	const void *data;	/* for the CPU; NULL where it cannot read them */
	size_t length;
	uint64_t offset;	/* in the region, or NOT_IN_REGION */
};

#define NOT_IN_REGION	UINT64_MAX

/* What a transport has counted since it was opened. */
struct transport_stats {
	uint64_t completions;		/* pieces of data handed over */
	uint64_t extents;		/* runs of adjacent bytes */
	uint64_t rearms;		/* receives ended by a full completion queue */
	uint64_t flushes;		/* of a full refill ring */
	uint64_t alloc_failures;	/* reports of an exhausted region */
	uint64_t kernel_copies;		/* pieces that the kernel copied */
	uint64_t kernel_copy_bytes;
	uint64_t stray_bytes;		/* came in host memory, read by recv() */
	uint64_t cpu_copy_bytes;	/* copied into the region by this program */
	uint64_t held_bytes;		/* not given back */
	uint64_t sends;			/* calls of transport_ops::send() that have ended */
	uint64_t send_copy_bytes;	/* copied out of the region, by this program or the kernel */
};

/* For reports; strings live as long as the transport. */
struct transport_info {
	const char *memory;		/* "vfio 0000:03:00.0 BAR 2", ... */
	const char *placement;		/* "device", "host", "unknown" */
	const char *exporter;
	uint64_t region_offset;		/* bytes, in the dma-buf */
	uint64_t region_length;		/* bytes */
	bool region;			/* made by /dev/netgpu */
};

/* What a transport tells. */
struct transport_events {
	/* True: the transport must keep the piece until release(). */
	bool (*received)(void *owner, struct conn *c, const struct chunk *chunk);
	/* @error is 0 at the end of the stream, else -errno. */
	void (*ended)(void *owner, struct conn *c, int error);
	/* No buffer is left, as what is kept is not given back. */
	void (*exhausted)(void *owner);
	/* What send() was told to has gone out, or has failed with -errno. */
	void (*sent)(void *owner, struct conn *c, uint32_t length, int error);
};

struct transport_ops {
	bool in_epoll;		/* add() puts the socket into transport::epoll */
	void (*close)(struct transport *r);
	int (*add)(struct transport *r, struct conn *c);
	void (*del)(struct transport *r, struct conn *c);
	/*
	 * Send what is in the memory there, in the order of the calls, of which there
	 * may be transport::sends_max that have not ended. 0 or -errno, having complained.
	 */
	int (*send)(struct transport *r, struct conn *c, uint64_t offset, uint32_t length);
	/* No more: what the kernel has taken is sent. */
	void (*stop)(struct transport *r, struct conn *c);
	/* Bytes that it has taken. */
	uint64_t (*taken)(struct transport *r, struct conn *c);
	/* Dispatch what there is, waiting @timeout ns for it, forever if < 0. */
	int (*wait)(struct transport *r, int64_t timeout);
	/* Give back what was held. */
	void (*release)(struct transport *r);
	void (*stats)(struct transport *r, struct transport_stats *stats);
	void (*info)(struct transport *r, struct transport_info *info);
};

/* The first member of its kind. */
struct transport {
	const struct transport_ops *ops;
	const struct options *opt;
	int epoll;		/* what else wait() waits for */
	const struct transport_events *events;
	void *owner;		/* for them */
	bool failed;		/* has complained of something */
	uint64_t sendable;	/* bytes of memory that send() takes, 0 for none */
	const char *why_not;	/* a sentence then */
	unsigned int sends_max;	/* of a connection */
};

/* NULL, having complained. */
struct transport *transport_zc_open(const struct transport *init);
struct transport *transport_socket_open(const struct transport *init);

#endif
