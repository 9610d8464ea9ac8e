/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* What setup asks of a network device, by ethtool's netlink. */
#ifndef NETGPU_ETHTOOL_H
#define NETGPU_ETHTOOL_H

#include <stdbool.h>
#include <stdint.h>

struct mnl_socket;

struct ethtool {
	struct mnl_socket *nl;
	uint16_t family;
	uint32_t seq;
	char said[256];		/* the kernel's words about the last failure */
};

enum { SPLIT_AUTO, SPLIT_OFF, SPLIT_ON };

struct rings {
	bool has_split, has_threshold, has_rx;
	uint8_t split;
	uint32_t threshold;	/* bytes */
	uint32_t rx, rx_max;	/* entries */
};

struct rss {
	uint32_t *table;	/* queue per entry; free() it */
	uint32_t size;
};

/* All: 0 or -errno, and a word in ethtool::said where the kernel gave one. */
int ethtool_open(struct ethtool *e);
void ethtool_close(struct ethtool *e);
int ethtool_get_rings(struct ethtool *e, uint32_t ifindex, struct rings *r);
/* Sets what the has_ fields name. */
int ethtool_set_rings(struct ethtool *e, uint32_t ifindex, const struct rings *r);
/* How many receive queues the device uses. */
int ethtool_get_queues(struct ethtool *e, uint32_t ifindex, uint32_t *queues);
int ethtool_get_rss(struct ethtool *e, uint32_t ifindex, struct rss *rss);
/* A feature by its name, as ethtool -k prints it: is it on, and can that be changed?  One that the device does not have is off. */
int ethtool_get_feature(struct ethtool *e, uint32_t ifindex, const char *name, bool *on, bool *can_change);
/* -EOPNOTSUPP when it is afterwards as it was. */
int ethtool_set_feature(struct ethtool *e, uint32_t ifindex, const char *name, bool on);
/* Size 0: the driver's own table. */
int ethtool_set_rss(struct ethtool *e, uint32_t ifindex, const struct rss *rss);

#endif
