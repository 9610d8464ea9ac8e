/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef NETGPU_INTERNAL_H
#define NETGPU_INTERNAL_H

#include "libnetgpu.h"

/* The kernel's and liburing's pages; regions are made of these. */
size_t page_size(void);

/* Store a sentence for netgpu_error() and return @ret. */
int fail(int ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct netgpu_memory {
	char name[96];
	uint64_t size;
	uint64_t offset;	/* in the BAR */
	int fd;			/* dma-buf or -1 */
	void *map;
	bool device;
	/* vfio: closing any of them revokes the dma-buf */
	int vfio_container, vfio_group, vfio_device;
	int memfd;
};

struct netgpu_memory *memory_new(void);
int vfio_open(struct netgpu_memory *m, const char *spec, uint64_t size);
int drm_open(struct netgpu_memory *m, const char *path, uint64_t size);

/* Map a shared file, to read only if it must be; NULL when it cannot be. */
void *map_shared(int fd, uint64_t size);

struct netgpu_region {
	int fd;
	bool send;
	struct netgpu_memory *memory;
};

#endif
