// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The device's side of the vfio-user protocol. Each message is a header and a structure, most of them those of the kernel's
 * linux/vfio.h; file descriptors come beside them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio_user.h"

enum command {
	VERSION = 1,
	DMA_MAP = 2,
	DMA_UNMAP = 3,
	DEVICE_GET_INFO = 4,
	DEVICE_GET_REGION_INFO = 5,
	DEVICE_GET_IRQ_INFO = 7,
	DEVICE_SET_IRQS = 8,
	REGION_READ = 9,
	REGION_WRITE = 10,
	DEVICE_RESET = 13,
	REGION_WRITE_MULTI = 15,
};

#define TYPE_MASK	0xfu
#define TYPE_REPLY	0x1u
#define NO_REPLY	0x10u
#define IS_ERROR	0x20u

#define MAX_DATA	(1u << 20)	/* bytes in one region access, as we tell the client */
#define MAX_FDS		8
#define MAX_MAPS	65535u		/* the protocol's default for the client */
#define MAX_MESSAGE	(MAX_DATA + 4096)

struct header {
	uint16_t id;
	uint16_t command;
	uint32_t size;		/* of the message, with the header */
	uint32_t flags;
	uint32_t error;		/* errno value */
};

struct version {
	uint16_t major;
	uint16_t minor;
	char capabilities[];	/* JSON */
};

struct dma_map {
	uint32_t argsz;
	uint32_t flags;		/* VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE */
	uint64_t offset;	/* in the file */
	uint64_t address;
	uint64_t size;
};

struct dma_unmap {
	uint32_t argsz;
	uint32_t flags;		/* VFIO_DMA_UNMAP_FLAG_ALL */
	uint64_t address;
	uint64_t size;
};

struct device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};

struct access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[];
};

struct write_one {
	uint64_t offset;
	uint32_t region;
	uint32_t count;		/* of data, 1 to 8 */
	uint8_t data[8];
};

/* Writes that nobody waits for, as many as there were when the last such message had left. */
struct write_multi {
	uint64_t count;
	struct write_one write[];
};

struct vfio_user_dma {
	uint64_t address;
	uint64_t size;
	uint32_t flags;
	uint8_t *map;
};

/* A message as it came, and room for the answer: the payload is answered in place. */
struct message {
	struct header header;
	union {
		struct version version;
		struct dma_map map;
		struct dma_unmap unmap;
		struct device_info device;
		struct vfio_region_info region;
		struct vfio_irq_info irq;
		struct vfio_irq_set set;
		struct access access;
		struct write_multi multi;
		uint8_t payload[MAX_MESSAGE];
	};
	size_t length;		/* of the payload */
	int fds[MAX_FDS];
	unsigned int nfds;
};

static void close_fds(struct message *m)
{
	while (m->nfds)
		close(m->fds[--m->nfds]);
}

/* take_fd - one of the descriptors that came with a message, which is the caller's from now on */
static int take_fd(struct message *m)
{
	int fd = m->nfds ? m->fds[0] : -1;

	if (fd >= 0) {
		m->nfds--;
		memmove(m->fds, m->fds + 1, m->nfds * sizeof(*m->fds));
	}
	return fd;
}

static int receive_all(int socket, void *to, size_t length)
{
	uint8_t *p = to;

	while (length) {
		ssize_t n = recv(socket, p, length, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		p += n;
		length -= (size_t)n;
	}
	return 1;
}

/* receive - one message, with its descriptors; like vfio_user_serve() */
static int receive(int socket, struct message *m)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { &m->header, sizeof(m->header) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	m->nfds = 0;
	do {
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -1 : 0;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		m->nfds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(c), m->nfds * sizeof(int));
	}
	if ((size_t)n < sizeof(m->header)) {
		int status = receive_all(socket, (uint8_t *)&m->header + n, sizeof(m->header) - (size_t)n);

		if (status <= 0)
			return status;
	}
	if (m->header.size < sizeof(m->header) || m->header.size - sizeof(m->header) > sizeof(m->payload)) {
		errno = EMSGSIZE;
		return -1;
	}
	m->length = m->header.size - sizeof(m->header);
	return m->length ? receive_all(socket, m->payload, m->length) : 1;
}

static int answer(int socket, struct message *m, size_t length, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov[2] = { { &m->header, sizeof(m->header) }, { m->payload, length } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	m->header.size = (uint32_t)(sizeof(m->header) + length);
	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	while (iov[0].iov_len || iov[1].iov_len) {
		ssize_t n = sendmsg(socket, &msg, MSG_NOSIGNAL);
		size_t i;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		for (i = 0; i < 2; i++) {
			size_t part = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

			iov[i].iov_base = (uint8_t *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			n -= (ssize_t)part;
		}
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

/* What follows serves one command each: 0 with *length the payload of the answer, or an errno value. */

static int serve_version(struct message *m, size_t *length)
{
	static const char capabilities[] =
		"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"write_multiple\":true}}";

	if (m->length < sizeof(m->version) || m->version.major)
		return EINVAL;
	m->version.minor = 0;
	memcpy(m->version.capabilities, capabilities, sizeof(capabilities));
	*length = sizeof(m->version) + sizeof(capabilities);
	return 0;
}

/* overlaps - is there memory already that the client has mapped there? */
static bool overlaps(const struct vfio_user *user, uint64_t address, uint64_t size)
{
	size_t i;

	for (i = 0; i < user->dmas; i++)
		if (address - user->dma[i].address < user->dma[i].size || user->dma[i].address - address < size)
			return true;
	return false;
}

/* map_file - 0 or an errno value. What is beyond the end of a file can be mapped, but not accessed: the process would end. */
static int map_file(struct vfio_user_dma *dma, int fd, uint64_t offset)
{
	int protection = 0;
	struct stat status;

	if (dma->flags & VFIO_DMA_MAP_FLAG_READ)
		protection |= PROT_READ;
	if (dma->flags & VFIO_DMA_MAP_FLAG_WRITE)
		protection |= PROT_WRITE;
	if (fstat(fd, &status))
		return errno;
	if (S_ISREG(status.st_mode) && (offset > (uint64_t)status.st_size || dma->size > (uint64_t)status.st_size - offset))
		return EINVAL;
	dma->map = mmap(NULL, dma->size, protection, MAP_SHARED, fd, (off_t)offset);
	if (dma->map != MAP_FAILED)
		return 0;
	dma->map = NULL;
	return errno;
}

static int serve_dma_map(struct vfio_user *user, struct message *m, size_t *length)
{
	struct vfio_user_dma dma, *all;
	int fd, err;

	if (m->length < sizeof(m->map) || !m->map.size || m->map.address + m->map.size - 1 < m->map.address ||
	    m->map.flags & ~(uint32_t)(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
		return EINVAL;
	if (overlaps(user, m->map.address, m->map.size))
		return EEXIST;
	if (user->dmas == MAX_MAPS)
		return ENOSPC;
	dma = (struct vfio_user_dma){ .address = m->map.address, .size = m->map.size, .flags = m->map.flags };

	/* Memory that comes without a file (of another device's registers, say) cannot be reached. */
	fd = take_fd(m);
	if (fd >= 0) {
		err = map_file(&dma, fd, m->map.offset);
		close(fd);
		if (err)
			return err;
	}
	all = reallocarray(user->dma, user->dmas + 1, sizeof(*all));
	if (!all) {
		if (dma.map)
			munmap(dma.map, dma.size);
		return ENOMEM;
	}
	user->dma = all;
	user->dma[user->dmas++] = dma;
	*length = 0;
	return 0;
}

static void dma_remove(struct vfio_user *user, size_t i)
{
	if (user->dma[i].map)
		munmap(user->dma[i].map, user->dma[i].size);
	user->dma[i] = user->dma[--user->dmas];
}

/* cuts - would unmapping that leave a part of some memory? */
static bool cuts(const struct vfio_user *user, uint64_t address, uint64_t size)
{
	size_t i;

	for (i = 0; i < user->dmas; i++) {
		const struct vfio_user_dma *dma = &user->dma[i];

		if (address - dma->address < dma->size && address != dma->address)
			return true;
		if (dma->address - address < size && dma->size > size - (dma->address - address))
			return true;
	}
	return false;
}

static int serve_dma_unmap(struct vfio_user *user, struct message *m, size_t *length)
{
	uint64_t address, size;
	bool all;
	size_t i;

	if (m->length < sizeof(m->unmap))
		return EINVAL;
	all = m->unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL;
	address = m->unmap.address;
	size = m->unmap.size;
	if (!all && size && address + size - 1 < address)
		return EINVAL;
	if (!all && cuts(user, address, size))
		return EINVAL;
	for (i = user->dmas; i--;)
		if (all || user->dma[i].address - address < size)
			dma_remove(user, i);
	*length = sizeof(m->unmap);
	return 0;
}

static int serve_device_info(struct message *m, size_t *length)
{
	m->device = (struct device_info){
		.argsz = sizeof(m->device),
		.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.regions = VFIO_PCI_NUM_REGIONS,
		.irqs = VFIO_PCI_NUM_IRQS,
	};
	*length = sizeof(m->device);
	return 0;
}

static int serve_region_info(struct vfio_user *user, struct message *m, size_t *length, int *fd)
{
	const struct vfio_user_region *region;
	uint32_t index;

	if (m->length < sizeof(m->region) || m->region.index >= VFIO_PCI_NUM_REGIONS)
		return EINVAL;
	index = m->region.index;
	region = &user->region[index];
	m->region = (struct vfio_region_info){
		.argsz = sizeof(m->region), .flags = region->flags, .index = index, .size = region->size,
	};
	if (region->flags & VFIO_REGION_INFO_FLAG_MMAP)
		*fd = region->fd;
	*length = sizeof(m->region);
	return 0;
}

static int serve_irq_info(struct vfio_user *user, struct message *m, size_t *length)
{
	uint32_t index;

	if (m->length < sizeof(m->irq) || m->irq.index >= VFIO_PCI_NUM_IRQS)
		return EINVAL;
	index = m->irq.index;
	m->irq = (struct vfio_irq_info){
		.argsz = sizeof(m->irq), .flags = VFIO_IRQ_INFO_EVENTFD, .index = index, .count = user->irqs[index],
	};
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		m->irq.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	*length = sizeof(m->irq);
	return 0;
}

static void irq_set(struct vfio_user *user, unsigned int index, unsigned int number, int fd)
{
	int *at = &user->irq_fd[index][number];

	if (*at >= 0)
		close(*at);
	*at = fd;
}

static void intx_signal(struct vfio_user *user)
{
	if (user->intx_asserted && !user->intx_masked)
		user->intx_masked = vfio_user_interrupt(user, VFIO_PCI_INTX_IRQ_INDEX, 0);
}

/* serve_mask - of INTx, which masks itself when it is signalled; the others cannot be masked, and are not */
static int serve_mask(struct vfio_user *user, const struct message *m, bool mask)
{
	if (m->set.index != VFIO_PCI_INTX_IRQ_INDEX || !m->set.count)
		return 0;
	if (m->set.flags & VFIO_IRQ_SET_DATA_EVENTFD)		/* to be unmasked by that: we do not listen to it */
		return ENOTSUP;
	if (m->set.flags & VFIO_IRQ_SET_DATA_BOOL) {
		if (m->length < sizeof(m->set) + 1)
			return EINVAL;
		if (!m->set.data[0])
			return 0;
	}
	user->intx_masked = mask;
	intx_signal(user);
	return 0;
}

static int serve_set_irqs(struct vfio_user *user, struct message *m, size_t *length)
{
	uint32_t i, count;

	if (m->length < sizeof(m->set) || m->set.index >= VFIO_PCI_NUM_IRQS)
		return EINVAL;
	*length = 0;
	count = m->set.count;
	if (m->set.start > user->irqs[m->set.index] || count > user->irqs[m->set.index] - m->set.start)
		return EINVAL;
	if (m->set.flags & (VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK))
		return serve_mask(user, m, m->set.flags & VFIO_IRQ_SET_ACTION_MASK);
	if (!(m->set.flags & VFIO_IRQ_SET_ACTION_TRIGGER))
		return EINVAL;

	if (m->set.flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		if (m->nfds && m->nfds != count)	/* without any, nobody listens any more */
			return EINVAL;
		for (i = 0; i < count; i++)
			irq_set(user, m->set.index, m->set.start + i, take_fd(m));
	} else if (!count) {
		for (i = 0; i < user->irqs[m->set.index]; i++)
			irq_set(user, m->set.index, i, -1);
	}
	if (m->set.index == VFIO_PCI_INTX_IRQ_INDEX) {		/* another who listens has heard of nothing yet */
		user->intx_masked = false;
		intx_signal(user);
	}
	return 0;
}

/* check_range - 0, or an errno value: is all of that in a region? */
static int check_range(const struct vfio_user *user, uint32_t region, uint64_t offset, uint32_t count)
{
	if (region >= VFIO_PCI_NUM_REGIONS || count > MAX_DATA)
		return EINVAL;
	if (offset > user->region[region].size || count > user->region[region].size - offset)
		return ERANGE;
	return 0;
}

static int serve_access(struct vfio_user *user, struct message *m, size_t *length)
{
	bool write = m->header.command == REGION_WRITE;
	struct access *a = &m->access;
	int err;

	if (m->length < sizeof(*a))
		return EINVAL;
	err = check_range(user, a->region, a->offset, a->count);
	if (err)
		return err;
	if (write) {
		if (m->length - sizeof(*a) < a->count)
			return EINVAL;
		*length = sizeof(*a);
		return user->write(user->device, a->region, a->offset, a->data, a->count);
	}
	*length = sizeof(*a) + a->count;
	return user->read(user->device, a->region, a->offset, a->data, a->count);
}

/* serve_writes - in their order, up to the first that is wrong */
static int serve_writes(struct vfio_user *user, struct message *m, size_t *length)
{
	const struct write_one *one = m->multi.write;
	int err = 0;
	uint64_t i;

	if (m->length < sizeof(m->multi) || m->multi.count > (m->length - sizeof(m->multi)) / sizeof(*one))
		return EINVAL;
	for (i = 0; !err && i < m->multi.count; i++, one++) {
		err = one->count > sizeof(one->data) ? EINVAL : check_range(user, one->region, one->offset, one->count);
		if (!err)
			err = user->write(user->device, one->region, one->offset, one->data, one->count);
	}
	*length = sizeof(m->multi);
	return err;
}

static void report_once(struct vfio_user *user, unsigned int command)
{
	uint32_t bit = 1u << (command < 31 ? command : 31);

	if (!(user->reported & bit))
		fprintf(stderr, "vfio-user: command %u is not served\n", command);
	user->reported |= bit;
}

int vfio_user_serve(struct vfio_user *user)
{
	struct message *m = user->message;
	size_t length = 0;
	int status, err, fd = -1;
	bool silent;

	status = receive(user->socket, m);
	if (status <= 0) {
		close_fds(m);
		return status;
	}
	user->messages++;
	silent = m->header.flags & NO_REPLY;
	if (m->header.flags & TYPE_MASK) {		/* an answer, and we have asked nothing */
		err = EINVAL;
		goto done;
	}

	switch (m->header.command) {
	case VERSION:
		err = serve_version(m, &length);
		break;
	case DMA_MAP:
		err = serve_dma_map(user, m, &length);
		break;
	case DMA_UNMAP:
		err = serve_dma_unmap(user, m, &length);
		break;
	case DEVICE_GET_INFO:
		err = serve_device_info(m, &length);
		break;
	case DEVICE_GET_REGION_INFO:
		err = serve_region_info(user, m, &length, &fd);
		break;
	case DEVICE_GET_IRQ_INFO:
		err = serve_irq_info(user, m, &length);
		break;
	case DEVICE_SET_IRQS:
		err = serve_set_irqs(user, m, &length);
		break;
	case REGION_READ:
	case REGION_WRITE:
		err = serve_access(user, m, &length);
		break;
	case REGION_WRITE_MULTI:
		err = serve_writes(user, m, &length);
		break;
	case DEVICE_RESET:
		user->reset(user->device);
		err = 0;
		break;
	default:
		report_once(user, m->header.command);
		err = ENOTSUP;
	}
done:
	close_fds(m);
	if (silent)
		return 1;

	m->header.flags = TYPE_REPLY | (err ? IS_ERROR : 0);
	m->header.error = (uint32_t)err;
	return answer(user->socket, m, err ? 0 : length, fd) ? -1 : 1;
}

void *vfio_user_memory(struct vfio_user *user, uint64_t address, size_t *length, bool write)
{
	uint32_t need = write ? VFIO_DMA_MAP_FLAG_WRITE : VFIO_DMA_MAP_FLAG_READ;
	size_t i;

	for (i = 0; i < user->dmas; i++) {
		const struct vfio_user_dma *dma = &user->dma[i];
		uint64_t offset = address - dma->address;

		if (address < dma->address || offset >= dma->size || !dma->map || !(dma->flags & need))
			continue;
		if (*length > dma->size - offset)
			*length = (size_t)(dma->size - offset);
		return dma->map + offset;
	}
	return NULL;
}

bool vfio_user_interrupt(struct vfio_user *user, unsigned int index, unsigned int number)
{
	const uint64_t one = 1;

	return vfio_user_listens(user, index, number) &&
	       write(user->irq_fd[index][number], &one, sizeof(one)) == sizeof(one);
}

bool vfio_user_listens(const struct vfio_user *user, unsigned int index, unsigned int number)
{
	return user->irq_fd[index] && number < user->irqs[index] && user->irq_fd[index][number] >= 0;
}

void vfio_user_intx(struct vfio_user *user, bool asserted)
{
	user->intx_asserted = asserted;
	intx_signal(user);
}

int vfio_user_init(struct vfio_user *user, int socket)
{
	unsigned int i, j;

	user->socket = socket;
	user->message = malloc(sizeof(struct message));
	if (!user->message)
		goto failed;
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		user->irq_fd[i] = malloc((user->irqs[i] + 1) * sizeof(int));
		if (!user->irq_fd[i])
			goto failed;
		for (j = 0; j <= user->irqs[i]; j++)
			user->irq_fd[i][j] = -1;
	}
	return 0;
failed:
	vfio_user_end(user);
	return -1;
}

/* What is left is as before vfio_user_init(): there may be another client. */
void vfio_user_end(struct vfio_user *user)
{
	unsigned int i, j;

	while (user->dmas)
		dma_remove(user, user->dmas - 1);
	free(user->dma);
	user->dma = NULL;
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		for (j = 0; user->irq_fd[i] && j < user->irqs[i]; j++)
			irq_set(user, i, j, -1);
		free(user->irq_fd[i]);
		user->irq_fd[i] = NULL;
	}
	user->intx_asserted = false;
	user->intx_masked = false;
	free(user->message);
	user->message = NULL;
	close(user->socket);
	user->socket = -1;
}
