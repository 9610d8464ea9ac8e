// SPDX-License-Identifier: GPL-2.0
/*
 * unverified_send KIND HOST PORT COUNT: COUNT TCP segments with the right
 * checksum, on no connection. KIND: plain, fragments (each is larger than a
 * packet), options (IPv6, with an extension header of destination options).
 */
#include <arpa/inet.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAYLOAD		1200
#define PAYLOAD_LARGE	10000

static struct {
	struct tcphdr tcp;
	uint8_t data[PAYLOAD_LARGE];
} segment;

static uint32_t sum(const void *data, size_t len, uint32_t so_far)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++)
		so_far += i % 2 ? p[i] : p[i] << 8;
	return so_far;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return ~s;
}

static uint32_t sum_address(const struct sockaddr_storage *a, uint32_t so_far)
{
	if (a->ss_family == AF_INET)
		return sum(&((const struct sockaddr_in *)a)->sin_addr, 4, so_far);
	return sum(&((const struct sockaddr_in6 *)a)->sin6_addr, 16, so_far);
}

/* A port says nothing to a raw socket, and IPv6 refuses it. */
static void clear_port(struct addrinfo *ai)
{
	if (ai->ai_family == AF_INET)
		((struct sockaddr_in *)ai->ai_addr)->sin_port = 0;
	else
		((struct sockaddr_in6 *)ai->ai_addr)->sin6_port = 0;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *ai;
	struct sockaddr_storage from, to = { 0 };
	const char *kind = argv[1];
	int fd, ret, dont = IP_PMTUDISC_DONT;
	size_t bytes;
	socklen_t len;
	uint32_t s;
	long i;

	if (argc != 5)
		errx(2, "usage: unverified_send plain|fragments|options HOST PORT COUNT");
	ret = getaddrinfo(argv[2], argv[3], &hints, &ai);
	if (ret)
		errx(2, "%s: %s", argv[2], gai_strerror(ret));
	clear_port(ai);
	bytes = offsetof(typeof(segment), data) +
		(strcmp(kind, "fragments") ? PAYLOAD : PAYLOAD_LARGE);

	fd = socket(ai->ai_family, SOCK_RAW, IPPROTO_TCP);
	if (fd < 0)
		err(1, "socket");
	if (!strcmp(kind, "options")) {
		/* padding is an option too */
		uint8_t options[8] = { 0, 0, IP6OPT_PADN, 4 };

		if (setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, options, sizeof(options)))
			err(1, "IPV6_DSTOPTS");
	}
	if (ai->ai_family == AF_INET &&
	    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont)))
		err(1, "IP_MTU_DISCOVER");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen))
		err(1, "connect");
	len = sizeof(from);
	if (getsockname(fd, (struct sockaddr *)&from, &len))
		err(1, "getsockname");
	memcpy(&to, ai->ai_addr, ai->ai_addrlen);

	segment.tcp.source = htons(1);
	segment.tcp.dest = htons(atoi(argv[3]));
	segment.tcp.doff = sizeof(segment.tcp) / 4;
	segment.tcp.ack = 1;
	segment.tcp.window = htons(1000);
	for (i = 0; i < PAYLOAD_LARGE; i++)
		segment.data[i] = i;
	s = sum_address(&from, bytes + IPPROTO_TCP);
	s = sum_address(&to, s);
	segment.tcp.check = htons(fold(sum(&segment, bytes, s)));

	for (i = 0; i < atol(argv[4]); i++) {
		if (send(fd, &segment, bytes, 0) != (ssize_t)bytes)
			err(1, "send");
		usleep(1000);
	}
	return 0;
}
