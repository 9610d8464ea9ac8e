// SPDX-License-Identifier: GPL-2.0-only
/*
 * A BO as one range of kernel addresses, for importers that access it by the
 * CPU.
 *
 * VRAM may be of several blocks; ttm_bo_vmap() maps what follows the first one,
 * whoever that belongs to.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <drm/ttm/ttm_bo.h>

#include "xe_bo.h"
#include "xe_dma_buf.h"
#include "xe_dma_buf_p2p.h"
#include "xe_res_cursor.h"
#include "xe_validation.h"
#include "xe_vram.h"

static int xe_dma_buf_vmap_vram(struct xe_bo *bo, struct iosys_map *map)
{
	struct xe_vram_region *vram = xe_map_resource_to_region(bo->ttm.resource);
	unsigned long count = PFN_UP(xe_bo_size(bo)), i = 0;
	resource_size_t start = xe_vram_region_io_start(vram);
	struct xe_res_cursor cursor;
	unsigned long *pfns;
	void *vaddr;

	pfns = kvmalloc_objs(*pfns, count);
	if (!pfns)
		return -ENOMEM;

	for (xe_res_first(bo->ttm.resource, 0, xe_bo_size(bo), &cursor);
	     cursor.remaining && i < count; xe_res_next(&cursor, PAGE_SIZE))
		pfns[i++] = PHYS_PFN(start + cursor.start);

	vaddr = vmap_pfn(pfns, count, pgprot_writecombine(PAGE_KERNEL));
	kvfree(pfns);
	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr_iomem(map, (void __iomem *)vaddr);
	return 0;
}

/**
 * xe_dma_buf_vmap() - map a BO for the CPU
 * @dma_buf: What it is exported as, locked. The caller is attached to it, which
 * keeps the device awake.
 * @map: Where to put the mapping. To be undone with xe_dma_buf_vunmap().
 *
 * The BO stays where it is until then. On a device with a small BAR it is moved
 * to where the CPU reaches it first.
 *
 * Return: 0, or a negative error code: -ENODEV when it is in VRAM of a device
 * that is gone, -ENOSPC when it is pinned beyond the BAR, -ENOMEM.
 */
int xe_dma_buf_vmap(struct dma_buf *dma_buf, struct iosys_map *map)
{
	struct drm_exec *exec = XE_VALIDATION_UNSUPPORTED;
	struct xe_bo *bo = gem_to_xe_bo(dma_buf->priv);
	int err;

	CLASS(xe_dma_buf_gpu, gpu)(bo);

	if (xe_dma_buf_is_lost(bo))
		return -ENODEV;
	/* What is in system memory of a device that is gone stays there. */
	if (gpu >= 0) {
		err = xe_dma_buf_make_visible(bo) ?:
		      xe_bo_validate(bo, NULL, false, exec);
		if (err)
			return err;
	}

	err = xe_bo_pin_external(bo, true, exec);
	if (err)
		return err;
	if (xe_bo_is_vram(bo))
		err = xe_dma_buf_vmap_vram(bo, map);
	else
		err = ttm_bo_vmap(&bo->ttm, map);
	if (err)
		xe_bo_unpin_external(bo);
	return err;
}

/**
 * xe_dma_buf_vunmap() - undo xe_dma_buf_vmap()
 * @dma_buf: What the BO is exported as, locked.
 * @map: The mapping.
 */
void xe_dma_buf_vunmap(struct dma_buf *dma_buf, struct iosys_map *map)
{
	struct xe_bo *bo = gem_to_xe_bo(dma_buf->priv);

	if (map->is_iomem)
		vunmap((void __force *)map->vaddr_iomem);
	else
		ttm_bo_vunmap(&bo->ttm, map);
	xe_bo_unpin_external(bo);
}
