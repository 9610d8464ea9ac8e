// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers: importers of a dma-buf that have VRAM mapped through the BAR.
 *
 * They are told of an eviction by xe_bo_move_notify(). But what they have
 * pinned is not evicted, not even when the device is removed: so this keeps
 * track of the mappings, to end them. And it sees to it that peers are given
 * only what the BAR shows.
 */
#include "xe_dma_buf_p2p.h"

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
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
 * struct xe_dma_buf_peer - an attachment that has VRAM mapped
 * @list: In &xe_device.mem.peers.list.
 * @dmabuf: The dma-buf; it outlives the attachment.
 * @mappings: How many mappings there are; protected by the BO's lock.
 * @told: That the device goes away.
 */
struct xe_dma_buf_peer {
	struct list_head list;
	struct dma_buf *dmabuf;
	unsigned int mappings;
	bool told;
};

/**
 * xe_dma_buf_make_visible() - have a BO where peers can reach it
 * @bo: The BO, locked.
 *
 * On a device with a small BAR, a BO that only the GPU was to reach may be
 * beyond it. From now on, VRAM means the part that the BAR shows: the next
 * validation moves the BO there.
 *
 * Return: 0, or a negative error code: -ENOSPC when the BO is pinned beyond
 * the BAR, -ENODEV when the device is gone.
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
	/* It is in system memory since, and has to stay there. */
	if (drm_dev_is_unplugged(&xe_bo_device(bo)->drm))
		return -ENODEV;
	if (bo->flags & XE_BO_FLAG_NEEDS_CPU_ACCESS)
		return 0;
	bo->flags |= XE_BO_FLAG_NEEDS_CPU_ACCESS;
	return xe_bo_placement_for_flags(xe_bo_device(bo), bo, bo->flags,
					 bo->ttm.type);
}

/**
 * xe_dma_buf_is_lost() - is a BO in VRAM of a device that is gone?
 * @bo: The BO, locked.
 *
 * It was pinned when all others were moved to system memory. It cannot be moved
 * any more, nor be accessed.
 *
 * Return: true when it is.
 */
bool xe_dma_buf_is_lost(struct xe_bo *bo)
{
	xe_bo_assert_held(bo);

	return drm_dev_is_unplugged(&xe_bo_device(bo)->drm) &&
	       bo->ttm.resource && xe_bo_is_vram(bo);
}

/**
 * xe_dma_buf_gpu_enter() - have a device stay, if it is there
 * @bo: The BO.
 *
 * Return: for xe_dma_buf_gpu_exit(), -ENODEV when the device is gone.
 */
int xe_dma_buf_gpu_enter(struct xe_bo *bo)
{
	int idx;

	return drm_dev_enter(&xe_bo_device(bo)->drm, &idx) ? idx : -ENODEV;
}

/**
 * xe_dma_buf_gpu_exit() - let the device go
 * @idx: What xe_dma_buf_gpu_enter() has returned.
 */
void xe_dma_buf_gpu_exit(int idx)
{
	if (idx >= 0)
		drm_dev_exit(idx);
}

/**
 * xe_dma_buf_peer_map() - an importer is about to have VRAM mapped
 * @attach: Its attachment; the BO is locked.
 *
 * Return: 0, -ENODEV when the device is gone, -EOPNOTSUPP when the importer is no
 * peer, for whom a BO that others have pinned in VRAM is not moved, or -ENOMEM.
 */
int xe_dma_buf_peer_map(struct dma_buf_attachment *attach)
{
	struct drm_gem_object *obj = attach->dmabuf->priv;
	struct xe_device *xe = to_xe_device(obj->dev);
	struct xe_dma_buf_peer *peer = attach->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (drm_dev_is_unplugged(&xe->drm))
		return -ENODEV;
	if (!attach->peer2peer)
		return -EOPNOTSUPP;
	/* There is no use in waiting for who cannot be told to unmap. */
	if (!dma_buf_attach_revocable(attach))
		return 0;
	if (!peer) {
		peer = kzalloc_obj(*peer);
		if (!peer)
			return -ENOMEM;
		peer->dmabuf = attach->dmabuf;
		spin_lock(&xe->mem.peers.lock);
		/* It is so before xe_dma_buf_revoke() takes the lock. */
		if (drm_dev_is_unplugged(&xe->drm)) {
			spin_unlock(&xe->mem.peers.lock);
			kfree(peer);
			return -ENODEV;
		}
		list_add_tail(&peer->list, &xe->mem.peers.list);
		spin_unlock(&xe->mem.peers.lock);
		attach->priv = peer;
	}
	peer->mappings++;
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
	struct xe_dma_buf_peer *peer = attach->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!peer || --peer->mappings)
		return;
	attach->priv = NULL;
	scoped_guard(spinlock, &xe->mem.peers.lock)
		list_del(&peer->list);
	kfree(peer);
	wake_up_var(&xe->mem.peers);
}

/* A dma-buf whose importers were not told yet, with a reference. */
static struct dma_buf *xe_dma_buf_next(struct xe_device *xe)
{
	struct xe_dma_buf_peer *peer;

	guard(spinlock)(&xe->mem.peers.lock);
	list_for_each_entry(peer, &xe->mem.peers.list, list) {
		if (peer->told)
			continue;
		peer->told = true;
		/* Without references it is being unmapped. */
		if (get_file_active(&peer->dmabuf->file))
			return peer->dmabuf;
	}
	return NULL;
}

static bool xe_dma_buf_is_mapped(struct xe_device *xe)
{
	guard(spinlock)(&xe->mem.peers.lock);
	return !list_empty(&xe->mem.peers.list);
}

/**
 * xe_dma_buf_revoke() - the device goes away: end all access of peers
 * @xe: The device, unplugged, so that no VRAM is mapped any more, and with what
 * was not pinned evicted.
 *
 * Returns when they have unmapped, which is when their accesses have ended, or
 * when that takes too long for all of them together, which is noted in the log.
 */
void xe_dma_buf_revoke(struct xe_device *xe)
{
	struct dma_buf *dmabuf;

	while ((dmabuf = xe_dma_buf_next(xe))) {
		dma_resv_lock(dmabuf->resv, NULL);
		dma_buf_invalidate_mappings(dmabuf);
		dma_resv_unlock(dmabuf->resv);
		dma_buf_put(dmabuf);
	}
	if (!wait_var_event_timeout(&xe->mem.peers, !xe_dma_buf_is_mapped(xe),
				    XE_DMA_BUF_UNMAP_TIMEOUT))
		drm_err(&xe->drm, "importers were told to unmap VRAM, and have not\n");
}

#if IS_ENABLED(CONFIG_DRM_XE_KUNIT_TEST)
#include "tests/xe_dma_buf_p2p_kunit.c"
#endif
