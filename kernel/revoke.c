// SPDX-License-Identifier: GPL-2.0
/*
 * The use of a region and its end, which an exporter may call for at any time.
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
 *
 * So it must not hold what somebody may wait for with the netdev lock, or with the
 * RTNL, which the reset of a device that does not get on with sending may take. vfio-pci
 * does: it waits with its memory_lock held, which a fault in a BAR that it has
 * mapped takes, and ethtool copies to and from user space under those locks.
 * Who gives it a buffer in such a BAR at that time has all three wait for ever.
 * Nothing here can break that, only the fault can.
 */
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

LIST_HEAD(netgpu_regions);

/**
 * netgpu_region_next - step of netgpu_for_each_region()
 * @region: the last one, whose reference is dropped, or NULL.
 *
 * Return: the next one, with a reference, or NULL.
 */
struct netgpu_region *netgpu_region_next(struct netgpu_region *region)
{
	struct netgpu_region *next, *found = NULL;

	scoped_guard(mutex, &netgpu_lock) {
		next = list_prepare_entry(region, &netgpu_regions, list);
		list_for_each_entry_continue(next, &netgpu_regions, list) {
			if (refcount_inc_not_zero(&next->refs)) {
				found = next;
				break;
			}
		}
	}
	if (region)
		netgpu_region_put(region);
	return found;
}

/**
 * netgpu_check_overlap - is a part of a region being received into already?
 * @region: a region of /dev/netgpu.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Context: the reservation lock is held: others of the same dma-buf are bound
 * under it, too.
 *
 * Return: 0 or -EBUSY.
 */
int netgpu_check_overlap(const struct netgpu_region *region,
			 struct netlink_ext_ack *extack)
{
	const struct netgpu_region *other;

	dma_resv_assert_held(region->dmabuf->resv);

	guard(mutex)(&netgpu_lock);
	list_for_each_entry(other, &netgpu_regions, list) {
		if (other->dmabuf != region->dmabuf || !other->netdev)
			continue;
		if (!other->users[NETGPU_USE_RX])
			continue;
		if (other->offset < region->offset + region->length &&
		    region->offset < other->offset + other->length) {
			NL_SET_ERR_MSG(extack,
				       "a part of the range is being received into already: use another, or end what uses it");
			return -EBUSY;
		}
	}
	return 0;
}

static void netgpu_region_set(struct netgpu_region *region, int state)
{
	dma_resv_assert_held(region->dmabuf->resv);

	WRITE_ONCE(region->state, state);
	wake_up_all(&region->wait);
}

/*
 * Nothing will access it any more. The last one of an attachment unmaps it, and
 * only then says so, to who waits without the reservation lock.
 */
static void netgpu_region_end(struct netgpu_region *region)
{
	struct netgpu_attachment *attachment = region->attachment;

	if (region->state == NETGPU_LIFE_ENDED)
		return;
	list_del(&region->node);
	if (list_empty(&attachment->regions))
		netgpu_attachment_unmap(attachment);
	netdev_put(region->phys, &region->phys_tracker);
	netgpu_region_set(region, NETGPU_LIFE_ENDED);
}

static int netgpu_region_bind_locked(struct netgpu_region *region,
				     enum netgpu_use use,
				     const struct netgpu_region_user *user,
				     void *priv)
{
	const u32 wanted = use == NETGPU_USE_TX ? NETGPU_REGION_TX :
						  NETGPU_REGION_RX;
	int err;

	if (!(region->flags & wanted))
		return -EACCES;
	if (region->state != NETGPU_LIFE_IDLE &&
	    region->state != NETGPU_LIFE_BOUND)
		return -ENODEV;
	if (region->users[use])
		return -EBUSY;
	if (region->netdev && use == NETGPU_USE_RX) {
		err = netgpu_check_overlap(region, NULL);
		if (err)
			return err;
	}
	if (!try_module_get(user->owner))
		return -ENODEV;
	region->users[use] = user;
	region->user_privs[use] = priv;
	netgpu_region_set(region, NETGPU_LIFE_BOUND);
	return 0;
}

int netgpu_region_bind(struct netgpu_region *region, enum netgpu_use use,
		       const struct netgpu_region_user *user, void *priv)
{
	struct dma_resv *resv = region->dmabuf->resv;
	int err;

	if (dma_resv_lock_interruptible(resv, NULL))
		return -ERESTARTSYS;
	err = netgpu_region_bind_locked(region, use, user, priv);
	dma_resv_unlock(resv);
	if (!err)
		trace_netgpu_bind(region);
	return err;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_bind, "NETGPU");

static bool netgpu_region_is_used(const struct netgpu_region *region)
{
	return region->users[NETGPU_USE_RX] || region->users[NETGPU_USE_TX];
}

void netgpu_region_unbind(struct netgpu_region *region, enum netgpu_use use)
{
	const struct netgpu_region_user *user;

	dma_resv_lock(region->dmabuf->resv, NULL);
	user = region->users[use];
	region->users[use] = NULL;
	region->user_privs[use] = NULL;
	if (netgpu_region_is_used(region))
		goto out_unlock;
	if (region->state == NETGPU_LIFE_BOUND && region->netdev)
		netgpu_region_set(region, NETGPU_LIFE_IDLE);
	else if (user || !region->netdev)
		netgpu_region_end(region);
out_unlock:
	dma_resv_unlock(region->dmabuf->resv);

	if (user) {
		trace_netgpu_unbind(region);
		module_put(user->owner);
	}
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_unbind, "NETGPU");

bool netgpu_region_is_revoked(const struct netgpu_region *region)
{
	switch (READ_ONCE(region->state)) {
	case NETGPU_LIFE_REVOKED:
	case NETGPU_LIFE_ENDED:
		return true;
	}
	return false;
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_is_revoked, "NETGPU");

/**
 * netgpu_region_revoke - end the use of a region, for good
 * @region: the region; the reservation lock is held.
 *
 * One that nothing uses ends here and now. If it is bound, a work item tells its
 * users. Later calls do nothing.
 */
void netgpu_region_revoke(struct netgpu_region *region)
{
	dma_resv_assert_held(region->dmabuf->resv);

	switch (region->state) {
	case NETGPU_LIFE_IDLE:
		trace_netgpu_revoke(region, false);
		netgpu_region_end(region);
		break;
	case NETGPU_LIFE_BOUND:
		trace_netgpu_revoke(region, true);
		netgpu_region_set(region, NETGPU_LIFE_REVOKED);
		/* Its user has a reference, but may be about to drop it. */
		if (refcount_inc_not_zero(&region->refs))
			queue_work(system_dfl_wq, &region->revoke_work);
		break;
	}
}

/**
 * netgpu_invalidate - the exporter takes the memory back
 * @attach: the attachment; the reservation lock is held.
 */
void netgpu_invalidate(struct dma_buf_attachment *attach)
{
	struct netgpu_attachment *attachment = attach->importer_priv;
	struct netgpu_region *region, *next;

	dma_resv_assert_held(attach->dmabuf->resv);

	/* Not mapped yet: this is the move that pinning it brings about. */
	if (!attachment->mapping)
		return;

	WRITE_ONCE(attachment->stale, true);
	list_for_each_entry_safe(region, next, &attachment->regions, node)
		netgpu_region_revoke(region);
}

static void netgpu_region_revoke_use(struct netgpu_region *region,
				     enum netgpu_use use)
{
	const struct netgpu_region_user *user;
	bool got = false;
	void *priv;

	dma_resv_lock(region->dmabuf->resv, NULL);
	user = region->users[use];
	priv = region->user_privs[use];
	if (user)
		got = user->tryget(priv);
	if (got)
		__module_get(user->owner);
	dma_resv_unlock(region->dmabuf->resv);

	/* Otherwise the user is about to unbind, which ends it. */
	if (got) {
		user->revoke(priv);
		user->put(priv);
		module_put(user->owner);
	}
}

/**
 * netgpu_region_revoke_work - tell the users of a region
 * @work: that of the region, which it has a reference on.
 */
void netgpu_region_revoke_work(struct work_struct *work)
{
	struct netgpu_region *region =
		container_of(work, struct netgpu_region, revoke_work);
	enum netgpu_use use;

	for (use = 0; use < NETGPU_USES; use++)
		netgpu_region_revoke_use(region, use);
	netgpu_region_put(region);
}

void netgpu_region_put(struct netgpu_region *region)
{
	if (!refcount_dec_and_test(&region->refs))
		return;

	WARN_ON_ONCE(netgpu_region_is_used(region));

	if (region->attachment) {
		dma_resv_lock(region->dmabuf->resv, NULL);
		netgpu_region_end(region);
		dma_resv_unlock(region->dmabuf->resv);
		netgpu_attachment_put(region->attachment);
	}
	/* Only now it is not charged any more. */
	scoped_guard(mutex, &netgpu_lock)
		list_del(&region->list);
	if (region->charged)
		free_uid(region->charged);
	sg_free_table(&region->sgt);
	dma_buf_put(region->dmabuf);
	kfree(region);
}
EXPORT_SYMBOL_NS_GPL(netgpu_region_put, "NETGPU");
