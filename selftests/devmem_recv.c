// SPDX-License-Identifier: GPL-2.0
/*
 * Receive the stream of pattern_send by devmem TCP: a dma-buf bound to a queue
 * by netlink, recvmsg(MSG_SOCK_DEVMEM), and every byte looked at through the
 * CPU's mapping. Ends, if asked to, by having the exporter take the memory away.
 * -k FILE: keep what was received where it is, list it in FILE ("OFFSET LENGTH"
 * in the dma-buf, in the order of the stream), and wait until FILE is removed.
 * -c FIFO: keep the first -a BYTES, and then do what the lines of FIFO say: netlink
 * and socket close these sockets, revoke has the exporter take the memory, more
 * receives what there is. With -g, before the memory is bound for receive, it is for
 * transmit, until FIFO says go. -T: the memory is taken away by another thread.
 *
 * Prints "KEY VALUE" lines: listening, received, linear, correct, error,
 * message, revoke_us, dmabuf (with -k), holding (with -c: bytes), more (bytes and
 * error), done (a line of FIFO), mapped (with -T: bytes of all regions when the receive had
 * ended). Exit status 0 unless the test itself went wrong.
 */
#include <linux/uio.h>
#define __iovec_defined 1	/* the C library's is the same */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kept.h"
#include "memory.h"
#include "netdev_nl.h"
#include "pattern.h"
#include "region.h"

static const char *netif, *source = "heap", *how;
static int queue, port = 9000;
static size_t size, revoke_after;
static bool meanwhile, revoking;	/* the mapping of the BAR faults then */
static struct memory mem;
static struct mnl_socket *nl;
static FILE *steps;

static unsigned long long received, linear;
static bool correct = true;

/* The next line of the file that -c names, without its end. False at the end of it. */
static bool next_step(char *step, int bytes)
{
	if (!fgets(step, bytes, steps))
		return false;
	step[strcspn(step, "\n")] = '\0';
	return true;
}

static void bind_transmit(void)
{
	struct mnl_socket *tx = netdev_nl_open();
	int ret = netdev_nl_bind_tx(tx, if_nametoindex(netif), mem.dmabuf);
	char step[32];

	printf("transmit %s\n", ret ? strerrorname_np(-ret) : "0");
	if (ret)
		printf("message %s\n", netdev_nl_message);
	while (next_step(step, sizeof(step)) && strcmp(step, "go")) {
		if (strcmp(step, "netlink"))
			errx(2, "%s is no step", step);
		mnl_socket_close(tx);
		printf("done netlink\n");
	}
}

static void bind_queue(void)
{
	int ret = netdev_nl_bind_rx(nl, if_nametoindex(netif), queue, mem.dmabuf);

	if (ret) {
		printf("error %s\nmessage %s\n", strerrorname_np(-ret), netdev_nl_message);
		exit(0);
	}
}

/* Frags of one recvmsg(): look at them and give them back, if not all are kept. */
static void take_frags(int conn, struct msghdr *msg)
{
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		struct dmabuf_cmsg frag;
		struct dmabuf_token token = { .token_count = 1 };

		memcpy(&frag, CMSG_DATA(cm), sizeof(frag));
		if (cm->cmsg_level != SOL_SOCKET)
			continue;
		if (cm->cmsg_type == SCM_DEVMEM_LINEAR)
			linear += frag.frag_size;
		if (cm->cmsg_type != SCM_DEVMEM_DMABUF)
			continue;
		if (correct && !revoking)
			correct = pattern_check(mem.cpu + frag.frag_offset, received + linear,
						frag.frag_size);
		received += frag.frag_size;
		if (steps || kept_add(frag.frag_offset, frag.frag_size))
			continue;
		token.token_start = frag.frag_token;
		if (setsockopt(conn, SOL_SOCKET, SO_DEVMEM_DONTNEED, &token, sizeof(token)) != 1)
			err(1, "SO_DEVMEM_DONTNEED");
	}
}

static ssize_t receive_some(int conn, int flags)
{
	static char control[64 * CMSG_SPACE(sizeof(struct dmabuf_cmsg))];
	static unsigned char data[256 << 10];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	unsigned long long before = received + linear;
	ssize_t n = recvmsg(conn, &msg, MSG_SOCK_DEVMEM | flags);

	if (n <= 0)
		return n;
	take_frags(conn, &msg);
	/* A packet that has nothing in device memory comes as from any other socket. */
	if (received + linear == before) {
		correct = correct && pattern_check(data, before, n);
		linear += n;
	}
	return n;
}

static void do_step(const char *step, int conn)
{
	unsigned long long before = received + linear;
	ssize_t n;

	if (!strcmp(step, "netlink")) {
		mnl_socket_close(nl);
		nl = NULL;
	} else if (!strcmp(step, "socket")) {
		close(conn);
	} else if (!strcmp(step, "revoke")) {
		printf("revoke_us %lld\n", memory_revoke(&mem, how));
	} else if (!strcmp(step, "more")) {
		do
			n = receive_some(conn, MSG_DONTWAIT);
		while (n > 0);
		printf("more %llu %s\n", received + linear - before,
		       n ? strerrorname_np(errno) : "0");
	} else {
		errx(2, "%s is no step", step);
	}
	printf("done %s\n", step);
}

static void *take_away(void *arg)
{
	(void)arg;
	printf("revoke_us %lld\n", memory_revoke(&mem, how));
	return NULL;
}

/* As it is when the receive has ended. */
static void report_mapped(void)
{
	struct netgpu_query query;
	int saved = errno;

	regions_query(&query);
	printf("mapped %llu\n", query.mapped_bytes);
	errno = saved;
}

static void receive(void)
{
	int listener = pattern_listen(port), conn;
	pthread_t thread = 0;
	char step[32];
	ssize_t n = 0;

	printf("listening %d\n", port);
	conn = accept(listener, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	close(listener);

	while (1) {
		if (steps && received >= revoke_after) {
			printf("holding %llu\n", received + linear);
			while (next_step(step, sizeof(step)) && strcmp(step, "end"))
				do_step(step, conn);
			break;
		}
		if (how && meanwhile && !revoking && received >= revoke_after) {
			revoking = true;
			if (pthread_create(&thread, NULL, take_away, NULL))
				errx(1, "thread");
		}
		if (how && !meanwhile && !steps && received >= revoke_after) {
			struct pollfd more = { .fd = conn, .events = POLLIN };

			printf("revoke_us %lld\n", memory_revoke(&mem, how));
			/* The socket says so, at once. */
			printf("error_polled %d\n", poll(&more, 1, 5000) == 1 &&
			       (more.revents & POLLERR));
			how = NULL;
		}
		n = receive_some(conn, 0);
		if (n <= 0)
			break;
	}
	if (revoking) {
		report_mapped();
		pthread_join(thread, NULL);
	}
	printf("received %llu\n", received);
	printf("linear %llu\n", linear);
	printf("correct %d\n", correct);
	printf("error %s\n", n < 0 ? strerrorname_np(errno) : "0");
	kept_hold(mem.dmabuf, NULL);
}

static const char usage[] =
	"usage: devmem_recv -i NETIF -q QUEUE [-m MEMORY] [-s SIZE] [-p PORT]\n"
	"                   [-x disable|reset -a BYTES [-T]] [-t SECONDS] [-k FILE] [-c FIFO [-g]]";

int main(int argc, char **argv)
{
	bool transmit = false;
	int opt;

	while ((opt = getopt(argc, argv, "i:q:m:s:p:x:a:t:k:c:gT")) != -1) {
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
		case 'c':
			steps = fopen(optarg, "r");
			if (!steps)
				err(2, "%s", optarg);
			break;
		case 'g': transmit = true; break;
		case 'T': meanwhile = true; break;
		default:
			errx(2, "%s", usage);
		}
	}
	if (!netif)
		errx(2, "-i NETIF is missing");
	setvbuf(stdout, NULL, _IOLBF, 0);

	memory_open(&mem, source, size);
	if (transmit)
		bind_transmit();
	nl = netdev_nl_open();
	bind_queue();
	receive();
	if (nl)
		mnl_socket_close(nl);
	return 0;
}
