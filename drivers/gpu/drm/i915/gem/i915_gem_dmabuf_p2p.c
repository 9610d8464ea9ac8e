// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers: importers of a dma-buf that reach local memory through the BAR.
 *
 * An object that only peers have attached stays in local memory, and they get
 * its addresses in the BAR. Any other importer moves it to system memory, as if
 * there were no peers; that fails while a peer has it pinned. Peers are told
 * with dma_buf_invalidate_mappings() when it moves, and when the device goes.
 *
 * A reset of a GT is none of their business: local memory and the BAR survive
 * it. It may not wait for them either, as they may wait for it.
 */
#include <linux/dma-buf.h>
#include <linux/dma-buf-mapping.h>
#include <linux/dma-resv.h>
#include <linux/pci-p2pdma.h>
#include <linux/wait_bit.h>

#include <drm/drm_drv.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>
#include <drm/intel/pci_config.h>

#include "gem/i915_gem_dmabuf_p2p.h"
#include "gem/i915_gem_lmem.h"
#include "gem/i915_gem_object.h"
#include "gem/i915_gem_region.h"
#include "i915_drv.h"
#include "intel_memory_region.h"

/* Importers promise to unmap in bounded time; this is for those that do not. */
#define PEER_UNMAP_TIMEOUT	(10 * HZ)

#if IS_ENABLED(CONFIG_DRM_I915_SELFTEST)
const struct i915_gem_mock_peer *i915_gem_mock_peer;
#endif

static bool region_is_reachable(const struct intel_memory_region *mr)
{
	return mr && mr->type == INTEL_MEMORY_LOCAL && resource_size(&mr->io);
}

/* The region that an object is to be in, when there is a choice. */
static struct intel_memory_region *
preferred_region(const struct drm_i915_gem_object *obj)
{
	return obj->mm.n_placements ? obj->mm.placements[0] :
				      READ_ONCE(obj->mm.region);
}

static bool peer_reaches(struct drm_i915_private *i915, struct device *dev)
{
#if IS_ENABLED(CONFIG_DRM_I915_SELFTEST)
	if (i915_gem_mock_peer)
		return i915_gem_mock_peer->reaches;
#endif
	return pci_p2pdma_distance(to_pci_dev(i915->drm.dev), dev, false) >= 0;
}

static struct sg_table *peer_map(struct dma_buf_attachment *attach,
				 struct phys_vec *vec, unsigned int count,
				 enum dma_data_direction dir)
{
	struct drm_gem_object *gem = attach->dmabuf->priv;
	struct p2pdma_provider *provider;

#if IS_ENABLED(CONFIG_DRM_I915_SELFTEST)
	if (i915_gem_mock_peer)
		return i915_gem_mock_peer->map(vec, count);
#endif
	provider = pcim_p2pdma_provider(to_pci_dev(gem->dev->dev),
					GEN12_LMEM_BAR);
	if (!provider)
		return ERR_PTR(-EOPNOTSUPP);
	return dma_buf_phys_vec_to_sgt(attach, provider, vec, count, gem->size,
				       dir);
}

static void peer_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
#if IS_ENABLED(CONFIG_DRM_I915_SELFTEST)
	if (i915_gem_mock_peer) {
		i915_gem_mock_peer->unmap(sgt);
		return;
	}
#endif
	dma_buf_free_sgt(attach, sgt, dir);
}

/**
 * i915_gem_dmabuf_attach_peer - attach an importer as a peer, if it can be one
 * @obj: the exported object.
 * @attach: the new attachment. What its peer2peer says afterwards is final.
 *
 * A peer keeps the device awake, as it does not ask before it uses the BAR.
 *
 * Return: true when it is a peer. To be undone with
 * i915_gem_dmabuf_detach_peer().
 */
bool i915_gem_dmabuf_attach_peer(struct drm_i915_gem_object *obj,
				 struct dma_buf_attachment *attach)
{
	struct drm_i915_private *i915 = to_i915(obj->base.dev);

	if (!attach->peer2peer)
		return false;
	if (!region_is_reachable(preferred_region(obj)) ||
	    !dma_buf_attach_revocable(attach) ||
	    !peer_reaches(i915, attach->dev)) {
		attach->peer2peer = false;
		return false;
	}
	attach->priv = intel_runtime_pm_get(&i915->runtime_pm);
	return true;
}

/**
 * i915_gem_dmabuf_detach_peer - undo i915_gem_dmabuf_attach_peer()
 * @obj: the exported object.
 * @attach: the attachment of a peer, without mappings.
 */
void i915_gem_dmabuf_detach_peer(struct drm_i915_gem_object *obj,
				 struct dma_buf_attachment *attach)
{
	struct drm_i915_private *i915 = to_i915(obj->base.dev);

	intel_runtime_pm_put(&i915->runtime_pm, attach->priv);
}

/* Where a part of the object's pages is in the region's part of the BAR. */
static u64 bar_offset(const struct intel_memory_region *mr,
		      struct scatterlist *sg)
{
	return sg_dma_address(sg) - mr->region.start;
}

static bool pages_are_reachable(struct drm_i915_gem_object *obj)
{
	struct intel_memory_region *mr = obj->mm.region;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(obj->mm.pages, sg, i)
		if (bar_offset(mr, sg) + sg_dma_len(sg) > resource_size(&mr->io))
			return false;
	return true;
}

/**
 * i915_gem_dmabuf_pin - &dma_buf_ops.pin
 * @attach: the attachment; the object is locked.
 *
 * Has the object where peers reach it. What is pinned already stays where it
 * is: in system memory, if there is an importer that is no peer, as these have
 * it pinned as long as they are attached.
 *
 * Return: 0, or a negative error code: -ENODEV when the GPU has gone; -ENOSPC
 * when the object is beyond what the BAR shows, and pinned there; -ENXIO when
 * there is no room in that, -E2BIG when it is larger.
 */
int i915_gem_dmabuf_pin(struct dma_buf_attachment *attach)
{
	struct drm_i915_gem_object *obj = to_intel_bo(attach->dmabuf->priv);
	struct intel_memory_region *mr = preferred_region(obj);
	int err;

	assert_object_held(obj);

	/* The CPU would move it, through a BAR that may be somebody else's. */
	if (drm_dev_is_unplugged(obj->base.dev))
		return -ENODEV;

	if (i915_gem_object_evictable(obj)) {
		/* No more than the BAR shows, even if only the GPU asked. */
		err = __i915_gem_object_migrate(obj, NULL, mr->id,
						obj->flags & ~I915_BO_ALLOC_GPU_ONLY);
		if (err)
			return err;
	}
	err = i915_gem_object_pin_pages(obj);
	if (err)
		return err;
	if (region_is_reachable(obj->mm.region) && !pages_are_reachable(obj)) {
		i915_gem_object_unpin_pages(obj);
		return -ENOSPC;
	}
	return 0;
}

/**
 * i915_gem_dmabuf_unpin - &dma_buf_ops.unpin
 * @attach: the attachment; the object is locked.
 */
void i915_gem_dmabuf_unpin(struct dma_buf_attachment *attach)
{
	i915_gem_object_unpin_pages(to_intel_bo(attach->dmabuf->priv));
}

/**
 * i915_gem_dmabuf_is_lost - is an object in local memory of a device that is gone?
 * @obj: the object, locked.
 *
 * It cannot be moved any more, nor be accessed: the BAR may be somebody else's.
 *
 * Return: true when it is.
 */
bool i915_gem_dmabuf_is_lost(struct drm_i915_gem_object *obj)
{
	assert_object_held(obj);

	return drm_dev_is_unplugged(obj->base.dev) && i915_gem_object_is_lmem(obj);
}

static struct sg_table *map_local(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	struct drm_i915_gem_object *obj = to_intel_bo(attach->dmabuf->priv);
	struct drm_i915_private *i915 = to_i915(obj->base.dev);
	struct intel_memory_region *mr = obj->mm.region;
	struct sg_table *sgt;
	struct phys_vec *vec;
	struct scatterlist *sg;
	int i;

	if (drm_dev_is_unplugged(&i915->drm))
		return ERR_PTR(-ENODEV);

	vec = kvmalloc_objs(*vec, obj->mm.pages->nents);
	if (!vec)
		return ERR_PTR(-ENOMEM);
	for_each_sgtable_dma_sg(obj->mm.pages, sg, i) {
		vec[i].paddr = mr->io.start + bar_offset(mr, sg);
		vec[i].len = sg_dma_len(sg);
	}
	sgt = peer_map(attach, vec, obj->mm.pages->nents, dir);
	kvfree(vec);
	if (!IS_ERR(sgt))
		atomic_inc(&i915->mm.peer_mappings);
	return sgt;
}

/**
 * i915_gem_dmabuf_map_peer - &dma_buf_ops.map_dma_buf for peers
 * @attach: the attachment of a peer; the object is locked.
 * @dir: who will write.
 *
 * Return: the mapping; NULL when the object is in system memory, with its pages
 * pinned until i915_gem_dmabuf_unmap(); or an ERR_PTR: -ENODEV when the device
 * is gone, -ENOMEM, or as from i915_gem_dmabuf_pin().
 */
struct sg_table *i915_gem_dmabuf_map_peer(struct dma_buf_attachment *attach,
					  enum dma_data_direction dir)
{
	struct drm_i915_gem_object *obj = to_intel_bo(attach->dmabuf->priv);
	struct sg_table *sgt;
	int err;

	err = i915_gem_dmabuf_pin(attach);
	if (err)
		return ERR_PTR(err);
	if (!region_is_reachable(obj->mm.region))
		return NULL;

	sgt = map_local(attach, dir);
	i915_gem_object_unpin_pages(obj);
	return sgt;
}

/**
 * i915_gem_dmabuf_unmap - &dma_buf_ops.unmap_dma_buf
 * @attach: the attachment; the object is locked.
 * @sgt: the mapping.
 * @dir: as it was mapped.
 */
void i915_gem_dmabuf_unmap(struct dma_buf_attachment *attach,
			   struct sg_table *sgt, enum dma_data_direction dir)
{
	struct drm_i915_gem_object *obj = to_intel_bo(attach->dmabuf->priv);
	struct drm_i915_private *i915 = to_i915(obj->base.dev);

	assert_object_held(obj);

	/* Of the BAR: without pages. */
	if (attach->peer2peer && !sgt->orig_nents) {
		peer_unmap(attach, sgt, dir);
		if (atomic_dec_and_test(&i915->mm.peer_mappings))
			wake_up_var(&i915->mm.peer_mappings);
		return;
	}
	drm_gem_unmap_dma_buf(attach, sgt, dir);
	if (attach->peer2peer)
		i915_gem_object_unpin_pages(obj);
}

/**
 * i915_gem_dmabuf_invalidate - an object has moved
 * @obj: the object, locked.
 *
 * Tells importers to map it again.
 */
void i915_gem_dmabuf_invalidate(struct drm_i915_gem_object *obj)
{
	assert_object_held(obj);

	drm_gem_invalidate_mappings(&obj->base);
}

static int revoke_object(struct i915_gem_apply_to_region *apply,
			 struct drm_i915_gem_object *obj)
{
	i915_gem_dmabuf_invalidate(obj);
	return 0;
}

/**
 * i915_gem_dmabuf_revoke - the device goes away: end all access of peers
 * @i915: the device, unplugged, so that nothing is mapped any more.
 *
 * Returns when they have unmapped, which is when their accesses have ended, or
 * when that takes too long for all of them together, which is noted in the log.
 */
void i915_gem_dmabuf_revoke(struct drm_i915_private *i915)
{
	static const struct i915_gem_apply_to_region_ops ops = {
		.process_obj = revoke_object,
	};
	struct intel_memory_region *mr;
	enum intel_region_id id;

	for_each_memory_region(mr, i915, id) {
		struct i915_gem_apply_to_region apply = { .ops = &ops };

		if (region_is_reachable(mr))
			i915_gem_process_region(mr, &apply);
	}
	if (!wait_var_event_timeout(&i915->mm.peer_mappings,
				    !atomic_read(&i915->mm.peer_mappings),
				    PEER_UNMAP_TIMEOUT))
		drm_err(&i915->drm, "importers were told to unmap local memory, and have not\n");
}
