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

/* Where it is to stay: in GTT, unless all importers are peers, as for xe_dma_buf_pin(). */
static int xe_dma_buf_place(struct dma_buf *dma_buf, struct xe_bo *bo,
			    struct drm_exec *exec)
{
	struct dma_buf_attachment *attach;

	list_for_each_entry(attach, &dma_buf->attachments, node) {
		if (attach->peer2peer)
			continue;
		if (xe_bo_is_mem_type(bo, XE_PL_TT))
			return 0;
		return xe_bo_is_pinned(bo) ? -EINVAL :
		       xe_bo_migrate(bo, XE_PL_TT, NULL, exec);
	}
	return xe_dma_buf_make_visible(bo) ?: xe_bo_validate(bo, NULL, false, exec);
}

/**
 * xe_dma_buf_vmap() - map a BO for the CPU
 * @dma_buf: What it is exported as, locked. The caller is attached to it, which
 * keeps the device awake, and has it mapped when it is a peer, so that it is
 * told when the device goes.
 * @map: Where to put the mapping. To be undone with xe_dma_buf_vunmap().
 *
 * The BO stays where it is until then: in system memory when an importer is no
 * peer, else, when it is in VRAM, where the CPU reaches it. A move may still be
 * under way: the caller waits for it before it accesses the BO. Who maps it while
 * somebody else has it mapped gets that mapping, see dma_buf_vmap().
 *
 * Return: 0, or a negative error code: -ENODEV when it is in VRAM of a device
 * that is gone, -ENOSPC when it is pinned beyond the BAR, -EINVAL when an
 * importer is no peer and it cannot be moved to GTT, as when it is pinned in
 * VRAM, -ENOMEM, or -EINTR or -ERESTARTSYS when a signal ended a move.
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
		err = xe_dma_buf_place(dma_buf, bo, exec);
		if (err)
			return err;
	}

	if (xe_bo_is_vram(bo))
		err = xe_dma_buf_vmap_vram(bo, map);
	else
		err = ttm_bo_vmap(&bo->ttm, map);
	/* It is populated now, as the shrinker counts it. In place, this cannot fail. */
	return err ?: xe_bo_pin_external(bo, true, exec);
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

#if IS_ENABLED(CONFIG_DRM_XE_KUNIT_TEST)
#include "tests/xe_dma_buf_vmap_kunit.c"
#endif
