// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Listeners, and how two lanes become an endpoint: who connects says HELLO on the control lane, and from which port the payload's
 * lane will come; who listens says ACCEPT when its program does, waits for a connection from that address and port, and says READY.
 * So no byte that is not payload is ever on the other lane.
 *
 * Where payload is to have a queue of the network device to itself, the ports matter: who connects chooses his, and who listens
 * has him come again from others by REJECT.  Neither program hears of that.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "endpoint.h"

#define BACKLOG		128
#define STRANGERS	64	/* that have connected, and not said HELLO */
#define ACCEPTS		64	/* connections that are taken before others have their turn */
#define PORTS		128	/* that are looked at for one that brings a lane to a queue for it */
#define AGAIN		64	/* times that an endpoint comes from other ports */
#define AGAIN_LONG	(30 * 1000000000ull)	/* ns, for all of them */

static struct netgpu_ep *ep_new(struct netgpu_domain *d)
{
	struct netgpu_ep *ep = calloc(1, sizeof(*ep));

	if (!ep)
		return NULL;
	ep->out = malloc(CONTROL_ROOM);
	ep->in = malloc(CONTROL_ROOM);
	if (!ep->out || !ep->in) {
		free(ep->out);
		free(ep->in);
		free(ep);
		return NULL;
	}
	ref_get(&d->refs);
	ep->domain = d;
	ep->control = ep->payload = -1;
	list_init(&ep->requests);
	list_init(&ep->recvs);
	list_init(&ep->incoming);
	list_init(&ep->lane_out);
	list_init(&ep->lane_in);
	list_init(&ep->answering);
	ep->pieces_end = &ep->pieces;
	ep->started.ep = ep->ended.ep = ep;
	ep->started.kind = ep->ended.kind = OP_EVENT;
	ep->next = d->eps;
	ep->prev = &d->eps;
	if (ep->next)
		ep->next->prev = &ep->next;
	d->eps = ep;
	return ep;
}

void ep_free_unused(struct netgpu_ep *ep)
{
	struct netgpu_domain *d = ep->domain;

	if (!ep->closed || ep->active || ep->sending)
		return;
	if (ep->next)
		ep->next->prev = ep->prev;
	*ep->prev = ep->next;
	messages_forget(ep);
	free(ep->out);
	free(ep->in);
	free(ep);
	domain_put(d);
}

static void report_event(struct op *op, unsigned int event, int result)
{
	op->event = event;
	op->result = result;
	op_report(op);
}

static void close_lane(struct netgpu_ep *ep, int *fd, struct netgpu_conn **conn)
{
	if (*fd < 0)
		return;
	if (*conn)
		netgpu_conn_close(*conn);
	*conn = NULL;
	if (!ep->domain->closed)
		poll_end(ep->domain, *fd);
	close(*fd);
	*fd = -1;
}

/* When it fails there was no connection any more. */
static void disconnect(int fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	(void)connect(fd, &none, sizeof(none));
}

/* No more is sent, and the device lets go of what is on its way. */
static void abort_payload(struct netgpu_ep *ep)
{
	netgpu_conn_cancel(ep->payload_conn);
	disconnect(ep->payload);
}

void ep_end(struct netgpu_ep *ep, int error)
{
	enum ep_state before = ep->state;

	if (before == EP_ENDED)
		return;
	ep->state = EP_ENDED;
	if (ep->error)
		error = ep->error;
	ep->error = error;
	deadline_end(ep);
	requests_flush(ep, error ? error : -ECANCELED);
	landing_drop(ep);
	close_lane(ep, &ep->control, &ep->control_conn);
	if (ep->sending && !ep->domain->closed) {
		abort_payload(ep);
		return;
	}
	/* Nobody has heard of one that has not said what it wants. */
	if (ep->accepting && before == EP_GREETING) {
		ep->closed = true;
		ep_activate(ep);	/* and freed there */
	}
	ep_finish(ep);
}

/* The peer says nothing more.  What it has announced may still be in the other lane. */
void ep_gone(struct netgpu_ep *ep, int error)
{
	if (ep->state == EP_ENDED || ep->gone)
		return;
	if (ep->state != EP_UP && ep->state != EP_CLOSING) {
		ep_end(ep, error);
		return;
	}
	ep->gone = error;
	deadline_start(ep);
	incoming_give_up(ep);
	ep_activate(ep);
}

void ep_finish(struct netgpu_ep *ep)
{
	close_lane(ep, &ep->payload, &ep->payload_conn);
	if (ep->closed)
		ep_activate(ep);
	else
		report_event(&ep->ended, NETGPU_EVENT_ENDED, ep->error);
}

void ep_fail(struct netgpu_ep *ep, int error, bool tell)
{
	struct wire w = { .op = WIRE_FAIL, .status = wire_status(error) };

	if (ep->state == EP_ENDED)
		return;
	/* What comes of telling is not the reason. */
	if (!ep->error)
		ep->error = error;
	if (tell && ep->control >= 0 && ep->state > EP_CONNECTING && control_has_room(ep)) {
		control_put(ep, &w, NULL, 0);
		control_flush(ep);
	}
	ep_end(ep, error);
}

void ep_broken(struct netgpu_ep *ep, int error, const char *why)
{
	ep_say(ep, why);
	ep_fail(ep, error, true);
}

static int set_up_lane(int fd)
{
	const int one = 1, idle = 30, interval = 10, count = 3;

	/* Messages are put together here. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A peer may lose its power, or its network. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	return fd;
}

static uint16_t *port_of(struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)address)->sin6_port :
						&((struct sockaddr_in *)address)->sin_port;
}

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6)
		return !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
			       &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr));
	return !memcmp(&((const struct sockaddr_in *)a)->sin_addr,
		       &((const struct sockaddr_in *)b)->sin_addr, sizeof(struct in_addr));
}

/* False when a lane arrives on a queue where it should not: from another port it may arrive elsewhere. */
static bool check_queues(struct netgpu_ep *ep, const struct sockaddr_storage *control, const struct sockaddr_storage *from,
			 const struct sockaddr_storage *payload)
{
	const int first = steer_lane(ep->domain, LANE_CONTROL, &ep->peer, control);
	const int second = steer_lane(ep->domain, LANE_PAYLOAD, from, payload);

	ep->alone = first == 1 && second == 1;
	return first && second;
}

/* Have the lane received, one way or the other. */
static int start_receiving(struct netgpu_ep *ep, enum lane lane)
{
	int fd = lane == LANE_CONTROL ? ep->control : ep->payload;

	int ret = poll_start(ep->domain, fd, ep, lane == LANE_CONTROL ? POLL_CONTROL : POLL_PAYLOAD);

	if (!ret && ep->domain->queue)
		return landing_add(ep, fd, lane, lane == LANE_CONTROL ? &ep->control_conn : &ep->payload_conn);
	return ret;
}

static void ep_up(struct netgpu_ep *ep)
{
	if (!ep->payload_ended)		/* before it had begun */
		deadline_end(ep);
	ep->state = EP_UP;
	in_place_begin(ep);
	report_event(&ep->started, NETGPU_EVENT_CONNECTED, 0);
	ep_activate(ep);
}

static int check_family(const struct sockaddr *address)
{
	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return fail(-EAFNOSUPPORT, "an address of family %d: it must be IPv4 or IPv6", address->sa_family);
	return 0;
}

/* ---------------------------------------------------------- who listens */

int netgpu_listen(struct netgpu_domain *d, const struct sockaddr *address,
		  unsigned int length, void *user, struct netgpu_listener **listener)
{
	struct netgpu_listener *l;
	const int one = 1;
	int ret;

	succeed();
	if (d->closed)
		return domain_fail_closed();
	ret = check_family(address);
	if (ret)
		return ret;
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(-ENOMEM, "out of memory");
	l->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(l->fd, address, length) || listen(l->fd, BACKLOG)) {
		ret = fail(-errno, "cannot listen: %s", strerror(errno));
		goto failed;
	}
	ret = poll_start(d, l->fd, l, POLL_LISTENER);
	if (ret)
		goto failed;
	l->user = user;
	l->domain = d;
	ref_get(&d->refs);
	l->next = d->listeners;
	l->prev = &d->listeners;
	if (l->next)
		l->next->prev = &l->next;
	d->listeners = l;
	*listener = l;
	return 0;
failed:
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	return ret;
}

int netgpu_listener_address(const struct netgpu_listener *l, struct sockaddr *address, unsigned int room)
{
	socklen_t length = room;

	succeed();
	if (getsockname(l->fd, address, &length))
		return fail(-errno, "listener: %s", strerror(errno));
	return length;
}

void netgpu_listener_close(struct netgpu_listener *l)
{
	struct netgpu_ep *ep, *next;

	if (!l)
		return;
	for (ep = l->domain->eps; ep; ep = next) {
		next = ep->next;
		if (ep->listener != l)
			continue;
		ep->listener = NULL;
		/* What the program has accepted joins no more; of what it has a request it hears the end. */
		if (ep->state == EP_GREETING || ep->state == EP_REQUESTED || ep->state == EP_JOINING)
			ep_fail(ep, -ECONNREFUSED, true);
	}
	if (!l->domain->closed) {
		poll_end(l->domain, l->fd);
		close(l->fd);
	}
	if (l->again)
		timer_end(l->domain);
	if (l->next)
		l->next->prev = l->prev;
	*l->prev = l->next;
	domain_put(l->domain);
	free(l);
}

/* The endpoint whose payload's lane this is. */
static struct netgpu_ep *find_joining(const struct netgpu_listener *l, struct sockaddr_storage *from)
{
	struct netgpu_ep *ep;

	for (ep = l->domain->eps; ep; ep = ep->next)
		if (ep->listener == l && ep->state == EP_JOINING && ep->payload < 0 &&
		    ep->join_port == *port_of(from) && same_host(&ep->peer, from))
			return ep;
	return NULL;
}

/* Another endpoint waits for this one's payload lane, as it seems: of one of them it is not true. */
static bool port_is_taken(const struct netgpu_ep *ep, uint16_t port)
{
	const struct netgpu_ep *other;

	for (other = ep->domain->eps; other; other = other->next)
		if (other->listener == ep->listener && (other->state == EP_REQUESTED || other->state == EP_JOINING) &&
		    other->join_port == port && same_host(&other->peer, &ep->peer))
			return true;
	return false;
}

static void joined(struct netgpu_ep *ep, int fd)
{
	struct wire w = { .op = WIRE_READY };
	int ret;

	ep->payload = set_up_lane(fd);
	ret = start_receiving(ep, LANE_PAYLOAD);
	if (ret) {
		ep_fail(ep, ret, true);
		return;
	}
	control_put(ep, &w, NULL, 0);
	ep_up(ep);
}

/* Who connects and says nothing does not keep others away. */
static void limit_strangers(const struct netgpu_listener *l)
{
	struct netgpu_ep *ep, *oldest = NULL;
	unsigned int n = 0;

	for (ep = l->domain->eps; ep; ep = ep->next) {
		if (ep->listener != l || ep->state != EP_GREETING)
			continue;
		oldest = ep;	/* new ones come first */
		n++;
	}
	if (n > STRANGERS)
		ep_end(oldest, -ETIMEDOUT);
}

void listener_ready(struct netgpu_listener *l)
{
	struct netgpu_domain *d = l->domain;
	struct sockaddr_storage from = {};
	struct netgpu_ep *ep;
	unsigned int turn = 0;
	socklen_t length;
	bool again;
	int fd;

	for (;;) {
		/* Those that have ended go, and others have their turn. */
		again = turn++ == ACCEPTS;
		if (again) {
			polls_wake(d, 1);
			break;
		}
		length = sizeof(from);
		fd = accept4(l->fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		/* No event tells when there are descriptors again, or memory. */
		again = fd < 0 && errno != EAGAIN;
		if (fd < 0)
			break;
		ep = find_joining(l, &from);
		if (ep) {
			joined(ep, fd);
			continue;
		}
		ep = ep_new(d);
		if (!ep) {
			close(fd);
			continue;
		}
		ep->control = set_up_lane(fd);
		if (start_receiving(ep, LANE_CONTROL)) {
			close(fd);
			ep->control = -1;
			ep->state = EP_ENDED;
			ep->closed = true;
			ep_free_unused(ep);
			continue;
		}
		ep->state = EP_GREETING;
		ep->accepting = true;
		ep->listener = l;
		ep->peer = from;
		ep->peer_length = length;
		deadline_start(ep);
		limit_strangers(l);
	}
	if (again && !l->again)
		timer_start(d);
	else if (!again && l->again)
		timer_end(d);
	l->again = again;
}

static int check_data(unsigned int length)
{
	if (length > NETGPU_EP_DATA_MAX)
		return fail(-EINVAL, "endpoint: %u bytes for the peer's program, at most %d go", length,
			    NETGPU_EP_DATA_MAX);
	return 0;
}

void *netgpu_ep_user(const struct netgpu_ep *ep)
{
	return ep->user;
}

void netgpu_ep_set_user(struct netgpu_ep *ep, void *user)
{
	ep->user = user;
}

int netgpu_ep_accept(struct netgpu_ep *ep, const void *data, unsigned int length)
{
	struct wire w = { .op = WIRE_ACCEPT, .key = WIRE_MAGIC };
	int ret;

	succeed();
	ret = check_data(length);
	if (ret)
		return ret;
	if (ep->domain->closed)
		return domain_fail_closed();
	if (ep->state == EP_ENDED)
		return fail(-ENOTCONN, "the peer has gone");
	if (ep->state != EP_REQUESTED)
		return fail(-EINVAL, "endpoint: nobody has asked to be accepted");
	ep->data_length = 0;
	ep->state = EP_JOINING;
	in_place_other(ep);
	deadline_start(ep);
	control_put(ep, &w, data, length);
	ep_activate(ep);
	return 0;
}

/* What was posted already ends with @error. */
static void refuse(struct netgpu_ep *ep, const void *data, unsigned int length, int error)
{
	struct wire w = { .op = WIRE_REJECT, .key = WIRE_MAGIC, .status = WIRE_REFUSED };

	control_put(ep, &w, data, length);
	control_flush(ep);
	ep_end(ep, error);
}

int netgpu_ep_reject(struct netgpu_ep *ep, const void *data, unsigned int length)
{
	int ret;

	succeed();
	ret = check_data(length);
	if (ret)
		return ret;
	if (ep->state != EP_REQUESTED && ep->state != EP_ENDED)
		return fail(-EINVAL, "endpoint: nobody has asked to be accepted");
	if (ep->state == EP_REQUESTED)
		refuse(ep, data, length, -ECONNREFUSED);
	netgpu_ep_close(ep);
	return 0;
}

/* --------------------------------------------------------- who connects */

int netgpu_ep_open(struct netgpu_domain *d, void *user, struct netgpu_ep **out)
{
	struct netgpu_ep *ep;

	succeed();
	if (d->closed)
		return domain_fail_closed();
	ep = ep_new(d);
	if (!ep)
		return fail(-ENOMEM, "out of memory");
	ep->user = user;
	*out = ep;
	return 0;
}

/* A socket at this address, or -errno. */
static int bound_socket(const struct sockaddr_storage *own, socklen_t length)
{
	const int one = 1;
	int fd, ret;

	fd = socket(own->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Who names a port may have reserved it; any other is taken when it is known to whom. */
	if (*port_of((struct sockaddr_storage *)own))
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	else
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (!bind(fd, (const struct sockaddr *)own, length))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int netgpu_ep_bind(struct netgpu_ep *ep, const struct sockaddr *address, unsigned int address_length)
{
	struct sockaddr_storage own = { 0 };
	int fd, ret;

	succeed();
	if (ep->domain->closed)
		return domain_fail_closed();
	if (ep->state != EP_IDLE || ep->control >= 0)
		return fail(-EINVAL, "endpoint: it has an address");
	ret = check_family(address);
	if (ret)
		return ret;
	if (address_length > sizeof(own))
		return fail(-EINVAL, "endpoint: an address of %u bytes", address_length);
	memcpy(&own, address, address_length);
	fd = bound_socket(&own, address_length);
	if (fd < 0)
		return fail(fd, "cannot bind: %s", strerror(-fd));
	ep->control = fd;
	ep->own = own;
	ep->own_length = address_length;
	return 0;
}

/* A socket at @own, with a port that suits the lane, and is not the one that it had; any, if there is none: that is slower, no more. */
static int bind_lane(struct netgpu_ep *ep, enum lane lane, struct sockaddr_storage *own, socklen_t length)
{
	struct sockaddr_storage at = {};
	unsigned int tries = PORTS;
	socklen_t room;
	int fd, ret;

	*port_of(own) = 0;
	for (;;) {
		room = sizeof(at);
		fd = socket(own->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		if (bind(fd, (struct sockaddr *)own, length) || getsockname(fd, (struct sockaddr *)&at, &room)) {
			ret = -errno;
			close(fd);
			return ret;
		}
		if (!--tries || (*port_of(&at) != ep->ports[lane] && steer_lane(ep->domain, lane, &ep->peer, &at)))
			break;
		close(fd);
	}
	ep->ports[lane] = *port_of(&at);
	*own = at;
	return fd;
}

/* What the control lane's address will be, all but the port: connect() finds both at once, and that is too late. */
static int find_own(const struct netgpu_ep *ep, struct sockaddr_storage *own, socklen_t *length)
{
	int fd = socket(ep->peer.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	*length = sizeof(*own);
	if ((ep->own_length && bind(fd, (const struct sockaddr *)&ep->own, ep->own_length)) ||
	    connect(fd, (const struct sockaddr *)&ep->peer, ep->peer_length) || getsockname(fd, (struct sockaddr *)own, length))
		ret = -errno;
	close(fd);
	return ret;
}

/* From the port that the program has named, if it has; or else, where it matters, from one that suits the lane.  A socket, or -errno. */
static int control_socket(struct netgpu_ep *ep)
{
	struct sockaddr_storage own;
	socklen_t length;
	int fd;

	/* Each time: it may be changed while the domain is open, and to ask is less than to connect. */
	if (ep->domain->in_place)
		steer_read(ep->domain);
	if (ep->domain->rss.parts && !*port_of(&ep->own) && !find_own(ep, &own, &length)) {
		if (ep->control >= 0)
			close(ep->control);
		return bind_lane(ep, LANE_CONTROL, &own, length);
	}
	if (ep->control >= 0)	/* the program has bound it */
		return ep->control;
	if (ep->own_length)
		return bound_socket(&ep->own, ep->own_length);
	fd = socket(ep->peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int start(struct netgpu_ep *ep)
{
	int fd = control_socket(ep), ret;

	ep->control = -1;
	if (fd < 0)
		return fail(fd, "cannot connect: %s", strerror(-fd));
	if (connect(fd, (struct sockaddr *)&ep->peer, ep->peer_length) && errno != EINPROGRESS) {
		ret = fail(-errno, "cannot connect: %s", strerror(errno));
	} else {
		set_up_lane(fd);
		ret = poll_start(ep->domain, fd, ep, POLL_CONTROL);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	ep->control = fd;
	ep->state = EP_CONNECTING;
	return 0;
}

int netgpu_ep_connect(struct netgpu_ep *ep, const struct sockaddr *address, unsigned int address_length,
		      const void *data, unsigned int length)
{
	int ret;

	succeed();
	if (ep->domain->closed)
		return domain_fail_closed();
	if (ep->state != EP_IDLE)
		return fail(-EISCONN, "endpoint: it has been connected");
	ret = check_data(length);
	if (!ret)
		ret = check_family(address);
	if (ret)
		return ret;
	if (address_length > sizeof(ep->peer))
		return fail(-EINVAL, "endpoint: an address of %u bytes", address_length);
	memcpy(&ep->peer, address, address_length);
	ep->peer_length = address_length;
	ret = start(ep);
	if (ret)
		return ret;
	if (length)
		memcpy(ep->own_data, data, length);
	ep->own_data_length = length;
	return 0;
}

/* As for the first time: with what the program has asked for, and nothing of what was said on the lanes. */
void ep_start_again(struct netgpu_ep *ep)
{
	int ret;

	/* The port that the program has named is wanted again at once, also when the device still holds the socket. */
	if (*port_of(&ep->own))
		disconnect(ep->control);
	close_lane(ep, &ep->control, &ep->control_conn);
	close_lane(ep, &ep->payload, &ep->payload_conn);
	deadline_end(ep);
	ep->lost = 0;
	ep->lost_lane = NULL;
	ep->control_blocked = ep->control_readable = ep->hung_up = ep->mute = false;
	ep->in_bytes = ep->out_bytes = ep->out_sent = 0;
	ep->put = ep->pushed = 0;
	ep->peer_recvs = 0;
	ret = start(ep);
	if (ret)
		ep_fail(ep, ret, false);
}

/* The port is known before anything is said, so that the peer knows what it waits for. */
static int bind_payload(struct netgpu_ep *ep, uint16_t *port)
{
	struct sockaddr_storage control, payload;
	socklen_t length = sizeof(control);
	int fd;

	if (getsockname(ep->control, (struct sockaddr *)&control, &length))
		return -errno;
	payload = control;
	fd = bind_lane(ep, LANE_PAYLOAD, &payload, length);
	if (fd < 0)
		return fd;
	ep->payload = fd;
	*port = *port_of(&payload);
	check_queues(ep, &control, &ep->peer, &payload);
	return 0;
}

static int lane_error(int fd)
{
	socklen_t length = sizeof(int);
	int error = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) ? -errno : -error;
}

void ep_connected(struct netgpu_ep *ep, enum poll_kind lane)
{
	struct wire w = { .op = WIRE_HELLO, .key = WIRE_MAGIC };
	uint16_t port = 0;
	int ret;

	ret = lane_error(lane == POLL_CONTROL ? ep->control : ep->payload);
	if (ret) {
		ep_fail(ep, ret, lane == POLL_PAYLOAD);
		return;
	}
	if (lane == POLL_PAYLOAD) {
		/* READY is still to come.  A receive wants a connection. */
		if (ep->domain->queue && !ep->payload_conn) {
			ret = start_receiving(ep, LANE_PAYLOAD);
			if (ret)
				ep_fail(ep, ret, true);
		}
		return;
	}
	ret = bind_payload(ep, &port);
	if (!ret)
		ret = start_receiving(ep, LANE_CONTROL);
	if (ret) {
		ep_fail(ep, ret, false);
		return;
	}
	ep->state = EP_GREETING;
	w.address = ntohs(port);
	control_put(ep, &w, ep->own_data, ep->own_data_length);
	ep_activate(ep);
}

/* -------------------------------------------------------------- together */

static void keep_data(struct netgpu_ep *ep, const struct wire *w, const uint8_t *data)
{
	ep->data_length = w->inline_length;
	memcpy(ep->data, data, w->inline_length);
}

/* Who has connected is to come from other ports. */
static bool is_on_wrong_queue(struct netgpu_ep *ep)
{
	struct sockaddr_storage own, from = ep->peer;
	socklen_t length = sizeof(own);

	if (!ep->domain->in_place)
		return false;
	steer_read(ep->domain);
	*port_of(&from) = ep->join_port;
	return !getsockname(ep->control, (struct sockaddr *)&own, &length) && !check_queues(ep, &own, &from, &own);
}

static void turn_away(struct netgpu_ep *ep)
{
	struct wire w = { .op = WIRE_REJECT, .key = WIRE_MAGIC, .status = WIRE_WRONG_QUEUE };

	control_put(ep, &w, NULL, 0);
	control_flush(ep);
	ep_end(ep, -EADDRNOTAVAIL);
}

/* The peer wants other ports.  False when it has had its share. */
static bool come_again(struct netgpu_ep *ep)
{
	const uint64_t now = now_ns();

	if (!ep->again)
		ep->again_until = now + AGAIN_LONG;
	if (ep->again == AGAIN || now > ep->again_until) {
		ep_say(ep, "the peer receives payload in place, and these ports never bring it to the queue for that, nor control "
		       "messages to another: have RSS there spread over that queue and another (ethtool -X DEV weight 1 1)");
		return false;
	}
	ep->again++;
	ep->state = EP_AGAIN;
	ep_activate(ep);	/* what is at hand is read first */
	return true;
}

/* A message while it is not up. */
void ep_greeted(struct netgpu_ep *ep, const struct wire *w, const uint8_t *data)
{
	if (w->op == WIRE_FAIL) {
		ep_say(ep, "the peer has ended it");
		ep_end(ep, wire_errno(w->status) ? wire_errno(w->status) : -ECONNABORTED);
		return;
	}
	if (ep->accepting && ep->state == EP_GREETING && w->op == WIRE_HELLO) {
		if (!w->address || w->address > UINT16_MAX || port_is_taken(ep, htons(w->address))) {
			ep_broken(ep, -EPROTO, "the peer has named no port of its own");
			return;
		}
		ep->join_port = htons(w->address);
		if (is_on_wrong_queue(ep)) {
			turn_away(ep);
			return;
		}
		ep->peer_grant = w->length;
		ep->peer_segments = w->flags & WIRE_F_SEGMENT;
		ep->state = EP_REQUESTED;
		deadline_end(ep);	/* the program may think */
		keep_data(ep, w, data);
		report_event(&ep->started, NETGPU_EVENT_REQUEST, 0);
		return;
	}
	if (!ep->accepting && ep->state == EP_GREETING && w->op == WIRE_REJECT) {
		if (w->status == WIRE_WRONG_QUEUE && come_again(ep))
			return;
		keep_data(ep, w, data);
		ep_end(ep, wire_errno(w->status) ? wire_errno(w->status) : -ECONNREFUSED);
		return;
	}
	if (!ep->accepting && ep->state == EP_GREETING && w->op == WIRE_ACCEPT) {
		keep_data(ep, w, data);
		ep->peer_grant = w->length;
		ep->peer_segments = w->flags & WIRE_F_SEGMENT;
		ep->state = EP_JOINING;
		in_place_other(ep);
		deadline_start(ep);	/* READY waits for no program */
		set_up_lane(ep->payload);
		if (connect(ep->payload, (struct sockaddr *)&ep->peer, ep->peer_length) && errno != EINPROGRESS)
			ep_fail(ep, -errno, true);
		else if (poll_start(ep->domain, ep->payload, ep, POLL_PAYLOAD))
			ep_fail(ep, -ENOMEM, true);
		return;
	}
	if (!ep->accepting && ep->state == EP_JOINING && w->op == WIRE_READY) {
		int ret = ep->domain->queue && !ep->payload_conn ? start_receiving(ep, LANE_PAYLOAD) : 0;

		if (ret)
			ep_fail(ep, ret, true);
		else
			ep_up(ep);
		return;
	}
	ep_broken(ep, -EPROTO, "the peer has sent a message out of turn");
}

int netgpu_ep_shutdown(struct netgpu_ep *ep)
{
	succeed();
	if (ep->domain->closed)
		return domain_fail_closed();
	if (ep->state != EP_UP)
		return fail(-ENOTCONN, "endpoint: it is not connected");
	ep->state = EP_CLOSING;
	incoming_give_up(ep);
	ep_activate(ep);
	return 0;
}

/* To a peer that waits to be let in it is a refusal. */
static void give_up(struct netgpu_ep *ep)
{
	if (ep->state == EP_REQUESTED)
		refuse(ep, NULL, 0, -ECANCELED);
	else
		ep_fail(ep, -ECANCELED, true);
}

int netgpu_ep_abort(struct netgpu_ep *ep)
{
	succeed();
	if (ep->domain->closed)
		return domain_fail_closed();
	give_up(ep);
	return 0;
}

void netgpu_ep_close(struct netgpu_ep *ep)
{
	if (!ep || ep->closed)
		return;
	ep->closed = true;
	domain_forget(ep);
	give_up(ep);
	ep_free_unused(ep);
}

int netgpu_ep_address(const struct netgpu_ep *ep, bool peer, struct sockaddr *address, unsigned int room)
{
	socklen_t length = room;

	succeed();
	if (peer) {
		memcpy(address, &ep->peer, room < ep->peer_length ? room : ep->peer_length);
		return ep->peer_length;
	}
	if (ep->control < 0)
		return fail(-ENOTCONN, "endpoint: it has no address, not yet or not any more");
	if (getsockname(ep->control, address, &length))
		return fail(-errno, "endpoint: %s", strerror(errno));
	return length;
}
