// SPDX-License-Identifier: GPL-2.0
/*
 * merge IFACE QUEUE MEMORY SIZE PORT [BUFFER [ROOM [HELD]]]: receive the stream of pattern_send by
 * a queue of libnetgpu with merged completions, and look at every byte where they say that it is.
 * BUFFER: bytes of each, ROOM: refill entries (0 for what the library takes). As many as HELD
 * completions are kept and returned together, fewer when nothing comes for a second.
 *
 * Prints "KEY VALUE" lines: entries (of the completion queue), listening, bytes, correct, completions,
 * stride (the smallest, in bytes; 0 without gaps), flushes, error. PORT 0: no more than the first.
 */
#include <errno.h>
#include <libnetgpu.h>
#include <liburing.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH	128
#define HELD_MOST	4096
/* Nothing has come for so long: it may wait for what is held. */
#define PATIENCE_NS	1000000000

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "merge: %s: %s\n", what, netgpu_error());
	exit(1);
}

static int accept_one(int port)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), one = 1, conn;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 1)) {
		perror("merge: listen");
		exit(1);
	}
	printf("listening %d\n", port);
	conn = accept(fd, NULL, NULL);
	if (conn < 0) {
		perror("merge: accept");
		exit(1);
	}
	return conn;
}

/* Every 8 bytes of the stream hold their own position, divided by 8. */
static bool right(const struct netgpu_completion *c, uint64_t pos)
{
	const unsigned char *data = c->data;
	uint32_t i;

	for (i = 0; i < (uint32_t)c->result; i++, pos++) {
		size_t at = c->stride ? (size_t)i / c->piece * c->stride + i % c->piece : i;

		if (data[at] != (unsigned char)(pos / 8 >> pos % 8 * 8)) {
			printf("# byte %llu is wrong: %u of %d at %llu, pieces of %u, stride %u\n",
			       (unsigned long long)pos, i, c->result,
			       (unsigned long long)c->offset, c->piece, c->stride);
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct netgpu_completion done[HELD_MOST + BATCH];
	struct netgpu_region_params where = { 0 };
	struct netgpu_queue_info info;
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_MERGE };
	unsigned long long bytes = 0, completions = 0;
	uint32_t stride = 0;
	int held = 0, keep = 1, port, i, n, error = 0;
	struct netgpu_queue_stats stats;
	struct netgpu_memory *memory;
	struct netgpu_region *region;
	struct netgpu_queue *queue;
	struct netgpu_conn *conn;
	bool correct = true, end = false, idle;

	if (argc < 6 || argc > 9) {
		fprintf(stderr, "usage: merge IFACE QUEUE MEMORY SIZE PORT [BUFFER [ROOM [HELD]]]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	params.ifindex = if_nametoindex(argv[1]);
	params.queue = atoi(argv[2]);
	port = atoi(argv[5]);
	if (argc > 6)
		params.buffer_size = atoi(argv[6]);
	if (argc > 7)
		params.rq_entries = atoi(argv[7]);
	if (argc > 8)
		keep = atoi(argv[8]);
	if (keep < 1 || keep > HELD_MOST) {
		fprintf(stderr, "merge: HELD is from 1 to %d\n", HELD_MOST);
		return 2;
	}
	check(netgpu_memory_open(argv[3], strtoull(argv[4], NULL, 0), &memory), "memory");
	where.ifindex = params.ifindex;
	where.queue = params.queue;
	check(netgpu_region_open(memory, &where, &region), "region");
	check(netgpu_queue_open(&params, memory, region, &queue), "queue");
	netgpu_queue_query(queue, &info);
	printf("entries %u\n", info.cq_entries);
	if (port)
		check(netgpu_queue_add(queue, accept_one(port), NULL, &conn), "connection");
	while (port && !end) {
		n = netgpu_queue_wait(queue, done + held, BATCH, held ? PATIENCE_NS : -1);
		check(n, "receive");
		idle = !n;
		for (; n; n--) {
			const struct netgpu_completion *c = &done[held];

			/* nothing comes after it */
			if (c->result <= 0) {
				error = c->result;
				end = true;
				break;
			}
			correct = correct && c->data && right(c, bytes);
			bytes += c->result;
			completions++;
			if (c->stride && (!stride || c->stride < stride))
				stride = c->stride;
			held++;
		}
		if (held < keep && !end && !idle)
			continue;
		for (i = 0; i < held; i += n) {
			n = netgpu_queue_return(queue, done + i, held - i);
			check(n, "buffers");
		}
		held = 0;
	}
	netgpu_queue_get_stats(queue, &stats);
	printf("bytes %llu\ncorrect %d\ncompletions %llu\nstride %u\nflushes %llu\nerror %s\n",
	       bytes, correct, completions, stride, (unsigned long long)stats.flushes,
	       error ? strerrorname_np(-error) : "0");
	netgpu_queue_close(queue);
	netgpu_region_close(region);
	netgpu_memory_close(memory);
	return 0;
}
