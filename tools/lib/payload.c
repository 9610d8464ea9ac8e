// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The payload's lane: the bytes of what was announced, in that order, and nothing else. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "endpoint.h"

#define PART	(64u << 20)	/* bytes that the network device is told of at once */
#define TURN	(8u << 20)	/* bytes that one endpoint receives before others have theirs */
#define GATHER	16		/* requests that a system call is for, at most */

/*
 * The lane has ended, and all that came on it has been taken.  The other one may still say why, that it is well, and what
 * does not need this one.
 */
void payload_over(struct netgpu_ep *ep, int error)
{
	ep->payload_ended = error;
	if (!ep->domain->queue)		/* else the ring brings it */
		control_read(ep);
	if (ep->state == EP_ENDED)
		return;
	incoming_go_on(ep);
	if (ep->state == EP_ENDED || (ep->gone && !ep->lane_in.first))
		return;
	if (ep->lane_in.first && !ep->pieces) {
		if (ep_is_copying(ep))
			return;		/* what has come in whole first; payload_receive() looks again */
		/* That will never come. */
		ep_say(ep, "the peer has closed the payload lane");
		ep_fail(ep, ep->gone ? ep->gone : error, !ep->gone);
	} else if (ep->gone) {
		return;			/* and is waited for already */
	} else if (!ep->close_sent) {
		deadline_soon(ep, error, "the peer has closed the payload lane");
	} else if (!ep->late_at) {
		deadline_start(ep);	/* the peer's CLOSE is still to come, and soon */
	}
}

/* Nothing can be sent any more. What has come before is still taken, and its end seen there. */
void payload_lost(struct netgpu_ep *ep, int error)
{
	ep->payload_blocked = true;
	if (!ep->gone)
		deadline_soon(ep, error, "the peer has closed the payload lane");
}

/* All of it has been handed over. */
static void leave(struct netgpu_ep *ep, struct op *op)
{
	lane_take(&ep->lane_out);
	if (op->in_flight) {		/* until the device has done with it */
		if (op->kind == OP_DATA)
			list_add(&ep->answering, op);
		return;
	}
	op->moved_all = true;
	if (op->kind == OP_DATA)
		op_free(op);
}

/* So much has been handed over, of one request or of several. */
static void handed_over(struct netgpu_ep *ep, uint64_t bytes)
{
	ep->lane_sent += bytes;
	while (bytes) {
		struct op *op = ep->lane_out.first;
		uint64_t n = op->length - op->moved < bytes ? op->length - op->moved : bytes;

		op->moved += n;
		bytes -= n;
		if (op->moved == op->length)
			leave(ep, op);
	}
}

/* By the network device, out of its memory; what is posted goes out in order.  False when it has to wait. */
static bool send_device(struct netgpu_ep *ep, struct op *op, uint64_t most)
{
	uint64_t n = op->length - op->moved < most ? op->length - op->moved : most;
	int ret;

	if (n > PART)
		n = PART;
	ret = netgpu_conn_send(ep->payload_conn, op->mr->memory, op->mr->offset + op->offset + op->moved, n, op);
	if (is_reset(ret))		/* as an earlier part was told */
		payload_lost(ep, ret);
	else if (ret)
		ep_fail(ep, ret, true);
	if (ret)
		return false;
	if (!op->in_flight++)
		ep->sending++;
	ep->posted += n;
	handed_over(ep, n);
	return true;
}

/* What the CPU sends next, of several requests. */
static unsigned int gather_out(const struct op *op, uint64_t most, struct iovec *iov)
{
	unsigned int n = 0;

	for (; op && !op->mr->region && most && n < GATHER; op = op->next_lane) {
		iov[n].iov_base = mr_address(op->mr, op->offset + op->moved);
		iov[n].iov_len = op->length - op->moved < most ? op->length - op->moved : most;
		most -= iov[n++].iov_len;
	}
	return n;
}

/* By the CPU.  Not before all that the device was told to send has been taken. */
static bool send_copy(struct netgpu_ep *ep, struct op *op, uint64_t most)
{
	struct iovec iov[GATHER];
	struct msghdr msg = { .msg_iov = iov };
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	ssize_t n;

	if (ep->payload_conn && netgpu_conn_sent(ep->payload_conn) < ep->posted)
		return false;
	if (ep->peer_segments) {
		/* It ends with a segment when all of it goes out. */
		if (op->length - op->moved <= most) {
			most = op->length - op->moved;
			flags |= MSG_EOR;
		}
	}
	msg.msg_iovlen = gather_out(op, most, iov);
	do {
		n = sendmsg(ep->payload, &msg, flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		ep->payload_blocked = true;
		return false;
	}
	if (n < 0) {
		payload_lost(ep, -errno);
		return false;
	}
	handed_over(ep, n);
	return true;
}

void payload_send(struct netgpu_ep *ep)
{
	struct op *op;
	bool more = true;

	while (more && !ep->payload_blocked && ep->lane_sent < ep->peer_grant && (op = ep->lane_out.first)) {
		if (op->mr->region)
			more = send_device(ep, op, ep->peer_grant - ep->lane_sent);
		else
			more = send_copy(ep, op, ep->peer_grant - ep->lane_sent);
		if (ep->state == EP_ENDED)
			return;
	}
}

/* Where the next bytes belong: of messages that follow each other, and of nothing else, several. */
static unsigned int gather_in(const struct op *op, struct iovec *iov)
{
	unsigned int n = 0;

	do {
		iov[n].iov_base = mr_address(op->mr, op->offset + op->moved);
		iov[n++].iov_len = op->room - op->moved;
		if (op->kind != OP_IN_SEND || op->room < op->length || op->next != op->next_lane)
			break;
		op = op->next;
	} while (op && op->kind == OP_IN_SEND && !op->unmatched && op->room && n < GATHER);
	return n;
}

/* Some of it, where it belongs; of what nobody wants, nowhere. */
static ssize_t receive_some(struct netgpu_ep *ep, const struct op *op)
{
	struct netgpu_domain *d = ep->domain;
	uint64_t left = op->length - op->moved;
	struct iovec iov[GATHER];
	struct msghdr msg = { .msg_iov = iov };

	if (op->moved < op->room) {
		msg.msg_iovlen = gather_in(op, iov);
		return recvmsg(ep->payload, &msg, MSG_DONTWAIT);
	}
	return recv(ep->payload, d->nowhere, left < NOWHERE ? left : NOWHERE, MSG_DONTWAIT);
}

/* Nothing is to come: has the lane ended?  Bytes that are there already the control lane may announce. */
static void look_for_end(struct netgpu_ep *ep)
{
	char byte;
	ssize_t n = recv(ep->payload, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	if (n > 0 || (n < 0 && errno == EINTR))
		return;
	ep->payload_readable = false;
	if (n == 0 || errno != EAGAIN)
		payload_over(ep, n ? -errno : -ECONNRESET);
}

/* So much has come, for one request or for several. */
static void came(struct netgpu_ep *ep, uint64_t bytes)
{
	while (bytes) {
		struct op *op = ep->lane_in.first;
		uint64_t n = op->length - op->moved < bytes ? op->length - op->moved : bytes;

		op->moved += n;
		bytes -= n;
		if (op->moved == op->length) {
			lane_take(&ep->lane_in);
			op->moved_all = true;
		}
	}
}

static void receive(struct netgpu_ep *ep)
{
	size_t left = TURN;
	struct op *op;
	ssize_t n;

	while (ep->payload_readable && (op = payload_next(ep))) {
		if (!left) {
			ep_activate(ep);	/* after the others */
			return;
		}
		n = receive_some(ep, op);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ep->payload_readable = false;
			return;
		}
		if (n <= 0) {
			ep->payload_readable = false;
			payload_over(ep, n ? -errno : -ECONNRESET);
			return;
		}
		if (op->moved < op->room)
			ep->domain->stats.in_place += n;
		left -= (size_t)n < left ? (size_t)n : left;
		came(ep, n);
	}
	if (ep->payload_readable && ep->state != EP_ENDED && !ep->lane_in.first && !ep->gone)
		look_for_end(ep);
}

void payload_receive(struct netgpu_ep *ep)
{
	if (ep->domain->queue)
		landing_receive(ep);
	else
		receive(ep);
	/* Announced since it has ended. */
	if (ep->payload_ended && ep->state != EP_ENDED && ep->lane_in.first && !ep->pieces)
		payload_over(ep, ep->payload_ended);
}
