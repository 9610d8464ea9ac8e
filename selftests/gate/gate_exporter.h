/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A layer for exporters of dma-bufs: what a module needs GPL-only symbols for,
 * exported to anyone.
 */
#ifndef GATE_EXPORTER_H
#define GATE_EXPORTER_H

#include <linux/dma-buf.h>

/* Make /dev/NAME, of which any ioctl returns a dma-buf of one page. */
int gate_exporter_register(const char *name, struct module *owner,
			   const struct dma_buf_ops *ops);
void gate_exporter_unregister(void);

struct sg_table *gate_exporter_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir);
void gate_exporter_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			 enum dma_data_direction dir);
void gate_exporter_release(struct dma_buf *dmabuf);

#endif
