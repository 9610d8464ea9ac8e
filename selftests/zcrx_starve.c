// SPDX-License-Identifier: GPL-2.0
/*
 * Keep all buffers of a queue until it has none left, see how often its driver asks
 * for one, give them all back, and see how long it still asks in vain. Somebody has
 * to send a stream.
 *
 * Usage: zcrx_starve NETIF QUEUE PORT ROUNDS FILE [BUFFER]
 * BUFFER: bytes of each buffer; all first parts of these go back, then all second ones,
 * and so on.
 * Prints "KEY VALUE" lines: listening, dry (a round), asks (the fewest in a second),
 * waited_us (the longest time), vain (how often it asked in that time, at most),
 * rounds. While FILE is there, a queue that is dry stays so.
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

#define SIZE (16 << 20)
/* What a packet takes of it; of what is copied there may be smaller pieces. */
#define PART 2048
#define KEPT_MAX (2 * SIZE / PART)
/* So long without a packet, and nobody has a buffer for one. */
#define DRY_US 100000
/* Asked in vain for so long: it is not filled any more. */
#define LONGEST_US 10000000
/* And not once for so long: it has what it wants. */
#define FULL_US 500000
/* The sender waits for twice as long after each of its attempts. */
#define SENT_US 30000000

enum { PACKETS, FAILED, COUNTERS };

static struct target target;
static struct memory mem;
static __u64 kept[KEPT_MAX];
static unsigned int num_kept;
static int counters, places[COUNTERS];
static size_t num_counters;
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

static void find_counters(const char *netif, int queue)
{
	static struct {
		struct ethtool_sset_info info;
		__u32 number;
	} set = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1 << ETH_SS_STATS } };
	static const char * const names[] = { "packets", "alloc_failed" };
	struct ethtool_gstrings *strings;
	char name[ETH_GSTRING_LEN];
	size_t place;
	int i;

	counters = socket(AF_INET, SOCK_DGRAM, 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", netif);
	ask(&set);
	num_counters = set.number;
	strings = calloc(1, sizeof(*strings) + num_counters * ETH_GSTRING_LEN);
	if (!strings)
		err(1, NULL);
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_STATS;
	strings->len = num_counters;
	ask(strings);
	for (i = 0; i < COUNTERS; i++) {
		snprintf(name, sizeof(name), "rx_queue_%d_%s", queue, names[i]);
		for (place = 0; place < num_counters; place++)
			if (!strcmp((char *)strings->data + place * ETH_GSTRING_LEN, name))
				break;
		if (place == num_counters)
			errx(1, "there is no counter %s", name);
		places[i] = place;
	}
	free(strings);
}

static __u64 count(int which)
{
	static struct {
		struct ethtool_stats stats;
		__u64 values[1024];
	} all = { .stats = { .cmd = ETHTOOL_GSTATS } };

	if (num_counters > 1024)
		errx(1, "too many counters");
	/* Linux says nothing to who expects another number of them. */
	all.stats.n_stats = num_counters;
	ask(&all);
	if (!all.stats.n_stats)
		errx(1, "the number of counters has changed");
	return all.stats.data[places[which]];
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
	__u64 packets = count(PACKETS), failed = count(FAILED);
	long long since = now_us();

	while (now_us() - since < DRY_US || count(FAILED) == failed) {
		struct __kernel_timespec timeout = { .tv_nsec = 10000000 };
		struct io_uring_cqe *cqe;
		__u64 more;

		io_uring_submit_and_wait_timeout(&target.ring, &cqe, 1, &timeout, NULL);
		while (!io_uring_peek_cqe(&target.ring, &cqe)) {
			struct io_uring_zcrx_cqe *zc = (void *)(cqe + 1);
			bool again = !(cqe->flags & IORING_CQE_F_MORE);

			if (!cqe->res)
				errx(1, "the stream has ended");
			if (cqe->res > 0 && num_kept == KEPT_MAX)
				errx(1, "more pieces than there is room for");
			if (cqe->res > 0)
				kept[num_kept++] = zc->off;
			io_uring_cqe_seen(&target.ring, cqe);
			if (again)
				arm_recv(conn);
		}
		more = count(PACKETS);
		if (more != packets) {
			packets = more;
			failed = count(FAILED);
			since = now_us();
		}
	}
}

static int by_part(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a & ~IORING_ZCRX_AREA_MASK;
	__u64 y = *(const __u64 *)b & ~IORING_ZCRX_AREA_MASK;
	__u64 mask = target_buf_len - 1;

	if ((x & mask) != (y & mask))
		return (x & mask) < (y & mask) ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Write them into the refill ring; the caller tells the kernel of them. */
static void prepare_all(void)
{
	struct io_uring_zcrx_rq *rq = &target.rq;

	if (num_kept > rq->ring_entries - (rq->rq_tail - io_uring_smp_load_acquire(rq->khead)))
		errx(1, "the refill ring is too small");
	if (target_buf_len)
		qsort(kept, num_kept, sizeof(kept[0]), by_part);

	while (num_kept) {
		struct io_uring_zcrx_rqe *rqe = &rq->rqes[rq->rq_tail++ & (rq->ring_entries - 1)];

		rqe->off = (kept[--num_kept] & ~IORING_ZCRX_AREA_MASK) | target.token;
		rqe->len = 4096;
	}
}

int main(int argc, char **argv)
{
	long long begin, last, longest = 0;
	__u64 packets, failed, before, vain = 0, fewest = ~0ULL;
	int listener, conn, ret, round;
	unsigned int ifindex;

	if (argc != 6 && argc != 7)
		errx(1, "usage: zcrx_starve NETIF QUEUE PORT ROUNDS FILE [BUFFER]");
	if (argc == 7)
		target_buf_len = atoi(argv[6]);
	ifindex = if_nametoindex(argv[1]);
	find_counters(argv[1], atoi(argv[2]));
	memory_open(&mem, "heap", SIZE);
	ret = target_open(&target, ifindex, atoi(argv[2]), mem.dmabuf, SIZE,
			  IORING_ZCRX_AREA_DMABUF);
	if (ret)
		errx(1, "queue: %s", strerror(-ret));

	listener = pattern_listen(atoi(argv[3]));
	printf("listening %s\n", argv[3]);
	fflush(stdout);
	conn = accept(listener, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	arm_recv(conn);

	for (round = 0; round < atoi(argv[4]); round++) {
		run_dry(conn);
		printf("dry %d\n", round);
		fflush(stdout);
		while (!access(argv[5], F_OK))
			usleep(10000);

		failed = count(FAILED);
		sleep(1);
		failed = count(FAILED) - failed;
		if (failed < fewest)
			fewest = failed;
		/* at another moment of the driver's each time */
		usleep(round * 370000 % 2000000);

		/* Sorting them takes its time, in which it asks in vain. */
		prepare_all();
		begin = now_us();
		last = begin;
		packets = count(PACKETS);
		before = count(FAILED);
		failed = before;
		io_uring_smp_store_release(target.rq.ktail, target.rq.rq_tail);
		/* The sender may be waiting; when it is not, all are soon gone again. */
		while (now_us() - last < FULL_US && now_us() - begin < LONGEST_US &&
		       count(PACKETS) == packets) {
			__u64 more = count(FAILED);

			if (more != failed)
				last = now_us();
			failed = more;
			usleep(500);
		}
		printf("# asked in vain for %lld us, %llu times\n", last - begin, failed - before);
		if (last - begin > longest)
			longest = last - begin;
		if (failed - before > vain)
			vain = failed - before;
		while (count(PACKETS) == packets) {
			if (now_us() - begin > SENT_US)
				errx(1, "no packet has come since they are back");
			usleep(10000);
		}
	}
	printf("asks %llu\nwaited_us %lld\nvain %llu\nrounds %d\n", fewest, longest, vain, round);
	return 0;
}
