/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __I915_GEM_DMABUF_P2P_H__
#define __I915_GEM_DMABUF_P2P_H__

#include <linux/dma-direction.h>
#include <linux/types.h>

#include "i915_selftest.h"

struct device;
struct dma_buf_attachment;
struct drm_i915_gem_object;
struct drm_i915_private;
struct phys_vec;
struct sg_table;

bool i915_gem_dmabuf_attach_peer(struct drm_i915_gem_object *obj,
				 struct dma_buf_attachment *attach);
void i915_gem_dmabuf_detach_peer(struct drm_i915_gem_object *obj,
				 struct dma_buf_attachment *attach);

int i915_gem_dmabuf_pin(struct dma_buf_attachment *attach);
void i915_gem_dmabuf_unpin(struct dma_buf_attachment *attach);

struct sg_table *i915_gem_dmabuf_map_peer(struct dma_buf_attachment *attach,
					  enum dma_data_direction dir);
void i915_gem_dmabuf_unmap(struct dma_buf_attachment *attach,
			   struct sg_table *sgt, enum dma_data_direction dir);

bool i915_gem_dmabuf_is_lost(struct drm_i915_gem_object *obj);
void i915_gem_dmabuf_invalidate(struct drm_i915_gem_object *obj);
void i915_gem_dmabuf_revoke(struct drm_i915_private *i915);

#if IS_ENABLED(CONFIG_DRM_I915_SELFTEST)
/* What PCI says and does, for a mock device, which is on no bus. */
struct i915_gem_mock_peer {
	bool reaches;
	struct sg_table *(*map)(const struct phys_vec *vec, unsigned int count);
	void (*unmap)(struct sg_table *sgt);
};

extern const struct i915_gem_mock_peer *i915_gem_mock_peer;
#endif

#endif /* __I915_GEM_DMABUF_P2P_H__ */
