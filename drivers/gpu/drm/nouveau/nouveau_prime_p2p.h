/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __NOUVEAU_PRIME_P2P_H__
#define __NOUVEAU_PRIME_P2P_H__

struct dma_buf;
struct dma_buf_ops;
struct drm_device;
struct drm_gem_object;
struct nouveau_bo;
struct nouveau_drm;

extern const struct dma_buf_ops nouveau_dmabuf_ops;

struct drm_gem_object *nouveau_gem_prime_import(struct drm_device *dev,
						struct dma_buf *dmabuf);

void nouveau_dmabuf_invalidate(struct nouveau_bo *nvbo);
void nouveau_dmabuf_revoke(struct nouveau_drm *drm);

#endif
