// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Memory for fabtests that is a device's, or may be: the interface "synapseai" (-D synapseai -R), which is the one that fabtests
 * knows to register dma-bufs of and that needs no other library, stands here for what FT_MEMORY names, as
 * netgpu_memory_open(3) takes it: a BAR of vfio-pci, udmabuf, the VRAM of a DRM device. The CPU reads and writes it by a mapping.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hmem.h"
#include "libnetgpu.h"

#define SIZE	(96ull << 20)		/* of it all, of which allocations are cut; none comes back but the last */
#define LANDING	(32ull << 20)		/* the first of it: where payload arrives (FI_NETGPU_LANDING) */
#define PAGE	4096ull

static struct netgpu_memory *memory;
static char *start;
static uint64_t used, last;

int ft_synapseai_init(void)
{
	const char *spec = getenv("FT_MEMORY");
	char text[32];

	if (!spec) {
		fprintf(stderr, "FT_MEMORY is not set: name the memory, such as udmabuf\n");
		return -FI_ENODATA;
	}
	if (netgpu_memory_open(spec, SIZE, &memory)) {
		fprintf(stderr, "%s\n", netgpu_error());
		return -FI_ENODATA;
	}
	start = netgpu_memory_map(memory);
	used = last = LANDING;
	snprintf(text, sizeof(text), "dmabuf-fd:%d", netgpu_memory_fd(memory));
	setenv("FI_NETGPU_LANDING", text, 1);
	snprintf(text, sizeof(text), "%llu", LANDING);
	setenv("FI_NETGPU_LANDING_SIZE", text, 1);
	return start ? 0 : -FI_ENODATA;
}

int ft_synapseai_cleanup(void)
{
	netgpu_memory_close(memory);
	memory = NULL;
	return 0;
}

int ft_synapseai_alloc(uint64_t device, void **buf, size_t size)
{
	uint64_t length = (size + PAGE - 1) / PAGE * PAGE;

	(void)device;
	if (length > SIZE - used)
		return -FI_ENOMEM;
	last = used;
	*buf = start + used;
	used += length;
	return 0;
}

int ft_synapseai_free(void *buf)
{
	if (buf == start + last)
		used = last;
	return 0;
}

int ft_synapseai_alloc_host(void **buf, size_t size)
{
	return ft_default_alloc_host(buf, size);
}

int ft_synapseai_free_host(void *buf)
{
	return ft_default_free_host(buf);
}

int ft_synapseai_memset(uint64_t device, void *buf, int value, size_t size)
{
	(void)device;
	memset(buf, value, size);
	return 0;
}

int ft_synapseai_copy_to_hmem(uint64_t device, void *dst, const void *src, size_t size)
{
	(void)device;
	memcpy(dst, src, size);
	return 0;
}

int ft_synapseai_copy_from_hmem(uint64_t device, void *dst, const void *src, size_t size)
{
	return ft_synapseai_copy_to_hmem(device, dst, src, size);
}

int ft_synapseai_get_dmabuf_fd(void *buf, size_t len, int *fd, uint64_t *offset)
{
	(void)len;
	*fd = netgpu_memory_fd(memory);
	*offset = (uint64_t)((char *)buf - start);
	return *fd < 0 ? -FI_ENOSYS : 0;
}
