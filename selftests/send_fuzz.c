// SPDX-License-Identifier: GPL-2.0
/*
 * Register, send out of, unregister and close regions at random, from several threads,
 * each with a ring of its own, while others close the same regions and sockets, while
 * the exporter takes its memory back, and the network device changes what it can.
 *
 * Usage: send_fuzz -i NETIF -a ADDRESS -p PORT [-m VFIO] [-t SECONDS] [-s SEED]
 * On PORT of ADDRESS somebody reads whatever comes, of any number of connections. The
 * same seed makes the same calls in each thread; how the threads meet is not repeated.
 * Ends with 0 unless the fuzzer itself went wrong; prints how often each result came.
 */
#include <linux/uio.h>
#define __iovec_defined 1	/* the C library's is the same */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "region.h"

#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE	(1U << 3)
#endif

#define THREADS		4
#define SLOTS		8	/* of regions, and of sockets; all threads have the same */
#define BUFFERS		4
#define ENTRIES		64
#define SIZE		(1 << 20)
#define ERRORS		200

static const char *netif, *address, *vfio;
static int port;
static unsigned int seconds = 10, seed = 1, ifindex;
static time_t end;
static struct memory heap, device;
static int netgpu;
static atomic_int regions[SLOTS], sockets[SLOTS];
static atomic_ulong connects[ERRORS], results[ERRORS], notifs[ERRORS], commands[ERRORS];

static void count(atomic_ulong *of, int res)
{
	int i = res < 0 && res > -ERRORS ? -res : 0;

	atomic_fetch_add(&of[i], 1);
}

/* Put @fd into a slot, and close what was there, whoever uses it. */
static void replace(atomic_int *slot, int fd)
{
	int old = atomic_exchange(slot, fd);

	if (old >= 0)
		close(old);
}

static int new_region(unsigned int *rnd)
{
	const struct memory *mem = vfio && rand_r(rnd) % 2 ? &device : &heap;
	struct netgpu_region_create create = {
		.dmabuf_fd = mem->dmabuf,
		.flags = rand_r(rnd) % 8 ? (unsigned int)NETGPU_REGION_TX : rand_r(rnd) % 16u,
		.offset = rand_r(rnd) % 3 ? 0 : rand_r(rnd) % SIZE,
		.length = rand_r(rnd) % 3 ? SIZE : rand_r(rnd) % (2 * SIZE),
		.ifindex = rand_r(rnd) % 16 ? ifindex : rand_r(rnd) % 8u,
		.queue = rand_r(rnd) % 16 ? 0 : rand_r(rnd) % 4,
	};
	int fd = ioctl(netgpu, NETGPU_IOC_REGION_CREATE, &create);

	count(commands, fd < 0 ? -errno : 0);
	return fd;
}

static int new_socket(unsigned int *rnd)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int kind = rand_r(rnd) % 8, fd;

	inet_pton(AF_INET, address, &to.sin_addr);
	if (kind == 0)		/* by the loopback */
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, (kind == 1 ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (fd >= 0 && kind != 2)
		count(connects, connect(fd, (void *)&to, sizeof(to)) ? -errno : 0);
	return fd;
}

static void reap(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(ring, &cqe)) {
		if (cqe->user_data == 2)
			count(commands, cqe->res);
		else if (cqe->flags & IORING_CQE_F_NOTIF)
			count(notifs, cqe->res);
		else
			count(results, cqe->res);
		io_uring_cqe_seen(ring, cqe);
	}
}

static void buffer(struct io_uring *ring, unsigned int *rnd)
{
	struct netgpu_uring_buffer b = {
		.index = rand_r(rnd) % (BUFFERS + 1),
		.flags = rand_r(rnd) % 16 ? 0 : rand_r(rnd),
		.resv = rand_r(rnd) % 16 ? 0 : rand_r(rnd),
	};
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe)
		return;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = regions[rand_r(rnd) % SLOTS];
	sqe->cmd_op = rand_r(rnd) % 32 ? 1 + rand_r(rnd) % 2 : rand_r(rnd);
	sqe->user_data = 2;
	sqe->flags = rand_r(rnd) % 4 ? 0 : IOSQE_ASYNC;
	memcpy(sqe->cmd, &b, sizeof(b));
}

static void send_some(struct io_uring *ring, unsigned int *rnd)
{
	static __thread struct iovec iov[3];
	static __thread struct msghdr msg;
	uint64_t offset = rand_r(rnd) % 4 ? rand_r(rnd) % SIZE + 0ull : rand_r(rnd) * 4096ull;
	size_t len = rand_r(rnd) % 4 ? rand_r(rnd) % 100000 : rand_r(rnd) % (2 * SIZE);
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int fd = sockets[rand_r(rnd) % SLOTS], i;
	unsigned int flags = MSG_NOSIGNAL;

	flags |= rand_r(rnd) % 2 ? MSG_DONTWAIT : 0;
	flags |= rand_r(rnd) % 4 ? 0 : MSG_MORE;
	if (!sqe)
		return;
	if (rand_r(rnd) % 2) {
		io_uring_prep_send_zc_fixed(sqe, fd, (void *)(uintptr_t)offset, len, flags,
					    IORING_SEND_ZC_REPORT_USAGE * (rand_r(rnd) % 2),
					    rand_r(rnd) % (BUFFERS + 1));
	} else {
		for (i = 0; i < 3; i++)
			iov[i] = (struct iovec) {
				.iov_base = (void *)(uintptr_t)(rand_r(rnd) % (SIZE + 4096)),
				.iov_len = rand_r(rnd) % 65536,
			};
		msg = (struct msghdr) { .msg_iov = iov, .msg_iovlen = 1 + rand_r(rnd) % 3 };
		io_uring_prep_sendmsg_zc(sqe, fd, &msg, flags);
		sqe->ioprio |= IORING_RECVSEND_FIXED_BUF * (rand_r(rnd) % 8 != 0);
		sqe->buf_index = rand_r(rnd) % (BUFFERS + 1);
	}
	sqe->user_data = 1;
	sqe->flags = rand_r(rnd) % 4 ? 0 : IOSQE_ASYNC;
}

static void open_ring(struct io_uring *ring)
{
	if (io_uring_queue_init(ENTRIES, ring, 0) ||
	    io_uring_register_buffers_sparse(ring, BUFFERS))
		errx(1, "io_uring");
}

static void *sender(void *arg)
{
	unsigned int rnd = seed * THREADS + (unsigned int)(uintptr_t)arg;
	struct io_uring ring;

	open_ring(&ring);
	while (time(NULL) < end) {
		switch (rand_r(&rnd) % 32) {
		case 0: replace(&regions[rand_r(&rnd) % SLOTS], new_region(&rnd)); break;
		case 1: replace(&sockets[rand_r(&rnd) % SLOTS], new_socket(&rnd)); break;
		case 2: replace(&regions[rand_r(&rnd) % SLOTS], -1); break;
		case 3 ... 9: buffer(&ring, &rnd); break;
		case 10:
			if (rand_r(&rnd) % 16)
				break;
			io_uring_queue_exit(&ring);
			open_ring(&ring);
			break;
		default: send_some(&ring, &rnd); break;
		}
		if (!(rand_r(&rnd) % 4))
			io_uring_submit(&ring);
		reap(&ring);
	}
	io_uring_submit(&ring);
	io_uring_queue_exit(&ring);
	return NULL;
}

static void shell(const char *line)
{
	char text[256];

	snprintf(text, sizeof(text), "%s >/dev/null 2>&1", line);
	if (system(text) < 0)
		warn("%s", text);
}

/* What others do to the device and to the memory. */
static void *disturb(void *arg)
{
	static const char * const lines[] = {
		"ethtool -K %s tx off && ethtool -K %s tx on",
		"ethtool -K %s sg off && ethtool -K %s sg on tso on",
		"ethtool -K %s tso off && ethtool -K %s tso on",
		"ip link set %s down && sleep 0.1; ip link set %s up",
		NULL, NULL,
	};
	unsigned int rnd = seed * THREADS + 99;
	const char *command;
	char line[128];

	(void)arg;
	while (time(NULL) < end) {
		command = lines[rand_r(&rnd) % (sizeof(lines) / sizeof(lines[0]))];
		if (command) {
			snprintf(line, sizeof(line), command, netif, netif);
			shell(line);
		} else if (vfio) {
			memory_revoke(&device, "reset");
		}
		usleep(rand_r(&rnd) % 500000);
	}
	return NULL;
}

static void print(const char *what, atomic_ulong *of)
{
	int i;

	printf("%s", what);
	for (i = 0; i < ERRORS; i++)
		if (of[i])
			printf(" %s:%lu", i ? strerrorname_np(i) : "0", of[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS + 1];
	uintptr_t i;
	int opt;

	while ((opt = getopt(argc, argv, "i:a:p:m:t:s:")) != -1) {
		switch (opt) {
		case 'i': netif = optarg; break;
		case 'a': address = optarg; break;
		case 'p': port = atoi(optarg); break;
		case 'm': vfio = optarg; break;
		case 't': seconds = atoi(optarg); break;
		case 's': seed = atoi(optarg); break;
		default: return 2;
		}
	}
	if (!netif || !address || !port)
		errx(2, "usage: send_fuzz -i NETIF -a IP -p PORT [-m VFIO] [-t SECONDS] [-s SEED]");
	ifindex = if_nametoindex(netif);
	memory_open(&heap, "heap", SIZE);
	if (vfio)
		memory_open(&device, vfio, 0);
	netgpu = open_netgpu();
	for (i = 0; i < SLOTS; i++) {
		regions[i] = -1;
		sockets[i] = -1;
	}
	end = time(NULL) + seconds;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, sender, (void *)i))
			errx(1, "pthread_create");
	if (pthread_create(&threads[THREADS], NULL, disturb, NULL))
		errx(1, "pthread_create");
	for (i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < SLOTS; i++) {
		replace(&regions[i], -1);
		replace(&sockets[i], -1);
	}
	print("connections", connects);
	print("sends", results);
	print("notifications", notifs);
	print("commands", commands);
	return 0;
}
