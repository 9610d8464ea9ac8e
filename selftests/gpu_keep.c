// SPDX-License-Identifier: GPL-2.0
/*
 * Keep buffers of a GPU, and use them when the GPU may be gone: gpu_keep NODE FILE BYTES. They are
 * mapped, together BYTES, of which what the GPU's memory has no room for has moved elsewhere; and
 * there is one of system memory that the GPU has imported. Until someone removes FILE, which this
 * makes, they are left alone.
 *
 * Prints "holding 1", and then "pages N": so many, one in each MiB, were read and written by way of
 * the mappings, whatever is behind them by then; "ioctl ERROR": what the GPU's file has to say, 0
 * when it works. Exit status 0 unless the test itself went wrong.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <drm/drm.h>

#include "drm_memory.h"
#include "memory.h"

#define CHUNK	((size_t)16 << 20)
#define STEP	((size_t)1 << 20)
#define HOST	((size_t)4 << 20)	/* of single pages: udmabuf's limit */

static size_t touch(unsigned char *cpu)
{
	size_t at;

	for (at = 0; at < CHUNK; at += STEP)
		cpu[at]++;
	return CHUNK / STEP;
}

static void import(int drm, int dmabuf)
{
	struct drm_prime_handle prime = { .fd = dmabuf };

	if (ioctl(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
		err(1, "DRM_IOCTL_PRIME_FD_TO_HANDLE");
}

static void wait_for_removal(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", path);
	close(fd);
	printf("holding 1\n");
	fflush(stdout);
	while (!access(path, F_OK))
		usleep(20000);
}

int main(int argc, char **argv)
{
	struct drm_gem_close nobody = {};
	struct memory *buffers, host;
	size_t count, i, pages = 0;
	char source[256];

	if (argc != 4)
		errx(2, "usage: gpu_keep NODE FILE BYTES");
	snprintf(source, sizeof(source), "gpu:%s", argv[1]);
	count = (strtoull(argv[3], NULL, 0) + CHUNK - 1) / CHUNK;
	buffers = calloc(count, sizeof(*buffers));
	if (!buffers)
		err(1, "%zu buffers", count);
	for (i = 0; i < count; i++) {
		memory_open(&buffers[i], source, CHUNK);
		touch(buffers[i].cpu);
		drm_use(buffers[i].drm, buffers[i].dmabuf);
	}
	memory_open(&host, "scattered", HOST);
	import(buffers[0].drm, host.dmabuf);
	memory_close(&host);

	wait_for_removal(argv[2]);

	for (i = 0; i < count; i++)
		pages += touch(buffers[i].cpu);
	/* A handle that nobody has is EINVAL, as long as the device is there. */
	errno = 0;
	ioctl(buffers[0].drm, DRM_IOCTL_GEM_CLOSE, &nobody);
	printf("pages %zu\nioctl %s\n", pages, errno == EINVAL ? "0" : strerrorname_np(errno));
	for (i = 0; i < count; i++)
		memory_close(&buffers[i]);
	return 0;
}
