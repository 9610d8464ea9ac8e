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
#include <linux/export.h>
#include <linux/module.h>

#include "internal.h"
#include "trace.h"

/**
 * netgpu_overlap - find what is already bound in a range
 * @buffer: the buffer, locked.
 * @offset: first byte of the range.
 * @length: bytes in the range.
 *
 * Return: a region that a device may be writing into and that shares at least
 * one byte with the range, or NULL.
 */
struct netgpu_region *netgpu_overlap(struct netgpu_buffer *buffer, u64 offset,
				     u64 length)
{
	struct netgpu_region *region;

	lockdep_assert_held(&buffer->lock);

	list_for_each_entry(region, &buffer->bound, bound)
		if (region->offset < offset + length &&
		    offset < region->offset + region->length)
			return region;
	return NULL;
}

int netgpu_region_bind(struct netgpu_region *region,
		       const struct netgpu_region_user *user, void *priv)
{
	struct netgpu_buffer *buffer = region->buffer;
	bool writes = region->attachment->dir != DMA_TO_DEVICE;

	guard(mutex)(&buffer->lock);

	if (writes && netgpu_overlap(buffer, region->offset, region->length))
		return -EBUSY;

	scoped_guard(spinlock, &region->lock) {
		if (region->revoked)
			return -ENODEV;
		if (region->user)
			return -EBUSY;
		if (!try_module_get(user->owner))
			return -ENODEV;
		region->user = user;
		region->user_priv = priv;
	}
	if (writes)
		list_add_tail(&region->bound, &buffer->bound);
	trace_netgpu_bind(region);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_bind, "NETGPU");

void netgpu_region_unbind(struct netgpu_region *region)
{
	const struct netgpu_region_user *user;
	bool keep;

	scoped_guard(mutex, &region->buffer->lock) {
		list_del_init(&region->bound);
		scoped_guard(spinlock, &region->lock) {
			user = region->user;
			region->user = NULL;
			region->user_priv = NULL;
			keep = region->netdev && !region->revoked;
		}
	}
	if (user) {
		trace_netgpu_unbind(region);
		module_put(user->owner);
	}
	if (!keep)
		netgpu_region_end(region);
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_unbind, "NETGPU");

/**
 * netgpu_region_revoke - end the use of a region, for good
 * @region: the region.
 *
 * Marks the region. If it is bound, a work item does the rest, else the caller
 * is to end it. Later calls do nothing.
 *
 * Context: any that may hold the reservation lock.
 *
 * Return: true when nothing uses the region.
 */
bool netgpu_region_revoke(struct netgpu_region *region)
{
	bool idle;

	scoped_guard(spinlock, &region->lock) {
		idle = !region->user;
		if (region->revoked)
			return idle;
		WRITE_ONCE(region->revoked, true);
	}
	trace_netgpu_revoke(region, !idle);
	wake_up_all(&region->wait);
	if (idle)
		return true;

	/* Without references it has been unbound by now, and is being ended. */
	if (refcount_inc_not_zero(&region->refs) &&
	    !queue_work(system_dfl_wq, &region->revoke_work))
		WARN_ON_ONCE(refcount_dec_and_test(&region->refs));
	return false;
}

void netgpu_invalidate(struct dma_buf_attachment *attach)
{
	struct netgpu_attachment *attachment = attach->importer_priv;
	struct netgpu_region *region, *next;

	dma_resv_assert_held(attach->dmabuf->resv);

	/* Not mapped yet: this is the move that pinning it brings about. */
	if (!attachment->mapping)
		return;

	WRITE_ONCE(attachment->revoked, true);
	list_for_each_entry_safe(region, next, &attachment->regions, node)
		if (netgpu_region_revoke(region))
			netgpu_region_end_locked(region);
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
		if (got)
			__module_get(user->owner);
	}

	if (got) {
		user->revoke(priv);
		user->put(priv);
		module_put(user->owner);
	} else if (!user) {
		netgpu_region_end(region);
	}
	/* Otherwise the user is about to unbind, which ends it. */

	netgpu_region_put(region);
}
