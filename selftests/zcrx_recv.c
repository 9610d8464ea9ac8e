// SPDX-License-Identifier: GPL-2.0
/*
 * Receive the stream of pattern_send into a dma-buf or a region, look at every
 * byte of it through the CPU's mapping, and end, if asked to, by having the
 * exporter take the memory away. Or (-w) bind nothing, or (-B) bind the queue and
 * receive nothing, and wait for the region to end. -N: the network device is in
 * another network namespace, and who sends gets there. -k FILE: keep what was
 * received where it is, list it in FILE ("OFFSET LENGTH" in the dma-buf, in the
 * order of the stream), and wait until FILE is removed; then look at it once
 * more. -H FILE: give nothing back as long as FILE is there, then all at once;
 * end when there is no buffer to be had for 3 seconds afterwards. -F: by the call
 * that flushes the refill ring. -J: give nothing back, but let a second thread
 * claim that the refill ring is overfull, with a buffer that was never received.
 * -f FILE: the memory is in use, by something that does not end as long as FILE
 * is there. -e: ask for the event, with the queue twice in the ring, and when a
 * revocation has ended the receive, begin three more that wait for data first.
 * -g MS: get a signal each so many milliseconds. -D FILE: begin to
 * receive from the connection when FILE is removed. -E: end when there is no
 * buffer to be had, instead of trying again. -Z MS: once, when as much as the memory
 * holds has come, sleep for so many milliseconds. -Q ENTRIES: of the completion
 * queue. -M: have completions merged.
 * -X: lie to the refill ring now and then: return what is not there, and twice. -XX:
 * return all of the memory, also what has come and was not looked at.
 * -C CONNECTIONS: so many, each with the same stream.
 *
 * Prints "KEY VALUE" lines: placement, listening, received, correct, error,
 * message, event, mapped (bytes of all regions, when that came), late, late_async
 * and late_linked (how those of -e have ended),
 * revoke_us, hangup, state, dmabuf (with -k), holding, still (it is all there, with -k), held
 * (with -H, when nothing has come for a while), signals (with -g, now and then),
 * timeouts (with -f, each time that a copy was given up; the receive goes on), the bytes
 * that were copied: header, page, other_queue, refused, and the packets that could not be
 * verified: unverified. With -Z: gap_ms, the longest time without payload
 * afterwards. With -t, when the time is over: error ETIMEDOUT, and connection, once for each:
 * its bytes that were received, those that TCP has, and the packets that came out of
 * order. With -M and -e: mixed, what one gets that has the
 * queue a second time and does not ask for that. With -M: how many completions there were, and
 * pieces in them, the smallest stride, and lies.
 * Exit status 0 unless the test itself went wrong, or the time of -t was over.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "kept.h"
#include "pattern.h"
#include "region.h"
#include "zcrx_abi.h"

/* RECV is that of the first connection, the others follow. */
enum { ACCEPT = 1, EVENT, LATE, RECV };

#define LATE_WAIT	10	/* seconds */

static int later;	/* a receive of -e begins when this is written to */
static const char * const placements[] = { "unknown", "host", "device" };

static const char *netif, *source = "heap", *how, *netns;
static int queue, port = 9000;
static bool as_region, require_p2p, idle, waits, blind;
static size_t size, offset, revoke_after;
static unsigned long long limit;
static const char *hold, *busy, *delay;
static bool junk, flush, impatient;
static int lies;
static unsigned int nr_lies;
static int signal_ms;
static volatile sig_atomic_t signals, expired;
static unsigned int sleep_ms;
static long long gap_us;

static struct memory mem;
static struct target target;
static int region = -1;
static unsigned long long received, completions, pieces;
static unsigned int stride;
static bool correct = true;

/* Connections, each with the same stream. */
#define MOST_CONNS 16
static unsigned int nr_conns = 1;
static struct {
	int fd;
	unsigned long long received;
} conns[MOST_CONNS];

static void enter(const char *path)
{
	int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		err(1, "%s", path);
	close(ns);
}

/* The ring has its queue once more. */
static void import_own(void)
{
	struct zcrx_ctrl ctrl = { .op = ZCRX_CTRL_EXPORT };
	struct io_uring_zcrx_ifq_reg reg = { .flags = ZCRX_REG_IMPORT | target_flags };
	int ret = io_uring_register_zcrx_ctrl(&target.ring, &ctrl);

	if (ret)
		errx(1, "export: %s", strerror(-ret));
	reg.if_idx = ctrl.zc_export.zcrx_fd;
	if (target_flags) {
		/* One that would take its completions for others. */
		reg.flags = ZCRX_REG_IMPORT;
		ret = io_uring_register_ifq(&target.ring, &reg);
		printf("mixed %s\n", ret < 0 ? strerrorname_np(-ret) : "0");
		reg.flags |= target_flags;
	}
	ret = io_uring_register_ifq(&target.ring, &reg);
	if (ret)
		errx(1, "import: %s", strerror(-ret));
	close(ctrl.zc_export.zcrx_fd);
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
			.flags = NETGPU_REGION_RX | (require_p2p ? NETGPU_REGION_REQUIRE_P2P : 0),
			.ifindex = ifindex,
			.queue = queue,
		};

		region = region_create(open_netgpu(), &create);
		if (region < 0) {
			printf("error %s\nmessage %s\n", strerrorname_np(errno),
			       region_message);
			exit(0);
		}
		printf("placement %s\n", placements[create.placement]);
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
	if (target_event)
		import_own();
}

static struct io_uring_sqe *get_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&target.ring);

	if (!sqe)
		errx(1, "submission queue full");
	return sqe;
}

static void arm_recv(unsigned int conn)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, conns[conn].fd, NULL, 0, 0);
	sqe->user_data = RECV + conn;
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

/* @off and @len: what has just been returned. */
static void lie(__u64 off, __u32 len)
{
	nr_lies++;
	if (lies > 1) {
		give_back(0, mem.size);
		return;
	}
	switch (nr_lies % 5) {
	case 0: give_back(off, len); break;
	case 1: give_back(mem.size - 4096, 8192); break;
	case 2: give_back(mem.size, 4096); break;
	case 3: give_back(0, UINT32_MAX); break;
	case 4: give_back(1ULL << 47, 4096); break;
	}
}

/* Bytes that lie next to each other: the next part of the stream. */
static bool take_piece(unsigned int conn, __u64 off, __u32 len)
{
	__u64 at = offset + (off & ~IORING_ZCRX_AREA_MASK);

	if (!blind && correct)
		correct = pattern_check(mem.cpu + at, conns[conn].received, len);
	conns[conn].received += len;
	received += len;
	pieces++;
	return kept_add(at, len);
}

/* All that a completion tells of. *@span: from its first byte to its last. */
static bool take(const struct io_uring_cqe *cqe, __u32 *span)
{
	const struct io_uring_zcrx_cqe *zc = (const void *)(cqe + 1);
	const struct netgpu_zcrx_cqe *merged = (const void *)zc;
	unsigned int conn = cqe->user_data - RECV;
	__u32 left = cqe->res, at = 0, len;
	bool kept = false;

	completions++;
	if (!target_flags) {
		*span = left;
		return take_piece(conn, zc->off, left);
	}
	if (merged->stride && (!stride || merged->stride < stride))
		stride = merged->stride;
	if (!merged->piece || (merged->stride && merged->stride <= merged->piece) ||
	    (!merged->stride && merged->piece != left))
		errx(1, "%u bytes in pieces of %u, %u from one to the next",
		     left, merged->piece, merged->stride);
	for (; left; left -= len) {
		len = left < merged->piece ? left : merged->piece;
		kept |= take_piece(conn, merged->off + at, len);
		*span = at + len;
		at += merged->stride;
	}
	return kept;
}

/* What has been received and not given back, with -H. */
static struct {
	__u64 off;
	__u32 len;
} *held;
static size_t nr_held;

static void keep_for_now(__u64 off, __u32 len)
{
	held = reallocarray(held, nr_held + 1, sizeof(held[0]));
	if (!held)
		err(1, "memory");
	held[nr_held].off = off;
	held[nr_held++].len = len;
}

static bool holding(void)
{
	return hold && !access(hold, F_OK);
}

static void let_go(void)
{
	size_t i;

	for (i = 0; i < nr_held; i++)
		give_back(held[i].off, held[i].len);
	nr_held = 0;
	if (flush && zcrx_flush_rq(&target.ring, 0))
		errx(1, "flush");
}

/* The network device's own buffers are the first ones of the memory. */
static void *spoil_refill(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < target.rq.ring_entries; i++)
		target.rq.rqes[i].off = target.token;
	while (1)
		io_uring_smp_store_release(target.rq.ktail,
					   IO_URING_READ_ONCE(*target.rq.khead) - 1);
	return NULL;
}

/* A fence that user space signals, of <drivers/dma-buf/sw_sync.c>. */
struct sw_sync_create_fence_data {
	__u32 value;
	char name[32];
	__s32 fence;
};

#define SW_SYNC_IOC_CREATE_FENCE	_IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC			_IOW('W', 1, __u32)

static void *end_use(void *arg)
{
	int timeline = *(int *)arg;
	__u32 one = 1;

	while (!access(busy, F_OK))
		usleep(10000);
	if (ioctl(timeline, SW_SYNC_IOC_INC, &one))
		err(1, "SW_SYNC_IOC_INC");
	return NULL;
}

static void begin_use(void)
{
	struct sw_sync_create_fence_data fence = { .value = 1, .name = "netgpu-test" };
	struct dma_buf_import_sync_file import = { .flags = DMA_BUF_SYNC_WRITE };
	static int timeline;
	pthread_t thread;

	timeline = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);
	if (timeline < 0 || ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, &fence))
		err(1, "sw_sync");
	import.fd = fence.fence;
	if (ioctl(mem.dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import))
		err(1, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
	close(fence.fence);
	if (pthread_create(&thread, NULL, end_use, &timeline))
		errx(1, "thread");
}

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void begin_signals(void)
{
	const struct timespec period = { .tv_nsec = signal_ms * 1000000L };
	const struct itimerspec each = { .it_interval = period, .it_value = period };
	struct sigaction action = { .sa_handler = count_signal };
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGUSR1,
		._sigev_un._tid = gettid(),
	};
	timer_t timer;

	if (sigaction(SIGUSR1, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &each, NULL))
		err(1, "signals");
}

static void expire(int number)
{
	(void)number;
	expired = 1;
}

/* Who receives tells how far it came, all else just ends. */
static void tell_when_expired(bool tell)
{
	const struct sigaction action = { .sa_handler = tell ? expire : SIG_DFL };

	if (sigaction(SIGALRM, &action, NULL))
		err(1, "SIGALRM");
}

/* Again and again: what waits next shall not miss it. 0: not any more. */
static void limit_time(unsigned int seconds)
{
	const struct itimerval limit = { { .tv_sec = 1 }, { .tv_sec = seconds } };

	if (setitimer(ITIMER_REAL, &limit, NULL))
		err(1, "-t");
}

/* What came of each connection, for who wants to know why it took so long. */
static void report_connections(void)
{
	unsigned int i;

	for (i = 0; i < nr_conns && conns[i].fd > 0; i++) {
		struct tcp_info info = {};
		socklen_t len = sizeof(info);

		if (getsockopt(conns[i].fd, IPPROTO_TCP, TCP_INFO, &info, &len))
			warn("TCP_INFO");
		printf("connection %llu %llu %u\n", conns[i].received,
		       (unsigned long long)info.tcpi_bytes_received, info.tcpi_rcv_ooopack);
	}
}

static void *take_away(void *arg)
{
	(void)arg;
	printf("revoke_us %lld\n", memory_revoke(&mem, how));
	return NULL;
}

/* A receive that waits for data first, although none will be received. */
static void receive_late(int conn, unsigned int sqe_flags, unsigned int recv_flags)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, conn, NULL, 0, 0);
	sqe->user_data = LATE;
	sqe->flags |= sqe_flags;
	sqe->ioprio |= IORING_RECV_MULTISHOT | recv_flags;
}

/* One that the ring has already, and that begins when somebody writes to @later. */
static void receive_later(int conn)
{
	static uint64_t word;
	struct io_uring_sqe *sqe = get_sqe();

	later = eventfd(0, EFD_CLOEXEC);
	if (later < 0)
		err(1, "eventfd");
	io_uring_prep_read(sqe, later, &word, sizeof(word), 0);
	sqe->user_data = LATE;
	sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	receive_late(conn, IOSQE_ASYNC, 0);
}

/* By then the region has ended. */
static void report_event(int event)
{
	struct netgpu_query query;

	regions_query(&query);
	printf("event %d\nmapped %llu\n", event, query.mapped_bytes);
}

/* How did it end? */
static int wait_late(void)
{
	struct __kernel_timespec ts = { .tv_sec = LATE_WAIT };
	struct io_uring_cqe *cqe;
	int ret, res = 0;

	do {
		ret = io_uring_submit_and_wait_timeout(&target.ring, &cqe, 1, &ts, NULL);
		while (ret >= 0 && !io_uring_peek_cqe(&target.ring, &cqe)) {
			if (cqe->user_data == EVENT)
				report_event(cqe->res);
			if (cqe->user_data == LATE)
				res = cqe->res;
			io_uring_cqe_seen(&target.ring, cqe);
		}
	} while (ret >= 0 && !res);
	return res ? res : ret;
}

/* Wait for a completion; with -H look at the file meanwhile. */
static int wait_cqe(void)
{
	struct __kernel_timespec ts = { .tv_nsec = 200000000 };
	static unsigned long long told;
	struct io_uring_cqe *cqe;
	int ret;

	if (!hold)
		return io_uring_submit_and_wait(&target.ring, 1);

	ret = io_uring_submit_and_wait_timeout(&target.ring, &cqe, 1, &ts, NULL);
	if (ret == -ETIME && holding() && received > told) {
		told = received;
		printf("held %llu\n", received);
	}
	return ret == -ETIME ? 0 : ret;
}

/* No buffer, and has been so for a while, although all were given back. */
static bool starves(void)
{
	static unsigned long long last;
	static time_t since;
	time_t now = time(NULL);

	if (!hold || nr_held || received != last || !since) {
		last = received;
		since = now;
	}
	return now - since > 3;
}

/* Sleep once, and see what comes how soon afterwards. */
static void rest(void)
{
	static unsigned long long before;
	static long long since;
	struct timespec ts;
	long long now;

	if (received == before || received < size)
		return;
	if (!since)
		usleep(sleep_ms * 1000);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
	if (since && now - since > gap_us)
		gap_us = now - since;
	before = received;
	since = now;
}

static void arm_accept(int listener)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
	sqe->user_data = ACCEPT;
}

static int receive(void)
{
	unsigned int i, accepted = 0, ended = 0;
	bool revoking = false;
	int listener, told = 0, timeouts = 0, error = 0;
	pthread_t thread;

	if (junk && pthread_create(&thread, NULL, spoil_refill, NULL))
		errx(1, "thread");

	listener = pattern_listen(port);
	arm_accept(listener);
	printf("listening %d\n", port);
	fflush(stdout);

	tell_when_expired(true);
	while (1) {
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0, rearm = 0;
		bool end = false;

		if (nr_held && !holding())
			let_go();
		error = wait_cqe();
		if (expired) {
			error = -ETIMEDOUT;
			break;
		}
		if (error == -EINTR) {
			if (signals >= told + 10) {
				told = signals;
				printf("signals %d\n", told);
			}
			continue;
		}
		if (error < 0)
			break;
		error = 0;

		io_uring_for_each_cqe(&target.ring, head, cqe) {
			struct io_uring_zcrx_cqe *zc = (void *)(cqe + 1);
			__u32 span;

			seen++;
			if (cqe->user_data == ACCEPT) {
				if (cqe->res < 0)
					errx(1, "accept: %s", strerror(-cqe->res));
				conns[accepted].fd = cqe->res;
				if (target_event)
					receive_later(cqe->res);
				while (delay && !access(delay, F_OK))
					usleep(10000);
				rearm |= 1U << accepted++;
				if (accepted < nr_conns)
					arm_accept(listener);
				continue;
			}
			if (cqe->user_data == EVENT) {
				report_event(cqe->res);
				continue;
			}
			/* No room for a completion, or no free buffer for a copy. */
			if (cqe->res == -ENOSPC ||
			    (cqe->res == -ENOMEM && !impatient && !starves())) {
				rearm |= 1U << (cqe->user_data - RECV);
			} else if (cqe->res == -ETIMEDOUT && busy) {
				printf("timeouts %d\n", ++timeouts);
				rearm |= 1U << (cqe->user_data - RECV);
			} else if (cqe->res <= 0) {
				error = error ?: cqe->res;
				end |= error || ++ended == nr_conns;
			} else {
				bool kept = take(cqe, &span);

				if (holding())
					keep_for_now(zc->off, span);
				else if (!kept && !junk)
					give_back(zc->off, span);
				if (lies && completions % 4 == 0)
					lie(zc->off, span);
				if (!(cqe->flags & IORING_CQE_F_MORE))
					rearm |= 1U << (cqe->user_data - RECV);
			}
		}
		io_uring_cq_advance(&target.ring, seen);

		if (end)
			break;
		for (i = 0; i < accepted; i++)
			if (rearm & 1U << i)
				arm_recv(i);
		if (how && !revoking && received >= revoke_after) {
			/* The mapping of the BAR faults from now on. */
			blind = true;
			revoking = true;
			if (pthread_create(&thread, NULL, take_away, NULL))
				errx(1, "thread");
		}
		if (sleep_ms)
			rest();
		if (limit && received >= limit)
			break;
	}
	if (expired) {
		limit_time(0);
		return error;
	}
	tell_when_expired(false);
	if (revoking)
		pthread_join(thread, NULL);
	if (target_event && error == -ENODEV) {
		receive_late(conns[0].fd, 0, IORING_RECVSEND_POLL_FIRST);
		printf("late %s\n", strerrorname_np(-wait_late()));
		receive_late(conns[0].fd, IOSQE_ASYNC, 0);
		printf("late_async %s\n", strerrorname_np(-wait_late()));
		if (eventfd_write(later, 1))
			err(1, "eventfd");
		printf("late_linked %s\n", strerrorname_np(-wait_late()));
	}
	return error;
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
	       query.copied_header_bytes,
	       query.copied_page_bytes,
	       query.copied_other_queue_bytes,
	       query.copy_refused_bytes, query.unverified_packets);
}

static const char usage[] =
	"usage: zcrx_recv -i NETIF -q QUEUE [-m MEMORY] [-s SIZE] [-r [-o OFFSET] [-P] [-w|-B]]\n"
	"                 [-n BYTES] [-p PORT] [-x HOW -a BYTES] [-b] [-e] [-L BYTES]\n"
	"                 [-t SECONDS] [-N NETNS] [-k FILE] [-H FILE [-F]] [-J] [-f FILE] [-g MS]\n"
	"                 [-D FILE] [-E] [-M [-X[X]]] [-C CONNECTIONS] [-Z MS] [-Q ENTRIES]";

int main(int argc, char **argv)
{
	int opt, error;

	while ((opt = getopt(argc, argv,
			     "i:q:m:s:o:rPwBbeL:n:p:x:a:t:N:k:H:FJf:g:D:EMXC:Z:Q:")) != -1) {
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
		case 't': limit_time(atoi(optarg)); break;
		case 'k': kept_open(optarg); break;
		case 'H': hold = optarg; break;
		case 'F': flush = true; break;
		case 'J': junk = impatient = true; break;
		case 'f': busy = optarg; break;
		case 'E': impatient = true; break;
		case 'X': lies++; break;
		case 'M': target_flags = NETGPU_ZCRX_REG_MERGE; break;
		case 'D': delay = optarg; break;
		case 'C': nr_conns = atoi(optarg); break;
		case 'Z': sleep_ms = atoi(optarg); break;
		case 'Q': target_cq_entries = atoi(optarg); break;
		case 'g': signal_ms = atoi(optarg); break;
		default:
			errx(2, "%s", usage);
		}
	}
	if (!netif)
		errx(2, "-i NETIF is missing");
	if (nr_conns < 1 || nr_conns > MOST_CONNS)
		errx(2, "-C: 1 to %d connections", MOST_CONNS);
	setvbuf(stdout, NULL, _IOLBF, 0);

	setup();
	if (waits) {
		struct pollfd poll_region = { .fd = region };

		/* Not to be what keeps it. */
		if (netns)
			enter("/proc/1/ns/net");
		printf("listening not\n");
		poll(&poll_region, 1, -1);
		report_region();
		return 0;
	}
	if (busy)
		begin_use();
	if (signal_ms)
		begin_signals();
	error = receive();
	if (signal_ms)
		printf("signals %d\n", (int)signals);
	if (sleep_ms)
		printf("gap_ms %lld\n", gap_us / 1000);
	printf("received %llu\n", received);
	printf("correct %d\n", correct);
	if (expired)
		report_connections();
	if (target_flags)
		printf("completions %llu\npieces %llu\nstride %u\nlies %u\n", completions, pieces,
		       stride, nr_lies);
	printf("error %s\n", error ? strerrorname_np(-error) : "0");
	if (as_region)
		report_copies();
	if (as_region && (how || error == -ENODEV))
		report_region();
	if (expired)
		return 1;
	kept_hold(mem.dmabuf, blind || !correct ? NULL : mem.cpu);
	return 0;
}
