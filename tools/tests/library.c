// SPDX-License-Identifier: GPL-2.0
/* libnetgpu without hardware: what it refuses, and that it says why; and what it calculates. KTAP. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libnetgpu.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <net/if.h>
#include <sys/ioctl.h>

static int ask_device(int fd, struct ifreq *ifr);
#define ioctl(fd, request, ifr)	ask_device(fd, ifr)
/* NOLINTNEXTLINE(bugprone-suspicious-include): whose names the library keeps to itself */
#include "steer.c"
#undef ioctl

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

/* "Verifying the RSS Hash Calculation", Microsoft: from, to, and the hash with this key. */
static const uint8_t example_key[RSS_KEY] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct example {
	const char *from;
	uint32_t from_port;
	const char *to;
	uint32_t to_port, hash;
} examples[] = {
	{ "66.9.149.187", 2794, "161.142.100.80", 1766, 0x51ccc178 },
	{ "199.92.111.2", 14230, "65.69.140.83", 4739, 0xc626b0ea },
	{ "24.19.198.95", 12898, "12.22.207.184", 38024, 0x5c2b394a },
	{ "38.27.205.30", 48228, "209.142.163.6", 2217, 0xafc7327f },
	{ "153.39.163.191", 44251, "202.188.127.2", 1303, 0x10e828a2 },
	{ "3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x40207d3d },
	{ "3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0xdde51bbf },
	{ "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x02d1feef },
	/* The first, as a socket of IPv6 has it. */
	{ "::ffff:66.9.149.187", 2794, "::ffff:161.142.100.80", 1766, 0x51ccc178 },
};

#define QUEUES	65536

static struct sockaddr_storage at(const char *host, uint16_t port)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *four = (void *)&address;
	struct sockaddr_in6 *six = (void *)&address;

	address.ss_family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (address.ss_family == AF_INET6)
		inet_pton(AF_INET6, host, &six->sin6_addr);
	else
		inet_pton(AF_INET, host, &four->sin_addr);
	*(address.ss_family == AF_INET6 ? &six->sin6_port : &four->sin_port) = htons(port);
	return address;
}

/* As far as a table of so many queues shows. */
static bool hashes_to(const struct rss *rss, const struct example *e)
{
	struct sockaddr_storage from = at(e->from, e->from_port), to = at(e->to, e->to_port);
	int queue = rss_queue(rss, &from, &to);

	if (queue == (int)(e->hash % QUEUES))
		return true;
	printf("# %s:%u to %s:%u: queue %d, expected %u\n", e->from, e->from_port, e->to, e->to_port, queue, e->hash % QUEUES);
	return false;
}

/* A device of which ethtool(8) would know this; without entries it is the kernel that is asked. */
static struct device {
	uint32_t entries, key_bytes;
	uint8_t function, transform, first;	/* of the key's bytes */
	uint64_t four, six;			/* fields that are hashed */
} device;

static int ask_device(int fd, struct ifreq *ifr)
{
	struct ethtool_rxfh *r = (void *)ifr->ifr_data;
	struct ethtool_rxnfc *fields = (void *)ifr->ifr_data;
	uint32_t entries = r->indir_size, key = r->key_size, i;

	if (!device.entries)
		return ioctl(fd, SIOCETHTOOL, ifr);
	if (r->cmd == ETHTOOL_GRXFH) {
		fields->data = fields->flow_type == TCP_V4_FLOW ? device.four : fields->flow_type == TCP_V6_FLOW ? device.six : 0;
		return 0;
	}
	r->indir_size = device.entries;
	r->key_size = device.key_bytes;
	if (r->cmd != ETHTOOL_GRSSH || (entries && entries != device.entries) || (key && key != device.key_bytes)) {
		errno = EINVAL;
		return -1;
	}
	r->hfunc = device.function;
	*((uint8_t *)r + offsetof(struct ethtool_rxfh, hfunc) + 1) = device.transform;	/* reserved in older headers */
	for (i = 0; i < entries; i++)
		r->rss_config[i] = i % 2 + 1;
	if (key) {
		memset(r->rss_config + entries, 0, key);
		memset(r->rss_config + entries, device.first, 1);
	}
	return 0;
}

static void test_devices(struct netgpu_domain *d)
{
	const struct device good = { 128, 52, 1, 0, 0x6d, FOUR_FIELDS, FOUR_FIELDS };
	struct device unknown[] = { good, good, good, good, good, good };
	const struct rss *rss = &d->rss;
	bool well;
	size_t i;

	device = good;
	d->ifindex = 1;
	d->rx_queue = 2;
	well = !steer_read(d) && rss->entries == 128 && rss->table[0] == 1 && rss->table[127] == 2 && rss->key_bytes == RSS_KEY &&
	       rss->key[0] == 0x6d && !rss->key[1] && rss->ipv4 && rss->ipv6 && rss->parts;
	device.transform = 0xff;	/* there is none to be changed */
	device.key_bytes = 40;
	device.six |= RXH_IP6_FL;
	d->rx_queue = 3;
	well = well && !steer_read(d) && rss->key_bytes == RSS_KEY && rss->ipv4 && !rss->ipv6 && !rss->parts;
	device.four = RXH_IP_SRC | RXH_IP_DST;
	device.six = FOUR_FIELDS;
	ok(well && !steer_read(d) && !rss->ipv4 && rss->ipv6, "what a device says of its queues");

	unknown[0].function = 2;
	unknown[1].transform = 1;
	unknown[2].first = 0;
	unknown[3].entries = 100;
	unknown[4].key_bytes = 0;
	unknown[5].entries = 1u << 31;
	for (i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		device = unknown[i];
		if (!steer_read(d) || rss->table || rss->ipv4) {
			printf("# device %zu is known\n", i);
			well = false;
		}
	}
	ok(well, "what cannot be calculated with is not known");
}

static void test_steer(void)
{
	const uint8_t first[] = { 66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 0xff, 1766 >> 8, 1766 & 0xff };
	struct netgpu_domain *d = calloc(1, sizeof(*d));
	struct sockaddr_storage from, to;
	static uint32_t table[QUEUES], halves[QUEUES];
	struct rss rss = { .table = table, .entries = QUEUES, .key_bytes = RSS_KEY, .ipv4 = true, .ipv6 = true }, less;
	bool well = d;
	size_t i;

	memcpy(rss.key, example_key, sizeof(rss.key));
	for (i = 0; i < QUEUES; i++) {
		table[i] = i;
		halves[i] = i % 2;
	}
	for (i = 0; i < sizeof(examples) / sizeof(*examples); i++)
		well = hashes_to(&rss, &examples[i]) && well;
	ok(well && rss_hash(example_key, first, sizeof(first)) == examples[0].hash, "Toeplitz's hash, as the examples have it");

	from = at("66.9.149.187", 2794);
	to = at("161.142.100.80", 1766);
	less = rss;
	less.ipv4 = false;
	well = rss_queue(&less, &from, &to) == -1;
	less = rss;
	less.table = NULL;
	well = well && rss_queue(&less, &from, &to) == -1 && !rss_parts(&less, 0);
	less = rss;
	less.key_bytes = 15;
	well = well && rss_queue(&less, &from, &to) == -1;
	less.key_bytes = 16;
	well = well && rss_queue(&less, &from, &to) == (int)(examples[0].hash % QUEUES);
	to = at("3ffe:2501:200:3::1", 1766);
	well = well && rss_queue(&rss, &from, &to) == -1;
	from = at("3ffe:2501:200:1fff::7", 2794);
	well = well && rss_queue(&less, &from, &to) == -1;
	to = at("3ffe:2501:200:1fff::7", 1766);
	ok(well && rss_queue(&rss, &from, &to) == -1,
	   "no queue is known without a table, enough of a key, or the fields, nor on the way from this machine to itself");

	/* A connection whose hash is even. */
	rss.table = halves;
	from = at("66.9.149.187", 2794);
	to = at("161.142.100.80", 1766);
	well = rss_parts(&rss, 0) && rss_parts(&rss, 1) && !rss_parts(&rss, 2);
	rss.parts = true;
	d->rss = rss;
	well = well && steer_lane(d, LANE_PAYLOAD, &from, &to) == 1 && steer_lane(d, LANE_CONTROL, &from, &to) == 0;
	d->rx_queue = 1;
	well = well && steer_lane(d, LANE_PAYLOAD, &from, &to) == 0 && steer_lane(d, LANE_CONTROL, &from, &to) == 1;
	memset(halves, 0, sizeof(halves));
	well = well && !rss_parts(&rss, 0) && !rss_parts(&rss, 1);
	d->rss.parts = false;
	ok(well && steer_lane(d, LANE_PAYLOAD, &from, &to) == -1, "payload on the domain's queue, control on another, or no choice");

	d->rss.table = NULL;
	test_devices(d);
	steer_forget(d);
	device.entries = 0;
	d->ifindex = 1;		/* the loopback, which has one queue */
	well = steer_read(d) < 0 && !d->rss.table;
	d->ifindex = 999999;
	ok(well && steer_read(d) < 0 && !d->rss.table, "devices of which nothing is known");
	free(d);
}

int main(void)
{
	char large[256], small[256];
	const int others = 16, open_before = descriptors();
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
	test_steer();
	ok(descriptors() == open_before, "no descriptor is left open");
	return failed != 0;
}
