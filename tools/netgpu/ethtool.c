// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "command.h"
#include "ethtool.h"

#define BUFFER	65536

static struct nlmsghdr *message(struct ethtool *e, void *buf, uint16_t type,
				uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++e->seq;
	g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));
	g->cmd = cmd;
	g->version = 1;
	return nlh;
}

/* The kernel's sentence behind an error. */
static void keep_words(struct ethtool *e, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	unsigned int len = sizeof(*err);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		len += mnl_nlmsg_get_payload_len(&err->msg);
	if (mnl_nlmsg_get_payload_len(nlh) <= len)
		return;
	mnl_attr_for_each(attr, nlh, len)
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(e->said, sizeof(e->said), "%s",
				 mnl_attr_get_str(attr));
}

/*
 * Send, and hand the answer to @cb.  The acknowledgment comes last, so an
 * answer without one is read on.
 */
static int talk(struct ethtool *e, struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	uint32_t seq = nlh->nlmsg_seq;
	char *buf = malloc(BUFFER);
	ssize_t n;
	int ret = 1, len;

	if (!buf)
		return -ENOMEM;
	e->said[0] = 0;
	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(e->nl, nlh, nlh->nlmsg_len) < 0) {
		ret = -errno;
		goto out;
	}
	while (ret == 1) {
		n = mnl_socket_recvfrom(e->nl, buf, BUFFER);
		if (n < 0) {
			ret = -errno;
			break;
		}
		len = n;
		for (nlh = (void *)buf; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				ret = err->error;
				keep_words(e, nlh);
			} else if (cb && cb(nlh, data) < 0) {
				ret = -EPROTO;
			}
		}
	}
out:
	free(buf);
	return ret;
}

static int family_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			*(uint16_t *)data = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

int ethtool_open(struct ethtool *e)
{
	char buf[256];
	struct nlmsghdr *nlh;
	int one = 1, ret;

	memset(e, 0, sizeof(*e));
	e->nl = mnl_socket_open(NETLINK_GENERIC);
	if (!e->nl)
		return -errno;
	if (mnl_socket_bind(e->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		ret = -errno;
		ethtool_close(e);
		return ret;
	}
	mnl_socket_setsockopt(e->nl, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(e->nl, NETLINK_CAP_ACK, &one, sizeof(one));

	nlh = message(e, buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, ETHTOOL_GENL_NAME);
	ret = talk(e, nlh, family_cb, &e->family);
	if (!ret && !e->family)
		ret = -ENOENT;
	if (ret)
		ethtool_close(e);
	return ret;
}

void ethtool_close(struct ethtool *e)
{
	if (e->nl)
		mnl_socket_close(e->nl);
	e->nl = NULL;
}

/* The header attribute has the same number in all messages that are used. */
static struct nlmsghdr *about(struct ethtool *e, void *buf, uint8_t cmd,
			      uint32_t ifindex)
{
	struct nlmsghdr *nlh = message(e, buf, e->family, cmd, 0);
	struct nlattr *nest;

	_Static_assert(ETHTOOL_A_RINGS_HEADER == 1 && ETHTOOL_A_RSS_HEADER == 1 &&
		       ETHTOOL_A_CHANNELS_HEADER == 1, "headers differ");
	nest = mnl_attr_nest_start(nlh, ETHTOOL_A_RINGS_HEADER);
	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_DEV_INDEX, ifindex);
	mnl_attr_nest_end(nlh, nest);
	return nlh;
}

static int rings_cb(const struct nlmsghdr *nlh, void *data)
{
	struct rings *r = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_RINGS_TCP_DATA_SPLIT:
			r->has_split = true;
			r->split = mnl_attr_get_u8(attr);
			break;
		case ETHTOOL_A_RINGS_HDS_THRESH:
			r->has_threshold = true;
			r->threshold = mnl_attr_get_u32(attr);
			break;
		case ETHTOOL_A_RINGS_RX:
			r->has_rx = true;
			r->rx = mnl_attr_get_u32(attr);
			break;
		case ETHTOOL_A_RINGS_RX_MAX:
			r->rx_max = mnl_attr_get_u32(attr);
			break;
		}
	}
	return MNL_CB_OK;
}

int ethtool_get_rings(struct ethtool *e, uint32_t ifindex, struct rings *r)
{
	char buf[512];

	memset(r, 0, sizeof(*r));
	return talk(e, about(e, buf, ETHTOOL_MSG_RINGS_GET, ifindex), rings_cb, r);
}

int ethtool_set_rings(struct ethtool *e, uint32_t ifindex, const struct rings *r)
{
	char buf[512];
	struct nlmsghdr *nlh = about(e, buf, ETHTOOL_MSG_RINGS_SET, ifindex);

	if (r->has_split)
		mnl_attr_put_u8(nlh, ETHTOOL_A_RINGS_TCP_DATA_SPLIT, r->split);
	if (r->has_threshold)
		mnl_attr_put_u32(nlh, ETHTOOL_A_RINGS_HDS_THRESH, r->threshold);
	if (r->has_rx)
		mnl_attr_put_u32(nlh, ETHTOOL_A_RINGS_RX, r->rx);
	return talk(e, nlh, NULL, NULL);
}

static int queues_cb(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;
	uint32_t *queues = data;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		int type = mnl_attr_get_type(attr);

		if (type == ETHTOOL_A_CHANNELS_RX_COUNT ||
		    type == ETHTOOL_A_CHANNELS_COMBINED_COUNT)
			*queues += mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

int ethtool_get_queues(struct ethtool *e, uint32_t ifindex, uint32_t *queues)
{
	char buf[512];

	*queues = 0;
	return talk(e, about(e, buf, ETHTOOL_MSG_CHANNELS_GET, ifindex), queues_cb,
		    queues);
}

static int rss_cb(const struct nlmsghdr *nlh, void *data)
{
	struct rss *rss = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) != ETHTOOL_A_RSS_INDIR)
			continue;
		free(rss->table);
		rss->size = mnl_attr_get_payload_len(attr) / sizeof(uint32_t);
		rss->table = malloc(mnl_attr_get_payload_len(attr) + 1);
		if (!rss->table)
			return MNL_CB_ERROR;
		memcpy(rss->table, mnl_attr_get_payload(attr),
		       mnl_attr_get_payload_len(attr));
	}
	return MNL_CB_OK;
}

int ethtool_get_rss(struct ethtool *e, uint32_t ifindex, struct rss *rss)
{
	char buf[512];
	int ret;

	memset(rss, 0, sizeof(*rss));
	ret = talk(e, about(e, buf, ETHTOOL_MSG_RSS_GET, ifindex), rss_cb, rss);
	if (!ret && !rss->size)
		ret = -EOPNOTSUPP;
	if (ret) {
		free(rss->table);
		memset(rss, 0, sizeof(*rss));
	}
	return ret;
}

int ethtool_set_rss(struct ethtool *e, uint32_t ifindex, const struct rss *rss)
{
	size_t bytes = rss->size * sizeof(uint32_t);
	char *buf = malloc(512 + bytes);
	struct nlmsghdr *nlh;
	int ret;

	if (!buf)
		return -ENOMEM;
	if (bytes > UINT16_MAX - 8) {
		free(buf);
		return -EMSGSIZE;
	}
	nlh = about(e, buf, ETHTOOL_MSG_RSS_SET, ifindex);
	mnl_attr_put(nlh, ETHTOOL_A_RSS_INDIR, bytes, rss->table ? rss->table : (void *)"");
	ret = talk(e, nlh, NULL, NULL);
	free(buf);
	return ret;
}

struct feature {
	const char *name;
	bool on, can_change;
};

/* Does a bitset have the bit of this name, and is that set? */
static bool is_set(const struct nlattr *bitset, const char *name)
{
	const struct nlattr *bits, *bit, *attr;

	mnl_attr_for_each_nested(bits, bitset) {
		if (mnl_attr_get_type(bits) != ETHTOOL_A_BITSET_BITS)
			continue;
		mnl_attr_for_each_nested(bit, bits) {
			bool right = false, set = false;

			mnl_attr_for_each_nested(attr, bit) {
				if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_NAME)
					right = !strcmp(mnl_attr_get_str(attr), name);
				else if (mnl_attr_get_type(attr) == ETHTOOL_A_BITSET_BIT_VALUE)
					set = true;
			}
			if (right)
				return set;
		}
	}
	return false;
}

static int feature_cb(const struct nlmsghdr *nlh, void *data)
{
	struct feature *f = data;
	const struct nlattr *attr;
	bool fixed = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(attr)) {
		case ETHTOOL_A_FEATURES_HW:
			f->can_change = is_set(attr, f->name);
			break;
		case ETHTOOL_A_FEATURES_ACTIVE:
			f->on = is_set(attr, f->name);
			break;
		case ETHTOOL_A_FEATURES_NOCHANGE:
			fixed = is_set(attr, f->name);
			break;
		}
	}
	f->can_change = f->can_change && !fixed;
	return MNL_CB_OK;
}

int ethtool_get_feature(struct ethtool *e, uint32_t ifindex, const char *name, bool *on, bool *can_change)
{
	struct feature f = { .name = name };
	char buf[512];
	int ret;

	_Static_assert(ETHTOOL_A_FEATURES_HEADER == 1, "headers differ");
	ret = talk(e, about(e, buf, ETHTOOL_MSG_FEATURES_GET, ifindex), feature_cb, &f);
	*on = f.on;
	*can_change = f.can_change;
	return ret;
}

int ethtool_set_feature(struct ethtool *e, uint32_t ifindex, const char *name, bool on)
{
	char buf[512];
	struct nlmsghdr *nlh = about(e, buf, ETHTOOL_MSG_FEATURES_SET, ifindex);
	struct nlattr *wanted, *bits, *bit;
	bool is_on, can_change;
	int ret;

	wanted = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_WANTED);
	bits = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS);
	bit = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS_BIT);
	mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME, name);
	if (on)
		mnl_attr_put(nlh, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	mnl_attr_nest_end(nlh, bit);
	mnl_attr_nest_end(nlh, bits);
	mnl_attr_nest_end(nlh, wanted);
	ret = talk(e, nlh, NULL, NULL);
	/* What cannot be is not an error there. */
	if (!ret)
		ret = ethtool_get_feature(e, ifindex, name, &is_on, &can_change);
	return ret ? ret : is_on == on ? 0 : -EOPNOTSUPP;
}
