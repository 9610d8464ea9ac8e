// SPDX-License-Identifier: GPL-2.0
/*
 * Every way to ask wrongly for a region has an errno of its own and a sentence.
 *
 * Usage: region_errors NETIF QUEUE MEMORY
 * MEMORY is device memory that NETIF reaches peer-to-peer, e.g. vfio:ADDRESS.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/io_uring/query.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "region.h"

#define HEAP_SIZE	(1 << 20)

static const char *netif;
static struct netgpu_region_create good;
static struct memory mem, heap;
static int netgpu;

static void run(const char *format, const char *arg)
{
	char command[256];

	snprintf(command, sizeof(command), format, arg);
	if (system(command))
		errx(1, "failed: %s", command);
}

/* The call fails with @error, and says @words among others. */
static void expect(const char *what, struct netgpu_region_create *create,
		   int error, const char *words)
{
	int fd = region_create(netgpu, create);

	if (fd >= 0) {
		close(fd);
		ksft_test_result_fail("%s: accepted\n", what);
		return;
	}
	if (errno != error) {
		ksft_test_result_fail("%s: errno %s, not %s\n", what,
				      strerrorname_np(errno), strerrorname_np(error));
		return;
	}
	ksft_test_result(!!strstr(region_message, words),
			 "%s: %s, \"%s\"\n", what, strerrorname_np(error),
			 region_message);
}

/* The same, of a child after @prepare. */
static void expect_in_child(const char *what, void (*prepare)(void), int error,
			    const char *words)
{
	struct netgpu_region_create create = good;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		prepare();
		if (region_create(netgpu, &create) >= 0)
			_exit(1);
		if (errno != error)
			_exit(2);
		_exit(strstr(region_message, words) ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	ksft_test_result(status == 0, "%s: %s (child %#x)\n", what,
			 strerrorname_np(error), status);
}

static void other_netns(void)
{
	if (unshare(CLONE_NEWNET))
		err(9, "unshare");
}

static void no_capability(void)
{
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		err(9, "setuid");
}

static void test_descriptors(void)
{
	struct netgpu_region_create create = good;

	create.dmabuf_fd = 1000;
	expect("closed fd", &create, EBADF, "not open");

	create.dmabuf_fd = open("/dev/null", O_RDWR);
	expect("not a dma-buf", &create, EMEDIUMTYPE, "not a dma-buf");
	close(create.dmabuf_fd);
}

static void test_ranges(void)
{
	struct netgpu_region_create create = good;

	create.length = 0;
	expect("zero range", &create, ENODATA, "zero");

	create = good;
	create.length -= 1;
	expect("unaligned length", &create, EDOM, "multiples of the page size");

	create = good;
	create.offset = 512;
	expect("unaligned offset", &create, EDOM, "multiples of the page size");

	create = good;
	create.offset = -4096;
	create.length = 8192;
	expect("overflowing range", &create, EOVERFLOW, "64 bits");

	create = good;
	create.offset = 4096;
	expect("range past the end", &create, ERANGE, "ends at");
}

static void test_struct(void)
{
	struct {
		struct netgpu_region_create create;
		__u64 later[4];
	} longer = { .create = good };
	struct netgpu_region_create create = good;
	int fd;

	create.flags |= 1U << 30;
	expect("unknown flag", &create, EINVAL, "unknown flag");

	create = good;
	create.flags &= ~NETGPU_REGION_RX;
	expect("neither to receive nor to send", &create, EINVAL, "what the region is for");

	create = good;
	create.flags = NETGPU_REGION_TX;
	create.queue = 1;
	expect("to send, with a queue", &create, EINVAL, "has no queue");

	create.queue = 0;
	create.ifindex = 1;	/* the loopback */
	expect("to send, by what does no DMA", &create, EOPNOTSUPP, "cannot send");

	create = good;
	create.flags |= NETGPU_REGION_TX;
	fd = region_create(netgpu, &create);
	ksft_test_result(fd >= 0, "to receive and to send: accepted\n");
	close(fd);

	create = good;
	create.placement = 77;
	fd = region_create(netgpu, &create);
	ksft_test_result(fd >= 0 && create.placement == NETGPU_PLACEMENT_DEVICE,
			 "what is only told is not read: accepted\n");
	close(fd);

	create = good;
	create.resv[1] = 1;
	expect("reserved field", &create, EBADR, "reserved");

	fd = ioctl(netgpu, _IOC(_IOC_READ | _IOC_WRITE, NETGPU_IOC_MAGIC, 0, 56), &good);
	ksft_test_result(fd < 0 && errno == EMSGSIZE, "short struct: EMSGSIZE\n");

	longer.later[3] = 1;
	fd = ioctl(netgpu, _IOC(_IOC_READ | _IOC_WRITE, NETGPU_IOC_MAGIC, 0,
				sizeof(longer)), &longer);
	ksft_test_result(fd < 0 && errno == E2BIG,
			 "longer struct, not zero at its end: E2BIG\n");

	longer.later[3] = 0;
	fd = ioctl(netgpu, _IOC(_IOC_READ | _IOC_WRITE, NETGPU_IOC_MAGIC, 0,
				sizeof(longer)), &longer);
	ksft_test_result(fd >= 0, "longer struct, zero at its end: accepted\n");
	close(fd);

	fd = ioctl(netgpu, NETGPU_IOC_REGION_CREATE, NULL);
	ksft_test_result(fd < 0 && errno == EFAULT, "struct at NULL: EFAULT\n");

	fd = ioctl(netgpu, _IO(NETGPU_IOC_MAGIC, 0x7f), NULL);
	ksft_test_result(fd < 0 && errno == ENOTTY, "unknown ioctl: ENOTTY\n");
}

static void test_message(void)
{
	struct netgpu_region_create create = good;
	char text[16] = "xxxxxxxxxxxxxxx";
	int fd;

	create.length = 0;
	create.msg = (uintptr_t)text;
	create.msg_size = 8;
	fd = ioctl(netgpu, NETGPU_IOC_REGION_CREATE, &create);
	ksft_test_result(fd < 0 && strlen(text) == 7 && text[8] == 'x',
			 "a long sentence is cut to the caller's buffer: \"%s\"\n", text);

	create.msg = 0;
	create.msg_size = 64;
	fd = ioctl(netgpu, NETGPU_IOC_REGION_CREATE, &create);
	ksft_test_result(fd < 0 && errno == ENODATA,
			 "a buffer that cannot be written does not hide the reason\n");
}

static void test_device(void)
{
	struct netgpu_region_create create = good;
	char path[128], rx[64];
	FILE *f;
	int fd;

	create.ifindex = 0x7ffffff0;
	expect("no such device", &create, ENODEV, "no network device");

	create.ifindex = if_nametoindex("lo");
	expect("device without queue API", &create, EOPNOTSUPP, "");

	create = good;
	create.queue = 4096;
	expect("queue out of range", &create, ERANGE, "queue index out of range");

	expect_in_child("another netns", other_netns, ENODEV, "in this network namespace");
	expect_in_child("no capability", no_capability, EPERM, "CAP_NET_ADMIN");

	run("ethtool -G %s tcp-data-split off", netif);
	create = good;
	expect("split off", &create, EINVAL, "tcp-data-split is disabled");
	run("ethtool -G %s tcp-data-split on", netif);

	run("ip link set %s down", netif);
	create = good;
	fd = region_create(netgpu, &create);
	ksft_test_result(fd >= 0, "device down: accepted, it can be set up later (%s)\n",
			 fd < 0 ? region_message : "");
	close(fd);
	run("ip link set %s up", netif);

	snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", netif);
	do {
		usleep(10000);
		f = fopen(path, "r");
		if (!f || !fgets(rx, sizeof(rx), f))
			err(1, "%s", path);
		fclose(f);
	} while (strcmp(rx, "up\n"));
}

static void test_placement(void)
{
	struct netgpu_region_create create = good;
	int fd;

	create.dmabuf_fd = heap.dmabuf;
	create.length = heap.size;
	create.flags |= NETGPU_REGION_REQUIRE_P2P;
	expect("REQUIRE_P2P of host memory", &create, EXDEV, "host memory");

	create.flags = good.flags;
	fd = region_create(netgpu, &create);
	ksft_test_result(fd >= 0 && create.placement == NETGPU_PLACEMENT_HOST,
			 "host memory without REQUIRE_P2P: accepted, placement host\n");
	close(fd);

	create = good;
	create.flags |= NETGPU_REGION_REQUIRE_P2P;
	fd = region_create(netgpu, &create);
	ksft_test_result(fd >= 0 && create.placement == NETGPU_PLACEMENT_DEVICE,
			 "device memory with REQUIRE_P2P: accepted, placement device (%s)\n",
			 fd < 0 ? region_message : "");
	close(fd);
}

static void test_query(void)
{
	struct netgpu_region_create create = good;
	struct netgpu_region_query query = {};
	struct {
		struct netgpu_region_query query;
		__u64 later;
	} longer = {};
	struct pollfd poll_region = { .events = POLLIN };
	int fd, ret;

	create.offset = 4096;
	create.length = 8192;
	fd = region_create(netgpu, &create);
	if (fd < 0)
		errx(1, "region: %s", region_message);

	ret = ioctl(fd, NETGPU_IOC_REGION_QUERY, &query);
	ksft_test_result(!ret && query.offset == 4096 && query.length == 8192 &&
			 query.ifindex == good.ifindex && query.queue == good.queue &&
			 query.region_flags == good.flags &&
			 query.placement == NETGPU_PLACEMENT_DEVICE &&
			 query.path == NETGPU_PATH_SWITCH && query.distance > 0 &&
			 query.state == NETGPU_STATE_IDLE && query.exporter[0],
			 "query of an idle region (exporter %s)\n", query.exporter);

	ret = ioctl(fd, NETGPU_IOC_REGION_QUERY, &query);
	ksft_test_result(!ret, "query again into the same struct: what is told is not read\n");

	query.flags = 1;
	ret = ioctl(fd, NETGPU_IOC_REGION_QUERY, &query);
	ksft_test_result(ret && errno == EINVAL, "query with a flag: EINVAL\n");

	ret = ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, NETGPU_IOC_MAGIC, 0x10, 8), &query);
	ksft_test_result(ret && errno == EMSGSIZE, "short query: EMSGSIZE\n");

	longer.later = 1;
	ret = ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, NETGPU_IOC_MAGIC, 0x10,
			     sizeof(longer)), &longer);
	ksft_test_result(ret && errno == E2BIG,
			 "longer query, not zero at its end: E2BIG\n");

	poll_region.fd = fd;
	ksft_test_result(poll(&poll_region, 1, 0) == 0, "poll of a live region: nothing\n");
	close(fd);
}

/* Regions that are seen from a network namespace of its own. */
static int counted_elsewhere(void)
{
	struct netgpu_query query;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		other_netns();
		regions_query(&query);
		_exit(query.regions || query.mapped_bytes);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void test_device_query(void)
{
	struct netgpu_region_create create = good;
	struct netgpu_query query = {};
	struct {
		struct netgpu_query query;
		__u64 later;
	} longer = {};
	int fd, ret;

	fd = region_create(netgpu, &create);
	if (fd < 0)
		errx(1, "region: %s", region_message);
	ret = ioctl(netgpu, NETGPU_IOC_QUERY, &query);
	ksft_test_result(!ret && query.regions == 1 && query.mapped_bytes == good.length &&
			 query.pinned_bytes >= good.length &&
			 query.pinned_bytes <= query.max_pinned_bytes,
			 "query of the device: %llu region, %llu bytes mapped, %llu of %llu pinned\n",
			 query.regions, query.mapped_bytes, query.pinned_bytes,
			 query.max_pinned_bytes);
	ksft_test_result(!counted_elsewhere(), "another network namespace does not see it\n");
	close(fd);

	ret = ioctl(netgpu, NETGPU_IOC_QUERY, &query);
	ksft_test_result(!ret && !query.regions && !query.mapped_bytes && !query.pinned_bytes,
			 "query of the device without regions, into the same struct\n");

	query.flags = 1;
	ret = ioctl(netgpu, NETGPU_IOC_QUERY, &query);
	ksft_test_result(ret && errno == EINVAL, "query with a flag: EINVAL\n");
	query.flags = 0;
	query.resv = 1;
	ret = ioctl(netgpu, NETGPU_IOC_QUERY, &query);
	ksft_test_result(ret && errno == EBADR, "query with a reserved field: EBADR\n");

	ret = ioctl(netgpu, _IOC(_IOC_READ | _IOC_WRITE, NETGPU_IOC_MAGIC, 2, 8), &query);
	ksft_test_result(ret && errno == EMSGSIZE, "short query: EMSGSIZE\n");

	longer.later = 1;
	ret = ioctl(netgpu, _IOC(_IOC_READ | _IOC_WRITE, NETGPU_IOC_MAGIC, 2,
				 sizeof(longer)), &longer);
	ksft_test_result(ret && errno == E2BIG,
			 "longer query, not zero at its end: E2BIG\n");
}

static void test_zcrx_query(void)
{
	struct io_uring_query_zcrx zcrx = {};
	struct io_uring_query_hdr query = {
		.query_data = (uintptr_t)&zcrx,
		.query_op = IO_URING_QUERY_ZCRX,
		.size = sizeof(zcrx),
	};
	int ret = io_uring_register(-1, IORING_REGISTER_QUERY, &query, 0);

	ksft_test_result(!ret && !query.result &&
			 zcrx.area_flags == (IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION |
						     NETGPU_ZCRX_AREA_HELD),
			 "io_uring tells of the flags of areas: %d, %#llx\n", ret, zcrx.area_flags);
}

static void test_zcrx(void)
{
	const unsigned int flags = IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION;
	struct netgpu_region_create create = good;
	struct netgpu_region_query query = {};
	struct target target, second;
	int fd, again, ret;

	fd = region_create(netgpu, &create);
	if (fd < 0)
		errx(1, "region: %s", region_message);

	ret = target_open(&target, good.ifindex, good.queue, fd, good.length - 4096, flags);
	ksft_test_result(ret == -EINVAL, "area of another length than its region: %d\n", ret);

	ret = target_open(&target, good.ifindex, good.queue, mem.dmabuf, good.length, flags);
	ksft_test_result(ret == -EBADFD, "dma-buf in place of a region: %d\n", ret);

	ret = target_open(&target, good.ifindex, good.queue, 1000, good.length, flags);
	ksft_test_result(ret == -EBADF, "closed fd in place of a region: %d\n", ret);

	ret = target_open(&target, good.ifindex, good.queue, fd, good.length,
			  NETGPU_ZCRX_AREA_REGION);
	ksft_test_result(ret == -EINVAL, "region flag without the dma-buf flag: %d\n", ret);

	ret = target_open(&target, good.ifindex, 4096, fd, good.length, flags);
	ksft_test_result(ret == -ERANGE || ret == -EOPNOTSUPP,
			 "zcrx on a queue out of range: %d\n", ret);

	ret = target_open(&target, good.ifindex, good.queue, fd, good.length, flags);
	ksft_test_result(!ret, "region as zcrx area: %d\n", ret);
	if (ret)
		return;

	ioctl(fd, NETGPU_IOC_REGION_QUERY, &query);
	ksft_test_result(query.state == NETGPU_STATE_BOUND, "the region is bound\n");

	ret = target_open(&second, good.ifindex, good.queue, fd, good.length, flags);
	ksft_test_result(ret == -EBUSY, "region that is bound already: %d\n", ret);

	create = good;
	again = region_create(netgpu, &create);
	ksft_test_result(again >= 0,
			 "another region for a queue that is bound already: accepted (%s)\n",
			 again < 0 ? region_message : "");
	ret = target_open(&second, good.ifindex, good.queue, again, good.length, flags);
	ksft_test_result(ret == -EBUSY, "but not bound, as it overlaps: %d\n", ret);
	close(again);

	target_close(&target);
	do {
		usleep(1000);
		ioctl(fd, NETGPU_IOC_REGION_QUERY, &query);
	} while (query.state == NETGPU_STATE_BOUND);
	ksft_test_result(query.state == NETGPU_STATE_IDLE,
			 "the region outlives the ring, idle\n");

	ret = target_open(&target, good.ifindex, good.queue, fd, good.length, flags);
	ksft_test_result(!ret, "and can be bound again: %d\n", ret);
	if (!ret)
		target_close(&target);
	close(fd);
}

/* Failures after the region was made: it has to go again. */
static void test_unwinding(void)
{
	struct netgpu_region_create *fixed;
	struct rlimit few, many;
	int fd, error;

	fixed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (fixed == MAP_FAILED)
		err(1, "mmap");
	*fixed = good;
	mprotect(fixed, 4096, PROT_READ);
	fd = ioctl(netgpu, NETGPU_IOC_REGION_CREATE, fixed);
	ksft_test_result(fd < 0 && errno == EFAULT && !regions_left(),
			 "struct that cannot be written: EFAULT, no region is left\n");
	munmap(fixed, 4096);

	getrlimit(RLIMIT_NOFILE, &many);
	few = many;
	few.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &few);
	fd = ioctl(netgpu, NETGPU_IOC_REGION_CREATE, &good);
	error = errno;
	setrlimit(RLIMIT_NOFILE, &many);
	ksft_test_result(fd < 0 && error == EMFILE && !regions_left(),
			 "no file descriptor to be had: EMFILE, no region is left\n");
}

static void test_leaks(void)
{
	int i;

	for (i = 0; i < 500 && regions_left(); i++)
		usleep(10000);
	ksft_test_result(!regions_left(), "no region is left\n");
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(1, "usage: region_errors NETIF QUEUE MEMORY");
	netif = argv[1];
	netgpu = open_netgpu();
	memory_open(&mem, argv[3], 0);
	memory_open(&heap, "heap", HEAP_SIZE);

	good.dmabuf_fd = mem.dmabuf;
	good.flags = NETGPU_REGION_RX;
	good.length = mem.size;
	good.ifindex = if_nametoindex(netif);
	good.queue = atoi(argv[2]);

	ksft_print_header();
	ksft_set_plan(60);
	test_descriptors();
	test_ranges();
	test_struct();
	test_message();
	test_device();
	test_placement();
	test_query();
	test_device_query();
	test_unwinding();
	test_zcrx_query();
	test_zcrx();
	test_leaks();
	ksft_finished();
}
