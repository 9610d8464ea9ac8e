// SPDX-License-Identifier: GPL-2.0
/*
 * Send the stream of pattern_send from a dma-buf, by devmem TCP: devmem_send -i
 * NETIF -a ADDRESS -p PORT -s BYTES -c FIFO, and then do what the lines of FIFO
 * say: send sends all of it, netlink closes the netlink socket, which unbinds the
 * dma-buf. At the end all that was sent should have been acknowledged.
 *
 * Prints "KEY VALUE" lines: connected, sent (bytes), done (a line of FIFO), again
 * (what one more byte says then), left (bytes that were not acknowledged). Exit
 * status 0 unless the test itself went wrong.
 */
#include <linux/uio.h>
#define __iovec_defined 1	/* the C library's is the same */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "netdev_nl.h"

#ifndef SCM_DEVMEM_DMABUF
#define SCM_DEVMEM_DMABUF	79
#endif

static int connected(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, room = 8 << 20;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		errx(2, "%s is no address", address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "%s", address);
	if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
		err(1, "setsockopt");
	return fd;
}

/* @len bytes from @offset of the dma-buf @id; what sendmsg() returns. */
static ssize_t send_part(int fd, unsigned int id, size_t offset, size_t len)
{
	char control[CMSG_SPACE(sizeof(uint32_t))] = { 0 };
	struct iovec part = { .iov_base = (void *)offset, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_DEVMEM_DMABUF;
	cmsg->cmsg_len = CMSG_LEN(sizeof(uint32_t));
	memcpy(CMSG_DATA(cmsg), &id, sizeof(id));
	return sendmsg(fd, &msg, MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* How much is not acknowledged, when nothing more is to be expected, or for @seconds. */
static int unacknowledged(int fd, int seconds)
{
	time_t end = time(NULL) + seconds;
	int left;

	for (;;) {
		if (ioctl(fd, SIOCOUTQ, &left))
			err(1, "SIOCOUTQ");
		if (!left || time(NULL) >= end)
			return left;
		usleep(20000);
	}
}

static const char usage[] =
	"devmem_send -i NETIF -a ADDRESS -p PORT -s BYTES -c FIFO [-t SECONDS]";

int main(int argc, char **argv)
{
	const char *netif = NULL, *address = NULL, *steps = NULL;
	int opt, fd, port = 0, patience = 60;
	struct mnl_socket *nl;
	struct memory mem;
	size_t size = 0, sent = 0;
	unsigned int id = 0;
	char step[32];
	uint64_t i;
	ssize_t n;
	FILE *in;

	while ((opt = getopt(argc, argv, "i:a:p:s:c:t:")) != -1) {
		switch (opt) {
		case 'i': netif = optarg; break;
		case 'a': address = optarg; break;
		case 'p': port = atoi(optarg); break;
		case 's': size = strtoull(optarg, NULL, 0); break;
		case 'c': steps = optarg; break;
		case 't': patience = atoi(optarg); break;
		default: return 2;
		}
	}
	if (!netif || !address || !port || !size || !steps)
		errx(2, "usage: %s", usage);
	setvbuf(stdout, NULL, _IOLBF, 0);
	in = fopen(steps, "r");
	if (!in)
		err(2, "%s", steps);

	memory_open(&mem, "udmabuf", size);
	for (i = 0; i < size / 8; i++)
		((uint64_t *)mem.cpu)[i] = i;
	nl = netdev_nl_open();
	errno = -netdev_nl_bind_tx_id(nl, if_nametoindex(netif), mem.dmabuf, &id);
	if (errno)
		err(1, "NETDEV_CMD_BIND_TX: %s", netdev_nl_message);
	fd = connected(address, port);
	printf("connected 1\n");

	while (fgets(step, sizeof(step), in)) {
		step[strcspn(step, "\n")] = '\0';
		if (!strcmp(step, "end"))
			break;
		if (!strcmp(step, "send")) {
			while (sent < size && (n = send_part(fd, id, sent, size - sent)) > 0)
				sent += n;
			printf("sent %zu\ndone send\n", sent);
			continue;
		}
		if (strcmp(step, "netlink"))
			errx(2, "%s is no step", step);
		mnl_socket_close(nl);
		nl = NULL;
		printf("done netlink\n");
		n = send_part(fd, id, 0, 1);
		printf("again %s\n", n < 0 ? strerrorname_np(errno) : "0");
	}
	printf("left %d\n", unacknowledged(fd, patience));
	close(fd);
	if (nl)
		mnl_socket_close(nl);
	return 0;
}
