// SPDX-License-Identifier: GPL-2.0
/*
 * Revocation: the exporter takes the memory of a region back.
 *
 * dma_buf_invalidate_mappings() comes with the reservation lock held, and the
 * netdev instance lock, which stopping a queue needs, nests outside it. So the
 * callback only marks the region; a work item stops the device and unmaps.
 *
 * No fence is added to the reservation object for the time in between. A
 * fence must signal without waiting for memory, and stopping a queue waits for
 * the netdev lock, under which others allocate. An exporter that needs the
 * device to have stopped waits for the unmap, as dma_buf_attach_revocable()
 * promises it.
 */
#include <linux/dma-resv.h>

#include "internal.h"

/**
 * netgpu_region_bind - start to use a region
 * @region: the region.
 * @user: callbacks, of static lifetime.
 * @priv: passed to them.
 *
 * From here on @user->revoke may be called, until netgpu_region_unbind().
 *
 * Return: 0, -EBUSY when the region is in use, -ENODEV when it was revoked.
 */
int netgpu_region_bind(struct netgpu_region *region,
		       const struct netgpu_region_user *user, void *priv)
{
	guard(spinlock)(&region->lock);

	if (region->revoked)
		return -ENODEV;
	if (region->user)
		return -EBUSY;

	region->user = user;
	region->user_priv = priv;
	return 0;
}

/**
 * netgpu_region_unbind - the device has stopped to access a region
 * @region: a bound region.
 *
 * A region that only lives for its user, and one that was revoked, is unmapped
 * here. A region that has a file descriptor of its own can be bound again.
 *
 * Context: takes the reservation lock of the dma-buf. The caller has made sure
 * that the device does not access the memory any more.
 */
void netgpu_region_unbind(struct netgpu_region *region)
{
	bool keep;

	scoped_guard(spinlock, &region->lock) {
		region->user = NULL;
		region->user_priv = NULL;
		keep = region->netdev && !region->revoked;
	}
	if (!keep)
		netgpu_region_unmap(region);
}

/**
 * netgpu_region_revoke - end the use of a region, for good
 * @region: the region.
 *
 * Marks the region and leaves the rest to a work item. Later calls do nothing.
 *
 * Context: any that may hold the reservation lock.
 */
void netgpu_region_revoke(struct netgpu_region *region)
{
	scoped_guard(spinlock, &region->lock) {
		if (region->revoked)
			return;
		WRITE_ONCE(region->revoked, true);
	}
	wake_up_all(&region->wait);

	/* On its way out, the region is unmapped by who dropped the last ref. */
	if (!refcount_inc_not_zero(&region->refs))
		return;
	if (!queue_work(system_dfl_wq, &region->revoke_work))
		WARN_ON_ONCE(refcount_dec_and_test(&region->refs));
}

void netgpu_region_invalidate(struct dma_buf_attachment *attach)
{
	struct netgpu_region *region = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	/* Not mapped yet: this is the move that pinning it brings about. */
	if (!region->mapping)
		return;

	netgpu_region_revoke(region);
}

void netgpu_revoke_work(struct work_struct *work)
{
	struct netgpu_region *region =
		container_of(work, struct netgpu_region, revoke_work);
	const struct netgpu_region_user *user;
	bool got = false;
	void *priv;

	scoped_guard(spinlock, &region->lock) {
		user = region->user;
		priv = region->user_priv;
		if (user)
			got = user->tryget(priv);
	}

	if (got) {
		user->revoke(priv);
		user->put(priv);
	} else if (!user) {
		netgpu_region_unmap(region);
	}
	/* Otherwise the user is about to unbind, which unmaps. */

	netgpu_region_put(region);
}
