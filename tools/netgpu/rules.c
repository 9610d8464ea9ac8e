// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules.h"

#define RULES_MOST	65536u

static const uint32_t types[] = { TCP_V4_FLOW, TCP_V6_FLOW };

static int request(const char *dev, void *command)
{
	struct ifreq ifr = { .ifr_data = command };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.15s", dev);
	ret = ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
	close(fd);
	return ret;
}

/* --------------------------------------------------------------- feature */

int rules_get_feature(const char *dev, bool *on)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	int ret = request(dev, &flags);

	*on = !ret && flags.data & ETH_FLAG_NTUPLE;
	return ret;
}

int rules_set_feature(const char *dev, bool on)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	int ret = request(dev, &flags);

	if (ret)
		return ret;
	flags.cmd = ETHTOOL_SFLAGS;
	flags.data = on ? flags.data | ETH_FLAG_NTUPLE : flags.data & ~ETH_FLAG_NTUPLE;
	ret = request(dev, &flags);
	return ret == -EINVAL ? -EOPNOTSUPP : ret;
}

/* ----------------------------------------------------------------- rules */

static void describe(struct ethtool_rx_flow_spec *fs, uint32_t type, uint16_t port, uint32_t queue)
{
	memset(fs, 0, sizeof(*fs));
	fs->flow_type = type;
	fs->ring_cookie = queue;
	if (type == TCP_V4_FLOW) {
		fs->h_u.tcp_ip4_spec.pdst = htons(port);
		fs->m_u.tcp_ip4_spec.pdst = 0xffff;
	} else {
		fs->h_u.tcp_ip6_spec.pdst = htons(port);
		fs->m_u.tcp_ip6_spec.pdst = 0xffff;
	}
}

/* What drivers add when they are asked, of what was not given, is not compared. */
static bool is_ours(const struct ethtool_rx_flow_spec *fs, uint32_t type, uint16_t port, uint32_t queue)
{
	struct ethtool_rx_flow_spec want;

	describe(&want, type, port, queue);
	if (fs->flow_type != type || fs->ring_cookie != queue)
		return false;
	if (type == TCP_V4_FLOW)
		return !memcmp(fs->m_u.hdata, want.m_u.hdata, sizeof(want.m_u.tcp_ip4_spec)) &&
		       fs->h_u.tcp_ip4_spec.pdst == want.h_u.tcp_ip4_spec.pdst;
	return !memcmp(fs->m_u.hdata, want.m_u.hdata, sizeof(want.m_u.tcp_ip6_spec)) &&
	       fs->h_u.tcp_ip6_spec.pdst == want.h_u.tcp_ip6_spec.pdst;
}

/* The numbers of all rules, to be freed, in ->rule_locs; how many of them in ->rule_cnt, and how many there can be in ->data. */
static int list(const char *dev, struct ethtool_rxnfc **rules, bool *chooses)
{
	struct ethtool_rxnfc count = { .cmd = ETHTOOL_GRXCLSRLCNT };
	struct ethtool_rxnfc *all;
	int ret = request(dev, &count);

	if (ret)
		return ret;
	if (count.rule_cnt > RULES_MOST)
		return -E2BIG;
	all = calloc(1, sizeof(*all) + count.rule_cnt * sizeof(uint32_t));
	if (!all)
		return -ENOMEM;
	all->cmd = ETHTOOL_GRXCLSRLALL;
	all->rule_cnt = count.rule_cnt;
	ret = request(dev, all);
	/* there may be more by now */
	if (!ret && all->rule_cnt > count.rule_cnt)
		all->rule_cnt = count.rule_cnt;
	if (ret) {
		free(all);
		return ret;
	}
	*chooses = count.data & RX_CLS_LOC_SPECIAL;
	*rules = all;
	return 0;
}

/* A number that no rule has, from the end: the first ones come first. */
static int free_number(const struct ethtool_rxnfc *rules, uint32_t *number)
{
	uint32_t at, i;

	for (at = rules->data < RULES_MOST ? rules->data : RULES_MOST; at-- > 0; ) {
		for (i = 0; i < rules->rule_cnt && rules->rule_locs[i] != at; )
			i++;
		if (i < rules->rule_cnt)
			continue;
		*number = at;
		return 0;
	}
	return rules->data ? -ENOSPC : -EOPNOTSUPP;
}

static int add(const char *dev, uint32_t type, uint16_t port, uint32_t queue)
{
	struct ethtool_rxnfc *rules, insert = { .cmd = ETHTOOL_SRXCLSRLINS };
	bool chooses;
	int ret;

	ret = list(dev, &rules, &chooses);
	if (ret)
		return ret;
	describe(&insert.fs, type, port, queue);
	insert.fs.location = RX_CLS_LOC_ANY;
	if (!chooses)
		ret = free_number(rules, &insert.fs.location);
	free(rules);
	return ret ? ret : request(dev, &insert);
}

/* For each of the rules that are ours; with @remove it is taken away.  How many, or -errno. */
static int each(const char *dev, uint16_t port, uint32_t queue, uint32_t type, bool remove)
{
	struct ethtool_rxnfc *rules;
	bool chooses;
	uint32_t i;
	int ret, found = 0;

	ret = list(dev, &rules, &chooses);
	if (ret)
		return ret;
	for (i = 0; !ret && i < rules->rule_cnt; i++) {
		struct ethtool_rxnfc rule = { .cmd = ETHTOOL_GRXCLSRULE, .fs.location = rules->rule_locs[i] };

		ret = request(dev, &rule);
		if (ret == -ENOENT || ret == -EINVAL) {
			ret = 0;	/* it has gone meanwhile, or is none that can be told of */
			continue;
		}
		if (ret || !is_ours(&rule.fs, type, port, queue))
			continue;
		found++;
		if (!remove)
			continue;
		rule.cmd = ETHTOOL_SRXCLSRLDEL;
		rule.fs.location = rules->rule_locs[i];
		ret = request(dev, &rule);
	}
	free(rules);
	return ret ? ret : found;
}

int rules_count(const char *dev, uint16_t port, uint32_t queue, unsigned int *count)
{
	unsigned int i;
	int ret;

	*count = 0;
	for (i = 0; i < 2; i++) {
		ret = each(dev, port, queue, types[i], false);
		if (ret < 0)
			return ret;
		*count += ret > 0;
	}
	return 0;
}

int rules_add(const char *dev, uint16_t port, uint32_t queue)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < 2; i++) {
		ret = each(dev, port, queue, types[i], false);
		ret = ret ? (ret > 0 ? 0 : ret) : add(dev, types[i], port, queue);
	}
	if (ret)
		rules_remove(dev, port, queue);
	return ret;
}

int rules_remove(const char *dev, uint16_t port, uint32_t queue)
{
	unsigned int i;
	int ret = 0, err;

	for (i = 0; i < 2; i++) {
		err = each(dev, port, queue, types[i], true);
		if (err < 0 && !ret)
			ret = err;
	}
	return ret;
}
