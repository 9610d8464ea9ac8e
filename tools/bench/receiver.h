/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* How bytes get from sockets to who wants them. */
#ifndef BENCH_RECEIVER_H
#define BENCH_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct options;
struct receiver;

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
	uint64_t extents;		/* runs of adjacent bytes */
	uint64_t rearms;		/* receives ended by a full completion queue */
	uint64_t flushes;		/* of a full refill ring */
	uint64_t alloc_failures;	/* reports of an exhausted region */
	uint64_t kernel_copies;		/* pieces that the kernel copied */
	uint64_t kernel_copy_bytes;
	uint64_t stray_bytes;		/* came in host memory, read by recv() */
	uint64_t cpu_copy_bytes;	/* copied into the region by this program */
	uint64_t held_bytes;		/* not given back */
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

/* What a receiver tells. */
struct receiver_events {
	/* True: the receiver must keep the piece until release(). */
	bool (*received)(void *owner, struct conn *c, const struct chunk *chunk);
	/* @error is 0 at the end of the stream, else -errno. */
	void (*ended)(void *owner, struct conn *c, int error);
	/* No buffer is left, as what is kept is not given back. */
	void (*exhausted)(void *owner);
};

struct receiver_ops {
	bool in_epoll;		/* add() puts the socket into receiver::epoll */
	void (*close)(struct receiver *r);
	int (*add)(struct receiver *r, struct conn *c);
	void (*del)(struct receiver *r, struct conn *c);
	/* Dispatch what there is, waiting @timeout ns for it, forever if < 0. */
	int (*wait)(struct receiver *r, int64_t timeout);
	/* Give back what was held. */
	void (*release)(struct receiver *r);
	void (*stats)(struct receiver *r, struct receive_stats *stats);
	void (*info)(struct receiver *r, struct receive_info *info);
};

/* The first member of its kind. */
struct receiver {
	const struct receiver_ops *ops;
	const struct options *opt;
	int epoll;		/* what else wait() waits for */
	const struct receiver_events *events;
	void *owner;		/* for them */
	bool failed;		/* has complained of something */
};

/* NULL, having complained. */
struct receiver *receiver_zc_open(const struct receiver *init);
struct receiver *receiver_socket_open(const struct receiver *init);

#endif
