// SPDX-License-Identifier: GPL-2.0
/*
 * Who adds an area to a zcrx queue, and has the kernel wait for a page while it
 * does, must not hold up a revocation.
 *
 * Usage: region_stall NETIF QUEUE MEMORY
 * MEMORY is vfio:ADDRESS. Prints "KEY VALUE" lines: revoke_us, add (0 or errno).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "region.h"
#include "zcrx_abi.h"

static struct target target;
static struct memory more;
static void *page;

/* The area lies in a page that can be read, but not written to for a while. */
static int add_area(void)
{
	return zcrx_add_area(&target.ring, 0, page);
}

static void *take_away(void *arg)
{
	sleep(1);
	printf("revoke_us %lld\n", memory_revoke(arg, "disable"));
	return NULL;
}

/* Make writing to the page wait until its protection is lifted. */
static int protect(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP,
	};
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)page, .len = 4096 },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)page, .len = 4096 },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg) ||
	    ioctl(fd, UFFDIO_WRITEPROTECT, &wp))
		err(1, "userfaultfd");
	return fd;
}

static void *lift(void *arg)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)page, .len = 4096 },
	};

	sleep(10);
	if (ioctl(*(int *)arg, UFFDIO_WRITEPROTECT, &wp))
		err(1, "lifting the protection");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t revoker, lifter;
	struct memory mem;
	int ret, uffd;

	if (argc != 4)
		errx(2, "usage: region_stall NETIF QUEUE MEMORY");
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(40);

	memory_open(&mem, argv[3], 0);
	memory_open(&more, "heap", 1 << 20);
	ret = target_open(&target, if_nametoindex(argv[1]), atoi(argv[2]), mem.dmabuf,
			  mem.size, IORING_ZCRX_AREA_DMABUF);
	if (ret)
		errx(1, "zcrx: %s", strerror(-ret));

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (page == MAP_FAILED)
		err(1, "mmap");
	*(struct io_uring_zcrx_area_reg *)page = (struct io_uring_zcrx_area_reg) {
		.len = more.size,
		.flags = IORING_ZCRX_AREA_DMABUF,
		.dmabuf_fd = more.dmabuf,
	};
	uffd = protect();

	if (pthread_create(&revoker, NULL, take_away, &mem) ||
	    pthread_create(&lifter, NULL, lift, &uffd))
		errx(1, "threads");
	ret = add_area();
	printf("add %s\n", ret ? strerrorname_np(-ret) : "0");
	pthread_join(revoker, NULL);
	pthread_join(lifter, NULL);
	return 0;
}
