// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Zero-copy receive on io_uring's zcrx: the ring and its registration. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "netgpu.h"	/* the kernel's */
#include "queue.h"

#define SQ_ENTRIES	256	/* the least that a completion queue may have */
#define RQ_ENTRIES_MIN	64
#define ENTRIES_MAX	32768
#define MERGED_USUAL	2048	/* entries that tell of many buffers: no more of them, unless asked for */
#define NOT_MERGED	1	/* refused, if not for another reason */

static int ring_fail(int ret, const char *what)
{
	if (ret == -ENOSYS)
		return fail(ret, "this kernel has no io_uring, or it is switched off");
	return fail(ret, "%s: %s", what, strerror(-ret));
}

static int open_ring(struct netgpu_queue *q, unsigned int cq_entries)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL |
			 IORING_SETUP_CQE32 |
			 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = cq_entries,
	};
	int ret = io_uring_queue_init_params(SQ_ENTRIES, &q->ring, &p);

	if (ret)
		return ring_fail(ret, "io_uring");
	q->ring_ready = true;
	io_uring_ring_dontfork(&q->ring);
	return 0;
}

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

static int open_zcrx(struct netgpu_queue *q,
		     const struct netgpu_queue_params *p,
		     struct netgpu_region *region, unsigned int rq_entries)
{
	struct netgpu_memory *m = q->memory;
	struct io_uring_zcrx_area_reg area = { .len = m->size };
	struct io_uring_region_desc rd = { .flags = IORING_MEM_REGION_TYPE_USER };
	struct zcrx_event_desc events = {
		.user_data = (uintptr_t)q | KIND_EVENT,
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
	int ret;

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

	if (region) {
		area.flags = IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION;
		area.dmabuf_fd = region->fd;
	} else if (m->fd >= 0) {
		area.flags = IORING_ZCRX_AREA_DMABUF;
		area.dmabuf_fd = m->fd;
	} else {
		area.addr = (uintptr_t)m->map;
		q->kernel_writes = true;
	}

	zcrx_set_event_desc(&reg, &events);
	ret = io_uring_register_ifq(&q->ring, &reg);
	q->merge = !ret && reg.flags & NETGPU_ZCRX_REG_MERGE;
	if (ret == -EINVAL && reg.flags & NETGPU_ZCRX_REG_MERGE)
		return NOT_MERGED;
	if (ret == -EINVAL) {
		/* Without netgpu no memory is taken away. */
		events.type_mask = 1u << ZCRX_EVENT_ALLOC_FAIL;
		reg.zcrx_id = 0;
		ret = io_uring_register_ifq(&q->ring, &reg);
	}
	if (ret == -EINVAL) {
		/* Linux 6.15 to 6.19 know no events. */
		zcrx_set_event_desc(&reg, NULL);
		reg.zcrx_id = 0;
		ret = io_uring_register_ifq(&q->ring, &reg);
	} else {
		q->counters = (void *)((char *)q->refill + events.stats_offset);
	}
	if (ret)
		return explain(ret, p, m);

	q->khead = (void *)((char *)q->refill + reg.offsets.head);
	q->ktail = (void *)((char *)q->refill + reg.offsets.tail);
	q->rqes = (void *)((char *)q->refill + reg.offsets.rqes);
	q->mask = reg.rq_entries - 1;
	q->token = area.rq_area_token;
	q->id = reg.zcrx_id;
	return 0;
}

static unsigned int entries(unsigned int wanted, uint64_t usual,
			    unsigned int least)
{
	uint64_t n = wanted ? wanted : usual;

	if (n > ENTRIES_MAX)
		n = ENTRIES_MAX;
	return n < least ? least : n;
}

int netgpu_queue_open(const struct netgpu_queue_params *p,
		      struct netgpu_memory *memory,
		      struct netgpu_region *region,
		      struct netgpu_queue **queue)
{
	/* A completion is a packet or more, of which a buffer may hold several. */
	uint64_t usual = memory->size / page_size();
	struct netgpu_queue *q;
	unsigned int rq = 1;
	size_t i;
	int ret;

	if (p->flags & ~(NETGPU_QUEUE_NODEV | NETGPU_QUEUE_MERGE | NETGPU_QUEUE_SEND_ONLY))
		return fail(-EINVAL, "queue: unknown flags %#x", p->flags);
	for (i = 0; i < sizeof(p->resv) / sizeof(p->resv[0]); i++)
		if (p->resv[i])
			return fail(-EINVAL, "queue: reserved fields must be zero");
	if (p->buffer_size & (p->buffer_size - 1) ||
	    (p->buffer_size && p->buffer_size < page_size()))
		return fail(-EINVAL, "queue: buffers of %u bytes: must be a power of two, a page (%zu) or more",
			    p->buffer_size, page_size());
	if ((p->flags & NETGPU_QUEUE_NODEV) && memory->fd >= 0)
		return fail(-EINVAL, "queue without a device: %s cannot be written by the kernel, use \"host\"",
			    memory->name);
	if (p->flags & NETGPU_QUEUE_MERGE && usual > MERGED_USUAL)
		usual = MERGED_USUAL;
	while (rq < entries(p->rq_entries, usual, RQ_ENTRIES_MIN))
		rq *= 2;

	q = calloc(1, sizeof(*q));
	if (!q)
		return fail(-ENOMEM, "out of memory");
	q->memory = memory;
	q->nodev = p->flags & NETGPU_QUEUE_NODEV;
	q->send_only = p->flags & NETGPU_QUEUE_SEND_ONLY;
	q->todo_end = &q->todo;
	q->bounce = malloc(BOUNCE_SIZE);
	ret = q->bounce ? 0 : fail(-ENOMEM, "out of memory");
	if (!ret)
		ret = open_ring(q, entries(p->cq_entries, usual, SQ_ENTRIES));
	/* first, as nothing else completes yet */
	if (!ret && region && region->send) {
		ret = queue_register_region(q, region);
		q->sends_region = !ret;
	}
	if (!ret && !q->send_only)
		ret = open_zcrx(q, p, region, rq);
	if (ret)
		netgpu_queue_close(q);
	if (ret == NOT_MERGED) {
		/* Each packet has a completion then, and the rings room for them. */
		struct netgpu_queue_params plain = *p;

		plain.flags &= ~NETGPU_QUEUE_MERGE;
		return netgpu_queue_open(&plain, memory, region, queue);
	}
	if (ret)
		return ret;
	*queue = q;
	return 0;
}

void netgpu_queue_close(struct netgpu_queue *q)
{
	struct netgpu_conn *c;
	struct send *s;

	if (!q)
		return;
	if (q->ring_ready)
		io_uring_queue_exit(&q->ring);
	while ((c = q->conns)) {
		q->conns = c->next;
		free(c);
	}
	while ((s = q->all_sends)) {
		q->all_sends = s->all;
		free(s);
	}
	if (q->refill)
		munmap(q->refill, q->refill_size);
	free(q->bounce);
	free(q);
}

struct io_uring_sqe *queue_sqe(struct netgpu_queue *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);

	if (!sqe) {
		io_uring_submit(&q->ring);
		sqe = io_uring_get_sqe(&q->ring);
	}
	return sqe;
}

void netgpu_queue_get_stats(const struct netgpu_queue *q,
			    struct netgpu_queue_stats *stats)
{
	*stats = q->stats;
	if (q->counters) {
		stats->copies = q->counters->copy_count;
		stats->copy_bytes = q->counters->copy_bytes;
	}
}

struct io_uring *netgpu_queue_ring(struct netgpu_queue *q)
{
	return &q->ring;
}
