// SPDX-License-Identifier: GPL-2.0-only
/*
 * VRAM that is made of several blocks, as one range of kernel addresses.
 *
 * ttm_bo_vmap() maps what follows the first block, whoever that belongs to.
 */
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "amdgpu.h"
#include "amdgpu_dma_buf.h"
#include "amdgpu_res_cursor.h"

/**
 * amdgpu_dma_buf_is_scattered - is a buffer in VRAM, in several blocks?
 * @bo: the buffer, reserved.
 *
 * Return: true when it is.
 */
bool amdgpu_dma_buf_is_scattered(struct amdgpu_bo *bo)
{
	struct ttm_resource *res = bo->tbo.resource;
	struct amdgpu_res_cursor cursor;

	dma_resv_assert_held(bo->tbo.base.resv);

	if (!res || res->mem_type != TTM_PL_VRAM)
		return false;
	amdgpu_res_first(res, 0, bo->tbo.base.size, &cursor);
	return cursor.size < bo->tbo.base.size;
}

/**
 * amdgpu_dma_buf_vmap_scattered - map a scattered buffer for the CPU
 * @bo: the buffer, pinned, reserved, and nowhere beyond the BAR.
 * @map: where to put the mapping. To be undone with
 *	amdgpu_dma_buf_vunmap_scattered().
 *
 * Return: 0 or -ENOMEM.
 */
int amdgpu_dma_buf_vmap_scattered(struct amdgpu_bo *bo, struct iosys_map *map)
{
	struct amdgpu_device *adev = amdgpu_ttm_adev(bo->tbo.bdev);
	unsigned long count = PFN_UP(bo->tbo.base.size), i = 0, page;
	struct amdgpu_res_cursor cursor;
	unsigned long *pfns;
	void *vaddr;

	dma_resv_assert_held(bo->tbo.base.resv);

	pfns = kvmalloc_objs(*pfns, count);
	if (!pfns)
		return -ENOMEM;

	for (amdgpu_res_first(bo->tbo.resource, 0, bo->tbo.base.size, &cursor);
	     cursor.remaining; amdgpu_res_next(&cursor, cursor.size)) {
		for (page = 0; page < cursor.size && i < count; page += PAGE_SIZE)
			pfns[i++] = PHYS_PFN(adev->gmc.aper_base + cursor.start + page);
	}

	vaddr = vmap_pfn(pfns, count, pgprot_writecombine(PAGE_KERNEL));
	kvfree(pfns);
	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr_iomem(map, (void __iomem *)vaddr);
	return 0;
}

/**
 * amdgpu_dma_buf_vunmap_scattered - undo amdgpu_dma_buf_vmap_scattered()
 * @map: the mapping.
 */
void amdgpu_dma_buf_vunmap_scattered(struct iosys_map *map)
{
	vunmap((void __force *)map->vaddr_iomem);
}
