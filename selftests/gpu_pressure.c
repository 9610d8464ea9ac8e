// SPDX-License-Identifier: GPL-2.0
/*
 * Want more of a GPU's memory than there is: gpu_pressure NODE BYTES. Buffers of together BYTES are
 * made, written and, when all are there, read again: the driver has to move some of them meanwhile.
 *
 * Prints "buffers N" and "intact N". Exit status 0 unless the test itself went wrong.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drm_memory.h"
#include "memory.h"
#include "pattern.h"

#define CHUNK	((size_t)16 << 20)
#define PIECE	((size_t)64 << 10)	/* of a BAR that is read slowly, one in each MiB */
#define STEP	((size_t)1 << 20)

static unsigned char piece[PIECE];

int main(int argc, char **argv)
{
	size_t count, intact = 0, i, at;
	struct memory *buffers;
	char source[256];
	uint64_t word;

	if (argc != 3)
		errx(2, "usage: gpu_pressure NODE BYTES");
	snprintf(source, sizeof(source), "gpu:%s", argv[1]);
	count = (strtoull(argv[2], NULL, 0) + CHUNK - 1) / CHUNK;
	buffers = calloc(count, sizeof(*buffers));
	if (!buffers)
		err(1, "%zu buffers", count);

	for (i = 0; i < count; i++) {
		memory_open(&buffers[i], source, CHUNK);
		for (at = 0; at < CHUNK; at += STEP) {
			for (word = 0; word < PIECE / 8; word++)
				((uint64_t *)piece)[word] = (i * CHUNK + at) / 8 + word;
			memcpy(buffers[i].cpu + at, piece, PIECE);
		}
		drm_use(buffers[i].drm, buffers[i].dmabuf);
	}
	for (i = 0; i < count; i++) {
		bool same = true;

		for (at = 0; at < CHUNK; at += STEP) {
			memcpy(piece, buffers[i].cpu + at, PIECE);
			same = same && pattern_check(piece, i * CHUNK + at, PIECE);
		}
		intact += same;
		memory_close(&buffers[i]);
	}
	printf("buffers %zu\nintact %zu\n", count, intact);
	return 0;
}
