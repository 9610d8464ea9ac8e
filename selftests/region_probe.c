// SPDX-License-Identifier: GPL-2.0
/*
 * Probe a dma-buf for a receive queue, then make a region of it.
 *
 * Prints "KEY VALUE" lines: probe, placement, path, distance, message; left, the
 * attachments and regions there are after the probe; create, create_placement,
 * create_message; regions, mapped, pinned, max_pinned as NETGPU_IOC_QUERY has
 * them after that. Exit status 0 unless the test itself
 * went wrong.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "region.h"

static const char * const placements[] = { "unknown", "host", "device" };
static const char * const paths[] = { "unknown", "host", "switch", "host-bridge", "iommu" };

static const char *outcome(int ret)
{
	return ret < 0 ? strerrorname_np(errno) : "0";
}

static long attachments(void)
{
	FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	long total = 0;
	char line[256];

	if (!f)
		err(1, "bufinfo");
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "devices attached"))
			total += atol(line + strlen("Total "));
	fclose(f);
	return total;
}

/* MEMORY, or something that is none. */
static void open_dmabuf(struct memory *mem, const char *source, size_t size)
{
	mem->size = size;
	if (!strcmp(source, "closed"))
		mem->dmabuf = 1000;
	else if (!strcmp(source, "null"))
		mem->dmabuf = open("/dev/null", O_RDWR | O_CLOEXEC);
	else
		memory_open(mem, source, size);
}

static const char usage[] =
	"usage: region_probe -i NETIF -q QUEUE -m MEMORY|closed|null [-s SIZE] [-P] [-u UID]";

int main(int argc, char **argv)
{
	const char *netif = NULL, *source = "heap";
	struct netgpu_region_create create = { .flags = NETGPU_REGION_RX };
	struct netgpu_probe probe = {};
	struct netgpu_query query;
	char message[256] = "(untouched)";
	int opt, ret, netgpu, uid = 0;
	size_t size = 0;
	struct memory mem;

	while ((opt = getopt(argc, argv, "i:q:m:s:Pu:")) != -1) {
		switch (opt) {
		case 'i': netif = optarg; break;
		case 'q': create.queue = atoi(optarg); break;
		case 'm': source = optarg; break;
		case 's': size = strtoull(optarg, NULL, 0); break;
		case 'P': create.flags |= NETGPU_REGION_REQUIRE_P2P; break;
		case 'u': uid = atoi(optarg); break;
		default: errx(2, "%s", usage);
		}
	}
	if (!netif)
		errx(2, "%s", usage);
	open_dmabuf(&mem, source, size);
	netgpu = open_netgpu();
	create.dmabuf_fd = mem.dmabuf;
	create.length = mem.size;
	create.ifindex = if_nametoindex(netif);

	probe.dmabuf_fd = create.dmabuf_fd;
	probe.flags = create.flags;
	probe.length = create.length;
	probe.ifindex = create.ifindex;
	probe.queue = create.queue;
	probe.msg = (uintptr_t)message;
	probe.msg_size = sizeof(message);
	if (uid && seteuid(uid))
		err(1, "uid %d", uid);
	ret = ioctl(netgpu, NETGPU_IOC_PROBE, &probe);
	printf("probe %s\n", outcome(ret));
	printf("placement %s\npath %s\ndistance %d\nmessage %s\n", placements[probe.placement],
	       paths[probe.path], probe.distance, message);
	printf("buffer_size %u\n", probe.buffer_size);
	if (!uid)
		printf("left %ld\n", attachments() + regions_left());

	ret = region_create(netgpu, &create);
	printf("create %s\n", outcome(ret));
	printf("create_placement %s\ncreate_message %s\n", placements[create.placement],
	       region_message);

	regions_query(&query);
	printf("regions %llu\nmapped %llu\npinned %llu\nmax_pinned %llu\n",
	       query.regions, query.mapped_bytes, query.pinned_bytes, query.max_pinned_bytes);
	return 0;
}
