// SPDX-License-Identifier: GPL-2.0
/*
 * page_pools leaked: the number of page pools that their driver has given up,
 * but that still wait for buffers, or whose buffers come from a memory
 * provider. 0 once nothing is bound and everything has come back.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "netdev_nl.h"

int main(int argc, char **argv)
{
	struct mnl_socket *nl = netdev_nl_open();
	unsigned int leaked;
	int ret;

	if (argc != 2 || strcmp(argv[1], "leaked"))
		errx(2, "usage: page_pools leaked");
	ret = netdev_nl_pools_leaked(nl, &leaked);
	if (ret)
		errx(1, "page pools: %s", strerror(-ret));
	printf("%u\n", leaked);
	return 0;
}
