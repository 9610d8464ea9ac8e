// SPDX-License-Identifier: GPL-2.0-only
/*
 * A BO that importers access by the CPU, on a fake device with a small BAR.
 *
 * Included by xe_dma_buf_vmap.c.
 */
#include "tests/xe_dma_buf_fake.h"

/* Of a BO that somebody else has pinned, as no fake can be moved. */
static int fake_vmap(struct kunit *test)
{
	struct fake *fake = test->priv;
	struct iosys_map map;
	int err;

	fake->bo.ttm.pin_count = 1;
	dma_resv_lock(fake->dmabuf->resv, NULL);
	err = xe_dma_buf_vmap(fake->dmabuf, &map);
	dma_resv_unlock(fake->dmabuf->resv);
	KUNIT_EXPECT_EQ(test, fake->bo.ttm.pin_count, 1);
	fake->bo.ttm.pin_count = 0;
	return err;
}

/* It cannot be moved below the end of the BAR. */
static void test_beyond(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, fake_vmap(test), -ENOSPC);
}

/* Nor can it be moved to GTT for an importer that is no peer. */
static void test_no_peer(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->vres.used_visible_size = FAKE_SIZE;
	fake->attach->peer2peer = false;
	KUNIT_EXPECT_EQ(test, fake_vmap(test), -EINVAL);
	/* Not bound to the GPU's table, as the shrinker leaves it. */
	fake->vres.base.mem_type = XE_PL_SYSTEM;
	KUNIT_EXPECT_EQ(test, fake_vmap(test), -EINVAL);
}

/* VRAM of a device that is gone is lost. */
static void test_lost(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->vres.used_visible_size = FAKE_SIZE;
	fake->xe->drm.unplugged = true;
	KUNIT_EXPECT_EQ(test, fake_vmap(test), -ENODEV);
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
