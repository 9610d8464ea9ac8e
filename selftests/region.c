// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "region.h"

#define RQ_ENTRIES	16384

char region_message[256];

int open_netgpu(void)
{
	int fd = open("/dev/netgpu", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "/dev/netgpu");
	return fd;
}

int region_create(int netgpu, struct netgpu_region_create *create)
{
	strcpy(region_message, "(the kernel did not touch the message)");
	create->msg = (uintptr_t)region_message;
	create->msg_size = sizeof(region_message);
	return ioctl(netgpu, NETGPU_IOC_REGION_CREATE, create);
}

int target_open(struct target *t, unsigned int ifindex, unsigned int queue,
		int fd, size_t size, unsigned int flags)
{
	size_t ring_size = RQ_ENTRIES * sizeof(struct io_uring_zcrx_rqe) + 4096;
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQE32 | IORING_SETUP_CQSIZE,
		.cq_entries = 8192,
	};
	struct io_uring_region_desc region = {
		.size = ring_size,
		.flags = IORING_MEM_REGION_TYPE_USER,
	};
	struct io_uring_zcrx_area_reg area = {
		.len = size,
		.flags = flags,
		.dmabuf_fd = fd,
	};
	struct io_uring_zcrx_ifq_reg reg = {
		.if_idx = ifindex,
		.if_rxq = queue,
		.rq_entries = RQ_ENTRIES,
		.area_ptr = (uintptr_t)&area,
		.region_ptr = (uintptr_t)&region,
	};
	char *rq;
	int ret;

	memset(t, 0, sizeof(*t));
	ret = io_uring_queue_init_params(64, &t->ring, &params);
	if (ret)
		errx(1, "io_uring: %s", strerror(-ret));

	rq = mmap(NULL, ring_size, PROT_READ | PROT_WRITE,
		  MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (rq == MAP_FAILED)
		err(1, "refill ring");
	region.user_addr = (uintptr_t)rq;

	ret = io_uring_register_ifq(&t->ring, &reg);
	if (ret) {
		io_uring_queue_exit(&t->ring);
		munmap(rq, ring_size);
		return ret;
	}
	t->rq.khead = (void *)(rq + reg.offsets.head);
	t->rq.ktail = (void *)(rq + reg.offsets.tail);
	t->rq.rqes = (void *)(rq + reg.offsets.rqes);
	t->rq.ring_entries = reg.rq_entries;
	t->token = area.rq_area_token;
	return 0;
}

void target_close(struct target *t)
{
	io_uring_queue_exit(&t->ring);
}

long regions_left(void)
{
	FILE *f = fopen("/sys/class/misc/netgpu/regions", "r");
	long n = -1;

	if (!f || fscanf(f, "%ld", &n) != 1)
		err(1, "/sys/class/misc/netgpu/regions");
	fclose(f);
	return n;
}
