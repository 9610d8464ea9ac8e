// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Each stream goes through the memory, from its start to its end and again, in blocks
 * of the length that the client has asked for.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "command.h"
#include "connection.h"
#include "sender.h"

void sender_sample(struct test *t, struct stream *st)
{
	struct transport *transport = t->run->transport;
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	uint64_t taken;

	if (!st->conn)
		return;
	taken = transport->ops->taken(transport, st->conn);
	st->total += taken - st->taken;
	st->bytes += taken - st->taken;
	st->interval_bytes += taken - st->taken;
	st->taken = taken;
	if (!getsockopt(st->conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		st->retransmits = info.tcpi_total_retrans;
}

void sender_omit(struct stream *st)
{
	st->acked = 0;
	st->retransmits_start = st->retransmits_interval = st->retransmits;
}

static uint64_t block(const struct test *t)
{
	return t->par.length ? (unsigned int)t->par.length : BLOCK_USUAL;
}

/* Bytes of the next send; 0 when all is sent. As iperf3: whole blocks, and the last may be too much. */
static uint64_t next_length(const struct test *t, const struct stream *st)
{
	const struct parameters *p = &t->par;
	uint64_t all = UINT64_MAX, length;

	/*
	 * Both ends do not leave out the same: what is omitted is sent without end, and
	 * a server that omits leaves it to the client to end.
	 */
	if (p->omit && (t->clock.omitting || !t->end->client))
		;
	else if (p->bytes)
		all = p->bytes;
	else if (p->blocks && p->blocks < all / block(t))
		all = p->blocks * block(t);
	if (!st->block_left && t->given >= all)
		return 0;
	length = st->block_left ? st->block_left : block(t);
	if (length > t->run->transport->sendable - st->offset)
		length = t->run->transport->sendable - st->offset;
	return length;
}

static void pump(struct test *t, struct stream *st)
{
	struct transport *transport = t->run->transport;
	uint64_t length;
	int ret;

	while (t->phase == PHASE_RUNNING && !t->clock.stop && st->conn &&
	       st->sends < transport->sends_max) {
		length = next_length(t, st);
		if (!length)
			return;
		ret = transport->ops->send(transport, st->conn, st->offset, length);
		if (ret) {
			test_error(t, IE_STREAMWRITE, -ret, "a stream cannot be sent");
			return;
		}
		st->sends++;
		st->offset = (st->offset + length) % transport->sendable;
		st->block_left = (st->block_left ? st->block_left : block(t)) - length;
		t->given += length;
	}
}

void sender_start(struct test *t)
{
	const struct parameters *p = &t->par;
	uint64_t rate = p->fq_rate;	/* bits a second, of each stream */
	unsigned int pace;
	int i;

	if (p->bandwidth && (!rate || p->bandwidth < rate))
		rate = p->bandwidth;
	pace = rate / 8 < UINT32_MAX ? (rate + 7) / 8 : UINT32_MAX;
	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];

		/* One that fails ends them all. */
		if (!st->sending || !st->conn)
			continue;
		if (pace)
			setsockopt(st->conn->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pace,
				   sizeof(pace));
		sender_sample(t, st);
		sender_omit(st);
		pump(t, st);
	}
}

void sender_go_on(struct test *t)
{
	int i;

	for (i = 0; i < t->nr_streams; i++)
		if (t->streams[i].sending)
			pump(t, &t->streams[i]);
}

void sender_stop(struct test *t)
{
	struct transport *transport = t->run->transport;
	int i;

	for (i = 0; i < t->nr_streams; i++) {
		struct stream *st = &t->streams[i];

		if (!st->sending || !st->conn)
			continue;
		transport->ops->stop(transport, st->conn);
		/*
		 * A client may wait in the middle of a block for the rest of it, as iperf3 3.12 does, and look at nothing else
		 * until that comes, or the end.
		 */
		if (!t->end->client)
			shutdown(st->conn->fd, SHUT_WR);
	}
}

static bool peer_has_closed(const struct stream *st)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return !st->conn || st->conn->eof ||
	       getsockopt(st->conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	       info.tcpi_state != TCP_ESTABLISHED;
}

static const char *reason(int error)
{
	switch (error) {
	case -ENODEV:
		return " (the memory was taken away, or the connection leaves by another network device)";
	case -EOPNOTSUPP:
		return " (the network device's checksums or scatter-gather are off)";
	}
	return "";
}

void sender_sent(struct test *t, struct stream *st, uint32_t length, int error)
{
	st->sends--;
	if (t->phase != PHASE_RUNNING || t->clock.stop)
		return;
	/* One that the other end has closed ends by itself. */
	if (error && !((error == -ECONNRESET || error == -EPIPE) && peer_has_closed(st))) {
		snprintf(t->text, sizeof(t->text),
			 "stream %d could not be sent after %llu bytes: %s%s", st->id,
			 (unsigned long long)st->total, strerror(-error), reason(error));
		test_error(t, IE_STREAMWRITE, -error, t->text);
		return;
	}
	if (error)
		return;
	st->last = t->clock.last_data = now_ns();
	if (!st->first)
		st->first = st->last;
	st->acked += length;
	pump(t, st);
}
