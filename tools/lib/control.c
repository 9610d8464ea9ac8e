// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The control lane: messages out and in. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "endpoint.h"

#define ACKS_MOST	256	/* requests that have been carried out and not been acknowledged */
#define CREDIT_LEAST	8	/* that the peer should have */
#define CREDIT_MOST	64	/* that it does not know of */
#define TURNS		64	/* reads of one endpoint before others have theirs */

bool control_has_room(const struct netgpu_ep *ep)
{
	return ep->out_bytes + WIRE_MESSAGE <= CONTROL_ROOM;
}

/* Bytes of payload that the peer may send, ever. */
static uint64_t grant(const struct netgpu_ep *ep)
{
	if (!ep->domain->queue)
		return NO_LIMIT;
	if (in_place_share(ep))
		return in_place_grant(ep);
	/* It may have been more while payload came in place. */
	return ep->consumed + landing_share(ep->domain) > ep->granted ? ep->consumed + landing_share(ep->domain) : ep->granted;
}

/* Is there so much to be granted that the peer should hear of it? */
bool control_grants(const struct netgpu_ep *ep)
{
	/* Who has to wait probes for what was lost, and what is there already takes a slot. */
	const uint64_t part = in_place_share(ep) ? landing_share_of(ep) / 4 : landing_share_of(ep) / 2;

	return grant(ep) - ep->granted >= part;
}

void control_put(struct netgpu_ep *ep, struct wire *w, const void *data, unsigned int bytes)
{
	uint8_t *to = ep->out + ep->out_bytes;

	w->inline_length = bytes;
	w->ack = ep->done_sequence;
	w->recvs = ep->recvs_posted;
	if (w->op == WIRE_HELLO || w->op == WIRE_ACCEPT || w->op == WIRE_CREDIT) {
		ep->granted = grant(ep);
		w->length = ep->granted;
	}
	if ((w->op == WIRE_HELLO || w->op == WIRE_ACCEPT) && ep->domain->in_place)
		w->flags |= WIRE_F_SEGMENT;
	ep->told_sequence = ep->done_sequence;
	ep->recvs_told = ep->recvs_posted;
	ep->ack_wanted = false;
	wire_put(to, w);
	if (bytes)
		memcpy(to + WIRE_HEADER, data, bytes);
	ep->out_bytes += WIRE_HEADER + bytes;
	ep->put += WIRE_HEADER + bytes;
	ep->domain->stats.control++;
}

/* What no other message has told, and the peer waits for, or should not have to. */
static void tell(struct netgpu_ep *ep)
{
	struct wire w = { .op = WIRE_CREDIT };

	if ((ep->state != EP_UP && ep->state != EP_CLOSING) || !control_has_room(ep))
		return;
	/* Each message acknowledges; only this one grants. */
	if (!control_grants(ep) &&
	    (ep->recvs_posted == ep->recvs_told ||
	     (ep->recvs_told - ep->recvs_taken >= CREDIT_LEAST &&
	      ep->recvs_posted - ep->recvs_told < CREDIT_MOST))) {
		if (ep->told_sequence == ep->done_sequence ||
		    (!ep->ack_wanted && ep->done_sequence - ep->told_sequence < ACKS_MOST))
			return;
		w.op = WIRE_ACK;
	}
	control_put(ep, &w, NULL, 0);
}

/* Nothing can be said any more. What the peer has said before is still heard. */
static void control_lost(struct netgpu_ep *ep, int error)
{
	ep->mute = true;
	/* It is about to end, perhaps because of a message that is being looked at. */
	if (ep->error)
		return;
	if (ep->domain->queue) {
		deadline_soon(ep, error, "the peer has closed the control lane");	/* the ring brings it, and the end */
		return;
	}
	control_read(ep);
	if (ep->state != EP_ENDED && !ep->gone && !ep->control_readable)
		control_over(ep, error);
}

void control_flush(struct netgpu_ep *ep)
{
	const bool full = !control_has_room(ep);
	bool sent;
	ssize_t n;

	if (ep->gone || ep->mute)
		return;
	tell(ep);
	while (ep->out_sent < ep->out_bytes && !ep->control_blocked) {
		n = send(ep->control, ep->out + ep->out_sent, ep->out_bytes - ep->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ep->control_blocked = true;
			break;
		}
		if (n < 0) {
			control_lost(ep, -errno);
			return;
		}
		ep->out_sent += n;
		ep->pushed += n;
	}
	sent = ep->out_sent;
	ep->out_bytes -= ep->out_sent;
	memmove(ep->out, ep->out + ep->out_sent, ep->out_bytes);
	ep->out_sent = 0;
	/* What found no room, or waited for the last byte, goes on. */
	if (sent && ((full && control_has_room(ep)) || (ep->close_sent && !ep->out_bytes)))
		ep_activate(ep);
}

void control_close(struct netgpu_ep *ep)
{
	struct wire w = { .op = WIRE_CLOSE };

	ep->close_sent = true;
	control_put(ep, &w, NULL, 0);
	ep->close_end = ep->put;
	control_flush(ep);
}

/* Never fewer than before, nor so many that the counter goes round. */
static bool take_recvs(struct netgpu_ep *ep, uint32_t recvs)
{
	uint32_t unused = recvs - ep->recvs_used;

	if (unused > INT32_MAX || unused < ep->peer_recvs - ep->recvs_used)
		return false;
	ep->peer_recvs = recvs;
	return true;
}

static void message(struct netgpu_ep *ep, const struct wire *w, const uint8_t *data)
{
	ep->domain->stats.control++;
	if (!take_recvs(ep, w->recvs)) {
		ep_broken(ep, -EPROTO, "the peer has taken back buffers, or has too many");
		return;
	}
	if (ep->state != EP_UP && ep->state != EP_CLOSING) {
		ep_greeted(ep, w, data);
		return;
	}
	/* Never more than was sent, nor less than before. */
	if (w->ack - ep->peer_done > ep->sequence - ep->peer_done) {
		ep_broken(ep, -EPROTO, "the peer has acknowledged what was not sent, or less than before");
		return;
	}
	if (w->op == WIRE_ACK && w->status && !request_failed(ep, w)) {
		ep_broken(ep, -EPROTO, "the peer has sent a failure of what does not wait for it");
		return;
	}
	switch (w->op) {
	case WIRE_SEND:
	case WIRE_WRITE:
	case WIRE_READ:
	case WIRE_DATA:
		if (ep->peer_closing && w->op != WIRE_DATA)
			ep_broken(ep, -EPROTO, "the peer has sent a request after CLOSE");
		else
			incoming_add(ep, w, data);
		break;
	case WIRE_ACK:
		break;
	case WIRE_CREDIT:
		if (w->length < ep->peer_grant)
			ep_broken(ep, -EPROTO, "the peer has taken back what it had granted");
		else
			ep->peer_grant = w->length;
		break;
	case WIRE_CLOSE:
		if (ep->peer_closing)
			ep_broken(ep, -EPROTO, "the peer has sent CLOSE twice");
		ep->peer_closing = true;
		break;
	case WIRE_FAIL:
		ep_say(ep, "the peer has ended it");
		ep_gone(ep, w->status ? wire_errno(w->status) : -ECONNABORTED);
		break;
	default:
		ep_broken(ep, -EPROTO, "the peer has sent a message out of turn");
	}
	/* A READ has been carried out when it is answered, at the latest by this message. */
	if (ep->state != EP_ENDED && !requests_acked(ep, w->ack))
		ep_broken(ep, -EPROTO, "the peer has acknowledged a READ and not answered it");
}

/* All whole messages that are here. */
void control_take(struct netgpu_ep *ep)
{
	unsigned int done = 0;
	struct wire w;
	int n;

	while (ep->state != EP_ENDED && !ep->gone) {
		n = wire_get(ep->in + done, ep->in_bytes - done, &w);
		if (n < 0)
			ep_broken(ep, wire_errno(-n), -n == WIRE_BAD_VERSION ? "the peer speaks another version" :
				  "the peer has sent a malformed message");
		if (n <= 0)
			break;
		message(ep, &w, ep->in + done + WIRE_HEADER);
		done += n;
	}
	ep->in_bytes -= done;
	memmove(ep->in, ep->in + done, ep->in_bytes);
}

/* The lane has ended, in order (0) or not. */
void control_over(struct netgpu_ep *ep, int error)
{
	if (ep->state == EP_AGAIN)
		return;		/* there will be another */
	if (!ep->close_sent || !ep->peer_closing || ep->requests.first) {
		ep_say(ep, "the peer has closed the control lane");
		ep_gone(ep, error ? error : -ECONNRESET);
		return;
	}
	/* So far over that nobody needs to know.  Payload may still come, if it comes soon. */
	if (!ep->late_at)
		deadline_start(ep);
	ep_activate(ep);
}

void control_read(struct netgpu_ep *ep)
{
	unsigned int turns = 0;
	size_t room;
	ssize_t n;

	ep->control_readable = false;
	while (ep->state != EP_ENDED && !ep->gone) {
		if (turns++ == TURNS) {
			ep->control_readable = true;	/* after the others */
			break;
		}
		room = CONTROL_ROOM - ep->in_bytes;
		n = recv(ep->control, ep->in + ep->in_bytes, room, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			control_over(ep, n ? -errno : 0);
			break;
		}
		ep->in_bytes += n;
		control_take(ep);
		/* It is empty; what comes later, an end too, is an event of its own. */
		if ((size_t)n < room && !ep->hung_up)
			break;
	}
	if (ep->state != EP_ENDED)
		ep_activate(ep);
}
