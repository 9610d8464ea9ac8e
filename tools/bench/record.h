/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Where each byte has gone, for --record. */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* A stretch of a stream. */
struct stretch {
	uint64_t offset;	/* in the stream */
	uint64_t region;	/* or NOT_IN_REGION */
	uint32_t length;
	uint32_t stream;
};

struct record {
	struct stretch *stretches;
	size_t count, cap;
};

/* 0 or -ENOMEM */
int record_add(struct record *r, const struct stretch *stretch);
/* By stream, as JSON lines. 0 or -errno, having complained. */
int record_write(struct record *r, const char *path);
void record_free(struct record *r);

#endif
