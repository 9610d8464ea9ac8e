// SPDX-License-Identifier: GPL-2.0-only
/*
 * BOs that outlive their GPU.
 *
 * A program keeps its BOs until it closes its files, and importers theirs until
 * they detach: both may be long after the GPU has gone. What a BO has of the
 * hardware is taken from it when the driver lets go of the device; TTM and
 * &struct nouveau_drm stay until the last one has been freed, which is when the
 * &struct drm_device is.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include <drm/drm_gem.h>
#include <drm/drm_print.h>
#include <drm/ttm/ttm_pool.h>
#include <drm/ttm/ttm_tt.h>

#include "nouveau_bo.h"
#include "nouveau_drv.h"
#include "nouveau_fence.h"
#include "nouveau_mem.h"
#include "nouveau_ttm.h"
#include "nouveau_unplug.h"
#include "nouveau_vmm.h"

/* Channels are dead, so that this is for fences of other devices only. */
#define NOUVEAU_IDLE_TIMEOUT	(15 * HZ)

/**
 * nouveau_unplug_track - a BO has come to be
 * @nvbo: the BO, with a GEM object.
 */
void nouveau_unplug_track(struct nouveau_bo *nvbo)
{
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);

	guard(spinlock)(&drm->bos.lock);
	list_add_tail(&nvbo->live, &drm->bos.list);
}

/**
 * nouveau_unplug_forget - a BO has nothing of the hardware any more: it is freed
 * @nvbo: the BO, tracked or not.
 */
void nouveau_unplug_forget(struct nouveau_bo *nvbo)
{
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);

	guard(spinlock)(&drm->bos.lock);
	list_del_init(&nvbo->live);
	if (list_empty(&drm->bos.list))
		wake_up_var(&drm->bos.list);
}

/* A BO that still has something of the hardware, with a reference. */
static struct nouveau_bo *nouveau_unplug_next(struct nouveau_drm *drm)
{
	struct nouveau_bo *nvbo;

	guard(spinlock)(&drm->bos.lock);
	list_for_each_entry(nvbo, &drm->bos.list, live) {
		/* Without references it is being freed. */
		if (kref_get_unless_zero(&nvbo->bo.base.refcount)) {
			list_del_init(&nvbo->live);
			return nvbo;
		}
	}
	return NULL;
}

/* Has no BO anything of the hardware, nor one that is being freed? */
static bool nouveau_unplug_done(struct nouveau_drm *drm)
{
	guard(spinlock)(&drm->bos.lock);
	return list_empty(&drm->bos.list);
}

/* From the address spaces of the GPU. */
static void nouveau_unplug_unmap(struct nouveau_bo *nvbo)
{
	struct nouveau_vma *vma, *next;

	dma_resv_assert_held(nvbo->bo.base.resv);

	nvbo->bo.bdev->funcs->delete_mem_notify(&nvbo->bo);
	list_for_each_entry_safe(vma, next, &nvbo->vma_list, head) {
		nouveau_fence_unref(&vma->fence);
		vma->refs = 1;
		nouveau_vma_del(&vma);
	}
}

/* Objects of the GPU's; TTM's resource stays, and finds none when it is freed. */
static void nouveau_unplug_release(struct nouveau_bo *nvbo)
{
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);
	struct ttm_buffer_object *bo = &nvbo->bo;

	dma_resv_assert_held(bo->base.resv);

	switch (bo->resource->mem_type) {
	case TTM_PL_VRAM:
		/* Before Tesla, a range and no object. */
		if (drm->client.device.info.family >= NV_DEVICE_INFO_V0_TESLA)
			nouveau_mem_fini(nouveau_mem(bo->resource));
		break;
	case TTM_PL_TT:
		/* The aperture of AGP belongs to the chipset. */
		if (!drm->agp.bridge)
			nouveau_sgdma_unbind(bo->bdev, bo->ttm);
		break;
	}
}

/* Nobody uses its pages any more. Those of an import are its exporter's, and stay. */
static void nouveau_unplug_empty(struct ttm_buffer_object *bo)
{
	if (bo->ttm)
		ttm_tt_unpopulate(bo->bdev, bo->ttm);
	if (bo->type == ttm_bo_type_sg) {
		dma_buf_unmap_attachment(bo->base.import_attach, bo->sg, DMA_BIDIRECTIONAL);
		bo->sg = NULL;
	}
}

static void nouveau_unplug_bo(struct nouveau_bo *nvbo, unsigned long end)
{
	struct ttm_buffer_object *bo = &nvbo->bo;
	long left = max_t(long, end - jiffies, 0);

	dma_resv_lock(bo->base.resv, NULL);
	dma_resv_wait_timeout(bo->base.resv, DMA_RESV_USAGE_BOOKKEEP, false, left);
	nouveau_unplug_unmap(nvbo);
	/* The CPU's mappings went with the device; here, what it has of BAR 1. */
	ttm_bo_unmap_virtual(bo);
	nouveau_unplug_release(nvbo);
	/*
	 * Who has it pinned in system memory goes on to use its pages. Whoever
	 * had it in VRAM has unmapped it, and will unpin.
	 */
	if (!bo->pin_count)
		nouveau_unplug_empty(bo);
	dma_resv_unlock(bo->base.resv);
}

/**
 * nouveau_unplug_bos - take from all BOs what they have of the hardware
 * @drm: the device, unplugged, without channels.
 */
void nouveau_unplug_bos(struct nouveau_drm *drm)
{
	struct ttm_pool *pool = &drm->ttm.bdev.pool;
	unsigned long end = jiffies + NOUVEAU_IDLE_TIMEOUT;
	struct nouveau_bo *nvbo;

	while ((nvbo = nouveau_unplug_next(drm))) {
		nouveau_unplug_bo(nvbo, end);
		drm_gem_object_put(&nvbo->bo.base);
	}
	/* And those that wait for a fence to be freed, or are just being freed. */
	flush_workqueue(drm->ttm.bdev.wq);
	if (!wait_var_event_timeout(&drm->bos.list, nouveau_unplug_done(drm),
				    NOUVEAU_IDLE_TIMEOUT))
		drm_err(drm->dev, "buffers are being freed, and do not come to an end\n");

	/* A pool keeps pages that were freed, mapped for the device. */
	ttm_pool_fini(pool);
	ttm_pool_init(pool, pool->dev, pool->nid, pool->alloc_flags);
}

MODULE_IMPORT_NS("DMA_BUF");
