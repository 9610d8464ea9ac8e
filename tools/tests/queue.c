// SPDX-License-Identifier: GPL-2.0
/*
 * A queue of libnetgpu without a network device: waiting, giving back, and what
 * happens when there are no buffers. KTAP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetgpu.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define PAGE	4096l
#define MS	1000000ll
#define BATCH	256
#define ROOM	(8 * BATCH)
#define LONG	(30000 * MS)	/* for what comes */
#define TESTS	31

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
	netgpu_conn_close(conn);
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
	netgpu_conn_close(conn);
	close(fds[0]);
	close(fds[1]);
	close_queue();
}

struct starved {
	struct netgpu_conn *conn[2];
	int a[2], b[2];
	unsigned int nr;
};

/* One connection has all buffers, and the other waits for one. */
static void starve(struct starved *st)
{
	st->nr = 0;
	must(!open_queue(16 * PAGE, 0), "queue");
	dial(st->a);
	dial(st->b);
	must(!netgpu_queue_add(queue, st->a[0], NULL, &st->conn[0]) &&
	     !netgpu_queue_add(queue, st->b[0], NULL, &st->conn[1]), "add");
	put(st->a[1], 0, 16 * PAGE);
	must(take(&st->nr, 0, 16 * PAGE, LONG) == 16 * PAGE, "data");
	put(st->b[1], 0, PAGE);
}

static void end_starved(struct starved *st)
{
	netgpu_conn_close(st->conn[0]);
	netgpu_conn_close(st->conn[1]);
	close(st->a[0]);
	close(st->a[1]);
	close(st->b[0]);
	close(st->b[1]);
	close_queue();
}

static void test_starved(void)
{
	unsigned int more = 0;
	struct starved st;
	ssize_t n;

	starve(&st);
	n = take(&st.nr, 0, PAGE, 200 * MS);
	must(netgpu_queue_return(queue, done, st.nr) == (int)st.nr, "return");
	ok(n == 0 && take(&more, 0, PAGE, LONG) == PAGE,
	   "who has no buffer waits until one comes back, and is woken");
	end_starved(&st);
}

static void *return_later(void *arg)
{
	usleep(300000);
	return return_all(arg);
}

static void test_starved_thread(void)
{
	unsigned int more, nr;
	struct starved st;
	pthread_t thread;
	ssize_t n;

	starve(&st);
	more = nr = st.nr;
	must(!pthread_create(&thread, NULL, return_later, &nr), "thread");
	n = take(&more, 0, PAGE, -1);
	pthread_join(thread, NULL);
	ok(n == PAGE && other_ret == (int)nr, "also by another thread that gives it back");
	end_starved(&st);
}

#define PIPES	20

static void test_watch(void)
{
	int fds[PIPES][2], seen = 0, i, n;
	char byte = 0;

	must(!open_queue(16 * PAGE, 0), "queue");
	for (i = 0; i < PIPES; i++)
		must(!pipe(fds[i]) && !netgpu_queue_watch(queue, fds[i][0], fds[i]), "watch");
	for (i = 0; i < PIPES; i++)
		must(write(fds[i][1], &byte, 1) == 1, "write");
	while ((n = netgpu_queue_wait(queue, done, BATCH, 200 * MS)) > 0) {
		for (i = 0; i < n; i++) {
			int *pair = done[i].user;

			seen += !done[i].conn && done[i].result == POLLIN && read(pair[0], &byte, 1) == 1;
		}
	}
	ok(seen == PIPES, "%d descriptors are watched (%d)", PIPES, seen);
	must(write(fds[0][1], &byte, 1) == 1, "write");
	n = netgpu_queue_unwatch(queue, fds[0][0]);
	ok(n == 0 && netgpu_queue_wait(queue, done, BATCH, 100 * MS) == 0, "and one no longer, that was about to tell");
	n = netgpu_queue_unwatch(queue, fds[1][0]);
	must(write(fds[1][1], &byte, 1) == 1, "write");
	ok(n == 0 && netgpu_queue_wait(queue, done, BATCH, 100 * MS) == 0, "and one that was not");
	ok(netgpu_queue_unwatch(queue, fds[1][0]) == -ENOENT && strstr(netgpu_error(), "not watched"), "twice: ENOENT");
	close(fds[2][1]);
	n = netgpu_queue_wait(queue, done, BATCH, LONG);
	ok(n == 1 && done[0].result & POLLHUP && netgpu_queue_unwatch(queue, fds[2][0]) == -ENOENT,
	   "one that has hung up says so, and is not watched any more");
	for (i = 0; i < PIPES; i++) {
		close(fds[i][0]);
		if (i != 2)
			close(fds[i][1]);
	}
	close_queue();
}

static void test_fd(void)
{
	struct pollfd pfd = { .events = POLLIN };
	struct netgpu_conn *conn;
	int fds[2], before, after;

	must(!open_queue(16 * PAGE, 0), "queue");
	dial(fds);
	must(!netgpu_queue_add(queue, fds[0], NULL, &conn), "add");
	must(!netgpu_queue_wait(queue, done, BATCH, 0), "nothing yet");
	pfd.fd = netgpu_queue_fd(queue);
	before = poll(&pfd, 1, 100);
	put(fds[1], 0, 100);
	after = poll(&pfd, 1, LONG / MS);
	ok(before == 0 && after == 1, "a descriptor to wait on");
	ok(netgpu_queue_wait(queue, done, BATCH, 0) == 1 && done[0].result == 100, "and what it tells of is there");
	netgpu_conn_close(conn);
	close(fds[0]);
	close(fds[1]);
	close_queue();
}

/* Each in turn is closed while what uses it is not. */
static void test_closing(void)
{
	struct netgpu_conn *conn[2];
	int a[2], b[2];

	must(!open_queue(16 * PAGE, 0), "queue");
	netgpu_memory_close(memory);
	dial(a);
	dial(b);
	must(!netgpu_queue_add(queue, a[0], NULL, &conn[0]) &&
	     !netgpu_queue_add(queue, b[0], NULL, &conn[1]), "add");
	put(a[1], 0, 100);
	ok(netgpu_queue_wait(queue, done, BATCH, LONG) == 1 && *(const char *)done[0].data == byte_at(0),
	   "the memory is closed, and received into");
	must(!netgpu_conn_send(conn[0], NULL, 0, PAGE, NULL), "send");
	netgpu_conn_close(conn[0]);
	netgpu_queue_close(queue);
	ok(netgpu_conn_fd(conn[1]) == b[0], "the queue is closed, and a connection is there");
	ok(netgpu_conn_send(conn[1], NULL, 0, 1, NULL) == -ESHUTDOWN && strstr(netgpu_error(), "closed"),
	   "but cannot send: ESHUTDOWN");
	netgpu_conn_cancel(conn[1]);
	netgpu_conn_close(conn[1]);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
}

static void test_use(void)
{
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_NODEV };
	struct netgpu_conn *conn;
	struct netgpu_memory *other;
	char *own;
	int fds[2];

	own = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(own != MAP_FAILED && !netgpu_memory_use(own, 16 * PAGE, &memory) &&
	     !netgpu_queue_open(&params, memory, NULL, &queue), "queue");
	dial(fds);
	must(!netgpu_queue_add(queue, fds[0], NULL, &conn), "add");
	put(fds[1], 0, 100);
	ok(netgpu_queue_wait(queue, done, BATCH, LONG) == 1 && done[0].memory == memory &&
	   own[done[0].offset + 99] == byte_at(99), "host memory of the caller's");
	must(!netgpu_memory_use(own, PAGE, &other), "memory");
	ok(netgpu_conn_send(conn, other, 0, 1, NULL) == -EINVAL && strstr(netgpu_error(), "none of the queue's"),
	   "another memory than the queue's cannot be sent from: EINVAL");
	ok(netgpu_queue_add_memory(queue, other, NULL) == -EOPNOTSUPP, "nor added, without a device: EOPNOTSUPP");
	netgpu_memory_close(other);
	netgpu_conn_close(conn);
	close_queue();
	ok(own[0] == byte_at(0), "stays mapped");
	munmap(own, 16 * PAGE);
	close(fds[0]);
	close(fds[1]);
}

static int make_ring(struct io_uring *ring, unsigned int flags)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQSIZE | flags,
		.cq_entries = 256,
	};

	return io_uring_queue_init_params(8, ring, &p);
}

struct own_ring {
	struct io_uring ring;
	struct netgpu_queue *queue[2];
	struct netgpu_conn *conn[2];
	int a[2], b[2];
	size_t bytes[2];
	unsigned int callers;	/* completions of requests that are not the library's */
	bool wrong;
};

static void look_at(struct own_ring *own, const struct netgpu_completion *c)
{
	int which = c->user == &own->bytes[1];

	if (!c->conn || c->conn != own->conn[which] || c->result <= 0) {
		own->wrong = true;
		return;
	}
	for (int i = 0; i < c->result; i++)
		own->wrong |= ((const char *)c->data)[i] != byte_at(own->bytes[which] + i);
	own->bytes[which] += c->result;
	own->wrong |= netgpu_queue_return(own->queue[which], c, 1) != 1;
}

/* As a program with a loop of its own does it. */
static void turn(struct own_ring *own)
{
	struct netgpu_completion c;
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0, ready;
	int ret;

	for (int i = 0; i < 2; i++) {
		ready = netgpu_queue_prepare(own->queue[i], &c, 1);
		own->wrong |= ready != 0;
	}
	io_uring_submit_and_wait(&own->ring, 1);
	io_uring_for_each_cqe(&own->ring, head, cqe) {
		seen++;
		if (!(cqe->user_data & NETGPU_CQE)) {
			own->callers += cqe->user_data == 7 &&
					netgpu_queue_take(own->queue[0], cqe, &c) == -EINVAL;
			continue;
		}
		ret = netgpu_queue_take(own->queue[0], cqe, &c);
		if (ret == 1)
			look_at(own, &c);
		else
			own->wrong |= ret != 0;
	}
	io_uring_cq_advance(&own->ring, seen);
}

static void test_ring(void)
{
	struct own_ring own = { 0 };
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_NODEV, .ring = &own.ring };
	struct netgpu_completion c;
	struct io_uring_sqe *sqe;
	size_t want = 64 * PAGE, from;
	int ret;

	must(!netgpu_memory_open("host", 64 * PAGE, &memory), "memory");
	must(!make_ring(&own.ring, 0), "ring");
	ret = netgpu_queue_open(&params, memory, NULL, &queue);
	ok(ret == -EINVAL && strstr(netgpu_error(), "IORING_SETUP_DEFER_TASKRUN"), "a ring of another kind: EINVAL");
	io_uring_queue_exit(&own.ring);
	must(!make_ring(&own.ring, IORING_SETUP_CQE32 | IORING_SETUP_DEFER_TASKRUN), "ring");
	params.cq_entries = 64;
	ret = netgpu_queue_open(&params, memory, NULL, &queue);
	ok(ret == -EINVAL && strstr(netgpu_error(), "said already"), "one whose size is said twice: EINVAL");
	params.cq_entries = 0;
	must(!netgpu_queue_open(&params, memory, NULL, &own.queue[0]) &&
	     !netgpu_queue_open(&params, memory, NULL, &own.queue[1]), "queues");
	netgpu_memory_close(memory);
	ok(netgpu_queue_wait(own.queue[0], &c, 1, 0) == -EINVAL && strstr(netgpu_error(), "netgpu_queue_take"),
	   "it is the caller who waits: EINVAL");
	dial(own.a);
	dial(own.b);
	must(!netgpu_queue_add(own.queue[0], own.a[0], &own.bytes[0], &own.conn[0]) &&
	     !netgpu_queue_add(own.queue[1], own.b[0], &own.bytes[1], &own.conn[1]), "add");
	for (from = 0; from < want && !own.wrong; from += 16 * PAGE) {
		put(own.a[1], from, 16 * PAGE);
		put(own.b[1], from, 16 * PAGE);
		sqe = io_uring_get_sqe(&own.ring);
		must(sqe, "sqe");
		io_uring_prep_nop(sqe);
		sqe->user_data = 7;
		while (!own.wrong && (own.bytes[0] < from + 16 * PAGE || own.bytes[1] < from + 16 * PAGE))
			turn(&own);
	}
	ok(!own.wrong && own.bytes[0] == want && own.bytes[1] == want,
	   "two queues on a ring of the caller's (%zu and %zu bytes)", own.bytes[0], own.bytes[1]);
	ok(own.callers == want / PAGE / 16, "beside requests of the caller's (%u)", own.callers);
	netgpu_conn_close(own.conn[0]);
	io_uring_queue_exit(&own.ring);
	netgpu_queue_close(own.queue[0]);
	netgpu_queue_close(own.queue[1]);
	netgpu_conn_close(own.conn[1]);
	close(own.a[0]);
	close(own.a[1]);
	close(own.b[0]);
	close(own.b[1]);
}

/* Merged completions tell of many packets; where the kernel cannot merge, the rings have room for all. */
static void test_rings(unsigned int expected)
{
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_NODEV | NETGPU_QUEUE_MERGE };
	struct netgpu_queue_info info;

	must(!netgpu_memory_open("host", 16384 * PAGE, &memory), "memory");
	must(!netgpu_queue_open(&params, memory, NULL, &queue), "queue");
	netgpu_queue_query(queue, &info);
	ok(info.cq_entries == expected, "completions that may wait, of 16384 pages: %u", info.cq_entries);
	ok(info.memories == 1 && info.rq_entries == expected && info.buffer_size == PAGE &&
	   info.flags == (NETGPU_QUEUE_NODEV | (expected < 16384 ? NETGPU_QUEUE_MERGE : 0)),
	   "what is in force: flags %#x, buffers of %u", info.flags, info.buffer_size);
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
	test_starved_thread();
	test_watch();
	test_fd();
	test_closing();
	test_use();
	test_ring();
	test_rings(atoi(argv[1]));
	return failed != 0;
}
