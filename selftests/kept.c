// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include "kept.h"

static const char *list_path;
static FILE *list;

void kept_open(const char *path)
{
	list_path = path;
	list = fopen(path, "we");
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

void kept_hold(int dmabuf)
{
	if (!list)
		return;
	if (fclose(list))
		err(1, "%s", list_path);
	printf("dmabuf %d\nholding 1\n", dmabuf);
	while (!access(list_path, F_OK))
		usleep(20000);
}
