// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Pages, and mappings of files that are shared with others. */
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

void map_shared(struct netgpu_memory *m, int fd, uint64_t offset)
{
	void *map = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (map == MAP_FAILED) {
		map = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, offset);
		m->read_only = map != MAP_FAILED;
	}
	m->map = map == MAP_FAILED ? NULL : map;
}
