// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Memory that data lands in, wherever it comes from. */
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

struct netgpu_memory *memory_new(void)
{
	struct netgpu_memory *m = calloc(1, sizeof(*m));

	if (m) {
		m->refs = 1;
		m->fd = m->vfio_container = m->vfio_group = m->vfio_device =
			m->memfd = -1;
	}
	return m;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void memory_put(struct netgpu_memory *m)
{
	if (!m || !ref_put(&m->refs))
		return;
	if (m->map && !m->callers)
		munmap(m->map, m->size);
	close_fd(m->fd);
	close_fd(m->memfd);
	close_fd(m->vfio_device);
	close_fd(m->vfio_group);
	close_fd(m->vfio_container);
	free(m);
}

void netgpu_memory_close(struct netgpu_memory *m)
{
	memory_put(m);
}

static bool is_dmabuf(int fd)
{
	char path[64], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return true;	/* the kernel will say */
	link[n] = 0;
	return !strncmp(link, "/dmabuf:", 8);
}

static int import(struct netgpu_memory *m, int fd, uint64_t offset, uint64_t size)
{
	uint64_t whole;
	off_t end;

	m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (m->fd < 0)
		return fail(-errno, "descriptor %d: %s", fd, strerror(errno));
	if (!is_dmabuf(fd))
		return fail(-EMEDIUMTYPE, "descriptor %d is not a dma-buf", fd);
	end = lseek(m->fd, 0, SEEK_END);
	if (end < 0)
		return fail(-errno, "dma-buf %d: its size cannot be had: %s",
			    fd, strerror(errno));
	whole = end;
	if (offset >= whole || size > whole - offset)
		return fail(-ERANGE, "dma-buf %d has %llu bytes, too few for %llu at %llu",
			    fd, (unsigned long long)whole, (unsigned long long)size,
			    (unsigned long long)offset);
	m->size = size ? size : whole - offset;
	m->fd_offset = offset;
	map_shared(m, m->fd, offset);
	snprintf(m->name, sizeof(m->name), "dma-buf %d", fd);
	return 0;
}

static int alloc_udmabuf(struct netgpu_memory *m, uint64_t size)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	int dev;

	if (!size)
		return fail(-EINVAL, "udmabuf: a size is needed");
	m->size = size;
	snprintf(m->name, sizeof(m->name), "udmabuf");
	m->memfd = memfd_create("netgpu", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->memfd < 0 || ftruncate(m->memfd, size) ||
	    fcntl(m->memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return fail(-errno, "udmabuf: no memory file of %llu bytes: %s",
			    (unsigned long long)size, strerror(errno));
	dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return fail(-errno, "/dev/udmabuf: %s", strerror(errno));
	create.memfd = m->memfd;
	create.size = size;
	m->fd = ioctl(dev, UDMABUF_CREATE, &create);
	if (m->fd < 0) {
		int err = errno;

		close(dev);
		return fail(-err, "udmabuf of %llu bytes: %s%s",
			    (unsigned long long)size, strerror(err),
			    err == EINVAL ? " (more than the module's size_limit_mb?)" : "");
	}
	close(dev);
	map_shared(m, m->memfd, 0);
	return 0;
}

static int alloc_host(struct netgpu_memory *m, uint64_t size)
{
	void *map;

	if (!size)
		return fail(-EINVAL, "host memory: a size is needed");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return fail(-errno, "host memory of %llu bytes: %s",
			    (unsigned long long)size, strerror(errno));
	m->map = map;
	m->size = size;
	snprintf(m->name, sizeof(m->name), "host");
	return 0;
}

static int parse_fd(const char *text)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	if (end == text || *end || errno || fd < 0 || fd > 1 << 20)
		return fail(-EINVAL, "\"dmabuf-fd:%s\": a descriptor is a number", text);
	return fd;
}

static int open_spec(struct netgpu_memory *m, const char *spec, uint64_t size)
{
	int fd;

	if (!strncmp(spec, "vfio:", 5))
		return vfio_open(m, spec + 5, size);
	if (!strncmp(spec, "/dev/dri/", 9))
		return drm_open(m, spec, size);
	if (!strncmp(spec, "dmabuf-fd:", 10)) {
		fd = parse_fd(spec + 10);
		return fd < 0 ? fd : import(m, fd, 0, size);
	}
	if (!strcmp(spec, "udmabuf"))
		return alloc_udmabuf(m, size);
	if (!strcmp(spec, "host"))
		return alloc_host(m, size);
	return fail(-EINVAL, "\"%s\" is no memory: give /dev/dri/renderDN, vfio:ADDRESS, dmabuf-fd:N, udmabuf or host",
		    spec);
}

static int round_up(uint64_t *size)
{
	uint64_t mask = page_size() - 1;

	if (*size > INT64_MAX - mask)
		return fail(-ERANGE, "%llu bytes are too many",
			    (unsigned long long)*size);
	*size = (*size + mask) & ~mask;
	return 0;
}

int netgpu_memory_open(const char *spec, uint64_t size,
		       struct netgpu_memory **memory)
{
	struct netgpu_memory *m;
	int ret = round_up(&size);

	if (ret)
		return ret;
	m = memory_new();
	if (!m)
		return fail(-ENOMEM, "out of memory");
	ret = open_spec(m, spec, size);
	if (ret) {
		netgpu_memory_close(m);
		return ret;
	}
	*memory = m;
	return 0;
}

int netgpu_memory_import(int fd, uint64_t offset, uint64_t size,
			 struct netgpu_memory **memory)
{
	struct netgpu_memory *m;
	int ret = round_up(&size);

	if (ret)
		return ret;
	if (offset % page_size())
		return fail(-EINVAL, "dma-buf %d: %llu, where it is to begin, is not a multiple of the page size (%zu)",
			    fd, (unsigned long long)offset, page_size());
	m = memory_new();
	if (!m)
		return fail(-ENOMEM, "out of memory");
	ret = import(m, fd, offset, size);
	if (ret) {
		netgpu_memory_close(m);
		return ret;
	}
	*memory = m;
	return 0;
}

int netgpu_memory_use(void *address, uint64_t size, struct netgpu_memory **memory)
{
	struct netgpu_memory *m;

	if (!size || ((uintptr_t)address | size) % page_size())
		return fail(-EINVAL, "host memory at %p, %llu bytes: must be whole pages (%zu)",
			    address, (unsigned long long)size, page_size());
	m = memory_new();
	if (!m)
		return fail(-ENOMEM, "out of memory");
	m->map = address;
	m->callers = true;
	m->size = size;
	snprintf(m->name, sizeof(m->name), "host");
	*memory = m;
	return 0;
}

void *netgpu_memory_map(const struct netgpu_memory *m)
{
	return m->map;
}

uint64_t netgpu_memory_size(const struct netgpu_memory *m)
{
	return m->size;
}

int netgpu_memory_fd(const struct netgpu_memory *m)
{
	return m->fd;
}

uint64_t netgpu_memory_fd_offset(const struct netgpu_memory *m)
{
	return m->fd_offset;
}

uint64_t netgpu_memory_offset(const struct netgpu_memory *m)
{
	return m->offset;
}

const char *netgpu_memory_name(const struct netgpu_memory *m)
{
	return m->name;
}

bool netgpu_memory_is_device(const struct netgpu_memory *m)
{
	return m->device;
}
