// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Regions of /dev/netgpu. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"
#include "netgpu.h"	/* the kernel's */

int netgpu_region_open(struct netgpu_memory *memory, unsigned int ifindex,
		       unsigned int queue, unsigned int flags,
		       struct netgpu_region **region)
{
	char said[256] = "";
	struct netgpu_region_create create = {
		.dmabuf_fd = memory->fd,
		.flags = flags & NETGPU_REQUIRE_P2P ? NETGPU_REGION_REQUIRE_P2P : 0,
		.length = memory->size,
		.ifindex = ifindex,
		.queue = queue,
		.msg_size = sizeof(said),
		.msg = (uintptr_t)said,
	};
	struct netgpu_region *r;
	int dev, fd, err;

	if (flags & ~NETGPU_REQUIRE_P2P)
		return fail(-EINVAL, "region: unknown flags %#x", flags);
	if (memory->fd < 0)
		return fail(-EINVAL, "%s has no dma-buf, so no region can be made of it",
			    memory->name);
	dev = open("/dev/netgpu", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return fail(-errno, "/dev/netgpu: %s%s", strerror(errno),
			    errno == ENOENT ? " (a kernel without netgpu)" : "");
	fd = ioctl(dev, NETGPU_IOC_REGION_CREATE, &create);
	err = errno;
	close(dev);
	said[sizeof(said) - 1] = 0;
	if (fd < 0)
		return fail(-err, "region of %s: %s", memory->name,
			    said[0] ? said : strerror(err));

	r = calloc(1, sizeof(*r));
	if (!r) {
		close(fd);
		return fail(-ENOMEM, "out of memory");
	}
	r->fd = fd;
	r->memory = memory;
	*region = r;
	return 0;
}

void netgpu_region_close(struct netgpu_region *region)
{
	if (!region)
		return;
	close(region->fd);
	free(region);
}

int netgpu_region_fd(const struct netgpu_region *region)
{
	return region->fd;
}

int netgpu_region_query(struct netgpu_region *region,
			struct netgpu_region_info *info)
{
	struct netgpu_region_query q = { 0 };

	if (ioctl(region->fd, NETGPU_IOC_REGION_QUERY, &q))
		return fail(-errno, "region of %s: %s", region->memory->name,
			    strerror(errno));
	info->offset = q.offset;
	info->length = q.length;
	info->ifindex = q.ifindex;
	info->queue = q.queue;
	info->where = q.placement;
	info->life = q.state;
	memcpy(info->exporter, q.exporter, sizeof(info->exporter));
	info->exporter[sizeof(info->exporter) - 1] = 0;
	return 0;
}
