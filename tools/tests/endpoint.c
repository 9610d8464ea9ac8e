// SPDX-License-Identifier: GPL-2.0
/*
 * Endpoints of libnetgpu over the loopback, in host memory: what is sent, written and read, of all sizes, with the bytes
 * beside it untouched; and what happens when an end goes away. KTAP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetgpu_endpoint.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktap.h"

#define SIZE	(160ull << 20)
#define HALF	(SIZE / 2)
#define LONG	30000000000ll	/* ns, for what comes */
#define SHORT	100000000ll	/* for what does not */

static struct netgpu_domain *domain;
static struct netgpu_memory *memory;
static struct netgpu_mr *all;		/* of it, with both rights */
static struct netgpu_listener *listener;
static struct sockaddr_storage address;
static int address_length;
static char *bytes;

static void listen_on_loopback(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	must(!netgpu_listen(domain, (struct sockaddr *)&any, sizeof(any), &listener, &listener), "listen");
	address_length = netgpu_listener_address(listener, (struct sockaddr *)&address, sizeof(address));
	must(address_length > 0, "address");
}

/* The next event, of this kind if it is not 0. */
static struct netgpu_event next(unsigned int kind)
{
	struct netgpu_event e = { 0 };
	int n = netgpu_domain_wait(domain, &e, 1, LONG);

	if (n != 1 || (kind && e.kind != kind)) {
		printf("# event %u, %d (%s): expected %u\n", n == 1 ? e.kind : 0, n == 1 ? e.result : n, netgpu_error(), kind);
		e.kind = 0;
	}
	return e;
}

static bool quiet(void)
{
	struct netgpu_event e;

	return netgpu_domain_wait(domain, &e, 1, SHORT) == 0;
}

struct pair {
	struct netgpu_ep *a, *b;	/* who connects, who has listened */
};

static bool connect_pair(struct pair *p)
{
	struct netgpu_event e;
	int up = 0;

	must(!netgpu_ep_open(domain, &p->a, &p->a) &&
	     !netgpu_ep_connect(p->a, (struct sockaddr *)&address, address_length, NULL, 0), "connect");
	e = next(NETGPU_EVENT_REQUEST);
	if (!e.kind || e.user != &listener)
		return false;
	p->b = e.ep;
	netgpu_ep_set_user(p->b, &p->b);
	must(!netgpu_ep_accept(p->b, NULL, 0), "accept");
	while (up < 2 && next(NETGPU_EVENT_CONNECTED).kind)
		up++;
	return up == 2;
}

static void close_pair(struct pair *p)
{
	netgpu_ep_close(p->a);
	netgpu_ep_close(p->b);
}

static uint8_t byte_at(uint64_t i, unsigned int seed)
{
	return (i * 2654435761u >> 13) + i + seed;
}

static void fill(uint64_t offset, uint64_t length, unsigned int seed)
{
	for (uint64_t i = 0; i < length; i++)
		bytes[offset + i] = byte_at(i, seed);
}

/* They are there, and the 64 before and behind are what they were. */
static bool lies(uint64_t offset, uint64_t length, unsigned int seed)
{
	for (uint64_t i = 0; i < length; i++)
		if ((uint8_t)bytes[offset + i] != byte_at(i, seed))
			return false;
	for (uint64_t i = 1; i <= 64; i++)
		if (bytes[offset - i] != 0x5a || bytes[offset + length + i - 1] != 0x5a)
			return false;
	return true;
}

static void surround(uint64_t offset, uint64_t length)
{
	memset(bytes + offset - 64, 0x5a, length + 128);
}

static struct netgpu_msg msg(uint64_t offset, uint64_t length, void *user)
{
	return (struct netgpu_msg) { .mr = all, .offset = offset, .length = length, .user = user };
}

static const uint64_t sizes[] = {
	0, 1, 7, 64, 255, 256, 257, 1000, 4095, 4096, 4097, 65535, 1 << 20, (1 << 20) + 13, 64 << 20,
};

static bool send_one(struct pair *p, uint64_t length, unsigned int flags)
{
	uint64_t from = 1003, to = HALF + 517;
	struct netgpu_msg m = msg(from, length, &from);
	unsigned int seen = 0;
	struct netgpu_event e;

	m.flags = flags;
	m.immediate = length * 3;
	fill(from, length, length);
	surround(to, length);
	must(!netgpu_ep_recv(p->b, all, to, length, &to, 0) && !netgpu_ep_send(p->a, &m), "post");
	while (seen != 3) {
		e = next(0);
		if (e.kind == NETGPU_EVENT_SENT && e.ep == p->a && e.user == &from && !e.result && e.length == length)
			seen |= 1;
		else if (e.kind == NETGPU_EVENT_RECEIVED && e.ep == p->b && e.user == &to && !e.result &&
			 e.length == length && e.flags == (flags & NETGPU_MSG_IMMEDIATE) &&
			 (!e.flags || e.immediate == length * 3))
			seen |= 2;
		else
			return false;
	}
	return lies(to, length, length);
}

static bool write_one(struct pair *p, uint64_t length)
{
	uint64_t from = 333, to = HALF + 4096 + 9;
	struct netgpu_msg m = msg(from, length, &from);
	struct netgpu_event e;

	m.remote_key = netgpu_mr_key(all);
	m.remote_offset = to;
	fill(from, length, length + 1);
	surround(to, length);
	must(!netgpu_ep_write(p->b, &m), "post");
	e = next(NETGPU_EVENT_WRITTEN);
	return e.ep == p->b && !e.result && e.length == length && lies(to, length, length + 1);
}

static bool read_one(struct pair *p, uint64_t length)
{
	uint64_t from = 77, to = HALF + 901;
	struct netgpu_msg m = msg(to, length, &to);
	struct netgpu_event e;

	m.remote_key = netgpu_mr_key(all);
	m.remote_offset = from;
	fill(from, length, length + 2);
	surround(to, length);
	must(!netgpu_ep_read(p->a, &m), "post");
	e = next(NETGPU_EVENT_READ);
	return e.ep == p->a && !e.result && e.length == length && lies(to, length, length + 2);
}

static void test_sizes(struct pair *p)
{
	bool sent = true, delivered = true, written = true, read = true;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		sent = sent && send_one(p, sizes[i], 0);
		delivered = delivered && send_one(p, sizes[i], NETGPU_MSG_DELIVERED | NETGPU_MSG_IMMEDIATE);
		written = written && write_one(p, sizes[i]);
		read = read && read_one(p, sizes[i]);
	}
	ok(sent, "messages from 0 bytes to 64 MiB, to where they belong");
	ok(delivered, "the same, with a number, when they have been delivered");
	ok(written, "and written");
	ok(read, "and read");
}

static void test_inject(struct pair *p)
{
	char text[] = "these bytes are mine again";
	struct netgpu_msg m = { .inject = text, .length = sizeof(text), .flags = NETGPU_MSG_INJECT | NETGPU_MSG_SILENT };
	struct netgpu_event e;

	/* There is no buffer yet. */
	must(!netgpu_ep_send(p->a, &m), "inject");
	memset(text, 'x', sizeof(text));
	ok(quiet(), "without a buffer there nothing is sent");
	must(!netgpu_ep_recv(p->b, all, 100, 256, NULL, 0), "recv");
	e = next(NETGPU_EVENT_RECEIVED);
	ok(e.length == sizeof(text) && !strcmp(bytes + 100, "these bytes are mine again"), "what is injected may be touched at once");
	ok(quiet(), "and is not told of");
	m.length = NETGPU_INJECT_MAX + 1;
	ok(netgpu_ep_send(p->a, &m) == -EMSGSIZE && strstr(netgpu_error(), "at most 256"), "more cannot be: EMSGSIZE");
}

static void test_order(struct pair *p)
{
	struct netgpu_msg w = msg(0, 1 << 20, (void *)1), s = msg(0, 8, (void *)2);
	bool good = true;
	int i;

	for (i = 0; i < 32 && good; i++) {
		struct netgpu_event e;
		unsigned int seen = 0;

		fill(0, 1 << 20, i);
		surround(HALF, 1 << 20);
		w.remote_key = netgpu_mr_key(all);
		w.remote_offset = HALF;
		w.flags = s.flags = NETGPU_MSG_SILENT;
		must(!netgpu_ep_recv(p->b, all, 2 * HALF - 8, 8, NULL, 0) && !netgpu_ep_write(p->a, &w) &&
		     !netgpu_ep_send(p->a, &s), "post");
		while (!seen) {
			e = next(NETGPU_EVENT_RECEIVED);
			good = e.kind && lies(HALF, 1 << 20, i);
			seen = 1;
		}
	}
	ok(good, "a message that follows a write comes when that is there");
}

static void test_refusals(struct pair *p)
{
	struct netgpu_mr *plain, *readable, *gone;
	struct netgpu_msg m;
	struct netgpu_event e;
	uint64_t key;

	must(!netgpu_mr_open(domain, memory, 4096, 4096, 0, &plain) &&
	     !netgpu_mr_open(domain, memory, 8192, 4096, NETGPU_MR_REMOTE_READ, &readable) &&
	     !netgpu_mr_open(domain, memory, 0, 4096, NETGPU_MR_REMOTE_WRITE, &gone), "mr");
	ok(!netgpu_mr_key(plain) && netgpu_mr_key(readable) != netgpu_mr_key(gone), "keys only for what peers may use");
	ok(netgpu_ep_recv(p->a, plain, 4090, 7, NULL, 0) == -ERANGE && strstr(netgpu_error(), "4096"), "beyond an mr: ERANGE");
	ok(netgpu_mr_open(domain, memory, SIZE - 1, 2, 0, &plain) == -ERANGE, "an mr beyond its memory: ERANGE");
	ok(netgpu_mr_open(domain, memory, 0, 0, 0, &plain) == -EINVAL, "an mr of no bytes: EINVAL");

	surround(8192, 4096);
	m = msg(0, 100000, &m);
	m.remote_key = netgpu_mr_key(readable);
	m.length = 4096;
	must(!netgpu_ep_write(p->a, &m), "post");
	e = next(NETGPU_EVENT_WRITTEN);
	ok(e.result == -EACCES && bytes[8192] == 0x5a, "a write where only reading is allowed: EACCES, and nothing is written");
	m.remote_key = netgpu_mr_key(all) ^ 1;
	must(!netgpu_ep_read(p->a, &m), "post");
	ok(next(NETGPU_EVENT_READ).result == -EACCES, "a key that is none: EACCES");
	m.remote_key = netgpu_mr_key(readable);
	m.remote_offset = 1;
	must(!netgpu_ep_read(p->a, &m), "post");
	ok(next(NETGPU_EVENT_READ).result == -ERANGE, "one byte too far: ERANGE");
	key = netgpu_mr_key(gone);
	must(!netgpu_mr_close(gone), "close");
	m.remote_key = key;
	m.remote_offset = 0;
	m.length = 70000;
	must(!netgpu_ep_write(p->a, &m), "post");
	ok(next(NETGPU_EVENT_WRITTEN).result == -EACCES, "the key of an mr that is closed: EACCES");
	must(!netgpu_ep_recv(p->b, all, HALF, 1000, NULL, 0), "recv");
	surround(HALF, 1000);
	fill(0, 5000, 5);
	m = msg(0, 5000, NULL);
	m.flags = NETGPU_MSG_DELIVERED;
	must(!netgpu_ep_send(p->a, &m), "post");
	e = next(0);
	if (e.kind == NETGPU_EVENT_RECEIVED)
		ok(e.result == -EMSGSIZE && lies(HALF, 1000, 5) && next(NETGPU_EVENT_SENT).result == -EMSGSIZE,
		   "a message that is too long: EMSGSIZE at both ends, and what fits");
	else
		ok(e.result == -EMSGSIZE && next(NETGPU_EVENT_RECEIVED).result == -EMSGSIZE && lies(HALF, 1000, 5),
		   "a message that is too long: EMSGSIZE at both ends, and what fits");
	ok(send_one(p, 100000, 0), "and the endpoint is what it was");
	must(!netgpu_mr_close(plain) && !netgpu_mr_close(readable), "close");
}

static void test_cancel(struct pair *p)
{
	struct netgpu_msg m = msg(0, 300000, NULL);
	struct netgpu_event e;
	int one, two;

	must(!netgpu_ep_recv(p->b, all, HALF, 300000, &one, 0) && quiet(), "recv");
	ok(netgpu_ep_cancel(p->b, &one) == 0, "a buffer is taken back");
	e = next(NETGPU_EVENT_RECEIVED);
	ok(e.result == -ECANCELED && e.user == &one, "which its event says: ECANCELED");
	ok(netgpu_ep_cancel(p->b, &one) == -ENOENT, "twice: ENOENT");
	fill(0, 300000, 9);
	surround(HALF, 300000);
	m.flags = NETGPU_MSG_SILENT;
	must(!netgpu_ep_send(p->a, &m), "send");
	ok(quiet() && bytes[HALF] == 0x5a, "a message that was sent for it waits");
	must(!netgpu_ep_recv(p->b, all, HALF, 300000, &two, 0), "recv");
	e = next(NETGPU_EVENT_RECEIVED);
	ok(!e.result && e.user == &two && lies(HALF, 300000, 9), "for the next");
}

/* All of it, in order, in however many parts. */
static bool has_come(const struct netgpu_message *m, uint64_t length, unsigned int seed)
{
	uint64_t i, at = 0;
	unsigned int n;

	for (n = 0; m && n < m->count; n++) {
		const struct netgpu_extent *x = &m->extents[n];

		for (i = 0; i < x->length; i++, at++)
			if (at >= length || ((const uint8_t *)x->data)[i] != byte_at(at, seed))
				return false;
	}
	return at == length && (m || !length);
}

static struct netgpu_event without_buffer(struct pair *p, uint64_t room, uint64_t length)
{
	struct netgpu_msg m = msg(0, length, NULL);

	m.flags = NETGPU_MSG_SILENT;
	fill(0, length, length);
	must(!netgpu_ep_recv(p->b, NULL, 0, room, NULL, NETGPU_MSG_NO_BUFFER) && !netgpu_ep_send(p->a, &m), "post");
	return next(NETGPU_EVENT_RECEIVED);
}

static void test_no_buffer(void)
{
	struct netgpu_event e, other;
	uint64_t wrong = 0;
	struct pair p;
	size_t i;

	must(connect_pair(&p), "pair");
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		e = without_buffer(&p, SIZE, sizes[i]);
		if (e.result || e.length != sizes[i] || !has_come(e.message, sizes[i], sizes[i]) ||
		    (e.message && netgpu_message_release(domain, e.message)))
			wrong = sizes[i] + 1;
	}
	ok(!wrong, "without a buffer, messages of all sizes (%llu)", (unsigned long long)wrong);
	e = without_buffer(&p, 100, 200);
	ok(e.result == -EMSGSIZE && e.dropped == 100 && has_come(e.message, 100, 200) && !netgpu_message_release(domain, e.message),
	   "what fits of a short one that is longer than wanted: EMSGSIZE");
	e = without_buffer(&p, 10000, 20000);
	other = without_buffer(&p, 10000, 10000);
	ok(e.result == -EMSGSIZE && has_come(e.message, 10000, 20000) && !other.result && has_come(other.message, 10000, 10000),
	   "of another, which is the program's when the next has come");
	ok(!netgpu_message_release(domain, e.message) && netgpu_message_release(domain, e.message) == -ENOENT,
	   "given back twice: ENOENT");
	must(!netgpu_ep_recv(p.b, NULL, 0, 1000, &p, NETGPU_MSG_NO_BUFFER) && !netgpu_ep_cancel(p.b, &p), "cancel");
	e = next(NETGPU_EVENT_RECEIVED);
	ok(e.result == -ECANCELED && !e.message, "taken back: ECANCELED, and no message");
	ok(netgpu_ep_recv(p.b, all, 0, 1, NULL, NETGPU_MSG_NO_BUFFER) == -EINVAL &&
	   netgpu_ep_recv(p.b, NULL, 1, 1, NULL, NETGPU_MSG_NO_BUFFER) == -EINVAL &&
	   netgpu_ep_recv(p.b, NULL, 0, 1, NULL, NETGPU_MSG_NO_BUFFER | NETGPU_MSG_SILENT) == -EINVAL,
	   "with a buffer, with an offset, silent: EINVAL");
	e = without_buffer(&p, 5000, 5000);
	close_pair(&p);
	ok(quiet() && has_come(e.message, 5000, 5000) && has_come(other.message, 10000, 10000) &&
	   !netgpu_message_release(domain, e.message), "messages outlive their endpoint");
	/* And the domain gives back the other one. */
}

static void test_shutdown(struct pair *p)
{
	struct netgpu_msg m = msg(0, 5 << 20, NULL);
	unsigned int seen = 0, ended = 0;
	struct netgpu_event e;

	surround(HALF, 5 << 20);
	fill(0, 5 << 20, 3);
	must(!netgpu_ep_recv(p->b, all, HALF, 5 << 20, NULL, 0) && !netgpu_ep_recv(p->b, all, HALF, 1, &seen, 0) &&
	     !netgpu_ep_send(p->a, &m) && !netgpu_ep_shutdown(p->a), "post");
	ok(netgpu_ep_send(p->a, &m) == -ENOTCONN, "nothing is posted after the end: ENOTCONN");
	while (ended < 2) {
		e = next(0);
		if (!e.kind)
			break;
		if (e.kind == NETGPU_EVENT_ENDED)
			ended += e.result == 0;
		else if (e.kind == NETGPU_EVENT_SENT)
			seen |= 1;
		else if (e.kind == NETGPU_EVENT_RECEIVED && !e.result)
			seen |= 2;
		else if (e.kind == NETGPU_EVENT_RECEIVED && e.result == -ECANCELED && e.user == &seen)
			seen |= 4;
	}
	ok(ended == 2 && seen == 7 && lies(HALF, 5 << 20, 3), "an end in order: what was posted is carried out (%u, %u)", ended, seen);
	close_pair(p);
}

static void test_reject(void)
{
	struct netgpu_event e;
	struct netgpu_ep *ep;

	must(!netgpu_ep_open(domain, NULL, &ep) &&
	     !netgpu_ep_connect(ep, (struct sockaddr *)&address, address_length, "let me in", 10), "connect");
	ok(netgpu_ep_connect(ep, (struct sockaddr *)&address, address_length, NULL, 0) == -EISCONN, "twice: EISCONN");
	e = next(NETGPU_EVENT_REQUEST);
	ok(e.length == 10 && e.data && !strcmp(e.data, "let me in"), "a request with the program's bytes");
	must(!netgpu_ep_reject(e.ep, "no", 3), "reject");
	e = next(NETGPU_EVENT_ENDED);
	ok(e.ep == ep && e.result == -ECONNREFUSED && e.length == 3 && !strcmp(e.data, "no"), "rejected, and told why");
	netgpu_ep_close(ep);
}

/* One end closes in the middle of everything. */
/* It was posted to before anybody said whether the peer is let in. */
static void test_given_up(void)
{
	struct netgpu_event e;
	struct netgpu_ep *ep;
	bool right;

	must(!netgpu_ep_open(domain, NULL, &ep) &&
	     !netgpu_ep_connect(ep, (struct sockaddr *)&address, address_length, NULL, 0), "connect");
	e = next(NETGPU_EVENT_REQUEST);
	must(e.ep && !netgpu_ep_recv(e.ep, all, 0, 1, &ep, 0) && !netgpu_ep_abort(e.ep), "abort");
	e = next(NETGPU_EVENT_RECEIVED);
	right = e.result == -ECANCELED && e.user == &ep;
	e = next(NETGPU_EVENT_ENDED);
	netgpu_ep_close(e.ep);
	ok(right && e.result == -ECANCELED && e.ep != ep, "given up before it was accepted: ECANCELED");
	e = next(NETGPU_EVENT_ENDED);
	ok(e.ep == ep && e.result == -ECONNREFUSED, "and the peer is refused");
	netgpu_ep_close(ep);
}

static void write_word(struct pair *p, uint64_t immediate)
{
	struct netgpu_msg m = msg(0, 8, NULL);

	m.remote_offset = HALF;
	m.remote_key = netgpu_mr_key(all);
	m.immediate = immediate;
	m.flags = NETGPU_MSG_IMMEDIATE;
	must(!netgpu_ep_write(p->a, &m), "write");
}

static void test_pause(void)
{
	struct netgpu_event e;
	struct pair p;
	int i, seen = 0, written = 0;
	bool right = true;

	must(connect_pair(&p), "connect");
	must(!netgpu_ep_pause(p.b, true), "pause");
	for (i = 0; i < 3; i++)
		write_word(&p, i);
	ok(quiet(), "a program that has said so hears of no writes with an immediate");
	must(!netgpu_ep_pause(p.b, false), "go on");
	while (right && seen + written < 6) {
		e = next(0);
		right = !e.result && (e.kind == NETGPU_EVENT_IMMEDIATE || e.kind == NETGPU_EVENT_WRITTEN);
		if (e.kind == NETGPU_EVENT_IMMEDIATE)
			right = e.immediate == (uint64_t)seen++;
		else
			written++;
	}
	ok(right && seen == 3, "until it says so, in their order");
	must(!netgpu_ep_pause(p.b, true), "pause");
	write_word(&p, 3);
	must(quiet() && !netgpu_ep_shutdown(p.a), "shutdown");
	ok(quiet(), "an end in order waits as well");
	must(!netgpu_ep_shutdown(p.b), "shutdown");
	for (i = 0, seen = 0; i < 4; i++) {
		e = next(0);
		seen += e.kind == NETGPU_EVENT_IMMEDIATE && e.immediate == 3;
		right = right && !e.result;
	}
	ok(right && seen == 1, "for this side, at most: what was to come comes before it");
	close_pair(&p);
}

static void test_gone(void)
{
	struct netgpu_msg m = msg(0, 32 << 20, NULL);
	struct netgpu_event e;
	unsigned int events = 0;
	bool good = true;
	struct pair p;

	must(connect_pair(&p), "pair");
	m.remote_key = netgpu_mr_key(all);
	m.remote_offset = HALF;
	must(!netgpu_ep_recv(p.a, all, 0, 1, NULL, 0) && !netgpu_ep_write(p.a, &m) && !netgpu_ep_read(p.a, &m) &&
	     !netgpu_ep_send(p.a, &m), "post");
	events = netgpu_domain_wait(domain, &e, 1, 0);
	netgpu_ep_close(p.b);
	do {
		e = next(0);
		good = good && e.kind && e.ep == p.a && e.result < 0;
		events++;
	} while (good && e.kind != NETGPU_EVENT_ENDED);
	ok(good && events == 5, "the peer goes: each request says so, and then the end (%u)", events);
	ok(netgpu_ep_send(p.a, &m) == -ENOTCONN, "which is the end: ENOTCONN");
	netgpu_ep_close(p.a);
	ok(quiet(), "of one that is closed nothing is heard");
}

#define MANY	64

static void test_many(void)
{
	static struct pair pairs[MANY];
	struct netgpu_event e[16];
	unsigned int got = 0, i;
	struct netgpu_msg m;
	bool good = true;
	int n;

	for (i = 0; i < MANY; i++)
		must(connect_pair(&pairs[i]), "pair");
	fill(0, 100000, 1);
	for (i = 0; i < MANY; i++) {
		m = msg(0, 1000 * i + i, NULL);
		m.flags = NETGPU_MSG_SILENT;
		must(!netgpu_ep_recv(pairs[i].a, all, HALF + i * 200000ull, 200000, &pairs[i], 0) &&
		     !netgpu_ep_send(pairs[i].b, &m), "post");
	}
	while (got < MANY && (n = netgpu_domain_wait(domain, e, 16, LONG)) > 0) {
		for (; n; n--) {
			const struct pair *p = e[n - 1].user;

			i = p - pairs;
			good = good && e[n - 1].kind == NETGPU_EVENT_RECEIVED && !e[n - 1].result &&
			       e[n - 1].length == 1000 * i + i &&
			       !memcmp(bytes + HALF + i * 200000ull, bytes, 1000 * i + i);
			got++;
		}
	}
	ok(got == MANY && good, "%d endpoints at once", MANY);
	for (i = 0; i < MANY; i++)
		close_pair(&pairs[i]);
	ok(quiet(), "all closed");
}

/* 1000s of requests at a time. */
static void test_window(void)
{
	unsigned int received = 0, sent = 0, n = 5000, i;
	struct netgpu_event e[64];
	struct netgpu_msg m;
	struct pair p;
	bool good = true;
	int ret;

	must(connect_pair(&p), "pair");
	for (i = 0; i < n; i++) {
		const uint64_t at = 8ull * i;

		m = msg(at, 8, (void *)(uintptr_t)i);
		*(uint64_t *)(bytes + at) = i;
		must(!netgpu_ep_recv(p.b, all, HALF + at, 8, (void *)(uintptr_t)i, 0) && !netgpu_ep_send(p.a, &m), "post");
	}
	while ((sent < n || received < n) && (ret = netgpu_domain_wait(domain, e, 64, LONG)) > 0) {
		for (i = 0; i < (unsigned int)ret; i++) {
			unsigned int *which = e[i].kind == NETGPU_EVENT_SENT ? &sent : &received;

			good = good && !e[i].result && e[i].user == (void *)(uintptr_t)*which;
			++*which;
		}
	}
	ok(good && sent == n && received == n && !memcmp(bytes, bytes + HALF, 8ull * n), "%u messages at once, in order", n);
	close_pair(&p);
}

static void test_strangers(void)
{
	struct netgpu_event e;
	struct pair p;
	char junk[4096];
	int fds[200], i, open = 0;

	memset(junk, 1, sizeof(junk));
	for (i = 0; i < 200; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		must(fds[i] >= 0 && !connect(fds[i], (struct sockaddr *)&address, address_length), "stranger");
		if (i % 2)
			send(fds[i], junk, 20ull * i, MSG_NOSIGNAL);
		netgpu_domain_wait(domain, &e, 1, 0);
	}
	ok(connect_pair(&p) && send_one(&p, 5000, 0), "strangers who say nothing, or nonsense, keep nobody away");
	for (i = 0; i < 200; i++) {
		open += recv(fds[i], junk, sizeof(junk), MSG_DONTWAIT) < 0 && errno == EAGAIN;
		close(fds[i]);
	}
	ok(open <= 64, "and not more than so many are kept (%d)", open);
	close_pair(&p);
	ok(quiet(), "nothing is heard of them");
}

static void test_closing(void)
{
	struct netgpu_msg m = msg(0, 1 << 20, NULL);
	struct netgpu_event e;
	struct pair p;

	must(connect_pair(&p), "pair");
	/* Two messages without a buffer, of one of which the program will not hear. */
	m.length = 100;
	m.flags = NETGPU_MSG_SILENT;
	must(!netgpu_ep_recv(p.b, NULL, 0, 100, NULL, NETGPU_MSG_NO_BUFFER) &&
	     !netgpu_ep_recv(p.b, NULL, 0, 100, NULL, NETGPU_MSG_NO_BUFFER) &&
	     !netgpu_ep_send(p.a, &m) && !netgpu_ep_send(p.a, &m), "post");
	must(next(NETGPU_EVENT_RECEIVED).message, "a message");
	must(!netgpu_domain_flush(domain), "flush");
	m = msg(0, 1 << 20, NULL);
	must(!netgpu_ep_recv(p.b, all, HALF, 1 << 20, NULL, 0) && !netgpu_ep_send(p.a, &m), "post");
	ok(netgpu_mr_close(all) == -EBUSY, "an mr in use is not closed: EBUSY");
	netgpu_memory_close(memory);
	netgpu_domain_close(domain);
	ok(netgpu_ep_send(p.a, &m) == -ESHUTDOWN && netgpu_listen(domain, NULL, 0, NULL, &listener) == -ESHUTDOWN,
	   "after its domain: ESHUTDOWN");
	ok(netgpu_domain_wait(domain, &e, 1, 0) == -ESHUTDOWN, "for who waits, too");
	netgpu_ep_close(p.b);
	netgpu_listener_close(listener);
	ok(netgpu_mr_close(all) == 0, "and the mr");
	netgpu_ep_close(p.a);
}

/* Bytes that come with a message do not overtake, and are not overtaken by, those that come on the other lane. */
static void test_overtake(struct pair *p)
{
	struct netgpu_msg small = msg(0, 200, NULL), large = msg(0, 1 << 20, NULL);
	bool good = true;
	int i;

	small.flags = NETGPU_MSG_SILENT;
	small.remote_key = large.remote_key = netgpu_mr_key(all);
	small.remote_offset = large.remote_offset = HALF;
	for (i = 0; i < 64 && good; i++) {
		fill(0, 1 << 20, i);
		surround(HALF, 1 << 20);
		/* the small one's bytes are others */
		small.offset = 5000;
		must(!netgpu_ep_write(p->a, &small) && !netgpu_ep_write(p->a, &large), "post");
		good = next(NETGPU_EVENT_WRITTEN).kind && lies(HALF, 1 << 20, i);
	}
	ok(good, "a write into the same place comes after the one before");
}

static unsigned int completed(unsigned int kind, unsigned int n)
{
	unsigned int i;
	struct netgpu_event e;

	for (i = 0; i < n; i++) {
		e = next(kind);
		if (!e.kind || e.result)
			break;
	}
	return i;
}

static void test_full(struct pair *p)
{
	struct netgpu_msg m = msg(HALF, 256, NULL);
	unsigned int i, n;

	m.remote_key = netgpu_mr_key(all);
	for (i = 0; i < 200; i++)
		must(!netgpu_ep_read(p->a, &m), "post");
	n = completed(NETGPU_EVENT_READ, 200);
	ok(n == 200, "answers that the control lane has no room for at once: %u of 200", n);

	/* What is announced, and what is answered, each as much as there may be. */
	m = msg(0, 1 << 20, NULL);
	m.flags = NETGPU_MSG_SILENT;
	m.remote_key = netgpu_mr_key(all);
	m.remote_offset = HALF;
	must(!netgpu_ep_write(p->a, &m), "post");
	m.length = 8;
	for (i = 0; i < 1100; i++)
		must(!netgpu_ep_write(p->a, &m), "post");
	m = msg(2 * HALF - 300, 300, NULL);
	m.remote_key = netgpu_mr_key(all);
	for (i = 0; i < 1100; i++)
		must(!netgpu_ep_read(p->b, &m), "post");
	n = completed(NETGPU_EVENT_READ, 1100);
	ok(n == 1100, "reads against a full window of the other side: %u of 1100", n);
}

/* Ends that something stands in the way of. */
static void test_late_ends(void)
{
	struct netgpu_msg m = msg(0, 256, NULL);
	unsigned int i, ended, received;
	struct netgpu_event e;
	struct pair p;

	/* messages that fill the control lane's buffer to its last byte */
	must(connect_pair(&p), "connect");
	m.flags = NETGPU_MSG_SILENT;
	for (i = 0; i < 51; i++)
		must(!netgpu_ep_recv(p.b, all, HALF, 256, NULL, 0), "recv");
	must(quiet(), "quiet");
	for (i = 0; i < 51; i++)
		must(!netgpu_ep_send(p.a, &m), "send");
	must(!netgpu_ep_shutdown(p.a), "shutdown");
	for (ended = received = 0; ended < 2; ) {
		e = next(0);
		if (!e.kind || e.result)
			break;
		if (e.kind == NETGPU_EVENT_RECEIVED)
			received++;
		else
			ended += e.kind == NETGPU_EVENT_ENDED;
	}
	ok(ended == 2 && received == 51, "an end behind a full control lane (%u, %u)", ended, received);
	close_pair(&p);

	/* a message for a buffer that was taken back, and no other comes */
	must(connect_pair(&p), "connect");
	must(!netgpu_ep_recv(p.b, all, HALF, 256, &p, 0) && quiet() && !netgpu_ep_cancel(p.b, &p), "recv");
	must(next(NETGPU_EVENT_RECEIVED).kind && !netgpu_ep_send(p.a, &m) && quiet() && !netgpu_ep_shutdown(p.b), "shutdown");
	for (ended = 0; ended < 2; ended++) {
		e = next(NETGPU_EVENT_ENDED);
		if (!e.kind || e.result)
			break;
	}
	ok(ended == 2, "an end while a message waits for a buffer (%u, %d)", ended, e.result);
	close_pair(&p);

	/* both at once: what each has announced is carried out */
	must(connect_pair(&p), "connect");
	m = msg(0, 3 << 20, NULL);
	m.remote_key = netgpu_mr_key(all);
	m.remote_offset = HALF;
	fill(0, 3 << 20, 77);
	surround(HALF, 3 << 20);
	must(!netgpu_ep_write(p.a, &m) && !netgpu_ep_write(p.b, &m) && !netgpu_domain_flush(domain), "post");
	must(!netgpu_ep_shutdown(p.a) && !netgpu_ep_shutdown(p.b), "shutdown");
	for (ended = received = 0; ended < 2; ) {
		e = next(0);
		if (!e.kind || e.result)
			break;
		if (e.kind == NETGPU_EVENT_WRITTEN)
			received++;
		else
			ended += e.kind == NETGPU_EVENT_ENDED;
	}
	ok(ended == 2 && received == 2 && lies(HALF, 3 << 20, 77), "both ends at once (%u, %u, %d)", ended, received, e.result);
	close_pair(&p);
}

static void test_closed(void)
{
	const struct netgpu_domain_params params = { 0 };
	const struct sockaddr_storage unknown = { .ss_family = AF_UNIX };
	struct netgpu_listener *l;
	struct netgpu_domain *d;
	struct netgpu_mr *mr;
	struct netgpu_ep *ep;

	must(!netgpu_domain_open(&params, &d), "domain");
	ok(netgpu_listen(d, (const struct sockaddr *)&unknown, sizeof(unknown), NULL, &l) == -EAFNOSUPPORT,
	   "an address that is neither IPv4 nor IPv6: EAFNOSUPPORT");
	must(!netgpu_ep_open(d, NULL, &ep), "endpoint");
	netgpu_domain_close(d);
	ok(netgpu_mr_open(d, memory, 0, 1, 0, &mr) == -ESHUTDOWN &&
	   netgpu_listen(d, (struct sockaddr *)&address, address_length, NULL, &l) == -ESHUTDOWN &&
	   netgpu_ep_connect(ep, (struct sockaddr *)&address, address_length, NULL, 0) == -ESHUTDOWN &&
	   netgpu_domain_wait(d, &(struct netgpu_event){ 0 }, 1, 0) == -ESHUTDOWN &&
	   netgpu_domain_flush(d) == -ESHUTDOWN, "calls after the domain was closed: ESHUTDOWN");
	netgpu_ep_close(ep);
}

/* Who waits for the descriptor hears of whatever happens. */
static void test_descriptor(void)
{
	struct pollfd fd = { .events = POLLIN };
	struct netgpu_event e;
	unsigned int up = 0;
	struct pair p;

	fd.fd = netgpu_domain_fd(domain);
	must(!netgpu_ep_open(domain, &p.a, &p.a) &&
	     !netgpu_ep_connect(p.a, (struct sockaddr *)&address, address_length, NULL, 0), "connect");
	while (up < 2) {
		while (netgpu_domain_wait(domain, &e, 1, 0) == 1) {
			if (e.kind == NETGPU_EVENT_REQUEST) {
				p.b = e.ep;
				must(!netgpu_ep_accept(p.b, NULL, 0), "accept");
			}
			up += e.kind == NETGPU_EVENT_CONNECTED;
		}
		if (up < 2 && poll(&fd, 1, 5000) != 1)
			break;
	}
	ok(up == 2, "two lanes are an endpoint, for who waits for the descriptor");
	close_pair(&p);
}

int main(void)
{
	struct netgpu_domain_params params = { 0 };
	struct pair p;

	setvbuf(stdout, NULL, _IONBF, 0);
	alarm(300 * atoi(getenv("LAB_SLOWER") ?: "1"));
	if (netgpu_domain_open(&params, &domain)) {
		printf("1..0 # SKIP no domain: %s\n", netgpu_error());
		return 4;
	}
	must(!netgpu_memory_open("host", SIZE, &memory), "memory");
	must(!netgpu_mr_open(domain, memory, 0, SIZE, NETGPU_MR_REMOTE_READ | NETGPU_MR_REMOTE_WRITE, &all), "mr");
	bytes = netgpu_memory_map(memory);
	listen_on_loopback();
	printf("TAP version 13\n1..65\n");
	ok(connect_pair(&p), "two lanes are an endpoint");
	test_sizes(&p);
	test_inject(&p);
	test_order(&p);
	test_overtake(&p);
	test_full(&p);
	test_refusals(&p);
	test_cancel(&p);
	test_shutdown(&p);
	test_no_buffer();
	test_reject();
	test_given_up();
	test_pause();
	test_gone();
	test_many();
	test_window();
	test_strangers();
	test_late_ends();
	test_closed();
	test_descriptor();
	test_closing();
	return failed != 0;
}
