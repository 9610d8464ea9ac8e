// SPDX-License-Identifier: GPL-2.0
/*
 * Who has the kernel wait while it gives memory to a zcrx queue must not hold up
 * anybody else: not a revocation, not the network device.
 *
 * Usage: region_stall NETIF QUEUE WHAT MEMORY [COMMAND]
 * WHAT is
 *   add-token     an area, its struct in a page that cannot be written to for 10 s
 *   add-other     user memory, which takes 10 s, to a queue that has a dma-buf
 *   add-pages     user memory, which takes 10 s, to a queue that has such
 *   add-dmabuf    a dma-buf of /dev/gate_exporter, which takes as long as that says
 *   open-pages    user memory, which takes 10 s, to an ordinary queue
 *   open-dmabuf   a dma-buf of /dev/gate_exporter
 *   open-told     MEMORY, its area's struct in a page as above
 * Meanwhile COMMAND is run, or MEMORY, vfio:ADDRESS, revoked. Prints "KEY VALUE"
 * lines: meanwhile_us how long that took, call (0 or errno), call_us, and with
 * open-told events, how many told of the revocation.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "region.h"
#include "zcrx_abi.h"

#define SIZE	((size_t)1 << 20)

static const char *what, *command;
static struct target target;
static struct memory mem;
static bool done;
static long long began;	/* us; the call, and both threads */

static long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static bool is(const char *name)
{
	return !strcmp(what, name);
}

static void *map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void *meanwhile(void *arg)
{
	(void)arg;
	sleep(1);
	if (__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		printf("early 1\n");
	if (!command)
		memory_revoke(&mem, "disable");
	else if (system(command))
		errx(1, "failed: %s", command);
	printf("meanwhile_us %lld\n", now_us() - began);
	return NULL;
}

static int faults(void *page, size_t size, unsigned int mode)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)page, .len = size },
		.mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	return fd;
}

/* Make writing to the page wait until its protection is lifted. */
static int protect(void *page)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)page, .len = 4096 },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = faults(page, 4096, UFFDIO_REGISTER_MODE_WP);

	if (ioctl(fd, UFFDIO_WRITEPROTECT, &wp))
		err(1, "write protection");
	return fd;
}

/* Closing it ends the waiting. */
static void *let_go(void *arg)
{
	sleep(10);
	close(*(int *)arg);
	return NULL;
}

static void register_slowly(struct io_uring_zcrx_area_reg *area, const char *netif, int queue)
{
	int ret;

	if (!strncmp(what, "open-", 5)) {
		target_memory = (void *)(uintptr_t)area->addr;
		ret = target_register(&target, if_nametoindex(netif), queue,
				      area->dmabuf_fd, area->len, area->flags);
	} else {
		ret = zcrx_add_area(&target.ring, 0, area);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	printf("call %s\ncall_us %lld\n", ret ? strerrorname_np(-ret) : "0", now_us() - began);
}

static void count_events(void)
{
	struct __kernel_timespec ts = { .tv_sec = 3 };
	struct io_uring_cqe *cqe;
	int events = 0;

	while (!io_uring_wait_cqe_timeout(&target.ring, &cqe, &ts)) {
		events += cqe->user_data == target_event &&
			  cqe->res == NETGPU_ZCRX_EVENT_REVOKED;
		io_uring_cqe_seen(&target.ring, cqe);
	}
	printf("events %d\n", events);
}

int main(int argc, char **argv)
{
	struct io_uring_zcrx_area_reg *area;
	pthread_t other, lifter;
	struct memory more = {};
	int ret, uffd = -1;

	if (argc != 5 && argc != 6)
		errx(2, "usage: region_stall NETIF QUEUE WHAT MEMORY [COMMAND]");
	what = argv[3];
	command = argv[5];
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(40 * atoi(getenv("LAB_SLOWER") ?: "1"));

	if (strcmp(argv[4], "none"))
		memory_open(&mem, argv[4], 0);
	ret = target_ring(&target);
	if (!ret && is("add-pages")) {
		target_memory = map_memory(16 * SIZE);
		ret = target_register(&target, if_nametoindex(argv[1]), atoi(argv[2]), 0,
				      16 * SIZE, 0);
	} else if (!ret && !strncmp(what, "add-", 4)) {
		ret = target_register(&target, if_nametoindex(argv[1]), atoi(argv[2]),
				      mem.dmabuf, mem.size, IORING_ZCRX_AREA_DMABUF);
	}
	if (ret)
		errx(1, "zcrx: %s", strerror(-ret));

	area = map_memory(4096);
	if (is("add-token")) {
		memory_open(&more, "heap", SIZE);
	} else if (is("add-dmabuf") || is("open-dmabuf")) {
		memory_open(&more, "export:/dev/gate_exporter", 4096);
	} else if (is("open-told")) {
		more = mem;
		target_area = area;
		target_event = 1;
	} else {
		area->len = SIZE;
		area->addr = (uintptr_t)map_memory(SIZE);
		uffd = faults((void *)(uintptr_t)area->addr, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	}
	if (more.size) {
		area->len = more.size;
		area->dmabuf_fd = more.dmabuf;
		area->flags = IORING_ZCRX_AREA_DMABUF;
	}
	if (is("add-token") || is("open-told"))
		uffd = protect(area);

	began = now_us();
	if (pthread_create(&other, NULL, meanwhile, NULL) ||
	    (uffd >= 0 && pthread_create(&lifter, NULL, let_go, &uffd)))
		errx(1, "threads");
	register_slowly(area, argv[1], atoi(argv[2]));
	pthread_join(other, NULL);
	if (uffd >= 0)
		pthread_join(lifter, NULL);
	if (is("open-told"))
		count_events();
	return 0;
}
