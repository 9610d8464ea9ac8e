// SPDX-License-Identifier: GPL-2.0
/*
 * Sending with libnetgpu, out of host memory: order, completions, back-pressure, cancel,
 * and connections that are closed or reset with data on its way. KTAP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libnetgpu.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define SIZE	(4u << 20)	/* of the memory */
#define PART	65536u
#define PARTS	(SIZE / PART)
#define LONG	5000000000ll	/* ns */
#define TESTS	22

static struct netgpu_memory *memory;
static struct netgpu_queue *queue;

/* Two ends of a TCP connection: [0] is sent to. */
static void dial(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(listener >= 0 && fds[0] >= 0 && !bind(listener, (void *)&addr, len) && !listen(listener, 1) &&
	     !getsockname(listener, (void *)&addr, &len) &&
	     !connect(fds[0], (void *)&addr, len), "the loopback");
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	must(fds[1] >= 0, "accept");
	close(listener);
}

static struct netgpu_conn *add(int fd)
{
	struct netgpu_conn *c;

	must(!netgpu_queue_add(queue, fd, NULL, &c), "netgpu_queue_add");
	return c;
}

/* What is at that place of the memory. */
static unsigned char byte_at(uint64_t i)
{
	return i * 2654435761u >> 13;
}

/* A peer that reads all that comes, and looks at it. */
struct reader {
	pthread_t thread;
	uint64_t read, wrong;
	int fd, error;
};

static void *read_all(void *arg)
{
	static _Thread_local unsigned char buf[PART];
	struct reader *r = arg;
	ssize_t n, i;

	while ((n = recv(r->fd, buf, sizeof(buf), 0)) > 0) {
		for (i = 0; i < n; i++)
			r->wrong += buf[i] != byte_at((r->read + i) % SIZE);
		r->read += n;
	}
	r->error = n ? errno : 0;
	return NULL;
}

static void start(struct reader *r, int fd)
{
	*r = (struct reader) { .fd = fd };
	must(!pthread_create(&r->thread, NULL, read_all, r), "pthread_create");
}

/* Wait for @want completions of sends; counts those with @result, in the order of their numbers from *@next on. */
static unsigned int collect(unsigned int want, int result, uintptr_t *next)
{
	struct netgpu_completion done[16];
	unsigned int got = 0, good = 0;
	int n, i;

	while (got < want) {
		n = netgpu_queue_wait(queue, done, 16, LONG);
		if (n <= 0)
			break;
		for (i = 0; i < n; i++) {
			if (done[i].kind != NETGPU_SENT)
				continue;
			got++;
			good += done[i].result == (result ? result : (int)done[i].piece) &&
				(!next || (uintptr_t)done[i].user == (*next)++);
		}
	}
	return good;
}

static void send_parts(struct netgpu_conn *c, unsigned int n, uintptr_t first)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		must(!netgpu_conn_send(c, NULL, (uint64_t)i % PARTS * PART, PART, (void *)(first + i)),
		     "netgpu_conn_send");
}

static void in_order(void)
{
	uintptr_t next = 1000;
	struct netgpu_conn *c;
	struct reader r;
	unsigned int good;
	int fds[2];

	dial(fds);
	start(&r, fds[1]);
	c = add(fds[0]);
	send_parts(c, 4 * PARTS, next);
	good = collect(4 * PARTS, 0, &next);
	ok(good == 4 * PARTS, "%u of %u sends complete, in their order", good, 4 * PARTS);
	ok(netgpu_conn_sent(c) == 4ull * SIZE, "all bytes are known to be taken");
	netgpu_conn_close(c);
	close(fds[0]);
	pthread_join(r.thread, NULL);
	ok(r.read == 4ull * SIZE && !r.wrong && !r.error, "they arrive in order: %llu bytes, %llu wrong",
	   (unsigned long long)r.read, (unsigned long long)r.wrong);
	close(fds[1]);
}

static void refusals(void)
{
	struct netgpu_conn *c;
	int fds[2], ret;

	dial(fds);
	c = add(fds[0]);
	ok(netgpu_conn_send(c, NULL, 0, 0, NULL) == -EINVAL && strstr(netgpu_error(), "1 to"), "no bytes: EINVAL");
	ok(netgpu_conn_send(c, NULL, 0, (1u << 30) + 1, NULL) == -EINVAL, "too many: EINVAL");
	ok(netgpu_conn_send(c, NULL, SIZE, 1, NULL) == -ERANGE && strstr(netgpu_error(), "ends at"),
	   "behind the memory: ERANGE");
	ok(netgpu_conn_send(c, NULL, SIZE - 1, 2, NULL) == -ERANGE, "over its end: ERANGE");
	ok(netgpu_conn_send(c, NULL, UINT64_MAX, 2, NULL) == -ERANGE, "beyond all: ERANGE");
	ret = netgpu_conn_send(c, NULL, SIZE - 1, 1, NULL);
	ok(!ret && collect(1, 0, NULL) == 1, "the last byte");
	netgpu_conn_close(c);
	close(fds[0]);
	close(fds[1]);
}

/* A peer that does not read: the rest waits, and can be taken back. */
static void cancel(void)
{
	struct netgpu_completion done[16];
	unsigned int cancelled = 0, sent = 0;
	struct netgpu_conn *c;
	struct reader r;
	uint64_t taken;
	int fds[2], n, i;

	dial(fds);
	c = add(fds[0]);
	send_parts(c, 8 * PARTS, 0);	/* more than sockets buffer */
	/* The loopback copies, and completes as soon as it has. */
	while ((n = netgpu_queue_wait(queue, done, 16, LONG / 20)) > 0)
		for (i = 0; i < n; i++)
			sent += done[i].result == (int)PART;
	ok(!n && sent < 8 * PARTS, "who does not read is waited for (%u of %u are done)", sent, 8 * PARTS);
	netgpu_conn_cancel(c);
	start(&r, fds[1]);
	while (cancelled + sent < 8 * PARTS) {
		n = netgpu_queue_wait(queue, done, 16, LONG);
		if (n <= 0)
			break;
		for (i = 0; i < n; i++) {
			sent += done[i].result == (int)PART;
			cancelled += done[i].result == -ECANCELED;
		}
	}
	ok(cancelled && sent && cancelled + sent == 8 * PARTS,
	   "cancelled: %u have been sent, %u not", sent, cancelled);
	ok(netgpu_conn_send(c, NULL, 0, 1, NULL) == -ECANCELED, "and no more is");
	taken = netgpu_conn_sent(c);
	netgpu_conn_close(c);
	close(fds[0]);
	pthread_join(r.thread, NULL);
	ok(r.read == taken && !r.wrong, "what was taken arrives: %llu of %llu bytes",
	   (unsigned long long)r.read, (unsigned long long)taken);
	close(fds[1]);
}

static void reset(void)
{
	struct linger now = { .l_onoff = 1 };
	struct netgpu_completion done[16];
	struct netgpu_conn *c;
	unsigned int got = 0, failures = 0, alike = 0, waits = 0;
	int fds[2], n, i, first = 0;

	dial(fds);
	c = add(fds[0]);
	send_parts(c, 8 * PARTS, 0);
	while (got < 8 * PARTS) {
		n = netgpu_queue_wait(queue, done, 16, waits ? LONG : LONG / 20);
		if (!n && !waits++) {
			setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
			close(fds[1]);
			continue;
		}
		if (n <= 0)
			break;
		for (i = 0; i < n; i++, got++) {
			if (done[i].result == (int)PART)
				continue;
			first = first ? first : done[i].result;
			failures++;
			alike += done[i].result == first;
		}
	}
	ok(got == 8 * PARTS, "the peer resets: each of %u sends completes", got);
	ok((first == -ECONNRESET || first == -EPIPE) && failures && alike == failures, "with %s, %u of them",
	   first ? strerrorname_np(-first) : "success", alike);
	ok(netgpu_conn_send(c, NULL, 0, 1, NULL) == first, "and so does the next");
	netgpu_conn_close(c);
	close(fds[0]);
}

/* Closed with data on its way: what the kernel has taken arrives, and nobody hears of it. */
static void closed(bool waited)
{
	struct netgpu_completion done[16];
	int fds[2], other[2], n;
	struct netgpu_conn *c;
	uint64_t taken;
	struct reader r;

	dial(fds);
	c = add(fds[0]);
	send_parts(c, 8 * PARTS, 0);
	if (waited)
		netgpu_queue_wait(queue, done, 16, LONG / 20);
	taken = netgpu_conn_sent(c);
	netgpu_conn_close(c);
	close(fds[0]);
	dial(other);
	must(other[0] == fds[0], "a socket of the same number");
	start(&r, fds[1]);
	n = netgpu_queue_wait(queue, done, 16, LONG / 20);
	pthread_join(r.thread, NULL);
	ok(!n && r.read <= 8ull * SIZE && r.read >= taken && !r.wrong && !r.error,
	   "closed %s: %llu bytes arrive, no completion comes (%d)", waited ? "in the middle" : "at once",
	   (unsigned long long)r.read, n);
	ok(recv(other[1], &(char){ 0 }, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN,
	   "and nothing by the next socket of that number");
	close(fds[1]);
	close(other[0]);
	close(other[1]);
}

/* More than may be pinned: an error, and not tried again and again, as there is nothing to wait for. */
static void pinned(void)
{
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_SEND_ONLY };
	struct netgpu_queue *others = queue;
	struct netgpu_completion done = { 0 };
	struct netgpu_conn *c;
	struct rlimit before;
	int fds[2], n;

	getrlimit(RLIMIT_MEMLOCK, &before);
	must(!setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 1 << 20, before.rlim_max }), "limit");
	/* who is root may pin more */
	must(geteuid() || !seteuid(65534), "another user");
	must(!netgpu_queue_open(&params, memory, NULL, &queue), "a queue of its own");
	dial(fds);
	c = add(fds[0]);
	must(!netgpu_conn_send(c, NULL, 0, SIZE, NULL), "send");
	n = netgpu_queue_wait(queue, &done, 1, LONG);
	ok(n == 1 && (done.result == -ENOMEM || done.result == -ENOBUFS), "more than may be pinned: an error (%d, %d)", n,
	   done.result);
	netgpu_conn_close(c);
	netgpu_queue_close(queue);
	queue = others;
	must(!seteuid(getuid()), "back");
	setrlimit(RLIMIT_MEMLOCK, &before);
	close(fds[0]);
	close(fds[1]);
}

/* Many connections, whose sends meet. */
static void many(void)
{
	enum { CONNS = 16 };
	struct netgpu_conn *conns[CONNS];
	struct reader readers[CONNS];
	unsigned int i, good;
	bool right = true;
	int fds[CONNS][2];

	for (i = 0; i < CONNS; i++) {
		dial(fds[i]);
		start(&readers[i], fds[i][1]);
		conns[i] = add(fds[i][0]);
	}
	for (i = 0; i < CONNS; i++)
		send_parts(conns[i], PARTS, 0);
	good = collect(CONNS * PARTS, 0, NULL);
	for (i = 0; i < CONNS; i++) {
		netgpu_conn_close(conns[i]);
		close(fds[i][0]);
		pthread_join(readers[i].thread, NULL);
		close(fds[i][1]);
		right = right && readers[i].read == SIZE && !readers[i].wrong;
	}
	ok(good == CONNS * PARTS && right, "%u connections: all is right", CONNS);
}

int main(void)
{
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_SEND_ONLY };
	unsigned char *p;
	uint64_t i;
	int n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	must(!netgpu_memory_open("host", SIZE, &memory), "host memory");
	p = netgpu_memory_map(memory);
	for (i = 0; i < SIZE; i++)
		p[i] = byte_at(i);
	n = netgpu_queue_open(&params, memory, NULL, &queue);
	if (n == -ENOSYS || n == -EPERM) {
		printf("TAP version 13\n1..0 # SKIP %s\n", netgpu_error());
		return 4;
	}
	must(!n, "a queue to send by");
	printf("TAP version 13\n1..%d\n", TESTS);
	in_order();
	refusals();
	cancel();
	reset();
	closed(false);
	closed(true);
	many();
	pinned();
	netgpu_queue_close(queue);
	netgpu_memory_close(memory);
	return failed || count != TESTS;
}
