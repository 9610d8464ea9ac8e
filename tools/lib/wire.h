/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What endpoints say to each other, see netgpu-wire(7): control messages, version 1. */
#ifndef NETGPU_WIRE_H
#define NETGPU_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION	1
#define WIRE_HEADER	64	/* bytes */
#define WIRE_INLINE_MAX	256	/* bytes behind it */
#define WIRE_MESSAGE	(WIRE_HEADER + WIRE_INLINE_MAX)

/* In the key of a HELLO: "netgpuep", as little-endian bytes. */
#define WIRE_MAGIC	0x706575706774656eull

enum wire_op {
	WIRE_HELLO	= 1,	/* by who connects: first of all */
	WIRE_ACCEPT	= 2,
	WIRE_REJECT	= 3,
	WIRE_READY	= 4,	/* by who has accepted: the data lane is there */
	WIRE_CLOSE	= 5,	/* nothing more is requested */
	WIRE_FAIL	= 6,	/* the endpoint has ended */

	WIRE_SEND	= 16,
	WIRE_WRITE	= 17,
	WIRE_READ	= 18,
	WIRE_DATA	= 19,	/* what was read */
	WIRE_ACK	= 20,
	WIRE_CREDIT	= 21,
};

#define WIRE_F_IMMEDIATE	(1u << 0)
#define WIRE_F_INLINE		(1u << 1)	/* the payload is behind the header */
#define WIRE_F_ACK		(1u << 2)	/* acknowledge at once */
#define WIRE_F_SEGMENT		(1u << 3)	/* each message is to begin a segment */
#define WIRE_FLAGS		(WIRE_F_IMMEDIATE | WIRE_F_INLINE | WIRE_F_ACK | WIRE_F_SEGMENT)

enum wire_status {
	WIRE_OK			= 0,
	WIRE_TOO_LONG		= 1,	/* than the buffer that was posted */
	WIRE_NO_KEY		= 2,	/* none, or not with this right */
	WIRE_OUT_OF_RANGE	= 3,
	WIRE_REFUSED		= 4,	/* by the program */
	WIRE_BAD_VERSION	= 5,
	WIRE_BAD_MESSAGE	= 6,	/* against the rules */
	WIRE_MEMORY_GONE	= 7,	/* taken away by its exporter */
	WIRE_NO_RESOURCES	= 8,
	WIRE_WRONG_QUEUE	= 9,	/* come again from other ports */
	WIRE_CANCELED		= 10,	/* by the program */
	WIRE_STATUSES
};

/* One in this machine's order. */
struct wire {
	uint8_t op;
	uint16_t flags;
	uint32_t inline_length;
	uint32_t sequence;
	uint32_t ack;
	uint64_t length;
	uint64_t stream;
	uint64_t address;
	uint64_t key;
	uint64_t immediate;
	uint32_t recvs;
	uint32_t status;
};

/* Store the header: WIRE_HEADER bytes. */
void wire_put(uint8_t *to, const struct wire *w);

/*
 * The message that begins at @from, of which there are @bytes: how many it has, header and what is behind it; 0 when
 * they are not all there yet; or, negative, the &enum wire_status that tells what is wrong with it.
 */
int wire_get(const uint8_t *from, size_t bytes, struct wire *w);

int wire_errno(uint32_t status);
uint32_t wire_status(int error);

#endif
