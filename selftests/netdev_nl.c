// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <string.h>

#include "netdev_nl.h"

char netdev_nl_message[256];
static int family;

static int parse_family(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	(void)data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			family = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

struct nlmsghdr *netdev_nl_request(void *buf, int command, int flags)
{
	static unsigned int seq;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = 1;
	return nlh;
}

static void keep_message(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	if (nlh->nlmsg_type != NLMSG_ERROR || !(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	/* With NETLINK_CAP_ACK, the request's header alone is sent back. */
	mnl_attr_for_each(attr, nlh, sizeof(struct nlmsgerr))
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(netdev_nl_message, sizeof(netdev_nl_message), "%s",
				 mnl_attr_get_str(attr));
}

int netdev_nl_talk(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t callback, void *data)
{
	unsigned int seq = nlh->nlmsg_seq;
	char buf[32768];
	int ret;

	netdev_nl_message[0] = '\0';
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		ret = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (ret < 0)
			return -errno;
		keep_message((struct nlmsghdr *)buf);
		ret = mnl_cb_run(buf, ret, seq, 0, callback, data);
	} while (ret > 0);
	return ret < 0 ? -errno : 0;
}

struct mnl_socket *netdev_nl_open(void)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_GENERIC);
	struct nlmsghdr *nlh;
	char buf[256];
	int one = 1;

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, &one, sizeof(one)))
		err(1, "netlink socket");

	nlh = netdev_nl_request(buf, CTRL_CMD_GETFAMILY, 0);
	nlh->nlmsg_type = GENL_ID_CTRL;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY_NAME);
	if (netdev_nl_talk(nl, nlh, parse_family, NULL))
		err(1, "netlink family %s", NETDEV_FAMILY_NAME);
	return nl;
}

static struct nlmsghdr *bind_request(void *buf, int command, unsigned int ifindex, int dmabuf)
{
	struct nlmsghdr *nlh = netdev_nl_request(buf, command, 0);

	mnl_attr_put_u32(nlh, NETDEV_A_DMABUF_IFINDEX, ifindex);
	mnl_attr_put_u32(nlh, NETDEV_A_DMABUF_FD, dmabuf);
	return nlh;
}

int netdev_nl_bind_rx_pages(struct mnl_socket *nl, unsigned int ifindex, unsigned int queue,
			    int dmabuf, unsigned int page_size)
{
	char buf[1024];
	struct nlmsghdr *nlh = bind_request(buf, NETDEV_CMD_BIND_RX, ifindex, dmabuf);
	struct nlattr *nest;

	nest = mnl_attr_nest_start(nlh, NETDEV_A_DMABUF_QUEUES);
	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_ID, queue);
	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	mnl_attr_nest_end(nlh, nest);
	if (page_size)
		mnl_attr_put_u32(nlh, NETDEV_A_DMABUF_RX_PAGE_SIZE, page_size);

	return netdev_nl_talk(nl, nlh, NULL, NULL);
}

int netdev_nl_bind_rx(struct mnl_socket *nl, unsigned int ifindex, unsigned int queue, int dmabuf)
{
	return netdev_nl_bind_rx_pages(nl, ifindex, queue, dmabuf, 0);
}

static int keep_dmabuf_id(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	unsigned int *id = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == NETDEV_A_DMABUF_ID)
			*id = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

int netdev_nl_bind_tx_id(struct mnl_socket *nl, unsigned int ifindex, int dmabuf, unsigned int *id)
{
	char buf[1024];
	struct nlmsghdr *nlh = bind_request(buf, NETDEV_CMD_BIND_TX, ifindex, dmabuf);

	return netdev_nl_talk(nl, nlh, keep_dmabuf_id, id);
}

int netdev_nl_bind_tx(struct mnl_socket *nl, unsigned int ifindex, int dmabuf)
{
	unsigned int id;

	return netdev_nl_bind_tx_id(nl, ifindex, dmabuf, &id);
}

static int keep_queue(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	int *queue = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == NETDEV_A_QUEUE_ID)
			*queue = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

int netdev_nl_lease(struct mnl_socket *nl, unsigned int ifindex, unsigned int phys,
		    unsigned int queue, int nsid)
{
	char buf[1024];
	struct nlmsghdr *nlh = netdev_nl_request(buf, NETDEV_CMD_QUEUE_CREATE, 0);
	struct nlattr *lease, *nest;
	int ret, leased = -ENOMSG;

	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_IFINDEX, ifindex);
	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	lease = mnl_attr_nest_start(nlh, NETDEV_A_QUEUE_LEASE);
	mnl_attr_put_u32(nlh, NETDEV_A_LEASE_IFINDEX, phys);
	nest = mnl_attr_nest_start(nlh, NETDEV_A_LEASE_QUEUE);
	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_ID, queue);
	mnl_attr_put_u32(nlh, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put_u32(nlh, NETDEV_A_LEASE_NETNS_ID, nsid);
	mnl_attr_nest_end(nlh, lease);

	ret = netdev_nl_talk(nl, nlh, keep_queue, &leased);
	return ret ?: leased;
}

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

int netdev_nl_pools_leaked(struct mnl_socket *nl, unsigned int *leaked)
{
	char buf[256];

	*leaked = 0;
	return netdev_nl_talk(nl, netdev_nl_request(buf, NETDEV_CMD_PAGE_POOL_GET, NLM_F_DUMP),
			      count_pool, leaked);
}
