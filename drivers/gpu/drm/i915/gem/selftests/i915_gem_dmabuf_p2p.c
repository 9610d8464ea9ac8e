// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers of a dma-buf, with an object in a mock region of local memory. What
 * PCI would say and do is mocked too: a mapping has the addresses as they are.
 *
 * Included by i915_gem_dmabuf.c.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/workqueue.h>

#include "gem/i915_gem_dmabuf_p2p.h"
#include "gem/i915_gem_region.h"
#include "i915_selftest.h"
#include "intel_memory_region.h"
#include "intel_region_ttm.h"
#include "selftests/mock_gem_device.h"

#define PEER_LMEM_START	SZ_1G		/* as the GPU sees it */
#define PEER_LMEM_SIZE	SZ_64M
#define PEER_BAR	0x4000000000ULL	/* as others see it */
#define PEER_OBJECT	SZ_1M

#define peer_check(condition) ({					\
	bool __ok = (condition);					\
	if (!__ok)							\
		pr_err("%s:%d: not so: %s\n", __func__, __LINE__,	\
		       #condition);					\
	__ok;								\
})

/* Mappings */

static struct sg_table *peer_mock_map(const struct phys_vec *vec,
				      unsigned int count)
{
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;

	sgt = kzalloc_obj(*sgt);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	if (sg_alloc_table(sgt, count, GFP_KERNEL)) {
		kfree(sgt);
		return ERR_PTR(-ENOMEM);
	}
	for_each_sg(sgt->sgl, sg, count, i) {
		sg_dma_address(sg) = vec[i].paddr;
		sg_dma_len(sg) = vec[i].len;
	}
	sgt->orig_nents = 0;
	return sgt;
}

static void peer_mock_unmap(struct sg_table *sgt)
{
	sgt->orig_nents = sgt->nents;
	sg_free_table(sgt);
	kfree(sgt);
}

static struct sg_table *peer_mock_map_fails(const struct phys_vec *vec,
					    unsigned int count)
{
	return ERR_PTR(-ENOMEM);
}

static struct i915_gem_mock_peer peer_mock = {
	.map = peer_mock_map,
	.unmap = peer_mock_unmap,
};

/* Objects that are in mock local memory, or in pages of the system's. */

static int peer_get_system_pages(struct drm_i915_gem_object *obj)
{
	struct scatterlist *sg;
	struct sg_table *sgt;
	struct page *page;
	int i;

	sgt = kzalloc_obj(*sgt);
	if (!sgt)
		return -ENOMEM;
	if (sg_alloc_table(sgt, obj->base.size >> PAGE_SHIFT, GFP_KERNEL))
		goto err_free;
	for_each_sgtable_sg(sgt, sg, i) {
		page = alloc_page(GFP_KERNEL);
		if (!page)
			goto err_free_pages;
		sg_set_page(sg, page, PAGE_SIZE, 0);
	}
	__i915_gem_object_set_pages(obj, sgt);
	return 0;

err_free_pages:
	for_each_sgtable_sg(sgt, sg, i)
		if (sg_page(sg))
			__free_page(sg_page(sg));
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return -ENOMEM;
}

static int peer_get_pages(struct drm_i915_gem_object *obj)
{
	struct intel_memory_region *mr = obj->mm.region;

	if (mr->type == INTEL_MEMORY_SYSTEM)
		return peer_get_system_pages(obj);

	obj->mm.res = intel_region_ttm_resource_alloc(mr, I915_BO_INVALID_OFFSET,
						      obj->base.size,
						      obj->flags);
	if (IS_ERR(obj->mm.res))
		return PTR_ERR(obj->mm.res);
	obj->mm.rsgt = intel_region_ttm_resource_to_rsgt(mr, obj->mm.res,
							 mr->min_page_size);
	if (IS_ERR(obj->mm.rsgt)) {
		intel_region_ttm_resource_free(mr, obj->mm.res);
		return PTR_ERR(obj->mm.rsgt);
	}
	__i915_gem_object_set_pages(obj, &obj->mm.rsgt->table);
	return 0;
}

static void peer_put_pages(struct drm_i915_gem_object *obj,
			   struct sg_table *pages)
{
	struct scatterlist *sg;
	int i;

	if (obj->mm.rsgt) {
		i915_refct_sgt_put(obj->mm.rsgt);
		obj->mm.rsgt = NULL;
		intel_region_ttm_resource_free(obj->mm.region, obj->mm.res);
		return;
	}
	for_each_sgtable_sg(pages, sg, i)
		__free_page(sg_page(sg));
	sg_free_table(pages);
	kfree(pages);
}

/* As i915_ttm_move_notify() does it, without the content. */
static int peer_evict(struct drm_i915_gem_object *obj)
{
	int err = __i915_gem_object_put_pages(obj);

	if (!err)
		i915_gem_dmabuf_invalidate(obj);
	return err;
}

static int peer_migrate(struct drm_i915_gem_object *obj,
			struct intel_memory_region *mr, unsigned int flags)
{
	unsigned int before = obj->flags;
	int err;

	if (obj->mm.region != mr || flags != obj->flags) {
		err = peer_evict(obj);
		if (err)
			return err;
		i915_gem_object_release_memory_region(obj);
		i915_gem_object_init_memory_region(obj, mr);
	}
	if (i915_gem_object_has_pages(obj))
		return 0;
	obj->flags = flags;
	err = ____i915_gem_object_get_pages(obj);
	obj->flags = before;
	return err;
}

static const struct drm_i915_gem_object_ops peer_obj_ops = {
	.name = "mock-peer",
	.get_pages = peer_get_pages,
	.put_pages = peer_put_pages,
	.migrate = peer_migrate,
	.release = i915_gem_object_release_memory_region,
};

static int peer_init_object(struct intel_memory_region *mem,
			    struct drm_i915_gem_object *obj,
			    resource_size_t offset, resource_size_t size,
			    resource_size_t page_size, unsigned int flags)
{
	static struct lock_class_key lock_class;

	drm_gem_private_object_init(&mem->i915->drm, &obj->base, size);
	i915_gem_object_init(obj, &peer_obj_ops, &lock_class, flags);
	obj->bo_offset = offset;
	obj->read_domains = I915_GEM_DOMAIN_CPU | I915_GEM_DOMAIN_GTT;
	i915_gem_object_set_cache_coherency(obj, I915_CACHE_NONE);
	i915_gem_object_init_memory_region(obj, mem);
	return 0;
}

static const struct intel_memory_region_ops peer_region_ops = {
	.init = intel_region_ttm_init,
	.release = intel_region_ttm_fini,
	.init_object = peer_init_object,
};

/* An importer, and what it has been told. */
struct peer {
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	unsigned int invalidated;
	struct work_struct unmap;	/* what the revoked importer does */
	bool unmaps;
};

static void peer_unmap_work(struct work_struct *work)
{
	struct peer *peer = container_of(work, struct peer, unmap);

	dma_resv_lock(peer->dmabuf->resv, NULL);
	dma_buf_unmap_attachment(peer->attach, peer->sgt, DMA_FROM_DEVICE);
	peer->sgt = NULL;
	dma_resv_unlock(peer->dmabuf->resv);
}

static void peer_invalidated(struct dma_buf_attachment *attach)
{
	struct peer *peer = attach->importer_priv;

	peer->invalidated++;
	if (peer->unmaps)
		queue_work(system_dfl_wq, &peer->unmap);
}

static const struct dma_buf_attach_ops peer_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = peer_invalidated,
};

/* What each test has. */
struct peer_test {
	struct drm_i915_private *i915;
	struct intel_memory_region *smem, *lmem;
	struct intel_memory_region *placements[2];
	struct drm_i915_gem_object *obj;
	struct dma_buf *dmabuf;
	struct peer peer;
};

static int peer_attach(struct peer *peer, struct peer_test *t)
{
	*peer = (struct peer) { .dmabuf = t->dmabuf };
	peer->attach = dma_buf_dynamic_attach(t->dmabuf, t->i915->drm.dev,
					      &peer_ops, peer);
	return PTR_ERR_OR_ZERO(peer->attach);
}

static void peer_detach(struct peer *peer)
{
	dma_buf_detach(peer->dmabuf, peer->attach);
}

static int peer_pin(struct peer *peer)
{
	int err;

	dma_resv_lock(peer->dmabuf->resv, NULL);
	err = dma_buf_pin(peer->attach);
	dma_resv_unlock(peer->dmabuf->resv);
	return err;
}

static void peer_unpin(struct peer *peer)
{
	dma_resv_lock(peer->dmabuf->resv, NULL);
	dma_buf_unpin(peer->attach);
	dma_resv_unlock(peer->dmabuf->resv);
}

static int peer_map_it(struct peer *peer)
{
	peer->sgt = dma_buf_map_attachment_unlocked(peer->attach,
						    DMA_FROM_DEVICE);
	return PTR_ERR_OR_ZERO(peer->sgt);
}

static void peer_unmap_it(struct peer *peer)
{
	dma_buf_unmap_attachment_unlocked(peer->attach, peer->sgt,
					  DMA_FROM_DEVICE);
	peer->sgt = NULL;
}

/* Is all of the mapping in the first @length bytes of the BAR? */
static bool peer_is_in_bar(struct peer *peer, u64 length)
{
	struct scatterlist *sg;
	u64 total = 0;
	int i;

	for_each_sgtable_dma_sg(peer->sgt, sg, i) {
		if (sg_dma_address(sg) < PEER_BAR ||
		    sg_dma_address(sg) + sg_dma_len(sg) > PEER_BAR + length) {
			pr_err("%pad, %u bytes, is outside of the BAR\n",
			       &sg_dma_address(sg), sg_dma_len(sg));
			return false;
		}
		total += sg_dma_len(sg);
	}
	return total == peer->dmabuf->size;
}

static int peer_make(struct peer_test *t, u64 size, unsigned int flags,
		     unsigned int placements)
{
	t->obj = i915_gem_object_create_region(t->lmem, size, 0, flags |
					       I915_BO_ALLOC_USER);
	if (IS_ERR(t->obj))
		return PTR_ERR(t->obj);
	t->placements[0] = t->lmem;
	t->placements[1] = t->smem;
	t->obj->mm.placements = t->placements;
	t->obj->mm.n_placements = placements;

	t->dmabuf = i915_gem_prime_export(&t->obj->base, 0);
	if (!IS_ERR(t->dmabuf)) {
		/* As a handle does that was made a file descriptor. */
		t->obj->base.dma_buf = t->dmabuf;
		return 0;
	}
	i915_gem_object_put(t->obj);
	return PTR_ERR(t->dmabuf);
}

/* What has no more references is gone at once, and not when modprobe returns. */
static void peer_put_dmabuf(struct dma_buf *dmabuf)
{
	__fput_sync(dmabuf->file);
}

static void peer_drop(struct peer_test *t)
{
	t->obj->base.dma_buf = NULL;
	t->obj->mm.n_placements = 0;
	t->obj->mm.placements = NULL;
	peer_put_dmabuf(t->dmabuf);
	i915_gem_object_put(t->obj);
}

static bool peer_is_idle(struct peer_test *t)
{
	return peer_check(!i915_gem_object_has_pinned_pages(t->obj)) &
	       peer_check(!atomic_read(&t->i915->mm.peer_mappings));
}

/* peer_make(), and one peer that has it attached; peer_end() drops both. */
static int peer_begin(struct peer_test *t, u64 size, unsigned int flags,
		      unsigned int placements)
{
	int err;

	err = peer_make(t, size, flags, placements);
	if (err)
		return err;
	err = peer_attach(&t->peer, t);
	if (err)
		peer_drop(t);
	return err;
}

static int peer_end(struct peer_test *t, int err, bool ok)
{
	peer_detach(&t->peer);
	ok &= peer_is_idle(t);
	peer_drop(t);
	return err ?: ok ? 0 : -EINVAL;
}

/* Tests */

/* A peer gets addresses in the BAR, and nothing moves. */
static int igt_peer_stays(void *arg)
{
	struct peer_test *t = arg;
	struct peer *peer = &t->peer;
	bool ok;
	int err;

	err = peer_begin(t, PEER_OBJECT, 0, 2);
	if (err)
		return err;
	ok = peer_check(peer->attach->peer2peer);
	ok &= peer_check(!i915_gem_object_has_pinned_pages(t->obj));

	/* A mapping that fails leaves nothing pinned. */
	peer_mock.map = peer_mock_map_fails;
	ok &= peer_check(peer_map_it(peer) == -ENOMEM);
	peer_mock.map = peer_mock_map;
	ok &= peer_is_idle(t);

	err = peer_pin(peer);
	if (err)
		goto out;
	err = peer_map_it(peer);
	if (err)
		goto out_unpin;
	ok &= peer_check(t->obj->mm.region == t->lmem);
	ok &= peer_check(peer_is_in_bar(peer, PEER_LMEM_SIZE));
	ok &= peer_check(atomic_read(&t->i915->mm.peer_mappings) == 1);
	ok &= peer_check(!peer->invalidated);
	peer_unmap_it(peer);
out_unpin:
	peer_unpin(peer);
out:
	return peer_end(t, err, ok);
}

/* Who has no path gets system memory, or nothing, as if there were no peers. */
static int igt_peer_far(void *arg)
{
	struct peer_test *t = arg;
	struct peer *peer = &t->peer;
	bool ok;
	int err;

	peer_mock.reaches = false;
	err = peer_begin(t, PEER_OBJECT, 0, 2);
	if (err)
		return err;
	ok = peer_check(!peer->attach->peer2peer);
	ok &= peer_check(t->obj->mm.region == t->smem);
	ok &= peer_check(i915_gem_object_has_pinned_pages(t->obj));
	err = peer_map_it(peer);
	if (!err) {
		ok &= peer_check(sg_dma_address(peer->sgt->sgl) < PEER_BAR);
		peer_unmap_it(peer);
	}
	err = peer_end(t, err, ok);
	if (err)
		return err;

	err = peer_make(t, PEER_OBJECT, 0, 1);
	if (err)
		return err;
	if (!peer_check(peer_attach(peer, t) == -EOPNOTSUPP)) {
		peer_detach(peer);
		err = -EINVAL;
	}
	peer_drop(t);
	return err;
}

/* One importer that is no peer, and it is system memory for all. */
static int igt_peer_mixed(void *arg)
{
	struct peer_test *t = arg;
	struct peer *peer = &t->peer;
	struct dma_buf_attachment *other;
	bool ok = true;
	int err;

	err = peer_begin(t, PEER_OBJECT, 0, 2);
	if (err)
		return err;

	/* Mapped, and not pinned: it moves, and the peer is told. */
	err = peer_map_it(peer);
	if (err)
		goto out;
	ok &= peer_check(peer_is_in_bar(peer, PEER_LMEM_SIZE));
	other = dma_buf_attach(t->dmabuf, t->i915->drm.dev);
	ok &= peer_check(!IS_ERR(other));
	ok &= peer_check(peer->invalidated == 1);
	peer_unmap_it(peer);
	if (IS_ERR(other)) {
		err = PTR_ERR(other);
		goto out;
	}
	ok &= peer_check(t->obj->mm.region == t->smem);
	err = peer_map_it(peer);
	if (!err) {
		ok &= peer_check(sg_dma_address(peer->sgt->sgl) < PEER_BAR);
		peer_unmap_it(peer);
	}
	dma_buf_detach(t->dmabuf, other);
	ok &= peer_is_idle(t);
	if (err)
		goto out;

	/* Peers only again: back. Pinned, it stays, and the other is refused. */
	err = peer_pin(peer);
	if (err)
		goto out;
	ok &= peer_check(t->obj->mm.region == t->lmem);
	other = dma_buf_attach(t->dmabuf, t->i915->drm.dev);
	ok &= peer_check(PTR_ERR_OR_ZERO(other) == -EOPNOTSUPP);
	if (!IS_ERR(other))
		dma_buf_detach(t->dmabuf, other);
	ok &= peer_check(t->obj->mm.region == t->lmem);
	peer_unpin(peer);
out:
	return peer_end(t, err, ok);
}

/* What is pinned is not evicted; what is not is, and the peer is told. */
static int igt_peer_evict(void *arg)
{
	struct peer_test *t = arg;
	struct peer *peer = &t->peer;
	bool ok = true;
	int err;

	err = peer_begin(t, PEER_OBJECT, 0, 2);
	if (err)
		return err;
	err = peer_pin(peer);
	if (err)
		goto out;
	i915_gem_object_lock(t->obj, NULL);
	ok &= peer_check(peer_evict(t->obj) == -EBUSY);
	i915_gem_object_unlock(t->obj);
	ok &= peer_check(!peer->invalidated);
	peer_unpin(peer);

	i915_gem_object_lock(t->obj, NULL);
	ok &= peer_check(!peer_evict(t->obj));
	i915_gem_object_unlock(t->obj);
	ok &= peer_check(peer->invalidated == 1);
out:
	return peer_end(t, err, ok);
}

/* The BAR shows a quarter: what is beyond it moves there, or is refused. */
static int igt_peer_small_bar(void *arg)
{
	struct peer_test *t = arg;
	struct peer *peer = &t->peer;
	u64 bar = resource_size(&t->lmem->io);
	bool ok = true;
	int err;

	err = peer_begin(t, PEER_OBJECT, I915_BO_ALLOC_GPU_ONLY, 1);
	if (err)
		return err;
	ok &= peer_check(peer->attach->peer2peer);
	err = i915_gem_object_pin_pages_unlocked(t->obj);
	if (err)
		goto out;
	ok &= peer_check(sg_dma_address(t->obj->mm.pages->sgl) >=
			 PEER_LMEM_START + bar);
	ok &= peer_check(peer_pin(peer) == -ENOSPC);
	i915_gem_object_unpin_pages(t->obj);

	err = peer_pin(peer);
	if (!err)
		err = peer_map_it(peer);
	if (!err) {
		ok &= peer_check(peer_is_in_bar(peer, bar));
		peer_unmap_it(peer);
		peer_unpin(peer);
	}
out:
	err = peer_end(t, err, ok);
	if (err)
		return err;

	err = peer_begin(t, 2 * bar, I915_BO_ALLOC_GPU_ONLY, 1);
	if (err)
		return err;
	return peer_end(t, 0, peer_check(peer_pin(peer) == -E2BIG));
}

/* An eviction that is to tell whoever has it mapped. */
static int peer_evict_locked(struct peer_test *t)
{
	int err;

	i915_gem_object_lock(t->obj, NULL);
	err = peer_evict(t->obj);
	i915_gem_object_unlock(t->obj);
	return err;
}

/* The program has closed the handle, and perhaps has made another one since. */
static int igt_peer_no_handle(void *arg)
{
	struct peer_test *t = arg;
	struct peer_test again = { .i915 = t->i915 };
	struct peer other;
	bool ok = true;
	int err;

	err = peer_begin(t, PEER_OBJECT, 0, 2);
	if (err)
		return err;
	t->obj->base.dma_buf = NULL;
	ok &= peer_check(!peer_evict_locked(t));
	ok &= peer_check(t->peer.invalidated == 1);

	again.dmabuf = i915_gem_prime_export(&t->obj->base, 0);
	if (IS_ERR(again.dmabuf)) {
		err = PTR_ERR(again.dmabuf);
		goto out;
	}
	t->obj->base.dma_buf = again.dmabuf;
	err = peer_attach(&other, &again);
	if (!err) {
		ok &= peer_check(!peer_evict_locked(t));
		ok &= peer_check(t->peer.invalidated == 2);
		ok &= peer_check(other.invalidated == 1);
		peer_detach(&other);
	}
	t->obj->base.dma_buf = NULL;
	peer_put_dmabuf(again.dmabuf);
	ok &= peer_check(!peer_evict_locked(t));
	ok &= peer_check(t->peer.invalidated == (err ? 2 : 3));
out:
	return peer_end(t, err, ok);
}

static const char *peer_job_name(struct dma_fence *fence)
{
	return "peer";
}

static const struct dma_fence_ops peer_job_ops = {
	.get_driver_name = peer_job_name,
	.get_timeline_name = peer_job_name,
};

static DEFINE_SPINLOCK(peer_job_lock);

/* Somebody's job with the object, which ends when the caller says so. */
static struct dma_fence *peer_job(struct dma_resv *resv)
{
	struct dma_fence *job = kzalloc_obj(*job);
	int err;

	if (!job)
		return ERR_PTR(-ENOMEM);
	dma_fence_init(job, &peer_job_ops, &peer_job_lock,
		       dma_fence_context_alloc(1), 1);
	dma_resv_lock(resv, NULL);
	err = dma_resv_reserve_fences(resv, 1);
	if (!err)
		dma_resv_add_fence(resv, job, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(resv);
	if (err) {
		dma_fence_put(job);
		return ERR_PTR(err);
	}
	return job;
}

/*
 * The device goes away: nobody maps any more, and it waits for who has, but not
 * for each object that is in use.
 */
static int igt_peer_revoke(void *arg)
{
	struct peer_test *t = arg;
	struct peer *peer = &t->peer;
	struct dma_fence *job;
	unsigned long start;
	bool ok = true;
	int err;

	err = peer_begin(t, PEER_OBJECT, 0, 1);
	if (err)
		return err;
	err = peer_pin(peer);
	if (err)
		goto out;
	err = peer_map_it(peer);
	if (err)
		goto out_unpin;
	job = peer_job(t->dmabuf->resv);
	if (IS_ERR(job)) {
		err = PTR_ERR(job);
		peer_unmap_it(peer);
		goto out_unpin;
	}
	INIT_WORK(&peer->unmap, peer_unmap_work);
	peer->unmaps = true;
	t->i915->drm.unplugged = true;
	start = jiffies;
	i915_gem_dmabuf_revoke(t->i915);
	ok &= peer_check(time_before(jiffies, start + 5 * HZ));
	dma_fence_signal(job);
	dma_fence_put(job);
	ok &= peer_check(peer->invalidated == 1);
	ok &= peer_check(!atomic_read(&t->i915->mm.peer_mappings));
	flush_work(&peer->unmap);
	ok &= peer_check(!peer->sgt);
	ok &= peer_check(peer_map_it(peer) == -ENODEV);
	t->i915->drm.unplugged = false;
out_unpin:
	peer_unpin(peer);
out:
	return peer_end(t, err, ok);
}

/* What is in local memory of a device that is gone is not moved, nor accessed. */
static int igt_peer_gone(void *arg)
{
	struct peer_test *t = arg;
	struct dma_buf_attachment *other;
	struct iosys_map map;
	bool ok = true;
	int err;

	err = peer_begin(t, PEER_OBJECT, 0, 2);
	if (err)
		return err;
	err = peer_pin(&t->peer);
	if (err)
		goto out;
	peer_unpin(&t->peer);
	t->i915->drm.unplugged = true;
	ok &= peer_check(peer_pin(&t->peer) == -ENODEV);
	other = dma_buf_attach(t->dmabuf, t->i915->drm.dev);
	ok &= peer_check(PTR_ERR_OR_ZERO(other) == -ENODEV);
	if (!IS_ERR(other))
		dma_buf_detach(t->dmabuf, other);
	ok &= peer_check(t->obj->mm.region == t->lmem);
	err = dma_buf_vmap_unlocked(t->dmabuf, &map);
	ok &= peer_check(err == -ENODEV);
	if (!err)
		dma_buf_vunmap_unlocked(t->dmabuf, &map);
	err = 0;
	t->i915->drm.unplugged = false;
out:
	return peer_end(t, err, ok);
}

/*
 * Another i915 imports it, which is no peer: it moves. What that makes of it is
 * not local memory, so its importers are no peers either.
 */
static int igt_peer_reexport(void *arg)
{
	struct peer_test *t = arg;
	struct drm_gem_object *import;
	struct dma_buf *again;
	struct peer_test inner = { .i915 = t->i915 };
	bool ok = true;
	int err;

	err = peer_make(t, PEER_OBJECT, 0, 2);
	if (err)
		return err;
	force_different_devices = true;
	import = i915_gem_prime_import(&t->i915->drm, t->dmabuf);
	force_different_devices = false;
	if (IS_ERR(import)) {
		err = PTR_ERR(import);
		goto out;
	}
	ok &= peer_check(import != &t->obj->base);
	ok &= peer_check(t->obj->mm.region == t->smem);

	again = i915_gem_prime_export(import, 0);
	if (IS_ERR(again)) {
		err = PTR_ERR(again);
		goto out_import;
	}
	inner.dmabuf = again;
	ok &= peer_check(peer_attach(&t->peer, &inner) == -EOPNOTSUPP);
	peer_put_dmabuf(again);
out_import:
	drm_gem_object_put(import);
	i915_gem_drain_freed_objects(t->i915);
	if (!err && (!ok || !peer_is_idle(t)))
		err = -EINVAL;
out:
	peer_drop(t);
	return err;
}

static const struct i915_subtest peer_whole_bar[] = {
	SUBTEST(igt_peer_stays),
	SUBTEST(igt_peer_far),
	SUBTEST(igt_peer_mixed),
	SUBTEST(igt_peer_evict),
	SUBTEST(igt_peer_no_handle),
	SUBTEST(igt_peer_revoke),
	SUBTEST(igt_peer_gone),
	SUBTEST(igt_peer_reexport),
};

static const struct i915_subtest peer_part_of_bar[] = {
	SUBTEST(igt_peer_small_bar),
};

static int peer_setup(void *arg)
{
	peer_mock.reaches = true;
	i915_gem_mock_peer = &peer_mock;
	return 0;
}

static int peer_teardown(int err, void *arg)
{
	struct peer_test *t = arg;

	i915_gem_drain_freed_objects(t->i915);
	i915_gem_mock_peer = NULL;
	return err;
}

static int peer_run(const struct i915_subtest *tests, unsigned int count,
		    u64 bar)
{
	struct peer_test *t;
	int err = -ENOMEM;

	t = kzalloc_obj(*t);
	if (!t)
		return -ENOMEM;
	t->i915 = mock_gem_device();
	if (!t->i915)
		goto out_free;
	t->smem = t->i915->mm.regions[INTEL_REGION_SMEM];
	t->lmem = intel_memory_region_create(t->i915, PEER_LMEM_START,
					     PEER_LMEM_SIZE, PAGE_SIZE,
					     PEER_BAR, bar, INTEL_MEMORY_LOCAL,
					     0, &peer_region_ops);
	if (IS_ERR(t->lmem)) {
		err = PTR_ERR(t->lmem);
		goto out;
	}
	t->lmem->id = INTEL_REGION_LMEM_0;
	t->i915->mm.regions[INTEL_REGION_LMEM_0] = t->lmem;

	err = __i915_subtests("dmabuf_p2p", peer_setup, peer_teardown, tests,
			      count, t);

	t->i915->mm.regions[INTEL_REGION_LMEM_0] = NULL;
	intel_memory_region_destroy(t->lmem);
out:
	mock_destroy_device(t->i915);
out_free:
	kfree(t);
	return err;
}

int i915_gem_dmabuf_p2p_mock_selftests(void)
{
	return peer_run(peer_whole_bar, ARRAY_SIZE(peer_whole_bar),
			PEER_LMEM_SIZE) ?:
	       peer_run(peer_part_of_bar, ARRAY_SIZE(peer_part_of_bar),
			PEER_LMEM_SIZE / 4);
}
