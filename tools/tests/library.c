// SPDX-License-Identifier: GPL-2.0
/* libnetgpu without hardware: what it refuses, and that it says why. KTAP. */
#include <errno.h>
#include <fcntl.h>
#include <libnetgpu.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int count, failed;

static void ok(bool passed, const char *name)
{
	printf("%sok %d %s\n", passed ? "" : "not ", ++count, name);
	failed += !passed;
}

static struct refusal {
	const char *name, *spec;
	uint64_t size;
	int ret;
	const char *word;	/* must be in the sentence */
} refusals[] = {
	{ "an unknown kind of memory", "vram", 4096, -EINVAL, "vram" },
	{ "no kind at all", "", 4096, -EINVAL, "no memory" },
	{ "a PCI address that is none", "vfio:banana", 4096, -EINVAL, "banana" },
	{ "a PCI address with a tail", "vfio:0000:00:01.0x", 4096, -EINVAL, "vfio:" },
	{ "a BAR out of range", "vfio:0000:00:01.0,bar=6", 4096, -EINVAL, "bar=6" },
	{ "a negative offset", "vfio:0000:00:01.0,offset=-1", 4096, -EINVAL, "offset=-1" },
	{ "an unknown word", "vfio:0000:00:01.0,bra=2", 4096, -EINVAL, "bra=2" },
	{ "a PCI device that is not there", "vfio:ffff:ff:1f.7", 4096, -ENODEV, "ffff:ff:1f.7" },
	{ "a descriptor that is no number", "dmabuf-fd:x", 4096, -EINVAL, "number" },
	{ "a descriptor that is not open", "dmabuf-fd:9999", 4096, -EBADF, "9999" },
	{ "a descriptor that is no dma-buf", "dmabuf-fd:0", 4096, -EMEDIUMTYPE, "not a dma-buf" },
	{ "host memory without a size", "host", 0, -EINVAL, "size" },
	{ "udmabuf without a size", "udmabuf", 0, -EINVAL, "size" },
	{ "more than there can be", "host", UINT64_MAX, -ERANGE, "too many" },
	{ "more than there is", "host", 1ull << 62, -ENOMEM, "host memory" },
};

static void refuse(const struct refusal *r)
{
	struct netgpu_memory *m = NULL;
	int ret = netgpu_memory_open(r->spec, r->size, &m);
	char name[128];
	bool passed = ret == r->ret && !m && strstr(netgpu_error(), r->word);

	if (!passed)
		printf("# %s: %d, expected %d: %s\n", r->spec, ret, r->ret,
		       ret ? netgpu_error() : "accepted");
	snprintf(name, sizeof(name), "refused: %s", r->name);
	ok(passed, name);
}

static int descriptors(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* EINVAL, with this word in the sentence. */
static void refuse_queue(struct netgpu_memory *m,
			 const struct netgpu_queue_params *params,
			 const char *word, const char *what)
{
	struct netgpu_queue *q = NULL;
	int ret = netgpu_queue_open(params, m, NULL, &q);

	ok(ret == -EINVAL && !q && strstr(netgpu_error(), word), what);
}

/* The sentence of a queue that cannot be. */
static void no_device(const struct netgpu_queue_params *params, uint64_t size,
		      char *said, size_t room)
{
	struct netgpu_memory *m;
	struct netgpu_queue *q;

	said[0] = 0;
	if (netgpu_memory_open("host", size, &m))
		return;
	if (netgpu_queue_open(params, m, NULL, &q) < 0)
		snprintf(said, room, "%s", netgpu_error());
	netgpu_memory_close(m);
}

int main(void)
{
	char large[256], small[256];
	const int others = 10, open_before = descriptors();
	struct netgpu_queue_params params = { .ifindex = 1 };
	struct netgpu_memory *m;
	struct netgpu_region *r = NULL;
	size_t i;
	int fd, ret;

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("TAP version 13\n1..%zu\n",
	       sizeof(refusals) / sizeof(refusals[0]) + others);
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		refuse(&refusals[i]);

	ret = netgpu_memory_open("host", 5000, &m);
	ok(!ret && netgpu_memory_size(m) == 8192 && netgpu_memory_map(m) &&
	   netgpu_memory_fd(m) == -1 && !netgpu_memory_is_device(m) &&
	   !strcmp(netgpu_memory_name(m), "host"),
	   "host memory, rounded up to pages");
	ret = netgpu_region_open(m, &(struct netgpu_region_params){ .ifindex = 1 }, &r);
	ok(ret == -EINVAL && !r && strstr(netgpu_error(), "dma-buf"),
	   "host memory cannot be a region");
	ret = netgpu_region_open(m, &(struct netgpu_region_params){ .ifindex = 1, .flags = 0x80 }, &r);
	ok(ret == -EINVAL && strstr(netgpu_error(), "flags"),
	   "unknown flags of a region");
	refuse_queue(m, &(struct netgpu_queue_params){ .ifindex = 1, .flags = 0x80 },
		     "flags", "unknown flags of a queue");
	refuse_queue(m, &(struct netgpu_queue_params){ .ifindex = 1, .resv[8] = 1 },
		     "zero", "reserved fields of a queue");
	refuse_queue(m, &(struct netgpu_queue_params){ .ifindex = 1, .buffer_size = 6000 },
		     "power of two", "buffers of a size that is no power of two");
	refuse_queue(m, &(struct netgpu_queue_params){ .ifindex = 1, .buffer_size = 2048 },
		     "power of two", "buffers that are smaller than a page");
	netgpu_memory_close(m);

	/* Refused for the device, so a small memory makes no difference. */
	params.ifindex = 999999;
	no_device(&params, 4 << 20, large, sizeof(large));
	no_device(&params, 5000, small, sizeof(small));
	ok(strstr(large, "device 999999") && !strcmp(large, small),
	   "a queue of no device, over a large and a small memory");
	netgpu_memory_close(NULL);
	netgpu_region_close(NULL);
	netgpu_queue_close(NULL);

	fd = memfd_create("x", 0);
	ret = netgpu_memory_import(fd, 0, 4096, &m);
	ok(ret == -EMEDIUMTYPE, "an ordinary file is not imported");
	close(fd);
	ok(descriptors() == open_before, "no descriptor is left open");
	return failed != 0;
}
