// SPDX-License-Identifier: GPL-2.0
/* A proprietary exporter of dma-bufs, without a layer. */
#include <linux/dma-buf.h>

#include "gate.h"

USE(dma_buf_export);

MODULE_IMPORT_NS("DMA_BUF");
MODULE_DESCRIPTION("Test of the GPL gate: an exporter without a layer");
MODULE_LICENSE("Proprietary");
