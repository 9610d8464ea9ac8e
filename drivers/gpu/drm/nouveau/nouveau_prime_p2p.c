// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers: importers of a dma-buf that reach VRAM through BAR 1.
 *
 * A BO that only peers have attached is pinned in VRAM, and they get its
 * addresses in BAR 1. Any other importer has it in GART, as if there were no
 * peers, and is refused while a peer has it pinned. Peers are told with
 * dma_buf_invalidate_mappings() when it moves, and when the device goes away.
 *
 * Before Tesla, BAR 1 is the beginning of VRAM. Since, a range of it is mapped
 * to the BO by the GPU's MMU, and taken back from who has not used it for long
 * when there are too many; not from peers.
 */
#include <kunit/static_stub.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-mapping.h>
#include <linux/dma-resv.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>

#include <drm/drm_drv.h>
#include <drm/drm_prime.h>
#include <drm/drm_print.h>

#include "nouveau_bo.h"
#include "nouveau_drv.h"
#include "nouveau_gem.h"
#include "nouveau_prime_p2p.h"
#include "nouveau_ttm.h"

#define NOUVEAU_BAR1	1

/* Importers promise to unmap in bounded time; this is for those that do not. */
#define NOUVEAU_UNMAP_TIMEOUT	(10 * HZ)

/**
 * struct nouveau_peer - an attachment that may access VRAM
 * @list: in &nouveau_drm.peers.list.
 * @dmabuf: the dma-buf; it outlives the attachment.
 * @told: that the device goes away.
 */
struct nouveau_peer {
	struct list_head list;
	struct dma_buf *dmabuf;
	bool told;
};

static struct nouveau_bo *nouveau_dmabuf_bo(const struct dma_buf *dmabuf)
{
	return nouveau_gem_object(dmabuf->priv);
}

/* What follows needs a GPU, a PCI bus, or time. Tests have something else instead. */

static long nouveau_unmap_timeout(void)
{
	KUNIT_STATIC_STUB_REDIRECT(nouveau_unmap_timeout);

	return NOUVEAU_UNMAP_TIMEOUT;
}

static bool nouveau_reaches(struct nouveau_drm *drm, struct device *dev)
{
	KUNIT_STATIC_STUB_REDIRECT(nouveau_reaches, drm, dev);

	return dev_is_pci(drm->dev->dev) &&
	       pci_p2pdma_distance(to_pci_dev(drm->dev->dev), dev, false) >= 0;
}

static int nouveau_dmabuf_pin_in(struct nouveau_bo *nvbo, u32 domain)
{
	KUNIT_STATIC_STUB_REDIRECT(nouveau_dmabuf_pin_in, nvbo, domain);

	return nouveau_bo_pin_locked(nvbo, domain, false);
}

static void nouveau_dmabuf_unpin_it(struct nouveau_bo *nvbo)
{
	KUNIT_STATIC_STUB_REDIRECT(nouveau_dmabuf_unpin_it, nvbo);

	nouveau_bo_unpin_locked(nvbo);
}

/* @end: where it has to end there, in bytes; 0 is anywhere. */
static int nouveau_dmabuf_move_to(struct nouveau_bo *nvbo, u32 domain, u64 end)
{
	unsigned int i;

	KUNIT_STATIC_STUB_REDIRECT(nouveau_dmabuf_move_to, nvbo, domain, end);

	nouveau_bo_placement_set(nvbo, domain, 0);
	for (i = 0; i < nvbo->placement.num_placement; i++)
		nvbo->placements[i].lpfn = end >> PAGE_SHIFT;
	return nouveau_bo_validate(nvbo, false, false);
}

static u64 nouveau_bar_size(struct nouveau_drm *drm)
{
	struct nvkm_device *device = nvxx_device(drm);

	KUNIT_STATIC_STUB_REDIRECT(nouveau_bar_size, drm);

	return device->func->resource_size(device, NVKM_BAR1_FB);
}

static int nouveau_bar_reserve(struct nouveau_bo *nvbo)
{
	struct ttm_device *bdev = nvbo->bo.bdev;

	KUNIT_STATIC_STUB_REDIRECT(nouveau_bar_reserve, nvbo);

	return bdev->funcs->io_mem_reserve(bdev, nvbo->bo.resource);
}

static struct sg_table *nouveau_bar_map(struct dma_buf_attachment *attach,
					struct phys_vec *vec,
					enum dma_data_direction dir)
{
	struct drm_gem_object *obj = attach->dmabuf->priv;
	struct p2pdma_provider *provider;

	KUNIT_STATIC_STUB_REDIRECT(nouveau_bar_map, attach, vec, dir);

	provider = pcim_p2pdma_provider(to_pci_dev(obj->dev->dev), NOUVEAU_BAR1);
	if (!provider)
		return ERR_PTR(-EOPNOTSUPP);
	return dma_buf_phys_vec_to_sgt(attach, provider, vec, 1, vec->len, dir);
}

static void nouveau_bar_unmap(struct dma_buf_attachment *attach,
			      struct sg_table *sgt, enum dma_data_direction dir)
{
	KUNIT_STATIC_STUB_REDIRECT(nouveau_bar_unmap, attach, sgt, dir);

	dma_buf_free_sgt(attach, sgt, dir);
}

static void nouveau_iounmap(void __iomem *addr)
{
	KUNIT_STATIC_STUB_REDIRECT(nouveau_iounmap, addr);

	iounmap(addr);
}

/* Can this importer be a peer? If not, why? */
static const char *nouveau_no_peer(struct nouveau_bo *nvbo,
				   struct dma_buf_attachment *attach)
{
	if (!(nvbo->valid_domains & NOUVEAU_GEM_DOMAIN_VRAM))
		return "it may not be in VRAM";
	if (nvbo->kind || nvbo->comp || nvbo->mode)
		return "it is tiled or compressed, which the importer would see";
	if (!dma_buf_attach_revocable(attach))
		return "the importer cannot be told to unmap";
	if (!nouveau_reaches(nouveau_bdev(nvbo->bo.bdev), attach->dev))
		return "the importer has no path to BAR 1";
	return NULL;
}

static int nouveau_dmabuf_attach(struct dma_buf *dmabuf,
				 struct dma_buf_attachment *attach)
{
	struct nouveau_bo *nvbo = nouveau_dmabuf_bo(dmabuf);
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);
	struct nouveau_peer *peer;
	const char *why;
	int ret;

	if (drm_dev_is_unplugged(drm->dev))
		return -ENODEV;
	if (!attach->peer2peer)
		return drm_gem_map_attach(dmabuf, attach);

	why = nouveau_no_peer(nvbo, attach);
	if (why) {
		drm_dbg_prime(drm->dev, "%s imports a BO into system memory: %s\n",
			      dev_name(attach->dev), why);
		attach->peer2peer = false;
		return drm_gem_map_attach(dmabuf, attach);
	}

	peer = kzalloc_obj(*peer);
	if (!peer)
		return -ENOMEM;
	/* A peer does not ask before it uses BAR 1: keep the GPU awake. */
	ret = pm_runtime_get_sync(drm->dev->dev);
	if (ret < 0 && ret != -EACCES) {
		pm_runtime_put_autosuspend(drm->dev->dev);
		kfree(peer);
		return ret;
	}
	peer->dmabuf = dmabuf;
	attach->priv = peer;
	guard(spinlock)(&drm->peers.lock);
	list_add_tail(&peer->list, &drm->peers.list);
	return 0;
}

static void nouveau_dmabuf_detach(struct dma_buf *dmabuf,
				  struct dma_buf_attachment *attach)
{
	struct nouveau_bo *nvbo = nouveau_dmabuf_bo(dmabuf);
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);
	struct nouveau_peer *peer = attach->priv;

	if (!attach->peer2peer) {
		drm_gem_map_detach(dmabuf, attach);
		return;
	}
	scoped_guard(spinlock, &drm->peers.lock)
		list_del(&peer->list);
	kfree(peer);
	pm_runtime_put_autosuspend(drm->dev->dev);
}

/* Where a BO is to be: in VRAM when all importers are peers. */
static u32 nouveau_dmabuf_domain(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	dma_resv_assert_held(dmabuf->resv);

	list_for_each_entry(attach, &dmabuf->attachments, node)
		if (!attach->peer2peer)
			return NOUVEAU_GEM_DOMAIN_GART;
	return NOUVEAU_GEM_DOMAIN_VRAM;
}

/* Is a BO in VRAM where BAR 1 shows it? */
static bool nouveau_bo_is_reachable(struct nouveau_bo *nvbo)
{
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);
	struct ttm_resource *reg = nvbo->bo.resource;

	return drm->client.device.info.family >= NV_DEVICE_INFO_V0_TESLA ||
	       (reg->start << PAGE_SHIFT) + reg->size <= nouveau_bar_size(drm);
}

/* Move a BO to where it is to be: in VRAM, to where BAR 1 shows it. */
static int nouveau_dmabuf_place(struct nouveau_bo *nvbo, u32 domain)
{
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);
	u64 end = 0;

	if (domain == NOUVEAU_GEM_DOMAIN_VRAM &&
	    drm->client.device.info.family < NV_DEVICE_INFO_V0_TESLA) {
		end = nouveau_bar_size(drm);
		if (nvbo->bo.base.size > end)
			return -ENOSPC;
	}
	return nouveau_dmabuf_move_to(nvbo, domain, end);
}

/*
 * 0, -ENODEV when the GPU has gone, -EBUSY when the BO is pinned elsewhere,
 * -ENOSPC when it is larger than BAR 1 or pinned beyond it, or what moving it
 * ended with.
 */
static int nouveau_dmabuf_pin(struct dma_buf_attachment *attach)
{
	struct nouveau_bo *nvbo = nouveau_dmabuf_bo(attach->dmabuf);
	u32 domain = nouveau_dmabuf_domain(attach->dmabuf);
	int ret;

	if (drm_dev_is_unplugged(nouveau_bdev(nvbo->bo.bdev)->dev))
		return -ENODEV;
	if (!nvbo->bo.pin_count) {
		ret = nouveau_dmabuf_place(nvbo, domain);
		if (ret)
			return ret;
	}
	ret = nouveau_dmabuf_pin_in(nvbo, domain);
	if (ret)
		return ret;
	if (domain == NOUVEAU_GEM_DOMAIN_VRAM && !nouveau_bo_is_reachable(nvbo)) {
		nouveau_dmabuf_unpin_it(nvbo);
		return -ENOSPC;
	}
	return 0;
}

static void nouveau_dmabuf_unpin(struct dma_buf_attachment *attach)
{
	nouveau_dmabuf_unpin_it(nouveau_dmabuf_bo(attach->dmabuf));
}

/* Have a range of BAR 1 for the BO that is not taken back. */
static int nouveau_dmabuf_reserve_bar(struct nouveau_bo *nvbo)
{
	struct ttm_buffer_object *bo = &nvbo->bo;
	struct ttm_resource *reg = bo->resource;
	int ret;

	dma_resv_assert_held(bo->base.resv);

	if (!nvbo->peer_mappings++)
		nouveau_bo_del_io_reserve_lru(bo);
	if (reg->bus.offset || reg->bus.addr)
		return 0;

	ret = nouveau_bar_reserve(nvbo);
	if (ret)
		nvbo->peer_mappings--;
	return ret;
}

/* It is for the CPU only again, which may lose it when others want it more. */
static void nouveau_dmabuf_release_bar(struct nouveau_bo *nvbo)
{
	dma_resv_assert_held(nvbo->bo.base.resv);

	if (!--nvbo->peer_mappings)
		nouveau_bo_add_io_reserve_lru(&nvbo->bo);
}

static struct sg_table *nouveau_dmabuf_map_vram(struct dma_buf_attachment *attach,
						enum dma_data_direction dir)
{
	struct nouveau_bo *nvbo = nouveau_dmabuf_bo(attach->dmabuf);
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);
	struct sg_table *sgt;
	struct phys_vec vec;
	int ret;

	if (!nouveau_bo_is_reachable(nvbo))
		return ERR_PTR(-ENOSPC);

	ret = nouveau_dmabuf_reserve_bar(nvbo);
	if (ret)
		return ERR_PTR(ret);

	vec.paddr = nvbo->bo.resource->bus.offset;
	vec.len = attach->dmabuf->size;
	sgt = nouveau_bar_map(attach, &vec, dir);
	if (IS_ERR(sgt))
		nouveau_dmabuf_release_bar(nvbo);
	else
		atomic_inc(&drm->peers.mappings);
	return sgt;
}

static struct sg_table *nouveau_dmabuf_map(struct dma_buf_attachment *attach,
					   enum dma_data_direction dir)
{
	struct nouveau_bo *nvbo = nouveau_dmabuf_bo(attach->dmabuf);
	int ret;

	if (drm_dev_is_unplugged(nouveau_bdev(nvbo->bo.bdev)->dev))
		return ERR_PTR(-ENODEV);
	if (attach->peer2peer && !nvbo->bo.pin_count) {
		ret = nouveau_dmabuf_place(nvbo, nouveau_dmabuf_domain(attach->dmabuf));
		if (ret)
			return ERR_PTR(ret);
	}
	if (nvbo->bo.resource->mem_type != TTM_PL_VRAM)
		return drm_gem_map_dma_buf(attach, dir);
	return nouveau_dmabuf_map_vram(attach, dir);
}

static void nouveau_dmabuf_unmap(struct dma_buf_attachment *attach,
				 struct sg_table *sgt,
				 enum dma_data_direction dir)
{
	struct nouveau_bo *nvbo = nouveau_dmabuf_bo(attach->dmabuf);
	struct nouveau_drm *drm = nouveau_bdev(nvbo->bo.bdev);

	/* Of BAR 1: without pages. */
	if (!attach->peer2peer || sgt->orig_nents) {
		drm_gem_unmap_dma_buf(attach, sgt, dir);
		return;
	}
	nouveau_bar_unmap(attach, sgt, dir);
	nouveau_dmabuf_release_bar(nvbo);
	if (atomic_dec_and_test(&drm->peers.mappings))
		wake_up_var(&drm->peers.mappings);
}

/* For the CPU it stays where it is, and in VRAM where BAR 1 shows it. */
static int nouveau_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct nouveau_bo *nvbo = nouveau_dmabuf_bo(dmabuf);
	int ret;

	if (drm_dev_is_unplugged(nouveau_bdev(nvbo->bo.bdev)->dev))
		return -ENODEV;
	if (nvbo->bo.resource->mem_type == TTM_PL_VRAM && !nouveau_bo_is_reachable(nvbo)) {
		if (nvbo->bo.pin_count)
			return -ENOSPC;
		ret = nouveau_dmabuf_place(nvbo, NOUVEAU_GEM_DOMAIN_VRAM);
		if (ret)
			return ret;
	}
	ret = nouveau_dmabuf_reserve_bar(nvbo);
	if (ret)
		return ret;
	ret = drm_gem_dmabuf_vmap(dmabuf, map);
	if (ret)
		nouveau_dmabuf_release_bar(nvbo);
	return ret;
}

static void nouveau_dmabuf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	/* TTM would put the range of BAR 1, which peers may still use. */
	if (map->is_iomem) {
		nouveau_iounmap(map->vaddr_iomem);
		iosys_map_clear(map);
	} else {
		drm_gem_dmabuf_vunmap(dmabuf, map);
	}
	nouveau_dmabuf_release_bar(nouveau_dmabuf_bo(dmabuf));
}

const struct dma_buf_ops nouveau_dmabuf_ops = {
	.attach = nouveau_dmabuf_attach,
	.detach = nouveau_dmabuf_detach,
	.pin = nouveau_dmabuf_pin,
	.unpin = nouveau_dmabuf_unpin,
	.map_dma_buf = nouveau_dmabuf_map,
	.unmap_dma_buf = nouveau_dmabuf_unmap,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
	.vmap = nouveau_dmabuf_vmap,
	.vunmap = nouveau_dmabuf_vunmap,
};

/**
 * nouveau_gem_prime_import - &drm_driver.gem_prime_import
 * @dev: the device that imports.
 * @dmabuf: what it imports.
 *
 * Return: the object of @dev that was exported, or a new one.
 */
struct drm_gem_object *nouveau_gem_prime_import(struct drm_device *dev,
						struct dma_buf *dmabuf)
{
	struct drm_gem_object *obj = dmabuf->priv;

	if (dmabuf->ops != &nouveau_dmabuf_ops || obj->dev != dev)
		return drm_gem_prime_import(dev, dmabuf);
	drm_gem_object_get(obj);
	return obj;
}

/**
 * nouveau_dmabuf_invalidate - a BO moves
 * @nvbo: the BO, reserved.
 *
 * Tells importers to map it again. What is pinned moves only when VRAM goes
 * away.
 */
void nouveau_dmabuf_invalidate(struct nouveau_bo *nvbo)
{
	dma_resv_assert_held(nvbo->bo.base.resv);

	if (nvbo->bo.pin_count && nvbo->bo.resource->mem_type != TTM_PL_VRAM)
		return;
	drm_gem_invalidate_mappings(&nvbo->bo.base);
}

/* A dma-buf whose importers were not told yet, with a reference. */
static struct dma_buf *nouveau_dmabuf_next(struct nouveau_drm *drm)
{
	struct nouveau_peer *peer;

	guard(spinlock)(&drm->peers.lock);
	list_for_each_entry(peer, &drm->peers.list, list) {
		if (peer->told)
			continue;
		peer->told = true;
		/* Without references it is being detached. */
		if (get_file_active(&peer->dmabuf->file))
			return peer->dmabuf;
	}
	return NULL;
}

/**
 * nouveau_dmabuf_revoke - the device goes away: end all access of peers
 * @drm: the device, unplugged, so that nothing is mapped any more.
 *
 * Returns when they have unmapped, which is when their accesses have ended, or
 * when that takes too long for all of them together, which is noted in the log.
 */
void nouveau_dmabuf_revoke(struct nouveau_drm *drm)
{
	struct dma_buf *dmabuf;

	while ((dmabuf = nouveau_dmabuf_next(drm))) {
		dma_resv_lock(dmabuf->resv, NULL);
		dma_buf_invalidate_mappings(dmabuf);
		dma_resv_unlock(dmabuf->resv);
		dma_buf_put(dmabuf);
	}
	if (!wait_var_event_timeout(&drm->peers.mappings,
				    !atomic_read(&drm->peers.mappings),
				    nouveau_unmap_timeout()))
		drm_err(drm->dev, "importers were told to unmap VRAM, and have not\n");
}

MODULE_IMPORT_NS("DMA_BUF");

#if IS_ENABLED(CONFIG_DRM_NOUVEAU_KUNIT_TEST)
#include "nouveau_prime_p2p_test.c"
#endif
