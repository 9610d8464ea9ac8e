/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A peer of an endpoint that is made of plain sockets, written from netgpu-wire(7) alone, and the library that it talks
 * to, with memory in which nothing but what the peer was granted may change. One file of each program includes this,
 * and ktap.h before.
 *
 * All is done by one thread: whoever waits for the library, or for the peer, has the library go on.
 */
#ifndef TESTS_ENDPOINT_RAW_H
#define TESTS_ENDPOINT_RAW_H

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnetgpu_endpoint.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------ messages */

enum {
	HELLO = 1, ACCEPT, REJECT, READY, CLOSE, FAIL,
	SEND = 16, WRITE, READ, DATA, ACK, CREDIT,
};

enum { IMMEDIATE = 1, INLINE = 2, ACK_AT_ONCE = 4 };

enum {
	OK, TOO_LONG, NO_KEY, OUT_OF_RANGE, REFUSED, BAD_VERSION, BAD_MESSAGE, MEMORY_GONE, NO_RESOURCES,
	WRONG_QUEUE, CANCELED,
};

#define MAGIC		0x706575706774656eull
#define HEADER		64
#define INLINE_MAX	256
#define MESSAGE_MAX	(HEADER + INLINE_MAX)
#define TOO_LARGE	(1ull << 62)
#define NO_LIMIT	(TOO_LARGE - 1)

struct message {
	uint8_t version, op;
	uint16_t flags;
	uint32_t inline_length, sequence, ack;
	uint64_t length, stream, address, key, immediate;
	uint32_t recvs, status;
	uint8_t bytes[INLINE_MAX];	/* behind the header */
};

static void put(uint8_t *to, uint64_t value, unsigned int bytes)
{
	value = htole64(value);
	memcpy(to, &value, bytes);
}

static uint64_t get(const uint8_t *from, unsigned int bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	return le64toh(value);
}

/* Returns the bytes of it; of one that claims more than there may be: no more than that. */
static size_t pack(uint8_t *to, const struct message *m)
{
	size_t behind = m->inline_length < INLINE_MAX ? m->inline_length : INLINE_MAX;

	put(to, m->version, 1);
	put(to + 1, m->op, 1);
	put(to + 2, m->flags, 2);
	put(to + 4, m->inline_length, 4);
	put(to + 8, m->sequence, 4);
	put(to + 12, m->ack, 4);
	put(to + 16, m->length, 8);
	put(to + 24, m->stream, 8);
	put(to + 32, m->address, 8);
	put(to + 40, m->key, 8);
	put(to + 48, m->immediate, 8);
	put(to + 56, m->recvs, 4);
	put(to + 60, m->status, 4);
	memcpy(to + HEADER, m->bytes, behind);
	return HEADER + behind;
}

/* The message at the start of so many bytes: how many it has, 0 when they are not all there. */
static size_t unpack(const uint8_t *from, size_t n, struct message *m)
{
	if (n < HEADER)
		return 0;
	*m = (struct message) {
		.version = get(from, 1),
		.op = get(from + 1, 1),
		.flags = get(from + 2, 2),
		.inline_length = get(from + 4, 4),
		.sequence = get(from + 8, 4),
		.ack = get(from + 12, 4),
		.length = get(from + 16, 8),
		.stream = get(from + 24, 8),
		.address = get(from + 32, 8),
		.key = get(from + 40, 8),
		.immediate = get(from + 48, 8),
		.recvs = get(from + 56, 4),
		.status = get(from + 60, 4),
	};
	if (m->inline_length > INLINE_MAX || n - HEADER < m->inline_length)
		return 0;
	memcpy(m->bytes, from + HEADER, m->inline_length);
	return HEADER + m->inline_length;
}

/* ----------------------------------------------------- the library's side */

#define PART	(256ull << 10)	/* bytes of each part of the memory */
#define ROOM	(64ull << 10)	/* bytes in its middle that are in use */
#define AT(part)	((part) * PART + PART / 2)

/* What the parts are for: only the first three may change. */
enum { WRITABLE, BUFFERS, READS, READABLE, SOURCE, GOOD_FROM, GOOD_TO, PARTS };

#define SIZE	(PARTS * PART)
#define SECOND	1000000000ull

/* One of its endpoints, and what has been heard of it. */
struct side {
	struct netgpu_ep *ep;
	bool up, ended;
	int result;			/* of the end */
	char why[256];			/* in words */
	unsigned int events[9];		/* by kind */
	int last[9];			/* result of the last of them */
};

static struct netgpu_domain *domain;
static struct netgpu_memory *memory;
static struct netgpu_mr *mrs[PARTS];
static uint8_t *bytes, *before;		/* of the memory: as it is, as it was */
static struct netgpu_listener *listener;
static struct sockaddr_in address;
static struct side *accepting;		/* who is next; NULL: the peer is rejected */
static int receive_room, segment;	/* of the peer's sockets, bytes; 0: as usual */
static struct side good_a, good_b;	/* connected to each other for as long as all of this lasts */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static void happened(const struct netgpu_event *e)
{
	struct side *s;

	if (e->kind == NETGPU_EVENT_REQUEST && !accepting) {
		must(!netgpu_ep_reject(e->ep, NULL, 0), "reject");
		return;
	}
	if (e->kind == NETGPU_EVENT_REQUEST) {
		accepting->ep = e->ep;
		netgpu_ep_set_user(e->ep, accepting);
		netgpu_ep_accept(e->ep, NULL, 0);	/* unless it has gone */
		accepting = NULL;
		return;
	}
	s = netgpu_ep_user(e->ep);
	s->events[e->kind]++;
	s->last[e->kind] = e->result;
	s->up |= e->kind == NETGPU_EVENT_CONNECTED;
	if (e->kind == NETGPU_EVENT_ENDED) {
		s->ended = true;
		s->result = e->result;
		snprintf(s->why, sizeof(s->why), "%s", e->result ? netgpu_error() : "");
	}
}

/* The library goes on until there is nothing to do, waiting so many ms for something. */
static void pump(unsigned int ms)
{
	struct netgpu_event e;
	int64_t wait = ms * 1000000ll;
	int n, i;

	for (i = 0; i < 100000; i++) {
		n = netgpu_domain_wait(domain, &e, 1, wait);
		must(n >= 0, "wait");
		if (!n)
			return;
		happened(&e);
		wait = 0;
	}
	must(false, "events without end");
}

/* Until it is true, 10 s at most. */
#define UNTIL(condition) ({						\
	const uint64_t until_ = now() + 10 * SECOND;			\
	while (!(condition) && now() < until_)				\
		pump(5);						\
	!!(condition);							\
})

static struct netgpu_msg part_of(unsigned int part, uint64_t offset, uint64_t length)
{
	return (struct netgpu_msg) { .mr = mrs[part], .offset = offset, .length = length };
}

static bool good(void)
{
	const unsigned int had = good_b.events[NETGPU_EVENT_RECEIVED] + 1;
	struct netgpu_msg m = part_of(GOOD_FROM, 0, 3000);
	static uint8_t number;

	m.flags = NETGPU_MSG_SILENT;
	memset(bytes + AT(GOOD_FROM), ++number, 3000);
	if (netgpu_ep_recv(good_b.ep, mrs[GOOD_TO], 0, 3000, NULL, 0) || netgpu_ep_send(good_a.ep, &m))
		return false;
	return UNTIL(good_b.events[NETGPU_EVENT_RECEIVED] == had) && !good_b.last[NETGPU_EVENT_RECEIVED] &&
	       !memcmp(bytes + AT(GOOD_FROM), bytes + AT(GOOD_TO), 3000);
}

/* A new pair of the library's. */
static bool join(struct side *a, struct side *b)
{
	*a = *b = (struct side) { 0 };
	accepting = b;
	must(!netgpu_ep_open(domain, a, &a->ep) &&
	     !netgpu_ep_connect(a->ep, (struct sockaddr *)&address, sizeof(address), NULL, 0), "connect");
	return UNTIL(a->up && b->up);
}

static bool good_new(void)
{
	struct side a, b;
	bool well = join(&a, &b) && !netgpu_ep_shutdown(a.ep) && UNTIL(a.ended && b.ended) && !a.result && !b.result;

	accepting = NULL;
	netgpu_ep_close(a.ep);
	netgpu_ep_close(b.ep);
	pump(0);
	return well;
}

/* Nothing but the parts that the peer, or a READ, may write to is other than before; those are made what they were. */
static bool unharmed(void)
{
	bool well = true;
	unsigned int i;

	for (i = 0; i < PARTS; i++) {
		uint8_t *part = bytes + i * PART, *was = before + i * PART;
		const uint64_t behind = PART / 2 + ROOM;

		if (i == GOOD_FROM || i == GOOD_TO || i <= READS)
			memcpy(part + PART / 2, was + PART / 2, ROOM);
		if (memcmp(part, was, PART)) {
			printf("# part %u has changed %s\n", i,
			       memcmp(part, was, PART / 2) ? "before what was granted" :
			       memcmp(part + behind, was + behind, PART - behind) ? "behind it" :
			       "though nobody may write");
			memcpy(part, was, PART);
			well = false;
		}
	}
	return well;
}

static void open_library(void)
{
	static const unsigned int rights[PARTS] = {
		[WRITABLE] = NETGPU_MR_REMOTE_WRITE, [READABLE] = NETGPU_MR_REMOTE_READ,
	};
	struct netgpu_domain_params params = { 0 };
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint64_t i;

	must(!netgpu_domain_open(&params, &domain), "domain");
	must(!netgpu_memory_open("host", SIZE, &memory), "memory");
	bytes = netgpu_memory_map(memory);
	before = malloc(SIZE);
	must(before, "memory");
	for (i = 0; i < PARTS; i++)
		must(!netgpu_mr_open(domain, memory, AT(i), ROOM, rights[i], &mrs[i]), "mr");
	for (i = 0; i < SIZE; i++)
		bytes[i] = before[i] = i * 2654435761u >> 11;
	must(!netgpu_listen(domain, (struct sockaddr *)&any, sizeof(any), NULL, &listener), "listen");
	must(netgpu_listener_address(listener, (struct sockaddr *)&address, sizeof(address)) > 0, "address");
	must(join(&good_a, &good_b), "a pair");
}

static void close_library(void)
{
	unsigned int i;

	netgpu_ep_close(good_a.ep);
	netgpu_ep_close(good_b.ep);
	netgpu_listener_close(listener);
	for (i = 0; i < PARTS; i++)
		must(!netgpu_mr_close(mrs[i]), "close: something still uses the mr");
	netgpu_domain_close(domain);
	netgpu_memory_close(memory);
	free(before);
}

/* ------------------------------------------------------------ the raw peer */

struct raw {
	struct side side;	/* that it talks to */
	int control, payload;	/* -1: none */
	uint16_t port;		/* that its payload's lane comes from */
	uint32_t sequence;	/* of its next request */
	uint64_t stream;	/* bytes that it has announced */
	uint32_t recvs;		/* buffers that it says to have */
	uint32_t done;		/* of the library's requests */
	uint8_t in[1 << 16];	/* heard, and not yet looked at */
	size_t in_bytes;
	bool over;		/* the library has closed the control lane */
};

static struct message say_what(const struct raw *r, uint8_t op)
{
	return (struct message) { .version = 1, .op = op, .ack = r->done, .recvs = r->recvs };
}

/* All of it, while the library goes on. False when the other end is not there any more. */
static bool push(int fd, const void *data, size_t length)
{
	const uint64_t until = now() + 10 * SECOND;
	const uint8_t *at = data;
	ssize_t n;

	while (length && now() < until) {
		n = send(fd, at, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0) {
			pump(1);
			continue;
		}
		at += n;
		length -= n;
	}
	return !length;
}

static bool say(struct raw *r, const struct message *m)
{
	uint8_t packed[MESSAGE_MAX];
	size_t n = pack(packed, m);

	return push(r->control, packed, n);
}

/* A request, with the next number; its payload, if it has any, is @m->length bytes behind it, or on the other lane. */
static struct message request(struct raw *r, uint8_t op, unsigned int flags, uint64_t length)
{
	struct message m = say_what(r, op);

	if (op != DATA)
		m.sequence = r->sequence++;
	m.flags = flags;
	m.length = length;
	if (flags & INLINE) {
		m.inline_length = length;
	} else if (op != READ) {
		m.stream = r->stream;
		r->stream += length;
	}
	return m;
}

/* What is there, without waiting. */
static void listen_now(struct raw *r)
{
	ssize_t n = recv(r->control, r->in + r->in_bytes, sizeof(r->in) - r->in_bytes, MSG_DONTWAIT);

	if (n > 0)
		r->in_bytes += n;
	else if (n == 0 || errno != EAGAIN)
		r->over = r->over || r->in_bytes < sizeof(r->in);
}

/* The next message, if it is there. */
static bool heard(struct raw *r, struct message *m)
{
	size_t n = unpack(r->in, r->in_bytes, m);

	if (!n) {
		listen_now(r);
		n = unpack(r->in, r->in_bytes, m);
	}
	r->in_bytes -= n;
	memmove(r->in, r->in + n, r->in_bytes);
	return n;
}

/* The next of this kind, waiting for it; others are passed over. */
static bool hear(struct raw *r, uint8_t op, struct message *m)
{
	const uint64_t until = now() + 10 * SECOND;

	while (now() < until) {
		if (heard(r, m)) {
			if (m->op == op)
				return true;
		} else if (r->over) {
			return false;
		} else {
			pump(2);
		}
	}
	return false;
}

static int plain_socket(struct sockaddr_in *at, const char *host)
{
	socklen_t length = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	*at = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = at->sin_port };
	inet_pton(AF_INET, host, &at->sin_addr);
	/* Without delay: what is said at once is heard at once. */
	must(fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	     !setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) &&
	     (!receive_room || !setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_room, sizeof(receive_room))) &&
	     (!segment || !setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment))) &&
	     !bind(fd, (struct sockaddr *)at, length) && !getsockname(fd, (struct sockaddr *)at, &length), "socket");
	return fd;
}

/* The control lane alone, with nothing said; the port of the other is known. */
static void raw_start(struct raw *r)
{
	struct sockaddr_in at = { 0 };

	*r = (struct raw) { .recvs = 8 };
	r->payload = plain_socket(&at, "127.0.0.1");
	r->port = ntohs(at.sin_port);
	at.sin_port = 0;
	r->control = plain_socket(&at, "127.0.0.1");
	must(!connect(r->control, (struct sockaddr *)&address, sizeof(address)), "connect");
}

static struct message hello(const struct raw *r)
{
	struct message m = say_what(r, HELLO);

	m.key = MAGIC;
	m.address = r->port;
	m.length = NO_LIMIT;
	return m;
}

/* As who connects, in order. */
static bool raw_connect(struct raw *r)
{
	struct message m;

	raw_start(r);
	accepting = &r->side;
	m = hello(r);
	if (!say(r, &m) || !hear(r, ACCEPT, &m) || m.key != MAGIC)
		return false;
	return !connect(r->payload, (struct sockaddr *)&address, sizeof(address)) && hear(r, READY, &m) &&
	       UNTIL(r->side.up);
}

/* As who listens: HELLO has been heard. */
static bool raw_asked(struct raw *r, int *fd)
{
	const struct timeval patience = { .tv_sec = 5 };
	struct sockaddr_in at = { 0 };
	struct message m;

	*r = (struct raw) { .recvs = 8, .payload = -1 };
	*fd = plain_socket(&at, "127.0.0.1");
	must(!listen(*fd, 4) && !setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	     !netgpu_ep_open(domain, &r->side, &r->side.ep) &&
	     !netgpu_ep_connect(r->side.ep, (struct sockaddr *)&at, sizeof(at), NULL, 0), "connect");
	r->control = accept(*fd, NULL, NULL);
	if (!hear(r, HELLO, &m) || m.key != MAGIC || !m.address || m.address > UINT16_MAX)
		return false;
	r->port = m.address;
	return true;
}

static struct message accepted(const struct raw *r)
{
	struct message m = say_what(r, ACCEPT);

	m.key = MAGIC;
	m.length = NO_LIMIT;
	return m;
}

static bool raw_joined(struct raw *r, int fd)
{
	struct sockaddr_in at = { 0 };
	socklen_t length = sizeof(at);

	pump(2);
	r->payload = accept(fd, (struct sockaddr *)&at, &length);
	return r->payload >= 0 && ntohs(at.sin_port) == r->port;
}

/* As who listens, in order. */
static bool raw_listen(struct raw *r)
{
	struct message m;
	bool well;
	int fd;

	well = raw_asked(r, &fd);
	m = accepted(r);
	well = well && say(r, &m) && raw_joined(r, fd);
	m = say_what(r, READY);
	well = well && say(r, &m) && UNTIL(r->side.up);
	close(fd);
	return well;
}

static void raw_hang_up(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* It goes, and so does the library's endpoint: of one that was up an end has been heard then. */
static bool raw_end(struct raw *r)
{
	bool well = true;

	raw_hang_up(&r->control);
	raw_hang_up(&r->payload);
	if (r->side.up)
		well = UNTIL(r->side.ended);
	else
		pump(5);
	if (accepting == &r->side)
		accepting = NULL;
	netgpu_ep_close(r->side.ep);
	pump(0);
	return well;
}

#endif
