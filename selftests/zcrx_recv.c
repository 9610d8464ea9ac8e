// SPDX-License-Identifier: GPL-2.0
/*
 * Receive the stream of pattern_send into a dma-buf or a region, look at every
 * byte of it through the CPU's mapping, and end, if asked to, by having the
 * exporter take the memory away. Or (-w) bind nothing, or (-B) bind the queue and
 * receive nothing, and wait for the region to end. -N: the network device is in
 * another network namespace. -k FILE: keep what was received where it is, list it
 * in FILE ("OFFSET LENGTH" in the dma-buf, in the order of the stream), and wait
 * until FILE is removed; then look at it once more.
 *
 * Prints "KEY VALUE" lines: placement, listening, received, correct, error,
 * message, event, revoke_us, hangup, state, dmabuf (with -k), holding, still (it
 * is all there, with -k), the bytes that were copied: header, page, other_queue,
 * refused, and the packets that could not be verified: unverified. Exit status 0 unless the test itself went wrong.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kept.h"
#include "pattern.h"
#include "region.h"

enum { ACCEPT = 1, RECV, EVENT };

static const char *netif, *source = "heap", *how, *netns;
static int queue, port = 9000;
static bool as_region, require_p2p, idle, waits, blind;
static size_t size, offset, revoke_after;
static unsigned long long limit;

static struct memory mem;
static struct target target;
static int region = -1;
static unsigned long long received;
static bool correct = true;

static void enter(const char *path)
{
	int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		err(1, "%s", path);
	close(ns);
}

static void setup(void)
{
	unsigned int flags = IORING_ZCRX_AREA_DMABUF;
	unsigned int ifindex;
	int ret, fd;

	if (netns)
		enter(netns);
	ifindex = if_nametoindex(netif);

	memory_open(&mem, source, size);
	fd = mem.dmabuf;
	if (as_region) {
		struct netgpu_region_create create = {
			.dmabuf_fd = mem.dmabuf,
			.offset = offset,
			.length = mem.size - offset,
			.flags = require_p2p ? NETGPU_REGION_REQUIRE_P2P : 0,
			.ifindex = ifindex,
			.queue = queue,
		};

		region = region_create(open_netgpu(), &create);
		if (region < 0) {
			printf("error %s\nmessage %s\n", strerrorname_np(errno),
			       region_message);
			exit(0);
		}
		printf("placement %s\n",
		       create.placement == NETGPU_PLACEMENT_DEVICE ? "device" : "host");
		fd = region;
		flags |= NETGPU_ZCRX_AREA_REGION;
	}
	if (idle)
		return;
	ret = target_open(&target, ifindex, queue, fd, mem.size - offset, flags);
	if (ret) {
		printf("error %s\n", strerrorname_np(-ret));
		exit(0);
	}
}

static struct io_uring_sqe *get_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&target.ring);

	if (!sqe)
		errx(1, "submission queue full");
	return sqe;
}

static void arm_recv(int fd)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, fd, NULL, 0, 0);
	sqe->user_data = RECV;
	sqe->ioprio |= IORING_RECV_MULTISHOT;
}

static void give_back(__u64 off, __u32 len)
{
	struct io_uring_zcrx_rqe *rqe =
		&target.rq.rqes[target.rq.rq_tail & (target.rq.ring_entries - 1)];

	rqe->off = (off & ~IORING_ZCRX_AREA_MASK) | target.token;
	rqe->len = len;
	io_uring_smp_store_release(target.rq.ktail, ++target.rq.rq_tail);
}

static void *take_away(void *arg)
{
	(void)arg;
	printf("revoke_us %lld\n", memory_revoke(&mem, how));
	return NULL;
}

static int receive(void)
{
	bool revoking = false;
	struct io_uring_sqe *sqe;
	int conn = -1, error = 0;
	pthread_t thread;

	sqe = get_sqe();
	io_uring_prep_accept(sqe, pattern_listen(port), NULL, NULL, 0);
	sqe->user_data = ACCEPT;
	printf("listening %d\n", port);
	fflush(stdout);

	while (1) {
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0;
		bool rearm = false, end = false;

		error = io_uring_submit_and_wait(&target.ring, 1);
		if (error < 0)
			return error;

		io_uring_for_each_cqe(&target.ring, head, cqe) {
			struct io_uring_zcrx_cqe *zc = (void *)(cqe + 1);

			seen++;
			if (cqe->user_data == ACCEPT) {
				if (cqe->res < 0)
					errx(1, "accept: %s", strerror(-cqe->res));
				conn = cqe->res;
				rearm = true;
				continue;
			}
			if (cqe->user_data == EVENT) {
				printf("event %d\n", cqe->res);
				continue;
			}
			/* No room for a completion, or no free buffer for a copy. */
			if (cqe->res == -ENOSPC || cqe->res == -ENOMEM) {
				rearm = true;
			} else if (cqe->res <= 0) {
				error = cqe->res;
				end = true;
			} else {
				__u64 at = offset + (zc->off & ~IORING_ZCRX_AREA_MASK);

				if (!blind && correct)
					correct = pattern_check(mem.cpu + at, received,
								cqe->res);
				received += cqe->res;
				if (!kept_add(at, cqe->res))
					give_back(zc->off, cqe->res);
				rearm = !(cqe->flags & IORING_CQE_F_MORE);
			}
		}
		io_uring_cq_advance(&target.ring, seen);

		if (end)
			break;
		if (rearm)
			arm_recv(conn);
		if (how && !revoking && received >= revoke_after) {
			/* The mapping of the BAR faults from now on. */
			blind = true;
			revoking = true;
			if (pthread_create(&thread, NULL, take_away, NULL))
				errx(1, "thread");
		}
		if (limit && received >= limit)
			break;
	}
	if (revoking)
		pthread_join(thread, NULL);
	return error < 0 ? error : 0;
}

static void report_region(void)
{
	static const char * const states[] = { "", "idle", "bound", "revoked" };
	struct pollfd poll_region = { .fd = region, .events = POLLIN };
	struct netgpu_region_query query = {};

	printf("hangup %d\n", poll(&poll_region, 1, 2000) == 1 &&
	       (poll_region.revents & POLLHUP));
	if (ioctl(region, NETGPU_IOC_REGION_QUERY, &query))
		err(1, "query");
	printf("state %s\n", states[query.state]);
}

static void report_copies(void)
{
	struct netgpu_region_query query = {};

	if (ioctl(region, NETGPU_IOC_REGION_QUERY, &query))
		err(1, "query");
	printf("header %llu\npage %llu\nother_queue %llu\nrefused %llu\nunverified %llu\n",
	       query.copied_bytes[NETGPU_COPY_HEADER],
	       query.copied_bytes[NETGPU_COPY_PAGE],
	       query.copied_bytes[NETGPU_COPY_OTHER_QUEUE],
	       query.copy_refused_bytes, query.unverified);
}

static const char usage[] =
	"usage: zcrx_recv -i NETIF -q QUEUE [-m MEMORY] [-s SIZE] [-r [-o OFFSET] [-P] [-w|-B]]\n"
	"                 [-n BYTES] [-p PORT] [-x HOW -a BYTES] [-b] [-e] [-L BYTES]\n"
	"                 [-t SECONDS] [-N NETNS] [-k FILE]";

int main(int argc, char **argv)
{
	int opt, error;

	while ((opt = getopt(argc, argv, "i:q:m:s:o:rPwBbeL:n:p:x:a:t:N:k:")) != -1) {
		switch (opt) {
		case 'i': netif = optarg; break;
		case 'q': queue = atoi(optarg); break;
		case 'm': source = optarg; break;
		case 's': size = strtoull(optarg, NULL, 0); break;
		case 'o': offset = strtoull(optarg, NULL, 0); break;
		case 'r': as_region = true; break;
		case 'P': require_p2p = true; break;
		case 'w': waits = true; idle = true; break;
		case 'B': waits = true; break;
		case 'b': blind = true; break;
		case 'e': target_event = EVENT; break;
		case 'L': target_buf_len = strtoul(optarg, NULL, 0); break;
		case 'n': limit = strtoull(optarg, NULL, 0); break;
		case 'p': port = atoi(optarg); break;
		case 'x': how = optarg; break;
		case 'a': revoke_after = strtoull(optarg, NULL, 0); break;
		case 'N': netns = optarg; break;
		case 't': alarm(atoi(optarg)); break;
		case 'k': kept_open(optarg); break;
		default:
			errx(2, "%s", usage);
		}
	}
	if (!netif)
		errx(2, "-i NETIF is missing");
	setvbuf(stdout, NULL, _IOLBF, 0);

	setup();
	if (netns)
		enter("/proc/1/ns/net");
	if (waits) {
		struct pollfd poll_region = { .fd = region };

		printf("listening not\n");
		poll(&poll_region, 1, -1);
		report_region();
		return 0;
	}
	error = receive();
	printf("received %llu\n", received);
	printf("correct %d\n", correct);
	printf("error %s\n", error ? strerrorname_np(-error) : "0");
	if (as_region)
		report_copies();
	if (as_region && (how || error == -ENODEV))
		report_region();
	kept_hold(mem.dmabuf, blind || !correct ? NULL : mem.cpu);
	return 0;
}
