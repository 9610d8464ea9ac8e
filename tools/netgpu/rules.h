/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Rules that direct TCP connections to a port of this machine to a receive queue, as ethtool -N makes them. */
#ifndef RULES_H
#define RULES_H

#include <stdbool.h>
#include <stdint.h>

/* All: 0 or -errno; of a driver without rules -EOPNOTSUPP. */

/* May the device have rules?  Its feature "ntuple". */
int rules_get_feature(const char *dev, bool *on);
int rules_set_feature(const char *dev, bool on);

/* How many of the two rules, for IPv4 and IPv6, there are. */
int rules_count(const char *dev, uint16_t port, uint32_t queue, unsigned int *count);
/* Make both; when one cannot be made none is. */
int rules_add(const char *dev, uint16_t port, uint32_t queue);
/* Take away those that there are. */
int rules_remove(const char *dev, uint16_t port, uint32_t queue);

#endif
