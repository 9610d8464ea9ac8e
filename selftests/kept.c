// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include "kept.h"
#include "pattern.h"

static const char *list_path;
static FILE *list;

void kept_open(const char *path)
{
	list_path = path;
	list = fopen(path, "w+e");
	if (!list)
		err(1, "%s", path);
}

bool kept_add(unsigned long long offset, unsigned int length)
{
	if (!list)
		return false;
	fprintf(list, "%llu %u\n", offset, length);
	return true;
}

/* The list is read again, although it has no name any more. */
static bool is_still_there(const unsigned char *cpu)
{
	unsigned long long offset, position = 0;
	unsigned int length;

	if (fseek(list, 0, SEEK_SET))
		return false;
	while (fscanf(list, "%llu %u", &offset, &length) == 2) {
		if (!pattern_check(cpu + offset, position, length))
			return false;
		position += length;
	}
	return true;
}

void kept_hold(int dmabuf, const unsigned char *cpu)
{
	if (!list)
		return;
	if (fflush(list))
		err(1, "%s", list_path);
	printf("dmabuf %d\nholding 1\n", dmabuf);
	while (!access(list_path, F_OK))
		usleep(20000);
	if (cpu)
		printf("still %d\n", is_still_there(cpu));
}
