// SPDX-License-Identifier: GPL-2.0
/*
 * Pinned memory is limited per user: each dma-buf counts once, in whichever way
 * it is bound, and does not count any more when its last region is gone.
 *
 * Usage: region_limit NETIF QUEUE MEMORY
 * MEMORY can be revoked, e.g. vfio:ADDRESS.
 */
#include <linux/uio.h>
#define __iovec_defined 1	/* the C library's is the same */
#include <err.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "netdev_nl.h"
#include "region.h"

#define SYSCTL		"/proc/sys/net/netgpu/max_pinned_bytes"
#define MIB		(1ULL << 20)
#define DEFAULT		(4ULL << 30)
#define BUFFER		(4 * MIB)
#define LIMIT		(8 * MIB)
#define NOBODY		65534

static struct netgpu_region_create good;
static struct memory heap[3];
static int netgpu;

static unsigned long long limit(void)
{
	unsigned long long bytes;
	FILE *f = fopen(SYSCTL, "r");

	if (!f || fscanf(f, "%llu", &bytes) != 1)
		err(1, SYSCTL);
	fclose(f);
	return bytes;
}

static void set_limit(unsigned long long bytes)
{
	FILE *f = fopen(SYSCTL, "w");

	if (!f || fprintf(f, "%llu", bytes) < 0 || fclose(f))
		err(1, SYSCTL);
}

/* A region of heap[i], or -1. */
static int take(int i, size_t offset, size_t length)
{
	struct netgpu_region_create create = good;

	create.dmabuf_fd = heap[i].dmabuf;
	create.offset = offset;
	create.length = length;
	return region_create(netgpu, &create);
}

static bool refused(int i)
{
	int fd = take(i, 0, BUFFER);

	if (fd < 0)
		return errno == EDQUOT;
	close(fd);
	return false;
}

static bool accepted(int i)
{
	int fd = take(i, 0, BUFFER);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Two buffers fit, three do not: nothing else is charged, and nothing is missing. */
static bool account_empty(void)
{
	int first = take(0, 0, BUFFER), second = take(1, 0, BUFFER);
	bool full = first >= 0 && second >= 0 && refused(2);

	close(first);
	close(second);
	return full;
}

static void test_default(void)
{
	unsigned long long bytes = limit();

	ksft_test_result(bytes == DEFAULT, "the default is 4 GiB: %llu\n", bytes);
}

static int probe(int i)
{
	struct netgpu_probe probe = {
		.dmabuf_fd = heap[i].dmabuf,
		.flags = NETGPU_REGION_RX,
		.length = BUFFER,
		.ifindex = good.ifindex,
		.queue = good.queue,
		.msg = (uintptr_t)region_message,
		.msg_size = sizeof(region_message),
	};

	return ioctl(netgpu, NETGPU_IOC_PROBE, &probe) ? errno : 0;
}

static int bind_rx(int i)
{
	struct mnl_socket *nl = netdev_nl_open();
	struct nlattr *nest;
	struct nlmsghdr *nlh;
	char buf[1024];
	int ret;

	nlh = netdev_nl_request(buf, NETDEV_CMD_BIND_RX, 0);
	mnl_attr_put_u32(nlh, NETDEV_A_DMABUF_IFINDEX, good.ifindex);
	mnl_attr_put_u32(nlh, NETDEV_A_DMABUF_FD, heap[i].dmabuf);
	nest = mnl_attr_nest_start(nlh, NETDEV_A_DMABUF_QUEUES);
	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_ID, good.queue);
	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	mnl_attr_nest_end(nlh, nest);
	ret = netdev_nl_talk(nl, nlh, NULL, NULL);
	mnl_socket_close(nl);
	return ret;
}

static int bind_zcrx(int i)
{
	struct target target;
	int ret = target_open(&target, good.ifindex, good.queue, heap[i].dmabuf, BUFFER,
			      IORING_ZCRX_AREA_DMABUF);

	if (!ret)
		target_close(&target);
	return ret;
}

static void test_limit(void)
{
	int first, part, second, ret;

	first = take(0, 0, BUFFER);
	ksft_test_result(first >= 0, "4 MiB of 8: accepted\n");
	part = take(0, MIB, MIB);
	ksft_test_result(part >= 0, "a part of the same buffer: accepted\n");
	second = take(1, 0, MIB);
	ksft_test_result(second >= 0, "1 MiB of another buffer of 4: accepted\n");

	ret = refused(2);
	ksft_test_result(ret && strstr(region_message, "8388608") &&
			 strstr(region_message, "4194304") &&
			 strstr(region_message, "net.netgpu.max_pinned_bytes"),
			 "a third buffer: EDQUOT, \"%s\"\n", region_message);
	ret = take(2, 0, 4096);
	ksft_test_result(ret < 0 && errno == EDQUOT, "a page of it: EDQUOT too\n");
	ret = probe(2);
	ksft_test_result(ret == EDQUOT && strstr(region_message, "max_pinned_bytes"),
			 "probe of it: EDQUOT (%d), \"%s\"\n", ret, region_message);
	ret = probe(1);
	ksft_test_result(!ret, "probe of one that is pinned already: %d\n", ret);
	/* Who never asked for a region is not asked for an account. */
	ret = bind_zcrx(2);
	ksft_test_result(!ret, "zcrx with its dma-buf: as ever (%d)\n", ret);
	while (regions_left() > 3)
		usleep(1000);
	ret = bind_rx(2);
	ksft_test_result(!ret, "devmem with it: as ever (%d, \"%s\")\n", ret, netdev_nl_message);

	close(first);
	ksft_test_result(refused(2), "with a part of the first left: refused as before\n");
	close(part);
	ksft_test_result(accepted(2), "with the first gone: accepted\n");
	close(second);
	ksft_test_result(account_empty(), "all has been given back\n");
}

static void become_nobody(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = {};

	caps[0].permitted = 1U << CAP_NET_ADMIN;
	caps[0].effective = caps[0].permitted;
	if (prctl(PR_SET_KEEPCAPS, 1) || setgid(NOBODY) || setuid(NOBODY) ||
	    syscall(SYS_capset, &header, caps))
		err(9, "another user");
}

static void test_users(void)
{
	int first = take(0, 0, BUFFER), second = take(1, 0, BUFFER), up[2], down[2];
	char verdict = 0;
	pid_t pid;

	if (pipe(up) || pipe(down))
		err(1, "pipe");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(first);
		close(second);
		become_nobody();
		/* One that root has pinned, too: each user answers for what it uses. */
		verdict = take(2, 0, BUFFER) >= 0 && take(1, 0, BUFFER) >= 0 && refused(0);
		if (write(up[1], &verdict, 1) != 1 || read(down[0], &verdict, 1) != 1)
			_exit(1);
		_exit(0);
	}
	ksft_test_result(read(up[0], &verdict, 1) == 1 && verdict,
			 "another user has an account of its own\n");
	ksft_test_result(refused(2), "which does not add to this one's\n");
	close(second);
	ksft_test_result(accepted(2), "what only the other uses any more does not count here\n");
	close(first);
	if (write(down[1], "", 1) != 1)
		err(1, "pipe");
	waitpid(pid, NULL, 0);
	close(up[0]);
	close(up[1]);
	close(down[0]);
	close(down[1]);
}

static void test_kill(void)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	if (pipe(ready))
		err(1, "pipe");
	pid = fork();
	if (!pid) {
		struct target target;

		int first = take(0, 0, BUFFER);

		/* One of them is in use. */
		if (take(1, 0, BUFFER) < 0 || first < 0 ||
		    target_open(&target, good.ifindex, good.queue, first, BUFFER,
				IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION))
			_exit(1);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	ksft_test_result(read(ready[0], &byte, 1) == 1 && refused(2),
			 "a child of the same user fills the account\n");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	while (regions_left())
		usleep(1000);
	ksft_test_result(account_empty(), "it is killed: all has been given back\n");
}

static void test_revoke(const char *source)
{
	struct netgpu_region_create create = good;
	struct memory mem;
	int fd;

	memory_open(&mem, source, 0);
	create.dmabuf_fd = mem.dmabuf;
	create.length = MIB;
	fd = region_create(netgpu, &create);
	ksft_test_result(fd < 0 && errno == EDQUOT,
			 "a part of %zu MiB: EDQUOT, the whole buffer would be pinned\n",
			 mem.size >> 20);
	set_limit(mem.size);
	fd = region_create(netgpu, &create);
	ksft_test_result(fd >= 0 && refused(0), "with just so much allowed: accepted\n");
	memory_revoke(&mem, "disable");
	close(fd);
	ksft_test_result(accepted(0), "it is revoked and closed: all has been given back\n");
	memory_close(&mem);
	set_limit(LIMIT);
	ksft_test_result(account_empty(), "exactly\n");
}

static void test_zero(void)
{
	set_limit(0);
	ksft_test_result(refused(0), "a limit of 0: nothing is accepted\n");
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 4)
		errx(1, "usage: region_limit NETIF QUEUE MEMORY");
	netgpu = open_netgpu();
	for (i = 0; i < ARRAY_SIZE(heap); i++)
		memory_open(&heap[i], "heap", BUFFER);
	good.flags = NETGPU_REGION_RX;
	good.ifindex = if_nametoindex(argv[1]);
	good.queue = atoi(argv[2]);

	ksft_print_header();
	ksft_set_plan(24);
	test_default();
	set_limit(LIMIT);
	test_limit();
	test_users();
	test_kill();
	test_revoke(argv[3]);
	test_zero();
	set_limit(DEFAULT);
	ksft_test_result(!regions_left(), "no region is left\n");
	ksft_finished();
}
