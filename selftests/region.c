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
#include "zcrx_abi.h"

#define RQ_ENTRIES	16384
#define REFILL_SIZE	(RQ_ENTRIES * sizeof(struct io_uring_zcrx_rqe) + 4096)

char region_message[256];
__u64 target_event;
struct io_uring_zcrx_area_reg *target_area;
__u32 target_flags, target_buf_len, target_cq_entries = 8192;
void *target_memory;

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

int target_ring(struct target *t)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQE32 | IORING_SETUP_CQSIZE,
		.cq_entries = target_cq_entries,
	};
	int ret;

	memset(t, 0, sizeof(*t));
	t->refill = mmap(NULL, REFILL_SIZE, PROT_READ | PROT_WRITE,
			 MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	if (t->refill == MAP_FAILED)
		return -errno;

	ret = io_uring_queue_init_params(64, &t->ring, &params);
	if (ret)
		munmap(t->refill, REFILL_SIZE);
	return ret;
}

int target_register(struct target *t, unsigned int ifindex, unsigned int queue,
		    int fd, size_t size, unsigned int flags)
{
	struct io_uring_region_desc region = {
		.user_addr = (uintptr_t)t->refill,
		.size = REFILL_SIZE,
		.flags = IORING_MEM_REGION_TYPE_USER,
	};
	struct io_uring_zcrx_area_reg own = {
		.len = size,
		.flags = flags,
		.dmabuf_fd = fd,
		.addr = (uintptr_t)target_memory,
	}, *area = target_area ?: &own;
	struct io_uring_zcrx_ifq_reg reg = {
		.if_idx = ifindex,
		.if_rxq = queue,
		.rq_entries = RQ_ENTRIES,
		.rx_buf_len = target_buf_len,
		.flags = target_flags,
		.area_ptr = (uintptr_t)area,
		.region_ptr = (uintptr_t)&region,
	};
	struct zcrx_event_desc event = {
		.user_data = target_event,
		.type_mask = 1U << NETGPU_ZCRX_EVENT_REVOKED,
	};
	int ret;

	if (target_event)
		zcrx_set_event_desc(&reg, &event);
	ret = io_uring_register_ifq(&t->ring, &reg);
	if (ret)
		return ret;
	t->rq.khead = (void *)(t->refill + reg.offsets.head);
	t->rq.ktail = (void *)(t->refill + reg.offsets.tail);
	t->rq.rqes = (void *)(t->refill + reg.offsets.rqes);
	t->rq.ring_entries = reg.rq_entries;
	t->token = area->rq_area_token;
	return 0;
}

int target_open(struct target *t, unsigned int ifindex, unsigned int queue,
		int fd, size_t size, unsigned int flags)
{
	int ret = target_ring(t);

	if (ret)
		return ret;
	ret = target_register(t, ifindex, queue, fd, size, flags);
	if (ret)
		target_close(t);
	return ret;
}

void target_close(struct target *t)
{
	io_uring_queue_exit(&t->ring);
	munmap(t->refill, REFILL_SIZE);
}

void regions_query(struct netgpu_query *query)
{
	int fd = open_netgpu();

	memset(query, 0, sizeof(*query));
	if (ioctl(fd, NETGPU_IOC_QUERY, query))
		err(1, "NETGPU_IOC_QUERY");
	close(fd);
}

long regions_left(void)
{
	struct netgpu_query query;

	regions_query(&query);
	return query.regions;
}
