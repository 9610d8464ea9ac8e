// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel answers to a program that binds dma-bufs for devmem TCP, which
 * is to be the same with and without netgpu: devmem_answers NETIF MEMORY
 * (memory.h), on an interface with two queues that splits headers.
 *
 * Prints a line for each: "SITUATION: ERROR SENTENCE", ERROR 0 when it was done.
 * Addresses are left out. Exit status 0 unless the test itself went wrong.
 */
#include <err.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "netdev_nl.h"

#define NOBODY	65534

static struct mnl_socket *nl;

static void answer(const char *situation, int ret)
{
	char *address = strstr(netdev_nl_message, "addr=");

	if (address)
		strcpy(address, "...");
	printf("%s: %s%s%s\n", situation, ret ? strerrorname_np(-ret) : "0",
	       netdev_nl_message[0] ? " " : "", netdev_nl_message);
	fflush(stdout);
}

/* What was bound goes with the socket. */
static void renew(void)
{
	mnl_socket_close(nl);
	nl = netdev_nl_open();
}

static void refused(unsigned int netif, const struct memory *mem)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned int lo = if_nametoindex("lo");

	answer("rx: no file", netdev_nl_bind_rx(nl, netif, 1, -1));
	answer("rx: no dma-buf", netdev_nl_bind_rx(nl, netif, 1, null));
	answer("rx: no interface", netdev_nl_bind_rx(nl, 1u << 20, 1, mem->dmabuf));
	answer("rx: an interface without such queues", netdev_nl_bind_rx(nl, lo, 0, mem->dmabuf));
	answer("rx: no queue", netdev_nl_bind_rx(nl, netif, 77, mem->dmabuf));
	answer("rx: buffers of 5000 bytes",
	       netdev_nl_bind_rx_pages(nl, netif, 1, mem->dmabuf, 5000));
	answer("rx: buffers of 64 KiB in memory of single pages",
	       netdev_nl_bind_rx_pages(nl, netif, 1, mem->dmabuf, 65536));
	answer("tx: no file", netdev_nl_bind_tx(nl, netif, -1));
	answer("tx: no dma-buf", netdev_nl_bind_tx(nl, netif, null));
	answer("tx: no interface", netdev_nl_bind_tx(nl, 1u << 20, mem->dmabuf));
	answer("tx: an interface that cannot", netdev_nl_bind_tx(nl, lo, mem->dmabuf));
	close(null);
}

static void done(unsigned int netif, const struct memory *mem)
{
	answer("rx", netdev_nl_bind_rx(nl, netif, 1, mem->dmabuf));
	answer("rx: the same queue again", netdev_nl_bind_rx(nl, netif, 1, mem->dmabuf));
	answer("rx: the same memory, another queue", netdev_nl_bind_rx(nl, netif, 0, mem->dmabuf));
	answer("tx: the same memory", netdev_nl_bind_tx(nl, netif, mem->dmabuf));
	answer("tx: the same memory again", netdev_nl_bind_tx(nl, netif, mem->dmabuf));
	renew();
	answer("rx: after all that", netdev_nl_bind_rx(nl, netif, 1, mem->dmabuf));
	renew();
}

static void unprivileged(unsigned int netif, const struct memory *mem)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		err(1, "fork");
	if (!child) {
		if (setgid(NOBODY) || setuid(NOBODY))
			err(1, "setuid");
		nl = netdev_nl_open();
		answer("rx: nobody", netdev_nl_bind_rx(nl, netif, 1, mem->dmabuf));
		answer("tx: nobody", netdev_nl_bind_tx(nl, netif, mem->dmabuf));
		exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "the child failed");
}

int main(int argc, char **argv)
{
	struct memory host, device;
	unsigned int netif;

	if (argc != 3)
		errx(2, "usage: devmem_answers NETIF MEMORY");
	netif = if_nametoindex(argv[1]);
	if (!netif)
		err(1, "%s", argv[1]);
	memory_open(&host, "scattered", 4 << 20);
	memory_open(&device, argv[2], 0);
	nl = netdev_nl_open();
	refused(netif, &host);
	done(netif, &host);
	unprivileged(netif, &host);
	answer("rx: memory that insists on peer-to-peer",
	       netdev_nl_bind_rx(nl, netif, 1, device.dmabuf));
	renew();
	answer("tx: memory that insists on peer-to-peer",
	       netdev_nl_bind_tx(nl, netif, device.dmabuf));
	mnl_socket_close(nl);
	memory_close(&device);
	memory_close(&host);
	return 0;
}
