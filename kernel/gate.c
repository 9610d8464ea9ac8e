// SPDX-License-Identifier: GPL-2.0
/*
 * The gate: whose memory is not taken.
 *
 * What netgpu offers to modules is GPL-only, and a module that gets around
 * that, with a layer between it and the kernel, is to gain nothing: the memory
 * of a proprietary module is refused. User space is not asked for its licence,
 * see Documentation/networking/netgpu-gate.rst.
 */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>

#include "internal.h"

/* Read by the sysctl as what it is, a long. */
atomic_long_t netgpu_refused_exporters;

static bool netgpu_module_is_proprietary(const struct module *module)
{
#ifdef CONFIG_MODULES
	return module && test_bit(TAINT_PROPRIETARY_MODULE, &module->taints);
#else
	return false;
#endif
}

/*
 * The owner is what the exporter says; its operations are what it does. A
 * module cannot go away while this looks at it, as the dma-buf holds its owner,
 * and RCU the list of modules.
 */
static const char *netgpu_proprietary_exporter(const struct dma_buf *dmabuf)
{
	const struct dma_buf_ops *ops = dmabuf->ops;
	const void *parts[] = { ops, ops->map_dma_buf };
	struct module *module = dmabuf->owner;
	unsigned int i;

	lockdep_assert_in_rcu_read_lock();

	if (netgpu_module_is_proprietary(module))
		return module_name(module);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		module = __module_address((unsigned long)parts[i]);
		if (netgpu_module_is_proprietary(module))
			return module_name(module);
	}
	return NULL;
}

/**
 * netgpu_exporter_is_proprietary - does a proprietary module export a dma-buf?
 * @dmabuf: the dma-buf.
 *
 * Return: true, too, when the module has inherited that taint.
 */
bool netgpu_exporter_is_proprietary(const struct dma_buf *dmabuf)
{
	guard(rcu)();

	return netgpu_proprietary_exporter(dmabuf);
}

/**
 * netgpu_check_exporter - may a dma-buf of this exporter become a region?
 * @dmabuf: the dma-buf.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * A refusal is counted (the sysctl net.netgpu.refused_exporters), and noted in
 * the log at a limited rate.
 *
 * Return: 0, -EPERM when a proprietary module exports it.
 */
int netgpu_check_exporter(const struct dma_buf *dmabuf,
			  struct netlink_ext_ack *extack)
{
	const char *name;

	guard(rcu)();

	name = netgpu_proprietary_exporter(dmabuf);
	if (!name)
		return 0;

	atomic_long_inc(&netgpu_refused_exporters);
	pr_notice_ratelimited("netgpu: refused memory of the proprietary module %s (exporter %s)\n",
			      name, dmabuf->exp_name);
	NL_SET_ERR_MSG_FMT(extack, "exporter module %.30s is proprietary: use a free driver",
			   name);
	return -EPERM;
}
