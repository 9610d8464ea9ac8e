// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Zero-copy receive on io_uring's zcrx.
 *
 * user_data of a completion is a pointer with its kind in the low bits; see
 * enum kind.  Nothing is allocated and no lock is taken between
 * netgpu_queue_open() and netgpu_queue_close() except by netgpu_queue_add().
 */
#include <errno.h>
#include <liburing.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "netgpu.h"	/* the kernel's */

/*
 * Of <linux/io_uring/zcrx.h>, and not in liburing 2.15's copy: events and
 * statistics, the registration without a device, refill flush.
 */
#define REG_NODEV		2u
#define EVENT_ALLOC_FAIL	0u
#define EVENT_FLAG_STATS	1u
#define CTRL_FLUSH_RQ		0u
#define CTRL_ARM_EVENT		2u

struct event_desc {
	__u64 user_data;
	__u32 type_mask;
	__u32 flags;
	__u64 stats_offset;
	__u64 resv[9];
};

struct ifq_reg {
	__u32 if_idx;
	__u32 if_rxq;
	__u32 rq_entries;
	__u32 flags;
	__u64 area_ptr;
	__u64 region_ptr;
	struct io_uring_zcrx_offsets offsets;
	__u32 zcrx_id;
	__u32 rx_buf_len;
	__u64 event_desc;
	__u64 resv[2];
};

_Static_assert(sizeof(struct ifq_reg) == sizeof(struct io_uring_zcrx_ifq_reg),
	       "the registration has grown");

struct ctrl {
	__u32 zcrx_id;
	__u32 op;
	__u64 resv[2];
	__u32 event_type;
	__u32 resv2[11];
};

struct zcrx_counters {
	__u64 copies;
	__u64 copy_bytes;
};

#define SQ_ENTRIES	256
#define ENTRIES_MAX	32768
#define WATCHES		8
#define BOUNCE_SIZE	(64u << 10)

enum kind {
	KIND_CONN	= 0,
	KIND_WATCH	= 1,
	KIND_EVENT	= 2,
	KIND_CANCEL	= 3,
	KIND_CALLER	= 4,
	KIND_MASK	= 7,
};

struct watched {
	struct netgpu_queue *queue;
	int fd;
	void *user;
};

struct netgpu_conn {
	struct netgpu_queue *queue;
	struct netgpu_conn *next, **prev;	/* of all */
	struct netgpu_conn *todo;		/* of those to be armed */
	void *user;
	int fd;
	bool queued;	/* on the list of those to be armed */
	bool armed;	/* a receive is with the kernel */
	bool stray;	/* data in host memory is in front */
	bool starved;	/* waits for a buffer */
	bool ended;	/* the last completion was handed out */
	bool closed;	/* by the caller; freed with its last completion */
};

struct netgpu_queue {
	struct io_uring ring;
	struct netgpu_memory *memory;

	/* refill ring */
	unsigned int *khead, *ktail;
	struct io_uring_zcrx_rqe *rqes;
	unsigned int tail, mask;
	__u64 token;
	__u32 id;
	void *refill;
	size_t refill_size;
	volatile struct zcrx_counters *counters;

	struct netgpu_conn *conns;
	struct netgpu_conn *todo;
	struct netgpu_conn **todo_end;
	unsigned int nr_starved;
	unsigned int returned;	/* since a connection starved */
	bool readable;		/* the kernel can write to the memory */
	bool nodev;
	bool revoked;	/* the memory was taken away */
	bool ring_ready;
	char *bounce;
	struct watched watches[WATCHES];
	unsigned int nr_watches;
	struct netgpu_queue_stats stats;
};

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
	struct event_desc events = {
		.user_data = (uintptr_t)q | KIND_EVENT,
		.type_mask = 1u << EVENT_ALLOC_FAIL |
			     1u << NETGPU_ZCRX_EVENT_REVOKED,
		.flags = EVENT_FLAG_STATS,
	};
	struct ifq_reg reg = {
		.if_idx = q->nodev ? 0 : p->ifindex,
		.if_rxq = q->nodev ? 0 : p->queue,
		.rq_entries = rq_entries,
		.flags = q->nodev ? REG_NODEV : 0,
		.area_ptr = (uintptr_t)&area,
		.region_ptr = (uintptr_t)&rd,
		.event_desc = (uintptr_t)&events,
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
		q->readable = true;
	}

	ret = io_uring_register_ifq(&q->ring, (void *)&reg);
	if (ret == -EINVAL) {
		/* Without netgpu no memory is taken away. */
		events.type_mask = 1u << EVENT_ALLOC_FAIL;
		reg.zcrx_id = 0;
		ret = io_uring_register_ifq(&q->ring, (void *)&reg);
	}
	if (ret == -EINVAL) {
		/* Linux 6.15 to 6.19 know no events. */
		reg.event_desc = 0;
		reg.zcrx_id = 0;
		ret = io_uring_register_ifq(&q->ring, (void *)&reg);
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

static unsigned int entries(unsigned int wanted, uint64_t pages)
{
	uint64_t n = wanted ? wanted : pages;

	if (n > ENTRIES_MAX)
		n = ENTRIES_MAX;
	return n < 64 ? 64 : n;
}

int netgpu_queue_open(const struct netgpu_queue_params *p,
		      struct netgpu_memory *memory,
		      struct netgpu_region *region,
		      struct netgpu_queue **queue)
{
	uint64_t pages = memory->size / page_size();
	struct netgpu_queue *q;
	unsigned int rq = 1;
	size_t i;
	int ret;

	if (p->flags & ~NETGPU_QUEUE_NODEV)
		return fail(-EINVAL, "queue: unknown flags %#x", p->flags);
	for (i = 0; i < sizeof(p->resv) / sizeof(p->resv[0]); i++)
		if (p->resv[i])
			return fail(-EINVAL, "queue: reserved fields must be zero");
	if ((p->flags & NETGPU_QUEUE_NODEV) && memory->fd >= 0)
		return fail(-EINVAL, "queue without a device: %s cannot be written by the kernel, use \"host\"",
			    memory->name);
	while (rq < entries(p->rq_entries, pages))
		rq *= 2;

	q = calloc(1, sizeof(*q));
	if (!q)
		return fail(-ENOMEM, "out of memory");
	q->memory = memory;
	q->nodev = p->flags & NETGPU_QUEUE_NODEV;
	q->todo_end = &q->todo;
	q->bounce = malloc(BOUNCE_SIZE);
	ret = q->bounce ? 0 : fail(-ENOMEM, "out of memory");
	if (!ret)
		ret = open_ring(q, entries(p->cq_entries, pages));
	if (!ret)
		ret = open_zcrx(q, p, region, rq);
	if (ret) {
		netgpu_queue_close(q);
		return ret;
	}
	*queue = q;
	return 0;
}

void netgpu_queue_close(struct netgpu_queue *q)
{
	struct netgpu_conn *c;

	if (!q)
		return;
	if (q->ring_ready)
		io_uring_queue_exit(&q->ring);
	while ((c = q->conns)) {
		q->conns = c->next;
		free(c);
	}
	if (q->refill)
		munmap(q->refill, q->refill_size);
	free(q->bounce);
	free(q);
}

static struct io_uring_sqe *get_sqe(struct netgpu_queue *q)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&q->ring);

	if (!sqe) {
		io_uring_submit(&q->ring);
		sqe = io_uring_get_sqe(&q->ring);
	}
	return sqe;
}

static void want_armed(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;

	if (c->queued)
		return;
	c->queued = true;
	c->todo = NULL;
	*q->todo_end = c;
	q->todo_end = &c->todo;
}

static void free_conn(struct netgpu_conn *c)
{
	if (c->next)
		c->next->prev = c->prev;
	*c->prev = c->next;
	free(c);
}

static void arm(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;
	struct io_uring_sqe *sqe = get_sqe(q);

	if (!sqe) {
		want_armed(c);
		return;
	}
	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, c->fd, NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	sqe->zcrx_ifq_idx = q->id;
	sqe->user_data = (uintptr_t)c | KIND_CONN;
	c->armed = true;
}

int netgpu_queue_add(struct netgpu_queue *q, int fd, void *user,
		     struct netgpu_conn **conn)
{
	struct netgpu_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return fail(-ENOMEM, "out of memory");
	c->queue = q;
	c->fd = fd;
	c->user = user;
	c->next = q->conns;
	c->prev = &q->conns;
	if (c->next)
		c->next->prev = &c->next;
	q->conns = c;
	want_armed(c);
	*conn = c;
	return 0;
}

void netgpu_conn_close(struct netgpu_conn *c)
{
	struct netgpu_queue *q = c->queue;
	struct io_uring_sqe *sqe;

	c->closed = true;
	if (c->starved) {
		c->starved = false;
		q->nr_starved--;
	}
	if (!c->armed) {
		if (!c->queued)
			free_conn(c);
		return;	/* else netgpu_queue_wait() will */
	}
	sqe = get_sqe(q);
	if (!sqe)
		return;	/* ends with the stream, or the queue */
	io_uring_prep_cancel64(sqe, (uintptr_t)c | KIND_CONN, 0);
	sqe->user_data = (uintptr_t)q | KIND_CANCEL;
	io_uring_submit(&q->ring);
}

int netgpu_conn_fd(const struct netgpu_conn *c)
{
	return c->fd;
}

static int arm_watch(struct watched *w)
{
	struct io_uring_sqe *sqe = get_sqe(w->queue);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_add(sqe, w->fd, POLLIN);
	sqe->user_data = (uintptr_t)w | KIND_WATCH;
	return 0;
}

int netgpu_queue_watch(struct netgpu_queue *q, int fd, void *user)
{
	struct watched *w;

	if (q->nr_watches == WATCHES)
		return fail(-ENOSPC, "a queue watches %d descriptors at most", WATCHES);
	w = &q->watches[q->nr_watches];
	w->queue = q;
	w->fd = fd;
	w->user = user;
	if (arm_watch(w))
		return fail(-EBUSY, "the submission queue is full");
	q->nr_watches++;
	return 0;
}

/*
 * Refill entries are taken by the network device when it needs buffers, so a
 * full ring means that it has plenty; the kernel can be told to take them all.
 */
static void flush(struct netgpu_queue *q)
{
	struct ctrl ctrl = { .zcrx_id = q->id, .op = CTRL_FLUSH_RQ };

	q->stats.flushes++;
	io_uring_register_zcrx_ctrl(&q->ring, (void *)&ctrl);
}

void netgpu_queue_return(struct netgpu_queue *q,
			 const struct netgpu_completion *completions,
			 unsigned int count)
{
	unsigned int i, head = __atomic_load_n(q->khead, __ATOMIC_ACQUIRE);

	for (i = 0; i < count; i++) {
		const struct netgpu_completion *c = &completions[i];
		struct io_uring_zcrx_rqe *rqe;

		if (c->result <= 0 || c->offset == NETGPU_IN_HOST || !c->conn)
			continue;
		while (q->tail - head > q->mask) {
			__atomic_store_n(q->ktail, q->tail, __ATOMIC_RELEASE);
			flush(q);
			head = __atomic_load_n(q->khead, __ATOMIC_ACQUIRE);
		}
		rqe = &q->rqes[q->tail++ & q->mask];
		rqe->off = q->token | c->offset;
		rqe->len = c->result;
		rqe->__pad = 0;
		q->returned++;
	}
	__atomic_store_n(q->ktail, q->tail, __ATOMIC_RELEASE);
}

/* Connections whose data had no buffer to be copied to try again. */
static void feed_starved(struct netgpu_queue *q)
{
	struct netgpu_conn *c;

	if (!q->nr_starved || !q->returned)
		return;
	flush(q);
	q->returned = 0;
	for (c = q->conns; c; c = c->next) {
		if (!c->starved)
			continue;
		c->starved = false;
		want_armed(c);
	}
	q->nr_starved = 0;
}

static void complete(struct netgpu_conn *c, struct netgpu_completion *out,
		     int result)
{
	out->conn = c;
	out->user = c->user;
	out->offset = NETGPU_IN_HOST;
	out->data = NULL;
	out->result = result;
	out->resv = 0;
	if (result <= 0)
		c->ended = true;
}

/*
 * Data in host memory is in front, where the kernel cannot copy it into the
 * memory: read it the ordinary way, up to the next byte that is there already.
 * 1 when *@out holds something.
 */
static int read_stray(struct netgpu_conn *c, struct netgpu_completion *out)
{
	struct netgpu_queue *q = c->queue;
	ssize_t n = recv(c->fd, q->bounce, BOUNCE_SIZE, MSG_DONTWAIT);

	c->stray = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		want_armed(c);
		return 0;
	}
	if (n <= 0) {
		/* EFAULT: what is in front belongs to another queue's memory. */
		complete(c, out, n ? -errno : 0);
		return 1;
	}
	complete(c, out, n);
	out->data = q->bounce;
	q->stats.stray_bytes += n;
	q->stats.completions++;
	q->stats.bytes += n;
	want_armed(c);
	return 1;
}

/* Start what is to be started; 1 when *@out holds something. */
static int arm_all(struct netgpu_queue *q, struct netgpu_completion *out)
{
	struct netgpu_conn *c, *list = q->todo;

	q->todo = NULL;
	q->todo_end = &q->todo;
	while ((c = list)) {
		list = c->todo;
		c->queued = false;
		if (c->closed) {
			free_conn(c);
			continue;
		}
		if (!c->stray) {
			arm(c);
			continue;
		}
		if (!read_stray(c, out))
			continue;
		/* There is one bounce buffer: the others in their turn. */
		while ((c = list)) {
			list = c->todo;
			c->queued = false;
			want_armed(c);
		}
		return 1;
	}
	return 0;
}

static int taken_away(const struct netgpu_queue *q)
{
	return fail(-ENODEV, "%s was taken away by its exporter, or the network device has gone",
		    q->memory->name);
}

/* A receive has ended; 1 when the caller must hear of it. */
static int receive_ended(struct netgpu_conn *c, int res,
			 struct netgpu_completion *out)
{
	struct netgpu_queue *q = c->queue;

	c->armed = false;
	if (c->closed) {
		free_conn(c);
		return 0;
	}
	switch (res) {
	case -ENOSPC:
		q->stats.rearms++;
		want_armed(c);
		return 0;
	case -EINTR:
	case -EAGAIN:
		want_armed(c);
		return 0;
	case -ENOMEM:
		if (q->readable) {
			/* No buffer left to copy to. */
			q->stats.alloc_failures++;
			c->starved = true;
			q->nr_starved++;
			return 0;
		}
		/* fall through */
	case -EOPNOTSUPP:	/* the exporter does not let the CPU at it */
	case -EFAULT:
	case -EIO:
		c->stray = true;
		want_armed(c);
		return 0;
	}
	if (res == -ENODEV)
		taken_away(q);
	complete(c, out, res);
	return 1;
}

static void event(struct netgpu_queue *q, int type)
{
	struct ctrl ctrl = {
		.zcrx_id = q->id,
		.op = CTRL_ARM_EVENT,
		.event_type = type,
	};

	if (type == NETGPU_ZCRX_EVENT_REVOKED) {
		q->revoked = true;	/* posted once */
		return;
	}
	if (type == EVENT_ALLOC_FAIL)
		q->stats.alloc_failures++;
	io_uring_register_zcrx_ctrl(&q->ring, (void *)&ctrl);
}

static int data(struct netgpu_queue *q, struct netgpu_conn *c,
		const struct io_uring_cqe *cqe, struct netgpu_completion *out)
{
	const struct io_uring_zcrx_cqe *zc = (const void *)(cqe + 1);

	out->conn = c;
	out->user = c->user;
	out->offset = zc->off & ~IORING_ZCRX_AREA_MASK;
	out->data = q->memory->map ? (char *)q->memory->map + out->offset : NULL;
	out->result = cqe->res;
	out->resv = 0;
	q->stats.completions++;
	q->stats.bytes += cqe->res;
	if (!c->closed)
		return 1;
	netgpu_queue_return(q, out, 1);
	return 0;
}

/* 1 when *@out holds something. */
static int take(struct netgpu_queue *q, const struct io_uring_cqe *cqe,
		struct netgpu_completion *out)
{
	void *p = (void *)(uintptr_t)(cqe->user_data & ~(__u64)KIND_MASK);
	struct watched *w;

	switch (cqe->user_data & KIND_MASK) {
	case KIND_CONN:
		if (cqe->flags & IORING_CQE_F_MORE)
			return data(q, p, cqe, out);
		return receive_ended(p, cqe->res, out);
	case KIND_WATCH:
		w = p;
		*out = (struct netgpu_completion) {
			.user = w->user, .result = cqe->res,
			.offset = NETGPU_IN_HOST,
		};
		if (cqe->res >= 0 && !(cqe->res & POLLHUP))
			arm_watch(w);
		return 1;
	case KIND_EVENT:
		event(q, cqe->res);
		return 0;
	}
	return 0;
}

/* The memory was taken away, and every connection has heard of it. */
static bool over(const struct netgpu_queue *q)
{
	const struct netgpu_conn *c;

	if (!q->revoked)
		return false;
	for (c = q->conns; c; c = c->next)
		if (c->armed || c->queued)
			return false;
	return true;
}

int netgpu_queue_wait(struct netgpu_queue *q, struct netgpu_completion *out,
		      unsigned int count, int64_t timeout)
{
	struct __kernel_timespec ts = {
		.tv_sec = timeout / 1000000000, .tv_nsec = timeout % 1000000000,
	};
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0, n = 0;
	int ret;

	feed_starved(q);
	if (q->todo && arm_all(q, out))
		return 1;

	if (io_uring_cq_ready(&q->ring) || timeout == 0 || q->todo ||
	    over(q))
		ret = io_uring_submit_and_get_events(&q->ring);
	else
		ret = io_uring_submit_and_wait_timeout(&q->ring, &cqe, 1,
						       timeout < 0 ? NULL : &ts,
						       NULL);
	if (ret < 0 && ret != -ETIME && ret != -EINTR && ret != -EAGAIN &&
	    ret != -EBUSY)
		return fail(ret, "io_uring: %s", strerror(-ret));

	io_uring_for_each_cqe(&q->ring, head, cqe) {
		if (n == count)
			break;
		n += take(q, cqe, &out[n]);
		seen++;
	}
	io_uring_cq_advance(&q->ring, seen);
	if (!n && over(q))
		return taken_away(q);
	return n;
}

void netgpu_queue_get_stats(const struct netgpu_queue *q,
			    struct netgpu_queue_stats *stats)
{
	*stats = q->stats;
	if (q->counters) {
		stats->copies = q->counters->copies;
		stats->copy_bytes = q->counters->copy_bytes;
	}
}

struct io_uring *netgpu_queue_ring(struct netgpu_queue *q)
{
	return &q->ring;
}
