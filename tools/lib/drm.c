// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A GPU's own memory as a dma-buf, allocated by its driver.
 *
 * The dma-buf keeps the memory: neither the buffer's handle nor the device
 * file has to stay open.
 */
#include <amdgpu_drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "internal.h"

static int amdgpu_alloc(int drm, uint64_t size, uint32_t *handle)
{
	union drm_amdgpu_gem_create create = {
		.in = {
			.bo_size = size,
			.alignment = page_size(),
			.domains = AMDGPU_GEM_DOMAIN_VRAM,
			/* where a NIC reaches it too */
			.domain_flags = AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED,
		},
	};

	if (drmIoctl(drm, DRM_IOCTL_AMDGPU_GEM_CREATE, &create))
		return -errno;
	*handle = create.out.handle;
	return 0;
}

static const struct driver {
	const char *name;
	int (*alloc)(int drm, uint64_t size, uint32_t *handle);
} drivers[] = {
	{ "amdgpu", amdgpu_alloc },
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
	m->map = map_shared(m->fd, size);
	m->device = true;
	return 0;
}
