// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A DMA engine of a GPU that amdgpu drives, as a copier.
 *
 * Copies become packets in indirect buffers, one of SLOTS after the other, and each submission signals a point of a timeline
 * that an eventfd tells of. The last packet of a submission copies its number to a word that the CPU reads: when the driver
 * has signalled a point and the word is not that far, the engine was reset, and has not done it.
 */
#include <amdgpu.h>
#include <amdgpu_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "libnetgpu_amdgpu.h"

#define PAGE		4096ull
#define SLOTS		16
#define SLOT_BYTES	(256ull << 10)	/* of packets, at most */
#define PACKET_WORDS	7		/* at most */
#define ALIGN_WORDS	8		/* of an indirect buffer's length */
#define NUMBERS		(SLOTS * SLOT_BYTES)	/* in the buffer: the points of the slots, and the word that they go to */
#define REACHED		(NUMBERS + SLOTS * 4ull)
#define BUFFER_BYTES	(NUMBERS + PAGE)
/* Packets of a slot, its number's and what fills it up left aside. */
#define SLOT_PACKETS	((SLOT_BYTES / 4 - PACKET_WORDS - ALIGN_WORDS) / PACKET_WORDS)

#define fail(error, ...)	netgpu_error_set(error, __VA_ARGS__)
#define succeed()		netgpu_error_set(0, NULL)

struct mapped {
	const struct netgpu_memory *memory;
	amdgpu_bo_handle bo;
	amdgpu_va_handle range;
	uint64_t va, size;
};

struct netgpu_sdma {
	char name[64];
	int fd;
	amdgpu_device_handle device;
	amdgpu_context_handle context;
	struct amdgpu_gpu_info info;
	struct mapped buffer;		/* of packets and numbers */
	unsigned char *cpu;		/* the same */
	struct mapped memories[NETGPU_SDMA_MEMORIES];
	unsigned int nr_memories;
	uint32_t list;			/* of all of them; 0: to be made */
	uint32_t timeline;		/* syncobj */
	uint64_t point;			/* that was given out last */
	uint64_t points[SLOTS];		/* of what is in each */
	struct netgpu_copier copier;
};

/* --------------------------------------------------------------- memory */

static int map(struct netgpu_sdma *s, struct mapped *m)
{
	const uint64_t size = (m->size + PAGE - 1) / PAGE * PAGE;
	int ret = amdgpu_va_range_alloc(s->device, amdgpu_gpu_va_range_general, size, PAGE, 0, &m->va, &m->range, 0);

	if (ret)
		return ret;
	ret = amdgpu_bo_va_op(m->bo, 0, size, m->va, 0, AMDGPU_VA_OP_MAP);
	if (ret) {
		amdgpu_va_range_free(m->range);
		m->range = NULL;
	}
	return ret;
}

static void unmap(struct mapped *m)
{
	if (m->range) {
		amdgpu_bo_va_op(m->bo, 0, (m->size + PAGE - 1) / PAGE * PAGE, m->va, 0, AMDGPU_VA_OP_UNMAP);
		amdgpu_va_range_free(m->range);
	}
	if (m->bo)
		amdgpu_bo_free(m->bo);
}

/* Memories have come or gone. */
static void forget_list(struct netgpu_sdma *s)
{
	if (s->list)
		amdgpu_bo_list_destroy_raw(s->device, s->list);
	s->list = 0;
}

int netgpu_sdma_add(struct netgpu_sdma *s, const struct netgpu_memory *memory)
{
	struct mapped *m = &s->memories[s->nr_memories];
	struct amdgpu_bo_import_result result;
	unsigned int i;
	int ret;

	succeed();
	if (netgpu_memory_fd(memory) < 0)
		return fail(-EINVAL, "%s is no dma-buf: a DMA engine cannot be given it", netgpu_memory_name(memory));
	for (i = 0; i < s->nr_memories; i++)
		if (s->memories[i].memory == memory)
			return fail(-EEXIST, "%s: the DMA engine has it already", netgpu_memory_name(memory));
	if (s->nr_memories == NETGPU_SDMA_MEMORIES)
		return fail(-ENOSPC, "the DMA engine has %d memories, and can have no more", NETGPU_SDMA_MEMORIES);
	ret = amdgpu_bo_import(s->device, amdgpu_bo_handle_type_dma_buf_fd, netgpu_memory_fd(memory), &result);
	if (ret)
		return fail(ret, "%s: importing %s: %s", s->name, netgpu_memory_name(memory), strerror(-ret));
	*m = (struct mapped) { .memory = memory, .bo = result.buf_handle, .size = result.alloc_size };
	ret = map(s, m);
	if (ret) {
		unmap(m);
		*m = (struct mapped) { 0 };
		return fail(ret, "%s: mapping %s: %s", s->name, netgpu_memory_name(memory), strerror(-ret));
	}
	s->nr_memories++;
	forget_list(s);
	return 0;
}

static const struct mapped *mapped_of(const struct netgpu_sdma *s, const struct netgpu_memory *memory)
{
	unsigned int i;

	for (i = 0; i < s->nr_memories; i++)
		if (s->memories[i].memory == memory)
			return &s->memories[i];
	return NULL;
}

static int kms_handle(amdgpu_bo_handle bo, uint32_t *handle)
{
	return amdgpu_bo_export(bo, amdgpu_bo_handle_type_kms, handle);
}

/* All that an engine may touch is named with each submission; it is the same each time. */
static int make_list(struct netgpu_sdma *s)
{
	struct drm_amdgpu_bo_list_entry entries[NETGPU_SDMA_MEMORIES + 1] = { 0 };
	unsigned int i;
	int ret;

	if (s->list)
		return 0;
	ret = kms_handle(s->buffer.bo, &entries[s->nr_memories].bo_handle);
	for (i = 0; !ret && i < s->nr_memories; i++)
		ret = kms_handle(s->memories[i].bo, &entries[i].bo_handle);
	return ret ? ret : amdgpu_bo_list_create_raw(s->device, s->nr_memories + 1, entries, &s->list);
}

/* -------------------------------------------------------------- packets */

/* The most of one. */
static uint32_t packet_most(const struct netgpu_sdma *s)
{
	return s->info.family_id == AMDGPU_FAMILY_SI ? 0xfffe0 : 0x1fffe0;
}

/* Of the engine's generation (in the kernel: sid.h, cik_sdma.c, vega10_sdma_pkt_open.h). */
static uint32_t *put_copy(const struct netgpu_sdma *s, uint32_t *p, uint64_t to, uint64_t from, uint32_t bytes)
{
	if (s->info.family_id == AMDGPU_FAMILY_SI) {
		const bool words = !((to | from | bytes) & 3);

		*p++ = 3u << 28 | (words ? bytes / 4 : 1u << 26 | bytes);
		*p++ = to;
		*p++ = from;
		*p++ = to >> 32 & 0xff;
		*p++ = from >> 32 & 0xff;
		return p;
	}
	*p++ = 1;
	*p++ = s->info.family_id >= AMDGPU_FAMILY_AI ? bytes - 1 : bytes;
	*p++ = 0;
	*p++ = from;
	*p++ = from >> 32;
	*p++ = to;
	*p++ = to >> 32;
	return p;
}

static uint32_t *slot_packets(const struct netgpu_sdma *s, unsigned int slot)
{
	return (uint32_t *)(s->cpu + slot * SLOT_BYTES);
}

/* What is in it ends with its number, and is told to the engine. */
static int submit(struct netgpu_sdma *s, unsigned int slot, uint32_t *p)
{
	uint32_t *first = slot_packets(s, slot), *number = (uint32_t *)(s->cpu + NUMBERS) + slot;
	struct drm_amdgpu_cs_chunk_syncobj signal = { .handle = s->timeline, .point = s->point + 1 };
	struct drm_amdgpu_cs_chunk_ib ib = { .va_start = s->buffer.va + slot * SLOT_BYTES, .ip_type = AMDGPU_HW_IP_DMA };
	struct drm_amdgpu_cs_chunk chunks[] = {
		{ .chunk_id = AMDGPU_CHUNK_ID_IB, .length_dw = sizeof(ib) / 4, .chunk_data = (uintptr_t)&ib },
		{ .chunk_id = AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL, .length_dw = sizeof(signal) / 4, .chunk_data = (uintptr_t)&signal },
	};
	uint64_t sequence;
	int ret;

	*number = s->point + 1;
	p = put_copy(s, p, s->buffer.va + REACHED, s->buffer.va + NUMBERS + slot * sizeof(*number), sizeof(*number));
	while ((p - first) % ALIGN_WORDS)
		*p++ = s->info.family_id == AMDGPU_FAMILY_SI ? 0xfu << 28 : 0;	/* nothing */
	ib.ib_bytes = (p - first) * 4;
	ret = make_list(s);
	if (!ret)
		ret = amdgpu_cs_submit_raw2(s->device, s->context, s->list, 2, chunks, &sequence);
	if (ret)
		return fail(ret, "%s: copying: %s", s->name, strerror(-ret));
	s->points[slot] = ++s->point;
	/* Without it, it would be noticed with the next. */
	if (drmSyncobjEventfd(s->fd, s->timeline, s->point, s->copier.fd, 0))
		return fail(-errno, "%s: an eventfd of a fence: %s", s->name, strerror(errno));
	return 0;
}

/* --------------------------------------------------------------- copier */

static bool can(void *context, const struct netgpu_memory *to, const struct netgpu_memory *from)
{
	return mapped_of(context, to) && mapped_of(context, from);
}

static int reached(void *context, uint64_t *point)
{
	struct netgpu_sdma *s = context;
	uint32_t done;

	if (drmSyncobjQuery(s->fd, &s->timeline, point, 1))
		return fail(-errno, "%s: a timeline: %s", s->name, strerror(errno));
	done = __atomic_load_n((uint32_t *)(s->cpu + REACHED), __ATOMIC_ACQUIRE);
	if ((int32_t)(done - (uint32_t)*point) < 0)
		return fail(-EIO, "%s: its DMA engine was reset", s->name);
	return 0;
}

static int wait_until(void *context, uint64_t point, int64_t timeout)
{
	struct netgpu_sdma *s = context;
	struct timespec now;
	uint64_t done;
	int64_t until;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &now);
	until = now.tv_sec * 1000000000ll + now.tv_nsec + timeout;
	ret = drmSyncobjTimelineWait(s->fd, &s->timeline, &point, 1, until, 0, NULL);
	if (ret == -ETIME)
		ret = -ETIMEDOUT;
	return ret ? fail(ret, "%s: waiting: %s", s->name, strerror(-ret)) : reached(s, &done);
}

int netgpu_sdma_remove(struct netgpu_sdma *s, const struct netgpu_memory *memory)
{
	struct mapped *m = (struct mapped *)mapped_of(s, memory);
	uint64_t done;

	succeed();
	if (!m)
		return fail(-ENOENT, "%s: the DMA engine does not have it", netgpu_memory_name(memory));
	/* A copy that hangs ends with the reset that the driver makes then; its memory stays mapped until this has been. */
	while (s->point && wait_until(s, s->point, 1000000000) && !reached(s, &done) && done < s->point)
		;
	unmap(m);
	*m = s->memories[--s->nr_memories];
	s->memories[s->nr_memories] = (struct mapped) { 0 };
	forget_list(s);
	succeed();
	return 0;
}

/* A slot's number of packets, by what a copy makes. */
static uint64_t packets_of(const struct netgpu_sdma *s, const struct netgpu_copy *c)
{
	const uint64_t part = c->part ? c->part : c->length, most = packet_most(s);
	uint64_t whole, rest;

	if (!c->length)
		return 0;
	whole = c->length / part;
	rest = c->length % part;
	return whole * ((part + most - 1) / most) + (rest + most - 1) / most;
}

struct writer {
	struct netgpu_sdma *s;
	unsigned int slot, packets;
	uint32_t *p;		/* NULL: none is begun */
};

static int begin(struct writer *w)
{
	struct netgpu_sdma *s = w->s;
	int ret = 0;

	w->slot = s->point % SLOTS;
	if (s->points[w->slot])
		ret = wait_until(s, s->points[w->slot], INT64_MAX / 2);
	w->p = slot_packets(s, w->slot);
	w->packets = 0;
	return ret;
}

static int end(struct writer *w)
{
	int ret = submit(w->s, w->slot, w->p);

	w->p = NULL;
	return ret;
}

static int put_run(struct writer *w, uint64_t to, uint64_t from, uint64_t length)
{
	uint64_t n;
	int ret;

	for (; length; length -= n, to += n, from += n) {
		if (w->p && w->packets == SLOT_PACKETS) {
			ret = end(w);
			if (ret)
				return ret;
		}
		if (!w->p) {
			ret = begin(w);
			if (ret)
				return ret;
		}
		n = length < packet_most(w->s) ? length : packet_most(w->s);
		w->p = put_copy(w->s, w->p, to, from, n);
		w->packets++;
	}
	return 0;
}

static int put(struct writer *w, uint64_t to, uint64_t from, const struct netgpu_copy *c)
{
	const uint64_t part = c->part ? c->part : c->length;
	uint64_t done, n;
	int ret;

	for (done = 0; done < c->length; done += n) {
		n = part < c->length - done ? part : c->length - done;
		ret = put_run(w, to + done, from + done / part * c->stride, n);
		if (ret)
			return ret;
	}
	return 0;
}

/* Is there a slot for all of it?  What is more than all of them hold has to wait for some of its own. */
static bool has_room(struct netgpu_sdma *s, uint64_t packets)
{
	const uint64_t need = (packets + SLOT_PACKETS - 1) / SLOT_PACKETS;
	uint64_t last, done;

	if (reached(s, &done))
		return true;	/* and hears of that */
	last = s->points[(s->point + (need < SLOTS ? need : SLOTS) - 1) % SLOTS];
	return last <= done;
}

static int copy(void *context, struct netgpu_memory *to, struct netgpu_memory *from, const struct netgpu_copy *copies,
		unsigned int count, uint64_t *point)
{
	struct writer w = { .s = context };
	const struct mapped *there = mapped_of(w.s, to), *here = mapped_of(w.s, from);
	const uint64_t before = w.s->point;
	uint64_t packets = 0, done;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < count; i++)
		packets += packets_of(w.s, &copies[i]);
	if (!has_room(w.s, packets ? packets : 1))
		return -EAGAIN;
	if (!packets)
		ret = begin(&w);
	for (i = 0; !ret && i < count; i++)
		ret = put(&w, there->va + netgpu_memory_fd_offset(to) + copies[i].to,
			  here->va + netgpu_memory_fd_offset(from) + copies[i].from, &copies[i]);
	if (!ret && w.p)
		ret = end(&w);
	/* Who hears of a failure may do something else with the memory. */
	while (ret && w.s->point > before && wait_until(w.s, w.s->point, 1000000000) && !reached(w.s, &done))
		;
	*point = w.s->point;
	return ret;
}

const struct netgpu_copier *netgpu_sdma_copier(const struct netgpu_sdma *s)
{
	return &s->copier;
}

/* ----------------------------------------------------------- open, close */

static int open_device(struct netgpu_sdma *s, const char *path)
{
	struct drm_amdgpu_info_hw_ip dma;
	uint32_t major, minor;
	drmVersion *version;
	bool right;
	int ret;

	s->fd = open(path, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return fail(-errno, "%s: %s", path, strerror(errno));
	version = drmGetVersion(s->fd);
	right = version && !strcmp(version->name, "amdgpu");
	drmFreeVersion(version);
	if (!right)
		return fail(-EOPNOTSUPP, "%s is not driven by amdgpu", path);
	/* Of its own, and no other's of this process: fences are known to one descriptor. */
	ret = amdgpu_device_initialize2(s->fd, false, &major, &minor, &s->device);
	if (!ret)
		ret = amdgpu_query_gpu_info(s->device, &s->info);
	if (!ret)
		ret = amdgpu_query_hw_ip_info(s->device, AMDGPU_HW_IP_DMA, 0, &dma);
	if (!ret)
		ret = amdgpu_cs_ctx_create(s->device, &s->context);
	if (ret)
		return fail(ret, "%s: %s", path, strerror(-ret));
	if (!dma.available_rings)
		return fail(-EOPNOTSUPP, "%s has no DMA engine", path);
	return 0;
}

static int make_buffer(struct netgpu_sdma *s)
{
	struct amdgpu_bo_alloc_request request = {
		.alloc_size = BUFFER_BYTES, .phys_alignment = PAGE, .preferred_heap = AMDGPU_GEM_DOMAIN_GTT,
	};
	void *cpu;
	int ret = amdgpu_bo_alloc(s->device, &request, &s->buffer.bo);

	s->buffer.size = BUFFER_BYTES;
	if (!ret)
		ret = map(s, &s->buffer);
	if (!ret)
		ret = amdgpu_bo_cpu_map(s->buffer.bo, &cpu);
	if (ret)
		return fail(ret, "%s: memory for packets: %s", s->name, strerror(-ret));
	s->cpu = cpu;
	memset(s->cpu + NUMBERS, 0, PAGE);
	return 0;
}

static int make_timeline(struct netgpu_sdma *s)
{
	uint64_t can_do = 0;

	if (drmGetCap(s->fd, DRM_CAP_SYNCOBJ_TIMELINE, &can_do) || !can_do)
		return fail(-EOPNOTSUPP, "%s: its driver has no timelines", s->name);
	if (drmSyncobjCreate(s->fd, 0, &s->timeline))
		return fail(-errno, "%s: a timeline: %s", s->name, strerror(errno));
	s->copier = (struct netgpu_copier) {
		.context = s, .can = can, .copy = copy, .reached = reached, .wait = wait_until,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	return s->copier.fd < 0 ? fail(-errno, "an eventfd: %s", strerror(errno)) : 0;
}

/* Is all there that is needed?  Nothing is copied. */
static int try_it(struct netgpu_sdma *s)
{
	struct writer w = { .s = s };
	int ret = begin(&w);

	if (!ret)
		ret = end(&w);
	return ret ? ret : wait_until(s, s->point, 5000000000ll);
}

int netgpu_sdma_open(const char *path, struct netgpu_sdma **sdma)
{
	struct netgpu_sdma *s = calloc(1, sizeof(*s));
	int ret;

	succeed();
	if (!s)
		return fail(-ENOMEM, "out of memory");
	snprintf(s->name, sizeof(s->name), "amdgpu %s", path);
	s->fd = s->copier.fd = -1;
	ret = open_device(s, path);
	if (!ret)
		ret = make_buffer(s);
	if (!ret)
		ret = make_timeline(s);
	if (!ret)
		ret = try_it(s);
	if (ret) {
		netgpu_sdma_close(s);
		return ret;
	}
	*sdma = s;
	return 0;
}

void netgpu_sdma_close(struct netgpu_sdma *s)
{
	uint64_t point;
	unsigned int i;

	if (!s)
		return;
	point = s->point;
	if (point)
		drmSyncobjTimelineWait(s->fd, &s->timeline, &point, 1, INT64_MAX, 0, NULL);
	if (s->list)
		amdgpu_bo_list_destroy_raw(s->device, s->list);
	for (i = 0; i < s->nr_memories; i++)
		unmap(&s->memories[i]);
	if (s->cpu)
		amdgpu_bo_cpu_unmap(s->buffer.bo);
	unmap(&s->buffer);
	if (s->timeline)
		drmSyncobjDestroy(s->fd, s->timeline);
	if (s->copier.fd >= 0)
		close(s->copier.fd);
	if (s->context)
		amdgpu_cs_ctx_free(s->context);
	if (s->device)
		amdgpu_device_deinitialize(s->device);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
