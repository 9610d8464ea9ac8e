// SPDX-License-Identifier: GPL-2.0
/* Memory by Vulkan, and gathers: every byte where it belongs, those beside it untouched; what calls do not take. KTAP. */
#include <errno.h>
#include <libnetgpu_vulkan.h>
#include <string.h>

#include "ktap.h"

#define SIZE	(1ull << 20)

static struct netgpu_gpu *gpu;
static struct netgpu_gpu_buffer *from, *to;
static uint8_t *source, *target, *expected;

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint64_t)seed * n >> 32;
}

static void expect(const struct netgpu_copy *p)
{
	const uint32_t part = p->part ? p->part : p->length;
	uint64_t i;

	for (i = 0; i < p->length; i++)
		expected[p->to + i] = source[p->from + i / part * p->stride + i % part];
}

/* One gather of them is told, after others that may be under way; *@point is when it is done. */
static bool told(const struct netgpu_copy *pieces, unsigned int n, uint64_t *point)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		expect(&pieces[i]);
	if (!netgpu_gpu_gather(gpu, to, from, pieces, n, point))
		return true;
	printf("# %s\n", netgpu_error());
	return false;
}

/* Nothing else of the target has changed. */
static bool are_done(uint64_t point)
{
	if (!netgpu_gpu_wait(gpu, point, 60000000000ll))
		return !memcmp(target, expected, SIZE);
	printf("# %s\n", netgpu_error());
	return false;
}

static bool gathers(const struct netgpu_copy *pieces, unsigned int n)
{
	uint64_t point;

	return told(pieces, n, &point) && are_done(point);
}

static void test_gather(void)
{
	struct netgpu_copy pieces[NETGPU_COPIES_MOST] = { 0 };
	unsigned int i, turn;
	uint64_t point;
	bool good = true;

	pieces[0] = (struct netgpu_copy) { .length = SIZE };
	ok(gathers(pieces, 1), "all of a buffer");
	pieces[0] = (struct netgpu_copy) { 0 };
	ok(gathers(pieces, 1), "nothing of it");
	for (i = 0; good && i < 64; i++) {
		pieces[0] = (struct netgpu_copy) { .from = 100 + i % 8, .to = 5000 + i / 8, .length = 3 + i };
		good = gathers(pieces, 1);
	}
	ok(good, "each alignment");
	pieces[0] = (struct netgpu_copy) { .from = 64, .to = 1000, .length = 1448 * 100 + 77, .part = 1448, .stride = 2048 };
	ok(gathers(pieces, 1), "parts at a stride, the last one shorter");
	pieces[0] = (struct netgpu_copy) { .from = 1, .to = 3, .length = 4100ull * 50, .part = 4100, .stride = 8192 };
	ok(gathers(pieces, 1), "parts larger than a workgroup's turn");
	pieces[0] = (struct netgpu_copy) { .from = 11, .to = 22, .length = 100, .part = UINT32_MAX, .stride = UINT32_MAX };
	ok(gathers(pieces, 1), "a part that is larger than all of it");
	/* Where each goes is its own; gathers are carried out one after the other, however many are under way. */
	for (turn = 0, good = true; good && turn < 40; turn++) {
		for (i = 0; i < NETGPU_COPIES_MOST; i++) {
			const uint32_t room = SIZE / NETGPU_COPIES_MOST, at = random_below(room), length = 1 + random_below(room - at);
			const uint32_t part = 1 + random_below(length);

			pieces[i] = (struct netgpu_copy) {
				.to = (uint64_t)i * room + at, .from = random_below(SIZE / 2), .length = length,
				.part = part, .stride = part + random_below(100),
			};
		}
		good = told(pieces, 1 + random_below(NETGPU_COPIES_MOST), &point);
	}
	ok(good && are_done(point), "many, anywhere, 40 at once");
}

#define REFUSED(call, error, words) do {								\
	const int ret_ = (call);									\
	ok(ret_ == -(error) && strstr(netgpu_error(), words), "%s: %s", #error, netgpu_error());	\
} while (0)

static void test_refused(void)
{
	struct netgpu_copy p = { .length = 1 };
	struct netgpu_gpu_buffer *b;
	struct netgpu_gpu *none;
	uint64_t point;
	int i;

	REFUSED(netgpu_gpu_open("no such GPU", &none), ENODEV, "no such GPU");
	REFUSED(netgpu_gpu_alloc(gpu, 0, &b), EINVAL, "byte");
	REFUSED(netgpu_gpu_alloc(gpu, UINT64_MAX, &b), ERANGE, "at most");
	REFUSED(netgpu_gpu_gather(gpu, to, from, &p, 0, &point), EINVAL, "0 pieces");
	REFUSED(netgpu_gpu_gather(gpu, to, from, &p, NETGPU_COPIES_MOST + 1, &point), EINVAL, "1025 pieces");
	REFUSED(netgpu_gpu_gather(gpu, to, to, &p, 1, &point), EINVAL, "into the same");
	p = (struct netgpu_copy) { .from = SIZE, .length = 1 };
	REFUSED(netgpu_gpu_gather(gpu, to, from, &p, 1, &point), ERANGE, "1 bytes at 1048576");
	p = (struct netgpu_copy) { .from = 1, .length = UINT64_MAX };
	REFUSED(netgpu_gpu_gather(gpu, to, from, &p, 1, &point), ERANGE, "at 1");
	p = (struct netgpu_copy) { .to = SIZE - 1, .length = 2 };
	REFUSED(netgpu_gpu_gather(gpu, to, from, &p, 1, &point), ERANGE, "to 1048575");
	p = (struct netgpu_copy) { .length = 8192, .part = 4, .stride = 1024 };
	REFUSED(netgpu_gpu_gather(gpu, to, from, &p, 1, &point), ERANGE, "8192 bytes at 0");
	p = (struct netgpu_copy) { .length = 8, .part = 4, .stride = 3 };
	REFUSED(netgpu_gpu_gather(gpu, to, from, &p, 1, &point), EINVAL, "stride of 3");
	REFUSED(netgpu_gpu_wait(gpu, netgpu_gpu_next_point(gpu), 1000000), ETIMEDOUT, "in time");
	memcpy(expected + 500, expected, 400);
	p = (struct netgpu_copy) { .to = 500, .length = 400 };
	must(!netgpu_gpu_gather(gpu, to, to, &p, 1, &point) && !netgpu_gpu_wait(gpu, point, -1), "gather");
	ok(!memcmp(target, expected, SIZE), "within a buffer, when it does not overlap");
	{
		/* Between, and on both sides of, what is read. */
		const struct netgpu_copy three[] = { { .from = 1000, .to = 2000, .length = 100 }, { .from = 3000, .to = 0, .length = 100 },
						     { .from = 4000, .to = 5000, .length = 100, .part = 10, .stride = 20 } };

		memcpy(expected + 2000, expected + 1000, 100);
		memcpy(expected, expected + 3000, 100);
		for (i = 0; i < 100; i++)
			expected[5000 + i] = expected[4000 + i / 10 * 20 + i % 10];
		must(!netgpu_gpu_gather(gpu, to, to, three, 3, &point) && !netgpu_gpu_wait(gpu, point, -1), "gather");
		ok(!memcmp(target, expected, SIZE), "the same with several pieces");
	}
	p = (struct netgpu_copy) { .from = 1000, .to = 1099, .length = 100 };
	REFUSED(netgpu_gpu_gather(gpu, to, to, &p, 1, &point), EINVAL, "into the same");
	p = (struct netgpu_copy) { .from = 5, .to = 6, .length = 7 };
	ok(gathers(&p, 1), "after all of that the next one is as ever");
}

int main(int argc, char **argv)
{
	uint64_t i;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (netgpu_gpu_open(argc > 1 ? argv[1] : NULL, &gpu)) {
		printf("1..0 # SKIP %s\n", netgpu_error());
		return 4;
	}
	printf("TAP version 13\n# %s\n", netgpu_gpu_name(gpu));
	if (netgpu_gpu_alloc(gpu, SIZE, &from)) {
		printf("1..0 # SKIP %s\n", netgpu_error());
		netgpu_gpu_close(gpu);
		return 4;
	}
	must(!netgpu_gpu_alloc(gpu, SIZE, &to), "memory");
	source = netgpu_memory_map(netgpu_gpu_buffer_memory(from));
	target = netgpu_memory_map(netgpu_gpu_buffer_memory(to));
	expected = malloc(SIZE);
	must(source && target && expected, "mapping");
	for (i = 0; i < SIZE; i++)
		source[i] = i * 2654435761u >> 13;
	memset(target, 0xee, SIZE);
	memset(expected, 0xee, SIZE);
	ok(netgpu_memory_size(netgpu_gpu_buffer_memory(from)) == SIZE && netgpu_memory_fd(netgpu_gpu_buffer_memory(from)) >= 0,
	   "memory of it is a dma-buf");
	test_gather();
	test_refused();
	free(expected);
	netgpu_gpu_free(to);
	netgpu_gpu_close(gpu);
	netgpu_gpu_close(NULL);
	printf("1..%d\n", count);
	return failed != 0;
}
