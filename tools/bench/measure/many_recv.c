// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * many_recv INTERFACE QUEUE MEMORY SIZE PORT CONNECTIONS: receive from so many
 * connections into one region until all of them have ended, doing nothing with
 * what comes but giving it back. Prints what there was as JSON.
 */
#include <errno.h>
#include <libnetgpu.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH	256

static struct netgpu_queue *queue;

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "many_recv: %s: %s\n", what, netgpu_error());
	exit(1);
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_on(int port)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
	};
	int one = 1, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4096))
		fail("listen");
	return fd;
}

static void accept_all(int listener)
{
	struct netgpu_conn *conn;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		check(netgpu_queue_add(queue, fd, NULL, &conn), "connection");
	if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		fail("accept");
}

int main(int argc, char **argv)
{
	unsigned long long bytes = 0, completions = 0;
	static struct netgpu_completion done[BATCH], back[BATCH];
	struct netgpu_region_params where = { 0 };
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_MERGE };
	struct netgpu_memory *memory;
	struct netgpu_region *region;
	struct rlimit files;
	int listener, connections, ended = 0, i, n, nr, ret;

	if (argc != 7) {
		fprintf(stderr, "usage: many_recv INTERFACE QUEUE MEMORY SIZE PORT CONNECTIONS\n");
		return 2;
	}
	connections = atoi(argv[6]);
	if (getrlimit(RLIMIT_NOFILE, &files))
		fail("files");
	files.rlim_cur = connections + 64;
	if (files.rlim_max < files.rlim_cur)
		files.rlim_max = files.rlim_cur;	/* root may */
	if (setrlimit(RLIMIT_NOFILE, &files))
		fail("files");
	params.ifindex = if_nametoindex(argv[1]);
	params.queue = atoi(argv[2]);
	check(netgpu_memory_open(argv[3], strtoull(argv[4], NULL, 0), &memory), "memory");
	where.ifindex = params.ifindex;
	where.queue = params.queue;
	check(netgpu_region_open(memory, &where, &region), "region");
	check(netgpu_queue_open(&params, memory, region, &queue), "queue");
	listener = listen_on(atoi(argv[5]));
	check(netgpu_queue_watch(queue, listener, NULL), "listener");

	while (ended < connections) {
		n = netgpu_queue_wait(queue, done, BATCH, -1);
		check(n, "receive");
		for (i = nr = 0; i < n; i++) {
			if (!done[i].conn) {
				accept_all(listener);
			} else if (done[i].result > 0) {
				bytes += done[i].result;
				completions++;
				back[nr++] = done[i];
			} else {
				int fd = netgpu_conn_fd(done[i].conn);

				if (done[i].result) {
					fprintf(stderr, "many_recv: a connection has failed: %s\n",
						strerror(-done[i].result));
					return 1;
				}
				netgpu_conn_close(done[i].conn);
				close(fd);
				ended++;
			}
		}
		for (i = 0; i < nr; i += ret) {
			ret = netgpu_queue_return(queue, back + i, nr - i);
			check(ret, "buffers");
		}
	}
	printf("{\"connections\": %d, \"netgpu\": {\"bytes\": %llu, \"completions\": %llu}}\n",
	       connections, bytes, completions);
	netgpu_queue_close(queue);
	netgpu_region_close(region);
	netgpu_memory_close(memory);
	return 0;
}
