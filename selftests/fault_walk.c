// SPDX-License-Identifier: GPL-2.0
/*
 * Let the 1st, 2nd, ... allocation or copy of each operation fail, until the
 * operation ends without having reached the one that was to fail.
 *
 * Usage: fault_walk [-c|-s] NETIF QUEUE PORT MEMORY[,BYTES]...
 * On PORT somebody tries all the time to connect and to send. -c: to another
 * queue, so that what comes is copied into MEMORY; and walk only this. -s: walk
 * sending out of MEMORY, to whoever has connected.
 *
 * Every attempt has to fail, or to do without; after it there must be no
 * region, no mapped byte, no page pool of a memory provider and no file
 * descriptor more than before. That the queue can still be bound shows the last
 * attempt, which succeeds.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "netdev_nl.h"
#include "pattern.h"
#include "region.h"

#define SIZE		(256 << 10)	/* of MEMORY, if not given */
#define POINTS_MAX	2000
#define PATIENCE	30	/* seconds until everything has to be gone */

#ifndef SCM_DEVMEM_DMABUF
#define SCM_DEVMEM_DMABUF	79
#endif

static unsigned int ifindex, queue;
static int port, netgpu, fail_nth;
static struct mnl_socket *pools;

/* What an operation works on. */
static struct memory mem;
static struct netgpu_region_create create;
static struct target target;
static struct mnl_socket *nl;
static int region = -1, listener = -1, conn = -1;
static bool have_ring;

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static unsigned long long read_number(int fd)
{
	char text[32];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return 1;
	text[len] = '\0';
	return strtoull(text, NULL, 0);
}

static void arm(unsigned int nth)
{
	char text[16];
	int len = sprintf(text, "%u", nth);

	if (pwrite(fail_nth, text, len, 0) != len)
		err(1, "fail-nth");
}

/* Has the failure come about? */
static bool disarm(void)
{
	bool failed = !read_number(fail_nth);

	/* Reading and writing have points that can fail, too. */
	while (pwrite(fail_nth, "0", 1, 0) != 1)
		failed = false;
	return failed;
}

static int open_region(void)
{
	region = region_create(netgpu, &create);
	return region < 0 ? -errno : 0;
}

static void close_all(void)
{
	if (conn >= 0)
		close(conn);
	if (listener >= 0)
		close(listener);
	if (have_ring)
		target_close(&target);
	if (region >= 0)
		close(region);
	if (nl)
		mnl_socket_close(nl);
	conn = -1;
	listener = -1;
	have_ring = false;
	region = -1;
	nl = NULL;
}

static int open_ring(void)
{
	int ret = target_ring(&target);

	have_ring = !ret;
	return ret;
}

static int register_dmabuf(void)
{
	return target_register(&target, ifindex, queue, mem.dmabuf, mem.size,
			       IORING_ZCRX_AREA_DMABUF);
}

static int register_region(void)
{
	return target_register(&target, ifindex, queue, region, mem.size,
			       IORING_ZCRX_AREA_DMABUF | NETGPU_ZCRX_AREA_REGION);
}

static int with_region(void)
{
	return open_region() ?: open_ring();
}

static int with_target(void)
{
	return with_region() ?: register_region();
}

static int with_dmabuf_target(void)
{
	return open_ring() ?: register_dmabuf();
}

static int with_listener(void)
{
	int ret = with_target();

	if (!ret)
		listener = pattern_listen(port);
	return ret;
}

static int query_region(void)
{
	struct netgpu_region_query query = {};

	return ioctl(region, NETGPU_IOC_REGION_QUERY, &query) ? -errno : 0;
}

/* fdinfo of the region. */
static int show_region(void)
{
	char path[64], text[512];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", region);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text)) <= 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* A region that got nothing by a copy was not what is walked here. */
static int check_copied(void)
{
	struct netgpu_region_query query = {};

	if (ioctl(region, NETGPU_IOC_REGION_QUERY, &query))
		return -errno;
	return query.copied_other_queue_bytes ? 0 : -ENOMSG;
}

/* The result of the one request that is under way. */
static int complete(void)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE };
	struct io_uring_cqe *cqe = NULL;
	int ret;

	ret = io_uring_submit_and_wait_timeout(&target.ring, &cqe, 1, &patience, NULL);
	/* Submitted, but the wait failed. */
	if (ret >= 0 && !cqe)
		ret = io_uring_wait_cqe_timeout(&target.ring, &cqe, &patience);
	if (ret < 0)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(&target.ring, cqe);
	return ret;
}

/* Accept, receive, until the first data has come. */
static int receive(void)
{
	struct io_uring_sqe *sqe;
	int ret;

	sqe = io_uring_get_sqe(&target.ring);
	io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
	ret = complete();
	if (ret < 0)
		return ret;
	conn = ret;

	sqe = io_uring_get_sqe(&target.ring);
	io_uring_prep_rw(IORING_OP_RECV_ZC, sqe, conn, NULL, 0, 0);
	sqe->ioprio |= IORING_RECV_MULTISHOT;
	ret = complete();
	if (!ret)
		return -ECONNRESET;
	return ret < 0 ? ret : 0;
}

static int receive_copied(void)
{
	return receive() ?: check_copied();
}

static int close_target(void)
{
	have_ring = false;
	target_close(&target);
	return 0;
}

static int close_region(void)
{
	int fd = region;

	region = -1;
	return close(fd) ? -errno : 0;
}

static int open_nl(void)
{
	nl = netdev_nl_open();
	return 0;
}

static int bind_devmem(void)
{
	return netdev_nl_bind_rx(nl, ifindex, queue, mem.dmabuf);
}

static int with_devmem(void)
{
	return open_nl() ?: bind_devmem();
}

static int close_devmem(void)
{
	struct mnl_socket *socket = nl;

	nl = NULL;
	return mnl_socket_close(socket) ? -errno : 0;
}

static int open_sender(void)
{
	struct netgpu_region_create send = create;

	send.flags = NETGPU_REGION_TX;
	send.queue = 0;
	region = region_create(netgpu, &send);
	return region < 0 ? -errno : 0;
}

static int with_buffers(void)
{
	return open_sender() ?: open_ring() ?:
	       io_uring_register_buffers_sparse(&target.ring, 1);
}

static int buffer_command(unsigned int op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&target.ring);

	/* buffer 0 */
	io_uring_prep_nop(sqe);
	memset(sqe->cmd, 0, sizeof(struct netgpu_uring_buffer));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = region;
	sqe->cmd_op = op;
	return complete();
}

static int register_buffer(void)
{
	return buffer_command(NETGPU_URING_BUFFER_REGISTER);
}

static int unregister_buffer(void)
{
	return buffer_command(NETGPU_URING_BUFFER_UNREGISTER);
}

static int with_buffer(void)
{
	return with_buffers() ?: register_buffer();
}

/* Whoever is the first to connect, by plain means. */
static int with_peer(void)
{
	listener = pattern_listen(port);
	conn = accept(listener, NULL, NULL);
	return conn < 0 ? -errno : 0;
}

static int with_buffer_and_peer(void)
{
	return with_buffer() ?: with_peer();
}

/* Both completions of a send; the result of the first, as the second only says that it is over. */
static int complete_send(void)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE };
	struct io_uring_cqe *cqe;
	int ret, left = 1;

	ret = io_uring_submit(&target.ring);
	if (ret < 0)
		return ret;
	ret = 0;
	while (left) {
		int err = io_uring_wait_cqe_timeout(&target.ring, &cqe, &patience);

		/* The wait may have failed, and what it waits for comes all the same. */
		if (err == -ETIME)
			return err;
		if (err)
			continue;
		left += (cqe->flags & IORING_CQE_F_MORE ? 1 : 0) - 1;
		if (!(cqe->flags & IORING_CQE_F_NOTIF) && cqe->res < 0)
			ret = cqe->res;
		io_uring_cqe_seen(&target.ring, cqe);
	}
	return ret;
}

#define SENT	(64 << 10)	/* bytes; the peer takes them without reading */

static int send_fixed(void)
{
	io_uring_prep_send_zc_fixed(io_uring_get_sqe(&target.ring), conn, NULL, SENT,
				    MSG_WAITALL, 0, 0);
	return complete_send();
}

static int send_vector(void)
{
	static struct iovec iov[] = { { NULL, SENT / 2 }, { (void *)4096, SENT / 2 } };
	static struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct io_uring_sqe *sqe = io_uring_get_sqe(&target.ring);

	io_uring_prep_sendmsg_zc(sqe, conn, &msg, MSG_WAITALL);
	sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
	sqe->buf_index = 0;
	return complete_send();
}

static unsigned int binding;

static int bind_tx(void)
{
	return netdev_nl_bind_tx_id(nl, ifindex, mem.dmabuf, &binding);
}

static int with_tx(void)
{
	return open_nl() ?: bind_tx();
}

static int with_tx_and_peer(void)
{
	return with_tx() ?: open_ring() ?: with_peer();
}

static int send_cmsg(void)
{
	static char control[CMSG_SPACE(sizeof(binding))];
	static struct iovec iov = { NULL, SENT };
	static struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_DEVMEM_DMABUF;
	cmsg->cmsg_len = CMSG_LEN(sizeof(binding));
	memcpy(CMSG_DATA(cmsg), &binding, sizeof(binding));
	io_uring_prep_sendmsg_zc(io_uring_get_sqe(&target.ring), conn, &msg, MSG_WAITALL);
	return complete_send();
}

struct operation {
	const char *name;
	int (*prepare)(void);
	int (*act)(void);
};

static const struct operation operations[] = {
	{ "region create",		NULL,			open_region },
	{ "region query",		open_region,		query_region },
	{ "region fdinfo",		open_region,		show_region },
	{ "region close",		open_region,		close_region },
	{ "zcrx with a dma-buf",	open_ring,		register_dmabuf },
	{ "zcrx with a region",		with_region,		register_region },
	{ "receive",			with_listener,		receive },
	{ "ring close, dma-buf",	with_dmabuf_target,	close_target },
	{ "ring close, region",		with_target,		close_target },
	{ "devmem bind",		open_nl,		bind_devmem },
	{ "devmem close",		with_devmem,		close_devmem },
};

static const struct operation copying[] = {
	{ "receive by a copy",		with_listener,		receive_copied },
};

static const struct operation sending[] = {
	{ "region create, to send",	NULL,			open_sender },
	{ "buffer register",		with_buffers,		register_buffer },
	{ "buffer unregister",		with_buffer,		unregister_buffer },
	{ "send",			with_buffer_and_peer,	send_fixed },
	{ "send in two pieces",		with_buffer_and_peer,	send_vector },
	{ "ring close, buffer",		with_buffer,		close_target },
	{ "region close, buffer",	with_buffer,		close_region },
	{ "devmem bind, to send",	open_nl,		bind_tx },
	{ "send by a control message",	with_tx_and_peer,	send_cmsg },
	{ "devmem close, to send",	with_tx,		close_devmem },
};

static int lowest_fd(void)
{
	int fd = dup(fail_nth);

	close(fd);
	return fd;
}

/* Everything is gone, within bounded time. */
static bool nothing_left(int fds)
{
	time_t end = time(NULL) + PATIENCE;
	struct netgpu_query query;
	unsigned int leaked = 0;

	while (1) {
		regions_query(&query);
		if (!query.regions && !query.mapped_bytes &&
		    !netdev_nl_pools_leaked(pools, &leaked) && !leaked)
			break;
		if (time(NULL) > end) {
			ksft_print_msg("left: %llu regions, %llu mapped bytes, %u page pools\n",
				       query.regions, query.mapped_bytes, leaked);
			return false;
		}
		usleep(2000);
	}
	if (lowest_fd() != fds) {
		ksft_print_msg("left: a file descriptor\n");
		return false;
	}
	return true;
}

/* How many dma-bufs there are, once no more go. */
static unsigned int dmabufs(void)
{
	unsigned int before = -1U, now = 0, tries;
	char line[256];
	FILE *f;

	for (tries = 0; tries < 100 && (now != before || !tries); tries++) {
		before = now;
		f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
		if (!f)
			err(1, "bufinfo");
		while (fgets(line, sizeof(line), f))
			sscanf(line, "Total %u objects", &now);
		fclose(f);
		usleep(200000);
	}
	return now;
}

/* Count of @error among those that were seen, for the summary. */
static void count_error(unsigned int *counts, int error)
{
	counts[error < 0 && error > -200 ? -error : 0]++;
}

/* What a walk has left is not to spoil the next: the queue starts anew. */
static void recover(void)
{
	if (!open_ring())
		register_dmabuf();
	close_all();
	sleep(1);
}

static void walk(const struct operation *op, const char *memory)
{
	unsigned int counts[200] = {}, nth, i;
	char errors[256] = "";
	int fds = lowest_fd(), ret;
	bool failed, good;

	for (nth = 1; nth < POINTS_MAX; nth++) {
		ret = op->prepare ? op->prepare() : 0;
		if (ret) {
			ksft_print_msg("before point %u: %s\n", nth, strerrorname_np(-ret));
			break;
		}
		arm(nth);
		ret = op->act();
		failed = disarm();
		close_all();
		if (!nothing_left(fds)) {
			ksft_print_msg("after point %u, which ended with %s\n", nth,
				       ret ? strerrorname_np(-ret) : "success");
			break;
		}
		if (ret == -ETIME) {
			ksft_print_msg("point %u: waits for ever\n", nth);
			break;
		}
		if (!failed) {
			if (ret)
				ksft_print_msg("nothing failed, and yet: %s\n",
					       strerrorname_np(-ret));
			break;
		}
		count_error(counts, ret);
	}
	for (i = 1; i < ARRAY_SIZE(counts); i++) {
		if (!counts[i])
			continue;
		snprintf(errors + strlen(errors), sizeof(errors) - strlen(errors), ", %u %s",
			 counts[i], strerrorname_np(i));
	}
	/* The last attempt ended the loop: without a failure, and with success. */
	good = nth > 1 && !failed && !ret;
	ksft_test_result(good, "%s, %s: %u points%s, %u without effect\n",
			 op->name, memory, nth - 1, errors, counts[0]);
	if (good)
		return;
	recover();
	if (regions_left())
		ksft_exit_fail_msg("what is left stays: the rest cannot be told\n");
}

/* SOURCE[,BYTES] */
static void open_memory(const char *text)
{
	char *source = strdup(text), *size = strchr(source, ',');

	if (size)
		*size++ = '\0';
	memory_open(&mem, source, size ? strtoull(size, NULL, 0) : SIZE);
	free(source);
}

int main(int argc, char **argv)
{
	const struct operation *ops = operations;
	unsigned int count = ARRAY_SIZE(operations), i, before, after;
	int arg;

	if (argc > 1 && argv[1][0] == '-') {
		ops = argv[1][1] == 'c' ? copying : sending;
		count = argv[1][1] == 'c' ? ARRAY_SIZE(copying) : ARRAY_SIZE(sending);
		argv++;
		argc--;
	}
	if (argc < 5)
		errx(2, "usage: fault_walk [-c|-s] NETIF QUEUE PORT MEMORY[,BYTES]...");
	ifindex = if_nametoindex(argv[1]);
	queue = atoi(argv[2]);
	port = atoi(argv[3]);
	netgpu = open_netgpu();
	pools = netdev_nl_open();
	fail_nth = open_file("/proc/thread-self/fail-nth", O_RDWR);
	/* No page faults of ours while something is to fail. */
	if (mlockall(MCL_CURRENT))
		err(1, "mlockall");

	ksft_print_header();
	ksft_set_plan((argc - 4) * (count + 1));
	for (arg = 4; arg < argc; arg++) {
		before = dmabufs();
		open_memory(argv[arg]);
		create = (struct netgpu_region_create){
			.dmabuf_fd = mem.dmabuf,
			.flags = NETGPU_REGION_RX,
			.length = mem.size,
			.ifindex = ifindex,
			.queue = queue,
		};
		for (i = 0; i < count; i++)
			walk(&ops[i], argv[arg]);
		memory_close(&mem);
		after = dmabufs();
		ksft_test_result(before == after, "%s: %u dma-bufs before, %u after\n",
				 argv[arg], before, after);
	}
	ksft_finished();
}
