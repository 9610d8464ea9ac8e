// SPDX-License-Identifier: GPL-2.0
/*
 * A DMA engine as a copier: every byte where it belongs, those beside it untouched; what calls do not take. KTAP.
 * sdma NODE [ask]: with ask what is to be done with the emulated GPU is printed as "? COMMAND", and a line of input says that it was.
 */
#include <errno.h>
#include <libnetgpu_amdgpu.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "ktap.h"

#define SIZE	(4ull << 20)
#define LONG	60000000000ll	/* ns */

static struct netgpu_sdma *sdma;
static const struct netgpu_copier *copier;
static struct netgpu_memory *from, *to, *part;
static uint8_t *source, *target, *expected, *seen;

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint64_t)seed * n >> 32;
}

/* A BAR is not read byte by byte. */
static bool as_expected(void)
{
	memcpy(seen, target, SIZE);
	return !memcmp(seen, expected, SIZE);
}

static bool told(struct netgpu_memory *where, const struct netgpu_copy *copies, unsigned int n, uint64_t *point)
{
	unsigned int i;
	uint64_t j;
	int ret;

	for (i = 0; i < n; i++) {
		const struct netgpu_copy *c = &copies[i];
		const uint64_t each = c->part ? c->part : c->length;

		for (j = 0; j < c->length; j++)
			expected[netgpu_memory_fd_offset(where) + c->to + j] = source[c->from + j / each * c->stride + j % each];
	}
	while ((ret = copier->copy(copier->context, where, from, copies, n, point)) == -EAGAIN) {
		struct pollfd fd = { .fd = copier->fd, .events = POLLIN };
		uint64_t events;

		must(poll(&fd, 1, 60000) == 1 && read(copier->fd, &events, sizeof(events)) == sizeof(events), "the eventfd");
	}
	if (ret)
		printf("# %s\n", netgpu_error());
	return !ret;
}

static bool copies(struct netgpu_memory *where, struct netgpu_copy c)
{
	uint64_t point, done;

	return told(where, &c, 1, &point) && !copier->wait(copier->context, point, LONG) &&
	       !copier->reached(copier->context, &done) && done >= point && as_expected();
}

static void test_copies(void)
{
	struct netgpu_copy many[NETGPU_COPIES_MOST];
	unsigned int i, turn;
	uint64_t point;
	bool good = true;

	ok(copies(to, (struct netgpu_copy) { .length = SIZE }), "all of a memory");
	ok(copies(to, (struct netgpu_copy) { 0 }), "nothing of it");
	for (i = 0; good && i < 64; i++)
		good = copies(to, (struct netgpu_copy) { .from = 100 + i % 8, .to = 5000 + i / 8, .length = 3 + i });
	ok(good, "each alignment");
	ok(copies(to, (struct netgpu_copy) { .from = 64, .to = 1000, .length = 1448 * 100 + 77, .part = 1448, .stride = 2048 }),
	   "parts at a stride, the last one shorter");
	ok(copies(to, (struct netgpu_copy) { .from = 1, .to = 3, .length = 3 << 20 }), "more than a packet holds");
	ok(copies(part, (struct netgpu_copy) { .from = 7, .to = 9, .length = 10000 }), "into a part of a dma-buf");
	/* 20,000 packets: more than a slot holds. */
	ok(copies(to, (struct netgpu_copy) { .from = 5, .to = 6, .length = 40000, .part = 2, .stride = 3 }), "in many parts");
	for (turn = 0; good && turn < 60; turn++) {
		for (i = 0; i < NETGPU_COPIES_MOST; i++) {
			const uint32_t room = SIZE / NETGPU_COPIES_MOST, at = random_below(room), length = 1 + random_below(room - at);
			const uint32_t each = 1 + random_below(length);

			many[i] = (struct netgpu_copy) {
				.to = (uint64_t)i * room + at, .from = random_below(SIZE / 2), .length = length,
				.part = each, .stride = each + random_below(100),
			};
		}
		good = told(to, many, 1 + random_below(NETGPU_COPIES_MOST), &point);
	}
	ok(good && !copier->wait(copier->context, point, LONG) && as_expected(), "many, anywhere, 60 at once");
}

/* Of both: which one it is that copies is the driver's choice. */
static void ask(const char *verb)
{
	char line[16];
	int i;

	for (i = 0; i < 2; i++) {
		printf("? %s sdma%d\n", verb, i);
		must(fgets(line, sizeof(line), stdin), verb);
	}
}

/* The engine does nothing for a while. */
static void test_stalled(void)
{
	struct netgpu_copy c = { .from = 12345, .length = 1000 };
	uint64_t point = 0, before, done;
	unsigned int n;
	int ret = 0;

	must(!copier->reached(copier->context, &before), "reached");
	ask("stall");
	for (n = 0; n < 100; n++, c.to += 2000) {
		ret = copier->copy(copier->context, to, from, &c, 1, &point);
		if (ret)
			break;
		memcpy(expected + c.to, source + c.from, c.length);
	}
	ok(n && ret == -EAGAIN, "an engine that is busy takes no more after %u (%d)", n, ret);
	/* The engine had begun the first, perhaps. */
	ok(!copier->reached(copier->context, &done) && done <= before + 1, "none of it is done, or one (%u)", (unsigned int)(done - before));
	ok(copier->wait(copier->context, point, 1000000) == -ETIMEDOUT, "which can be waited for in vain");
	ask("resume");
	ok(!copier->wait(copier->context, point, LONG) && as_expected(), "and then is");
	ok(!copier->copy(copier->context, to, from, &c, 1, &point) && !copier->wait(copier->context, point, LONG), "and it takes more");
	memcpy(expected + c.to, source + c.from, c.length);
}

/* The driver resets an engine that does nothing for long. */
static void test_hung(const char *node)
{
	struct netgpu_copy c = { .from = 777, .to = 888, .length = 1000 };
	struct netgpu_sdma *again;
	uint64_t point, done;
	int ret;

	ask("stall");
	must(!copier->copy(copier->context, to, from, &c, 1, &point), "copy");
	ret = copier->wait(copier->context, point, LONG);
	ok(ret == -EIO, "an engine that hangs is reset, and says so (%d: %s)", ret, netgpu_error());
	ask("resume");
	ok(copier->reached(copier->context, &done) == -EIO, "again and again");
	ok(copier->copy(copier->context, to, from, &c, 1, &done) < 0, "nothing more is to be had of it (%s)", netgpu_error());
	netgpu_sdma_close(sdma);
	sdma = NULL;
	must(!netgpu_sdma_open(node, &again), "once more");
	sdma = again;
	copier = netgpu_sdma_copier(sdma);
	must(!netgpu_sdma_add(sdma, from) && !netgpu_sdma_add(sdma, to), "netgpu_sdma_add");
	memcpy(netgpu_memory_map(from), source, SIZE);
	ok(copies(to, (struct netgpu_copy) { .length = SIZE }), "another copier copies");
}

#define REFUSED(call, error, words) do {								\
	const int ret_ = (call);									\
	ok(ret_ == -(error) && strstr(netgpu_error(), words), "%s: %s", #error, netgpu_error());	\
} while (0)

static void test_refused(void)
{
	struct netgpu_memory *host;
	struct netgpu_sdma *none;

	must(!netgpu_memory_open("host", 4096, &host), "host memory");
	REFUSED(netgpu_sdma_open("/dev/dri/none", &none), ENOENT, "/dev/dri/none");
	REFUSED(netgpu_sdma_open("/dev/null", &none), EOPNOTSUPP, "not driven by amdgpu");
	REFUSED(netgpu_sdma_add(sdma, host), EINVAL, "no dma-buf");
	REFUSED(netgpu_sdma_add(sdma, to), EEXIST, "already");
	ok(!copier->can(copier->context, host, from) && !copier->can(copier->context, to, host) &&
	   copier->can(copier->context, to, from), "it copies between what it has");
	REFUSED(netgpu_sdma_remove(sdma, host), ENOENT, "does not have it");
	netgpu_memory_close(host);
}

static void test_removed(void)
{
	struct netgpu_copy c = { .from = 4321, .to = 17, .length = 60000 };
	uint64_t point;

	ok(told(part, &c, 1, &point) && !netgpu_sdma_remove(sdma, part) && as_expected(), "a memory is removed when what is under way is done");
	ok(!copier->can(copier->context, part, from) && copier->can(copier->context, to, from), "it is no longer copied to, and the others are");
	ok(copies(to, (struct netgpu_copy) { .from = 99, .to = 98, .length = 100000 }), "as before");
	c.from = 1234;
	ok(!netgpu_sdma_add(sdma, part) && copies(part, c), "and when it has been added again, that too");
}

/* As for two domains of one process: each has points of its own. */
static void test_two(const char *node)
{
	struct netgpu_sdma *const first = sdma;
	bool good;

	ok(!netgpu_sdma_open(node, &sdma), "a second copier of the same GPU");
	copier = netgpu_sdma_copier(sdma);
	good = !netgpu_sdma_add(sdma, from) && !netgpu_sdma_add(sdma, to) &&
	       copies(to, (struct netgpu_copy) { .from = 3, .to = 5, .length = 70000 });
	copier = netgpu_sdma_copier(first);
	good = good && copies(to, (struct netgpu_copy) { .from = 8, .to = 4, .length = 80000 });
	ok(good, "copies beside the first");
	netgpu_sdma_close(sdma);
	sdma = first;
	ok(copies(to, (struct netgpu_copy) { .from = 2, .to = 7, .length = 90000 }), "which goes on when it is closed");
}

int main(int argc, char **argv)
{
	uint64_t i;

	if (argc != 2 && (argc != 3 || strcmp(argv[2], "ask"))) {
		fprintf(stderr, "usage: sdma NODE [ask]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	if (netgpu_sdma_open(argv[1], &sdma)) {
		printf("1..0 # SKIP %s\n", netgpu_error());
		return 4;
	}
	printf("TAP version 13\n");
	copier = netgpu_sdma_copier(sdma);
	must(!netgpu_memory_open(argv[1], SIZE, &from) && !netgpu_memory_open(argv[1], SIZE, &to), "memory");
	must(!netgpu_memory_import(netgpu_memory_fd(to), 8192, 65536, &part), "a part of it");
	must(!netgpu_sdma_add(sdma, from) && !netgpu_sdma_add(sdma, to) && !netgpu_sdma_add(sdma, part), "netgpu_sdma_add");
	source = malloc(SIZE);
	expected = malloc(SIZE);
	seen = malloc(SIZE);
	target = netgpu_memory_map(to);
	must(source && expected && seen && target && netgpu_memory_map(from), "mapping");
	for (i = 0; i < SIZE; i++)
		source[i] = i * 2654435761u >> 13;
	memcpy(netgpu_memory_map(from), source, SIZE);
	memset(expected, 0xee, SIZE);
	memcpy(target, expected, SIZE);
	test_copies();
	test_refused();
	test_removed();
	test_two(argv[1]);
	if (argc == 3) {
		test_stalled();
		test_hung(argv[1]);
	}
	netgpu_sdma_close(sdma);
	netgpu_sdma_close(NULL);
	netgpu_memory_close(part);
	netgpu_memory_close(to);
	netgpu_memory_close(from);
	printf("1..%d\n", count);
	return failed != 0;
}
