// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Receive one TCP connection into the memory of a GPU and say how much came.
 *
 *   netgpu setup eth0 --queue 1 --port 7000
 *   receive eth0 1 /dev/dri/renderD128 7000
 *
 * Documentation/networking/netgpu-tutorial.rst explains it.
 */
#include <libnetgpu.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 128

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, netgpu_error());
	exit(1);
}

static int accept_one(int port)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
	};
	int one = 1, fd, conn;

	fd = socket(AF_INET6, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, 1) || (conn = accept(fd, NULL, NULL)) < 0) {
		perror("listen");
		exit(1);
	}
	close(fd);
	return conn;
}

int main(int argc, char **argv)
{
	struct netgpu_completion done[BATCH];
	struct netgpu_queue_params params = { 0 };
	struct netgpu_region_info info;
	struct netgpu_region_params where = { .flags = NETGPU_REQUIRE_P2P };
	struct netgpu_memory *memory;
	struct netgpu_region *region;
	struct netgpu_queue *queue;
	struct netgpu_conn *conn;
	unsigned long long bytes = 0, stray = 0;
	int fd, i, n, ret, end = 0, error = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: %s IFACE QUEUE MEMORY PORT\n", argv[0]);
		return 1;
	}
	params.ifindex = if_nametoindex(argv[1]);
	params.queue = atoi(argv[2]);

	check(netgpu_memory_open(argv[3], 64 << 20, &memory), "memory");
	where.ifindex = params.ifindex;
	where.queue = params.queue;
	check(netgpu_region_open(memory, &where, &region), "region");
	check(netgpu_region_query(region, &info), "region");
	check(netgpu_queue_open(&params, memory, region, &queue), "queue");
	printf("%s, exported by %s: data lands in %s memory\n",
	       netgpu_memory_name(memory), info.exporter,
	       info.where == NETGPU_WHERE_DEVICE ? "device" : "host");
	fflush(stdout);

	fd = accept_one(atoi(argv[4]));
	check(netgpu_queue_add(queue, fd, NULL, &conn), "connection");
	while (!end) {
		n = netgpu_queue_wait(queue, done, BATCH, -1);
		check(n, "receive");
		for (i = 0; i < n; i++) {
			if (done[i].result <= 0) {
				error = done[i].result;
				end = 1;
			} else if (done[i].offset == NETGPU_IN_HOST) {
				stray += done[i].result;	/* at done[i].data */
			} else {
				bytes += done[i].result;	/* at done[i].offset */
			}
		}
		/* A GPU would work on it here, before the buffers go back. */
		for (i = 0; i < n; i += ret) {
			ret = netgpu_queue_return(queue, done + i, n - i);
			check(ret, "buffers");
		}
	}
	printf("%llu bytes in the memory, %llu that came in host memory\n",
	       bytes, stray);

	netgpu_conn_close(conn);
	close(fd);
	netgpu_queue_close(queue);
	netgpu_region_close(region);
	netgpu_memory_close(memory);
	return error ? 1 : 0;
}
