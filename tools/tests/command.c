// SPDX-License-Identifier: GPL-2.0
/*
 * Registering a region with an io_uring that has no room for the completion of it: the caller's ring may be full at any time. The
 * library's parts are linked, and /dev/null stands for the region: it takes every command. KTAP.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/queue.h"
#include "ktap.h"

#define ENTRIES	4u

static struct io_uring ring;
static struct netgpu_memory memory = { .name = "null" };
static struct netgpu_region region = { .memory = &memory, .send = true };
static struct netgpu_queue queue = { .ring = &ring, .has_table = true };

static void open_ring(void)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_CQE32,
		.cq_entries = ENTRIES,
	};
	int ret = io_uring_queue_init_params(ENTRIES, &ring, &p);

	if (ret) {
		printf("1..0 # SKIP no io_uring here: %d\n", ret);
		exit(4);
	}
	queue.areas[0] = (struct area) { .memory = &memory, .region = &region };
}

static struct io_uring_sqe *others(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	sqe->user_data = 0;
	return sqe;
}

static void nothing(unsigned int times)
{
	while (times--)
		io_uring_prep_nop(others());
}

static unsigned int take_all(void)
{
	unsigned int n, taken = 0;

	do {
		io_uring_submit_and_get_events(&ring);
		n = io_uring_cq_ready(&ring);
		io_uring_cq_advance(&ring, n);
		taken += n;
	} while (n);
	return taken;
}

/* One request, of which there are more completions than room. */
static int accept_many(int peers[ENTRIES])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = sizeof(address);
	unsigned int i;

	must(fd >= 0 && !bind(fd, (struct sockaddr *)&address, length) && !listen(fd, ENTRIES) &&
	     !getsockname(fd, (struct sockaddr *)&address, &length), "listen");
	for (i = 0; i < ENTRIES; i++) {
		peers[i] = socket(AF_INET, SOCK_STREAM, 0);
		must(peers[i] >= 0 && !connect(peers[i], (struct sockaddr *)&address, length), "connect");
	}
	io_uring_prep_multishot_accept(others(), fd, NULL, NULL, 0);
	return fd;
}

int main(void)
{
	struct area *area = queue.areas;
	int fd, ret, peers[ENTRIES];
	unsigned int i;

	alarm(30);	/* not to come back is a failure, too */
	setvbuf(stdout, NULL, _IOLBF, 0);
	region.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	must(region.fd >= 0, "/dev/null");
	open_ring();
	printf("TAP version 13\n1..8\n");
	ok(!queue_register_region(&queue, area) && area->sends, "a region is registered: %s", netgpu_error());
	ok(!queue_unregister_region(&queue, area) && !area->sends && take_all() == 2, "and no longer");

	nothing(ENTRIES - 1);
	io_uring_submit(&ring);
	nothing(2);
	ret = queue_register_region(&queue, area);
	ok(ret == -EAGAIN && !area->sends, "there is no room behind what is to be submitted: %s", netgpu_error());
	ok(take_all() == ENTRIES + 1 && !queue_register_region(&queue, area), "when completions have been taken there is");
	take_all();

	fd = accept_many(peers);
	ret = queue_unregister_region(&queue, area);
	ok(ret == -EOVERFLOW && area->sends, "there is none when others have come before: %s", netgpu_error());
	ok(take_all() >= ENTRIES + 1 && !queue_unregister_region(&queue, area) && !area->sends, "afterwards it is tried again");
	take_all();
	close(fd);
	for (i = 0; i < ENTRIES; i++)
		close(peers[i]);

	accept_many(peers);
	ret = queue_register_region(&queue, area);
	ok(ret == -EOVERFLOW && !area->sends, "the same with registering: %s", netgpu_error());
	ok(take_all() >= ENTRIES + 2, "which is taken back");
	return failed != 0;
}
