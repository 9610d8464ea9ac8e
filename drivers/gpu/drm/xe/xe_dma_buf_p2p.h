/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XE_DMA_BUF_P2P_H_
#define _XE_DMA_BUF_P2P_H_

#include <linux/cleanup.h>
#include <linux/types.h>

struct dma_buf_attachment;
struct xe_bo;
struct xe_device;

int xe_dma_buf_make_visible(struct xe_bo *bo);
bool xe_dma_buf_is_lost(struct xe_bo *bo);

int xe_dma_buf_gpu_enter(struct xe_bo *bo);
void xe_dma_buf_gpu_exit(int idx);
/* In its scope, a device that is there stays: see xe_dma_buf_is_lost(). */
DEFINE_CLASS(xe_dma_buf_gpu, int, xe_dma_buf_gpu_exit(_T),
	     xe_dma_buf_gpu_enter(bo), struct xe_bo *bo)

int xe_dma_buf_peer_map(struct dma_buf_attachment *attach);
void xe_dma_buf_peer_unmap(struct dma_buf_attachment *attach);

void xe_dma_buf_revoke(struct xe_device *xe);

#endif
