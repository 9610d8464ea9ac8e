/* SPDX-License-Identifier: GPL-2.0 */
/* A GPU's own memory, allocated by its driver: amdgpu, i915, nouveau or xe. */
#ifndef DRM_MEMORY_H
#define DRM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Export @size bytes of the memory of the GPU behind @drm, an open render node: a dma-buf.
 * @hidden: the CPU need not reach it, so on a GPU with a small BAR it may be beyond that.
 * Ends the program with a message when there is no such thing.
 */
int drm_memory(int drm, size_t size, bool hidden);

/*
 * The GPU uses the buffer @dmabuf of its own once, so that it is where its driver wants it:
 * i915 leaves what only the CPU has touched in the host's memory. Nothing happens with the
 * others, which put it there at once. Ends the program as above.
 */
void drm_use(int drm, int dmabuf);

#endif
