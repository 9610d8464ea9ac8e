// SPDX-License-Identifier: GPL-2.0
/*
 * What zero-copy receive answers to a program that never heard of netgpu: the same
 * on a kernel without it and on one that has it, to the errno, but for what it gains.
 *
 * Usage: zcrx_answers NETIF QUEUE MEMORY
 * MEMORY is vfio:ADDRESS: memory that no importer of today's kernel gets.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest.h"
#include "region.h"
#include "zcrx_abi.h"

#define SIZE		(4 << 20)
#define PLANNED		38

static unsigned int ifindex, lo, queue;
static struct memory heap, scattered, vram;
static void *pages;
static bool netgpu;

static void answer(const char *situation, int ret, int expected)
{
	ksft_test_result(ret == -expected, "%s: %s, expected %s\n", situation,
			 ret ? strerrorname_np(-ret) : "0",
			 expected ? strerrorname_np(expected) : "0");
}

/* Register a queue, and let it go. */
static void open_with(const char *situation, unsigned int netif, unsigned int rxq, int fd,
		      size_t size, unsigned int flags, int expected)
{
	struct target t;
	int ret;

	/* A queue that was let go is closed soon. */
	do {
		ret = target_open(&t, netif, rxq, fd, size, flags);
		if (!ret)
			target_close(&t);
	} while (ret == -EEXIST && !usleep(10000));
	answer(situation, ret, expected);
}

static void dmabufs(void)
{
	const unsigned int flags = IORING_ZCRX_AREA_DMABUF;
	int null = open("/dev/null", O_RDWR);

	open_with("a dma-buf", ifindex, queue, heap.dmabuf, SIZE, flags, 0);
	open_with("a dma-buf: closed fd", ifindex, queue, 1000, SIZE, flags, EBADF);
	open_with("a dma-buf: negative fd", ifindex, queue, -1, SIZE, flags, EBADF);
	open_with("a dma-buf: fd of something else", ifindex, queue, null, SIZE, flags, EINVAL);
	open_with("a dma-buf: the length is shorter", ifindex, queue, heap.dmabuf,
		  SIZE - 4096, flags, EINVAL);
	open_with("a dma-buf: the length is longer", ifindex, queue, heap.dmabuf,
		  SIZE + 4096, flags, EINVAL);
	open_with("a dma-buf: no length", ifindex, queue, heap.dmabuf, 0, flags, EFAULT);
	open_with("a dma-buf: unaligned length", ifindex, queue, heap.dmabuf, SIZE - 512, flags,
		  EINVAL);
	open_with("a dma-buf: unknown flag", ifindex, queue, heap.dmabuf, SIZE, flags | 1U << 30,
		  EINVAL);
	target_memory = pages;
	open_with("a dma-buf: an address, too", ifindex, queue, heap.dmabuf, SIZE, flags, EINVAL);
	target_memory = NULL;

	/* Who fails for two reasons is told the first one. */
	open_with("no such device", 0x7ffffff0, queue, heap.dmabuf, SIZE, flags, ENODEV);
	open_with("no such device, closed fd", 0x7ffffff0, queue, 1000, SIZE, flags, ENODEV);
	open_with("a device without DMA", lo, 0, heap.dmabuf, SIZE, flags, EOPNOTSUPP);
	open_with("a device without DMA, closed fd", lo, 0, 1000, SIZE, flags, EOPNOTSUPP);
	open_with("no such queue", ifindex, 4096, heap.dmabuf, SIZE, flags, ERANGE);
	open_with("no such queue, wrong length", ifindex, 4096, heap.dmabuf, SIZE - 4096, flags,
		  EINVAL);
	open_with("no such queue, closed fd", ifindex, 4096, 1000, SIZE, flags, EBADF);
	close(null);
}

static void buffer_lengths(void)
{
	const unsigned int flags = IORING_ZCRX_AREA_DMABUF;

	target_buf_len = 3000;
	open_with("buffers of 3000 bytes", ifindex, queue, heap.dmabuf, SIZE, flags, EINVAL);
	open_with("buffers of 3000 bytes, closed fd", ifindex, queue, 1000, SIZE, flags, EINVAL);
	target_buf_len = 8192;
	open_with("larger buffers than the segments of the memory", ifindex, queue,
		  scattered.dmabuf, SIZE, flags, ERANGE);
	target_buf_len = 0;
	open_with("scattered memory", ifindex, queue, scattered.dmabuf, SIZE, flags, 0);
}

static void user_memory(void)
{
	target_memory = pages;
	open_with("user memory", ifindex, queue, 0, SIZE, 0, 0);
	open_with("user memory: an fd, too", ifindex, queue, heap.dmabuf, SIZE, 0, EINVAL);
	open_with("user memory: no length", ifindex, queue, 0, 0, 0, EFAULT);
	open_with("user memory: no such device", 0x7ffffff0, queue, 0, SIZE, 0, ENODEV);
	target_memory = NULL;
	open_with("user memory: no address", ifindex, queue, 0, SIZE, 0, EFAULT);
	open_with("user memory: neither address nor device", 0x7ffffff0, queue, 0, SIZE, 0, ENODEV);
	target_memory = (void *)4096;
	open_with("user memory: nothing there", ifindex, queue, 0, SIZE, 0, EFAULT);
	target_memory = NULL;
}

static int add(struct target *t, int fd, void *addr, size_t len, unsigned int flags, __u64 *token)
{
	struct io_uring_zcrx_area_reg area = {
		.addr = (uintptr_t)addr,
		.len = len,
		.flags = flags,
		.dmabuf_fd = fd,
	};
	int ret = zcrx_add_area(&t->ring, 0, &area);

	if (token)
		*token = area.rq_area_token;
	return ret;
}

static void areas(void)
{
	const unsigned int flags = IORING_ZCRX_AREA_DMABUF;
	struct target t, second;
	__u64 token;
	int ret;

	do {
		ret = target_open(&t, ifindex, queue, heap.dmabuf, SIZE, flags);
	} while (ret == -EEXIST && !usleep(10000));
	answer("a queue", ret, 0);
	if (ret)
		return;
	ret = target_open(&second, ifindex, queue, scattered.dmabuf, SIZE, flags);
	answer("a queue that is in use", ret, EEXIST);
	ret = target_open(&second, ifindex, !queue, heap.dmabuf, SIZE, flags);
	answer("the same dma-buf for another queue", ret, 0);
	if (!ret)
		target_close(&second);

	answer("another area: user memory", add(&t, 0, pages, SIZE, 0, NULL), EINVAL);
	answer("another area: closed fd", add(&t, 1000, NULL, SIZE, flags, NULL), EBADF);
	answer("another area: wrong length",
	       add(&t, scattered.dmabuf, NULL, SIZE - 4096, flags, NULL), EINVAL);
	answer("another area: of no device that imports it",
	       add(&t, vram.dmabuf, NULL, vram.size, flags, NULL), netgpu ? 0 : EOPNOTSUPP);
	ret = add(&t, scattered.dmabuf, NULL, SIZE, flags, &token);
	answer("another area", ret, 0);
	ksft_test_result(token >> IORING_ZCRX_AREA_SHIFT == (netgpu ? 2 : 1),
			 "another area: its token is that of the next one\n");
	answer("another area: one that is there already",
	       add(&t, scattered.dmabuf, NULL, SIZE, flags, NULL), 0);
	target_close(&t);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: zcrx_answers NETIF QUEUE MEMORY");
	ifindex = if_nametoindex(argv[1]);
	lo = if_nametoindex("lo");
	queue = atoi(argv[2]);
	netgpu = !access("/dev/netgpu", F_OK);
	memory_open(&heap, "heap", SIZE);
	memory_open(&scattered, "scattered", SIZE);
	memory_open(&vram, argv[3], 0);
	pages = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (pages == MAP_FAILED)
		err(1, "mmap");

	ksft_print_header();
	ksft_set_plan(PLANNED);
	dmabufs();
	buffer_lengths();
	user_memory();
	areas();
	ksft_finished();
}
