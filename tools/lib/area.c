// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The memories of a queue, and the zcrx instance that receives into them. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "netgpu.h"	/* the kernel's */
#include "queue.h"

static int explain(int ret, const struct netgpu_queue_params *p,
		   const struct netgpu_memory *m)
{
	char name[IF_NAMESIZE] = "";

	if (!if_indextoname(p->ifindex, name))
		snprintf(name, sizeof(name), "device %u", p->ifindex);
	if (p->buffer_size && (ret == -ERANGE || ret == -EINVAL || ret == -EOPNOTSUPP))
		return fail(ret, "%s queue %u: refused; if not for want of buffers of %u bytes (which the driver, this kernel or the layout of %s may not allow), then without them it says why",
			    name, p->queue, p->buffer_size, m->name);
	switch (ret) {
	case -EPERM:
		return fail(ret, "zero-copy receive needs CAP_NET_ADMIN");
	case -ENODEV:
		return fail(ret, "there is no %s here, or %s was taken back",
			    name, m->name);
	case -EOPNOTSUPP:
		return fail(ret, "%s queue %u: the driver cannot receive into other memory, or %s does not take a static attachment",
			    name, p->queue, m->name);
	case -ERANGE:
		return fail(ret, "%s has no receive queue %u", name, p->queue);
	case -EEXIST:
	case -EBUSY:
		return fail(ret, "%s queue %u is in use already", name, p->queue);
	case -EINVAL:
		if (p->flags & NETGPU_QUEUE_NODEV)
			return fail(ret, "a queue without a device is more than this kernel has");
		return fail(ret, "%s queue %u: refused; are header and data split (\"netgpu setup %s --queue %u\"), and is the kernel new enough?",
			    name, p->queue, name, p->queue);
	case -ENOMEM:
		return fail(ret, "no memory for a queue over %llu bytes (RLIMIT_MEMLOCK?)",
			    (unsigned long long)m->size);
	case -ENETDOWN:
		return fail(ret, "%s is down", name);
	}
	return fail(ret, "%s queue %u: %s", name, p->queue, strerror(-ret));
}

/* The first place that is free; its caller knows that there is one. */
struct area *queue_new_area(struct netgpu_queue *q, struct netgpu_memory *memory,
			    struct netgpu_region *region)
{
	struct area *area = q->areas;

	while (area->memory)
		area++;
	if (area == q->areas + q->nr_areas)
		q->nr_areas++;
	*area = (struct area) {
		.memory = memory,
		.region = region,
		.offset = region ? region->offset : 0,
		.length = region ? region->length : memory->size,
	};
	ref_get(&memory->refs);
	if (region)
		ref_get(&region->refs);
	return area;
}

static void drop_area(struct netgpu_queue *q, struct area *area)
{
	region_put(area->region);
	memory_put(area->memory);
	area->region = NULL;
	area->memory = NULL;
	while (q->nr_areas && !q->areas[q->nr_areas - 1].memory)
		q->nr_areas--;
}

void queue_drop_areas(struct netgpu_queue *q)
{
	while (q->nr_areas)
		drop_area(q, &q->areas[q->nr_areas - 1]);
}

/* As the kernel wants to be told of it. */
static struct io_uring_zcrx_area_reg area_reg(const struct area *area)
{
	struct io_uring_zcrx_area_reg reg = { .len = area->length };

	if (area->region) {
		reg.flags = IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION;
		reg.dmabuf_fd = area->region->fd;
	} else if (area->memory->fd >= 0) {
		reg.flags = IORING_ZCRX_AREA_DMABUF;
		reg.dmabuf_fd = area->memory->fd;
	} else {
		reg.addr = (uintptr_t)area->memory->map;
	}
	return reg;
}

/* Without a region it is all or nothing. */
static int check_range(const struct area *area)
{
	if (!area->region && area->memory->fd_offset)
		return fail(-EINVAL, "%s: a part of a dma-buf is received into by a region", area->memory->name);
	return 0;
}

int queue_open_zcrx(struct netgpu_queue *q, const struct netgpu_queue_params *p,
		    unsigned int rq_entries)
{
	struct area *first = &q->areas[0];
	struct netgpu_memory *m = first->memory;
	struct io_uring_zcrx_area_reg area = area_reg(first);
	struct io_uring_region_desc rd = { .flags = IORING_MEM_REGION_TYPE_USER };
	struct zcrx_event_desc events = {
		.user_data = tagged(q, KIND_EVENT),
		.type_mask = 1u << ZCRX_EVENT_ALLOC_FAIL |
			     1u << NETGPU_ZCRX_EVENT_REVOKED,
		.flags = ZCRX_EVENT_DESC_FLAG_STATS,
	};
	struct io_uring_zcrx_ifq_reg reg = {
		.if_idx = q->nodev ? 0 : p->ifindex,
		.if_rxq = q->nodev ? 0 : p->queue,
		.rq_entries = rq_entries,
		/* not every driver takes the usual size as a number */
		.rx_buf_len = p->buffer_size == page_size() ? 0 : p->buffer_size,
		.flags = (q->nodev ? ZCRX_REG_NODEV : 0) |
			 (p->flags & NETGPU_QUEUE_MERGE ? NETGPU_ZCRX_REG_MERGE : 0),
		.area_ptr = (uintptr_t)&area,
		.region_ptr = (uintptr_t)&rd,
	};
	size_t page = page_size();
	int ret = check_range(first);

	if (ret)
		return ret;
	/* Head and tail take less than a page; the counters have the last. */
	q->refill_size = rq_entries * sizeof(struct io_uring_zcrx_rqe);
	q->refill_size = (q->refill_size + page - 1) / page * page + 2 * page;
	q->refill = mmap(NULL, q->refill_size, PROT_READ | PROT_WRITE,
			 MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	if (q->refill == MAP_FAILED) {
		q->refill = NULL;
		return fail(-errno, "refill ring: %s", strerror(errno));
	}
	rd.user_addr = (uintptr_t)q->refill;
	rd.size = q->refill_size;
	events.stats_offset = q->refill_size - page;

	q->kernel_writes = m->fd < 0;
	zcrx_set_event_desc(&reg, &events);
	ret = io_uring_register_ifq(q->ring, &reg);
	q->merge = !ret && reg.flags & NETGPU_ZCRX_REG_MERGE;
	if (ret == -EINVAL && reg.flags & NETGPU_ZCRX_REG_MERGE)
		return NOT_MERGED;
	if (ret == -EINVAL) {
		/* Without netgpu no memory is taken away. */
		events.type_mask = 1u << ZCRX_EVENT_ALLOC_FAIL;
		reg.zcrx_id = 0;
		ret = io_uring_register_ifq(q->ring, &reg);
	}
	if (ret == -EINVAL) {
		/* Linux 6.15 to 6.19 know no events. */
		zcrx_set_event_desc(&reg, NULL);
		reg.zcrx_id = 0;
		ret = io_uring_register_ifq(q->ring, &reg);
	} else {
		q->counters = (void *)((char *)q->refill + events.stats_offset);
	}
	if (ret)
		return explain(ret, p, m);

	q->khead = (void *)((char *)q->refill + reg.offsets.head);
	q->ktail = (void *)((char *)q->refill + reg.offsets.tail);
	q->rqes = (void *)((char *)q->refill + reg.offsets.rqes);
	q->mask = reg.rq_entries - 1;
	q->id = reg.zcrx_id;
	first->token = area.rq_area_token;
	first->receives = true;
	q->received[0] = first;
	q->nr_received = 1;
	return 0;
}

static bool has_room(const struct netgpu_queue *q)
{
	unsigned int i;

	for (i = 0; i < q->nr_areas; i++)
		if (!q->areas[i].memory)
			return true;
	return q->nr_areas < MEMORIES;
}

static int receive_into(struct netgpu_queue *q, struct area *area)
{
	struct io_uring_zcrx_area_reg reg = area_reg(area);
	int ret;

	if (area->held)
		reg.flags |= NETGPU_ZCRX_AREA_HELD;
	ret = zcrx_add_area(q->ring, q->id, &reg);
	if (ret)
		return fail(ret, "%s cannot be received into beside the other: %s", area->memory->name,
			    ret == -EINVAL ? "this kernel takes no second one, or not of this kind" : strerror(-ret));
	area->token = reg.rq_area_token;
	area->receives = true;
	q->received[q->nr_received++] = area;
	return 0;
}

static int add_memory(struct netgpu_queue *q, struct netgpu_memory *memory, struct netgpu_region *region, bool held)
{
	bool receives = !q->send_only && (!region || region->receive);
	struct area *area;
	int ret;

	succeed();
	if (q->nodev)
		return fail(-EOPNOTSUPP, "a queue without a device has one memory");
	if (region && region->memory != memory)
		return fail(-EINVAL, "queue: the region is of %s, not of %s", region->memory->name,
			    memory->name);
	if (!has_room(q))
		return fail(-ENOSPC, "a queue has %d memories at most", MEMORIES);
	area = queue_new_area(q, memory, region);
	area->held = held;
	ret = receives ? check_range(area) : 0;
	if (!ret)
		ret = queue_register_region(q, area);
	if (!ret && receives) {
		ret = receive_into(q, area);
		if (ret)
			queue_unregister_region(q, area);
	}
	if (ret) {
		drop_area(q, area);
		return ret;
	}
	return area - q->areas;
}

int netgpu_queue_add_memory(struct netgpu_queue *q, struct netgpu_memory *memory,
			    struct netgpu_region *region)
{
	return add_memory(q, memory, region, false);
}

int queue_add_held(struct netgpu_queue *q, struct netgpu_memory *memory, struct netgpu_region *region)
{
	return add_memory(q, memory, region, true);
}

int queue_take_back(struct netgpu_queue *q, unsigned int index, bool restart, uint32_t *pages, unsigned int count)
{
	const struct area *area = &q->areas[index];
	struct zcrx_ctrl ctrl = { .zcrx_id = q->id, .op = NETGPU_ZCRX_CTRL_TAKE_BACK };
	struct netgpu_zcrx_take_back back = {
		.area = (area->token & IORING_ZCRX_AREA_MASK) >> IORING_ZCRX_AREA_SHIFT,
		.flags = restart ? NETGPU_ZCRX_TAKE_BACK_RESTART : 0,
		.indices = (uintptr_t)pages,
		.count = count,
	};
	int ret;

	_Static_assert(sizeof(back) == sizeof(ctrl.zc_flush), "not of the union");
	memcpy(&ctrl.zc_flush, &back, sizeof(back));
	ret = io_uring_register_zcrx_ctrl(q->ring, &ctrl);
	memcpy(&back, &ctrl.zc_flush, sizeof(back));
	return ret < 0 ? ret : (int)back.count;
}

int netgpu_queue_remove_memory(struct netgpu_queue *q, unsigned int index)
{
	struct area *area = &q->areas[index];
	int ret;

	succeed();
	if (index >= q->nr_areas || !area->memory)
		return fail(-EINVAL, "queue: there is no memory %u", index);
	if (area->receives)
		return fail(-EBUSY, "queue: %s is received into until the queue is closed", area->memory->name);
	if (area->sending)
		return fail(-EBUSY, "queue: %u sends out of %s have not completed", area->sending, area->memory->name);
	ret = queue_unregister_region(q, area);
	if (ret)
		return ret;
	drop_area(q, area);
	return 0;
}
