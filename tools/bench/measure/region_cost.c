// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * region_cost INTERFACE QUEUE MEMORY SIZE BUFFER: how long does it take to make a region of
 * so many bytes, and a queue whose buffers have so many, and how much of the
 * host's own memory is gone for that? Prints JSON: nanoseconds, and bytes.
 */
#include <libnetgpu.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "region_cost: %s: %s\n", what, netgpu_error());
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t free_bytes(void)
{
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	if (!kib) {
		fprintf(stderr, "region_cost: /proc/meminfo does not say what is free\n");
		exit(1);
	}
	return kib << 10;
}

int main(int argc, char **argv)
{
	struct netgpu_region_params where = { 0 };
	struct netgpu_queue_params params = { .flags = NETGPU_QUEUE_MERGE };
	uint64_t before, free_before, region_ready, queue_ready, free_after;
	struct netgpu_memory *memory;
	struct netgpu_region *region;
	struct netgpu_queue *queue;
	uint64_t size;

	if (argc != 6) {
		fprintf(stderr, "usage: region_cost INTERFACE QUEUE MEMORY SIZE BUFFER\n");
		return 2;
	}
	params.ifindex = if_nametoindex(argv[1]);
	params.queue = atoi(argv[2]);
	size = strtoull(argv[4], NULL, 0);
	params.buffer_size = strtoul(argv[5], NULL, 0);
	check(netgpu_memory_open(argv[3], size, &memory), "memory");

	free_before = free_bytes();
	before = now();
	where.ifindex = params.ifindex;
	where.queue = params.queue;
	check(netgpu_region_open(memory, &where, &region), "region");
	region_ready = now();
	check(netgpu_queue_open(&params, memory, region, &queue), "queue");
	queue_ready = now();
	free_after = free_bytes();

	printf("{\"size\": %llu, \"buffer\": %u, \"region_ns\": %llu, \"queue_ns\": %llu, \"host_bytes\": %lld}\n",
	       (unsigned long long)size, params.buffer_size,
	       (unsigned long long)(region_ready - before),
	       (unsigned long long)(queue_ready - region_ready),
	       (long long)(free_before - free_after));
	netgpu_queue_close(queue);
	netgpu_region_close(region);
	netgpu_memory_close(memory);
	return 0;
}
