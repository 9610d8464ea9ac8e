// SPDX-License-Identifier: GPL-2.0
/*
 * Send the stream of pattern_send out of a dma-buf, by io_uring or sendmsg():
 * zc_send -i NETIF -a ADDRESS -p PORT -m MEMORY -s BYTES -n BYTES.
 *
 * -w WAY	registered: a region, registered with the ring (default); vector: the
 *		same, by SENDMSG_ZC; cmsg: SENDMSG_ZC with a control message that
 *		names a devmem binding; twice: with two, the second of which takes it
 *		back; sendmsg: the first by sendmsg(MSG_ZEROCOPY)
 * -l BYTES	in a send, 64 KiB unless given
 * -o BYTES	offset of the region in the dma-buf
 * -c STREAMS	connections, to PORT and those that follow, with BYTES each; they take turns
 * -x HOW	when half has been sent, or nothing goes on for two seconds, have the
 *		exporter take the memory away: see memory_revoke()
 * -e		end the stream before that, with what is queued still to be sent
 * -R		the region is for receiving, too
 * -N		do not fill the memory: it is sent as it is
 * -k FILE	when all is queued, wait until FILE is gone
 *
 * Each part of the memory is filled when the notification of what was in it before
 * has come. Prints "KEY VALUE" lines: connected, sent (bytes), notified (bytes),
 * copied (notifications that say so), error (the first of a send), notif_error
 * (the first of a notification), socket_error, revoke_us, left (regions). Exit
 * status 0 unless the test itself went wrong.
 */
#include <linux/uio.h>
#define __iovec_defined 1	/* the C library's is the same */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <liburing.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory.h"
#include "netdev_nl.h"
#include "region.h"

#ifndef SCM_DEVMEM_DMABUF
#define SCM_DEVMEM_DMABUF	79
#endif

#define ENTRIES		64
#define STREAMS_MAX	64
#define NOTIF		(1ull << 63)	/* in the user_data of a notification */

static enum way { REGISTERED, VECTOR, CMSG, TWICE, SENDMSG } way;
static const char * const ways[] = { "registered", "vector", "cmsg", "twice", "sendmsg" };

static struct stream {
	int fd;
	uint64_t queued;	/* bytes */
} streams[STREAMS_MAX];
static unsigned int nr_streams = 1;

static struct part {
	struct stream *stream;
	size_t len;
	bool busy;
	struct msghdr msg;
	struct iovec iov[2];
	char control[2 * CMSG_SPACE(sizeof(uint32_t))];
} *parts;

static struct io_uring ring;
static struct memory mem;
static unsigned int binding;	/* id */
static size_t part_size = 64 << 10;
static uint64_t region_offset;
static unsigned long long sent, notified, copied, pending;
static unsigned int messages, acknowledged;	/* of sendmsg() */
static int first_error, notif_error;
static bool end_first;
static const char *how;		/* the memory is to be taken away */

static int connected(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool v6 = strchr(address, ':');
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, address,
		      v6 ? (void *)&to6.sin6_addr : &to.sin_addr) != 1)
		errx(2, "%s is no address", address);
	if (fd < 0 || connect(fd, v6 ? (void *)&to6 : (void *)&to, v6 ? sizeof(to6) : sizeof(to)) ||
	    setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		err(1, "%s", address);
	return fd;
}

static void note(int *first, int error)
{
	if (!*first)
		*first = error;
}

/* Command of the ring that names the region; the result. */
static int buffer_command(int region, unsigned int op, unsigned int index)
{
	struct netgpu_uring_buffer *buffer;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct io_uring_cqe *cqe;
	int ret;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = region;
	sqe->cmd_op = op;
	buffer = (void *)sqe->cmd;
	buffer->index = index;
	io_uring_submit(&ring);
	ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret)
		errx(1, "io_uring_wait_cqe: %s", strerror(-ret));
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

static int open_region(unsigned int ifindex, size_t size, unsigned int flags)
{
	struct netgpu_region_create create = {
		.dmabuf_fd = mem.dmabuf,
		.flags = flags,
		.offset = region_offset,
		.length = size,
		.ifindex = ifindex,
		.queue = flags & NETGPU_REGION_RX ? 1 : 0,
	};
	int region = region_create(open_netgpu(), &create), ret;

	if (region < 0)
		err(1, "NETGPU_IOC_REGION_CREATE: %s", region_message);
	ret = io_uring_register_buffers_sparse(&ring, 1);
	if (ret)
		errx(1, "io_uring_register_buffers_sparse: %s", strerror(-ret));
	ret = buffer_command(region, NETGPU_URING_BUFFER_REGISTER, 0);
	if (ret)
		errx(1, "NETGPU_URING_BUFFER_REGISTER: %s", strerror(-ret));
	return region;
}

static void prepare_message(struct part *part, size_t offset)
{
	static const unsigned int none;
	struct cmsghdr *cmsg;

	/* in two pieces, one of them short */
	part->iov[0] = (struct iovec) {
		.iov_base = (void *)offset,
		.iov_len = part->len > 1000 ? 1000 : 0,
	};
	part->iov[1] = (struct iovec) {
		.iov_base = (void *)(offset + part->iov[0].iov_len),
		.iov_len = part->len - part->iov[0].iov_len,
	};
	part->msg = (struct msghdr) { .msg_iov = part->iov, .msg_iovlen = 2 };
	if (way == VECTOR)
		return;
	part->msg.msg_control = part->control;
	part->msg.msg_controllen = sizeof(part->control) / (way == TWICE ? 1 : 2);
	for (cmsg = CMSG_FIRSTHDR(&part->msg); cmsg; cmsg = CMSG_NXTHDR(&part->msg, cmsg)) {
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_DEVMEM_DMABUF;
		cmsg->cmsg_len = CMSG_LEN(sizeof(uint32_t));
		memcpy(CMSG_DATA(cmsg), cmsg == CMSG_FIRSTHDR(&part->msg) ? &binding : &none,
		       sizeof(binding));
	}
}

static void send_part(unsigned int index)
{
	struct part *part = &parts[index];
	size_t offset = index * part_size;
	struct io_uring_sqe *sqe;

	part->busy = true;
	pending++;
	sqe = io_uring_get_sqe(&ring);
	if (way == REGISTERED) {
		io_uring_prep_send_zc_fixed(sqe, part->stream->fd, (void *)offset, part->len,
					    MSG_WAITALL, IORING_SEND_ZC_REPORT_USAGE, 0);
	} else {
		prepare_message(part, offset);
		io_uring_prep_sendmsg_zc(sqe, part->stream->fd, &part->msg, MSG_WAITALL);
		sqe->ioprio |= IORING_SEND_ZC_REPORT_USAGE;
		if (way == VECTOR) {
			sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
			sqe->buf_index = 0;
		}
	}
	sqe->user_data = index;
	sqe->addr3 = index | NOTIF;
	io_uring_submit(&ring);
}

static void take_away(void)
{
	if (end_first)
		shutdown(streams[0].fd, SHUT_WR);
	printf("revoke_us %lld\n", memory_revoke(&mem, how));
	how = NULL;
	mem.cpu = NULL;		/* no more can be filled */
}

/* Why a send was cut short: what the next one says. */
static int cause(int fd)
{
	return send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : EIO;
}

/*
 * One completion; the queued bytes of a stream are in order, as one send is with the kernel
 * at a time.
 */
static void reap(void)
{
	struct __kernel_timespec patience = { .tv_sec = how ? 2 : 60 };
	struct io_uring_cqe *cqe;
	struct part *part;
	int ret = io_uring_wait_cqe_timeout(&ring, &cqe, &patience);

	if (ret == -ETIME && how) {
		take_away();
		return;
	}
	if (ret)
		errx(1, "no completion: %s", strerror(-ret));
	part = &parts[cqe->user_data & ~NOTIF];
	if (cqe->user_data & NOTIF) {
		part->busy = false;
		pending--;
		if (cqe->res < 0 && cqe->res > -4096)
			note(&notif_error, -cqe->res);
		else
			notified += part->len;
		if ((unsigned int)cqe->res == IORING_NOTIF_USAGE_ZC_COPIED)
			copied++;
	} else {
		if (cqe->res < 0)
			note(&first_error, -cqe->res);
		else
			sent += cqe->res;
		if (cqe->res >= 0 && (size_t)cqe->res < part->len)
			note(&first_error, cause(part->stream->fd));
		if (!(cqe->flags & IORING_CQE_F_MORE)) {
			part->busy = false;
			pending--;
		}
	}
	io_uring_cqe_seen(&ring, cqe);
}

static void fill(unsigned int index)
{
	uint64_t *to = (uint64_t *)(mem.cpu + region_offset + index * part_size);
	uint64_t pos = parts[index].stream->queued / 8;
	size_t i;

	for (i = 0; i < (parts[index].len + 7) / 8; i++)
		to[i] = pos + i;
}

static int sendmsg_part(unsigned int index)
{
	struct part *part = &parts[index];
	ssize_t n;

	prepare_message(part, index * part_size);
	n = sendmsg(part->stream->fd, &part->msg, MSG_ZEROCOPY | MSG_NOSIGNAL);
	if (n < 0 || (size_t)n < part->len) {
		note(&first_error, n < 0 ? errno : cause(part->stream->fd));
		return -1;
	}
	sent += n;
	messages++;
	return 0;
}

/* Of sendmsg(): wait until no more than @left of the only stream's messages may still be read. */
static void reap_messages(unsigned int left)
{
	char control[128];
	struct msghdr msg;
	struct sock_extended_err ee;
	struct pollfd p = { .fd = streams[0].fd };

	while (messages - acknowledged > left) {
		msg = (struct msghdr) { .msg_control = control, .msg_controllen = sizeof(control) };
		if (recvmsg(streams[0].fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			/* POLLERR comes unasked, also when the connection has failed */
			if (errno != EAGAIN || poll(&p, 1, 60000) != 1)
				errx(1, "no notification");
			if (p.revents & POLLHUP)
				return;
			continue;
		}
		if (!CMSG_FIRSTHDR(&msg))
			continue;
		memcpy(&ee, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(ee));
		if (ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY)
			acknowledged += ee.ee_data - ee.ee_info + 1;
	}
}

static const char usage[] =
	"zc_send -i NETIF -a ADDRESS -p PORT -m MEMORY -s BYTES -n BYTES [-w WAY] [-l BYTES]\n"
	"	[-o BYTES] [-c STREAMS] [-x HOW] [-e] [-R] [-N] [-k FILE]";

int main(int argc, char **argv)
{
	const char *netif = NULL, *address = NULL, *source = NULL, *keep = NULL;
	unsigned long long bytes = 0, total, queued = 0;
	unsigned int ifindex, nr_parts, i, flags = NETGPU_REGION_TX;
	int opt, port = 0, region = -1, error;
	socklen_t len = sizeof(error);
	bool as_it_is = false;
	struct mnl_socket *nl = NULL;
	size_t size = 0;

	while ((opt = getopt(argc, argv, "i:a:p:m:s:n:w:l:o:c:x:eRNk:")) != -1) {
		switch (opt) {
		case 'i': netif = optarg; break;
		case 'a': address = optarg; break;
		case 'p': port = atoi(optarg); break;
		case 'm': source = optarg; break;
		case 's': size = strtoull(optarg, NULL, 0); break;
		case 'n': bytes = strtoull(optarg, NULL, 0); break;
		case 'l': part_size = strtoull(optarg, NULL, 0); break;
		case 'o': region_offset = strtoull(optarg, NULL, 0); break;
		case 'c': nr_streams = atoi(optarg); break;
		case 'x': how = optarg; break;
		case 'R': flags |= NETGPU_REGION_RX; break;
		case 'N': as_it_is = true; break;
		case 'e': end_first = true; break;
		case 'k': keep = optarg; break;
		case 'w':
			while (strcmp(ways[way], optarg))
				if (++way == sizeof(ways) / sizeof(ways[0]))
					errx(2, "%s is no way", optarg);
			break;
		default: return 2;
		}
	}
	if (!netif || !address || !port || !source || !bytes || part_size % 8 ||
	    !nr_streams || nr_streams > STREAMS_MAX)
		errx(2, "usage: %s", usage);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ifindex = if_nametoindex(netif);

	memory_open(&mem, source, size);
	if (!mem.cpu)
		errx(1, "%s: the CPU cannot write it", source);
	size = (size ?: mem.size) - region_offset;
	nr_parts = size / part_size < ENTRIES ? size / part_size : ENTRIES;
	parts = calloc(nr_parts, sizeof(*parts));
	if (!nr_parts || !parts)
		errx(2, "a part is larger than the memory");
	if (io_uring_queue_init(ENTRIES * 2, &ring, IORING_SETUP_SINGLE_ISSUER))
		errx(1, "io_uring_queue_init");

	if (way == REGISTERED || way == VECTOR) {
		region = open_region(ifindex, size, flags);
	} else {
		nl = netdev_nl_open();
		errno = -netdev_nl_bind_tx_id(nl, ifindex, mem.dmabuf, &binding);
		if (errno)
			err(1, "NETDEV_CMD_BIND_TX: %s", netdev_nl_message);
	}
	for (i = 0; i < nr_streams; i++)
		streams[i].fd = connected(address, port + i);
	printf("connected %u\n", nr_streams);

	total = bytes * nr_streams;
	for (i = 0; queued < total && !first_error; i++) {
		unsigned int index = i % nr_parts;
		struct stream *stream = &streams[i % nr_streams];
		unsigned long long before = sent;

		while (parts[index].busy)
			reap();
		if (way == SENDMSG)
			reap_messages(nr_parts - 1);
		if (first_error || notif_error || !mem.cpu)
			break;
		parts[index].stream = stream;
		parts[index].len = part_size;
		if (bytes - stream->queued < part_size)
			parts[index].len = bytes - stream->queued;
		if (!parts[index].len)
			continue;
		if (!as_it_is)
			fill(index);
		stream->queued += parts[index].len;
		queued += parts[index].len;
		if (way == SENDMSG) {
			if (sendmsg_part(index))
				break;
		} else {
			send_part(index);
			while (sent == before && !first_error)
				reap();
		}
		if (how && queued >= total / 2) {
			take_away();
			break;
		}
	}
	while (keep && !access(keep, F_OK))
		usleep(20000);
	while (pending)
		reap();
	/* It was taken away, and no send was cut short: one more is an error. */
	if (!mem.cpu && !first_error) {
		parts[0].stream = &streams[0];
		parts[0].len = part_size;
		if (way == SENDMSG)
			sendmsg_part(0);
		else
			send_part(0);
		while (pending)
			reap();
	}
	/* The memory goes with the program. */
	if (way == SENDMSG && mem.cpu && !first_error)
		reap_messages(0);
	printf("sent %llu\nnotified %llu\ncopied %llu\nerror %s\nnotif_error %s\n",
	       sent, notified, copied, first_error ? strerrorname_np(first_error) : "0",
	       notif_error ? strerrorname_np(notif_error) : "0");
	error = 0;
	getsockopt(streams[0].fd, SOL_SOCKET, SO_ERROR, &error, &len);
	printf("socket_error %s\n", error ? strerrorname_np(error) : "0");
	for (i = 0; i < nr_streams; i++)
		close(streams[i].fd);
	io_uring_queue_exit(&ring);
	if (region >= 0)
		close(region);
	if (nl)
		mnl_socket_close(nl);
	return 0;
}
