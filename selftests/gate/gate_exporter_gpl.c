// SPDX-License-Identifier: GPL-2.0
/* An exporter of dma-bufs. */
#ifndef GATE_LICENCE
#define GATE_LICENCE "GPL"
#endif
#include <linux/delay.h>

#include "gate.h"
#include "gate_exporter.h"

static bool disguised;
module_param(disguised, bool, 0444);
MODULE_PARM_DESC(disguised, "name another module as the owner");

static unsigned int mapped;
module_param(mapped, uint, 0444);
MODULE_PARM_DESC(mapped, "how often its memory was mapped");

static unsigned int delay_ms;
module_param(delay_ms, uint, 0644);
MODULE_PARM_DESC(delay_ms, "how long it takes to map its memory");

static struct sg_table *map(struct dma_buf_attachment *attach,
			    enum dma_data_direction dir)
{
	mapped++;
	msleep(delay_ms);
	return gate_exporter_map(attach, dir);
}

static void unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	gate_exporter_unmap(attach, sgt, dir);
}

static void release(struct dma_buf *dmabuf)
{
	gate_exporter_release(dmabuf);
}

static const struct dma_buf_ops ops = {
	.map_dma_buf	= map,
	.unmap_dma_buf	= unmap,
	.release	= release,
};

static int __init gate_exporter_init(void)
{
	return gate_exporter_register("gate_exporter",
				      disguised ? NULL : THIS_MODULE, &ops);
}
module_init(gate_exporter_init);

static void __exit gate_exporter_exit(void)
{
	gate_exporter_unregister();
}
module_exit(gate_exporter_exit);

MODULE_DESCRIPTION("Test of the GPL gate: an exporter");
MODULE_LICENSE(GATE_LICENCE);
