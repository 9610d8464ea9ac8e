/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XE_DMA_BUF_P2P_H_
#define _XE_DMA_BUF_P2P_H_

#include <linux/types.h>

struct dma_buf_attachment;
struct xe_bo;
struct xe_device;

int xe_dma_buf_make_visible(struct xe_bo *bo);
bool xe_dma_buf_is_lost(struct xe_bo *bo);

int xe_dma_buf_peer_map(struct dma_buf_attachment *attach);
void xe_dma_buf_peer_unmap(struct dma_buf_attachment *attach);

void xe_dma_buf_revoke(struct xe_device *xe);

#endif
