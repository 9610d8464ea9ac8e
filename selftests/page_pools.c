// SPDX-License-Identifier: GPL-2.0
/*
 * page_pools leaked: the number of page pools that their driver has given up,
 * but that still wait for buffers, or whose buffers come from a memory
 * provider. 0 once nothing is bound and everything has come back.
 */
#include <err.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "netdev_nl.h"

static int count_pool(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	unsigned int *leaked = data;
	int held = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case NETDEV_A_PAGE_POOL_DETACH_TIME:
		case NETDEV_A_PAGE_POOL_DMABUF:
		case NETDEV_A_PAGE_POOL_IO_URING:
			held = 1;
		}
	}
	*leaked += held;
	return MNL_CB_OK;
}

int main(int argc, char **argv)
{
	struct mnl_socket *nl = netdev_nl_open();
	unsigned int leaked = 0;
	char buf[256];

	if (argc != 2 || strcmp(argv[1], "leaked"))
		errx(2, "usage: page_pools leaked");
	if (netdev_nl_talk(nl, netdev_nl_request(buf, NETDEV_CMD_PAGE_POOL_GET, NLM_F_DUMP),
			   count_pool, &leaked))
		err(1, "page pools");
	printf("%u\n", leaked);
	return 0;
}
