// SPDX-License-Identifier: GPL-2.0-only
/*
 * A BO that importers access by the CPU, on a fake device with a small BAR.
 *
 * Included by xe_dma_buf_vmap.c.
 */
#include <kunit/test.h>

#include "tests/xe_kunit_helpers.h"
#include "tests/xe_pci_test.h"
#include "xe_vram_types.h"

/**
 * struct fake - a BO in VRAM, and an importer
 * @xe: the device.
 * @vram: its VRAM.
 * @bo: the BO, pinned.
 * @vres: where it is.
 * @dmabuf: what @bo is exported as.
 * @attach: the importer's attachment.
 */
struct fake {
	struct xe_device *xe;
	struct xe_vram_region vram;
	struct xe_bo bo;
	struct xe_ttm_vram_mgr_resource vres;
	struct dma_buf dmabuf;
	struct dma_buf_attachment attach;
};

static void fake_fini(void *data)
{
	struct fake *fake = data;

	drm_gem_private_object_fini(&fake->bo.ttm.base);
	ttm_set_driver_manager(&fake->xe->ttm, XE_PL_VRAM0, NULL);
}

static int fake_init(struct kunit *test)
{
	struct xe_pci_fake_data data = { .platform = XE_DG2 };
	struct fake *fake;

	fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake);
	test->priv = &data;
	xe_kunit_helper_xe_device_test_init(test);
	fake->xe = test->priv;
	test->priv = fake;

	fake->vram.io_size = SZ_16M;
	fake->vram.usable_size = SZ_64M;
	ttm_set_driver_manager(&fake->xe->ttm, XE_PL_VRAM0, &fake->vram.ttm.manager);
	drm_gem_private_object_init(&fake->xe->drm, &fake->bo.ttm.base, SZ_2M);
	fake->bo.ttm.bdev = &fake->xe->ttm;
	fake->bo.ttm.type = ttm_bo_type_device;
	fake->bo.ttm.resource = &fake->vres.base;
	fake->bo.ttm.pin_count = 1;
	fake->bo.flags = XE_BO_FLAG_USER | XE_BO_FLAG_VRAM0;
	fake->vres.base.mem_type = XE_PL_VRAM0;
	fake->vres.base.size = SZ_2M;

	INIT_LIST_HEAD(&fake->dmabuf.attachments);
	fake->dmabuf.priv = &fake->bo.ttm.base;
	fake->dmabuf.resv = fake->bo.ttm.base.resv;
	fake->attach.peer2peer = true;
	list_add(&fake->attach.node, &fake->dmabuf.attachments);
	return kunit_add_action_or_reset(test, fake_fini, fake);
}

static int fake_vmap(struct fake *fake)
{
	struct iosys_map map;
	int err;

	dma_resv_lock(fake->dmabuf.resv, NULL);
	err = xe_dma_buf_vmap(&fake->dmabuf, &map);
	dma_resv_unlock(fake->dmabuf.resv);
	return err;
}

/* What somebody else has pinned beyond the end of the BAR cannot be moved. */
static void test_beyond(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, fake_vmap(fake), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fake->bo.ttm.pin_count, 1);
}

/* Nor can it be moved to GTT for an importer that is no peer. */
static void test_no_peer(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->vres.used_visible_size = SZ_2M;
	fake->attach.peer2peer = false;
	KUNIT_EXPECT_EQ(test, fake_vmap(fake), -EINVAL);
	/* Not bound to the GPU's table, as the shrinker leaves it. */
	fake->vres.base.mem_type = XE_PL_SYSTEM;
	KUNIT_EXPECT_EQ(test, fake_vmap(fake), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake->bo.ttm.pin_count, 1);
}

/* VRAM of a device that is gone is lost. */
static void test_lost(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->vres.used_visible_size = SZ_2M;
	fake->xe->drm.unplugged = true;
	KUNIT_EXPECT_EQ(test, fake_vmap(fake), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake->bo.ttm.pin_count, 1);
	fake->xe->drm.unplugged = false;
}

static struct kunit_case xe_dma_buf_vmap_cases[] = {
	KUNIT_CASE(test_beyond),
	KUNIT_CASE(test_no_peer),
	KUNIT_CASE(test_lost),
	{}
};

static struct kunit_suite xe_dma_buf_vmap_suite = {
	.name = "xe_dma_buf_vmap",
	.init = fake_init,
	.test_cases = xe_dma_buf_vmap_cases,
};

kunit_test_suite(xe_dma_buf_vmap_suite);
