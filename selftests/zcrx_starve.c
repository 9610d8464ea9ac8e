// SPDX-License-Identifier: GPL-2.0
/*
 * Keep all buffers of a queue until it has none left, give them all back, and
 * see how long it takes until the queue counts packets again. Somebody has to
 * send a stream, and datagrams beside it: the stream's sender waits longer with
 * each time that it gets no answer.
 *
 * Usage: zcrx_starve NETIF QUEUE PORT ROUNDS FILE
 * Prints "KEY VALUE" lines: listening, dry (a round), waited_us (the longest
 * time), rounds. While FILE is there, a queue that is dry stays so.
 */
#include <err.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"
#include "region.h"

#define SIZE (4 << 20)
/* So long without a packet, and nobody has a buffer for one. */
#define DRY_US 100000
/* What a queue that is never filled again is said to take. */
#define LONGEST_US 10000000

static struct target target;
static struct memory mem;
static __u64 kept[SIZE / 4096];
static unsigned int num_kept;
static int counters, counter;
static struct ifreq ifr;

static long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void ask(void *cmd)
{
	ifr.ifr_data = cmd;
	if (ioctl(counters, SIOCETHTOOL, &ifr))
		err(1, "ethtool");
}

static void find_counter(const char *netif, int queue)
{
	static struct {
		struct ethtool_sset_info info;
		__u32 number;
	} set = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1 << ETH_SS_STATS } };
	struct ethtool_gstrings *names;
	char name[ETH_GSTRING_LEN];

	counters = socket(AF_INET, SOCK_DGRAM, 0);
	strncpy(ifr.ifr_name, netif, sizeof(ifr.ifr_name) - 1);
	ask(&set);
	names = calloc(1, sizeof(*names) + set.number * ETH_GSTRING_LEN);
	if (!names)
		err(1, NULL);
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	names->len = set.number;
	ask(names);
	snprintf(name, sizeof(name), "rx_queue_%d_packets", queue);
	for (counter = 0; counter < (int)set.number; counter++)
		if (!strcmp((char *)names->data + counter * ETH_GSTRING_LEN, name))
			break;
	if (counter == (int)set.number)
		errx(1, "there is no counter %s", name);
	free(names);
}

static __u64 packets(void)
{
	static struct {
		struct ethtool_stats stats;
		__u64 values[1024];
	} all = { .stats = { .cmd = ETHTOOL_GSTATS } };

	if (counter >= 1024)
		errx(1, "too many counters");
	all.stats.n_stats = 1024;
	ask(&all);
	return all.stats.data[counter];
}

static void arm_recv(int conn)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&target.ring);

	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, conn, NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
}

/* Receive, and give nothing back, until no packet comes in any more. */
static void run_dry(int conn)
{
	__u64 count = packets();
	long long since = now_us();

	while (now_us() - since < DRY_US) {
		struct __kernel_timespec timeout = { .tv_nsec = 10000000 };
		struct io_uring_cqe *cqe;
		__u64 more;

		io_uring_submit_and_wait_timeout(&target.ring, &cqe, 1, &timeout, NULL);
		while (!io_uring_peek_cqe(&target.ring, &cqe)) {
			struct io_uring_zcrx_cqe *zc = (void *)(cqe + 1);
			bool again = !(cqe->flags & IORING_CQE_F_MORE);

			if (cqe->res > 0 && num_kept < SIZE / 4096)
				kept[num_kept++] = zc->off;
			else if (!cqe->res)
				errx(1, "the stream has ended");
			io_uring_cqe_seen(&target.ring, cqe);
			if (again)
				arm_recv(conn);
		}
		more = packets();
		if (more != count) {
			count = more;
			since = now_us();
		}
	}
}

static void give_back(void)
{
	struct io_uring_zcrx_rq *rq = &target.rq;

	while (num_kept) {
		struct io_uring_zcrx_rqe *rqe = &rq->rqes[rq->rq_tail++ & (rq->ring_entries - 1)];

		rqe->off = (kept[--num_kept] & ~IORING_ZCRX_AREA_MASK) | target.token;
		rqe->len = 4096;
	}
	io_uring_smp_store_release(rq->ktail, rq->rq_tail);
}

int main(int argc, char **argv)
{
	long long begin, waited, longest = 0;
	int listener, conn, ret, round;
	unsigned int ifindex;

	if (argc != 6)
		errx(1, "usage: zcrx_starve NETIF QUEUE PORT ROUNDS FILE");
	ifindex = if_nametoindex(argv[1]);
	find_counter(argv[1], atoi(argv[2]));
	memory_open(&mem, "heap", SIZE);
	ret = target_open(&target, ifindex, atoi(argv[2]), mem.dmabuf, SIZE,
			  IORING_ZCRX_AREA_DMABUF);
	if (ret)
		errx(1, "queue: %s", strerror(-ret));
	if (target.rq.ring_entries < SIZE / 4096)
		errx(1, "the refill ring is too small");

	listener = pattern_listen(atoi(argv[3]));
	printf("listening %s\n", argv[3]);
	fflush(stdout);
	conn = accept(listener, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	arm_recv(conn);

	for (round = 0; round < atoi(argv[4]); round++) {
		__u64 count;

		run_dry(conn);
		printf("dry %d\n", round);
		fflush(stdout);
		while (!access(argv[5], F_OK))
			usleep(10000);
		/* at another moment of the driver's each time */
		usleep(round * 370000 % 2000000);

		count = packets();
		begin = now_us();
		give_back();
		while (packets() == count && now_us() - begin < LONGEST_US)
			usleep(500);
		waited = now_us() - begin;
		printf("# %lld us\n", waited);
		if (waited > longest)
			longest = waited;
	}
	printf("waited_us %lld\nrounds %d\n", longest, round);
	return 0;
}
