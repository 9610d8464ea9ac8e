/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A DMA engine of a GPU that amdgpu drives, as the copier of endpoints: it moves what has arrived to where it belongs, inside the
 * GPU's memory, while shaders and the CPU have the time for something else.
 *
 * Needs libdrm_amdgpu, and Linux 6.6 for an eventfd of a fence. What is said in libnetgpu.h of errors and closing holds here, too.
 * Used by one thread, that of the domain.
 */
#ifndef LIBNETGPU_AMDGPU_H
#define LIBNETGPU_AMDGPU_H

#include <libnetgpu_endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct netgpu_sdma;

/**
 * netgpu_sdma_open - use a DMA engine of a GPU
 * @path: its render node ("/dev/dri/renderD128").
 * @sdma: where the object is stored.
 *
 * Errors: those of opening the node; EOPNOTSUPP it is not driven by amdgpu, or lacks an engine or what is needed of the kernel; ENOMEM.
 */
int netgpu_sdma_open(const char *path, struct netgpu_sdma **sdma);

/** netgpu_sdma_close - end it, waiting for what it has been told to do; NULL is allowed. The domain has been closed before. */
void netgpu_sdma_close(struct netgpu_sdma *sdma);

/**
 * netgpu_sdma_add - have it reach a memory
 * @sdma: which.
 * @memory: with a dma-buf: of this GPU, or of anybody whose memory it can reach. It stays open until it is removed, or the sdma closed.
 *
 * Errors: EINVAL it is no dma-buf; EEXIST it has been added; ENOSPC NETGPU_SDMA_MEMORIES have been; what the kernel says of importing and mapping it.
 */
int netgpu_sdma_add(struct netgpu_sdma *sdma, const struct netgpu_memory *memory);

/**
 * netgpu_sdma_remove - have it forget a memory, waiting for what it has been told to do
 * @sdma: which.
 * @memory: no endpoint receives into it any more.
 *
 * Errors: ENOENT it had not been added.
 */
int netgpu_sdma_remove(struct netgpu_sdma *sdma, const struct netgpu_memory *memory);

/** Most memories of one. */
#define NETGPU_SDMA_MEMORIES	64

/** netgpu_sdma_copier - for &netgpu_domain_params.copier; it is the sdma's, and moves between the memories that have been added */
const struct netgpu_copier *netgpu_sdma_copier(const struct netgpu_sdma *sdma);

#ifdef __cplusplus
}
#endif

#endif /* LIBNETGPU_AMDGPU_H */
