// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * A BAR of a PCI device as a dma-buf, exported by the kernel's vfio-pci.
 *
 * The device must be bound to vfio-pci already. Its BAR is taken from, not
 * added to: nothing is written to the device.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#ifndef VFIO_DEVICE_FEATURE_DMA_BUF
#define VFIO_DEVICE_FEATURE_DMA_BUF 11

struct vfio_region_dma_range {
	__u64 offset;
	__u64 length;
};

struct vfio_device_feature_dma_buf {
	__u32 region_index;
	__u32 open_flags;
	__u32 flags;
	__u32 nr_ranges;
	struct vfio_region_dma_range dma_ranges[];
};
#endif

#define BARS 6

/* Flags of a line in sysfs's "resource" file, as in <linux/ioport.h>. */
#define RESOURCE_MEM		0x00000200
#define RESOURCE_PREFETCH	0x00002000

struct bar_spec {
	char address[16];
	int bar;		/* -1: the likeliest */
	uint64_t offset;
};

static int parse_bar_spec(struct bar_spec *s, const char *text)
{
	const char *spec = text, *comma = strchrnul(text, ',');
	size_t len = comma - text;
	unsigned int dom, bus, dev, fn;
	char *end;
	int n = 0;

	s->bar = -1;
	s->offset = 0;
	if (len >= sizeof(s->address))
		goto malformed;
	memcpy(s->address, text, len);
	s->address[len] = 0;
	if (sscanf(s->address, "%4x:%2x:%2x.%1x%n", &dom, &bus, &dev, &fn, &n) != 4 ||
	    n != (int)len)
		goto malformed;
	snprintf(s->address, sizeof(s->address), "%04x:%02x:%02x.%x",
		 dom & 0xffff, bus & 0xff, dev & 0x1f, fn & 7);

	for (text = comma; *text == ','; text = end) {
		text++;
		if (!strncmp(text, "bar=", 4)) {
			s->bar = strtol(text + 4, &end, 10);
			if (end == text + 4 || s->bar < 0 || s->bar >= BARS)
				goto malformed;
		} else if (!strncmp(text, "offset=", 7)) {
			s->offset = strtoull(text + 7, &end, 0);
			if (end == text + 7 || !isdigit((unsigned char)text[7]))
				goto malformed;
		} else {
			goto malformed;
		}
		if (*end && *end != ',')
			goto malformed;
	}
	return 0;
malformed:
	return fail(-EINVAL, "\"vfio:%s\": it is vfio:DDDD:BB:DD.F[,bar=0..5][,offset=BYTES]",
		    spec);
}

/* The largest prefetchable memory BAR, else the largest. */
static int find_bar(const char *address, int *bar)
{
	unsigned long long start, end, flags, best = 0;
	char path[96];
	FILE *f;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", address);
	f = fopen(path, "re");
	if (!f)
		return fail(-ENODEV, "there is no PCI device %s", address);
	for (i = 0; i < BARS; i++) {
		unsigned long long rank;

		if (fscanf(f, "%llx %llx %llx", &start, &end, &flags) != 3)
			break;
		if (!(flags & RESOURCE_MEM) || end <= start)
			continue;
		rank = end - start + 1;
		if (flags & RESOURCE_PREFETCH)
			rank |= 1ull << 63;
		if (rank > best) {
			best = rank;
			*bar = i;
		}
	}
	fclose(f);
	if (!best)
		return fail(-ENODEV, "PCI device %s has no memory BAR", address);
	return 0;
}

static int check_driver(const char *address)
{
	char path[96], link[256], *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	if (access(path, F_OK))
		return fail(-ENODEV, "there is no PCI device %s", address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return fail(-EBUSY, "PCI device %s is bound to no driver; bind it to vfio-pci",
			    address);
	link[n] = 0;
	name = strrchr(link, '/') ? strrchr(link, '/') + 1 : link;
	if (strcmp(name, "vfio-pci"))
		return fail(-EBUSY, "PCI device %s is bound to %s; bind it to vfio-pci",
			    address, name);
	return 0;
}

static int open_group(struct netgpu_memory *m, const char *address)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[96], link[256], group[64], *number;
	int type = VFIO_TYPE1v2_IOMMU;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return fail(-ENODEV, "PCI device %s has no IOMMU group (vfio's enable_unsafe_noiommu_mode gives it one)",
			    address);
	link[n] = 0;
	number = strrchr(link, '/') ? strrchr(link, '/') + 1 : link;

	snprintf(group, sizeof(group), "/dev/vfio/%.20s", number);
	if (access(group, F_OK)) {
		snprintf(group, sizeof(group), "/dev/vfio/noiommu-%.20s", number);
		type = VFIO_NOIOMMU_IOMMU;
	}
	m->vfio_container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (m->vfio_container < 0)
		return fail(-errno, "/dev/vfio/vfio: %s", strerror(errno));
	m->vfio_group = open(group, O_RDWR | O_CLOEXEC);
	if (m->vfio_group < 0)
		return fail(-errno, "%s: %s", group, strerror(errno));
	if (ioctl(m->vfio_group, VFIO_GROUP_GET_STATUS, &status))
		return fail(-errno, "%s: %s", group, strerror(errno));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return fail(-EBUSY, "%s: another device of the group is not bound to vfio",
			    group);
	if (ioctl(m->vfio_group, VFIO_GROUP_SET_CONTAINER, &m->vfio_container))
		return fail(-errno, "%s: no container: %s", group, strerror(errno));
	if (ioctl(m->vfio_container, VFIO_SET_IOMMU, type))
		return fail(-errno, "%s: its IOMMU cannot be set: %s", group,
			    strerror(errno));
	return 0;
}

static int export_bar(struct netgpu_memory *m, const struct bar_spec *s)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf dmabuf;
		struct vfio_region_dma_range range;
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_DMA_BUF,
		},
		.dmabuf = {
			.region_index = s->bar,
			.open_flags = O_RDWR | O_CLOEXEC,
			.nr_ranges = 1,
		},
		.range = { .offset = s->offset, .length = m->size },
	};

	m->fd = ioctl(m->vfio_device, VFIO_DEVICE_FEATURE, &arg);
	if (m->fd < 0)
		return fail(-errno, "%s: no dma-buf of %llu bytes at %llu: %s%s",
			    m->name, (unsigned long long)m->size,
			    (unsigned long long)s->offset, strerror(errno),
			    errno == ENOTTY ? " (the kernel's vfio-pci is too old)" : "");
	return 0;
}

int vfio_open(struct netgpu_memory *m, const char *spec, uint64_t size)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	struct bar_spec s;
	int ret;

	ret = parse_bar_spec(&s, spec);
	if (!ret)
		ret = check_driver(s.address);
	if (!ret && s.bar < 0)
		ret = find_bar(s.address, &s.bar);
	if (!ret)
		ret = open_group(m, s.address);
	if (ret)
		return ret;
	snprintf(m->name, sizeof(m->name), "vfio %s BAR %d", s.address, s.bar);

	m->vfio_device = ioctl(m->vfio_group, VFIO_GROUP_GET_DEVICE_FD, s.address);
	if (m->vfio_device < 0)
		return fail(-errno, "%s: %s", m->name, strerror(errno));
	info.index = s.bar;
	if (ioctl(m->vfio_device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return fail(-errno, "%s: %s", m->name, strerror(errno));
	if (!info.size)
		return fail(-ENODEV, "%s does not exist", m->name);
	if (s.offset % page_size())
		return fail(-EINVAL, "%s: the offset %llu is not a multiple of the page size",
			    m->name, (unsigned long long)s.offset);
	if (s.offset >= info.size || size > info.size - s.offset)
		return fail(-ERANGE, "%s has %llu bytes, too few for %llu at %llu",
			    m->name, (unsigned long long)info.size,
			    (unsigned long long)size,
			    (unsigned long long)s.offset);
	m->size = size ? size : info.size - s.offset;
	m->offset = s.offset;
	m->device = true;

	ret = export_bar(m, &s);
	if (ret)
		return ret;
	if (info.flags & VFIO_REGION_INFO_FLAG_MMAP) {
		m->map = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      m->vfio_device, info.offset + s.offset);
		if (m->map == MAP_FAILED)
			m->map = NULL;
	}
	return 0;
}
