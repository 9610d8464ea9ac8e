// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: how much memory a user may pin for network devices.
 *
 * A pinned buffer cannot be evicted: without a limit, one user could take the
 * memory of a GPU from all others. What is pinned is the whole dma-buf, however
 * small the region, and it is pinned once, however many regions and devices
 * there are. So each user is charged the size of each dma-buf it has regions
 * of, made through /dev/netgpu.
 */
#include <linux/cred.h>
#include <linux/init.h>
#include <linux/netlink.h>
#include <linux/sizes.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>

#include "internal.h"

/*
 * Room for the bandwidth-delay product of fast links many times over, and for
 * a part of what even small GPUs of today have.
 */
unsigned long netgpu_max_pinned_bytes = MIN_T(u64, SZ_4G, ULONG_MAX);

/**
 * netgpu_pinned_bytes - sizes of all dma-bufs of which a user has regions
 * @user: the user.
 *
 * Context: netgpu_lock is held.
 *
 * Return: bytes.
 */
u64 netgpu_pinned_bytes(const struct user_struct *user)
{
	const struct netgpu_region *region;
	const struct dma_buf *last = NULL;
	u64 bytes = 0;

	lockdep_assert_held(&netgpu_lock);

	/* Those of one dma-buf are side by side. */
	list_for_each_entry(region, &netgpu_regions, list) {
		if (region->charged != user || region->dmabuf == last)
			continue;
		last = region->dmabuf;
		bytes += last->size;
	}
	return bytes;
}

static bool netgpu_is_charged(const struct user_struct *user,
			      const struct dma_buf *dmabuf)
{
	const struct netgpu_region *region;

	list_for_each_entry(region, &netgpu_regions, list)
		if (region->charged == user && region->dmabuf == dmabuf)
			return true;
	return false;
}

/**
 * netgpu_check_limit - may a user have this region, too?
 * @region: the region, not yet in the list.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Context: netgpu_lock is held.
 *
 * Return: 0, -EDQUOT when that would be more than the sysctl
 * net.netgpu.max_pinned_bytes allows.
 */
int netgpu_check_limit(const struct netgpu_region *region,
		       struct netlink_ext_ack *extack)
{
	unsigned long max = READ_ONCE(netgpu_max_pinned_bytes);
	size_t size = region->dmabuf->size;
	u64 bytes;

	lockdep_assert_held(&netgpu_lock);

	if (netgpu_is_charged(region->charged, region->dmabuf))
		return 0;
	bytes = netgpu_pinned_bytes(region->charged);
	if (bytes <= max && size <= max - bytes)
		return 0;
	NL_SET_ERR_MSG_FMT(extack,
			   "pinned %llu + %zu bytes > net.netgpu.max_pinned_bytes %lu",
			   bytes, size, max);
	return -EDQUOT;
}

static const struct ctl_table netgpu_sysctls[] = {
	{
		.procname	= "max_pinned_bytes",
		.data		= &netgpu_max_pinned_bytes,
		.maxlen		= sizeof(netgpu_max_pinned_bytes),
		.mode		= 0644,
		.proc_handler	= proc_doulongvec_minmax,
	},
	{
		.procname	= "refused_exporters",
		.data		= &netgpu_refused_exporters,
		.maxlen		= sizeof(netgpu_refused_exporters),
		.mode		= 0444,
		.proc_handler	= proc_doulongvec_minmax,
	},
};

static int __init netgpu_limit_init(void)
{
	if (!register_net_sysctl(&init_net, "net/netgpu", netgpu_sysctls))
		return -ENOMEM;
	return 0;
}
device_initcall(netgpu_limit_init);
