// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * fuzz: send the vfio-user server what no client should send.
 *
 * Messages are made from a seed, the same ones for the same seed: right ones, with fields that are changed, cut or too long, and
 * with file descriptors that are too many, too few or of the wrong kind. Each answer is looked at: does it belong to the request,
 * does it have the size that it says. In this process (the default) the server has a device of its own; then what it lets a device
 * reach of the client's memory is compared with what was mapped, and descriptors are counted. With --socket the server is
 * a program that emulates a GPU.
 */
#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfio_user.h"

enum {					/* commands; vfio_user.c has them for itself, so that a mistake there is one */
	VERSION = 1, DMA_MAP, DMA_UNMAP, DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, DEVICE_GET_REGION_IO_FDS, DEVICE_GET_IRQ_INFO,
	DEVICE_SET_IRQS, REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, DEVICE_RESET,
	DIRTY_PAGES, REGION_WRITE_MULTI,
};

#define TYPE_REPLY	0x1u
#define NO_REPLY	0x10u
#define IS_ERROR	0x20u

#define HEADER		16u
#define MAX_BODY	((1u << 20) + 4096)	/* what the server takes */
#define MAX_FDS		24			/* what is sent; the server takes 8 */
#define PAGE		4096UL
#define FILE_SIZE	(16 * PAGE)		/* of the files that memory is mapped from */
#define PATIENCE	20000			/* ms to wait for an answer */

struct header {
	uint16_t id, command;
	uint32_t size, flags, error;
};

struct message {
	struct header header;
	uint32_t length;		/* of what is sent of the body */
	int fd[MAX_FDS];
	unsigned int fds;
	uint8_t body[MAX_BODY + 64];
};

/* What is mapped, as this side thinks. */
struct mapping {
	uint64_t address, size;
	uint32_t flags;
	bool file;
};

static struct message request;
static uint8_t answer_body[MAX_BODY + 64];
static struct mapping mapping[4096];
static unsigned int mappings;
static const char *path;		/* of the server's socket; NULL: it is in this process */
static int sock;
static pthread_t thread;
static unsigned long long seed = 1, sent;

static void fail(const char *what)
{
	printf("message %llu of seed %llu (command %u, size %u, flags %#x, %u bytes and %u descriptors sent): %s\n", sent, seed,
	       request.header.command, request.header.size, request.header.flags, request.length, request.fds, what);
	exit(EXIT_FAILURE);
}

/* random_word - SplitMix64 */
static uint64_t random_word(void)
{
	static uint64_t state;
	uint64_t z;

	if (!state)
		state = seed * 0x9e3779b97f4a7c15ULL + 1;
	z = (state += 0x9e3779b97f4a7c15ULL);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return (unsigned int)(random_word() % n);
}

/* odd_number - one that is at the edge of something */
static uint64_t odd_number(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 4, 8, 15, 16, 17, 31, 32, 63, 64, 255, 256, PAGE - 1, PAGE, PAGE + 1, FILE_SIZE - PAGE, FILE_SIZE, 1 << 16,
		(1 << 20) - 1, 1 << 20, (1 << 20) + 1, INT32_MAX, 1ULL << 31, UINT32_MAX, 1ULL << 32, INT64_MAX, 1ULL << 63,
		UINT64_MAX - PAGE, UINT64_MAX - 1, UINT64_MAX,
	};

	return below(4) ? edges[below(sizeof(edges) / sizeof(*edges))] : random_word();
}

/* The device of the server in this process. */

static struct vfio_user user;
static uint64_t resets;
static unsigned int writes;

static int read_region(void *device, unsigned int region, uint64_t offset, void *data, size_t count)
{
	(void)device;
	if (offset > user.region[region].size || count > user.region[region].size - offset)
		fail("a read beyond the region reached the device");
	memset(data, (int)region, count);
	return 0;
}

static int write_region(void *device, unsigned int region, uint64_t offset, const void *data, size_t count)
{
	static uint8_t sink[1 << 20];

	(void)device;
	if (offset > user.region[region].size || count > user.region[region].size - offset)
		fail("a write beyond the region reached the device");
	memcpy(sink, data, count);
	writes++;
	return 0;
}

static void reset(void *device)
{
	(void)device;
	resets++;
}

static void device_make(void)
{
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	int fd = memfd_create("bar", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 1 << 20))
		exit(EXIT_FAILURE);
	user.read = read_region;
	user.write = write_region;
	user.reset = reset;
	user.region[0] = (struct vfio_user_region){ 1 << 20, both | VFIO_REGION_INFO_FLAG_MMAP, fd };
	user.region[2] = (struct vfio_user_region){ 1 << 16, both, -1 };
	user.region[VFIO_PCI_ROM_REGION_INDEX] = (struct vfio_user_region){ 8192, VFIO_REGION_INFO_FLAG_READ, -1 };
	user.region[VFIO_PCI_CONFIG_REGION_INDEX] = (struct vfio_user_region){ 4096, both, -1 };
	user.irqs[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	user.irqs[VFIO_PCI_MSI_IRQ_INDEX] = 2;
	user.irqs[VFIO_PCI_ERR_IRQ_INDEX] = 1;
}

static void *serve(void *unused)
{
	(void)unused;
	while (vfio_user_serve(&user) > 0)
		;
	vfio_user_end(&user);
	return NULL;
}

/* The connection. */

static unsigned int open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (directory && readdir(directory))
		n++;
	if (directory)
		closedir(directory);
	return n;
}

static void begin(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int pair[2];

	mappings = 0;
	if (path) {
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
		sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)))
			fail("the server takes no connection any more");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || vfio_user_init(&user, pair[1])) {
		perror("a connection");
		exit(EXIT_FAILURE);
	}
	sock = pair[0];
	pthread_create(&thread, NULL, serve, NULL);
}

static void end(void)
{
	close(sock);
	if (!path)
		pthread_join(thread, NULL);
}

/* put - send as much of a message as its length says */
static void put(const struct message *m, uint32_t header)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov[2] = { { (void *)&m->header, header }, { (void *)m->body, m->length } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (m->fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(m->fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(m->fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), m->fd, m->fds * sizeof(int));
	}
	while (iov[0].iov_len || iov[1].iov_len) {
		ssize_t n = sendmsg(sock, &msg, MSG_NOSIGNAL);
		size_t i, part;

		if (n < 0)		/* it does not like the header, and has gone */
			return;
		for (i = 0; i < 2; i++) {
			part = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;
			iov[i].iov_base = (uint8_t *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			n -= (ssize_t)part;
		}
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
}

/* get - that many bytes; false when the connection has ended before */
static bool get(void *to, size_t length)
{
	struct pollfd polled = { sock, POLLIN, 0 };
	uint8_t *p = to;

	while (length) {
		ssize_t n;

		if (poll(&polled, 1, PATIENCE) != 1)
			fail("no answer");
		n = recv(sock, p, length, 0);	/* descriptors that come with it are closed */
		if (n <= 0)
			return false;
		p += n;
		length -= (size_t)n;
	}
	return true;
}

/* answered - the error of the answer, its body's length in *length; -1 when the connection has ended instead */
static int answered(uint32_t *length)
{
	struct header h;

	if (!get(&h, sizeof(h)))
		return -1;
	if (h.id != request.header.id || h.command != request.header.command)
		fail("the answer is to another request");
	if ((h.flags & 0xf) != TYPE_REPLY || !(h.flags & IS_ERROR) != !h.error)
		fail("the answer's flags are wrong");
	if (h.size < HEADER || h.size > HEADER + MAX_BODY || (h.error && h.size != HEADER))
		fail("the answer has a wrong size");
	*length = h.size - HEADER;
	if (!get(answer_body, *length))
		fail("the answer is cut");
	return (int)h.error;
}

/* What was mapped: the device may reach that, and nothing else. */

static const struct mapping *mapped_at(uint64_t address)
{
	unsigned int i;

	for (i = 0; i < mappings; i++)
		if (address - mapping[i].address < mapping[i].size)
			return &mapping[i];
	return NULL;
}

static void look_at(uint64_t address, bool write)
{
	const struct mapping *m = mapped_at(address);
	size_t length = 1 << 20;
	volatile uint8_t *at = vfio_user_memory(&user, address, &length, write);
	bool reachable = m && m->file && m->flags & (write ? VFIO_DMA_MAP_FLAG_WRITE : VFIO_DMA_MAP_FLAG_READ);

	if (!at != !reachable)
		fail(at ? "the device reaches what is not mapped" : "the device does not reach what is mapped");
	if (!at)
		return;
	if (!length || length > m->size - (address - m->address))
		fail("the device reaches more than what is mapped");
	if (write) {
		at[0] = 1;
		at[length - 1] = 1;
	} else if (m->flags & VFIO_DMA_MAP_FLAG_READ) {
		(void)at[0];
		(void)at[length - 1];
	}
}

static void look_at_memory(void)
{
	unsigned int i;

	for (i = 0; i < mappings && i < 8; i++) {
		const struct mapping *m = &mapping[below(mappings)];

		look_at(m->address, below(2));
		look_at(m->address + m->size - 1, below(2));
		look_at(m->address - 1, below(2));
		look_at(m->address + m->size, below(2));
	}
	look_at(odd_number(), below(2));
}

static void get64(uint64_t *value, uint32_t offset)
{
	memcpy(value, request.body + offset, sizeof(*value));
}

static void mapped(void)
{
	struct mapping m = { .file = request.fds };
	unsigned int i;

	memcpy(&m.flags, request.body + 4, sizeof(m.flags));
	get64(&m.address, 16);
	get64(&m.size, 24);
	if (!m.size || m.address + m.size - 1 < m.address)
		fail("memory is mapped that has no size, or goes around the end of the addresses");
	for (i = 0; i < mappings; i++)
		if (m.address - mapping[i].address < mapping[i].size || mapping[i].address - m.address < m.size)
			fail("memory is mapped where there is some already");
	if (mappings < sizeof(mapping) / sizeof(*mapping))
		mapping[mappings++] = m;
}

static void unmapped(void)
{
	uint64_t address, size;
	uint32_t flags;
	unsigned int i;

	memcpy(&flags, request.body + 4, sizeof(flags));
	get64(&address, 8);
	get64(&size, 16);
	if (!(flags & VFIO_DMA_UNMAP_FLAG_ALL) && size && address + size - 1 < address)
		fail("what goes around the end of the addresses was unmapped");
	for (i = mappings; i--;)
		if (flags & VFIO_DMA_UNMAP_FLAG_ALL || mapping[i].address - address < size)
			mapping[i] = mapping[--mappings];
}

/* The request, of which each part is right until it is changed. */

static void put32(uint32_t offset, uint64_t value)
{
	uint32_t v = (uint32_t)value;

	memcpy(request.body + offset, &v, sizeof(v));
	if (request.length < offset + 4)
		request.length = offset + 4;
}

static void put64(uint32_t offset, uint64_t value)
{
	memcpy(request.body + offset, &value, sizeof(value));
	if (request.length < offset + 8)
		request.length = offset + 8;
}

static void add_fd(int fd)
{
	if (fd < 0)
		fail("no descriptor to send");
	request.fd[request.fds++] = fd;
}

static int memory_file(void)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, FILE_SIZE))
		return -1;
	return fd;
}

static void add_some_fd(void)
{
	switch (below(4)) {
	case 0:
		add_fd(memory_file());
		break;
	case 1:
		add_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
		break;
	case 2:
		add_fd(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		break;
	default:
		add_fd(eventfd(0, EFD_CLOEXEC));
		break;
	}
}

static void new_request(unsigned int command)
{
	memset(request.body, 0, 4096);
	request.header = (struct header){ .id = (uint16_t)sent, .command = (uint16_t)command };
	request.length = 0;
	request.fds = 0;
}

static void make_dma(bool map)
{
	put32(0, map ? 32 : 24);
	put32(4, map ? 3 : 0);
	if (map)
		put64(8, (uint64_t)below(4) * PAGE);
	put64(map ? 16 : 8, (uint64_t)below(64) * PAGE);
	put64(map ? 24 : 16, (1ULL + below(12)) * PAGE);
	if (map && below(8))
		add_fd(memory_file());
}

static void make_irqs(void)
{
	static const uint32_t flags[] = { 0x21, 0x24, 0x24, 0x24, 0x09, 0x11, 0x0a, 0x12, 0x0c, 0x14, 0x22, 0x00, 0x3f };
	uint32_t count = below(4), i;

	put32(0, 20);
	put32(4, flags[below(sizeof(flags) / sizeof(*flags))]);
	put32(8, below(VFIO_PCI_NUM_IRQS + 1));
	put32(12, below(3));
	put32(16, count);
	for (i = 0; i < count && below(8); i++)
		add_fd(eventfd(0, EFD_CLOEXEC));
	if (below(2))
		request.length += below(4);
}

static void make_access(bool write)
{
	uint32_t count = below(16) ? 4 : below(2) ? below(70000) : (uint32_t)odd_number();
	uint32_t i;

	put64(0, below(4) ? (uint64_t)below(1 << 14) * 4 : odd_number());
	put32(8, below(VFIO_PCI_NUM_REGIONS + 1));
	put32(12, count);
	if (!write || count > MAX_BODY - HEADER)
		return;
	for (i = 0; i < 64 && i < count; i++)
		request.body[16 + i] = (uint8_t)random_word();
	request.length = HEADER + count;
}

/* put_write - the one at that place of several */
static void put_write(uint32_t place, uint64_t offset, uint32_t region, uint32_t count)
{
	put64(8 + 24 * place, offset);
	put32(8 + 24 * place + 8, region);
	put32(8 + 24 * place + 12, count);
	put64(8 + 24 * place + 16, random_word());
}

static void make_writes(void)
{
	uint32_t count = below(8) ? below(200) : below(5000), i;

	for (i = 0; i < count; i++)
		put_write(i, below(32) ? (uint64_t)below(1 << 10) * 4 : odd_number(), below(64) ? 2 : below(VFIO_PCI_NUM_REGIONS + 1),
			  below(64) ? 1 + below(8) : (uint32_t)odd_number());
	put64(0, below(8) ? count : odd_number());
	request.length = 8 + 24 * count;
}

static void make(void)
{
	uint32_t i;

	new_request(below(16) ? 1 + below(15) : below(2) ? below(20) : (unsigned int)random_word());
	switch (request.header.command) {
	case VERSION:
		put32(0, below(4) ? 0 : odd_number());
		memcpy(request.body + 4, "{}", 3);
		request.length = 7;
		break;
	case DMA_MAP:
	case DMA_UNMAP:
		make_dma(request.header.command == DMA_MAP);
		break;
	case DEVICE_GET_REGION_INFO:
	case DEVICE_GET_IRQ_INFO:
		put32(0, 32);
		put32(8, below(12));
		request.length = request.header.command == DEVICE_GET_IRQ_INFO ? 16 : 32;
		break;
	case DEVICE_GET_INFO:
		put32(0, 16);
		request.length = 16;
		break;
	case DEVICE_SET_IRQS:
		make_irqs();
		break;
	case REGION_READ:
	case REGION_WRITE:
		make_access(request.header.command == REGION_WRITE);
		break;
	case REGION_WRITE_MULTI:
		make_writes();
		break;
	default:
		request.length = below(64);
		break;
	}
	/* fields */
	for (i = below(4) ? 0 : 1 + below(2); i && request.length >= 8; i--) {
		uint64_t value = odd_number();
		unsigned int words = request.length / 4;

		memcpy(request.body + 4UL * below(words < 10 ? words - 1 : 9), &value, below(2) ? 8 : 4);
	}
	/* descriptors */
	if (!below(8))
		for (i = below(4) ? 1 + below(3) : 9 + below(6); i && request.fds < MAX_FDS; i--)
			add_some_fd();
	/* length */
	if (!below(12))
		request.length = below(request.length + 1);
	if (!below(24))
		request.length += below(200);
	if (request.length > MAX_BODY)
		request.length = MAX_BODY;
	request.header.size = HEADER + request.length;
	if (!below(16))
		request.header.flags = below(2) ? NO_REPLY : (uint32_t)random_word();
}

/* send_it - false when the connection is at its end */
static bool send_it(void)
{
	uint32_t length;
	int err;

	sent++;
	put(&request, HEADER);
	if (request.header.flags & NO_REPLY && request.header.size <= HEADER + MAX_BODY && request.header.size >= HEADER) {
		/* nothing else says that it is done */
		struct header h = { .id = (uint16_t)sent, .command = DEVICE_GET_INFO, .size = HEADER };

		/* What is mapped now is not known to this side: a new connection. */
		if (request.header.command == DMA_MAP || request.header.command == DMA_UNMAP)
			return false;
		request.header = h;
		request.length = 0;
		request.fds = 0;
		put(&request, HEADER);
		err = answered(&length);
		if (err)
			fail("after a request without a reply, the next one is not answered");
		return true;
	}
	err = answered(&length);
	if (err < 0)
		fail("the connection has ended");
	if (err)
		return true;
	switch (request.header.command) {
	case DMA_MAP:
		mapped();
		break;
	case DMA_UNMAP:
		unmapped();
		break;
	case REGION_READ:
		memcpy(&err, request.body + 12, sizeof(err));
		if (length != HEADER + (uint32_t)err)
			fail("another number of bytes was read");
		break;
	case VERSION:
	case DEVICE_GET_INFO:
	case DEVICE_GET_REGION_INFO:
	case DEVICE_GET_IRQ_INFO:
	case DEVICE_SET_IRQS:
	case REGION_WRITE:
	case REGION_WRITE_MULTI:
	case DEVICE_RESET:
		break;
	default:
		fail("a command that does not exist succeeded");
	}
	return true;
}

/* break_it - a header that is wrong, or a message that is cut: the connection has to end */
static void break_it(void)
{
	static const uint32_t sizes[] = { 0, 1, HEADER - 1, HEADER + MAX_BODY + 1, INT32_MAX, 1u << 31, UINT32_MAX };
	uint32_t length, header = HEADER;

	sent++;
	switch (below(3)) {
	case 0:
		request.header.size = sizes[below(sizeof(sizes) / sizeof(*sizes))];
		break;
	case 1:
		request.header.size = HEADER + request.length + 1 + below(5000);
		if (request.header.size > HEADER + MAX_BODY)
			request.header.size = UINT32_MAX;
		break;
	default:
		header = 1 + below(HEADER - 1);
		request.length = 0;
	}
	put(&request, header);
	shutdown(sock, SHUT_WR);
	if (answered(&length) >= 0)
		fail("it was answered");
}

static void close_sent(void)
{
	while (request.fds)
		close(request.fd[--request.fds]);
}

static int fuzz(unsigned long long messages)
{
	unsigned int before = open_files(), left;
	struct message *m = &request;

	while (sent < messages) {
		begin();
		left = 1 + below(100);
		do {
			int fd[MAX_FDS], fds;
			bool more;

			make();
			fds = (int)m->fds;
			memcpy(fd, m->fd, sizeof(fd));
			if (--left) {
				more = send_it();
			} else {
				break_it();
				more = false;
			}
			while (fds)
				close(fd[--fds]);
			m->fds = 0;
			if (more && !path)
				look_at_memory();
			if (!more)
				break;
		} while (sent < messages);
		end();
		if (!path && open_files() != before)
			fail("a descriptor was not given back");
	}
	if (path) {
		begin();
		new_request(DEVICE_GET_INFO);
		m->header.size = HEADER;
		send_it();
		end();
	}
	printf("seed %llu: %llu messages\n", seed, sent);
	return EXIT_SUCCESS;
}

/* Directed cases. */

static void expect(int err, int wanted)
{
	if (err != wanted) {
		printf("the answer is %d (%s), not %d\n", err, err > 0 ? strerror(err) : "success, or the end", wanted);
		fail("that is not the answer");
	}
}

static int ask(void)
{
	uint32_t length;
	int err;

	sent++;
	request.header.size = HEADER + request.length;
	put(&request, HEADER);
	err = answered(&length);
	close_sent();
	return err;
}

static void ended(uint32_t header)
{
	uint32_t length;

	put(&request, header);
	shutdown(sock, SHUT_WR);
	expect(answered(&length), -1);
}

static int map(uint64_t address, uint64_t size, uint64_t offset, bool file)
{
	new_request(DMA_MAP);
	put32(0, 32);
	put32(4, 3);
	put64(8, offset);
	put64(16, address);
	put64(24, size);
	if (file)
		add_fd(memory_file());
	return ask();
}

static int unmap(uint64_t address, uint64_t size)
{
	new_request(DMA_UNMAP);
	put32(0, 24);
	put32(4, 0);
	put64(8, address);
	put64(16, size);
	return ask();
}

static int access_region(unsigned int command, uint32_t region, uint64_t offset, uint32_t count, uint32_t bytes)
{
	new_request(command);
	put64(0, offset);
	put32(8, region);
	put32(12, count);
	request.length += bytes;
	return ask();
}

/* irqs - with that many of one eventfd's descriptors */
static int irqs(uint32_t flags, uint32_t index, uint32_t start, uint32_t count, unsigned int fds, int event)
{
	new_request(DEVICE_SET_IRQS);
	put32(0, 20);
	put32(4, flags);
	put32(8, index);
	put32(12, start);
	put32(16, count);
	while (fds--)
		add_fd(dup(event));
	return ask();
}

static bool reaches(uint64_t address)
{
	size_t length = 1;

	return vfio_user_memory(&user, address, &length, true);
}

static bool happened(int event)
{
	uint64_t value;

	return read(event, &value, sizeof(value)) == sizeof(value);
}

static void short_header(void)
{
	new_request(VERSION);
	request.header.size = HEADER;
	ended(HEADER / 2);
}

static void size_below_header(void)
{
	new_request(VERSION);
	request.header.size = HEADER - 1;
	ended(HEADER);
}

static void oversized_length(void)
{
	new_request(REGION_WRITE);
	request.header.size = UINT32_MAX;
	ended(HEADER);
}

static void cut_body(void)
{
	new_request(REGION_WRITE);
	request.length = 20;
	request.header.size = HEADER + 64;
	ended(HEADER);
}

static void unknown_command(void)
{
	static const unsigned int commands[] = { 0, DEVICE_GET_REGION_IO_FDS, DMA_READ, DMA_WRITE, DIRTY_PAGES, 16, UINT16_MAX };
	unsigned int i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		new_request(commands[i]);
		expect(ask(), ENOTSUP);
	}
}

static void reply_as_request(void)
{
	new_request(DEVICE_RESET);
	request.header.flags = TYPE_REPLY;
	expect(ask(), EINVAL);
	if (resets)
		fail("it was done");
}

static void body_missing(void)
{
	unsigned int command;

	for (command = VERSION; command <= REGION_WRITE; command++) {
		if (command == DEVICE_GET_INFO || command == DEVICE_GET_REGION_IO_FDS)
			continue;
		new_request(command);
		request.length = 3;
		expect(ask(), EINVAL);
	}
}

static void region_out_of_range(void)
{
	expect(access_region(REGION_READ, VFIO_PCI_NUM_REGIONS, 0, 4, 0), EINVAL);
	expect(access_region(REGION_READ, UINT32_MAX, 0, 4, 0), EINVAL);
	expect(access_region(REGION_READ, 2, 1 << 16, 4, 0), ERANGE);
	expect(access_region(REGION_READ, 2, (1 << 16) - 2, 4, 0), ERANGE);
	expect(access_region(REGION_READ, 2, UINT64_MAX - 3, 4, 0), ERANGE);
	expect(access_region(REGION_READ, 1, 0, 4, 0), ERANGE);
	expect(access_region(REGION_READ, 0, 0, (1 << 20) + 1, 0), EINVAL);
	expect(access_region(REGION_READ, 0, 0, 1 << 20, 0), 0);
	expect(access_region(REGION_WRITE, 2, (1 << 16) - 4, 4, 4), 0);
	new_request(DEVICE_GET_REGION_INFO);
	put32(8, VFIO_PCI_NUM_REGIONS);
	request.length = 32;
	expect(ask(), EINVAL);
}

static void write_without_data(void)
{
	expect(access_region(REGION_WRITE, 2, 0, 64, 63), EINVAL);
}

/* ask_writes - two of them: one that is right, and this one; said to be @said, in so many bytes */
static int ask_writes(uint64_t said, uint64_t offset, uint32_t region, uint32_t count, uint32_t bytes)
{
	new_request(REGION_WRITE_MULTI);
	put_write(0, 0, 2, 8);
	put_write(1, offset, region, count);
	put64(0, said);
	request.length = bytes;
	return ask();
}

static void several_writes(void)
{
	const unsigned int before = writes;

	expect(ask_writes(2, (1 << 16) - 4, 2, 4, 8 + 48), 0);
	if (writes != before + 2)
		fail("not both were carried out");
	expect(ask_writes(0, 0, 2, 4, 8), 0);
	expect(ask_writes(1, 0, 2, 4, 8 + 48), 0);
	if (writes != before + 3)
		fail("others were carried out");
	expect(ask_writes(3, 0, 2, 4, 8 + 48), EINVAL);
	expect(ask_writes(2, 0, 2, 4, 8 + 47), EINVAL);
	expect(ask_writes(UINT64_MAX, 0, 2, 4, 8 + 48), EINVAL);
	expect(ask_writes(2, 0, 2, 4, 7), EINVAL);
	if (writes != before + 3)
		fail("some that were not there were carried out");
	expect(ask_writes(2, 0, 2, 9, 8 + 48), EINVAL);
	expect(ask_writes(2, 0, VFIO_PCI_NUM_REGIONS, 4, 8 + 48), EINVAL);
	expect(ask_writes(2, (1 << 16) - 2, 2, 4, 8 + 48), ERANGE);
	expect(ask_writes(2, UINT64_MAX - 3, 2, 4, 8 + 48), ERANGE);
	if (writes != before + 7)
		fail("not all that came before the wrong one was carried out");
}

static void interrupts_out_of_range(void)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	expect(irqs(0x24, VFIO_PCI_NUM_IRQS, 0, 1, 1, event), EINVAL);
	expect(irqs(0x24, VFIO_PCI_MSI_IRQ_INDEX, 2, 1, 1, event), EINVAL);
	expect(irqs(0x24, VFIO_PCI_MSI_IRQ_INDEX, 1, UINT32_MAX, 1, event), EINVAL);
	expect(irqs(0x24, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, 1, event), EINVAL);
	close(event);
}

static void descriptor_missing(void)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	expect(irqs(0x24, VFIO_PCI_MSI_IRQ_INDEX, 0, 2, 2, event), 0);
	expect(irqs(0x24, VFIO_PCI_MSI_IRQ_INDEX, 0, 2, 1, event), EINVAL);
	if (!vfio_user_interrupt(&user, VFIO_PCI_MSI_IRQ_INDEX, 1) || !happened(event))
		fail("what was there has changed");
	expect(irqs(0x24, VFIO_PCI_MSI_IRQ_INDEX, 0, 2, 0, event), 0);
	if (vfio_user_interrupt(&user, VFIO_PCI_MSI_IRQ_INDEX, 1))
		fail("none of them is not to listen any more");
	close(event);
	expect(map(0, PAGE, 0, false), 0);
	if (reaches(0))
		fail("memory without a file is reached");
}

static void descriptors_too_many(void)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	expect(irqs(0x24, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, MAX_FDS, event), EINVAL);
	new_request(DEVICE_GET_INFO);
	while (request.fds < MAX_FDS)
		add_fd(dup(event));
	expect(ask(), 0);
	close(event);
}

static void map_overlaps(void)
{
	expect(map(4 * PAGE, 4 * PAGE, 0, true), 0);
	expect(map(4 * PAGE, 4 * PAGE, 0, true), EEXIST);
	expect(map(7 * PAGE, PAGE, 0, true), EEXIST);
	expect(map(0, 5 * PAGE, 0, true), EEXIST);
	expect(map(0, 12 * PAGE, 0, true), EEXIST);
	expect(map(8 * PAGE, PAGE, 0, true), 0);
	expect(map(3 * PAGE, PAGE, 0, true), 0);
	if (!reaches(4 * PAGE) || !reaches(9 * PAGE - 1) || reaches(9 * PAGE) || !reaches(3 * PAGE))
		fail("what was mapped is not reached, or more");
}

static void map_goes_around(void)
{
	expect(map(UINT64_MAX - PAGE + 1, 2 * PAGE, 0, true), EINVAL);
	expect(map(0, 0, 0, true), EINVAL);
	expect(map(0, PAGE, UINT64_MAX - PAGE + 1, true), EINVAL);
	expect(map(UINT64_MAX - PAGE + 1, PAGE, 0, true), 0);
	expect(map(0, PAGE, PAGE, true), 0);
	expect(unmap(UINT64_MAX - PAGE + 1, 2 * PAGE), EINVAL);
}

static void map_beyond_file(void)
{
	expect(map(0, FILE_SIZE + PAGE, 0, true), EINVAL);
	expect(map(0, FILE_SIZE, PAGE, true), EINVAL);
	expect(map(0, FILE_SIZE, 0, true), 0);
}

static void unmap_cuts(void)
{
	expect(map(4 * PAGE, 4 * PAGE, 0, true), 0);
	expect(unmap(4 * PAGE, PAGE), EINVAL);
	expect(unmap(5 * PAGE, 16 * PAGE), EINVAL);
	if (!reaches(4 * PAGE))
		fail("it is gone");
	expect(unmap(0, 64 * PAGE), 0);
	if (reaches(4 * PAGE))
		fail("it is still there");
	expect(unmap(0, 64 * PAGE), 0);
}

static void intx(void)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	expect(irqs(0x24, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, 1, event), 0);
	vfio_user_intx(&user, true);
	if (!happened(event))
		fail("the level is asserted, and nobody heard");
	vfio_user_intx(&user, true);
	if (happened(event))
		fail("it was signalled again while it is masked");
	expect(irqs(0x11, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, 0, event), 0);
	if (!happened(event))
		fail("unmasked, and still asserted, it was not signalled");
	vfio_user_intx(&user, false);
	expect(irqs(0x11, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, 0, event), 0);
	if (happened(event))
		fail("it was signalled, and is not asserted");
	expect(irqs(0x09, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, 0, event), 0);
	vfio_user_intx(&user, true);
	if (happened(event))
		fail("it was signalled while it is masked");
	close(event);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "a header that is cut", short_header },
	{ "a size that is less than the header's", size_below_header },
	{ "a size that is more than it takes", oversized_length },
	{ "a body that is cut", cut_body },
	{ "commands that it does not know", unknown_command },
	{ "an answer that nobody asked for", reply_as_request },
	{ "bodies that are too short", body_missing },
	{ "regions out of range", region_out_of_range },
	{ "a write with less data than it says", write_without_data },
	{ "several writes in one message", several_writes },
	{ "interrupts out of range", interrupts_out_of_range },
	{ "descriptors that are missing", descriptor_missing },
	{ "more descriptors than it takes", descriptors_too_many },
	{ "memory that overlaps", map_overlaps },
	{ "memory around the end of the addresses", map_goes_around },
	{ "memory beyond the end of its file", map_beyond_file },
	{ "a part of memory is unmapped", unmap_cuts },
	{ "INTx", intx },
};

static int directed(const char *name)
{
	unsigned int before = open_files(), i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (strcmp(cases[i].name, name))
			continue;
		begin();
		cases[i].run();
		end();
		if (open_files() != before)
			fail("a descriptor was not given back");
		return EXIT_SUCCESS;
	}
	printf("there is no such case\n");
	return EXIT_FAILURE;
}

static const struct argp_option options[] = {
	{ "seed", 's', "N", 0, "What the messages are made from (default: 1)", 0 },
	{ "messages", 'n', "N", 0, "How many (default: 20000)", 0 },
	{ "socket", 'S', "PATH", 0, "To the server there", 0 },
	{ "case", 'c', "NAME", 0, "Only this directed case", 0 },
	{ "cases", 'l', NULL, 0, "List those", 0 },
	{ 0 }
};

static unsigned long long messages = 20000;
static const char *only;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	unsigned int i;

	switch (key) {
	case 's':
		seed = strtoull(arg, NULL, 0);
		break;
	case 'n':
		messages = strtoull(arg, NULL, 0);
		break;
	case 'S':
		path = arg;
		break;
	case 'c':
		only = arg;
		break;
	case 'l':
		for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
			puts(cases[i].name);
		exit(EXIT_SUCCESS);
	case ARGP_KEY_ARG:
		argp_usage(state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, "Send a vfio-user server what no client should send.", NULL, NULL, NULL };

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	signal(SIGPIPE, SIG_IGN);
	device_make();
	return only ? directed(only) : fuzz(messages);
}
