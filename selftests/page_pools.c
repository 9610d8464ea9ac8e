// SPDX-License-Identifier: GPL-2.0
/*
 * page_pools leaked: the number of page pools that their driver has given up,
 * but that still wait for buffers, or whose buffers come from a memory
 * provider. 0 once nothing is bound and everything has come back.
 */
#include <err.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/netdev.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int family;
static unsigned int leaked;

static int parse_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	(void)data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			family = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int count_pool(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	int held = 0;
	(void)data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case NETDEV_A_PAGE_POOL_DETACH_TIME:
		case NETDEV_A_PAGE_POOL_DMABUF:
		case NETDEV_A_PAGE_POOL_IO_URING:
			held = 1;
		}
	}
	leaked += held;
	return MNL_CB_OK;
}

static void request(struct mnl_socket *nl, int type, int flags, int command,
		    const char *name, mnl_cb_t callback)
{
	char buf[32768];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;
	int ret;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = time(NULL);
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = 1;
	if (name)
		mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, name);
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		err(1, "send");
	do {
		ret = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (ret > 0)
			ret = mnl_cb_run(buf, ret, 0, 0, callback, NULL);
	} while (ret > 0);
	if (ret < 0)
		err(1, "netdev netlink");
}

int main(int argc, char **argv)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_GENERIC);

	if (argc != 2 || strcmp(argv[1], "leaked"))
		errx(2, "usage: page_pools leaked");
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		err(1, "netlink");
	request(nl, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, NETDEV_FAMILY_NAME, parse_family);
	request(nl, family, NLM_F_DUMP, NETDEV_CMD_PAGE_POOL_GET, NULL, count_pool);
	printf("%u\n", leaked);
	return 0;
}
