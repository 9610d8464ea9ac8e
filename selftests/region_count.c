// SPDX-License-Identifier: GPL-2.0
/*
 * region_count regions|mapped|pinned: what NETGPU_IOC_QUERY says of this network
 * namespace: the number of regions, the bytes that are mapped, and those that
 * are charged to this user.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "region.h"

int main(int argc, char **argv)
{
	struct netgpu_query query;

	regions_query(&query);
	if (argc == 2 && !strcmp(argv[1], "regions"))
		printf("%llu\n", query.regions);
	else if (argc == 2 && !strcmp(argv[1], "mapped"))
		printf("%llu\n", query.mapped_bytes);
	else if (argc == 2 && !strcmp(argv[1], "pinned"))
		printf("%llu\n", query.pinned_bytes);
	else
		errx(2, "usage: region_count regions|mapped|pinned");
	return 0;
}
