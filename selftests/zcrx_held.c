// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers that user space holds: the device gets those that are pushed into the
 * refill ring, in the order of that, and no others, and they can be taken back.
 *
 * Usage: zcrx_held NETIF QUEUE PORT MEMORY END
 * MEMORY: device memory, e.g. vfio:ADDRESS. END: what ends it when buffers are with
 * user space, pushed, with the device and in the socket: exit, or what memory_revoke()
 * knows. NETIF has 64 descriptors, and each packet a page.
 *
 * Prints "listening PORT", "send BYTES" when the sender's stream is to go on, for each
 * result "result STATUS NAME", and "skip RESULTS WHY" without the module queue_fault.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"
#include "region.h"
#include "zcrx_abi.h"

#define PAGE		4096UL
#define ORDINARY	256		/* pages of area 0 */
#define HELD		512		/* pages of area 1 */
#define RING		64		/* what the device takes at least */
#define MARKER		0xee
#define WAIT_MS		20000		/* a packet may be lost more than once, and RTO is 2 s */
#define UNDER_WAY	64		/* pages: all can be in the socket, behind a lost one */
#define STREAM		(16 << 20)

#define FLAGS		(IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION)
#define PARAMETERS	"/sys/module/queue_fault/parameters/"

static unsigned int ifindex, queue;
static struct memory mem;
static int netgpu, conn = -1;
static struct target target;
static __u64 held_token;
static unsigned char *held_cpu;

/* Where the stream went, page by page, since forget(). */
static struct place {
	unsigned int area, page;
} places[STREAM / PAGE + HELD];
static unsigned int num_places;
static unsigned long long received;
static bool correct = true, ended, recycles;
static int error;

/* What is pushed and has not come back; what may have been written to. */
static bool pushed[HELD], touched[HELD];
/* What is pushed, in its order, and from where on nothing has been received into. */
static unsigned int order[4UL * HELD + STREAM / PAGE], first, last;
static bool ordered = true, stuck;
/* Pages that the stream is to bring, and those it was asked for, since forget(). */
static unsigned int wanted, asked;

static void report(bool ok, const char *name)
{
	printf("result %d %s\n", !ok, name);
}

static void answer(int ret, int expected, const char *name)
{
	printf("result %d %s: %s\n", ret != -expected, name, ret ? strerrorname_np(-ret) : "0");
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int make_region(unsigned int first, unsigned int pages)
{
	struct netgpu_region_create create = {
		.dmabuf_fd = mem.dmabuf,
		.offset = (__u64)first * PAGE,
		.length = (__u64)pages * PAGE,
		.flags = NETGPU_REGION_RX,
		.ifindex = ifindex,
		.queue = queue,
	};
	int fd = region_create(netgpu, &create);

	if (fd < 0)
		errx(1, "region: %s", region_message);
	return fd;
}

/* The token, if there is to be one, is that of area 1. */
static int add_area(int fd, unsigned int pages, unsigned int flags)
{
	struct io_uring_zcrx_area_reg area = {
		.len = (__u64)pages * PAGE,
		.flags = flags,
		.dmabuf_fd = fd,
	};
	int ret = zcrx_add_area(&target.ring, 0, &area);

	if (!ret)
		held_token = area.rq_area_token;
	return ret;
}

static int take_back_from(__u32 zcrx_id, struct netgpu_zcrx_take_back *tb)
{
	struct zcrx_ctrl ctrl = { .zcrx_id = zcrx_id, .op = NETGPU_ZCRX_CTRL_TAKE_BACK };
	int ret;

	memcpy(&ctrl.zc_flush, tb, sizeof(*tb));
	ret = io_uring_register_zcrx_ctrl(&target.ring, &ctrl);
	memcpy(tb, &ctrl.zc_flush, sizeof(*tb));
	return ret;
}

/* How many, or -errno; each of them has been pushed and not come back since. */
static int take_back(__u32 flags, unsigned int room)
{
	static __u32 indices[2 * HELD];
	struct netgpu_zcrx_take_back tb = {
		.area = 1,
		.flags = flags,
		.indices = (uintptr_t)indices,
		.count = room,
	};
	unsigned int i;
	int ret;

	memset(indices, 0xff, sizeof(indices));
	ret = take_back_from(0, &tb);
	if (ret)
		return ret;
	for (i = 0; i < tb.count; i++) {
		if (indices[i] >= HELD || !pushed[indices[i]]) {
			printf("# page %u was taken back, which is not there\n", indices[i]);
			return -EBADMSG;
		}
		pushed[indices[i]] = false;
	}
	if (i < 2 * HELD && indices[i] != ~0U)
		return -EBADMSG;
	return tb.count;
}

static int flush(void)
{
	return zcrx_flush_rq(&target.ring, 0);
}

static unsigned int num_pushed(void)
{
	unsigned int i, num = 0;

	for (i = 0; i < HELD; i++)
		num += pushed[i];
	return num;
}

/* An entry of the refill ring, which the kernel is told of by publish(). */
static void write_entry(__u64 token, __u64 off, __u32 len)
{
	struct io_uring_zcrx_rqe *rqe =
		&target.rq.rqes[target.rq.rq_tail++ & (target.rq.ring_entries - 1)];

	rqe->off = off | token;
	rqe->len = len;
}

static void publish(void)
{
	io_uring_smp_store_release(target.rq.ktail, target.rq.rq_tail);
}

/* This page of area 1 comes behind all others. */
static void expect(unsigned int page)
{
	pushed[page] = true;
	touched[page] = true;
	order[last++] = page;
}

/* These pages of area 1, one entry for all. */
static void push_run(unsigned int page, unsigned int num)
{
	write_entry(held_token, (__u64)page * PAGE, num * PAGE);
	for (; num; num--)
		expect(page++);
}

static void push(unsigned int page)
{
	push_run(page, 1);
}

/* Until the kernel takes no more out of the refill ring. */
static void wait_taken(void)
{
	unsigned int head, last = *target.rq.khead;
	long long since = now_ms();

	while (now_ms() - since < 300) {
		usleep(10000);
		head = io_uring_smp_load_acquire(target.rq.khead);
		if (head != last)
			since = now_ms();
		last = head;
	}
}

/* All that user space has of area 0, of which nothing is in the refill ring. */
static void return_ordinary(void)
{
	write_entry(target.token, 0, ORDINARY * PAGE);
	publish();
	if (flush())
		errx(1, "flush");
}

static void mark(void)
{
	memset(held_cpu, MARKER, HELD * PAGE);
	memset(touched, 0, sizeof(touched));
}

/* Nothing has been written to where nothing can have been. */
static bool marked(void)
{
	static const unsigned char byte = MARKER;
	unsigned char page[PAGE];
	unsigned int i;

	for (i = 0; i < HELD; i++) {
		memcpy(page, held_cpu + i * PAGE, PAGE);
		if (touched[i] || (page[0] == byte && !memcmp(page, page + 1, PAGE - 1)))
			continue;
		printf("# page %u was written to\n", i);
		return false;
	}
	return true;
}

static void arm_recv(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&target.ring);

	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, conn, NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
}

/* Bytes of one page. */
static void take_part(unsigned int area, __u64 off, __u32 len)
{
	const unsigned char *cpu = area ? held_cpu : mem.cpu;
	unsigned int page = off / PAGE;

	if (correct && !pattern_check(cpu + off, received, len)) {
		printf("# in page %u of area %u\n", page, area);
		correct = false;
	}
	received += len;
	if (!(off % PAGE)) {
		if (num_places == sizeof(places) / sizeof(places[0]))
			errx(1, "more pages than there is room for");
		places[num_places++] = (struct place) { .area = area, .page = page };
		if (area && !pushed[page]) {
			printf("# page %u was received into, which was not pushed\n", page);
			correct = false;
		}
		if (area) {
			if (ordered && (first == last || page != order[first])) {
				printf("# place %u: page %u\n", num_places - 1, page);
				ordered = false;
			}
			first++;
			pushed[page] = false;
		}
	} else {
		printf("# bytes from %llu on in the middle of a page\n", received - len);
	}
}

static void take(const struct io_uring_cqe *cqe)
{
	const struct netgpu_zcrx_cqe *zc = (const void *)(cqe + 1);
	unsigned int area = zc->off >> IORING_ZCRX_AREA_SHIFT;
	__u32 left = cqe->res, piece, len;
	__u64 start = zc->off & ~IORING_ZCRX_AREA_MASK, at, off;

	for (at = start; left; at += zc->stride, left -= piece) {
		piece = left < zc->piece ? left : zc->piece;
		for (off = at; off < at + piece; off += len) {
			len = PAGE - off % PAGE;
			if (len > at + piece - off)
				len = at + piece - off;
			take_part(area, off, len);
		}
	}
	if (recycles && !area) {
		write_entry(target.token, start, off - start);
		publish();
	}
}

static void ask_for(unsigned int pages)
{
	printf("send %lu\n", pages * PAGE);
}

/* As much as has come within @ms: until there are @pages since forget(). */
static unsigned int receive_for(unsigned int pages, int ms)
{
	long long end = now_ms() + ms;

	while (num_places < pages && !ended && now_ms() < end) {
		struct __kernel_timespec timeout = { .tv_nsec = 10000000 };
		struct io_uring_cqe *cqe;

		for (; asked < wanted && asked < num_places + UNDER_WAY; asked += UNDER_WAY / 4)
			ask_for(UNDER_WAY / 4);
		io_uring_submit_and_wait_timeout(&target.ring, &cqe, 1, &timeout, NULL);
		while (!io_uring_peek_cqe(&target.ring, &cqe)) {
			bool again = !(cqe->flags & IORING_CQE_F_MORE);

			if (cqe->res > 0)
				take(cqe);
			else if (cqe->res != -ENOSPC && cqe->res != -ENOMEM)
				ended = true;
			error = cqe->res < 0 ? cqe->res : 0;
			io_uring_cqe_seen(&target.ring, cqe);
			if (again && !ended)
				arm_recv();
		}
	}
	return num_places;
}

static void forget(void)
{
	num_places = 0;
}

/* All that the device, or the refill ring, has of area 1 is user space's: how much. */
static int take_all_back(void)
{
	int ret = flush() ?: take_back(NETGPU_ZCRX_TAKE_BACK_RESTART, HELD);

	first = last;
	return ret;
}

static void say_why(unsigned int pages)
{
	int waits = -1;

	ioctl(conn, FIONREAD, &waits);
	printf("# %u pages of %u have come, %d bytes are in the socket, the refill ring: %u%s%s\n",
	       num_places, pages, waits, target.rq.rq_tail - *target.rq.khead,
	       ended ? ", it has ended: " : "", ended ? strerror(-error) : "");
}

/*
 * So many pages since forget(). No more are under way than the device has descriptors
 * for, or they would be lost, and sent again behind others.
 */
static bool receive(unsigned int pages)
{
	unsigned int chunk, goal = num_places;

	while (goal < pages) {
		chunk = pages - goal < RING / 2 ? pages - goal : RING / 2;
		/* at first the window is less than that */
		if (!received && chunk > 8)
			chunk = 8;
		ask_for(chunk);
		goal += chunk;
		if (receive_for(goal, WAIT_MS) != goal || !correct) {
			say_why(pages);
			stuck = true;
			return false;
		}
	}
	return true;
}

/* So many places, all in area 0, each another one. */
static bool came_ordinary(unsigned int first, unsigned int num, bool *seen)
{
	unsigned int i;

	for (i = first; i < first + num; i++) {
		if (i >= num_places || places[i].area || seen[places[i].page]) {
			printf("# place %u: page %u of area %u\n", i, places[i].page,
			       places[i].area);
			return false;
		}
		seen[places[i].page] = true;
	}
	return true;
}

static void open_ordinary(void)
{
	int ret;

	do {
		ret = target_open(&target, ifindex, queue, make_region(0, ORDINARY),
				  ORDINARY * PAGE, FLAGS);
	} while (ret == -EEXIST && !usleep(10000));
	if (ret)
		errx(1, "queue: %s", strerror(-ret));
}

/* A queue whose only area is held, and that nothing is pushed for. */
static void test_alone(void)
{
	struct netgpu_zcrx_take_back tb = {};
	int region = make_region(ORDINARY, HELD);
	int ret = target_open(&target, ifindex, queue, region, HELD * PAGE,
			      FLAGS | NETGPU_ZCRX_AREA_HELD);

	answer(ret, 0, "a queue of which user space holds all buffers");
	if (!ret) {
		answer(take_back_from(0, &tb), 0, "from which nothing can be taken back");
		target_close(&target);
	} else {
		report(false, "from which nothing can be taken back");
	}
	close(region);
}

static void test_errors(void)
{
	__u32 indices[HELD];
	const struct netgpu_zcrx_take_back good = {
		.area = 1,
		.indices = (uintptr_t)indices,
		.count = HELD,
	};
	struct netgpu_zcrx_take_back tb;
	struct memory heap;
	unsigned int i;
	int region;

	memory_open(&heap, "heap", HELD * PAGE);
	answer(add_area(heap.dmabuf, HELD, IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_HELD),
	       EINVAL, "a dma-buf that is no region cannot be held");
	memory_close(&heap);
	region = make_region(ORDINARY, HELD);
	answer(add_area(region, HELD, NETGPU_ZCRX_AREA_REGION | NETGPU_ZCRX_AREA_HELD),
	       EINVAL, "nor a region that is no dma-buf");
	answer(add_area(region, HELD, FLAGS | NETGPU_ZCRX_AREA_HELD), 0, "a region can");
	report(held_token >> IORING_ZCRX_AREA_SHIFT == 1, "it is area 1");
	close(region);

	tb = good;
	tb.area = 2;
	answer(take_back_from(0, &tb), EINVAL, "take back: no such area");
	tb = good;
	tb.area = 0;
	answer(take_back_from(0, &tb), EINVAL, "take back: an area that is not held");
	tb = good;
	tb.flags = 1U << 31 | NETGPU_ZCRX_TAKE_BACK_RESTART;
	answer(take_back_from(0, &tb), EINVAL, "take back: an unknown flag");
	for (i = 0; i < sizeof(tb.resv) / sizeof(tb.resv[0]); i++) {
		tb = good;
		tb.resv[i] = 1;
		if (take_back_from(0, &tb) != -EINVAL)
			break;
	}
	report(i == sizeof(tb.resv) / sizeof(tb.resv[0]), "take back: a reserved field: EINVAL");
	tb = good;
	answer(take_back_from(7, &tb), ENXIO, "take back: no such queue");
	tb = good;
	report(!take_back_from(0, &tb) && !tb.count, "take back: there is nothing");

	/* The device has buffers of area 0: these wait in the refill ring. */
	for (i = 0; i < 16; i++)
		push(i);
	publish();
	report(!take_back(0, HELD), "nor what waits in the refill ring");
	if (flush())
		errx(1, "flush");
	tb = good;
	tb.indices = PAGE;
	answer(take_back_from(0, &tb), EFAULT, "take back: the array cannot be written to");
	report(take_back(0, HELD) == 16, "and none was taken back by that");
	memset(pushed, 0, sizeof(pushed));
	first = last;
}

/* No multiple of what is taken at once; how many. */
static unsigned int push_mixed(void)
{
	unsigned int i;

	for (i = 0; i < 32; i++)
		push(62 - 2 * i);
	push_run(100, 70);
	/* from the middle of a page into the middle of the one after the next */
	write_entry(held_token, 300 * PAGE + 100, 2 * PAGE);
	for (i = 300; i < 303; i++)
		expect(i);
	for (i = 0; i < 47; i++)
		push(400 + i * 17 % 47);
	/* no length: the page of the offset */
	write_entry(held_token, 511 * PAGE, 0);
	expect(511);
	publish();
	return last - first;
}

/*
 * A device may want a descriptor more than a packet takes, so one page that is pushed is
 * always left with it, and is the first one of what comes next.
 */
static void test_order(void)
{
	bool seen[ORDINARY] = {}, ok;
	unsigned int num, i;

	ok = receive(ORDINARY / 2) && came_ordinary(0, ORDINARY / 2, seen);
	report(ok && marked(), "while nothing is pushed, all is received into area 0");
	forget();

	num = push_mixed();
	ok = receive(ORDINARY / 2 + num - 1) && came_ordinary(0, ORDINARY / 2, seen);
	report(ok, "and into the rest of that, which the device has before");
	report(ordered && num_pushed() == 1,
	       "then into what was pushed, each page once, in the order of the refill ring");
	report(marked(), "pages that were not pushed are not written to");
	forget();

	ask_for(16);
	ok = receive_for(16, 500) <= 1;
	report(ok && marked(), "when all that was pushed is full, nothing comes");
	for (i = 0; i < 16; i++)
		push(200 - i);
	publish();
	ok = receive_for(16, WAIT_MS) == 16;
	report(ok && ordered, "until more is pushed");
	report(correct, "all of the stream is right");
	forget();
}

static void test_twice(void)
{
	push(7);
	push(9);
	write_entry(held_token, 7 * PAGE, PAGE);
	push(8);
	write_entry(held_token, 9 * PAGE, PAGE);
	publish();
	wait_taken();
	write_entry(held_token, 8 * PAGE, PAGE);
	push(10);
	publish();
	report(receive(4) && ordered, "a page that is pushed twice counts once");
	forget();

	push(21);
	write_entry(held_token, 21 * PAGE, PAGE);
	push(20);
	write_entry(held_token, 20 * PAGE, PAGE);
	write_entry(held_token, 20 * PAGE, PAGE);
	push(22);
	publish();
	ask_for(3);
	report(receive_for(3, WAIT_MS) == 3 && ordered, "also at once");
	if (num_places < 3) {
		/* for the tests after this one */
		push_run(30, 5);
		publish();
		receive_for(3, WAIT_MS);
		take_all_back();
		memset(pushed, 0, sizeof(pushed));
		ordered = true;
		push(40);
		publish();
	}
	forget();
}

static void test_take_back(void)
{
	bool seen[ORDINARY] = {}, ok;
	unsigned int i;

	for (i = 0; i < 100; i++)
		push(50 + i * 3 % 100);
	publish();
	wait_taken();
	report(*target.rq.khead != target.rq.rq_tail,
	       "the device takes what it has room for");
	report(!take_back(0, HELD), "nothing is taken back of what is with the device");
	ok = !flush() && take_back(NETGPU_ZCRX_TAKE_BACK_RESTART, 30) == 30;
	report(ok, "it is when the queue is restarted, as much as fits");
	report(take_back(0, 5) == 5 && take_back(0, HELD) == 66 && !num_pushed(),
	       "and then the rest, each page once");
	report(!take_all_back(), "which is all");

	mark();
	recycles = true;
	return_ordinary();
	ok = receive(4 * ORDINARY) && marked();
	for (i = 0; i < num_places; i++)
		ok = ok && !places[i].area;
	report(ok, "nothing is written to what was taken back, though data comes");
	recycles = false;
	forget();

	if (flush())
		errx(1, "flush");
	for (i = 0; i < 100; i++)
		push(50 + i * 7 % 100);
	publish();
	ok = receive(ORDINARY + 99) && came_ordinary(0, ORDINARY, seen);
	report(ok && ordered && num_pushed() == 1, "it can be pushed again, and is used");
	report(marked(), "and nothing else");
	forget();

	/* These were received into by the queue as it was before. */
	ok = take_all_back() == 1;
	for (i = 0; i < 9; i++)
		push(60 - i);
	publish();
	ask_for(8);
	ok = ok && receive_for(8, WAIT_MS) == 8;
	report(ok && ordered, "so can what was received into before a restart");
	if (num_places < 8) {
		printf("# %d of them are taken back\n", take_back(0, HELD));
		for (i = 0; i < 9; i++)
			push(60 - i);
		publish();
		receive_for(8, WAIT_MS);
		take_all_back();
	}
	forget();
}

/* Any that are not pushed. */
static void push_some(unsigned int num)
{
	static unsigned int next;

	for (; num; num--) {
		while (pushed[next])
			next = (next + 1) % (HELD / 2);
		push(next);
	}
	publish();
}

/* A stream goes on while the queue is restarted, and buffers come and go. */
static void test_running(void)
{
	unsigned int restarts = 0, back = 0, held = 0, i;
	bool ok = true;
	int ret = 0;

	recycles = true;
	/* buffers come back, and packets are lost: there is no order */
	ordered = false;
	mark();
	return_ordinary();
	asked = 0;
	wanted = STREAM / PAGE;
	for (i = 512; i <= STREAM / PAGE && ok; i += 512) {
		push_some(64);
		ok = receive_for(i - 100, WAIT_MS) >= i - 100;
		/* some get to the device before the restart, others do not */
		push_some(64);
		ok = ok && receive_for(i, WAIT_MS) >= i;
		if (!ok)
			say_why(i);
		if (i == STREAM / PAGE)
			break;
		ret = take_all_back();
		ok = ok && ret >= 0;
		back += ret;
		restarts++;
	}
	for (i = 0; i < num_places; i++)
		held += places[i].area;
	printf("# %u restarts, %u pages of area 1 received, %u taken back\n", restarts, held, back);
	report(ok && correct && num_places == STREAM / PAGE && held && back,
	       "a stream is complete and right, though its queue is restarted");
	report(take_all_back() >= 0 && !num_pushed(),
	       "each page has been received into or taken back, once");
	report(marked(), "and those that were not pushed are as they were");
	recycles = false;
	ordered = true;
	wanted = 0;
	forget();
}

static void set_parameter(const char *name, int value)
{
	char path[128], text[16];
	int fd, len = snprintf(text, sizeof(text), "%d", value);

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, len) != len)
		err(1, "%s", path);
	close(fd);
}

/* A restart fails, before or while the queue stands still. */
static void test_faults(void)
{
	static const char * const steps[] = { "alloc", "stop" };
	bool seen[ORDINARY] = {}, ok;
	unsigned int i, from;
	int ret, back;
	char name[80];

	if (access(PARAMETERS, F_OK)) {
		printf("skip 5 the module queue_fault is not built\n");
		return;
	}
	if (flush())
		errx(1, "flush");
	for (i = 0; i < 41; i++)
		push(240 - i);
	publish();
	ok = receive(ORDINARY) && came_ordinary(0, ORDINARY, seen);
	report(ok, "the device has nothing but what was pushed");
	wait_taken();
	forget();

	for (i = 0; i < 2; i++) {
		set_parameter(steps[i], 1);
		ret = take_back(NETGPU_ZCRX_TAKE_BACK_RESTART, HELD);
		set_parameter(steps[i], 0);
		back = take_back(0, HELD);
		ok = ret == -ENOMEM && !back && receive(8) && ordered;
		snprintf(name, sizeof(name), "a restart fails (%s): %s, and the queue goes on",
			 steps[i], ret < 0 ? strerrorname_np(-ret) : "0");
		report(ok, name);
		forget();
	}

	/* The queue has stopped, and its buffers have come back, before it goes on as it was. */
	set_parameter("start", 1);
	ret = take_back(NETGPU_ZCRX_TAKE_BACK_RESTART, HELD);
	set_parameter("start", 0);
	ok = ret == -ENOMEM && num_pushed() == 25;
	back = take_back(0, HELD);
	report(ok && back + num_pushed() == 25, "a restart fails (start): nothing is taken back");
	printf("# %d have come back\n", back);
	from = last - 25;
	for (i = 0; i < 25; i++) {
		if (pushed[order[from + i]])
			continue;
		push(order[from + i]);
		first++;
	}
	publish();
	report(receive(24) && ordered && num_pushed() == 1,
	       "what came back can be, and is used again");
	forget();
}

static void wait_in_socket(int bytes)
{
	long long end = now_ms() + WAIT_MS;
	int waits = 0;

	while (waits < bytes && now_ms() < end) {
		if (ioctl(conn, FIONREAD, &waits))
			err(1, "FIONREAD");
		usleep(10000);
	}
	report(waits == bytes,
	       "buffers are with user space and the device, pushed, and in the socket");
}

static void test_end(const char *how)
{
	bool ok;
	int ret;

	push_run(0, 200);
	publish();
	ok = receive(12);
	forget();
	ask_for(12);
	wait_in_socket(12 * PAGE);
	report(ok && ordered && num_pushed() > 188, "most of which user space does not know of");
	if (!strcmp(how, "exit"))
		return;

	memory_revoke(&mem, how);
	/* What is in the socket cannot be looked at any more. */
	while (!ended && receive_for(~0U, 10) < 1)
		;
	answer(error, ENODEV, "the memory is revoked");
	answer(take_back(NETGPU_ZCRX_TAKE_BACK_RESTART, HELD), ENODEV,
	       "no queue is left to be restarted");
	ret = flush() ?: take_back(0, HELD);
	report(ret > 0, "what has come back can be taken");
}

int main(int argc, char **argv)
{
	static void (* const tests[])(void) = {
		test_order, test_twice, test_take_back, test_running, test_faults,
	};
	unsigned int i;
	int listener;

	if (argc != 6)
		errx(2, "usage: zcrx_held NETIF QUEUE PORT MEMORY END");
	ifindex = if_nametoindex(argv[1]);
	queue = atoi(argv[2]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	netgpu = open_netgpu();
	memory_open(&mem, argv[4], 0);
	held_cpu = mem.cpu + ORDINARY * PAGE;
	target_flags = NETGPU_ZCRX_REG_MERGE;

	test_alone();
	mark();
	open_ordinary();
	test_errors();

	listener = pattern_listen(atoi(argv[3]));
	printf("listening %s\n", argv[3]);
	conn = accept(listener, NULL, NULL);
	if (conn < 0)
		err(1, "accept");
	arm_recv();

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		tests[i]();
		if (stuck || ended)
			errx(1, "the stream does not go on");
	}
	test_end(argv[5]);
	return 0;
}
