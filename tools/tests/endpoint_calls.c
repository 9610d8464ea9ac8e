// SPDX-License-Identifier: GPL-2.0
/*
 * What each call of libnetgpu_endpoint.h does not take: its errno, a sentence that says why, and nothing that has changed. KTAP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetgpu_endpoint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktap.h"

#define SIZE	65536ull
#define LONG	10000000000ll	/* ns */

/* The call fails with this errno, and its sentence has these words. */
#define REFUSED(call, error, words) do {								\
	const int ret_ = (call);									\
	const bool said_ = netgpu_error() && strstr(netgpu_error(), words);				\
	ok(ret_ == -(error) && said_, "%s: %s", #error, netgpu_error() ?: "(nothing is said)");		\
} while (0)

static struct netgpu_domain *domain;
static struct netgpu_memory *memory;
static struct netgpu_mr *mr;
static struct sockaddr_in address;

static struct netgpu_event next(unsigned int kind)
{
	struct netgpu_event e = { 0 };
	const int n = netgpu_domain_wait(domain, &e, 1, LONG);

	if (n != 1 || e.kind != kind) {
		printf("# event %u, %d (%s): expected %u\n", n == 1 ? e.kind : 0, n == 1 ? e.result : n, netgpu_error(), kind);
		e.kind = 0;
	}
	return e;
}

static const struct sockaddr *sa(const void *any)
{
	return any;
}

static void test_domain(void)
{
	struct netgpu_domain_params params = { .flags = 1u << 31 };
	struct netgpu_domain *d;

	REFUSED(netgpu_domain_open(&params, &d), EINVAL, "flags 0x80000000");
	params = (struct netgpu_domain_params) { .resv[7] = 1 };
	REFUSED(netgpu_domain_open(&params, &d), EINVAL, "reserved");
	params = (struct netgpu_domain_params) { .queue = 1 };
	REFUSED(netgpu_domain_open(&params, &d), EINVAL, "none is named");
	params = (struct netgpu_domain_params) { .landing = memory };
	REFUSED(netgpu_domain_open(&params, &d), EINVAL, "none is named");
	params = (struct netgpu_domain_params) { .flags = NETGPU_DOMAIN_IN_PLACE };
	REFUSED(netgpu_domain_open(&params, &d), EINVAL, "in place, and none is named");
	params = (struct netgpu_domain_params) { .device = "none0" };
	REFUSED(netgpu_domain_open(&params, &d), ENODEV, "none0");
	params.flags = NETGPU_DOMAIN_FALL_BACK | NETGPU_DOMAIN_IN_PLACE;
	must(!netgpu_domain_open(&params, &d), "domain");
	ok(netgpu_domain_why(d) && strstr(netgpu_domain_why(d), "none0"), "unless it may fall back: %s", netgpu_domain_why(d));
	netgpu_domain_close(d);
}

static void test_mr(void)
{
	struct netgpu_mr *m;

	REFUSED(netgpu_mr_open(domain, memory, 0, 1, 1u << 31, &m), EINVAL, "rights 0x80000000");
	REFUSED(netgpu_mr_open(domain, memory, 0, 0, 0, &m), EINVAL, "byte");
	REFUSED(netgpu_mr_open(domain, memory, SIZE, 1, 0, &m), ERANGE, "65536");
	REFUSED(netgpu_mr_open(domain, memory, 1, UINT64_MAX, 0, &m), ERANGE, "65536");
	ok(!netgpu_mr_close(NULL), "NULL is closed");
}

static void test_listen(struct netgpu_listener **l)
{
	const struct sockaddr_in elsewhere = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };	/* TEST-NET-1 */
	const struct sockaddr_storage local = { .ss_family = AF_UNIX };

	address = (struct sockaddr_in) { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	REFUSED(netgpu_listen(domain, sa(&local), sizeof(local), NULL, l), EAFNOSUPPORT, "IPv4 or IPv6");
	REFUSED(netgpu_listen(domain, sa(&elsewhere), sizeof(elsewhere), NULL, l), EADDRNOTAVAIL, "listen");
	REFUSED(netgpu_listen(domain, sa(&address), 3, NULL, l), EINVAL, "listen");
	must(!netgpu_listen(domain, sa(&address), sizeof(address), NULL, l) &&
	     netgpu_listener_address(*l, (struct sockaddr *)&address, sizeof(address)) == sizeof(address), "listen");
	netgpu_listener_close(NULL);
}

static void test_bind(void)
{
	const struct sockaddr_in elsewhere = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };
	const struct sockaddr_storage local = { .ss_family = AF_UNIX };
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002) }, seen;
	struct netgpu_event e;
	struct netgpu_ep *ep;

	must(!netgpu_ep_open(domain, NULL, &ep), "endpoint");
	REFUSED(netgpu_ep_bind(ep, sa(&local), sizeof(local)), EAFNOSUPPORT, "IPv4 or IPv6");
	REFUSED(netgpu_ep_bind(ep, sa(&elsewhere), sizeof(elsewhere)), EADDRNOTAVAIL, "bind");
	REFUSED(netgpu_ep_bind(ep, sa(&own), 3), EINVAL, "bind");
	must(!netgpu_ep_bind(ep, sa(&own), sizeof(own)), "bind");
	REFUSED(netgpu_ep_bind(ep, sa(&own), sizeof(own)), EINVAL, "has an address");
	must(!netgpu_ep_connect(ep, sa(&address), sizeof(address), NULL, 0), "connect");
	e = next(NETGPU_EVENT_REQUEST);
	must(e.kind, "a request");
	must(netgpu_ep_address(e.ep, true, (struct sockaddr *)&seen, sizeof(seen)) == sizeof(seen), "address");
	ok(seen.sin_addr.s_addr == own.sin_addr.s_addr, "who is bound comes from there: %s", inet_ntoa(seen.sin_addr));
	REFUSED(netgpu_ep_bind(ep, sa(&own), sizeof(own)), EINVAL, "has an address");
	REFUSED(netgpu_ep_bind(e.ep, sa(&own), sizeof(own)), EINVAL, "has an address");
	netgpu_ep_close(e.ep);
	netgpu_ep_close(ep);
	/* One that is bound and never connects. */
	must(!netgpu_ep_open(domain, NULL, &ep) && !netgpu_ep_bind(ep, sa(&own), sizeof(own)), "bind");
	netgpu_ep_close(ep);
}

static void test_connect(void)
{
	const struct sockaddr_storage local = { .ss_family = AF_UNIX };
	const struct sockaddr_in6 other = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = 1 };
	static const char data[NETGPU_EP_DATA_MAX + 1];
	struct sockaddr_storage seen;
	struct netgpu_event e;
	struct netgpu_ep *ep, *six;
	int ret;

	must(!netgpu_ep_open(domain, NULL, &ep) && !netgpu_ep_open(domain, NULL, &six), "endpoint");
	REFUSED(netgpu_ep_connect(ep, sa(&address), sizeof(address), data, sizeof(data)), EINVAL, "at most 256");
	REFUSED(netgpu_ep_connect(ep, sa(&local), sizeof(local), NULL, 0), EAFNOSUPPORT, "IPv4 or IPv6");
	REFUSED(netgpu_ep_connect(ep, sa(&address), sizeof(seen) + 1, NULL, 0), EINVAL, "129 bytes");
	REFUSED(netgpu_ep_connect(ep, sa(&address), 3, NULL, 0), EINVAL, "connect");
	REFUSED(netgpu_ep_address(ep, false, (struct sockaddr *)&seen, sizeof(seen)), ENOTCONN, "no address");
	REFUSED(netgpu_ep_shutdown(ep), ENOTCONN, "not connected");
	REFUSED(netgpu_ep_accept(ep, NULL, 0), EINVAL, "nobody has asked");
	REFUSED(netgpu_ep_reject(ep, NULL, 0), EINVAL, "nobody has asked");
	must(!netgpu_ep_connect(ep, sa(&address), sizeof(address), data, NETGPU_EP_DATA_MAX), "connect");
	REFUSED(netgpu_ep_connect(ep, sa(&address), sizeof(address), NULL, 0), EISCONN, "has been connected");
	e = next(NETGPU_EVENT_REQUEST);
	must(e.kind, "a request");
	ok(e.length == NETGPU_EP_DATA_MAX && !memcmp(e.data, data, e.length), "which came after all of that, with all the bytes that go");
	REFUSED(netgpu_ep_accept(e.ep, data, sizeof(data)), EINVAL, "at most 256");
	REFUSED(netgpu_ep_reject(e.ep, data, sizeof(data)), EINVAL, "at most 256");
	REFUSED(netgpu_ep_connect(e.ep, sa(&address), sizeof(address), NULL, 0), EISCONN, "has been connected");
	must(!netgpu_ep_accept(e.ep, NULL, 0), "accept");
	REFUSED(netgpu_ep_accept(e.ep, NULL, 0), EINVAL, "nobody has asked");
	REFUSED(netgpu_ep_reject(e.ep, NULL, 0), EINVAL, "nobody has asked");
	must(next(NETGPU_EVENT_CONNECTED).kind && next(NETGPU_EVENT_CONNECTED).kind, "two ends");
	netgpu_ep_close(e.ep);
	e = next(NETGPU_EVENT_ENDED);
	ok(e.result == -ECANCELED, "closed there: %s", netgpu_error());
	REFUSED(netgpu_ep_shutdown(ep), ENOTCONN, "not connected");
	netgpu_ep_close(ep);
	netgpu_ep_close(NULL);

	/* Nobody listens there: the call says so, or the event. */
	ret = netgpu_ep_connect(six, sa(&other), sizeof(other), NULL, 0);
	if (!ret)
		ret = next(NETGPU_EVENT_ENDED).result;
	ok(ret == -ECONNREFUSED || ret == -EADDRNOTAVAIL, "where nobody listens, or there is no IPv6: %s", netgpu_error());
	netgpu_ep_close(six);
}

/* A pair, with what each of its calls refuses. */
static void test_requests(void)
{
	const struct netgpu_domain_params params = { 0 };
	struct netgpu_msg m = { .mr = mr, .length = 1 };
	struct netgpu_event e, ends[2];
	struct netgpu_domain *other;
	struct netgpu_ep *a, *b;
	struct netgpu_mr *foreign;
	unsigned int i;

	must(!netgpu_domain_open(&params, &other) && !netgpu_mr_open(other, memory, 0, SIZE, 0, &foreign), "another domain");
	must(!netgpu_ep_open(domain, NULL, &a) && !netgpu_ep_connect(a, sa(&address), sizeof(address), NULL, 0), "connect");
	e = next(NETGPU_EVENT_REQUEST);
	must(e.kind && !netgpu_ep_accept(e.ep, NULL, 0), "accept");
	b = e.ep;
	must(next(NETGPU_EVENT_CONNECTED).kind && next(NETGPU_EVENT_CONNECTED).kind, "two ends");

	REFUSED(netgpu_ep_recv(a, mr, 0, 1, NULL, NETGPU_MSG_IMMEDIATE), EINVAL, "flags 0x2");
	REFUSED(netgpu_ep_recv(a, NULL, 0, 1, NULL, 0), EINVAL, "no mr");
	REFUSED(netgpu_ep_recv(a, foreign, 0, 1, NULL, 0), EINVAL, "another domain");
	REFUSED(netgpu_ep_recv(a, mr, SIZE, 1, NULL, 0), ERANGE, "65536");
	REFUSED(netgpu_ep_cancel(a, &a), ENOENT, "no posted receive");
	for (i = 0; i < 3; i++) {
		int (*const call[])(struct netgpu_ep *, const struct netgpu_msg *) = { netgpu_ep_send, netgpu_ep_write, netgpu_ep_read };
		struct netgpu_msg bad = m;

		bad.flags = 1u << 20;
		REFUSED(call[i](a, &bad), EINVAL, "flags 0x100000");
		bad = m;
		bad.resv[4] = 1;
		REFUSED(call[i](a, &bad), EINVAL, "reserved");
		bad = m;
		bad.length = 1ull << 62;
		REFUSED(call[i](a, &bad), ERANGE, "too many");
		bad = m;
		bad.remote_offset = 1ull << 62;
		REFUSED(call[i](a, &bad), ERANGE, "has a byte");
		bad = m;
		bad.mr = NULL;
		REFUSED(call[i](a, &bad), EINVAL, "no mr");
		bad = m;
		bad.mr = foreign;
		REFUSED(call[i](a, &bad), EINVAL, "another domain");
		bad = m;
		bad.offset = 1;
		bad.length = SIZE;
		REFUSED(call[i](a, &bad), ERANGE, "65536");
		bad = (struct netgpu_msg) { .length = 1, .flags = NETGPU_MSG_INJECT };
		if (i == 2) {
			REFUSED(call[i](a, &bad), EINVAL, "not for this");
			continue;
		}
		REFUSED(call[i](a, &bad), EINVAL, "nothing to inject");
		bad.inject = &bad;
		bad.length = NETGPU_INJECT_MAX + 1;
		REFUSED(call[i](a, &bad), EMSGSIZE, "at most 256");
	}

	/* None of that has gone out, or stayed: the next message is the first. */
	must(!netgpu_ep_recv(b, mr, 100, 10, &b, NETGPU_MSG_USER_1) && !netgpu_ep_recv(b, mr, 200, 10, NULL, 0), "post");
	m = (struct netgpu_msg) { .mr = mr, .offset = 1000, .length = 1000 };
	must(!netgpu_ep_send(a, &m), "post");
	e = next(NETGPU_EVENT_SENT);
	must(e.kind, "sent");
	e = next(NETGPU_EVENT_RECEIVED);
	ok(e.result == -EMSGSIZE && e.dropped == 990 && e.length == 1000 && e.user == &b && e.flags == NETGPU_MSG_USER_1,
	   "of a message of 1000 bytes for a buffer of 10 its event says what was dropped: %llu", (unsigned long long)e.dropped);
	must(!netgpu_ep_abort(a), "abort");
	for (i = 0; i < 3 && netgpu_domain_wait(domain, &e, 1, LONG) == 1; i++) {
		if (e.kind == NETGPU_EVENT_ENDED)
			ends[e.ep == b] = e;
		else
			ok(e.kind == NETGPU_EVENT_RECEIVED && e.ep == b && e.result, "aborted: the buffer there comes back: %s", strerror(-e.result));
	}
	ok(ends[0].result == -ECANCELED && ends[1].result == -ECANCELED, "and both ends have ended");
	REFUSED(netgpu_ep_recv(a, mr, 0, 1, NULL, 0), ENOTCONN, "has ended");
	REFUSED(netgpu_ep_send(a, &m), ENOTCONN, "has ended");
	REFUSED(netgpu_ep_write(a, &m), ENOTCONN, "has ended");
	REFUSED(netgpu_ep_read(a, &m), ENOTCONN, "has ended");
	netgpu_ep_close(a);
	netgpu_ep_close(b);
	must(!netgpu_mr_close(foreign), "nothing uses it");
	netgpu_domain_close(other);
}

static void test_after(struct netgpu_listener *l)
{
	struct netgpu_event e;
	struct netgpu_ep *ep;
	struct netgpu_mr *m;

	must(!netgpu_ep_open(domain, NULL, &ep), "endpoint");
	ok(!netgpu_domain_wait(domain, &e, 1, 0), "nothing is left to be told");
	ok(!netgpu_mr_close(mr), "and nothing uses the memory");
	netgpu_domain_close(domain);
	REFUSED(netgpu_mr_open(domain, memory, 0, 1, 0, &m), ESHUTDOWN, "closed");
	REFUSED(netgpu_ep_bind(ep, sa(&address), sizeof(address)), ESHUTDOWN, "closed");
	REFUSED(netgpu_ep_abort(ep), ESHUTDOWN, "closed");
	REFUSED(netgpu_ep_shutdown(ep), ESHUTDOWN, "closed");
	REFUSED(netgpu_ep_pause(ep, true), ESHUTDOWN, "closed");
	REFUSED(netgpu_domain_flush(domain), ESHUTDOWN, "closed");
	netgpu_ep_close(ep);
	netgpu_listener_close(l);
	netgpu_memory_close(memory);
	netgpu_domain_close(NULL);
}

int main(void)
{
	const struct netgpu_domain_params params = { 0 };
	struct netgpu_listener *l;

	setvbuf(stdout, NULL, _IONBF, 0);
	alarm(60 * atoi(getenv("LAB_SLOWER") ?: "1"));
	must(!netgpu_domain_open(&params, &domain) && !netgpu_memory_open("host", SIZE, &memory) &&
	     !netgpu_mr_open(domain, memory, 0, SIZE, 0, &mr), "a domain");
	printf("TAP version 13\n");
	test_domain();
	test_mr();
	test_listen(&l);
	test_bind();
	test_connect();
	test_requests();
	test_after(l);
	printf("1..%d\n", count);
	return failed != 0;
}
