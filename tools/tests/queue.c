// SPDX-License-Identifier: GPL-2.0
/*
 * A queue of libnetgpu without a network device: waiting, giving back, and what
 * happens when there are no buffers. KTAP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetgpu.h>
#include <liburing.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE	4096l
#define MS	1000000ll
#define BATCH	256
#define ROOM	(8 * BATCH)
#define LONG	(5000 * MS)
#define TESTS	10

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

/* Two ends of a TCP connection: [0] is received from. */
static void dial(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	fds[1] = socket(AF_INET, SOCK_STREAM, 0);
	must(fd >= 0 && fds[1] >= 0 && !bind(fd, (struct sockaddr *)&addr, len) && !listen(fd, 1) &&
	     !getsockname(fd, (struct sockaddr *)&addr, &len) &&
	     !connect(fds[1], (struct sockaddr *)&addr, len), "connect");
	fds[0] = accept(fd, NULL, NULL);
	close(fd);
}

static char byte_at(size_t n)
{
	return n * 7 + n / PAGE;
}

static void put(int fd, size_t from, size_t bytes)
{
	char buf[PAGE];
	size_t n;

	for (; bytes; bytes -= n, from += n) {
		n = bytes < sizeof(buf) ? bytes : sizeof(buf);
		for (size_t i = 0; i < n; i++)
			buf[i] = byte_at(from + i);
		must(send(fd, buf, n, 0) == (ssize_t)n, "send");
	}
}

struct later {
	int fd;
	size_t bytes;
	int64_t delay;
};

static void *put_later(void *arg)
{
	const struct later *l = arg;

	usleep(l->delay / 1000);
	put(l->fd, 0, l->bytes);
	return NULL;
}

static struct netgpu_memory *memory;
static struct netgpu_queue *queue;
static struct netgpu_completion done[ROOM];

static int open_queue(size_t size, unsigned int rq_entries)
{
	struct netgpu_queue_params params = {
		.flags = NETGPU_QUEUE_NODEV, .rq_entries = rq_entries,
	};

	must(!netgpu_memory_open("host", size, &memory), "memory");
	return netgpu_queue_open(&params, memory, NULL, &queue);
}

static void close_queue(void)
{
	netgpu_queue_close(queue);
	netgpu_memory_close(memory);
}

/* Take @want bytes, or until nothing comes for @timeout: how many, -1 when one is wrong. */
static ssize_t take(unsigned int *nr, size_t from, size_t want, int64_t timeout)
{
	size_t bytes = 0;
	bool good = true;
	int n;

	while (bytes < want && *nr <= ROOM - BATCH &&
	       (n = netgpu_queue_wait(queue, done + *nr, BATCH, timeout)) > 0) {
		for (; n; n--, ++*nr) {
			const struct netgpu_completion *c = &done[*nr];
			const char *data = c->data;

			for (int i = 0; i < c->result; i++)
				good = good && data[i] == byte_at(from + bytes + i);
			bytes += c->result > 0 ? c->result : 0;
		}
	}
	return good ? (ssize_t)bytes : -1;
}

static void test_small(void)
{
	size_t want = 40 * PAGE, have = 0;
	struct netgpu_conn *conn;
	unsigned int nr;
	int fds[2], ret;
	ssize_t n;

	ret = open_queue(16 * PAGE, 0);
	ok(!ret, "a queue over 16 pages (%s)", ret ? netgpu_error() : "0");
	if (ret) {
		ok(false, "and it receives");
		return;
	}
	dial(fds);
	must(!netgpu_queue_add(queue, fds[0], NULL, &conn), "add");
	for (; have < want; have += n) {
		put(fds[1], have, 4 * PAGE);
		nr = 0;
		n = take(&nr, have, 4 * PAGE, LONG);
		if (n <= 0 || netgpu_queue_return(queue, done, nr) != (int)nr)
			break;
	}
	ok(have == want, "and it receives more than it holds (%zu bytes)", have);
	netgpu_conn_close(conn);
	close(fds[0]);
	close(fds[1]);
	close_queue();
}

/* A connection that is closed makes completions of its own in the ring. */
static void close_one(void)
{
	struct netgpu_conn *conn;
	int fds[2];

	dial(fds);
	must(!netgpu_queue_add(queue, fds[0], NULL, &conn), "add");
	netgpu_queue_wait(queue, done, BATCH, 0);
	netgpu_conn_close(conn);
}

static void test_wait(void)
{
	struct later later = { .bytes = 100, .delay = 300 * MS };
	struct netgpu_conn *conn;
	pthread_t thread;
	int fds[2], ret;
	int64_t start;

	must(!open_queue(512 * PAGE, 0), "queue");
	dial(fds);
	must(!netgpu_queue_add(queue, fds[0], NULL, &conn), "add");

	close_one();
	start = now();
	ret = netgpu_queue_wait(queue, done, BATCH, 200 * MS);
	start = now() - start;
	ok(ret == 0 && start >= 200 * MS,
	   "a wait that has a timeout lasts until then (%d after %lld ms)",
	   ret, (long long)(start / MS));

	close_one();
	later.fd = fds[1];
	must(!pthread_create(&thread, NULL, put_later, &later), "thread");
	ret = netgpu_queue_wait(queue, done, BATCH, -1);
	ok(ret == 1 && done[0].result == 100,
	   "and one that has none until something has come (%d)", ret);
	pthread_join(thread, NULL);
	close(fds[0]);
	close(fds[1]);
	close_queue();
}

static int other_ret;

static void *return_all(void *arg)
{
	other_ret = netgpu_queue_return(queue, done, *(unsigned int *)arg);
	return NULL;
}

static void test_return(void)
{
	unsigned int nr = 0, first, more;
	struct netgpu_conn *conn;
	pthread_t thread;
	int fds[2];
	ssize_t n;

	must(!open_queue(512 * PAGE, 64), "queue");
	dial(fds);
	must(!netgpu_queue_add(queue, fds[0], NULL, &conn), "add");
	while (nr < 200) {
		put(fds[1], 0, 10 * PAGE);
		must(take(&nr, 0, 10 * PAGE, LONG) == 10 * PAGE, "data");
	}
	/* The kernel takes no flush from a thread that did not open the ring. */
	must(!pthread_create(&thread, NULL, return_all, &nr), "thread");
	pthread_join(thread, NULL);
	ok(other_ret == 64, "a ring that is full and stays it takes no more (%d of %u)",
	   other_ret, nr);
	first = other_ret > 0 ? other_ret : 0;
	memmove(done, done + first, (nr - first) * sizeof(done[0]));
	nr -= first;
	must(!pthread_create(&thread, NULL, return_all, &nr), "thread");
	pthread_join(thread, NULL);
	ok(other_ret == -ENOBUFS, "and says so when that is nothing (%s)",
	   other_ret < 0 ? strerror(-other_ret) : "no error");
	ok(netgpu_queue_return(queue, done, nr) == (int)nr,
	   "where the kernel empties it, all go back");
	more = 0;
	put(fds[1], 0, 400 * PAGE);
	n = take(&more, 0, 400 * PAGE, LONG);
	ok(n == 400 * PAGE, "every buffer is there again (%zd bytes)", n);
	close(fds[0]);
	close(fds[1]);
	close_queue();
}

static void test_starved(void)
{
	struct netgpu_conn *conn[2];
	unsigned int nr = 0, more = 0;
	int a[2], b[2];
	ssize_t n;

	must(!open_queue(16 * PAGE, 0), "queue");
	dial(a);
	dial(b);
	must(!netgpu_queue_add(queue, a[0], NULL, &conn[0]) &&
	     !netgpu_queue_add(queue, b[0], NULL, &conn[1]), "add");
	put(a[1], 0, 16 * PAGE);
	must(take(&nr, 0, 16 * PAGE, LONG) == 16 * PAGE, "data");
	put(b[1], 0, PAGE);
	n = take(&nr, 0, PAGE, 200 * MS);
	must(netgpu_queue_return(queue, done, nr) == (int)nr, "return");
	ok(n == 0 && take(&more, 0, PAGE, LONG) == PAGE,
	   "who has no buffer waits until one comes back, and is woken");
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	close_queue();
}

/* Merged completions tell of many packets; where the kernel cannot merge, the rings have room for all. */
static void test_rings(unsigned int expected)
{
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_NODEV | NETGPU_QUEUE_MERGE };
	unsigned int entries = 0;

	must(!netgpu_memory_open("host", 16384 * PAGE, &memory), "memory");
	must(!netgpu_queue_open(&params, memory, NULL, &queue), "queue");
	entries = netgpu_queue_ring(queue)->cq.ring_entries;
	ok(entries == expected, "completions that may wait, of 16384 pages: %u", entries);
	close_queue();
}

/* ENTRIES: of the completion queue of 64 MiB when merged completions are asked for. */
int main(int argc, char **argv)
{
	int ret;

	if (argc != 2) {
		fprintf(stderr, "usage: queue ENTRIES\n");
		return 2;
	}

	setvbuf(stdout, NULL, _IONBF, 0);
	alarm(50 * atoi(getenv("LAB_SLOWER") ?: "1"));
	ret = open_queue(1024 * PAGE, 0);
	if (ret == -EINVAL || ret == -ENOSYS || ret == -EPERM) {
		printf("1..0 # SKIP no queue without a device: %s\n", netgpu_error());
		return 4;
	}
	must(!ret, "a queue");
	close_queue();
	printf("TAP version 13\n1..%d\n", TESTS);
	test_small();
	test_wait();
	test_return();
	test_starved();
	test_rings(atoi(argv[1]));
	return failed != 0;
}
