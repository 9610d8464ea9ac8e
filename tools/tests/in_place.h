/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of messages that are received in place have in common: what is sent, and how it is looked at. */
#ifndef TESTS_IN_PLACE_H
#define TESTS_IN_PLACE_H

#include <arpa/inet.h>
#include <errno.h>
#include <libnetgpu_endpoint.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ktap.h"

#define LONG	60000000000ll	/* ns */
#define GUARD	4096u
#define SIZES	16
#define ROOM	(64u << 20)

static struct netgpu_domain *domain;
static uint64_t sizes[SIZES], largest;
static unsigned int nr_sizes, nr_messages;
static char *expected;

static void parse_sizes(const char *text)
{
	char *end;

	while (*text && nr_sizes < SIZES) {
		sizes[nr_sizes] = strtoull(text, &end, 10);
		if (sizes[nr_sizes] > largest)
			largest = sizes[nr_sizes];
		nr_sizes++;
		text = *end ? end + 1 : end;
	}
}

static void fill(char *to, uint64_t length, uint64_t seed)
{
	uint64_t word, i;

	for (i = 0; i < length; i += sizeof(word)) {
		word = (i + 1) * 0x9e3779b97f4a7c15ull ^ (seed + 1) * 0xc2b2ae3d27d4eb4full;
		memcpy(to + i, &word, length - i < sizeof(word) ? length - i : sizeof(word));
	}
}

static struct netgpu_event next(void)
{
	struct netgpu_event e = { 0 };
	int n;

	while ((n = netgpu_domain_wait(domain, &e, 1, LONG)) == -EBUSY)
		printf("# %s\n", netgpu_error());
	if (n != 1) {
		printf("# nothing has happened: %d, %s\n", n, netgpu_error());
		must(false, "an event was expected");
	}
	if (e.result)
		printf("# event %u: %s\n", e.kind, netgpu_error());
	return e;
}

static bool is_guard(const char *at)
{
	unsigned int i;

	for (i = 0; i < GUARD; i++)
		if (at[i] != 0x5a)
			return false;
	return true;
}

static bool is_right(const char *at, uint64_t length, unsigned int number)
{
	uint64_t i;

	fill(expected, length, number);
	if (!memcmp(at, expected, length))
		return true;
	for (i = 0; at[i] == expected[i]; )
		i++;
	printf("# message %u: byte %llu of %llu is wrong\n", number, (unsigned long long)i, (unsigned long long)length);
	return false;
}

static void start_to(struct netgpu_ep *ep, const char *host, const char *port)
{
	const struct addrinfo want = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	must(!getaddrinfo(host, port, &want, &found), "address");
	must(!netgpu_ep_connect(ep, found->ai_addr, found->ai_addrlen, NULL, 0), "connect");
	freeaddrinfo(found);
}

/* The endpoint of the peer that connects to @port, with these bytes for it. */
static struct netgpu_ep *accept_one(int port, const void *data, unsigned int length, struct netgpu_listener **listener)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct netgpu_event e;

	must(!netgpu_listen(domain, (struct sockaddr *)&any, sizeof(any), NULL, listener), "listen");
	e = next();
	must(e.kind == NETGPU_EVENT_REQUEST, "a request");
	must(!netgpu_ep_accept(e.ep, data, length), "accept");
	must(next().kind == NETGPU_EVENT_CONNECTED, "connected");
	return e.ep;
}

static void print_stats(void)
{
	struct netgpu_domain_stats stats;
	uint64_t share;

	netgpu_domain_get_stats(domain, &stats);
	share = stats.in_place + stats.moved ? stats.in_place * 1000 / (stats.in_place + stats.moved) : 0;
	printf("in_place %llu\nmoved %llu\nshare %llu\nrestarts %llu\n", (unsigned long long)stats.in_place,
	       (unsigned long long)stats.moved, (unsigned long long)share, (unsigned long long)stats.restarts);
}

#endif
