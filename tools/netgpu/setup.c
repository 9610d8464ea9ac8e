// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * netgpu setup, netgpu reset: header/data split, ring size, MTU, rules and the
 * RSS table of a network device.  What was there before is kept (state.h) until
 * reset has put it back.
 */
#include <argp.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <libnetgpu.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "ethtool.h"
#include "rules.h"
#include "state.h"

#define CARRIER_TIME	(15 * NSEC)
#define PORTS		16
#define GRO_HW		"rx-gro-hw"

struct setup {
	const char *dev;
	long queue, mtu, rx;
	long ports[PORTS];
	unsigned int nr_ports;
	bool all_flows, spread, dry_run, quiet;

	unsigned int ifindex;
	struct state_key key;
	struct ethtool eth;
	/* as it is */
	struct rings rings;
	struct rss rss;
	uint32_t queues;
	bool ntuple;
	int mtu_now;
	bool carrier;
};

static const char *reason(const struct setup *s, int ret)
{
	if (s->eth.said[0])
		return s->eth.said;
	if (ret == -EPERM)
		return "not permitted: it needs CAP_NET_ADMIN (be root)";
	return strerror(-ret);
}

static int device_ioctl(const char *dev, unsigned long op, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", dev);
	if (ioctl(fd, op, ifr))
		ret = -errno;
	close(fd);
	return ret;
}

static int set_mtu(const char *dev, int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	return device_ioctl(dev, SIOCSIFMTU, &ifr);
}

/* Does the device verify checksums? A driver that does not say is taken to. */
static bool verifies(const char *dev)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GRXCSUM };
	struct ifreq ifr = { .ifr_data = (char *)&value };

	return device_ioctl(dev, SIOCETHTOOL, &ifr) || value.data;
}

static bool running(const char *dev)
{
	struct ifreq ifr = { 0 };

	return !device_ioctl(dev, SIOCGIFFLAGS, &ifr) &&
	       (ifr.ifr_flags & IFF_RUNNING);
}

/* A driver may restart the device, and the link with it. */
static void wait_for_carrier(const struct setup *s)
{
	uint64_t end = now_ns() + CARRIER_TIME;

	if (!s->carrier)
		return;
	while (!running(s->dev)) {
		if (now_ns() > end) {
			complain("%s: the link has not come back after %llu s",
				 s->dev, CARRIER_TIME / NSEC);
			return;
		}
		usleep(20000);
	}
}

static int find_device(struct setup *s)
{
	struct ifreq ifr = { 0 };
	int ret;

	if (strlen(s->dev) >= IFNAMSIZ || strchr(s->dev, '/') ||
	    !(s->ifindex = if_nametoindex(s->dev))) {
		complain("there is no network device %s in this network namespace",
			 s->dev);
		return -ENODEV;
	}
	ret = device_ioctl(s->dev, SIOCGIFFLAGS, &ifr);
	if (!ret && !(ifr.ifr_flags & IFF_UP)) {
		complain("%s is down: set it up first (ip link set %s up)",
			 s->dev, s->dev);
		return -ENETDOWN;
	}
	s->carrier = ifr.ifr_flags & IFF_RUNNING;
	if (!ret)
		ret = device_ioctl(s->dev, SIOCGIFMTU, &ifr);
	if (ret) {
		complain("%s: %s", s->dev, strerror(-ret));
		return ret;
	}
	s->mtu_now = ifr.ifr_mtu;

	ret = ethtool_open(&s->eth);
	if (ret)
		complain("ethtool netlink: %s", strerror(-ret));
	return ret;
}

static int no_rules(const struct setup *s, int error)
{
	if (error != -EOPNOTSUPP && error != -EINVAL) {
		complain("%s: no rule can be made: %s (ethtool -n %s lists those that there are)", s->dev, strerror(-error), s->dev);
		return error;
	}
	complain("%s: its driver cannot direct a port to a queue (%s). Only RSS can steer here, and then every flow that comes in on %s "
		 "goes to queue %ld, SSH's too: if that is meant, --all-flows instead of --port", s->dev, strerror(-error), s->dev,
		 s->queue);
	return error;
}

static bool has_rule(const cJSON *rules, long port, long queue);

/* One of the two rules is there: has a setup been killed that was making them? */
static bool is_ours(const struct setup *s, long port)
{
	cJSON *state = s->dry_run ? NULL : state_load(&s->key);
	bool ours = state && has_rule(cJSON_GetObjectItem(state, "rules"), port, s->queue);

	cJSON_Delete(state);
	return ours;
}

/* Rules of somebody else's for these ports? */
static int look_at_rules(struct setup *s)
{
	unsigned int i, count;
	int ret = rules_get_feature(s->dev, &s->ntuple);

	for (i = 0; !ret && i < s->nr_ports; i++) {
		ret = rules_count(s->dev, s->ports[i], s->queue, &count);
		if (!ret && count == 1 && !is_ours(s, s->ports[i])) {
			complain("%s: there is a rule that directs port %ld to queue %ld already, for IPv4 or for IPv6 alone (ethtool -n %s)",
				 s->dev, s->ports[i], s->queue, s->dev);
			return -EEXIST;
		}
	}
	return ret ? no_rules(s, ret) : 0;
}

static int look(struct setup *s)
{
	int ret;

	ret = ethtool_get_queues(&s->eth, s->ifindex, &s->queues);
	if (ret || !s->queues) {
		complain("%s: the driver does not say how many receive queues there are (%s)",
			 s->dev, reason(s, ret ? ret : -EOPNOTSUPP));
		return ret ? ret : -EOPNOTSUPP;
	}
	if (s->queue >= s->queues) {
		complain("%s has %u receive queue%s, counted from 0: there is no queue %ld (ethtool -L %s may make more)",
			 s->dev, s->queues, s->queues == 1 ? "" : "s", s->queue,
			 s->dev);
		return -ERANGE;
	}
	ret = ethtool_get_rings(&s->eth, s->ifindex, &s->rings);
	if (ret) {
		complain("%s: the driver tells nothing about its rings (%s)",
			 s->dev, reason(s, ret));
		return ret;
	}
	if (!s->rings.has_split) {
		complain("%s: the driver does not split header and data of packets, so zero-copy receive is out of reach",
			 s->dev);
		return -EOPNOTSUPP;
	}
	if (!verifies(s->dev)) {
		complain("%s: its receive checksum offload is off, and the CPU cannot verify payload that it does not see: ethtool -K %s rx on",
			 s->dev, s->dev);
		return -EOPNOTSUPP;
	}
	if (s->rx > (long)s->rings.rx_max) {
		complain("%s: rings have %u entries at most, not %ld", s->dev,
			 s->rings.rx_max, s->rx);
		return -ERANGE;
	}
	ret = ethtool_get_rss(&s->eth, s->ifindex, &s->rss);
	if (ret && s->queues > 1) {
		complain("%s: the driver has no RSS table to direct flows with (%s)",
			 s->dev, reason(s, ret));
		return ret;
	}
	if (!s->all_flows && s->queues < 2) {
		complain("%s: %s needs a second queue, for all the rest (ethtool -L %s may make one)", s->dev,
			 s->nr_ports ? "--port" : "--spread", s->dev);
		return -EINVAL;
	}
	return s->nr_ports ? look_at_rules(s) : 0;
}

static void __attribute__((format(printf, 2, 3)))
say(const struct setup *s, const char *fmt, ...)
{
	va_list ap;

	if (s->quiet)
		return;
	printf("%s: ", s->dev);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static const char *split_name(unsigned int split)
{
	return split == SPLIT_ON ? "on" : split == SPLIT_OFF ? "off" : "auto";
}

static bool number(const cJSON *state, const char *name, long *value)
{
	const cJSON *item = cJSON_GetObjectItem(state, name);

	if (!cJSON_IsNumber(item))
		return false;
	*value = item->valuedouble;
	return true;
}

static void remember(cJSON *state, const char *name, double value)
{
	if (!cJSON_GetObjectItem(state, name))
		cJSON_AddNumberToObject(state, name, value);
}

/*
 * The kernel does not say whether a table is its own or somebody has written
 * it.  Its own is one of two: every queue in turn (ethtool -X IFACE default),
 * or in blocks, as igb does.
 */
static bool is_default(const struct rss *rss, uint32_t queues)
{
	bool turns = true, blocks = true;
	uint32_t i;

	for (i = 0; i < rss->size; i++) {
		turns = turns && rss->table[i] == i % queues;
		blocks = blocks && rss->table[i] == (uint64_t)i * queues / rss->size;
	}
	return turns || blocks;
}

static void remember_rss(cJSON *state, const struct setup *s)
{
	cJSON *array;
	uint32_t i;

	if (!s->rss.size || cJSON_GetObjectItem(state, "rss"))
		return;
	/*
	 * The kernel's own follows the number of queues, and does not keep it
	 * from being changed; written back entry by entry it would be ours.
	 */
	if (is_default(&s->rss, s->queues)) {
		cJSON_AddStringToObject(state, "rss", "default");
		return;
	}
	array = cJSON_AddArrayToObject(state, "rss");
	for (i = 0; i < s->rss.size; i++)
		cJSON_AddItemToArray(array, cJSON_CreateNumber(s->rss.table[i]));
}

static bool has_rule(const cJSON *rules, long port, long queue)
{
	const cJSON *item;
	long p, q;

	cJSON_ArrayForEach(item, rules)
		if (number(item, "port", &p) && number(item, "queue", &q) && p == port && q == queue)
			return true;
	return false;
}

static void remember_rule(cJSON *state, long port, long queue)
{
	cJSON *rules = cJSON_GetObjectItem(state, "rules"), *rule;

	if (!rules)
		rules = cJSON_AddArrayToObject(state, "rules");
	if (has_rule(rules, port, queue))
		return;
	rule = cJSON_CreateObject();
	cJSON_AddNumberToObject(rule, "port", port);
	cJSON_AddNumberToObject(rule, "queue", queue);
	cJSON_AddItemToArray(rules, rule);
}

static int restore_rules(const struct setup *s, const cJSON *state)
{
	const cJSON *item;
	long port, queue, was;
	int ret = 0, err;

	cJSON_ArrayForEach(item, cJSON_GetObjectItem(state, "rules")) {
		if (!number(item, "port", &port) || !number(item, "queue", &queue))
			continue;
		err = rules_remove(s->dev, port, queue);
		if (!err)
			say(s, "no rule for port %ld", port);
		else
			complain("%s: the rule for port %ld cannot be taken away: %s", s->dev, port, strerror(-err));
		ret = ret ? ret : err;
	}
	if (number(state, "ntuple", &was)) {
		err = rules_set_feature(s->dev, was);
		if (!err)
			say(s, "ntuple %s", was ? "on" : "off");
		else
			complain("%s: ntuple cannot be put back: %s", s->dev, strerror(-err));
		ret = ret ? ret : err;
	}
	return ret;
}

/*
 * Put back everything that @state names.  Rings come first: a queue in use
 * refuses, and then nothing has been touched.
 */
static int restore(struct setup *s, const cJSON *state)
{
	const cJSON *rss = cJSON_GetObjectItem(state, "rss"), *item;
	struct rings r = { 0 };
	struct rss table = { 0 };
	int ret = 0, err;
	long v;

	if (number(state, "tcp_data_split", &v)) {
		r.has_split = true;
		r.split = v;
	}
	if (number(state, "hds_thresh", &v)) {
		r.has_threshold = true;
		r.threshold = v;
	}
	if (number(state, "rx", &v)) {
		r.has_rx = true;
		r.rx = v;
	}
	if (r.has_split || r.has_threshold || r.has_rx) {
		err = ethtool_set_rings(&s->eth, s->ifindex, &r);
		if (err) {
			complain("%s: rings cannot be put back: %s", s->dev,
				 reason(s, err));
			return err;
		}
		if (r.has_split)
			say(s, "tcp-data-split %s", split_name(r.split));
		if (r.has_threshold)
			say(s, "hds-thresh %u", r.threshold);
		if (r.has_rx)
			say(s, "%u receive descriptors", r.rx);
		wait_for_carrier(s);
	}
	if (number(state, "rx_gro_hw", &v)) {
		err = ethtool_set_feature(&s->eth, s->ifindex, GRO_HW, v);
		if (!err)
			say(s, GRO_HW " %s", v ? "on" : "off");
		else
			complain("%s: " GRO_HW " cannot be put back: %s", s->dev, reason(s, err));
		ret = err;
	}
	err = restore_rules(s, state);
	ret = ret ? ret : err;
	if (rss) {
		cJSON_ArrayForEach(item, rss) {
			void *p = realloc(table.table, (table.size + 1) * sizeof(uint32_t));

			if (!p)
				break;
			table.table = p;
			table.table[table.size++] = item->valuedouble;
		}
		err = ethtool_set_rss(&s->eth, s->ifindex, &table);
		free(table.table);
		if (!err) {
			say(s, table.size ? "RSS table as before" : "RSS table: default");
		} else {
			complain("%s: the RSS table cannot be put back: %s",
				 s->dev, reason(s, err));
			ret = ret ? ret : err;
		}
	}
	if (number(state, "mtu", &v)) {
		err = set_mtu(s->dev, v);
		if (!err) {
			say(s, "mtu %ld", v);
		} else {
			complain("%s: the MTU cannot be put back: %s", s->dev,
				 strerror(-err));
			ret = ret ? ret : err;
		}
		wait_for_carrier(s);
	}
	return ret;
}

/*
 * Can the driver give a single queue other memory?  A region of one page of
 * host memory tells, without touching the queue; no answer is no objection.
 */
static int probe(struct setup *s)
{
	const struct netgpu_region_params params = { .ifindex = s->ifindex, .queue = s->queue };
	struct netgpu_memory *m;
	struct netgpu_region *r;
	int ret;

	if (access("/dev/netgpu", F_OK) || access("/dev/udmabuf", F_OK))
		return 0;
	if (netgpu_memory_open("udmabuf", 4096, &m))
		return 0;
	ret = netgpu_region_open(m, &params, &r);
	if (!ret)
		netgpu_region_close(r);
	else if (ret != -EEXIST && ret != -EBUSY)
		complain("%s queue %ld cannot be used: %s", s->dev, s->queue,
			 netgpu_error());
	netgpu_memory_close(m);
	return ret == -EEXIST || ret == -EBUSY ? 0 : ret;
}

/* What is directed to the queue by rules.  They come first: a driver that has none says so before anything was changed. */
static int apply_rules(struct setup *s, cJSON *done)
{
	unsigned int i, count;
	int ret = 0;

	if (s->nr_ports && !s->ntuple) {
		ret = rules_set_feature(s->dev, true);
		if (!ret)
			remember(done, "ntuple", 0);
	}
	for (i = 0; !ret && i < s->nr_ports; i++) {
		ret = rules_count(s->dev, s->ports[i], s->queue, &count);
		if (ret || count == 2)
			continue;
		ret = rules_add(s->dev, s->ports[i], s->queue);
		if (!ret)
			remember_rule(done, s->ports[i], s->queue);
	}
	return ret ? no_rules(s, ret) : 0;
}

/* A driver may split only what it has put together itself, as mlx5 does. */
static int set_rings(struct setup *s, const struct rings *want, cJSON *state, cJSON *done)
{
	bool on = true, can_change = false;
	int ret = ethtool_set_rings(&s->eth, s->ifindex, want), err;

	if ((ret != -EINVAL && ret != -EOPNOTSUPP) || !want->has_split || want->split != SPLIT_ON)
		return ret;
	if (ethtool_get_feature(&s->eth, s->ifindex, GRO_HW, &on, &can_change) || on || !can_change)
		goto said;
	remember(state, "rx_gro_hw", 0);
	err = state_store(&s->key, state);
	if (err)
		return err;
	remember(done, "rx_gro_hw", 0);		/* the wish may be kept though it fails */
	if (ethtool_set_feature(&s->eth, s->ifindex, GRO_HW, true))
		goto said;
	say(s, GRO_HW " off -> on");
	return ethtool_set_rings(&s->eth, s->ifindex, want);
said:
	/* the words of the first failure were overwritten */
	return ethtool_set_rings(&s->eth, s->ifindex, want);
}

/*
 * @state gets what is to be changed, and is kept before anything is; @done what
 * was changed, with the values before.
 */
static int apply(struct setup *s, cJSON *state, cJSON *done)
{
	struct rings want = { 0 };
	struct rss table = { .size = s->rss.size };
	uint32_t i, next = 0;
	int ret;

	if (s->mtu && s->mtu != s->mtu_now) {
		say(s, "mtu %d -> %ld", s->mtu_now, s->mtu);
		remember(state, "mtu", s->mtu_now);
	}
	if (s->rings.split != SPLIT_ON) {
		say(s, "tcp-data-split %s -> on", split_name(s->rings.split));
		remember(state, "tcp_data_split", s->rings.split);
		want.has_split = true;
		want.split = SPLIT_ON;
	}
	if (s->rings.has_threshold && s->rings.threshold) {
		say(s, "hds-thresh %u -> 0", s->rings.threshold);
		remember(state, "hds_thresh", s->rings.threshold);
		want.has_threshold = true;
	}
	if (s->rx && s->rx != s->rings.rx) {
		say(s, "receive descriptors %u -> %ld", s->rings.rx, s->rx);
		remember(state, "rx", s->rings.rx);
		want.has_rx = true;
		want.rx = s->rx;
	}
	for (i = 0; i < s->nr_ports; i++) {
		unsigned int count;

		ret = rules_count(s->dev, s->ports[i], s->queue, &count);
		if (ret)
			return no_rules(s, ret);
		if (count == 2)
			continue;
		say(s, "a rule: port %ld to queue %ld", s->ports[i], s->queue);
		remember_rule(state, s->ports[i], s->queue);
	}
	if (s->nr_ports && !s->ntuple) {
		say(s, "ntuple off -> on");
		remember(state, "ntuple", 0);
	}
	if (table.size) {
		say(s, s->spread ? "RSS: no hashed flow to queue %ld" :
				   "RSS: all hashed flows to queue %ld", s->queue);
		remember_rss(state, s);
	}
	if (s->dry_run)
		return 0;
	ret = state_store(&s->key, state);
	if (!ret)
		ret = apply_rules(s, done);
	if (ret)
		return ret;

	if (s->mtu && s->mtu != s->mtu_now) {
		ret = set_mtu(s->dev, s->mtu);
		if (ret) {
			complain("%s: mtu %ld: %s", s->dev, s->mtu,
				 reason(s, ret));
			return ret;
		}
		remember(done, "mtu", s->mtu_now);
		wait_for_carrier(s);
	}
	if (want.has_split || want.has_threshold || want.has_rx) {
		ret = set_rings(s, &want, state, done);
		if (ret) {
			complain("%s: header/data split cannot be switched on: %s",
				 s->dev, reason(s, ret));
			return ret;
		}
		if (want.has_split)
			remember(done, "tcp_data_split", s->rings.split);
		if (want.has_threshold)
			remember(done, "hds_thresh", s->rings.threshold);
		if (want.has_rx)
			remember(done, "rx", s->rings.rx);
		wait_for_carrier(s);
	}
	ret = probe(s);
	if (ret || !table.size)
		return ret;

	table.table = malloc(table.size * sizeof(uint32_t));
	if (!table.table)
		return -ENOMEM;
	for (i = 0; i < table.size; i++) {
		table.table[i] = s->spread ? s->rss.table[i] : (uint32_t)s->queue;
		if (s->spread && table.table[i] == s->queue) {
			if (next == s->queue)
				next++;
			table.table[i] = next++ % s->queues;
			if (table.table[i] == s->queue)
				table.table[i] = next++ % s->queues;
			next %= s->queues;
		}
	}
	ret = ethtool_set_rss(&s->eth, s->ifindex, &table);
	free(table.table);
	if (ret)
		complain("%s: RSS table: %s", s->dev, reason(s, ret));
	return ret;
}

enum { KEY_SPREAD = 0x100, KEY_MTU, KEY_RX, KEY_ALL };

static const struct argp_option setup_options[] = {
	{ "queue", 'q', "N", 0, "Receive queue for zero-copy, counted from 0", 0 },
	{ "port", 'p', "PORT", 0,
	  "Direct TCP connections to PORT of this machine to queue N by a rule, and no others; up to 16 times", 0 },
	{ "all-flows", KEY_ALL, NULL, 0,
	  "Direct all hashed flows to queue N, SSH's too: for cards that can steer by nothing else, and for a second card", 0 },
	{ "spread", KEY_SPREAD, NULL, 0,
	  "Only take queue N out of the RSS table; then direct flows to it by rules of your own (ethtool -N)", 0 },
	{ "mtu", KEY_MTU, "BYTES", 0,
	  "Set the MTU; 4148 carries 4096 bytes of payload per packet (IPv4, with timestamps)", 0 },
	{ "rx", KEY_RX, "N", 0, "Receive descriptors per queue", 0 },
	{ "dry-run", 'n', NULL, 0, "Only say what would be done", 0 },
	{ "quiet", 'Q', NULL, 0, "Say nothing unless something fails", 0 },
	{ 0 }
};

static const struct argp_option reset_options[] = {
	{ "quiet", 'Q', NULL, 0, "Say nothing unless something fails", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct setup *s = state->input;

	switch (key) {
	case 'q':
		if (parse_number(arg, 0, 65535, &s->queue))
			argp_error(state, "--queue: \"%s\" is not a queue", arg);
		return 0;
	case KEY_MTU:
		if (parse_number(arg, 68, 65535, &s->mtu))
			argp_error(state, "--mtu: \"%s\" is not from 68 to 65535", arg);
		return 0;
	case KEY_RX:
		if (parse_number(arg, 1, 1 << 20, &s->rx))
			argp_error(state, "--rx: \"%s\" is not a number of descriptors", arg);
		return 0;
	case 'p':
		if (s->nr_ports == PORTS)
			argp_error(state, "--port: %d of them at most", PORTS);
		if (parse_number(arg, 1, 65535, &s->ports[s->nr_ports++]))
			argp_error(state, "--port: \"%s\" is not from 1 to 65535", arg);
		return 0;
	case KEY_ALL: s->all_flows = true; return 0;
	case KEY_SPREAD: s->spread = true; return 0;
	case 'n': s->dry_run = true; return 0;
	case 'Q': s->quiet = true; return 0;
	case ARGP_KEY_ARG:
		if (s->dev)
			argp_error(state, "one network device at a time");
		s->dev = arg;
		return 0;
	case ARGP_KEY_END:
		if (!s->dev)
			argp_error(state, "which network device?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp setup_argp = {
	.options = setup_options,
	.parser = parse_option,
	.args_doc = "IFACE",
	.doc = "Prepare a network device for zero-copy receive: header/data split on, and flows to one queue.\v"
	       "\"netgpu reset IFACE\" puts everything back.",
};

static const struct argp reset_argp = {
	.options = reset_options,
	.parser = parse_option,
	.args_doc = "IFACE",
	.doc = "Put back what \"netgpu setup\" has changed.",
};

/* As it was before this setup, which is not always before the first. */
static void undo(struct setup *s, const cJSON *done, const cJSON *before)
{
	s->quiet = true;
	s->eth.said[0] = 0;
	if (restore(s, done))
		return;		/* the state has it, for reset */
	if (before)
		state_store(&s->key, before);
	else
		state_forget(&s->key);
}

static int setup(struct setup *s)
{
	cJSON *before = s->dry_run ? NULL : state_load(&s->key);
	cJSON *state = before ? cJSON_Duplicate(before, true) :
				state_new(&s->key);
	cJSON *done = cJSON_CreateObject();
	int ret = -ENOMEM;

	if (state && done)
		ret = apply(s, state, done);
	else
		complain("out of memory");
	if (ret && !s->dry_run)
		undo(s, done, before);
	cJSON_Delete(done);
	cJSON_Delete(state);
	cJSON_Delete(before);
	return ret;
}

int cmd_setup(int argc, char **argv)
{
	struct setup s = { .queue = -1, .key.lock = -1 };
	int ret;

	if (argp_parse(&setup_argp, argc, argv, 0, NULL, &s))
		return 1;
	if (s.queue < 0) {
		complain("which queue? Give --queue N");
		return 1;
	}
	if (s.all_flows + s.spread + (s.nr_ports > 0) != 1) {
		complain("which flows are to go to queue %ld? One of --port PORT (those of this port, by a rule), --all-flows (all, SSH's "
			 "too), --spread (none; you make rules)", s.queue);
		return 1;
	}
	s.spread = !s.all_flows;
	ret = find_device(&s);
	if (!ret && !s.dry_run)
		ret = state_lock(&s.key, s.dev, s.ifindex);
	if (!ret)
		ret = look(&s);
	if (!ret)
		ret = setup(&s);
	free(s.rss.table);
	ethtool_close(&s.eth);
	state_unlock(&s.key);
	return ret ? 1 : 0;
}

int cmd_reset(int argc, char **argv)
{
	struct setup s = { .queue = -1, .key.lock = -1 };
	cJSON *state = NULL;
	int ret;

	if (argp_parse(&reset_argp, argc, argv, 0, NULL, &s))
		return 1;
	ret = find_device(&s);
	if (!ret)
		ret = state_lock(&s.key, s.dev, s.ifindex);
	if (ret)
		goto out;
	state = state_load(&s.key);
	if (!state) {
		complain("%s: nothing to put back, \"netgpu setup\" has not been used on it",
			 s.dev);
		ret = -ENOENT;
		goto out;
	}
	ret = restore(&s, state);
	if (!ret)
		state_forget(&s.key);
	cJSON_Delete(state);
out:
	ethtool_close(&s.eth);
	state_unlock(&s.key);
	return ret ? 1 : 0;
}
