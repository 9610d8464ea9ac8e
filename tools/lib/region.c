// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Regions of /dev/netgpu. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"
#include "netgpu.h"	/* the kernel's */

/* What would work, where netdev only says what is wrong. */
static const char *remedy(const char *said)
{
	if (strstr(said, "tcp-data-split") || strstr(said, "hds-thresh"))
		return ": \"netgpu setup\" splits headers from data";
	if (strstr(said, "queue index"))
		return ": they are counted from 0, \"ethtool -l\" shows how many there are";
	return "";
}

static __u32 region_flags(unsigned int flags)
{
	return (flags & NETGPU_SEND && !(flags & NETGPU_RECEIVE) ? 0 : NETGPU_REGION_RX) |
	       (flags & NETGPU_SEND ? NETGPU_REGION_TX : 0) |
	       (flags & NETGPU_REQUIRE_P2P ? NETGPU_REGION_REQUIRE_P2P : 0);
}

static uint64_t range_length(const struct netgpu_memory *memory,
			     const struct netgpu_region_params *p)
{
	return p->length ? p->length : memory->size - p->offset;
}

/* Its descriptor, or -errno with a sentence. */
static int open_device(const struct netgpu_memory *memory,
		       const struct netgpu_region_params *p)
{
	size_t i;
	int dev;

	if (p->flags & ~(NETGPU_REQUIRE_P2P | NETGPU_RECEIVE | NETGPU_SEND))
		return fail(-EINVAL, "region: unknown flags %#x", p->flags);
	for (i = 0; i < sizeof(p->resv) / sizeof(p->resv[0]); i++)
		if (p->resv[i] || p->resv0)
			return fail(-EINVAL, "region: reserved fields must be zero");
	if (p->offset >= memory->size || p->length > memory->size - p->offset)
		return fail(-ERANGE, "region: %llu bytes at %llu: %s ends at %llu",
			    (unsigned long long)p->length, (unsigned long long)p->offset,
			    memory->name, (unsigned long long)memory->size);
	if (memory->fd < 0)
		return fail(-EINVAL, "%s has no dma-buf, so no region can be made of it",
			    memory->name);
	dev = open("/dev/netgpu", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return fail(-errno, "/dev/netgpu: %s%s", strerror(errno),
			    errno == ENOENT ? " (a kernel without netgpu)" : "");
	return dev;
}

int netgpu_region_open(struct netgpu_memory *memory,
		       const struct netgpu_region_params *p,
		       struct netgpu_region **region)
{
	char said[256] = "";
	struct netgpu_region_create create = {
		.dmabuf_fd = memory->fd,
		.flags = region_flags(p->flags),
		.offset = memory->fd_offset + p->offset,
		.length = range_length(memory, p),
		.ifindex = p->ifindex,
		.queue = p->queue,
		.msg_size = sizeof(said),
		.msg = (uintptr_t)said,
	};
	struct netgpu_region *r;
	int dev, fd, err;

	dev = open_device(memory, p);
	if (dev < 0)
		return dev;
	fd = ioctl(dev, NETGPU_IOC_REGION_CREATE, &create);
	err = errno;
	close(dev);
	said[sizeof(said) - 1] = 0;
	if (fd < 0)
		return fail(-err, "region of %s: %s%s", memory->name,
			    said[0] ? said : strerror(err), remedy(said));

	r = calloc(1, sizeof(*r));
	if (!r) {
		close(fd);
		return fail(-ENOMEM, "out of memory");
	}
	r->refs = 1;
	r->fd = fd;
	r->send = p->flags & NETGPU_SEND;
	r->receive = p->flags & NETGPU_RECEIVE || !r->send;
	r->offset = p->offset;
	r->length = create.length;
	ref_get(&memory->refs);
	r->memory = memory;
	*region = r;
	return 0;
}

void region_put(struct netgpu_region *r)
{
	if (!r || !ref_put(&r->refs))
		return;
	close(r->fd);
	memory_put(r->memory);
	free(r);
}

void netgpu_region_close(struct netgpu_region *region)
{
	region_put(region);
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

int netgpu_region_get_stats(struct netgpu_region *region,
			    struct netgpu_region_stats *stats)
{
	struct netgpu_region_query q = { 0 };

	memset(stats, 0, sizeof(*stats));
	if (ioctl(region->fd, NETGPU_IOC_REGION_QUERY, &q))
		return fail(-errno, "region of %s: %s", region->memory->name,
			    strerror(errno));
	stats->copied_header = q.copied_header_bytes;
	stats->copied_page = q.copied_page_bytes;
	stats->copied_other_queue = q.copied_other_queue_bytes;
	stats->refused = q.copy_refused_bytes;
	stats->unverified = q.unverified_packets;
	return 0;
}

int netgpu_probe(struct netgpu_memory *memory, const struct netgpu_region_params *p,
		 struct netgpu_verdict *verdict)
{
	struct netgpu_probe probe = {
		.dmabuf_fd = memory->fd,
		.flags = region_flags(p->flags),
		.offset = memory->fd_offset + p->offset,
		.length = range_length(memory, p),
		.ifindex = p->ifindex,
		.queue = p->queue,
		.msg_size = sizeof(verdict->sentence),
		.msg = (uintptr_t)verdict->sentence,
		.distance = -1,
	};
	int dev, ret;

	memset(verdict, 0, sizeof(*verdict));
	verdict->distance = -1;
	dev = open_device(memory, p);
	if (dev < 0) {
		ret = dev;
	} else {
		ret = ioctl(dev, NETGPU_IOC_PROBE, &probe) ? -errno : 0;
		close(dev);
		verdict->where = probe.placement;
		verdict->way = probe.path;
		verdict->distance = probe.distance;
		verdict->buffer_size = probe.buffer_size;
		verdict->sentence[sizeof(verdict->sentence) - 1] = 0;
		if (ret)
			strncat(verdict->sentence, remedy(verdict->sentence),
				sizeof(verdict->sentence) - 1 - strlen(verdict->sentence));
		if (ret)
			fail(ret, "region of %s: %s", memory->name,
			     verdict->sentence[0] ? verdict->sentence : strerror(-ret));
	}
	/* Not every reason is the kernel's, and not all it gives are sentences. */
	if (ret && !verdict->sentence[0])
		snprintf(verdict->sentence, sizeof(verdict->sentence), "%s",
			 dev < 0 ? netgpu_error() : strerror(-ret));
	return ret;
}
