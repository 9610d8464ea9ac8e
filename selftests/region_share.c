// SPDX-License-Identifier: GPL-2.0
/*
 * One dma-buf, many regions: two network devices and two queues of one receive
 * into parts of it at the same time, until the exporter takes it away.
 *
 * Usage: region_share NETIF NETIF2 MEMORY PORT BYTES
 * MEMORY has at least 256 MiB. The streams of pattern_send go to PORT (NETIF
 * queue 1), PORT + 1 (NETIF2 queue 1) and PORT + 2 (NETIF queue 0).
 *
 * Prints "KEY VALUE" lines; those of a stream start with its port's number from
 * PORT on. Exit status 0 unless the test itself went wrong.
 */
#include <linux/uio.h>
#define __iovec_defined 1	/* the C library's is the same */
#include <err.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "netdev_nl.h"
#include "pattern.h"
#include "region.h"

#define MIB		((size_t)1 << 20)
#define PARTS		3
#define UNTOUCHED	0xa5

enum { ACCEPT = 1, RECV };

struct part {
	size_t offset, length;
	const char *netif;
	int queue, region, error;
	unsigned long long received;
	bool correct;
	pthread_t thread;
};

static struct memory mem;
static int netgpu, port;
static unsigned long long bytes;
static pthread_barrier_t bound, complete;

static int create(struct part *p)
{
	struct netgpu_region_create create = {
		.dmabuf_fd = mem.dmabuf,
		.flags = NETGPU_REGION_RX,
		.offset = p->offset,
		.length = p->length,
		.ifindex = if_nametoindex(p->netif),
		.queue = p->queue,
	};

	p->region = region_create(netgpu, &create);
	if (p->region < 0)
		errx(1, "region at %zu: %s", p->offset, region_message);
	return p->region;
}

static int bind_part(const struct part *p, struct target *target)
{
	return target_open(target, if_nametoindex(p->netif), p->queue, p->region, p->length,
			   IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION);
}

static unsigned int state(const struct part *p)
{
	struct netgpu_region_query query = {};

	if (ioctl(p->region, NETGPU_IOC_REGION_QUERY, &query))
		err(1, "query");
	return query.state;
}

/* A ring that was closed lets go of its queue a moment later. */
static void unbind(const struct part *p, struct target *target)
{
	target_close(target);
	while (state(p) == NETGPU_STATE_BOUND)
		usleep(1000);
}

/* Devices that any dma-buf is attached to. */
static int attachments(void)
{
	FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	int total = 0, n;
	char line[256];

	if (!f)
		err(1, "bufinfo");
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "devices attached") && sscanf(line, "Total %d", &n) == 1)
			total += n;
	fclose(f);
	return total;
}

static const char *outcome(int ret)
{
	return ret ? strerrorname_np(-ret) : "0";
}

static void ask(const struct part *p)
{
	static char message[256];
	struct netgpu_probe probe = {
		.dmabuf_fd = mem.dmabuf,
		.flags = NETGPU_REGION_RX,
		.offset = p->offset,
		.length = p->length,
		.ifindex = if_nametoindex(p->netif),
		.queue = p->queue,
		.msg = (uintptr_t)message,
		.msg_size = sizeof(message),
	};
	int ret = ioctl(netgpu, NETGPU_IOC_PROBE, &probe);

	printf("probe %s\nprobe_message %s\n", outcome(ret ? -errno : 0), message);
}

/* Two regions that share bytes can be made, and one of them be used. */
static void overlap(struct part *first, struct part *second)
{
	struct target target, other;
	int ret;

	create(second);
	ret = bind_part(first, &target);
	printf("first %s\n", outcome(ret));
	if (ret)
		return;
	printf("overlapping %s\n", outcome(bind_part(second, &other)));
	ask(second);
	unbind(first, &target);
	ret = bind_part(second, &other);
	printf("afterwards %s\n", outcome(ret));
	if (!ret)
		unbind(second, &other);
}

/* What is received into can be sent from. */
static void send_and_receive(const char *netif)
{
	struct mnl_socket *nl = netdev_nl_open();
	struct netgpu_region_create create = {
		.flags = NETGPU_REGION_RX,
		.length = 4 * MIB,
		.ifindex = if_nametoindex(netif),
		.queue = 1,
	};
	struct part p = { .netif = netif, .queue = 1, .length = create.length };
	struct memory both;
	struct target target;
	int ret;

	memory_open(&both, "udmabuf", create.length);
	create.dmabuf_fd = both.dmabuf;
	p.region = region_create(netgpu, &create);
	if (p.region < 0)
		errx(1, "region of udmabuf: %s", region_message);
	ret = bind_part(&p, &target);
	printf("receive %s\n", outcome(ret));
	printf("send %s\n", outcome(netdev_nl_bind_tx(nl, create.ifindex, both.dmabuf)));
	printf("both %d\n", attachments());
	mnl_socket_close(nl);
	if (!ret)
		unbind(&p, &target);
	close(p.region);
	memory_close(&both);
}

static void give_back(struct target *t, __u64 off, __u32 len)
{
	struct io_uring_zcrx_rqe *rqe = &t->rq.rqes[t->rq.rq_tail & (t->rq.ring_entries - 1)];

	rqe->off = (off & ~IORING_ZCRX_AREA_MASK) | t->token;
	rqe->len = len;
	io_uring_smp_store_release(t->rq.ktail, ++t->rq.rq_tail);
}

static void arm_recv(struct target *t, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);

	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, fd, NULL, 0, 0);
	sqe->user_data = RECV;
	sqe->ioprio |= IORING_RECV_MULTISHOT;
}

/* False when the receive has ended. */
static bool take(struct part *p, struct target *t, const struct io_uring_cqe *cqe, bool *rearm)
{
	const struct io_uring_zcrx_cqe *zc = (void *)(cqe + 1);
	__u64 offset = zc->off & ~IORING_ZCRX_AREA_MASK;

	if (cqe->res == -ENOSPC) {
		*rearm = true;
		return true;
	}
	if (cqe->res <= 0) {
		p->error = cqe->res;
		return false;
	}
	if (p->correct)
		p->correct = offset + cqe->res <= p->length &&
			     pattern_check(mem.cpu + p->offset + offset, p->received, cqe->res);
	p->received += cqe->res;
	if (p->received == bytes) {
		printf("arrived %s\n", p->netif);
		pthread_barrier_wait(&complete);
	}
	give_back(t, zc->off, cqe->res);
	*rearm = !(cqe->flags & IORING_CQE_F_MORE);
	return true;
}

static void *receive(void *arg)
{
	struct part *p = arg;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct target target;
	bool going = true;
	int conn = -1, ret;

	ret = bind_part(p, &target);
	if (ret)
		errx(1, "%s queue %d: %s", p->netif, p->queue, strerror(-ret));
	sqe = io_uring_get_sqe(&target.ring);
	io_uring_prep_accept(sqe, pattern_listen(port++), NULL, NULL, 0);
	sqe->user_data = ACCEPT;
	pthread_barrier_wait(&bound);

	while (going) {
		bool rearm = false;

		ret = io_uring_submit_and_wait(&target.ring, 1);
		if (ret < 0 || io_uring_peek_cqe(&target.ring, &cqe))
			errx(1, "io_uring: %s", strerror(-ret));
		if (cqe->user_data == ACCEPT) {
			conn = cqe->res;
			rearm = true;
		} else {
			going = take(p, &target, cqe, &rearm);
		}
		io_uring_cqe_seen(&target.ring, cqe);
		if (rearm)
			arm_recv(&target, conn);
	}
	target_close(&target);
	return NULL;
}

static bool untouched(size_t from, size_t to)
{
	for (; from < to; from++)
		if (mem.cpu[from] != UNTOUCHED)
			return false;
	return true;
}

static bool hangup(const struct part *p)
{
	struct pollfd poll_region = { .fd = p->region, .events = POLLIN };

	return poll(&poll_region, 1, 5000) == 1 && (poll_region.revents & POLLHUP) &&
	       state(p) == NETGPU_STATE_REVOKED;
}

int main(int argc, char **argv)
{
	struct part parts[PARTS] = {
		{ .offset = 0, .length = 64 * MIB, .queue = 1 },
		{ .offset = 128 * MIB, .length = 64 * MIB, .queue = 1 },
		{ .offset = 64 * MIB, .length = 32 * MIB, .queue = 0 },
	};
	struct part second = { .offset = 32 * MIB, .length = 64 * MIB, .queue = 0 };
	int i;

	if (argc != 6)
		errx(2, "usage: region_share NETIF NETIF2 MEMORY PORT BYTES");
	parts[0].netif = argv[1];
	parts[1].netif = argv[2];
	parts[2].netif = argv[1];
	second.netif = argv[1];
	port = atoi(argv[4]);
	bytes = strtoull(argv[5], NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(120 * atoi(getenv("LAB_SLOWER") ?: "1"));

	netgpu = open_netgpu();
	send_and_receive(argv[1]);
	memory_open(&mem, argv[3], 0);
	memset(mem.cpu + 96 * MIB, UNTOUCHED, 32 * MIB);
	memset(mem.cpu + 192 * MIB, UNTOUCHED, mem.size - 192 * MIB);
	for (i = 0; i < PARTS; i++) {
		create(&parts[i]);
		printf("attachments%d %d\n", i + 1, attachments());
	}
	overlap(&parts[0], &second);

	pthread_barrier_init(&bound, NULL, 2);
	pthread_barrier_init(&complete, NULL, PARTS + 1);
	for (i = 0; i < PARTS; i++) {
		parts[i].correct = true;
		if (pthread_create(&parts[i].thread, NULL, receive, &parts[i]))
			errx(1, "thread");
		pthread_barrier_wait(&bound);
	}
	printf("listening %s\n", argv[4]);
	pthread_barrier_wait(&complete);
	printf("untouched %d\n", untouched(96 * MIB, 128 * MIB) && untouched(192 * MIB, mem.size));

	printf("revoke_us %lld\n", memory_revoke(&mem, "disable"));
	for (i = 0; i < PARTS; i++) {
		pthread_join(parts[i].thread, NULL);
		printf("received%d %llu\ncorrect%d %d\nerror%d %s\nhangup%d %d\n",
		       i, parts[i].received, i, parts[i].correct,
		       i, outcome(parts[i].error), i, hangup(&parts[i]));
	}
	printf("hangup_idle %d\n", hangup(&second));
	return 0;
}
