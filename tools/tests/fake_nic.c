// SPDX-License-Identifier: GPL-2.0
/*
 * A network device that is not there, in front of netgpu setup and reset: this library, loaded before others, answers what they ask of
 * "fake0" by ioctl() and by ethtool's netlink, as drivers do that differ in what they have.  What it is like is in a file, and
 * stays there from one program to the next.
 *
 * FAKE_NIC: that file; text of "name value" lines, also what the driver can do, written by the test to begin with:
 *   queues, rx, rx_max, mtu
 *   split 0|1|2		off: 1, on: 2; not there: the driver cannot
 *   threshold			bytes; not there: the driver has none
 *   gro_hw 0|1			not there: no such feature
 *   split_needs_gro 1
 *   ntuple 0|1			not there: no rules
 *   rules_refused ERRNO	none of TCP
 *   chooses 1			the driver chooses where a rule goes
 *   rule LOCATION TYPE PORT QUEUE
 *   rss 0 1 0 1		the table
 * FAKE_KILL: it ends by SIGKILL before the change of this number is made, counted from 1; -N: after it.
 */
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NAME	"fake0"
#define INDEX	4711
#define FAMILY	21
#define RULES	64
#define TABLE	128

static struct {
	long queues, rx, rx_max, mtu, split, threshold, gro_hw, split_needs_gro, ntuple, rules_refused, chooses;
	struct { bool used; long location, type, port, queue; } rules[RULES];
	uint32_t rss[TABLE];
	unsigned int nr_rss;
} nic;

static const struct { const char *name; long *value; } words[] = {
	{ "queues", &nic.queues }, { "rx", &nic.rx }, { "rx_max", &nic.rx_max }, { "mtu", &nic.mtu }, { "split", &nic.split },
	{ "threshold", &nic.threshold }, { "gro_hw", &nic.gro_hw }, { "split_needs_gro", &nic.split_needs_gro },
	{ "ntuple", &nic.ntuple }, { "rules_refused", &nic.rules_refused }, { "chooses", &nic.chooses },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static FILE *open_file(const char *mode)
{
	const char *path = getenv("FAKE_NIC");

	return path ? fopen(path, mode) : NULL;
}

static void load(void)
{
	char line[1024], name[64], *at, *end;
	FILE *f = open_file("re");
	unsigned int i, rule = 0;

	memset(&nic, 0, sizeof(nic));
	for (i = 0; i < WORDS; i++)
		*words[i].value = -1;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s", name) != 1)
			continue;
		at = line + strlen(name);
		for (i = 0; i < WORDS; i++)
			if (!strcmp(name, words[i].name))
				*words[i].value = strtol(at, NULL, 10);
		if (!strcmp(name, "rule") && rule < RULES) {
			nic.rules[rule].used = true;
			sscanf(at, "%ld %ld %ld %ld", &nic.rules[rule].location, &nic.rules[rule].type, &nic.rules[rule].port,
			       &nic.rules[rule].queue);
			rule++;
		}
		if (!strcmp(name, "rss"))
			for (; nic.nr_rss < TABLE; at = end) {
				nic.rss[nic.nr_rss] = strtoul(at, &end, 10);
				if (end == at)
					break;
				nic.nr_rss++;
			}
	}
	if (f)
		fclose(f);
}

static void store(void)
{
	FILE *f = open_file("we");
	unsigned int i;

	if (!f)
		err(1, "FAKE_NIC");
	for (i = 0; i < WORDS; i++)
		if (*words[i].value >= 0)
			fprintf(f, "%s %ld\n", words[i].name, *words[i].value);
	for (i = 0; i < RULES; i++)
		if (nic.rules[i].used)
			fprintf(f, "rule %ld %ld %ld %ld\n", nic.rules[i].location, nic.rules[i].type, nic.rules[i].port,
				nic.rules[i].queue);
	fputs("rss", f);
	for (i = 0; i < nic.nr_rss; i++)
		fprintf(f, " %u", nic.rss[i]);
	fputs("\n", f);
	fclose(f);
}

/* What was changed becomes so, if it is not the end before. */
static int change(void)
{
	static int number;
	const char *text = getenv("FAKE_KILL");
	int at = text ? atoi(text) : 0;

	number++;
	if (at == number)
		raise(SIGKILL);
	store();
	if (at == -number)
		raise(SIGKILL);
	return 0;
}

/* ------------------------------------------------------------------ ioctl */

static int say(int error)
{
	errno = error;
	return -1;
}

static int rule_at(long location)
{
	int i;

	for (i = 0; i < RULES; i++)
		if (nic.rules[i].used && nic.rules[i].location == location)
			return i;
	return -1;
}

static int insert(struct ethtool_rx_flow_spec *fs)
{
	const bool v4 = fs->flow_type == TCP_V4_FLOW;
	long location = fs->location;
	int i;

	if (nic.ntuple < 0)
		return say(EOPNOTSUPP);
	if (nic.rules_refused > 0)
		return say(nic.rules_refused);
	if (!nic.ntuple || (fs->location == RX_CLS_LOC_ANY) != (nic.chooses == 1))
		return say(EINVAL);
	for (i = 0; location == RX_CLS_LOC_ANY && rule_at(i) >= 0; i++)
		;
	if (location == RX_CLS_LOC_ANY)
		location = i;
	if (location >= RULES || rule_at(location) >= 0)
		return say(ENOSPC);
	for (i = 0; nic.rules[i].used; i++)
		;
	nic.rules[i].used = true;
	nic.rules[i].location = location;
	nic.rules[i].type = fs->flow_type;
	nic.rules[i].port = ntohs(v4 ? fs->h_u.tcp_ip4_spec.pdst : fs->h_u.tcp_ip6_spec.pdst);
	nic.rules[i].queue = fs->ring_cookie;
	return change();
}

static int rules(struct ethtool_rxnfc *nfc)
{
	unsigned int i, n = 0;
	int at;

	if (nic.ntuple < 0)
		return say(EOPNOTSUPP);
	switch (nfc->cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		for (i = 0; i < RULES; i++)
			n += nic.rules[i].used;
		nfc->rule_cnt = n;
		nfc->data = RULES | (nic.chooses == 1 ? RX_CLS_LOC_SPECIAL : 0);
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		for (i = 0; i < RULES; i++)
			if (nic.rules[i].used)
				nfc->rule_locs[n++] = nic.rules[i].location;
		nfc->rule_cnt = n;
		nfc->data = RULES;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		at = rule_at(nfc->fs.location);
		if (at < 0)
			return say(ENOENT);
		memset(&nfc->fs, 0, sizeof(nfc->fs));
		nfc->fs.location = nic.rules[at].location;
		nfc->fs.flow_type = nic.rules[at].type;
		nfc->fs.ring_cookie = nic.rules[at].queue;
		if (nfc->fs.flow_type == TCP_V4_FLOW) {
			nfc->fs.h_u.tcp_ip4_spec.pdst = htons(nic.rules[at].port);
			nfc->fs.m_u.tcp_ip4_spec.pdst = 0xffff;
		} else {
			nfc->fs.h_u.tcp_ip6_spec.pdst = htons(nic.rules[at].port);
			nfc->fs.m_u.tcp_ip6_spec.pdst = 0xffff;
		}
		return 0;
	case ETHTOOL_SRXCLSRLDEL:
		at = rule_at(nfc->fs.location);
		if (at < 0)
			return say(ENOENT);
		nic.rules[at].used = false;
		return change();
	}
	return insert(&nfc->fs);
}

static int ethtool(void *data)
{
	struct ethtool_perm_addr *address = data;
	struct ethtool_value *value = data;

	switch (*(uint32_t *)data) {
	case ETHTOOL_GPERMADDR:
		address->size = 6;
		memcpy(address->data, "\2fake0", 6);
		return 0;
	case ETHTOOL_GRXCSUM:
		value->data = 1;
		return 0;
	case ETHTOOL_GFLAGS:
		value->data = nic.ntuple > 0 ? ETH_FLAG_NTUPLE : 0;
		return 0;
	case ETHTOOL_SFLAGS:
		if (nic.ntuple < 0)
			return say(EINVAL);
		nic.ntuple = !!(value->data & ETH_FLAG_NTUPLE);
		return change();
	case ETHTOOL_GRXCLSRLCNT:
	case ETHTOOL_GRXCLSRLALL:
	case ETHTOOL_GRXCLSRULE:
	case ETHTOOL_SRXCLSRLINS:
	case ETHTOOL_SRXCLSRLDEL:
		return rules(data);
	}
	return say(EOPNOTSUPP);
}

int ioctl(int fd, unsigned long op, ...)
{
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	struct ifreq *ifr;
	va_list ap;

	va_start(ap, op);
	ifr = va_arg(ap, void *);
	va_end(ap);
	if ((op != SIOCGIFFLAGS && op != SIOCGIFMTU && op != SIOCSIFMTU && op != SIOCETHTOOL) || strcmp(ifr->ifr_name, NAME))
		return real(fd, op, ifr);
	load();
	switch (op) {
	case SIOCGIFFLAGS:
		ifr->ifr_flags = IFF_UP | IFF_RUNNING;
		return 0;
	case SIOCGIFMTU:
		ifr->ifr_mtu = nic.mtu;
		return 0;
	case SIOCSIFMTU:
		nic.mtu = ifr->ifr_mtu;
		return change();
	}
	return ethtool(ifr->ifr_data);
}

unsigned int if_nametoindex(const char *name)
{
	return strcmp(name, NAME) ? 0 : INDEX;
}

/* ---------------------------------------------------------------- netlink */

static char answer[65536];
static struct nlmsghdr *next;
static size_t bytes;

static struct nlmsghdr *begin(const struct nlmsghdr *nlh, uint8_t cmd)
{
	struct genlmsghdr *g;

	next = mnl_nlmsg_put_header(answer + bytes);
	next->nlmsg_type = FAMILY;
	next->nlmsg_seq = nlh->nlmsg_seq;
	g = mnl_nlmsg_put_extra_header(next, sizeof(*g));
	g->cmd = cmd;
	return next;
}

static void end(void)
{
	bytes += MNL_ALIGN(next->nlmsg_len);
}

static void acknowledge(const struct nlmsghdr *nlh, int error)
{
	struct nlmsgerr *err;

	next = mnl_nlmsg_put_header(answer + bytes);
	next->nlmsg_type = NLMSG_ERROR;
	next->nlmsg_seq = nlh->nlmsg_seq;
	err = mnl_nlmsg_put_extra_header(next, sizeof(*err));
	err->error = -error;
	err->msg = *nlh;
	end();
}

static void put_bit(struct nlmsghdr *nlh, uint16_t type, bool set)
{
	struct nlattr *set_of = mnl_attr_nest_start(nlh, type), *bits, *bit;

	bits = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS);
	bit = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS_BIT);
	mnl_attr_put_u32(nlh, ETHTOOL_A_BITSET_BIT_INDEX, 48);
	mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME, "rx-gro-hw");
	if (set)
		mnl_attr_put(nlh, ETHTOOL_A_BITSET_BIT_VALUE, 0, NULL);
	mnl_attr_nest_end(nlh, bit);
	mnl_attr_nest_end(nlh, bits);
	mnl_attr_nest_end(nlh, set_of);
}

static const struct nlattr *attribute(const struct nlattr *in, int type)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, in)
		if (mnl_attr_get_type(a) == type)
			return a;
	return NULL;
}

static int set_features(const struct nlmsghdr *nlh)
{
	const struct nlattr *a, *bits, *bit = NULL;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(a) == ETHTOOL_A_FEATURES_WANTED) {
			bits = attribute(a, ETHTOOL_A_BITSET_BITS);
			bit = bits ? attribute(bits, ETHTOOL_A_BITSET_BITS_BIT) : NULL;
		}
	if (!bit || nic.gro_hw < 0)
		return 0;
	/* what is split needs it */
	if (!attribute(bit, ETHTOOL_A_BITSET_BIT_VALUE) && nic.split == 2 && nic.split_needs_gro == 1)
		return 0;
	nic.gro_hw = attribute(bit, ETHTOOL_A_BITSET_BIT_VALUE) != NULL;
	return change();
}

static int set_rings(const struct nlmsghdr *nlh)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(a)) {
		case ETHTOOL_A_RINGS_TCP_DATA_SPLIT:
			if (nic.split < 0)
				return EOPNOTSUPP;
			if (mnl_attr_get_u8(a) == 2 && nic.split_needs_gro == 1 && nic.gro_hw != 1)
				return EINVAL;
			nic.split = mnl_attr_get_u8(a);
			break;
		case ETHTOOL_A_RINGS_HDS_THRESH:
			if (nic.threshold < 0)
				return EOPNOTSUPP;
			nic.threshold = mnl_attr_get_u32(a);
			break;
		case ETHTOOL_A_RINGS_RX:
			nic.rx = mnl_attr_get_u32(a);
			break;
		}
	}
	return change();
}

static int set_rss(const struct nlmsghdr *nlh)
{
	const struct nlattr *a;
	unsigned int i, size = nic.nr_rss;

	mnl_attr_for_each(a, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(a) != ETHTOOL_A_RSS_INDIR)
			continue;
		for (i = 0; i < size; i++)
			nic.rss[i] = i % nic.queues;
		if (mnl_attr_get_payload_len(a))
			memcpy(nic.rss, mnl_attr_get_payload(a), size * sizeof(uint32_t));
	}
	return change();
}

static int answer_to(const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(nlh);
	struct nlmsghdr *out;

	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		out = begin(nlh, CTRL_CMD_NEWFAMILY);
		mnl_attr_put_u16(out, CTRL_ATTR_FAMILY_ID, FAMILY);
		end();
		return 0;
	}
	switch (g->cmd) {
	case ETHTOOL_MSG_CHANNELS_GET:
		out = begin(nlh, ETHTOOL_MSG_CHANNELS_GET_REPLY);
		mnl_attr_put_u32(out, ETHTOOL_A_CHANNELS_COMBINED_COUNT, nic.queues);
		break;
	case ETHTOOL_MSG_RINGS_GET:
		out = begin(nlh, ETHTOOL_MSG_RINGS_GET_REPLY);
		mnl_attr_put_u32(out, ETHTOOL_A_RINGS_RX, nic.rx);
		mnl_attr_put_u32(out, ETHTOOL_A_RINGS_RX_MAX, nic.rx_max);
		if (nic.split >= 0)
			mnl_attr_put_u8(out, ETHTOOL_A_RINGS_TCP_DATA_SPLIT, nic.split);
		if (nic.threshold >= 0)
			mnl_attr_put_u32(out, ETHTOOL_A_RINGS_HDS_THRESH, nic.threshold);
		break;
	case ETHTOOL_MSG_RSS_GET:
		if (!nic.nr_rss)
			return EOPNOTSUPP;
		out = begin(nlh, ETHTOOL_MSG_RSS_GET_REPLY);
		mnl_attr_put(out, ETHTOOL_A_RSS_INDIR, nic.nr_rss * sizeof(uint32_t), nic.rss);
		break;
	case ETHTOOL_MSG_FEATURES_GET:
		out = begin(nlh, ETHTOOL_MSG_FEATURES_GET_REPLY);
		put_bit(out, ETHTOOL_A_FEATURES_HW, nic.gro_hw >= 0);
		put_bit(out, ETHTOOL_A_FEATURES_ACTIVE, nic.gro_hw > 0);
		put_bit(out, ETHTOOL_A_FEATURES_NOCHANGE, false);
		break;
	case ETHTOOL_MSG_FEATURES_SET:
		return set_features(nlh);
	case ETHTOOL_MSG_RINGS_SET:
		return set_rings(nlh);
	case ETHTOOL_MSG_RSS_SET:
		return set_rss(nlh);
	default:
		return EOPNOTSUPP;
	}
	end();
	return 0;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *nl, const void *message, size_t length)
{
	(void)nl;
	load();
	bytes = 0;
	acknowledge(message, answer_to(message));
	return length;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buf, size_t size)
{
	size_t n = bytes < size ? bytes : size;

	(void)nl;
	memcpy(buf, answer, n);
	bytes = 0;
	return n;
}
