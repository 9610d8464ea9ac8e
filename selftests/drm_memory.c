// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/amdgpu_drm.h>
#include <drm/drm.h>
#include <drm/i915_drm.h>
#include <drm/nouveau_drm.h>
#include <drm/xe_drm.h>

#include "drm_memory.h"

#define PAGE	4096

/* As libdrm does it: the driver may want to be asked again. */
static int drm_ioctl(int drm, unsigned long request, void *arg)
{
	int ret;

	do
		ret = ioctl(drm, request, arg);
	while (ret && (errno == EINTR || errno == EAGAIN));
	return ret;
}

static uint32_t amdgpu_create(int drm, size_t size, bool hidden)
{
	union drm_amdgpu_gem_create create = {
		.in = {
			.bo_size = size,
			.alignment = PAGE,
			.domains = AMDGPU_GEM_DOMAIN_VRAM,
			.domain_flags = hidden ? AMDGPU_GEM_CREATE_NO_CPU_ACCESS :
						 AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED,
		},
	};

	if (drm_ioctl(drm, DRM_IOCTL_AMDGPU_GEM_CREATE, &create))
		err(1, "DRM_IOCTL_AMDGPU_GEM_CREATE");
	return create.out.handle;
}

/* What the CPU has to reach can move to system memory as well: the driver insists on it. */
static uint32_t i915_create(int drm, size_t size, bool hidden)
{
	struct drm_i915_gem_memory_class_instance places[] = {
		{ .memory_class = I915_MEMORY_CLASS_DEVICE },
		{ .memory_class = I915_MEMORY_CLASS_SYSTEM },
	};
	struct drm_i915_gem_create_ext_memory_regions regions = {
		.base.name = I915_GEM_CREATE_EXT_MEMORY_REGIONS,
		.num_regions = hidden ? 1 : 2,
		.regions = (uintptr_t)places,
	};
	struct drm_i915_gem_create_ext create = {
		.size = size,
		.flags = hidden ? 0 : I915_GEM_CREATE_EXT_FLAG_NEEDS_CPU_ACCESS,
		.extensions = (uintptr_t)&regions,
	};

	if (drm_ioctl(drm, DRM_IOCTL_I915_GEM_CREATE_EXT, &create))
		err(1, "DRM_IOCTL_I915_GEM_CREATE_EXT");
	return create.handle;
}

static uint32_t nouveau_create(int drm, size_t size, bool hidden)
{
	struct drm_nouveau_gem_new create = {
		.info = {
			.size = size,
			.domain = NOUVEAU_GEM_DOMAIN_VRAM |
				  (hidden ? 0 : NOUVEAU_GEM_DOMAIN_MAPPABLE),
		},
		.align = PAGE,
	};

	if (drm_ioctl(drm, DRM_IOCTL_NOUVEAU_GEM_NEW, &create))
		err(1, "DRM_IOCTL_NOUVEAU_GEM_NEW");
	return create.info.handle;
}

/* The first of the GPU's memories. */
static struct drm_xe_mem_region xe_vram(int drm)
{
	struct drm_xe_device_query query = { .query = DRM_XE_DEVICE_QUERY_MEM_REGIONS };
	struct drm_xe_query_mem_regions *regions;
	struct drm_xe_mem_region vram = {};
	uint32_t i;

	if (drm_ioctl(drm, DRM_IOCTL_XE_DEVICE_QUERY, &query))
		err(1, "DRM_IOCTL_XE_DEVICE_QUERY");
	regions = calloc(1, query.size);
	query.data = (uintptr_t)regions;
	if (!regions || drm_ioctl(drm, DRM_IOCTL_XE_DEVICE_QUERY, &query))
		err(1, "DRM_IOCTL_XE_DEVICE_QUERY");
	for (i = 0; i < regions->num_mem_regions && !vram.min_page_size; i++)
		if (regions->mem_regions[i].mem_class == DRM_XE_MEM_REGION_CLASS_VRAM)
			vram = regions->mem_regions[i];
	free(regions);
	if (!vram.min_page_size)
		errx(1, "the GPU has no memory of its own");
	return vram;
}

/* What the CPU has to reach can be in system memory as well, as for i915. */
static uint32_t xe_create(int drm, size_t size, bool hidden)
{
	struct drm_xe_mem_region vram = xe_vram(drm);
	struct drm_xe_gem_create create = {
		.size = (size + vram.min_page_size - 1) / vram.min_page_size * vram.min_page_size,
		.placement = 1u << vram.instance | (hidden ? 0 : 1u),	/* 1: system memory */
		.flags = hidden ? 0 : DRM_XE_GEM_CREATE_FLAG_NEEDS_VISIBLE_VRAM,
		.cpu_caching = DRM_XE_GEM_CPU_CACHING_WC,
	};

	if (drm_ioctl(drm, DRM_IOCTL_XE_GEM_CREATE, &create))
		err(1, "DRM_IOCTL_XE_GEM_CREATE");
	return create.handle;
}

static const struct {
	const char *name;
	uint32_t (*create)(int drm, size_t size, bool hidden);
} drivers[] = {
	{ "amdgpu", amdgpu_create },
	{ "i915", i915_create },
	{ "nouveau", nouveau_create },
	{ "xe", xe_create },
};

static void driver_name(int drm, char name[16])
{
	struct drm_version version = { .name = name, .name_len = 15 };

	memset(name, 0, 16);
	if (drm_ioctl(drm, DRM_IOCTL_VERSION, &version))
		err(1, "DRM_IOCTL_VERSION");
}

static uint32_t create(int drm, size_t size, bool hidden)
{
	char name[16];
	size_t i;

	driver_name(drm, name);
	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(drivers[i].name, name))
			return drivers[i].create(drm, size, hidden);
	errx(1, "the driver %s is not one of amdgpu, i915, nouveau and xe", name);
}

int drm_memory(int drm, size_t size, bool hidden)
{
	struct drm_prime_handle prime = {
		.handle = create(drm, size, hidden),
		.flags = DRM_CLOEXEC | DRM_RDWR,
	};

	if (drm_ioctl(drm, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		err(1, "DRM_IOCTL_PRIME_HANDLE_TO_FD");
	return prime.fd;
}

static uint32_t handle_of(int drm, int dmabuf)
{
	struct drm_prime_handle prime = { .fd = dmabuf };

	if (drm_ioctl(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
		err(1, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
	return prime.handle;
}

/* A batch that is only its end, and names the buffer, which has to be where the GPU wants it. */
static void i915_use(int drm, int dmabuf)
{
	int batch = drm_memory(drm, PAGE, false);
	uint32_t *end = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, batch, 0);
	struct drm_i915_gem_exec_object2 objects[] = {
		{ .handle = handle_of(drm, dmabuf), .flags = EXEC_OBJECT_SUPPORTS_48B_ADDRESS },
		{ .handle = handle_of(drm, batch), .flags = EXEC_OBJECT_SUPPORTS_48B_ADDRESS },
	};
	struct drm_i915_gem_execbuffer2 exec = {
		.buffers_ptr = (uintptr_t)objects,
		.buffer_count = 2,
		.batch_len = 8,
		.flags = I915_EXEC_BLT,
	};
	struct drm_i915_gem_wait done = {
		.bo_handle = objects[1].handle,
		.timeout_ns = 60ll * 1000000000,
	};
	struct drm_gem_close shut = { .handle = objects[1].handle };

	if (end == MAP_FAILED)
		err(1, "mmap of the batch");
	*end = 0x0a << 23;	/* MI_BATCH_BUFFER_END */
	if (drm_ioctl(drm, DRM_IOCTL_I915_GEM_EXECBUFFER2, &exec))
		err(1, "DRM_IOCTL_I915_GEM_EXECBUFFER2");
	if (drm_ioctl(drm, DRM_IOCTL_I915_GEM_WAIT, &done))
		err(1, "DRM_IOCTL_I915_GEM_WAIT");
	munmap(end, PAGE);
	close(batch);
	drm_ioctl(drm, DRM_IOCTL_GEM_CLOSE, &shut);
}

void drm_use(int drm, int dmabuf)
{
	char name[16];

	driver_name(drm, name);
	if (!strcmp(name, "i915"))
		i915_use(drm, dmabuf);
}
