// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers of a dma-buf, on a fake device with a small BAR.
 *
 * Included by xe_dma_buf_p2p.c.
 */
#include "tests/xe_dma_buf_fake.h"

static int make_visible(struct fake *fake)
{
	int err;

	xe_bo_lock(&fake->bo, false);
	err = xe_dma_buf_make_visible(&fake->bo);
	xe_bo_unlock(&fake->bo);
	return err;
}

/* The next validation of a BO in VRAM moves it below the end of the BAR. */
static void test_visible(struct kunit *test)
{
	struct fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, make_visible(fake), 0);
	KUNIT_EXPECT_TRUE(test, fake->bo.flags & XE_BO_FLAG_NEEDS_CPU_ACCESS);
	KUNIT_EXPECT_EQ(test, fake->bo.placement.num_placement, 1);
	KUNIT_EXPECT_EQ(test, fake->bo.placements[0].mem_type, XE_PL_VRAM0);
	KUNIT_EXPECT_EQ(test, fake->bo.placements[0].lpfn, FAKE_BAR >> PAGE_SHIFT);

	/* System memory is everyone's. */
	fake->bo.flags = XE_BO_FLAG_USER | XE_BO_FLAG_SYSTEM;
	KUNIT_EXPECT_EQ(test, make_visible(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->bo.flags, XE_BO_FLAG_USER | XE_BO_FLAG_SYSTEM);
}

/* What is pinned cannot be moved. */
static void test_pinned(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->bo.ttm.pin_count = 1;
	KUNIT_EXPECT_EQ(test, make_visible(fake), -ENOSPC);
	KUNIT_EXPECT_FALSE(test, fake->bo.flags & XE_BO_FLAG_NEEDS_CPU_ACCESS);
	fake->vres.used_visible_size = FAKE_SIZE;
	KUNIT_EXPECT_EQ(test, make_visible(fake), 0);
	fake->vres.used_visible_size = 0;
	fake->vres.base.mem_type = XE_PL_TT;
	KUNIT_EXPECT_EQ(test, make_visible(fake), 0);
	fake->bo.ttm.pin_count = 0;
}

/* There are no more mappings of a device that is gone, and nothing moves to it. */
static void test_gone(struct kunit *test)
{
	struct fake *fake = test->priv;

	dma_resv_lock(fake->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, xe_dma_buf_peer_map(fake->attach), 0);
	KUNIT_EXPECT_EQ(test, xe_dma_buf_peer_map(fake->attach), 0);
	KUNIT_EXPECT_FALSE(test, xe_dma_buf_is_lost(&fake->bo));
	fake->xe->drm.unplugged = true;
	KUNIT_EXPECT_EQ(test, xe_dma_buf_peer_map(fake->attach), -ENODEV);
	KUNIT_EXPECT_EQ(test, xe_dma_buf_make_visible(&fake->bo), -ENODEV);
	KUNIT_EXPECT_TRUE(test, xe_dma_buf_is_lost(&fake->bo));
	fake->vres.base.mem_type = XE_PL_TT;
	KUNIT_EXPECT_EQ(test, xe_dma_buf_make_visible(&fake->bo), -ENODEV);
	KUNIT_EXPECT_FALSE(test, xe_dma_buf_is_lost(&fake->bo));
	fake->vres.base.mem_type = XE_PL_VRAM0;
	fake->xe->drm.unplugged = false;
	xe_dma_buf_peer_unmap(fake->attach);
	KUNIT_EXPECT_TRUE(test, xe_dma_buf_is_mapped(fake->xe));
	xe_dma_buf_peer_unmap(fake->attach);
	dma_resv_unlock(fake->dmabuf->resv);
	KUNIT_EXPECT_FALSE(test, xe_dma_buf_is_mapped(fake->xe));
	xe_dma_buf_revoke(fake->xe);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 0);
}

/* VRAM, where somebody else has pinned it, is not mapped for who is no peer. */
static void test_no_peer(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake->attach->peer2peer = false;
	dma_resv_lock(fake->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, xe_dma_buf_peer_map(fake->attach), -EOPNOTSUPP);
	dma_resv_unlock(fake->dmabuf->resv);
}

/* Who cannot be told to unmap is not waited for. */
static void test_deaf(struct kunit *test)
{
	static const struct dma_buf_attach_ops deaf_ops = {
		.allow_peer2peer = true,
	};
	struct fake *fake = test->priv;
	struct dma_buf_attachment *deaf;
	unsigned long start = jiffies;

	deaf = dma_buf_dynamic_attach(fake->dmabuf, fake->xe->drm.dev, &deaf_ops, fake);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, deaf);
	dma_resv_lock(fake->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, xe_dma_buf_peer_map(deaf), 0);
	dma_resv_unlock(fake->dmabuf->resv);
	xe_dma_buf_revoke(fake->xe);
	KUNIT_EXPECT_LT(test, jiffies - start, XE_DMA_BUF_UNMAP_TIMEOUT / 2);
	dma_resv_lock(fake->dmabuf->resv, NULL);
	xe_dma_buf_peer_unmap(deaf);
	dma_resv_unlock(fake->dmabuf->resv);
	dma_buf_detach(fake->dmabuf, deaf);
}

static void fake_map_vram(struct kunit *test)
{
	struct fake *fake = test->priv;

	dma_resv_lock(fake->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, xe_dma_buf_peer_map(fake->attach), 0);
	dma_resv_unlock(fake->dmabuf->resv);
	fake->unmaps = true;
}

/* The device goes away: who has mapped VRAM is told, whoever has the BO pinned. */
static void test_revoke(struct kunit *test)
{
	struct fake *fake = test->priv;

	fake_map_vram(test);
	fake->bo.ttm.pin_count = 1;
	/* The program has closed the handle. */
	fake->bo.ttm.base.dma_buf = NULL;
	xe_dma_buf_revoke(fake->xe);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
	KUNIT_EXPECT_FALSE(test, xe_dma_buf_is_mapped(fake->xe));
	fake->bo.ttm.pin_count = 0;

	/* Who has nothing mapped is not told. */
	xe_dma_buf_revoke(fake->xe);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
}

/* The first step of a move out of VRAM, which is all that needs no GPU. */
static void move_out(struct kunit *test)
{
	struct ttm_resource sysmem = { .mem_type = XE_PL_SYSTEM };
	struct ttm_operation_ctx ctx = {};
	struct fake *fake = test->priv;
	struct ttm_place hop;

	xe_bo_lock(&fake->bo, false);
	KUNIT_EXPECT_EQ(test, xe_ttm_funcs.move(&fake->bo.ttm, false, &ctx,
						&sysmem, &hop), -EMULTIHOP);
	xe_bo_unlock(&fake->bo);
}

/* Who has closed the handle of a BO has its importers told when it moves. */
static void test_move_no_handle(struct kunit *test)
{
	struct fake *fake = test->priv;

	move_out(test);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
	fake->bo.ttm.base.dma_buf = NULL;
	move_out(test);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 2);
}

/* The importers of both dma-bufs of a BO are told when it moves, once. */
static void test_move_exported_twice(struct kunit *test)
{
	struct dma_buf_attachment *attach;
	struct fake *fake = test->priv;
	struct dma_buf *dmabuf;
	struct fake *other;

	other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, other);
	fake->bo.ttm.base.dma_buf = NULL;
	dmabuf = fake_export(test, fake);
	fake->bo.ttm.base.dma_buf = dmabuf;
	attach = dma_buf_dynamic_attach(dmabuf, fake->xe->drm.dev,
					&fake_attach_ops, other);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	move_out(test);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
	KUNIT_EXPECT_EQ(test, other->invalidated, 1);

	/* One of them is not there any more. */
	dma_buf_detach(dmabuf, attach);
	fake->bo.ttm.base.dma_buf = NULL;
	dma_buf_put(dmabuf);
	flush_delayed_fput();
	move_out(test);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 2);
	KUNIT_EXPECT_EQ(test, other->invalidated, 1);
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

/* BOs that are in use are not waited for one by one. */
static void test_revoke_busy(struct kunit *test)
{
	struct dma_fence *job = kzalloc_obj(*job);
	struct fake *fake = test->priv;
	unsigned long start;

	KUNIT_ASSERT_NOT_NULL(test, job);
	dma_fence_init(job, &fake_fence_ops, &fake_fence_lock,
		       dma_fence_context_alloc(1), 1);
	dma_resv_lock(fake->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(fake->dmabuf->resv, 1), 0);
	dma_resv_add_fence(fake->dmabuf->resv, job, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(fake->dmabuf->resv);

	fake_map_vram(test);
	start = jiffies;
	xe_dma_buf_revoke(fake->xe);
	KUNIT_EXPECT_LT(test, jiffies - start, XE_DMA_BUF_UNMAP_TIMEOUT / 2);
	KUNIT_EXPECT_EQ(test, fake->invalidated, 1);
	dma_fence_signal(job);
	dma_fence_put(job);
}

static struct kunit_case xe_dma_buf_p2p_cases[] = {
	KUNIT_CASE(test_visible),
	KUNIT_CASE(test_pinned),
	KUNIT_CASE(test_gone),
	KUNIT_CASE(test_no_peer),
	KUNIT_CASE(test_deaf),
	KUNIT_CASE(test_revoke),
	KUNIT_CASE(test_revoke_busy),
	KUNIT_CASE(test_move_no_handle),
	KUNIT_CASE(test_move_exported_twice),
	{}
};

static struct kunit_suite xe_dma_buf_p2p_suite = {
	.name = "xe_dma_buf_p2p",
	.init = fake_init,
	.test_cases = xe_dma_buf_p2p_cases,
};

kunit_test_suite(xe_dma_buf_p2p_suite);
