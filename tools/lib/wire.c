// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Control messages, from and to bytes: version 1, see netgpu-wire(7). */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "wire.h"

/* As they are sent: all little-endian, nothing between the fields. */
struct header {
	uint8_t version;
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

_Static_assert(sizeof(struct header) == WIRE_HEADER, "the header has another size");

void wire_put(uint8_t *to, const struct wire *w)
{
	const struct header h = {
		.version = WIRE_VERSION,
		.op = w->op,
		.flags = htole16(w->flags),
		.inline_length = htole32(w->inline_length),
		.sequence = htole32(w->sequence),
		.ack = htole32(w->ack),
		.length = htole64(w->length),
		.stream = htole64(w->stream),
		.address = htole64(w->address),
		.key = htole64(w->key),
		.immediate = htole64(w->immediate),
		.recvs = htole32(w->recvs),
		.status = htole32(w->status),
	};

	memcpy(to, &h, sizeof(h));
}

/* May it have bytes behind it that are not its payload? */
static int has_data(uint8_t op)
{
	return op == WIRE_HELLO || op == WIRE_ACCEPT || op == WIRE_REJECT || op == WIRE_FAIL;
}

static int has_payload(uint8_t op)
{
	return op == WIRE_SEND || op == WIRE_WRITE || op == WIRE_DATA;
}

static int known(uint8_t op)
{
	return (op >= WIRE_HELLO && op <= WIRE_FAIL) || (op >= WIRE_SEND && op <= WIRE_CREDIT);
}

/* What needs no knowledge of the endpoint. */
static int check(const struct wire *w)
{
	if (!known(w->op) || w->flags & ~WIRE_FLAGS || w->status >= WIRE_STATUSES ||
	    w->inline_length > WIRE_INLINE_MAX)
		return -WIRE_BAD_MESSAGE;
	if (w->flags & WIRE_F_IMMEDIATE && w->op != WIRE_SEND && w->op != WIRE_WRITE)
		return -WIRE_BAD_MESSAGE;
	if (w->flags & WIRE_F_SEGMENT && w->op != WIRE_HELLO && w->op != WIRE_ACCEPT)
		return -WIRE_BAD_MESSAGE;
	if (w->flags & WIRE_F_INLINE) {
		if (!has_payload(w->op) || w->inline_length != w->length)
			return -WIRE_BAD_MESSAGE;
	} else if (w->inline_length && !has_data(w->op)) {
		return -WIRE_BAD_MESSAGE;
	}
	if (w->op <= WIRE_REJECT && w->key != WIRE_MAGIC)
		return -WIRE_BAD_MESSAGE;
	/* No end of it beyond 2^63: sums need no care. */
	if (w->length >> 62 || w->stream >> 62 || w->address >> 62)
		return -WIRE_BAD_MESSAGE;
	return 0;
}

int wire_get(const uint8_t *from, size_t bytes, struct wire *w)
{
	struct header h;
	int ret;

	if (bytes && *from != WIRE_VERSION)
		return -WIRE_BAD_VERSION;
	if (bytes < sizeof(h))
		return 0;
	memcpy(&h, from, sizeof(h));
	*w = (struct wire) {
		.op = h.op,
		.flags = le16toh(h.flags),
		.inline_length = le32toh(h.inline_length),
		.sequence = le32toh(h.sequence),
		.ack = le32toh(h.ack),
		.length = le64toh(h.length),
		.stream = le64toh(h.stream),
		.address = le64toh(h.address),
		.key = le64toh(h.key),
		.immediate = le64toh(h.immediate),
		.recvs = le32toh(h.recvs),
		.status = le32toh(h.status),
	};
	ret = check(w);
	if (ret)
		return ret;
	if (bytes - sizeof(h) < w->inline_length)
		return 0;
	return sizeof(h) + w->inline_length;
}

static const int errors[WIRE_STATUSES] = {
	[WIRE_TOO_LONG]		= -EMSGSIZE,
	[WIRE_NO_KEY]		= -EACCES,
	[WIRE_OUT_OF_RANGE]	= -ERANGE,
	[WIRE_REFUSED]		= -ECONNREFUSED,
	[WIRE_BAD_VERSION]	= -EPROTONOSUPPORT,
	[WIRE_BAD_MESSAGE]	= -EPROTO,
	[WIRE_MEMORY_GONE]	= -ENODEV,
	[WIRE_NO_RESOURCES]	= -ENOMEM,
	[WIRE_WRONG_QUEUE]	= -EADDRNOTAVAIL,
	[WIRE_CANCELED]		= -ECANCELED,
};

int wire_errno(uint32_t status)
{
	return status < WIRE_STATUSES ? errors[status] : -EPROTO;
}

uint32_t wire_status(int error)
{
	uint32_t i;

	/* To close a lane without CLOSE is against the rules, and so is to take too long. */
	if (error == -ECONNRESET || error == -EPIPE || error == -ETIMEDOUT)
		return WIRE_BAD_MESSAGE;
	if (error == -ESHUTDOWN)	/* the domain, by the program */
		return WIRE_CANCELED;
	for (i = 1; error && i < WIRE_STATUSES; i++)
		if (errors[i] == error)
			return i;
	return error ? WIRE_NO_RESOURCES : WIRE_OK;
}
