/* SPDX-License-Identifier: GPL-2.0-only */
/* A BO in VRAM of a fake device with a small BAR, exported, and an importer: for KUnit tests. */
#ifndef XE_DMA_BUF_FAKE_H
#define XE_DMA_BUF_FAKE_H

#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/sizes.h>

#include <drm/drm_prime.h>
#include <drm/ttm/ttm_device.h>

#include "tests/xe_kunit_helpers.h"
#include "tests/xe_pci_test.h"
#include "xe_bo.h"
#include "xe_dma_buf_p2p.h"
#include "xe_ttm_vram_mgr_types.h"
#include "xe_vram_types.h"

#define FAKE_SIZE	SZ_2M
#define FAKE_VRAM	SZ_64M
#define FAKE_BAR	SZ_16M

/**
 * struct fake - a BO in VRAM, and an importer
 * @xe: the device.
 * @vram: its VRAM.
 * @bo: the BO.
 * @vres: where it is.
 * @dmabuf: what @bo is exported as.
 * @attach: the importer's attachment.
 * @invalidated: how often it was told to unmap.
 * @unmaps: does it, at once?
 */
struct fake {
	struct xe_device *xe;
	struct xe_vram_region vram;
	struct xe_bo bo;
	struct xe_ttm_vram_mgr_resource vres;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	int invalidated;
	bool unmaps;
};

static struct sg_table *fake_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	return ERR_PTR(-ENOMEM);
}

static void fake_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
}

static const struct dma_buf_ops fake_dmabuf_ops = {
	.map_dma_buf = fake_map,
	.unmap_dma_buf = fake_unmap,
	.release = drm_gem_dmabuf_release,
};

static void fake_invalidated(struct dma_buf_attachment *attach)
{
	struct fake *fake = attach->importer_priv;

	fake->invalidated++;
	if (fake->unmaps)
		xe_dma_buf_peer_unmap(attach);
}

static const struct dma_buf_attach_ops fake_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = fake_invalidated,
};

/* As a handle does that is made a file descriptor, but for &drm_gem_object.dma_buf. */
static struct dma_buf *fake_export(struct kunit *test, struct fake *fake)
{
	struct drm_gem_object *obj = &fake->bo.ttm.base;
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.exp_name = "xe-fake";
	info.ops = &fake_dmabuf_ops;
	info.size = FAKE_SIZE;
	info.resv = obj->resv;
	info.priv = obj;
	dmabuf = drm_gem_dmabuf_export(obj->dev, &info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	return dmabuf;
}

static void fake_fini(void *data)
{
	struct fake *fake = data;
	struct kunit *test = kunit_get_current_test();

	if (!IS_ERR_OR_NULL(fake->attach))
		dma_buf_detach(fake->dmabuf, fake->attach);
	fake->bo.ttm.base.dma_buf = NULL;
	if (fake->dmabuf)
		dma_buf_put(fake->dmabuf);
	flush_delayed_fput();
	KUNIT_EXPECT_TRUE(test, hlist_empty(&fake->bo.ttm.base.exports));
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->xe->mem.peers.list));
	drm_gem_private_object_fini(&fake->bo.ttm.base);
	ttm_set_driver_manager(&fake->xe->ttm, XE_PL_VRAM0, NULL);
}

static int fake_init(struct kunit *test)
{
	struct xe_pci_fake_data data = { .platform = XE_DG2 };
	struct fake *fake;
	int err;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	test->priv = &data;
	xe_kunit_helper_xe_device_test_init(test);
	fake->xe = test->priv;
	test->priv = fake;

	spin_lock_init(&fake->xe->mem.peers.lock);
	INIT_LIST_HEAD(&fake->xe->mem.peers.list);
	mutex_init(&fake->xe->mem_access.vram_userfault.lock);
	fake->vram.io_size = FAKE_BAR;
	fake->vram.usable_size = FAKE_VRAM;
	ttm_set_driver_manager(&fake->xe->ttm, XE_PL_VRAM0, &fake->vram.ttm.manager);

	drm_gem_private_object_init(&fake->xe->drm, &fake->bo.ttm.base, FAKE_SIZE);
	fake->bo.ttm.bdev = &fake->xe->ttm;
	fake->bo.ttm.type = ttm_bo_type_device;
	fake->bo.ttm.resource = &fake->vres.base;
	fake->bo.flags = XE_BO_FLAG_USER | XE_BO_FLAG_VRAM0;
	INIT_LIST_HEAD(&fake->bo.vram_userfault_link);
	fake->vres.base.mem_type = XE_PL_VRAM0;
	fake->vres.base.size = FAKE_SIZE;

	err = kunit_add_action_or_reset(test, fake_fini, fake);
	KUNIT_ASSERT_EQ(test, err, 0);
	fake->dmabuf = fake_export(test, fake);
	fake->bo.ttm.base.dma_buf = fake->dmabuf;

	fake->attach = dma_buf_dynamic_attach(fake->dmabuf, fake->xe->drm.dev,
					      &fake_attach_ops, fake);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->attach);
	return 0;
}

#endif
