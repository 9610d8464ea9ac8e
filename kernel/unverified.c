// SPDX-License-Identifier: GPL-2.0
/*
 * Packets in a region that nobody could verify.
 */
#include <linux/atomic.h>
#include <linux/export.h>

#include "internal.h"

void netgpu_region_unverified(struct netgpu_region *region)
{
	atomic64_inc(&region->unverified);
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_unverified, "NETGPU");
