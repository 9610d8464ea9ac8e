// SPDX-License-Identifier: GPL-2.0
/*
 * queues IFACE: a line for each of its queues, as the netdev family tells it:
 * "rx|tx NUMBER NAPI PROVIDER". NAPI is the id of one that the interface has,
 * "lost" when it has no such one, "none" when the queue names none. PROVIDER is
 * "dmabuf", "io_uring", "xsk" or "-".
 */
#include <err.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <net/if.h>
#include <stdio.h>

#include "netdev_nl.h"

static unsigned int napis[256], count;

static int keep_napi(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	(void)data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == NETDEV_A_NAPI_ID && count < 256)
			napis[count++] = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int print_queue(const struct nlmsghdr *nlh, void *data)
{
	unsigned int id = 0, type = 0, napi = 0, i;
	const char *provider = "-";
	const struct nlattr *attr;
	(void)data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case NETDEV_A_QUEUE_ID: id = mnl_attr_get_u32(attr); break;
		case NETDEV_A_QUEUE_TYPE: type = mnl_attr_get_u32(attr); break;
		case NETDEV_A_QUEUE_NAPI_ID: napi = mnl_attr_get_u32(attr); break;
		case NETDEV_A_QUEUE_DMABUF: provider = "dmabuf"; break;
		case NETDEV_A_QUEUE_IO_URING: provider = "io_uring"; break;
		case NETDEV_A_QUEUE_XSK: provider = "xsk"; break;
		}
	}
	printf("%s %u ", type == NETDEV_QUEUE_TYPE_RX ? "rx" : "tx", id);
	for (i = 0; i < count && napis[i] != napi; i++)
		;
	if (!napi)
		printf("none %s\n", provider);
	else if (i == count)
		printf("lost %s\n", provider);
	else
		printf("%u %s\n", napi, provider);
	return MNL_CB_OK;
}

static void dump(struct mnl_socket *nl, int command, int attribute, unsigned int ifindex,
		 mnl_cb_t callback)
{
	struct nlmsghdr *nlh;
	char buf[256];
	int ret;

	nlh = netdev_nl_request(buf, command, NLM_F_DUMP);
	mnl_attr_put_u32(nlh, attribute, ifindex);
	ret = netdev_nl_talk(nl, nlh, callback, NULL);
	if (ret) {
		errno = -ret;
		err(1, "netdev command %d", command);
	}
}

int main(int argc, char **argv)
{
	unsigned int ifindex = argc == 2 ? if_nametoindex(argv[1]) : 0;
	struct mnl_socket *nl;

	if (!ifindex)
		errx(2, "usage: queues IFACE");
	nl = netdev_nl_open();
	dump(nl, NETDEV_CMD_NAPI_GET, NETDEV_A_NAPI_IFINDEX, ifindex, keep_napi);
	dump(nl, NETDEV_CMD_QUEUE_GET, NETDEV_A_QUEUE_IFINDEX, ifindex, print_queue);
	return 0;
}
