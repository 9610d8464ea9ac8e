// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers: importers of a dma-buf that have VRAM mapped through the BAR.
 *
 * They are told of an eviction by xe_bo_move_notify(). But what they have
 * pinned is not evicted, not even when the device is removed: so this keeps
 * count of the mappings, to end them. And it sees to it that peers are given
 * only what the BAR shows.
 */
#include "xe_dma_buf_p2p.h"

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/wait_bit.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "xe_bo.h"
#include "xe_device_types.h"
#include "xe_ttm_vram_mgr.h"

/* Importers promise to unmap in bounded time; this is for those that do not. */
#define XE_DMA_BUF_UNMAP_TIMEOUT	(10 * HZ)

/**
 * xe_dma_buf_make_visible() - have a BO where peers can reach it
 * @bo: The BO, locked.
 *
 * On a device with a small BAR, a BO that only the GPU was to reach may be
 * beyond it. From now on, VRAM means the part that the BAR shows: the next
 * validation moves the BO there.
 *
 * Return: 0, or a negative error code: -ENOSPC when the BO is pinned beyond
 * the BAR.
 */
int xe_dma_buf_make_visible(struct xe_bo *bo)
{
	struct ttm_resource *res = bo->ttm.resource;

	xe_bo_assert_held(bo);

	if (!(bo->flags & XE_BO_FLAG_VRAM_MASK))
		return 0;
	if (xe_bo_is_pinned(bo)) {
		if (!xe_bo_is_vram(bo) ||
		    to_xe_ttm_vram_mgr_resource(res)->used_visible_size >= res->size)
			return 0;
		return -ENOSPC;
	}
	if (bo->flags & XE_BO_FLAG_NEEDS_CPU_ACCESS)
		return 0;
	bo->flags |= XE_BO_FLAG_NEEDS_CPU_ACCESS;
	return xe_bo_placement_for_flags(xe_bo_device(bo), bo, bo->flags,
					 bo->ttm.type);
}

/**
 * xe_dma_buf_peer_map() - an importer is about to have VRAM mapped
 * @attach: Its attachment; the BO is locked.
 *
 * Return: 0, or -ENODEV when the device is gone.
 */
int xe_dma_buf_peer_map(struct dma_buf_attachment *attach)
{
	struct drm_gem_object *obj = attach->dmabuf->priv;
	struct xe_device *xe = to_xe_device(obj->dev);

	dma_resv_assert_held(attach->dmabuf->resv);

	if (drm_dev_is_unplugged(&xe->drm))
		return -ENODEV;
	/* There is no use in waiting for who cannot be told to unmap. */
	if (dma_buf_attach_revocable(attach))
		atomic_inc(&xe->mem.peer_mappings);
	return 0;
}

/**
 * xe_dma_buf_peer_unmap() - undo xe_dma_buf_peer_map()
 * @attach: The attachment; the BO is locked.
 */
void xe_dma_buf_peer_unmap(struct dma_buf_attachment *attach)
{
	struct drm_gem_object *obj = attach->dmabuf->priv;
	struct xe_device *xe = to_xe_device(obj->dev);

	dma_resv_assert_held(attach->dmabuf->resv);

	if (dma_buf_attach_revocable(attach) &&
	    atomic_dec_and_test(&xe->mem.peer_mappings))
		wake_up_var(&xe->mem.peer_mappings);
}

/**
 * xe_dma_buf_revoke_pinned() - the memory of a pinned BO goes away
 * @bo: The BO. If it is in VRAM and was exported, its importers are told to
 * unmap.
 *
 * Return: 0.
 */
int xe_dma_buf_revoke_pinned(struct xe_bo *bo)
{
	struct drm_gem_object *obj = &bo->ttm.base;

	xe_bo_lock(bo, false);
	if (xe_bo_is_vram(bo) && obj->dma_buf && !drm_gem_is_imported(obj))
		dma_buf_invalidate_mappings(obj->dma_buf);
	xe_bo_unlock(bo);
	return 0;
}

/**
 * xe_dma_buf_wait_unmapped() - wait until no peer has VRAM mapped
 * @xe: The device, unplugged, with its BOs evicted or invalidated.
 *
 * Returns when they have unmapped, which is when their accesses have ended, or
 * when that takes too long for all of them together, which is noted in the log.
 */
void xe_dma_buf_wait_unmapped(struct xe_device *xe)
{
	if (!wait_var_event_timeout(&xe->mem.peer_mappings,
				    !atomic_read(&xe->mem.peer_mappings),
				    XE_DMA_BUF_UNMAP_TIMEOUT))
		drm_err(&xe->drm, "importers were told to unmap VRAM, and have not\n");
}

#if IS_ENABLED(CONFIG_DRM_XE_KUNIT_TEST)
#include "tests/xe_dma_buf_p2p_kunit.c"
#endif
