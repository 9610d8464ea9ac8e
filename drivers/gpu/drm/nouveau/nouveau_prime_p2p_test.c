// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers of a dma-buf, with a BO on no GPU: where it would be pinned and moved,
 * what BAR 1 would show, and what a peer would map are fakes.
 *
 * Included by nouveau_prime_p2p.c.
 */
#include <drm/drm_kunit_helpers.h>
#include <kunit/test.h>

#define FAKE_SIZE	SZ_1M
#define FAKE_BAR	0x4000000000ULL

/**
 * struct fake - a BO, what was done to it, and one importer
 * @drm: the device.
 * @nvbo: the BO.
 * @res: where it is.
 * @dmabuf: what @nvbo is exported as.
 * @reaches: does the importer reach BAR 1?
 * @bar_size: how much of VRAM BAR 1 shows.
 * @pinned: by which domain, the last time.
 * @pins: how often it is pinned.
 * @reserved: how often a range of BAR 1 was reserved.
 * @fail_move: shall a move fail?
 * @fail_reserve: shall the reservation?
 * @fail_map: shall a mapping, of the importer's or of the CPU's?
 * @attach: the importer's attachment.
 * @sgt: what it has mapped.
 * @invalidated: how often the importer was told to unmap.
 * @unmaps: does it, at once?
 */
struct fake {
	struct nouveau_drm *drm;
	struct nouveau_bo nvbo;
	struct ttm_resource res;
	struct dma_buf *dmabuf;
	bool reaches;
	u64 bar_size;
	u32 pinned;
	int pins;
	int reserved;
	bool fail_move;
	bool fail_reserve;
	bool fail_map;

	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	int invalidated;
	bool unmaps;
};

static struct fake *fake_of(struct nouveau_bo *nvbo)
{
	return container_of(nvbo, struct fake, nvbo);
}

static bool fake_reaches(struct nouveau_drm *drm, struct device *dev)
{
	struct fake *fake = kunit_get_current_test()->priv;

	return fake->reaches;
}

static void fake_move(struct fake *fake, u32 domain)
{
	fake->res.mem_type = domain == NOUVEAU_GEM_DOMAIN_VRAM ? TTM_PL_VRAM :
								 TTM_PL_TT;
}

static int fake_pin_in(struct nouveau_bo *nvbo, u32 domain)
{
	struct fake *fake = fake_of(nvbo);

	if (fake->pins && fake->pinned != domain)
		return -EBUSY;
	fake->pinned = domain;
	fake->pins++;
	nvbo->bo.pin_count++;
	fake_move(fake, domain);
	return 0;
}

static void fake_unpin_it(struct nouveau_bo *nvbo)
{
	fake_of(nvbo)->pins--;
	nvbo->bo.pin_count--;
}

static int fake_move_to(struct nouveau_bo *nvbo, u32 domain, u64 end)
{
	struct fake *fake = fake_of(nvbo);

	if (fake->fail_move)
		return -ENOMEM;
	fake_move(fake, domain);
	if (end && (fake->res.start << PAGE_SHIFT) + fake->res.size > end)
		fake->res.start = 0;
	return 0;
}

static u64 fake_bar_size(struct nouveau_drm *drm)
{
	struct fake *fake = kunit_get_current_test()->priv;

	return fake->bar_size;
}

static int fake_bar_reserve(struct nouveau_bo *nvbo)
{
	struct fake *fake = fake_of(nvbo);

	if (fake->fail_reserve)
		return -ENOSPC;
	fake->reserved++;
	fake->res.bus.offset = FAKE_BAR;
	return 0;
}

static struct sg_table *fake_bar_map(struct dma_buf_attachment *attach,
				     struct phys_vec *vec,
				     enum dma_data_direction dir)
{
	struct fake *fake = kunit_get_current_test()->priv;
	struct sg_table *sgt = fake->fail_map ? NULL : kzalloc_obj(*sgt);

	if (!sgt || sg_alloc_table(sgt, 1, GFP_KERNEL)) {
		kfree(sgt);
		return ERR_PTR(-ENOMEM);
	}
	sg_dma_address(sgt->sgl) = vec->paddr;
	sg_dma_len(sgt->sgl) = vec->len;
	sgt->orig_nents = 0;
	return sgt;
}

static void fake_bar_unmap(struct dma_buf_attachment *attach,
			   struct sg_table *sgt, enum dma_data_direction dir)
{
	sgt->orig_nents = sgt->nents;
	sg_free_table(sgt);
	kfree(sgt);
}

/* What importers that are no peers get: pinned at attach, as by drm_gem_pin(). */
static int fake_gem_pin(struct drm_gem_object *obj)
{
	return fake_pin_in(nouveau_gem_object(obj), NOUVEAU_GEM_DOMAIN_GART) ?
	       -EINVAL : 0;
}

static void fake_gem_unpin(struct drm_gem_object *obj)
{
	fake_unpin_it(nouveau_gem_object(obj));
}

static struct sg_table *fake_gem_sg_table(struct drm_gem_object *obj)
{
	return ERR_PTR(-ENOMEM);
}

static int fake_gem_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	struct fake *fake = fake_of(nouveau_gem_object(obj));

	if (fake->fail_map)
		return -ENOMEM;
	if (fake->res.mem_type == TTM_PL_VRAM)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)fake);
	else
		iosys_map_set_vaddr(map, fake);
	return 0;
}

/* As TTM's does, which is not for what peers may use. */
static void fake_gem_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	fake_of(nouveau_gem_object(obj))->res.bus.offset = 0;
}

static void fake_iounmap(void __iomem *addr)
{
}

static const struct drm_gem_object_funcs fake_gem_funcs = {
	.pin = fake_gem_pin,
	.unpin = fake_gem_unpin,
	.get_sg_table = fake_gem_sg_table,
	.vmap = fake_gem_vmap,
	.vunmap = fake_gem_vunmap,
};

static void fake_invalidated(struct dma_buf_attachment *attach)
{
	struct fake *fake = attach->importer_priv;

	fake->invalidated++;
	if (!fake->unmaps)
		return;
	dma_buf_unmap_attachment(attach, fake->sgt, DMA_FROM_DEVICE);
	fake->sgt = NULL;
}

static const struct dma_buf_attach_ops fake_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = fake_invalidated,
};

static const struct dma_buf_attach_ops fake_deaf_ops = {
	.allow_peer2peer = true,
};

/* As a handle does that is made a file descriptor, but for &drm_gem_object.dma_buf. */
static struct dma_buf *fake_export(struct kunit *test, struct fake *fake)
{
	struct drm_gem_object *obj = &fake->nvbo.bo.base;
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.exp_name = "nouveau-fake";
	info.ops = &nouveau_dmabuf_ops;
	info.size = FAKE_SIZE;
	info.resv = obj->resv;
	info.priv = obj;
	dmabuf = drm_gem_dmabuf_export(obj->dev, &info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	return dmabuf;
}

static int fake_init(struct kunit *test)
{
	struct drm_device *dev;
	struct device *parent;
	struct fake *fake;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->drm = kunit_kzalloc(test, sizeof(*fake->drm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->drm);
	parent = drm_kunit_helper_alloc_device(test);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	dev = __drm_kunit_helper_alloc_drm_device(test, parent, sizeof(*dev), 0,
						  DRIVER_GEM);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);

	fake->drm->dev = dev;
	spin_lock_init(&fake->drm->peers.lock);
	INIT_LIST_HEAD(&fake->drm->peers.list);
	mutex_init(&fake->drm->ttm.io_reserve_mutex);
	INIT_LIST_HEAD(&fake->drm->ttm.io_reserve_lru);
	fake->drm->client.device.info.family = NV_DEVICE_INFO_V0_TESLA;

	drm_gem_private_object_init(dev, &fake->nvbo.bo.base, FAKE_SIZE);
	fake->nvbo.bo.base.funcs = &fake_gem_funcs;
	fake->nvbo.bo.bdev = &fake->drm->ttm.bdev;
	fake->nvbo.bo.resource = &fake->res;
	fake->nvbo.valid_domains = NOUVEAU_GEM_DOMAIN_VRAM | NOUVEAU_GEM_DOMAIN_GART;
	INIT_LIST_HEAD(&fake->nvbo.io_reserve_lru);
	fake->res.size = FAKE_SIZE;
	fake->res.mem_type = TTM_PL_VRAM;
	fake->reaches = true;
	fake->bar_size = SZ_16M;

	fake->dmabuf = fake_export(test, fake);
	fake->nvbo.bo.base.dma_buf = fake->dmabuf;

	test->priv = fake;
	kunit_activate_static_stub(test, nouveau_reaches, fake_reaches);
	kunit_activate_static_stub(test, nouveau_dmabuf_pin_in, fake_pin_in);
	kunit_activate_static_stub(test, nouveau_dmabuf_unpin_it, fake_unpin_it);
	kunit_activate_static_stub(test, nouveau_dmabuf_move_to, fake_move_to);
	kunit_activate_static_stub(test, nouveau_bar_size, fake_bar_size);
	kunit_activate_static_stub(test, nouveau_bar_reserve, fake_bar_reserve);
	kunit_activate_static_stub(test, nouveau_bar_map, fake_bar_map);
	kunit_activate_static_stub(test, nouveau_bar_unmap, fake_bar_unmap);
	kunit_activate_static_stub(test, nouveau_iounmap, fake_iounmap);
	return 0;
}

static void fake_exit(struct kunit *test)
{
	struct fake *fake = test->priv;

	if (!fake)
		return;
	KUNIT_EXPECT_EQ(test, fake->pins, 0);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->drm->peers.mappings), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->drm->peers.list));
	fake->nvbo.bo.base.dma_buf = NULL;
	dma_buf_put(fake->dmabuf);
	flush_delayed_fput();
	KUNIT_EXPECT_TRUE(test, hlist_empty(&fake->nvbo.bo.base.exports));
	drm_gem_private_object_fini(&fake->nvbo.bo.base);
}

static void attach(struct kunit *test, const struct dma_buf_attach_ops *ops)
{
	struct fake *fake = test->priv;

	fake->attach = dma_buf_dynamic_attach(fake->dmabuf, fake->drm->dev->dev,
					      ops, fake);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->attach);
}

static int pin(struct fake *fake)
{
	int err;

	dma_resv_lock(fake->dmabuf->resv, NULL);
	err = dma_buf_pin(fake->attach);
	dma_resv_unlock(fake->dmabuf->resv);
	return err;
}

static void unpin(struct fake *fake)
{
	dma_resv_lock(fake->dmabuf->resv, NULL);
	dma_buf_unpin(fake->attach);
	dma_resv_unlock(fake->dmabuf->resv);
}

static int map(struct fake *fake)
{
	fake->sgt = dma_buf_map_attachment_unlocked(fake->attach, DMA_FROM_DEVICE);
	return PTR_ERR_OR_ZERO(fake->sgt);
}

static void unmap(struct fake *fake)
{
	dma_buf_unmap_attachment_unlocked(fake->attach, fake->sgt, DMA_FROM_DEVICE);
}

/* A peer has the BO pinned in VRAM, and gets its addresses in BAR 1. */
static void test_peer(struct kunit *test)
{
	struct fake *fake = test->priv;

	attach(test, &fake_attach_ops);
	KUNIT_EXPECT_TRUE(test, fake->attach->peer2peer);
	KUNIT_EXPECT_EQ(test, fake->pins, 0);
	KUNIT_ASSERT_EQ(test, pin(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, NOUVEAU_GEM_DOMAIN_VRAM);
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	KUNIT_EXPECT_EQ(test, sg_dma_address(fake->sgt->sgl), FAKE_BAR);
	KUNIT_EXPECT_EQ(test, sg_dma_len(fake->sgt->sgl), FAKE_SIZE);
	unmap(fake);
	unpin(fake);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

/* Whoever is no peer has it in GART, and so have all then. */
static void expect_no_peer(struct kunit *test, const struct dma_buf_attach_ops *ops)
{
	struct fake *fake = test->priv;

	attach(test, ops);
	KUNIT_EXPECT_FALSE(test, fake->attach->peer2peer);
	KUNIT_EXPECT_EQ(test, fake->pins, 1);
	KUNIT_EXPECT_EQ(test, fake->pinned, NOUVEAU_GEM_DOMAIN_GART);
	dma_buf_detach(fake->dmabuf, fake->attach);
	KUNIT_EXPECT_EQ(test, fake->pins, 0);
}

static void test_no_peer(struct kunit *test)
{
	struct fake *fake = test->priv;

	expect_no_peer(test, NULL);
	expect_no_peer(test, &fake_deaf_ops);

	fake->reaches = false;
	expect_no_peer(test, &fake_attach_ops);
	fake->reaches = true;

	fake->nvbo.valid_domains = NOUVEAU_GEM_DOMAIN_GART;
	expect_no_peer(test, &fake_attach_ops);
	fake->nvbo.valid_domains = NOUVEAU_GEM_DOMAIN_VRAM;

	fake->nvbo.kind = 1;
	expect_no_peer(test, &fake_attach_ops);
	fake->nvbo.kind = 0;
	fake->nvbo.comp = 1;
	expect_no_peer(test, &fake_attach_ops);
	fake->nvbo.comp = 0;
	fake->nvbo.mode = 1;
	expect_no_peer(test, &fake_attach_ops);
}

static void test_mixed(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct dma_buf_attachment *other;

	attach(test, &fake_attach_ops);
	other = dma_buf_attach(fake->dmabuf, fake->drm->dev->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	KUNIT_ASSERT_EQ(test, pin(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, NOUVEAU_GEM_DOMAIN_GART);
	/* It is in GART for the peer too: pages, of which the fake has none. */
	KUNIT_EXPECT_EQ(test, map(fake), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fake->reserved, 0);
	unpin(fake);
	dma_buf_detach(fake->dmabuf, other);

	KUNIT_ASSERT_EQ(test, pin(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->pinned, NOUVEAU_GEM_DOMAIN_VRAM);
	other = dma_buf_attach(fake->dmabuf, fake->drm->dev->dev);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(other), -EINVAL);
	unpin(fake);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

/* BAR 1 is all that there is before Tesla; later it shows what is asked for. */
static void test_small_bar(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->res.start = (fake->bar_size - SZ_512K) >> PAGE_SHIFT;
	fake->drm->client.device.info.family = NV_DEVICE_INFO_V0_CURIE;
	attach(test, &fake_attach_ops);
	fake->fail_move = true;
	KUNIT_EXPECT_EQ(test, pin(fake), -ENOMEM);
	KUNIT_EXPECT_EQ(test, map(fake), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fake->pins, 0);
	fake->fail_move = false;

	/* It is moved to where BAR 1 shows it, */
	KUNIT_EXPECT_EQ(test, pin(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->res.start, 0);
	unpin(fake);
	fake->res.start = (fake->bar_size - SZ_512K) >> PAGE_SHIFT;
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->res.start, 0);
	unmap(fake);
	nouveau_bo_del_io_reserve_lru(&fake->nvbo.bo);

	/* unless it is there, */
	fake->res.start = (fake->bar_size - FAKE_SIZE) >> PAGE_SHIFT;
	KUNIT_EXPECT_EQ(test, pin(fake), 0);
	KUNIT_EXPECT_NE(test, fake->res.start, 0);
	unpin(fake);

	/* pinned, */
	fake->res.start = fake->bar_size >> PAGE_SHIFT;
	fake->nvbo.bo.pin_count++;
	KUNIT_EXPECT_EQ(test, pin(fake), -ENOSPC);
	KUNIT_EXPECT_EQ(test, map(fake), -ENOSPC);
	fake->nvbo.bo.pin_count--;
	KUNIT_EXPECT_EQ(test, fake->pins, 0);

	/* too large, */
	fake->bar_size = FAKE_SIZE / 2;
	KUNIT_EXPECT_EQ(test, pin(fake), -ENOSPC);
	KUNIT_EXPECT_EQ(test, map(fake), -ENOSPC);

	/* or the GPU's MMU maps it. */
	fake->drm->client.device.info.family = NV_DEVICE_INFO_V0_TESLA;
	KUNIT_EXPECT_EQ(test, pin(fake), 0);
	KUNIT_EXPECT_NE(test, fake->res.start, 0);
	unpin(fake);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

/* The range of BAR 1 of who has it mapped is not taken back. */
static void test_reclaim(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct list_head *lru = &fake->drm->ttm.io_reserve_lru;

	attach(test, &fake_attach_ops);
	/* As after a page fault. */
	nouveau_bo_add_io_reserve_lru(&fake->nvbo.bo);
	KUNIT_EXPECT_FALSE(test, list_empty(lru));
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->reserved, 1);
	KUNIT_EXPECT_TRUE(test, list_empty(lru));
	nouveau_bo_add_io_reserve_lru(&fake->nvbo.bo);
	KUNIT_EXPECT_TRUE(test, list_empty(lru));
	unmap(fake);
	KUNIT_EXPECT_FALSE(test, list_empty(lru));

	/* It is still reserved. */
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->reserved, 1);
	KUNIT_EXPECT_TRUE(test, list_empty(lru));
	unmap(fake);
	nouveau_bo_del_io_reserve_lru(&fake->nvbo.bo);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

/* No range of BAR 1, or no mapping: nothing is left of the attempt. */
static void test_failures(struct kunit *test)
{
	struct fake *fake = test->priv;

	attach(test, &fake_attach_ops);
	fake->fail_reserve = true;
	KUNIT_EXPECT_EQ(test, map(fake), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 0);
	fake->fail_reserve = false;
	fake->fail_map = true;
	KUNIT_EXPECT_EQ(test, map(fake), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->drm->peers.mappings), 0);
	fake->fail_map = false;
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	unmap(fake);
	nouveau_bo_del_io_reserve_lru(&fake->nvbo.bo);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

static void expect_vmap(struct kunit *test)
{
	struct fake *fake = test->priv;
	u32 mem_type = fake->res.mem_type;
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(fake->dmabuf, &map), 0);
	KUNIT_EXPECT_EQ(test, fake->res.mem_type, mem_type);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 1);
	/* As when the GPU goes. */
	fake->res.mem_type = TTM_PL_SYSTEM;
	dma_buf_vunmap_unlocked(fake->dmabuf, &map);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 0);
	fake->res.mem_type = mem_type;
	nouveau_bo_del_io_reserve_lru(&fake->nvbo.bo);
}

/* The CPU has it mapped where it is, and BAR 1 shows it. */
static void test_vmap(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct iosys_map map;

	expect_vmap(test);
	KUNIT_EXPECT_EQ(test, fake->reserved, 1);
	fake->fail_map = true;
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(fake->dmabuf, &map), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 0);
	fake->fail_map = false;
	fake->res.bus.offset = 0;
	fake->fail_reserve = true;
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(fake->dmabuf, &map), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 0);
	fake->fail_reserve = false;

	fake_move(fake, NOUVEAU_GEM_DOMAIN_GART);
	expect_vmap(test);

	/* It is moved there, unless that fails, or it is pinned. */
	fake_move(fake, NOUVEAU_GEM_DOMAIN_VRAM);
	fake->drm->client.device.info.family = NV_DEVICE_INFO_V0_CURIE;
	fake->res.start = fake->bar_size >> PAGE_SHIFT;
	fake->fail_move = true;
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(fake->dmabuf, &map), -ENOMEM);
	fake->fail_move = false;
	expect_vmap(test);
	KUNIT_EXPECT_EQ(test, fake->res.start, 0);
	fake->res.start = fake->bar_size >> PAGE_SHIFT;
	fake->nvbo.bo.pin_count++;
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(fake->dmabuf, &map), -ENOSPC);
	fake->nvbo.bo.pin_count--;
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 0);
}

/* What a peer has of BAR 1 it has when the CPU has unmapped it, too. */
static void test_vmap_beside_peer(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct iosys_map iomap;

	attach(test, &fake_attach_ops);
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(fake->dmabuf, &iomap), 0);
	dma_buf_vunmap_unlocked(fake->dmabuf, &iomap);
	KUNIT_EXPECT_EQ(test, fake->res.bus.offset, FAKE_BAR);
	KUNIT_EXPECT_EQ(test, fake->reserved, 1);
	KUNIT_EXPECT_EQ(test, fake->nvbo.peer_mappings, 1);
	unmap(fake);
	nouveau_bo_del_io_reserve_lru(&fake->nvbo.bo);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

static void move_out(struct fake *fake)
{
	dma_resv_lock(fake->dmabuf->resv, NULL);
	nouveau_dmabuf_invalidate(&fake->nvbo);
	dma_resv_unlock(fake->dmabuf->resv);
}

/* The importer is told, also when the program has closed the handle. */
static void test_move(struct kunit *test)
{
	struct fake *fake = test->priv;

	attach(test, &fake_attach_ops);
	move_out(fake);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
	fake->nvbo.bo.base.dma_buf = NULL;
	move_out(fake);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 2);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

/* The importers of both dma-bufs of a BO are told when it moves, once. */
static void test_move_exported_twice(struct kunit *test)
{
	struct dma_buf_attachment *attachment;
	struct fake *fake = test->priv;
	struct dma_buf *dmabuf;
	struct fake *other;

	other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, other);
	attach(test, &fake_attach_ops);
	fake->nvbo.bo.base.dma_buf = NULL;
	dmabuf = fake_export(test, fake);
	fake->nvbo.bo.base.dma_buf = dmabuf;
	attachment = dma_buf_dynamic_attach(dmabuf, fake->drm->dev->dev,
					    &fake_attach_ops, other);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attachment);
	move_out(fake);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
	KUNIT_EXPECT_EQ(test, other->invalidated, 1);

	/* One of them is not there any more. */
	dma_buf_detach(dmabuf, attachment);
	fake->nvbo.bo.base.dma_buf = NULL;
	dma_buf_put(dmabuf);
	flush_delayed_fput();
	move_out(fake);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 2);
	KUNIT_EXPECT_EQ(test, other->invalidated, 1);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

/* The device goes away: who has mapped unmaps, and nobody maps again. */
static void test_revoke(struct kunit *test)
{
	struct fake *fake = test->priv;

	attach(test, &fake_attach_ops);
	KUNIT_ASSERT_EQ(test, pin(fake), 0);
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	fake->unmaps = true;
	fake->drm->dev->unplugged = true;
	nouveau_dmabuf_revoke(fake->drm);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->drm->peers.mappings), 0);
	KUNIT_EXPECT_NULL(test, fake->sgt);
	KUNIT_EXPECT_EQ(test, map(fake), -ENODEV);
	fake->drm->dev->unplugged = false;
	unpin(fake);
	dma_buf_detach(fake->dmabuf, fake->attach);
}

static const char *fake_fence_name(struct dma_fence *fence)
{
	return "fake";
}

static const struct dma_fence_ops fake_fence_ops = {
	.get_driver_name = fake_fence_name,
	.get_timeline_name = fake_fence_name,
};

static DEFINE_SPINLOCK(fake_fence_lock);

/* Somebody's job with the BO, which ends when the caller says so. */
static struct dma_fence *fake_job(struct kunit *test)
{
	struct dma_fence *fence = kzalloc_obj(*fence);
	struct fake *fake = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &fake_fence_ops, &fake_fence_lock,
		       dma_fence_context_alloc(1), 1);
	dma_resv_lock(fake->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(fake->dmabuf->resv, 1), 0);
	dma_resv_add_fence(fake->dmabuf->resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(fake->dmabuf->resv);
	return fence;
}

static long fake_unmap_timeout(void)
{
	return HZ / 4;
}

/* Neither importers that do not unmap nor jobs are waited for one by one. */
static void test_stubborn(struct kunit *test)
{
	struct dma_buf_attachment *others[3];
	struct fake *fake = test->priv;
	struct dma_fence *job;
	unsigned long start;
	unsigned int i;

	kunit_activate_static_stub(test, nouveau_unmap_timeout, fake_unmap_timeout);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		attach(test, &fake_attach_ops);
		others[i] = fake->attach;
	}
	KUNIT_ASSERT_EQ(test, pin(fake), 0);
	KUNIT_ASSERT_EQ(test, map(fake), 0);
	job = fake_job(test);

	fake->drm->dev->unplugged = true;
	start = jiffies;
	nouveau_dmabuf_revoke(fake->drm);
	KUNIT_EXPECT_GE(test, jiffies - start, HZ / 4);
	KUNIT_EXPECT_LT(test, jiffies - start, HZ / 2);
	KUNIT_EXPECT_GT(test, fake->invalidated, 0);
	fake->drm->dev->unplugged = false;

	dma_fence_signal(job);
	dma_fence_put(job);
	unmap(fake);
	nouveau_bo_del_io_reserve_lru(&fake->nvbo.bo);
	unpin(fake);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		dma_buf_detach(fake->dmabuf, others[i]);
}

static int fake_resume_error(struct device *dev)
{
	return -EIO;
}

static int users_of(struct device *dev)
{
#ifdef CONFIG_PM
	return atomic_read(&dev->power.usage_count);
#else
	return 0;
#endif
}

/* The GPU stays awake for peers, and is woken for them, or it is not their peer. */
static void test_awake(struct kunit *test)
{
	static struct dev_pm_domain broken = {
		.ops.runtime_resume = fake_resume_error,
	};
	struct fake *fake = test->priv;
	struct device *dev = fake->drm->dev->dev;
	int users = users_of(dev);

	if (!IS_ENABLED(CONFIG_PM))
		kunit_skip(test, "there is no runtime PM");
	pm_runtime_enable(dev);
	attach(test, &fake_attach_ops);
	KUNIT_EXPECT_EQ(test, users_of(dev), users + 1);
	KUNIT_EXPECT_TRUE(test, pm_runtime_active(dev));
	dma_buf_detach(fake->dmabuf, fake->attach);
	KUNIT_EXPECT_EQ(test, users_of(dev), users);
	pm_runtime_suspend(dev);
	KUNIT_EXPECT_TRUE(test, pm_runtime_status_suspended(dev));

	/* Who has it in system memory has no need of the GPU. */
	attach(test, NULL);
	KUNIT_EXPECT_TRUE(test, pm_runtime_status_suspended(dev));
	dma_buf_detach(fake->dmabuf, fake->attach);

	dev->pm_domain = &broken;
	fake->attach = dma_buf_dynamic_attach(fake->dmabuf, dev, &fake_attach_ops,
					      fake);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(fake->attach), -EIO);
	KUNIT_EXPECT_EQ(test, users_of(dev), users);
	dev->pm_domain = NULL;
	pm_runtime_disable(dev);
}

static struct kunit_case nouveau_prime_p2p_cases[] = {
	KUNIT_CASE(test_peer),
	KUNIT_CASE(test_no_peer),
	KUNIT_CASE(test_mixed),
	KUNIT_CASE(test_small_bar),
	KUNIT_CASE(test_reclaim),
	KUNIT_CASE(test_failures),
	KUNIT_CASE(test_vmap),
	KUNIT_CASE(test_vmap_beside_peer),
	KUNIT_CASE(test_move),
	KUNIT_CASE(test_move_exported_twice),
	KUNIT_CASE(test_revoke),
	KUNIT_CASE(test_stubborn),
	KUNIT_CASE(test_awake),
	{}
};

static struct kunit_suite nouveau_prime_p2p_suite = {
	.name = "nouveau_prime_p2p",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = nouveau_prime_p2p_cases,
};

kunit_test_suite(nouveau_prime_p2p_suite);
