// SPDX-License-Identifier: GPL-2.0
/*
 * What a GPU under amdgpu can do without us: amdgpu [-d NODE] COMMAND
 *   info       what it is: family, vram, visible, gtt (bytes), rings
 *   copy       each DMA engine copies between VRAM and GTT, and every byte is compared: a line
 *              "copy ENGINE FROM TO ok" for each
 *   fence      many small copies, each waited for: fences
 *   evict      buffers of one and a half times VRAM, written, and read again after the driver has
 *              moved them: buffers, moved, intact
 *   try        one copy, waited for up to 60 s: result, an errno name or 0
 *   use PID FD one copy within a dma-buf (descriptor FD of a process), waited for as well: ready,
 *              and after a character on standard input, or its end, result
 *   gather PID FD FILE
 *              an engine copies the parts of a dma-buf (descriptor FD of a process) that FILE
 *              lists ("OFFSET LENGTH") into one buffer, which has to be the stream of
 *              pattern_send: gathered, extents, correct
 *
 * Prints "KEY VALUE" lines. Exit status 0 unless the test itself went wrong.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gpu.h"
#include "pattern.h"

#define CHUNK	((size_t)8 << 20)

static struct gpu gpu;

static void fill(unsigned char *to, size_t size, uint32_t seed)
{
	uint64_t *words = (uint64_t *)to, x = seed * 0x9e3779b97f4a7c15ULL + 1;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
}

/* Is a buffer what fill() made of it, after a copy of @moved bytes from its middle to its start? */
static bool is_filled(const unsigned char *from, size_t size, uint32_t seed, size_t moved)
{
	unsigned char *expected = malloc(size), *got = malloc(size);
	bool same;

	if (!expected || !got)
		err(1, "malloc");
	fill(expected, size, seed);
	memcpy(expected, expected + size / 2, moved);
	memcpy(got, from, size);	/* a BAR is not compared byte by byte */
	same = !memcmp(expected, got, size);
	free(expected);
	free(got);
	return same;
}

static void alloc(struct gpu_buffer *buffer, size_t size, uint32_t domain, uint64_t flags)
{
	errno = -gpu_alloc(&gpu, buffer, size, domain, flags);
	if (errno)
		err(1, "a buffer of %zu bytes", size);
}

static int info(char **arguments)
{
	(void)arguments;
	printf("family %u\nasic %#x\n", gpu.info.family_id, gpu.info.asic_id);
	printf("vram %llu\nvisible %llu\ngtt %llu\nrings %u\n",
	       (unsigned long long)gpu.memory.vram.total_heap_size,
	       (unsigned long long)gpu.memory.cpu_accessible_vram.total_heap_size,
	       (unsigned long long)gpu.memory.gtt.total_heap_size, gpu.rings);
	return 0;
}

static int copy(char **arguments)
{
	static const struct {
		const char *name;
		uint32_t domain;
	} place[] = { { "vram", AMDGPU_GEM_DOMAIN_VRAM }, { "gtt", AMDGPU_GEM_DOMAIN_GTT } };
	const uint64_t visible = AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED;
	struct gpu_buffer from, to;
	unsigned int ring, i, seed = 1;

	(void)arguments;
	for (ring = 0; ring < gpu.rings; ring++) {
		for (i = 0; i < 4; i++, seed++) {
			struct gpu_copy all = { &to, &from, 0, 0, CHUNK };
			int ret;

			alloc(&from, CHUNK, place[i & 1].domain, visible);
			alloc(&to, CHUNK, place[i >> 1].domain, visible);
			gpu_map(&from);
			gpu_map(&to);
			fill(from.cpu, CHUNK, seed);
			ret = gpu_copy(&gpu, ring, &all, 1, 60);
			printf("%s %u %s %s %s\n", __func__, ring,
			       place[i & 1].name, place[i >> 1].name,
			       ret ? strerrorname_np(-ret) :
			       is_filled(to.cpu, CHUNK, seed, 0) ? "ok" : "differs");
			gpu_free(&to);
			gpu_free(&from);
		}
	}
	return 0;
}

static int fence(char **arguments)
{
	struct gpu_copy one = { .length = 4096 };
	struct gpu_buffer from, to;
	unsigned int i;
	int ret = 0;

	(void)arguments;
	alloc(&from, 4096, AMDGPU_GEM_DOMAIN_VRAM, 0);
	alloc(&to, 4096, AMDGPU_GEM_DOMAIN_VRAM, 0);
	one.from = &from;
	one.to = &to;
	for (i = 0; i < 200 && !ret; i++)
		ret = gpu_copy(&gpu, i % gpu.rings, &one, 1, 60);
	printf("fences %u\n", i - !!ret);
	gpu_free(&to);
	gpu_free(&from);
	return 0;
}

static uint64_t bytes_moved(void)
{
	uint64_t moved = 0;

	errno = -amdgpu_query_info(gpu.device, AMDGPU_INFO_NUM_BYTES_MOVED, sizeof(moved), &moved);
	if (errno)
		err(1, "AMDGPU_INFO_NUM_BYTES_MOVED");
	return moved;
}

static int evict(char **arguments)
{
	size_t count = gpu.memory.vram.total_heap_size / CHUNK * 3 / 2, i, intact = 0;
	struct gpu_buffer *buffers = calloc(count, sizeof(*buffers));
	uint64_t before = bytes_moved();

	(void)arguments;
	if (!buffers)
		err(1, "calloc");
	for (i = 0; i < count; i++) {
		struct gpu_copy touch = { &buffers[i], &buffers[i], 0, CHUNK / 2, 4096 };

		alloc(&buffers[i], CHUNK, AMDGPU_GEM_DOMAIN_VRAM, 0);
		gpu_map(&buffers[i]);
		fill(buffers[i].cpu, CHUNK, i);
		gpu_unmap(&buffers[i]);
		/* For the engine it has to be in VRAM, and others out of that. */
		errno = -gpu_copy(&gpu, 0, &touch, 1, 60);
		if (errno)
			err(1, "gpu_copy");
	}
	printf("buffers %zu\nmoved %llu\n", count, (unsigned long long)(bytes_moved() - before));
	for (i = 0; i < count; i++) {
		gpu_map(&buffers[i]);
		intact += is_filled(buffers[i].cpu, CHUNK, i, 4096);
		gpu_free(&buffers[i]);
	}
	printf("intact %zu\n", intact);
	return 0;
}

static int try(char **arguments)
{
	struct gpu_copy one = { .length = 4096 };
	struct gpu_buffer from, to;
	int ret;

	(void)arguments;
	alloc(&from, 4096, AMDGPU_GEM_DOMAIN_VRAM, 0);
	alloc(&to, 4096, AMDGPU_GEM_DOMAIN_VRAM, 0);
	one.from = &from;
	one.to = &to;
	ret = gpu_copy(&gpu, 0, &one, 1, 60);
	printf("result %s\n", ret ? strerrorname_np(-ret) : "0");
	return 0;
}

static int dmabuf_of(pid_t pid, int fd)
{
	int pidfd = pidfd_open(pid, 0), dmabuf;

	if (pidfd < 0)
		err(1, "process %d", pid);
	dmabuf = pidfd_getfd(pidfd, fd, 0);
	if (dmabuf < 0)
		err(1, "descriptor %d of process %d", fd, pid);
	close(pidfd);
	return dmabuf;
}

static int use(char **arguments)
{
	struct gpu_copy one = { .from_offset = 4096, .length = 4096 };
	struct gpu_buffer buffer;
	int ret;

	gpu_import(&gpu, &buffer, dmabuf_of(atoi(arguments[0]), atoi(arguments[1])));
	one.from = &buffer;
	one.to = &buffer;
	printf("ready 1\n");
	getchar();
	printf("submitted 1\n");
	ret = gpu_copy(&gpu, 0, &one, 1, 60);
	printf("result %s\n", ret ? strerrorname_np(-ret) : "0");
	return 0;
}

static int gather(char **arguments)
{
	FILE *list = fopen(arguments[2], "re");
	struct gpu_copy *copies = NULL;
	struct gpu_buffer from, to;
	size_t count = 0, bytes = 0;
	unsigned long long at;
	unsigned int length;

	if (!list)
		err(1, "%s", arguments[2]);
	while (fscanf(list, "%llu %u", &at, &length) == 2) {
		if (count && copies[count - 1].from_offset + copies[count - 1].length == at) {
			copies[count - 1].length += length;
		} else {
			copies = reallocarray(copies, count + 1, sizeof(*copies));
			if (!copies)
				err(1, "realloc");
			copies[count++] = (struct gpu_copy){ &to, &from, bytes, at, length };
		}
		bytes += length;
	}
	fclose(list);

	gpu_import(&gpu, &from, dmabuf_of(atoi(arguments[0]), atoi(arguments[1])));
	alloc(&to, (bytes + 4095) & ~4095UL, AMDGPU_GEM_DOMAIN_VRAM,
	      AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED);
	errno = -gpu_copy(&gpu, 0, copies, count, 60);
	if (errno)
		err(1, "gpu_copy");
	gpu_map(&to);
	printf("gathered %zu\nextents %zu\ncorrect %d\n", bytes, count,
	       pattern_check(to.cpu, 0, bytes));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **arguments);
	} commands[] = {
		{ "info", 0, info }, { "copy", 0, copy }, { "fence", 0, fence },
		{ "evict", 0, evict }, { "try", 0, try }, { "use", 2, use },
		{ "gather", 3, gather },
	};
	const char *node = "/dev/dri/renderD128";
	size_t i;
	int opt;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "d:")) != -1) {
		if (opt != 'd')
			return 2;
		node = optarg;
	}
	for (i = 0; optind < argc && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[optind], commands[i].name) ||
		    argc - optind - 1 != commands[i].arguments)
			continue;
		gpu_open(&gpu, node);
		return commands[i].run(argv + optind + 1);
	}
	errx(2, "usage: amdgpu [-d NODE] info | copy | fence | evict | try | use PID FD | %s",
	     "gather PID FD FILE");
}
