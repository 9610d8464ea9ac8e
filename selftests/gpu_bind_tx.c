// SPDX-License-Identifier: GPL-2.0
/*
 * Bind buffers of a GPU for transmission, one by one: gpu_bind_tx NODE NETIF COUNT FILE. They are
 * held until someone removes FILE, which this makes.
 *
 * Prints "bound N", and then "holding 1". Exit status 0 unless the test itself went wrong.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "netdev_nl.h"

#define SIZE	((size_t)64 << 10)

int main(int argc, char **argv)
{
	struct mnl_socket *nl;
	struct memory buffer;
	char source[256];
	int i, count, fd;

	if (argc != 5)
		errx(2, "usage: gpu_bind_tx NODE NETIF COUNT FILE");
	count = atoi(argv[3]);
	snprintf(source, sizeof(source), "gpu:%s", argv[1]);
	nl = netdev_nl_open();
	for (i = 0; i < count; i++) {
		memory_open(&buffer, source, SIZE);
		errno = -netdev_nl_bind_tx(nl, if_nametoindex(argv[2]), buffer.dmabuf);
		if (errno)
			err(1, "NETDEV_CMD_BIND_TX: %s", netdev_nl_message);
	}
	printf("bound %d\n", count);

	fd = open(argv[4], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		err(1, "%s", argv[4]);
	close(fd);
	printf("holding 1\n");
	fflush(stdout);
	while (!access(argv[4], F_OK))
		usleep(20000);
	return 0;
}
