// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Pages, and mappings of files that are shared with others. */
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

void *map_shared(int fd, uint64_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}
