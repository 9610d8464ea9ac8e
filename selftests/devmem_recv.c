// SPDX-License-Identifier: GPL-2.0
/*
 * Receive the stream of pattern_send by devmem TCP: a dma-buf bound to a queue
 * by netlink, recvmsg(MSG_SOCK_DEVMEM), and every byte looked at through the
 * CPU's mapping. Ends, if asked to, by having the exporter take the memory away.
 * -k FILE: keep what was received where it is, list it in FILE ("OFFSET LENGTH"
 * in the dma-buf, in the order of the stream), and wait until FILE is removed.
 *
 * Prints "KEY VALUE" lines: listening, received, linear, correct, error,
 * message, revoke_us, dmabuf (with -k), holding. Exit status 0 unless the test itself went wrong.
 */
#include <linux/uio.h>
#define __iovec_defined 1	/* the C library's is the same */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kept.h"
#include "memory.h"
#include "netdev_nl.h"
#include "pattern.h"

static const char *netif, *source = "heap", *how;
static int queue, port = 9000;
static size_t size, revoke_after;
static struct memory mem;

static void bind_queue(struct mnl_socket *nl)
{
	int ret = netdev_nl_bind_rx(nl, if_nametoindex(netif), queue, mem.dmabuf);

	if (ret) {
		printf("error %s\nmessage %s\n", strerrorname_np(-ret), netdev_nl_message);
		exit(0);
	}
}

/* Frags of one recvmsg(): look at them and give them back. */
static void take_frags(int conn, struct msghdr *msg, unsigned long long *received,
		       unsigned long long *linear, bool *correct)
{
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		struct dmabuf_cmsg frag;
		struct dmabuf_token token = { .token_count = 1 };

		memcpy(&frag, CMSG_DATA(cm), sizeof(frag));
		if (cm->cmsg_level != SOL_SOCKET)
			continue;
		if (cm->cmsg_type == SCM_DEVMEM_LINEAR)
			*linear += frag.frag_size;
		if (cm->cmsg_type != SCM_DEVMEM_DMABUF)
			continue;
		if (*correct)
			*correct = pattern_check(mem.cpu + frag.frag_offset, *received,
						 frag.frag_size);
		*received += frag.frag_size;
		if (kept_add(frag.frag_offset, frag.frag_size))
			continue;
		token.token_start = frag.frag_token;
		if (setsockopt(conn, SOL_SOCKET, SO_DEVMEM_DONTNEED, &token, sizeof(token)) != 1)
			err(1, "SO_DEVMEM_DONTNEED");
	}
}

static void receive(void)
{
	static char control[64 * CMSG_SPACE(sizeof(struct dmabuf_cmsg))];
	static char data[256 << 10];
	unsigned long long received = 0, linear = 0;
	int listener = pattern_listen(port), conn;
	bool correct = true;
	ssize_t n = 0;

	printf("listening %d\n", port);
	conn = accept(listener, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	close(listener);

	while (1) {
		struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};

		if (how && received >= revoke_after) {
			struct pollfd more = { .fd = conn, .events = POLLIN };

			printf("revoke_us %lld\n", memory_revoke(&mem, how));
			/* The socket says so, at once. */
			printf("error_polled %d\n", poll(&more, 1, 5000) == 1 &&
			       (more.revents & POLLERR));
			how = NULL;
		}
		n = recvmsg(conn, &msg, MSG_SOCK_DEVMEM);
		if (n <= 0)
			break;
		take_frags(conn, &msg, &received, &linear, &correct);
	}
	printf("received %llu\n", received);
	printf("linear %llu\n", linear);
	printf("correct %d\n", correct);
	printf("error %s\n", n < 0 ? strerrorname_np(errno) : "0");
	kept_hold(mem.dmabuf, NULL);
}

static const char usage[] =
	"usage: devmem_recv -i NETIF -q QUEUE [-m MEMORY] [-s SIZE] [-p PORT]\n"
	"                   [-x disable|reset -a BYTES] [-t SECONDS] [-k FILE]";

int main(int argc, char **argv)
{
	struct mnl_socket *nl;
	int opt;

	while ((opt = getopt(argc, argv, "i:q:m:s:p:x:a:t:k:")) != -1) {
		switch (opt) {
		case 'i': netif = optarg; break;
		case 'q': queue = atoi(optarg); break;
		case 'm': source = optarg; break;
		case 's': size = strtoull(optarg, NULL, 0); break;
		case 'p': port = atoi(optarg); break;
		case 'x': how = optarg; break;
		case 'a': revoke_after = strtoull(optarg, NULL, 0); break;
		case 't': alarm(atoi(optarg)); break;
		case 'k': kept_open(optarg); break;
		default:
			errx(2, "%s", usage);
		}
	}
	if (!netif)
		errx(2, "-i NETIF is missing");
	setvbuf(stdout, NULL, _IOLBF, 0);

	memory_open(&mem, source, size);
	nl = netdev_nl_open();
	bind_queue(nl);
	receive();
	mnl_socket_close(nl);
	return 0;
}
