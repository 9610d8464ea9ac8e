// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Requests: what is posted here, and what the peer asks for, in order. */
#include <errno.h>
#include <string.h>

#include "endpoint.h"

#define USER_FLAGS	(NETGPU_MSG_USER_0 | NETGPU_MSG_USER_1)

/* ---------------------------------------------------------------- posted */

/* Without a buffer: what the network device does not put into landing memory goes to that of the host. */
static bool match_message(struct op *op)
{
	struct netgpu_domain *d = op->ep->domain;
	char *data;

	op->message = message_new(op->ep, op->room);
	if (!op->message)
		return false;
	if (d->queue && op->room > WIRE_INLINE_MAX)
		return true;
	data = message_add_host(op->message, op->room);
	if (!data)
		return false;
	op->mr = &d->process;
	op->offset = (uintptr_t)data;
	return true;
}

/* The buffer is for this message of the peer's. */
static void match(struct op *op, struct op *recv)
{
	op->match = recv;
	op->unmatched = false;
	op->room = op->length < recv->length ? op->length : recv->length;
	if (op->length > recv->length)
		op->result = -EMSGSIZE;
	if (!op->room)
		return;
	if (!(recv->flags & NETGPU_MSG_NO_BUFFER)) {
		op->mr = recv->mr;
		op->offset = recv->offset;
	} else if (!match_message(op)) {
		op->room = 0;		/* its bytes are dropped */
		op->result = -ENOMEM;
	}
	if (op->mr)
		op->mr->uses++;
}

/* A message may have come for a buffer that was taken back. */
static bool give_to_waiting(struct netgpu_ep *ep, struct op *recv)
{
	struct op *op;

	for (op = ep->incoming.first; op; op = op->next) {
		if (op->unmatched) {
			match(op, recv);
			return true;
		}
	}
	return false;
}

static int check_range(const struct netgpu_ep *ep, const struct netgpu_mr *mr, uint64_t offset, uint64_t length)
{
	if (!mr)
		return length ? fail(-EINVAL, "request: %llu bytes, and no mr", (unsigned long long)length) : 0;
	if (mr->domain != ep->domain)
		return fail(-EINVAL, "request: the mr is of another domain");
	if (offset > mr->length || length > mr->length - offset)
		return fail(-ERANGE, "request: %llu bytes at %llu: the mr has %llu", (unsigned long long)length,
			    (unsigned long long)offset, (unsigned long long)mr->length);
	return 0;
}

static int check_message(const struct netgpu_ep *ep, const struct netgpu_mr *mr, uint64_t offset, uint64_t length,
			 unsigned int flags)
{
	uint64_t most = message_most(ep->domain);

	if (mr || offset)
		return fail(-EINVAL, "request: a receive without a buffer has no mr, and no offset");
	if (flags & NETGPU_MSG_SILENT)
		return fail(-EINVAL, "request: what nobody hears of nobody gives back");
	if (length > most)
		return fail(-EMSGSIZE, "request: %llu bytes: a message of at most %llu can stay in the landing memory",
			    (unsigned long long)length, (unsigned long long)most);
	return 0;
}

static int check_ep(const struct netgpu_ep *ep)
{
	if (ep->domain->closed)
		return domain_fail_closed();
	if (ep->state == EP_ENDED || ep->state == EP_CLOSING)
		return fail(-ENOTCONN, "endpoint: it has ended");
	return 0;
}

int netgpu_ep_recv(struct netgpu_ep *ep, struct netgpu_mr *mr, uint64_t offset, uint64_t length,
		   void *user, unsigned int flags)
{
	struct op *op;
	int ret;

	succeed();
	if (flags & ~(NETGPU_MSG_SILENT | NETGPU_MSG_NO_BUFFER | USER_FLAGS))
		return fail(-EINVAL, "request: flags %#x are not known, or not for this", flags);
	ret = check_ep(ep);
	if (!ret && flags & NETGPU_MSG_NO_BUFFER)
		ret = check_message(ep, mr, offset, length, flags);
	else if (!ret)
		ret = check_range(ep, mr, offset, length);
	if (ret)
		return ret;
	if (mr && mr->memory->read_only)
		return fail(-EACCES, "request: %s can only be read here", mr->memory->name);
	op = op_new(ep, OP_RECV);
	if (!op)
		return fail(-ENOMEM, "out of memory");
	op->event = NETGPU_EVENT_RECEIVED;
	op->mr = mr;
	if (mr)
		mr->uses++;
	op->offset = offset;
	op->length = length;
	op->user = user;
	op->flags = flags;
	if (ep->recvs_owed)
		ep->recvs_owed--;
	else
		ep->recvs_posted++;
	if (!give_to_waiting(ep, op))
		list_add(&ep->recvs, op);
	ep_activate(ep);
	return 0;
}

static int check_msg(const struct netgpu_ep *ep, const struct netgpu_msg *msg, unsigned int flags)
{
	size_t i;
	int ret = check_ep(ep);

	if (ret)
		return ret;
	if (msg->flags & ~(flags | USER_FLAGS))
		return fail(-EINVAL, "request: flags %#x are not known, or not for this", msg->flags);
	for (i = 0; i < sizeof(msg->resv) / sizeof(msg->resv[0]); i++)
		if (msg->resv[i])
			return fail(-EINVAL, "request: reserved fields must be zero");
	if (msg->length >> 62)
		return fail(-ERANGE, "request: %llu bytes are too many", (unsigned long long)msg->length);
	if (msg->remote_offset >> 62)
		return fail(-ERANGE, "request: no mr of the peer's has a byte %llu", (unsigned long long)msg->remote_offset);
	if (!(msg->flags & NETGPU_MSG_INJECT))
		return check_range(ep, msg->mr, msg->offset, msg->length);
	if (msg->length > NETGPU_INJECT_MAX)
		return fail(-EMSGSIZE, "request: %llu bytes: at most %d can be injected",
			    (unsigned long long)msg->length, NETGPU_INJECT_MAX);
	if (msg->length && !msg->inject)
		return fail(-EINVAL, "request: nothing to inject");
	return 0;
}

static int post(struct netgpu_ep *ep, const struct netgpu_msg *msg, enum op_kind kind, unsigned int event)
{
	struct op *op = op_new(ep, kind);

	if (!op)
		return fail(-ENOMEM, "out of memory");
	op->event = event;
	op->flags = msg->flags;
	op->length = msg->length;
	op->remote_offset = msg->remote_offset;
	op->remote_key = msg->remote_key;
	op->immediate = msg->immediate;
	op->user = msg->user;
	if (msg->flags & NETGPU_MSG_INJECT) {
		if (msg->length)
			memcpy(op->inject, msg->inject, msg->length);
	} else if (msg->mr) {
		op->mr = msg->mr;
		op->mr->uses++;
		op->offset = msg->offset;
	}
	list_add(&ep->requests, op);
	if (!ep->to_announce)
		ep->to_announce = op;
	ep_activate(ep);
	return 0;
}

int netgpu_ep_send(struct netgpu_ep *ep, const struct netgpu_msg *msg)
{
	int ret;

	succeed();
	ret = check_msg(ep, msg, NETGPU_MSG_SILENT | NETGPU_MSG_IMMEDIATE | NETGPU_MSG_INJECT | NETGPU_MSG_DELIVERED);
	return ret ? ret : post(ep, msg, OP_SEND, NETGPU_EVENT_SENT);
}

int netgpu_ep_write(struct netgpu_ep *ep, const struct netgpu_msg *msg)
{
	int ret;

	succeed();
	ret = check_msg(ep, msg, NETGPU_MSG_SILENT | NETGPU_MSG_IMMEDIATE | NETGPU_MSG_INJECT | NETGPU_MSG_DELIVERED);
	return ret ? ret : post(ep, msg, OP_WRITE, NETGPU_EVENT_WRITTEN);
}

int netgpu_ep_read(struct netgpu_ep *ep, const struct netgpu_msg *msg)
{
	int ret;

	succeed();
	ret = check_msg(ep, msg, NETGPU_MSG_SILENT | NETGPU_MSG_DELIVERED);
	if (!ret && msg->mr && msg->mr->memory->read_only)
		ret = fail(-EACCES, "request: %s can only be read here", msg->mr->memory->name);
	return ret ? ret : post(ep, msg, OP_READ, NETGPU_EVENT_READ);
}

int netgpu_ep_cancel(struct netgpu_ep *ep, void *user)
{
	struct op **at, *op;

	succeed();
	for (at = &ep->recvs.first; (op = *at); at = &op->next)
		if (op->user == user)
			break;
	if (!op)
		return fail(-ENOENT, "endpoint: no posted receive is this one");
	*at = op->next;
	if (!op->next)
		ep->recvs.end = at;
	/* The peer was told of it, or will be: what it sends waits for the next. */
	ep->recvs_owed++;
	op->result = -ECANCELED;
	op->length = 0;
	op_report(op);
	return 0;
}

/* --------------------------------------------------------- to be announced */

static const uint8_t *bytes_of(const struct op *op)
{
	if (op->flags & NETGPU_MSG_INJECT)
		return op->inject;
	return op->mr ? (const uint8_t *)mr_address(op->mr, op->offset) : NULL;
}

static void announce(struct netgpu_ep *ep, struct op *op)
{
	static const uint8_t ops[] = { [OP_SEND] = WIRE_SEND, [OP_WRITE] = WIRE_WRITE, [OP_READ] = WIRE_READ };
	bool in_message = op->kind != OP_READ && op->length <= WIRE_INLINE_MAX;
	struct wire w = {
		.op = ops[op->kind],
		.flags = (op->flags & NETGPU_MSG_IMMEDIATE ? WIRE_F_IMMEDIATE : 0) |
			 (op->kind == OP_WRITE || op->flags & NETGPU_MSG_DELIVERED ? WIRE_F_ACK : 0) |
			 (in_message ? WIRE_F_INLINE : 0),
		.sequence = ep->sequence,
		.length = op->length,
		.address = op->remote_offset,
		.key = op->remote_key,
		.immediate = op->immediate,
	};

	op->sequence = ep->sequence++;
	op->announced = true;
	ep->recvs_used += op->kind == OP_SEND;
	if (in_message) {
		control_put(ep, &w, bytes_of(op), op->length);
		op->end = ep->put;
		op->moved_all = true;
		ep->domain->stats.inlined += op->length;
		return;
	}
	if (op->kind != OP_READ) {
		w.stream = ep->out_stream;
		ep->out_stream += op->length;
		lane_add(&ep->lane_out, op);
	} else if (!op->length) {
		op->room = 0;
	}
	control_put(ep, &w, NULL, 0);
	op->end = ep->put;
}

void requests_go_on(struct netgpu_ep *ep)
{
	struct op *op;

	/* Who has said CLOSE takes nothing more. */
	while ((op = ep->to_announce) && ep->state != EP_ENDED && !ep->close_sent && !ep->peer_closing) {
		if (ep->sequence - ep->peer_done >= WINDOW || (op->kind == OP_SEND && ep->peer_recvs == ep->recvs_used))
			return;
		if (!control_has_room(ep)) {
			control_flush(ep);
			if (ep->state == EP_ENDED || !control_has_room(ep))
				return;
		}
		ep->to_announce = op->next;
		announce(ep, op);
	}
}

/* --------------------------------------------------------------- reported */

static bool complete(const struct op *op)
{
	/* A message that waits for room in the socket would be lost if the endpoint were closed now. */
	if (!op->announced || op->end > op->ep->pushed)
		return false;
	if (op->result)
		return op->moved_all || op->kind == OP_READ;
	if (op->kind == OP_WRITE || op->flags & NETGPU_MSG_DELIVERED)
		return op->moved_all && (op->acked || op->kind == OP_READ);
	return op->moved_all;
}

void requests_report(struct netgpu_ep *ep)
{
	while (ep->requests.first && complete(ep->requests.first))
		op_report(list_take(&ep->requests));
	if (ep->gone)
		return;
	if (ep->state == EP_CLOSING && !ep->close_sent && !ep->requests.first && control_has_room(ep))
		control_close(ep);
	if (ep->peer_closing && !ep->incoming.first && !ep->lane_out.first && !ep->sending &&
	    !(ep->requests.first && ep->requests.first->announced)) {
		/* This side has nothing more to say, either: what else it has posted nobody takes. */
		if (!ep->close_sent && ep->state != EP_ENDED && control_has_room(ep))
			control_close(ep);
		/* What was to be said after CLOSE nobody needs. */
		if (ep->close_sent && (!ep->out_bytes || (ep->mute && ep->pushed >= ep->close_end)))
			ep_end(ep, 0);
	}
}

static void flush(struct list *list, int error)
{
	struct list later;
	struct op *op;

	list_init(&later);
	while ((op = list_take(list))) {
		if (!op->result)
			op->result = error;
		op->flushed = op->in_flight;
		if (op->flushed)
			list_add(&later, op);
		else
			op_report(op);
	}
	while ((op = list_take(&later)))
		list_add(list, op);
}

/* One that was flushed while the device had it. */
void request_let_go(struct op *op)
{
	struct netgpu_ep *ep = op->ep;
	struct list *list = op->kind == OP_DATA ? &ep->answering : &ep->requests;
	struct op **at;

	for (at = &list->first; *at != op; )
		at = &(*at)->next;
	*at = op->next;
	if (!op->next)
		list->end = at;
	if (op->kind == OP_DATA)
		op_free(op);
	else
		op_report(op);
}

void requests_let_go(struct netgpu_ep *ep)
{
	while (ep->requests.first)
		request_let_go(ep->requests.first);
	while (ep->answering.first)
		request_let_go(ep->answering.first);
}

void requests_flush(struct netgpu_ep *ep, int error)
{
	struct op *op;

	/* Into what is given back nobody writes any more. */
	in_place_end(ep);
	if (ep_is_copying(ep))
		copier_drain(ep->domain);
	/* Answers are on this list only. */
	while ((op = ep->lane_out.first)) {
		lane_take(&ep->lane_out);
		op->flushed = op->in_flight;
		if (op->kind == OP_DATA && op->in_flight)
			list_add(&ep->answering, op);
		else if (op->kind == OP_DATA)
			op_free(op);
	}
	list_init(&ep->lane_in);
	ep->to_announce = NULL;
	while ((op = list_take(&ep->incoming))) {
		if (op->match && op->match->kind == OP_RECV) {
			op->match->result = error;
			op_report(op->match);
		}
		op_free(op);
	}
	flush(&ep->requests, error);
	flush(&ep->recvs, error == 0 ? -ECANCELED : error);
}

bool requests_acked(struct netgpu_ep *ep, uint32_t ack)
{
	bool answered = true;
	struct op *op;

	ep->peer_done = ack;
	for (op = ep->requests.first; op && op->announced && (int32_t)(op->sequence - ack) < 0; op = op->next) {
		op->acked = true;
		answered &= op->kind != OP_READ || op->inlined || op->result;
	}
	return answered;
}

static struct op *find_request(const struct netgpu_ep *ep, uint32_t sequence)
{
	struct op *op;

	for (op = ep->requests.first; op && op->announced; op = op->next)
		if (op->sequence == sequence)
			return op;
	return NULL;
}

bool request_failed(struct netgpu_ep *ep, const struct wire *w)
{
	struct op *op = find_request(ep, w->sequence);

	/* The message acknowledges it, and none before did.  What has been answered has not failed. */
	if (w->sequence - ep->peer_done >= w->ack - ep->peer_done || (op && op->kind == OP_READ && op->inlined))
		return false;
	if (op)
		op->result = wire_errno(w->status);
	return true;
}

/* --------------------------------------------------------- of the peer */

static bool target(struct netgpu_ep *ep, struct op *op, const struct wire *w, unsigned int access)
{
	struct netgpu_mr *mr = mr_find(ep->domain, w->key, access);

	if (!mr)
		op->result = -EACCES;
	else if (w->address > mr->length || w->length > mr->length - w->address)
		op->result = -ERANGE;
	if (op->result)
		return false;
	op->mr = mr;
	mr->uses++;
	op->offset = w->address;
	return true;
}

/* The buffer that was posted first is for it; false when the peer has not been promised any. */
static bool match_recv(struct netgpu_ep *ep, struct op *op)
{
	struct op *recv;

	if (ep->recvs_taken == ep->recvs_posted)
		return false;
	ep->recvs_taken++;
	recv = list_take(&ep->recvs);
	if (recv)
		match(op, recv);
	else if (ep->state == EP_CLOSING)
		op->result = -ECANCELED;
	else
		op->unmatched = true;
	return true;
}

void incoming_give_up(struct netgpu_ep *ep)
{
	struct op *op;

	for (op = ep->incoming.first; op; op = op->next) {
		if (!op->unmatched)
			continue;
		op->unmatched = false;
		op->result = -ECANCELED;
	}
}

/* NULL, or what is wrong with it. */
static const char *fill_in(struct netgpu_ep *ep, struct op *op, const struct wire *w)
{
	switch (op->kind) {
	case OP_IN_SEND:
		return match_recv(ep, op) ? NULL : "the peer has sent a message beyond the buffers that were posted";
	case OP_IN_WRITE:
		if (target(ep, op, w, NETGPU_MR_REMOTE_WRITE))
			op->room = w->length;
		return NULL;
	case OP_IN_READ:
		target(ep, op, w, NETGPU_MR_REMOTE_READ);
		return NULL;
	case OP_IN_DATA:
		op->match = find_request(ep, w->address);
		if (!op->match || op->match->kind != OP_READ || op->match->moved_all || op->match->inlined ||
		    op->match->result)
			return "the peer has sent an answer that was not asked for";
		if (w->length != op->match->length)
			return "the peer has sent an answer of another length";
		op->match->inlined = true;	/* its answer is on the way */
		if (w->length) {
			op->mr = op->match->mr;
			op->mr->uses++;
			op->offset = op->match->offset;
		}
		op->room = w->length;
		return NULL;
	default:
		return "the peer has sent a message out of turn";
	}
}

void incoming_add(struct netgpu_ep *ep, const struct wire *w, const uint8_t *data)
{
	static const enum op_kind kinds[] = {
		[WIRE_SEND] = OP_IN_SEND, [WIRE_WRITE] = OP_IN_WRITE, [WIRE_READ] = OP_IN_READ, [WIRE_DATA] = OP_IN_DATA,
	};
	bool on_lane = w->op != WIRE_READ && !(w->flags & WIRE_F_INLINE) && w->length;
	const char *wrong = NULL;
	struct op *op;

	/* Of DATA there is no more than this side has asked for. */
	if (w->op != WIRE_DATA && w->sequence != ep->peer_sequence)
		wrong = "the peer has sent a request out of sequence";
	else if (w->op != WIRE_DATA && ep->peer_sequence - ep->done_sequence >= WINDOW)
		wrong = "the peer has sent more than 1024 requests without acknowledgement";
	else if (on_lane && w->stream != ep->in_stream)
		wrong = "the peer has sent another stream offset than where the payload before ends";
	if (wrong) {
		ep_broken(ep, -EPROTO, wrong);
		return;
	}
	op = op_new(ep, kinds[w->op]);
	if (!op) {
		ep_fail(ep, -ENOMEM, true);
		return;
	}
	op->sequence = w->sequence;
	op->length = w->length;
	op->immediate = w->immediate;
	op->flags = (w->flags & WIRE_F_IMMEDIATE ? NETGPU_MSG_IMMEDIATE : 0) |
		    (w->flags & WIRE_F_ACK ? NETGPU_MSG_DELIVERED : 0);
	wrong = fill_in(ep, op, w);
	if (wrong) {
		op_free(op);
		ep_broken(ep, -EPROTO, wrong);
		return;
	}
	if (w->op != WIRE_DATA)
		ep->peer_sequence++;
	list_add(&ep->incoming, op);
	if (on_lane) {
		op->stream = ep->in_stream;
		ep->in_stream += w->length;
		lane_add(&ep->lane_in, op);
		return;
	}
	op->moved_all = true;
	if (w->op == WIRE_READ)
		return;
	op->inlined = true;
	if (w->length)
		memcpy(op->inject, data, w->length);
}

static void put_inlined(struct op *op)
{
	if (!op->inlined || !op->room)
		return;
	memcpy(mr_address(op->mr, op->offset), op->inject, op->room);
	op->ep->domain->stats.inlined += op->room;
}

static void report_recv(struct op *op)
{
	struct op *recv = op->match;

	if (!recv)
		return;		/* the program has ended the endpoint */
	recv->result = op->result;
	recv->length = op->length;
	recv->room = op->room;
	recv->immediate = op->immediate;
	recv->flags |= op->flags & NETGPU_MSG_IMMEDIATE;
	recv->message = op->message;
	op->message = NULL;
	op_report(recv);
}

/* False without memory. */
static bool report_immediate(struct op *op)
{
	struct op *event;

	if (!(op->flags & NETGPU_MSG_IMMEDIATE) || op->result)
		return true;
	event = op_new(op->ep, OP_RECV);
	if (!event)
		return false;
	event->event = NETGPU_EVENT_IMMEDIATE;
	event->length = op->length;
	event->immediate = op->immediate;
	event->flags = NETGPU_MSG_IMMEDIATE;
	op_report(event);
	return true;
}

/* The answer to a READ: its payload goes out after all that was announced before. */
static bool answer(struct netgpu_ep *ep, const struct op *in)
{
	struct op *op = op_new(ep, OP_DATA);
	struct wire w = {
		.op = WIRE_DATA,
		.length = in->length,
		.address = in->sequence,
	};

	if (!op)
		return false;
	ep->answers++;
	if (in->length) {
		op->mr = in->mr;
		op->mr->uses++;
		op->offset = in->offset;
	}
	op->length = in->length;
	if (in->length <= WIRE_INLINE_MAX) {
		w.flags = WIRE_F_INLINE;
		control_put(ep, &w, in->length ? mr_address(op->mr, op->offset) : NULL, in->length);
		op_free(op);
		return true;
	}
	w.stream = ep->out_stream;
	ep->out_stream += op->length;
	lane_add(&ep->lane_out, op);
	control_put(ep, &w, NULL, 0);
	return true;
}

/* Not at the end, which might not come: what is left then is no more than the peer has announced. */
static bool pauses(const struct netgpu_ep *ep)
{
	return ep->paused && ep->state == EP_UP && !ep->gone && !ep->peer_closing;
}

int netgpu_ep_pause(struct netgpu_ep *ep, bool pause)
{
	succeed();
	if (ep->domain->closed)
		return domain_fail_closed();
	ep->paused = pause;
	ep_activate(ep);
	return 0;
}

/* False when it has to wait. */
static bool carry_out(struct netgpu_ep *ep, struct op *op)
{
	struct wire nack = { .op = WIRE_ACK, .sequence = op->sequence, .status = wire_status(op->result) };

	if (!op->moved_all || op->unmatched || (pauses(ep) && op->kind == OP_IN_WRITE && op->flags & NETGPU_MSG_IMMEDIATE))
		return false;
	/* An answer, or bad news. */
	if (ep->gone && op->kind == OP_IN_READ)
		return true;	/* nobody waits for the answer */
	if (!ep->gone && (op->kind == OP_IN_READ || op->result) && !control_has_room(ep))
		return false;
	/* A peer that does not take its answers gets no more of them. */
	if (op->kind == OP_IN_READ && ep->answers >= WINDOW)
		return false;
	switch (op->kind) {
	case OP_IN_SEND:
		put_inlined(op);
		report_recv(op);
		break;
	case OP_IN_WRITE:
		put_inlined(op);
		if (!report_immediate(op)) {
			ep_fail(ep, -ENOMEM, true);
			return false;
		}
		break;
	case OP_IN_READ:
		ep->done_sequence++;
		if (op->result)
			break;
		if (!answer(ep, op)) {
			ep->done_sequence--;
			ep_fail(ep, -ENOMEM, true);
			return false;
		}
		return true;
	case OP_IN_DATA:
		put_inlined(op);
		op->match->moved_all = true;
		return true;
	default:
		return true;
	}
	if (op->kind != OP_IN_READ)
		ep->done_sequence++;
	ep->ack_wanted |= !!(op->flags & NETGPU_MSG_DELIVERED);
	if (op->result && !ep->gone)
		control_put(ep, &nack, NULL, 0);
	return true;
}

/* Nothing overtakes: bytes are put into place when all that was announced before has been carried out. */
struct op *payload_next(struct netgpu_ep *ep)
{
	struct op *op;

	incoming_go_on(ep);
	op = ep->state == EP_ENDED ? NULL : ep->lane_in.first;
	return op && op == ep->incoming.first && !op->unmatched ? op : NULL;
}

void incoming_go_on(struct netgpu_ep *ep)
{
	struct op *op;

	while (ep->state != EP_ENDED && (op = ep->incoming.first)) {
		if (!carry_out(ep, op))
			return;
		list_take(&ep->incoming);
		op_free(op);
	}
}
