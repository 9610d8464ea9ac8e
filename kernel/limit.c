// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: how much memory a user may pin for network devices.
 *
 * A pinned buffer cannot be evicted: without a limit, one user could take the
 * memory of a GPU from all others. What is pinned is the whole dma-buf, however
 * small the region, and it is pinned once, however many regions and devices
 * share it. So each user is charged the size of each dma-buf of which it has
 * regions.
 */
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/netlink.h>
#include <linux/sched/user.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <net/net_namespace.h>

#include "internal.h"

/*
 * Room for the bandwidth-delay product of fast links many times over, and for
 * a part of what even small GPUs of today have.
 */
unsigned long netgpu_max_pinned_bytes = MIN_T(u64, SZ_4G, ULONG_MAX);

static struct netgpu_charge *
netgpu_charge_find(const struct netgpu_buffer *buffer,
		   const struct user_struct *user)
{
	struct netgpu_charge *charge;

	list_for_each_entry(charge, &buffer->charges, list)
		if (charge->user == user)
			return charge;
	return NULL;
}

/**
 * netgpu_charged_bytes - sizes of all dma-bufs of which a user has regions
 * @user: the user.
 *
 * Context: netgpu_lock is held.
 *
 * Return: bytes.
 */
u64 netgpu_charged_bytes(const struct user_struct *user)
{
	const struct netgpu_buffer *buffer;
	u64 bytes = 0;

	lockdep_assert_held(&netgpu_lock);

	list_for_each_entry(buffer, &netgpu_buffers, list)
		if (netgpu_charge_find(buffer, user))
			bytes += buffer->dmabuf->size;
	return bytes;
}

/**
 * netgpu_charge - charge a buffer for one more region
 * @buffer: the buffer.
 * @user: who makes the region.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Context: netgpu_lock is held.
 *
 * Return: 0, -EDQUOT when that would be more than the sysctl
 * net.netgpu.max_pinned_bytes allows, -ENOMEM.
 */
int netgpu_charge(struct netgpu_buffer *buffer, struct user_struct *user,
		  struct netlink_ext_ack *extack)
{
	unsigned long max = READ_ONCE(netgpu_max_pinned_bytes);
	struct netgpu_charge *charge;
	u64 bytes;

	lockdep_assert_held(&netgpu_lock);

	charge = netgpu_charge_find(buffer, user);
	if (charge) {
		charge->regions++;
		return 0;
	}

	bytes = netgpu_charged_bytes(user);
	if (bytes > max || buffer->dmabuf->size > max - bytes) {
		NL_SET_ERR_MSG_FMT(extack,
				   "pinned %llu + %zu bytes > net.netgpu.max_pinned_bytes %lu",
				   bytes, buffer->dmabuf->size, max);
		return -EDQUOT;
	}

	charge = kzalloc_obj(*charge, GFP_KERNEL_ACCOUNT);
	if (!charge)
		return -ENOMEM;
	charge->user = get_uid(user);
	charge->regions = 1;
	list_add_tail(&charge->list, &buffer->charges);
	return 0;
}

/**
 * netgpu_uncharge - a region of a buffer is gone
 * @buffer: the buffer.
 * @user: who had made the region.
 *
 * Context: netgpu_lock is held.
 */
void netgpu_uncharge(struct netgpu_buffer *buffer, struct user_struct *user)
{
	struct netgpu_charge *charge;

	lockdep_assert_held(&netgpu_lock);

	charge = netgpu_charge_find(buffer, user);
	if (WARN_ON_ONCE(!charge) || --charge->regions)
		return;
	list_del(&charge->list);
	free_uid(charge->user);
	kfree(charge);
}

static const struct ctl_table netgpu_sysctls[] = {
	{
		.procname	= "max_pinned_bytes",
		.data		= &netgpu_max_pinned_bytes,
		.maxlen		= sizeof(netgpu_max_pinned_bytes),
		.mode		= 0644,
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
