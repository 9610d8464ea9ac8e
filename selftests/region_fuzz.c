// SPDX-License-Identifier: GPL-2.0
/*
 * Call /dev/netgpu and the zcrx registration with structs that are almost
 * right, from several threads, while descriptors are closed and replaced under
 * them, the link goes down and up, and the exporter takes its memory back.
 *
 * Usage: region_fuzz -i NETIF -c CORPUS [-m VFIO] [-q QUEUE] [-t SECONDS] [-s SEED]
 * CORPUS is a directory of structs, one a file: a line that says what it is
 * for (netgpu NUMBER, region NUMBER, ring OPCODE ARGS, or part NAME), then a line
 * for each field: u32 or u64, and a number, a name of what is there, or @PART.
 *
 * The same seed makes the same calls in each thread; how the threads meet is
 * not repeated. Ends with 0 unless the fuzzer itself went wrong.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/io_uring/zcrx.h>
#include <linux/netgpu.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "memory.h"

#define THREADS		4
#define SLOTS		48
#define FIRST_SLOT	100	/* slot N is file descriptor FIRST_SLOT + N */
#define FIELDS_MAX	32
#define ENTRIES_MAX	64
#define PARTS		4	/* of one struct, at most */
#define DMABUF_SIZE	(256 << 10)
#define BUFFER_SIZE	(512 << 10)

enum kind { NOTHING, NETGPU, DMABUF, REGION, RING, BOX, KINDS };

static const char * const kind_names[] = {
	[NETGPU] = "netgpu", [DMABUF] = "dmabuf", [REGION] = "region",
	[RING] = "ring", [BOX] = "box",
};

/**
 * struct entry - a struct of the corpus
 * @target: what it is passed to, NOTHING for a part of others.
 * @part: name, for a part.
 * @number: of the ioctl, or of the operation on a ring.
 * @args: second argument of that operation.
 * @fields: the fields' texts.
 * @wide: the field is one of 64 bits.
 * @nr_fields: their number.
 */
struct entry {
	enum kind target;
	char part[16];
	unsigned int number, args;
	char fields[FIELDS_MAX][20];
	bool wide[FIELDS_MAX];
	unsigned int nr_fields;
};

/* One thread: its random numbers, and what it counts. */
struct worker {
	pthread_t thread;
	uint64_t random;
	unsigned long calls, done, regions, queues, probes;
	bool errors[256];
	unsigned char *page;	/* writable, with nothing behind it */
	uint64_t parts[PARTS][FIELDS_MAX];
	unsigned int next_part;
};

static struct entry entries[ENTRIES_MAX];
static unsigned int nr_entries;
static struct worker workers[THREADS];
static atomic_int slots[SLOTS];	/* enum kind */
static atomic_bool stop;
static struct memory memories[3];
static unsigned int nr_memories, ifindex, queue = 1, seed = 1, seconds = 20;
static const char *netif;
static int netgpu, nothing;
static void *buffer;

/* xorshift64* */
static uint64_t any(struct worker *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1dULL;
}

static unsigned int below(struct worker *w, unsigned int limit)
{
	return limit ? (any(w) >> 32) % limit : 0;
}

/* Once in @n times. */
static bool once_in(struct worker *w, unsigned int n)
{
	return !below(w, n);
}

static int parse_head(struct entry *e, const char *word, const char *first, const char *second)
{
	enum kind kind;

	if (!strcmp(word, "part")) {
		snprintf(e->part, sizeof(e->part), "%.15s", first);
		return 0;
	}
	for (kind = NETGPU; kind < KINDS; kind++)
		if (!strcmp(word, kind_names[kind]))
			e->target = kind;
	e->number = strtoul(first, NULL, 0);
	e->args = strtoul(second, NULL, 0);
	return e->target == NOTHING;
}

static void read_entry(const char *path)
{
	struct entry *e = &entries[nr_entries];
	char line[128], word[16], first[20], second[20] = "";
	bool head = true;
	FILE *f = fopen(path, "r");
	int bad = 0;

	if (!f || nr_entries == ENTRIES_MAX)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		if (sscanf(line, "%15s %19s %19s", word, first, second) < 2 ||
		    e->nr_fields == FIELDS_MAX)
			errx(1, "%s: %s", path, line);
		if (head) {
			bad = parse_head(e, word, first, second);
		} else {
			e->wide[e->nr_fields] = !strcmp(word, "u64");
			strcpy(e->fields[e->nr_fields++], first);
		}
		if (bad)
			errx(1, "%s: %s", path, line);
		head = false;
	}
	fclose(f);
	nr_entries++;
}

static void read_corpus(const char *directory)
{
	struct dirent **names;
	char path[512];
	int i, n = scandir(directory, &names, NULL, alphasort);

	if (n < 0)
		err(1, "%s", directory);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			read_entry(path);
		free(names[i]);
	}
	free(names);
}

/* A descriptor of this kind, or, once in a while, of another. */
static int some_fd(struct worker *w, enum kind kind)
{
	unsigned int start = below(w, SLOTS), i;

	if (once_in(w, 32))
		return once_in(w, 4) ? -1 : FIRST_SLOT + (int)start;
	for (i = 0; i < SLOTS; i++) {
		unsigned int slot = (start + i) % SLOTS;

		if (atomic_load(&slots[slot]) == (int)kind)
			return FIRST_SLOT + slot;
	}
	return -1;
}

/* Put @fd in place of whatever is in a slot. */
static void put_fd(struct worker *w, int fd, enum kind kind)
{
	unsigned int slot = below(w, SLOTS);

	dup3(fd, FIRST_SLOT + slot, O_CLOEXEC);
	atomic_store(&slots[slot], kind);
}

static unsigned int fill(struct worker *w, const struct entry *e, unsigned char *to);

/*
 * An area, or the memory of a ring, begins with an address and a length. If it
 * is user memory, io_uring makes room for the addresses of all pages before it
 * looks for the first one: up to 16 GiB of them. The OOM killer would end this
 * program. What is longer still is refused at once.
 */
static void spare_memory(uint64_t part[2])
{
	if (part[1] > 1ULL << 30 && part[1] < 1ULL << 44)
		part[1] &= (1ULL << 30) - 1;
}

/* The address of a part, filled for this call. */
static uint64_t fill_part(struct worker *w, const char *name)
{
	unsigned int start = below(w, nr_entries), i;
	unsigned char *to = (unsigned char *)w->parts[w->next_part++ % PARTS];

	for (i = 0; i < nr_entries; i++) {
		const struct entry *e = &entries[(start + i) % nr_entries];

		if (strcmp(e->part, name))
			continue;
		fill(w, e, to);
		spare_memory((void *)to);
		return (uintptr_t)to;
	}
	errx(1, "no part %s in the corpus", name);
}

static uint64_t value(struct worker *w, const char *text)
{
	enum kind kind;

	if (text[0] == '@')
		return fill_part(w, text + 1);
	for (kind = NETGPU; kind < KINDS; kind++)
		if (!strcmp(text, kind_names[kind]))
			return some_fd(w, kind);
	if (!strcmp(text, "size"))
		return DMABUF_SIZE;
	if (!strcmp(text, "ifindex"))
		return ifindex;
	if (!strcmp(text, "queue"))
		return queue;
	if (!strcmp(text, "buffer"))
		return (uintptr_t)buffer;
	if (!strcmp(text, "id"))
		return below(w, 2);
	return strtoull(text, NULL, 0);
}

static void mutate(struct worker *w, unsigned char *bytes, unsigned int size)
{
	static const uint64_t special[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 4095, 4096, 4097, 0x7fff, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
		0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff, DMABUF_SIZE,
		DMABUF_SIZE - 4096, DMABUF_SIZE + 4096, 0xffffffff81000000,
	};
	static const unsigned int widths[] = { 4, 4, 8, 8, 2, 1 };
	unsigned int width = widths[below(w, 6)];
	unsigned int at = below(w, size / width) * width;
	uint64_t v;

	switch (below(w, 4)) {
	case 0:
		bytes[below(w, size)] ^= 1 << below(w, 8);
		return;
	case 1:
		v = any(w);
		break;
	case 2:
		v = (unsigned int)some_fd(w, NETGPU + below(w, KINDS - 1));
		break;
	default:
		v = special[below(w, ARRAY_SIZE(special))];
	}
	memcpy(bytes + at, &v, width);
}

/* Returns the struct's size. */
static unsigned int fill(struct worker *w, const struct entry *e, unsigned char *to)
{
	unsigned int i, size = 0;

	for (i = 0; i < e->nr_fields; i++) {
		uint64_t v = value(w, e->fields[i]);
		unsigned int width = e->wide[i] ? 8 : 4;

		memcpy(to + size, &v, width);
		size += width;
	}
	if (!size || !once_in(w, 3))
		return size;
	do
		mutate(w, to, size);
	while (!once_in(w, 3));
	return size;
}

/* Count a call; returns its result. */
static long count(struct worker *w, long ret)
{
	w->calls++;
	if (ret >= 0)
		w->done++;
	else
		w->errors[errno & 0xff] = true;
	return ret;
}

static void call_ioctl(struct worker *w, const struct entry *e, unsigned char *arg,
		       unsigned int size)
{
	unsigned int type = NETGPU_IOC_MAGIC, nr = e->number, dir = _IOC_READ | _IOC_WRITE;
	int fd = some_fd(w, e->target);
	long ret;

	if (once_in(w, 8))
		nr = once_in(w, 2) ? below(w, 0x12) : below(w, 256);
	if (once_in(w, 8))
		size = once_in(w, 2) ? below(w, 1 << _IOC_SIZEBITS) : size + 8 - below(w, 17);
	if (once_in(w, 32))
		type = below(w, 256);
	if (once_in(w, 32))
		dir = below(w, 4);
	ret = count(w, ioctl(fd, _IOC(dir, type, nr, size), arg));
	if (!ret && e->target == NETGPU && nr == _IOC_NR(NETGPU_IOC_PROBE))
		w->probes++;
	if (ret > 0 && e->target == NETGPU) {
		w->regions++;
		put_fd(w, ret, REGION);
		close(ret);
	}
}

static void call_ring(struct worker *w, const struct entry *e, unsigned char *arg)
{
	struct zcrx_ctrl *ctrl = (void *)arg;
	unsigned int args = e->args;
	int fd = some_fd(w, RING);
	long ret;

	if (once_in(w, 64))
		args = below(w, 4);
	ret = count(w, syscall(__NR_io_uring_register, fd, e->number, arg, args));
	if (!ret && e->number == IORING_REGISTER_ZCRX_IFQ)
		w->queues++;
	if (!ret && e->number == IORING_REGISTER_ZCRX_CTRL && ctrl->op == ZCRX_CTRL_EXPORT &&
	    ctrl->zc_export.zcrx_fd > 2) {
		put_fd(w, ctrl->zc_export.zcrx_fd, BOX);
		close(ctrl->zc_export.zcrx_fd);
	}
}

/* One struct of the corpus, more or less as it is. */
static void call_entry(struct worker *w)
{
	const struct entry *e = &entries[below(w, nr_entries)];
	unsigned char bytes[FIELDS_MAX * 8];
	unsigned int size = fill(w, e, bytes);
	unsigned char *arg = w->page;

	if (e->target == NOTHING)
		return;
	/* The struct ends where the page does, once in a while past it. */
	arg += 4096 - size;
	memcpy(arg, bytes, size);
	if (once_in(w, 64))
		arg += below(w, size);
	if (once_in(w, 64))
		arg = (void *)any(w);
	if (e->target == RING)
		call_ring(w, e, arg);
	else
		call_ioctl(w, e, arg, size);
}

static void call_new_ring(struct worker *w)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQE32,
	};
	long fd;

	if (once_in(w, 8))
		params.flags ^= 1U << below(w, 20);
	fd = count(w, syscall(__NR_io_uring_setup, 4, &params));
	if (fd < 0)
		return;
	put_fd(w, fd, RING);
	close(fd);
}

/* What else can be done to a descriptor. */
static void call_other(struct worker *w)
{
	int fd = some_fd(w, once_in(w, 2) ? REGION : NETGPU + below(w, KINDS - 1));
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[512], path[64];
	void *map;

	switch (below(w, 6)) {
	case 0:
		count(w, poll(&p, 1, 0));
		break;
	case 1:
		count(w, read(fd, text, 0));
		break;
	case 2:
		count(w, write(fd, text, 0));
		break;
	case 3:
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		count(w, map == MAP_FAILED ? -1 : munmap(map, 4096));
		break;
	case 4:
		count(w, fcntl(fd, F_SETFL, O_NONBLOCK));
		break;
	default:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			count(w, read(fd, text, sizeof(text)));
			close(fd);
		}
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&stop)) {
		switch (below(w, 16)) {
		case 0:
			put_fd(w, nothing, NOTHING);
			break;
		case 1:
			put_fd(w, memories[below(w, nr_memories)].dmabuf, DMABUF);
			break;
		case 2:
			if (once_in(w, 4))
				put_fd(w, netgpu, NETGPU);
			break;
		case 3:
			if (once_in(w, 2))
				call_new_ring(w);
			break;
		case 4:
			call_other(w);
			break;
		default:
			call_entry(w);
		}
	}
	return NULL;
}

static void set_link(bool up)
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, IFNAMSIZ, "%s", netif);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request))
		err(1, "%s", netif);
	if (up)
		request.ifr_flags |= IFF_UP;
	else
		request.ifr_flags &= ~IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		err(1, "%s", netif);
	close(fd);
}

/* Link and exporter, until the time is over. */
static void disturb(unsigned int *links, unsigned int *revocations)
{
	struct worker w = { .random = seed * 0x9e3779b97f4a7c15ULL + 99 };
	time_t end = time(NULL) + seconds, said = time(NULL);
	unsigned long calls;
	unsigned int i;

	while (time(NULL) < end) {
		usleep(below(&w, 400000));
		if (nr_memories > 2 && once_in(&w, 2)) {
			memory_revoke(&memories[2], "reset");
			(*revocations)++;
		} else if (once_in(&w, 4)) {
			set_link(false);
			usleep(below(&w, 100000));
			set_link(true);
			(*links)++;
		}
		if (time(NULL) < said + 60)
			continue;
		said = time(NULL);
		for (calls = 0, i = 0; i < THREADS; i++)
			calls += workers[i].calls;
		printf("# %lu calls, %ld s to go\n", calls, (long)(end - said));
	}
}

static void start(unsigned int number)
{
	struct worker *w = &workers[number];

	w->random = (seed + 1) * 0x9e3779b97f4a7c15ULL + number * 0xbf58476d1ce4e5b9ULL;
	w->page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (w->page == MAP_FAILED || munmap(w->page + 4096, 4096))
		err(1, "mmap");
	if (pthread_create(&w->thread, NULL, work, w))
		errx(1, "thread");
}

static void report(unsigned int links, unsigned int revocations)
{
	unsigned long calls = 0, done = 0, regions = 0, queues = 0, probes = 0;
	unsigned int i, e, errors = 0;

	for (i = 0; i < THREADS; i++) {
		calls += workers[i].calls;
		done += workers[i].done;
		regions += workers[i].regions;
		queues += workers[i].queues;
		probes += workers[i].probes;
	}
	printf("calls %lu\nsuccesses %lu\nregions %lu\n", calls, done, regions);
	printf("queues %lu\nprobes %lu\n", queues, probes);
	printf("links %u\nrevocations %u\nerrnos", links, revocations);
	for (e = 0; e < 256; e++) {
		for (i = 0; i < THREADS && !workers[i].errors[e]; i++)
			;
		if (i == THREADS)
			continue;
		errors++;
		printf(" %s", strerrorname_np(e) ?: "?");
	}
	printf("\ndistinct %u\n", errors);
}

static const char usage[] =
	"usage: region_fuzz -i NETIF -c CORPUS [-m VFIO] [-q QUEUE] [-t SECONDS] [-s SEED]";

int main(int argc, char **argv)
{
	const char *corpus = NULL, *vfio = NULL;
	unsigned int i, links = 0, revocations = 0;
	int opt;

	while ((opt = getopt(argc, argv, "i:c:m:q:t:s:")) != -1) {
		switch (opt) {
		case 'i': netif = optarg; break;
		case 'c': corpus = optarg; break;
		case 'm': vfio = optarg; break;
		case 'q': queue = atoi(optarg); break;
		case 't': seconds = atoi(optarg); break;
		case 's': seed = atoi(optarg); break;
		default:
			errx(2, "%s", usage);
		}
	}
	if (!netif || !corpus)
		errx(2, "%s", usage);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ifindex = if_nametoindex(netif);
	read_corpus(corpus);

	netgpu = open("/dev/netgpu", O_RDWR | O_CLOEXEC);
	nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE,
		      -1, 0);
	if (netgpu < 0 || nothing < 0 || buffer == MAP_FAILED)
		err(1, "/dev/netgpu");
	memory_open(&memories[nr_memories++], "heap", DMABUF_SIZE);
	memory_open(&memories[nr_memories++], "udmabuf", DMABUF_SIZE);
	if (vfio)
		memory_open(&memories[nr_memories++], vfio, DMABUF_SIZE);

	for (i = 0; i < SLOTS; i++)
		dup3(i % 2 ? netgpu : nothing, FIRST_SLOT + i, O_CLOEXEC);
	for (i = 0; i < SLOTS; i++)
		atomic_store(&slots[i], i % 2 ? NETGPU : NOTHING);
	for (i = 0; i < THREADS; i++)
		start(i);
	disturb(&links, &revocations);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	report(links, revocations);
	return 0;
}
