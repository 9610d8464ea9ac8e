// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "transport.h"
#include "record.h"

int record_add(struct record *r, const struct stretch *stretch)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 32768;
		void *p = realloc(r->stretches, cap * sizeof(*r->stretches));

		if (!p)
			return -ENOMEM;
		r->stretches = p;
		r->cap = cap;
	}
	r->stretches[r->count++] = *stretch;
	return 0;
}

void record_free(struct record *r)
{
	free(r->stretches);
}

static int by_stream(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int cannot_write(const char *path)
{
	int ret = -errno;

	complain("%s: %s", path, strerror(-ret));
	return ret;
}

/* {"stream", "offset", "region", "length"}, the last three in bytes. */
int record_write(struct record *r, const char *path)
{
	FILE *f = fopen(path, "w");
	size_t i;

	if (!f)
		return cannot_write(path);
	qsort(r->stretches, r->count, sizeof(r->stretches[0]), by_stream);
	for (i = 0; i < r->count; i++) {
		const struct stretch *s = &r->stretches[i];

		fprintf(f, "{\"stream\":%u,\"offset\":%" PRIu64 ",\"region\":",
			s->stream, s->offset);
		if (s->region == NOT_IN_REGION)
			fputs("null", f);
		else
			fprintf(f, "%" PRIu64, s->region);
		fprintf(f, ",\"length\":%u}\n", s->length);
	}
	return fclose(f) ? cannot_write(path) : 0;
}
