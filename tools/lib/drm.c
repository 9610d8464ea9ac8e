// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A GPU's own memory as a dma-buf, allocated by its driver.
 *
 * The dma-buf keeps the memory: neither the buffer's handle nor the device
 * file has to stay open.
 */
#include <drm/amdgpu_drm.h>
#include <drm/i915_drm.h>
#include <drm/nouveau_drm.h>
#include <drm/xe_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "internal.h"

/*
 * Each allocates @size bytes of the GPU's own memory, where a NIC can reach it:
 * 0 or a negative errno, -ENXIO when the GPU has no memory of its own.
 */

static int amdgpu_alloc(int drm, uint64_t size, uint32_t *handle)
{
	union drm_amdgpu_gem_create create = {
		.in = {
			.bo_size = size,
			.alignment = page_size(),
			.domains = AMDGPU_GEM_DOMAIN_VRAM,
			.domain_flags = AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED,
		},
	};

	if (drmIoctl(drm, DRM_IOCTL_AMDGPU_GEM_CREATE, &create))
		return -errno;
	*handle = create.out.handle;
	return 0;
}

/* Objects that can only be in local memory are what the driver does not move away. */
static int i915_alloc(int drm, uint64_t size, uint32_t *handle)
{
	struct drm_i915_gem_memory_class_instance region = {
		.memory_class = I915_MEMORY_CLASS_DEVICE,
	};
	struct drm_i915_gem_create_ext_memory_regions regions = {
		.base.name = I915_GEM_CREATE_EXT_MEMORY_REGIONS,
		.num_regions = 1,
		.regions = (uintptr_t)&region,
	};
	struct drm_i915_gem_create_ext create = {
		.size = size,
		.extensions = (uintptr_t)&regions,
	};

	/* No such region: -EINVAL. */
	if (drmIoctl(drm, DRM_IOCTL_I915_GEM_CREATE_EXT, &create))
		return errno == EINVAL ? -ENXIO : -errno;
	*handle = create.handle;
	return 0;
}

/* The answer to a query, to be freed, or NULL. */
static void *xe_query(int drm, uint32_t what)
{
	struct drm_xe_device_query query = { .query = what };
	void *answer;

	if (drmIoctl(drm, DRM_IOCTL_XE_DEVICE_QUERY, &query))
		return NULL;
	answer = calloc(1, query.size);
	query.data = (uintptr_t)answer;
	if (!answer || !drmIoctl(drm, DRM_IOCTL_XE_DEVICE_QUERY, &query))
		return answer;
	free(answer);
	return NULL;
}

static int xe_alloc(int drm, uint64_t size, uint32_t *handle)
{
	struct drm_xe_query_mem_regions *regions = xe_query(drm, DRM_XE_DEVICE_QUERY_MEM_REGIONS);
	struct drm_xe_gem_create create = {
		.flags = DRM_XE_GEM_CREATE_FLAG_NEEDS_VISIBLE_VRAM,
		.cpu_caching = DRM_XE_GEM_CPU_CACHING_WC,
	};
	uint32_t i;

	if (!regions)
		return -errno;
	for (i = 0; i < regions->num_mem_regions; i++) {
		const struct drm_xe_mem_region *region = &regions->mem_regions[i];
		uint64_t page = region->min_page_size;

		if (region->mem_class != DRM_XE_MEM_REGION_CLASS_VRAM)
			continue;
		create.placement = 1u << region->instance;
		create.size = (size + page - 1) / page * page;
		break;
	}
	free(regions);
	if (!create.placement)
		return -ENXIO;
	if (drmIoctl(drm, DRM_IOCTL_XE_GEM_CREATE, &create))
		return -errno;
	*handle = create.handle;
	return 0;
}

static int nouveau_alloc(int drm, uint64_t size, uint32_t *handle)
{
	struct drm_nouveau_gem_new create = {
		.info = {
			.size = size,
			.domain = NOUVEAU_GEM_DOMAIN_VRAM | NOUVEAU_GEM_DOMAIN_MAPPABLE,
		},
		.align = page_size(),
	};

	if (drmIoctl(drm, DRM_IOCTL_NOUVEAU_GEM_NEW, &create))
		return -errno;
	*handle = create.info.handle;
	return 0;
}

static const struct driver {
	const char *name;
	int (*alloc)(int drm, uint64_t size, uint32_t *handle);
} drivers[] = {
	{ "amdgpu", amdgpu_alloc },
	{ "i915", i915_alloc },
	{ "nouveau", nouveau_alloc },
	{ "xe", xe_alloc },
};

static const struct driver *find_driver(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

static int alloc_and_export(struct netgpu_memory *m, int drm, const char *path,
			    uint64_t size)
{
	drmVersion *version = drmGetVersion(drm);
	const struct driver *driver;
	uint32_t handle;
	int ret;

	if (!version)
		return fail(-ENOTTY, "%s is no GPU: give a render node", path);
	snprintf(m->name, sizeof(m->name), "%s %s", version->name, path);
	driver = find_driver(version->name);
	drmFreeVersion(version);
	if (!driver)
		return fail(-EOPNOTSUPP, "%s: libnetgpu does not allocate from this driver: export a dma-buf yourself, and give dmabuf-fd:N",
			    m->name);

	ret = driver->alloc(drm, size, &handle);
	if (ret == -ENXIO)
		return fail(ret, "%s has no memory of its own: the data would be in host memory, give udmabuf for that",
			    m->name);
	if (ret)
		return fail(ret, "%s: %llu bytes of its memory: %s", m->name,
			    (unsigned long long)size, strerror(-ret));
	ret = drmPrimeHandleToFD(drm, handle, DRM_CLOEXEC | DRM_RDWR, &m->fd) ?
	      -errno : 0;
	drmCloseBufferHandle(drm, handle);
	if (ret)
		return fail(ret, "%s: no dma-buf of its memory: %s", m->name,
			    strerror(-ret));
	return 0;
}

int drm_open(struct netgpu_memory *m, const char *path, uint64_t size)
{
	int drm, ret;

	if (!size)
		return fail(-EINVAL, "%s: a size is needed", path);
	drm = open(path, O_RDWR | O_CLOEXEC);
	if (drm < 0)
		return fail(-errno, "%s: %s", path, strerror(errno));
	ret = alloc_and_export(m, drm, path, size);
	close(drm);
	if (ret)
		return ret;
	m->size = size;
	map_shared(m, m->fd, 0);
	m->device = true;
	return 0;
}
