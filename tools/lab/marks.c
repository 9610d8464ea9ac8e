// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Marked data, and the search for it in an image of memory.
 *
 *   marks make FILE BYTES KEYFILE    write data of marked blocks; the run's key, chosen at random, goes to KEYFILE
 *   marks scan FILE KEYFILE          count the marks in FILE, at any alignment
 *   marks cover FILE KEYFILE DATA    count the bytes of DATA, which was made with the key, that stand in FILE, wherever
 *   marks replace FILE KEYFILE OTHER write in the place of each whole mark in FILE that of the same position, by the key in OTHER
 *
 * A block of 64 bytes: word A of the key, its position in the stream, a checksum of both, a filling; word B of the
 * key, three more words of filling. All of it follows from key and position. A and B are 64 random bits each, so
 * 2 GiB of other data hold one of them by chance once in four billion scans; and of any 39 bytes of the stream that
 * lie together, eight are A or B, so a fragment cut at a page or payload boundary is found too.
 */
#define _GNU_SOURCE
#include <emmintrin.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 64

struct key {
	uint64_t a, b;
};

struct block {
	uint64_t a, position, check, fill;
	uint64_t b, more[3];
};
_Static_assert(sizeof(struct block) == BLOCK, "a block is 64 bytes");

struct found {
	uint64_t marks;		/* blocks, or pieces of them, with A, B or both */
	uint64_t whole;		/* those whose position and checksum fit */
	uint64_t scanned;	/* bytes read; holes of the file are zeros and skipped */
	int64_t first;		/* offset of the first mark, or -1 */
};

/* An image, what to look for in it, and what of the data was found. */
struct search {
	struct key key;
	const uint8_t *base;
	uint64_t size;
	const uint8_t *data;		/* or NULL */
	uint64_t data_size;
	uint8_t *covered;		/* a byte for each of the data */
	const struct key *other;	/* or NULL */
	int fd;
};

static void die(const char *what)
{
	fprintf(stderr, "marks: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct block block_at(const struct key *key, uint64_t position)
{
	struct block block = { .a = key->a, .position = position, .b = key->b };
	uint64_t x = mix(key->a ^ mix(key->b ^ position));

	block.check = x;
	block.fill = x = mix(x);
	for (int i = 0; i < 3; i++)
		block.more[i] = x = mix(x);
	return block;
}

static void make(const char *path, uint64_t bytes, const char *keyfile)
{
	struct block buffer[1024];
	struct key key;
	FILE *file;

	/* No byte of A or B is zero or all ones: memory is full of those, and the search stays fast. */
	do {
		if (getrandom(&key, sizeof(key), 0) != sizeof(key))
			die("getrandom");
	} while (memchr(&key, 0, sizeof(key)) || memchr(&key, 0xff, sizeof(key)));
	file = fopen(keyfile, "wb");
	if (!file || fwrite(&key, sizeof(key), 1, file) != 1 || fclose(file))
		die(keyfile);

	file = fopen(path, "wb");
	if (!file)
		die(path);
	for (uint64_t position = 0; position < bytes; position += sizeof(buffer)) {
		uint64_t left = bytes - position;

		for (size_t i = 0; i < sizeof(buffer) / BLOCK; i++)
			buffer[i] = block_at(&key, position + i * BLOCK);
		if (left > sizeof(buffer))
			left = sizeof(buffer);
		if (fwrite(buffer, 1, left, file) != left)
			die(path);
	}
	if (fclose(file))
		die(path);
}

static uint64_t load(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* A block of the data stands at offset at of the image: so do the bytes around it, as far as they are the same. */
static void cover(const struct search *search, uint64_t at, uint64_t position)
{
	uint64_t from = position, to = position;

	if (position >= search->data_size || search->covered[position])
		return;
	while (to < search->data_size && at + (to - position) < search->size &&
	       search->base[at + (to - position)] == search->data[to])
		to++;
	while (from && at >= position - from + 1 && search->base[at - (position - from) - 1] == search->data[from - 1] &&
	       !search->covered[from - 1])
		from--;
	memset(search->covered + from, 1, to - from);
}

/* A word of the key stands at offset at: count the block that it belongs to, once. */
static void hit(const struct search *search, uint64_t at, struct found *found)
{
	const struct key *key = &search->key;
	const uint8_t *base = search->base;
	const uint64_t half = offsetof(struct block, b);
	struct block block;

	if (load(base + at) == key->b && at >= half && load(base + at - half) == key->a)
		return;
	if (found->first < 0)
		found->first = (int64_t)at;
	found->marks++;
	if (load(base + at) != key->a || search->size - at < BLOCK)
		return;
	block = block_at(key, load(base + at + offsetof(struct block, position)));
	if (memcmp(&block, base + at, BLOCK))
		return;
	found->whole++;
	if (search->data)
		cover(search, at, block.position);
	if (search->other) {
		block = block_at(search->other, block.position);
		if (pwrite(search->fd, &block, BLOCK, (off_t)at) != BLOCK)
			die("write");
	}
}

/* Search [from, to) of an image of size bytes for both words of the key, at any alignment. */
static void scan(const struct search *search, uint64_t from, uint64_t to, struct found *found)
{
	const struct key *key = &search->key;
	const uint8_t *base = search->base;
	const uint64_t size = search->size;
	const __m128i a0 = _mm_set1_epi8((char)key->a), a1 = _mm_set1_epi8((char)(key->a >> 8));
	const __m128i b0 = _mm_set1_epi8((char)key->b), b1 = _mm_set1_epi8((char)(key->b >> 8));
	uint64_t i = from;

	for (; i < to && i + 17 + 8 <= size; i += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(base + i));
		__m128i y = _mm_loadu_si128((const __m128i *)(base + i + 1));
		__m128i a = _mm_and_si128(_mm_cmpeq_epi8(x, a0), _mm_cmpeq_epi8(y, a1));
		__m128i b = _mm_and_si128(_mm_cmpeq_epi8(x, b0), _mm_cmpeq_epi8(y, b1));
		unsigned int candidates = (unsigned int)_mm_movemask_epi8(_mm_or_si128(a, b));

		for (; candidates; candidates &= candidates - 1) {
			uint64_t at = i + (unsigned int)__builtin_ctz(candidates);

			if (at < to && (load(base + at) == key->a || load(base + at) == key->b))
				hit(search, at, found);
		}
	}
	for (; i < to && i + 8 <= size; i++)
		if (load(base + i) == key->a || load(base + i) == key->b)
			hit(search, i, found);
}

static const uint8_t *map_file(const char *path, uint64_t *size, int *fd)
{
	struct stat st;
	void *base;

	*fd = open(path, O_RDONLY);
	if (*fd < 0 || fstat(*fd, &st))
		die(path);
	*size = (uint64_t)st.st_size;
	if (!*size)
		return NULL;
	base = mmap(NULL, *size, PROT_READ, MAP_SHARED, *fd, 0);
	if (base == MAP_FAILED)
		die(path);
	return base;
}

static struct key read_key(const char *path)
{
	struct key key;
	FILE *file;

	file = fopen(path, "rb");
	if (!file || fread(&key, sizeof(key), 1, file) != 1)
		die(path);
	fclose(file);
	return key;
}

static struct found scan_file(const char *path, const char *keyfile, struct search *search)
{
	struct found found = { .first = -1 };
	off_t from, to, size;
	int fd;

	search->key = read_key(keyfile);
	search->base = map_file(path, &search->size, &fd);
	size = (off_t)search->size;

	for (from = 0; from < size; from = to) {
		from = lseek(fd, from, SEEK_DATA);
		if (from < 0)
			break;		/* a hole up to the end */
		to = lseek(fd, from, SEEK_HOLE);
		if (to < 0)
			to = size;
		scan(search, (uint64_t)from, (uint64_t)to, &found);
		found.scanned += (uint64_t)(to - from);
	}
	return found;
}

static void cover_file(const char *path, const char *keyfile, const char *data)
{
	struct search search = { 0 };
	uint64_t bytes = 0;
	int fd;

	search.data = map_file(data, &search.data_size, &fd);
	search.covered = calloc(1, search.data_size + 1);
	if (!search.covered)
		die("calloc");
	scan_file(path, keyfile, &search);
	for (uint64_t i = 0; i < search.data_size; i++)
		bytes += search.covered[i];
	printf("{\"bytes\": %" PRIu64 ", \"of\": %" PRIu64 "}\n", bytes, search.data_size);
	free(search.covered);
}

/* The image is mapped, shared: a mark that has been replaced is not found again, as its key is another. */
static void replace(const char *path, const char *keyfile, const char *otherfile)
{
	struct key other = read_key(otherfile);
	struct search search = { .other = &other };
	struct found found;

	search.fd = open(path, O_WRONLY);
	if (search.fd < 0)
		die(path);
	found = scan_file(path, keyfile, &search);
	printf("{\"replaced\": %" PRIu64 "}\n", found.whole);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "make")) {
		make(argv[2], strtoull(argv[3], NULL, 0), argv[4]);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "scan")) {
		struct search search = { 0 };
		struct found found = scan_file(argv[2], argv[3], &search);

		printf("{\"marks\": %" PRIu64 ", \"whole\": %" PRIu64 ", \"scanned\": %" PRIu64 ", \"first\": %" PRId64 "}\n",
		       found.marks, found.whole, found.scanned, found.first);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "cover")) {
		cover_file(argv[2], argv[3], argv[4]);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "replace")) {
		replace(argv[2], argv[3], argv[4]);
		return 0;
	}
	fprintf(stderr, "usage: marks make FILE BYTES KEYFILE | marks scan FILE KEYFILE | marks cover FILE KEYFILE DATA |\n"
		"marks replace FILE KEYFILE OTHER\n");
	return 2;
}
