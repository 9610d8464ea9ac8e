/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef NETGPU_INTERNAL_H
#define NETGPU_INTERNAL_H

#include "libnetgpu.h"

/* The kernel's and liburing's pages; regions are made of these. */
size_t page_size(void);

/* Store a sentence for netgpu_error() and return @ret. */
int fail(int ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* At the start of each call that can fail: until it does. */
void succeed(void);

/*
 * What has been closed by the caller stays until nothing uses it any more: a region uses its memory, a queue its
 * memories and regions, a connection its queue.  Those may be used by different threads.
 */
static inline void ref_get(unsigned int *refs)
{
	__atomic_fetch_add(refs, 1, __ATOMIC_RELAXED);
}

/* True for the last. */
static inline bool ref_put(unsigned int *refs)
{
	return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
}

struct netgpu_memory {
	unsigned int refs;
	char name[96];
	uint64_t size;
	uint64_t offset;	/* in the BAR */
	uint64_t fd_offset;	/* in the dma-buf */
	int fd;			/* dma-buf or -1 */
	void *map;
	bool read_only;		/* the map */
	bool callers;		/* the map is not ours */
	bool device;
	/* vfio: closing any of them revokes the dma-buf */
	int vfio_container, vfio_group, vfio_device;
	int memfd;
};

struct netgpu_memory *memory_new(void);
int vfio_open(struct netgpu_memory *m, const char *spec, uint64_t size);
int drm_open(struct netgpu_memory *m, const char *path, uint64_t size);

void memory_put(struct netgpu_memory *m);

/* Map a shared file, to read only if it must be; NULL when it cannot be. */
void map_shared(struct netgpu_memory *m, int fd, uint64_t offset);

struct netgpu_region {
	unsigned int refs;
	int fd;
	uint64_t offset, length;	/* in the memory */
	bool send, receive;
	struct netgpu_memory *memory;
};

void region_put(struct netgpu_region *r);

#endif
