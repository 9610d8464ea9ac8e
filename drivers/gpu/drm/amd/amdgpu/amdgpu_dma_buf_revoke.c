// SPDX-License-Identifier: GPL-2.0-only
/*
 * Revocation: what other devices have mapped is about to go away.
 *
 * Importers hear of an eviction by amdgpu_bo_move_notify(). But what they have
 * pinned is not evicted, and neither an unplug nor a reset of the whole GPU
 * moves anything: so this keeps count of the mappings, to end them. A reset ends
 * those of the device itself, VRAM and registers, an unplug also those of system
 * memory: TTM frees it with the device, pinned or not.
 *
 * Telling an importer takes the reservation lock of the buffer, and whoever
 * holds that may wait for a fence that only the reset signals, or reclaim memory
 * where an MMU notifier waits for the reset. So a reset takes no such lock: a
 * work item tells the importers, those first whose buffers nobody has locked,
 * and the reset waits until all have unmapped, with a limit. An importer unmaps
 * when its accesses have ended, so that there are no fences to be waited for.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <drm/drm_drv.h>
#include <drm/drm_print.h>

#include "amdgpu.h"
#include "amdgpu_dma_buf.h"
#include "amdgpu_reset.h"

/* Importers promise to unmap in bounded time; this is for those that do not. */
#define AMDGPU_DMA_BUF_UNMAP_TIMEOUT	(10 * HZ)

/**
 * struct amdgpu_dma_buf_peer - an attachment
 * @list: in amdgpu_dma_buf_peers.
 * @adev: the device with the memory.
 * @dmabuf: the dma-buf; it outlives the attachment.
 * @mappings: of the device itself, that are in use.
 * @host_mappings: of system memory.
 * @revocable: the importer can be told to unmap them.
 * @tell: it has to be.
 */
struct amdgpu_dma_buf_peer {
	struct list_head list;
	struct amdgpu_device *adev;
	struct dma_buf *dmabuf;
	unsigned int mappings;
	unsigned int host_mappings;
	bool revocable;
	bool tell;
};

static void amdgpu_dma_buf_tell(struct work_struct *work);

/* Protects the list and its peers. Nests inside reservation locks. */
static DEFINE_SPINLOCK(amdgpu_dma_buf_peers_lock);
static LIST_HEAD(amdgpu_dma_buf_peers);
static DECLARE_WAIT_QUEUE_HEAD(amdgpu_dma_buf_unmapped);
static DECLARE_DELAYED_WORK(amdgpu_dma_buf_tell_work, amdgpu_dma_buf_tell);

/**
 * amdgpu_dma_buf_peer_attach - an importer has attached
 * @adev: the device with the memory.
 * @attach: the attachment. Also who is no peer maps VRAM, when a display has the
 *	buffer pinned there.
 *
 * Return: 0 or -ENOMEM.
 */
int amdgpu_dma_buf_peer_attach(struct amdgpu_device *adev,
			       struct dma_buf_attachment *attach)
{
	struct amdgpu_dma_buf_peer *peer;

	peer = kzalloc_obj(*peer);
	if (!peer)
		return -ENOMEM;
	peer->adev = adev;
	peer->dmabuf = attach->dmabuf;
	peer->revocable = dma_buf_attach_revocable(attach);
	attach->priv = peer;

	guard(spinlock)(&amdgpu_dma_buf_peers_lock);
	list_add_tail(&peer->list, &amdgpu_dma_buf_peers);
	return 0;
}

/**
 * amdgpu_dma_buf_peer_detach - undo amdgpu_dma_buf_peer_attach()
 * @attach: the attachment, without mappings.
 */
void amdgpu_dma_buf_peer_detach(struct dma_buf_attachment *attach)
{
	struct amdgpu_dma_buf_peer *peer = attach->priv;

	WARN_ON_ONCE(peer->mappings || peer->host_mappings);
	scoped_guard(spinlock, &amdgpu_dma_buf_peers_lock)
		list_del(&peer->list);
	attach->priv = NULL;
	kfree(peer);
}

/**
 * amdgpu_dma_buf_peer_map - an importer is about to map
 * @attach: the attachment; the reservation lock is held.
 * @host: system memory, and not the device itself.
 *
 * Return: 0, -ENODEV when the device is gone, -EAGAIN when what is of the device
 * itself is being reset.
 */
int amdgpu_dma_buf_peer_map(struct dma_buf_attachment *attach, bool host)
{
	struct amdgpu_dma_buf_peer *peer = attach->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	/* Either is so before amdgpu_dma_buf_begin() takes the lock. */
	guard(spinlock)(&amdgpu_dma_buf_peers_lock);
	if (drm_dev_is_unplugged(adev_to_drm(peer->adev)))
		return -ENODEV;
	if (host) {
		peer->host_mappings++;
		return 0;
	}
	if (amdgpu_in_reset(peer->adev))
		return -EAGAIN;
	peer->mappings++;
	return 0;
}

/**
 * amdgpu_dma_buf_peer_unmap - undo amdgpu_dma_buf_peer_map()
 * @attach: the attachment; the reservation lock is held.
 * @host: as then.
 */
void amdgpu_dma_buf_peer_unmap(struct dma_buf_attachment *attach, bool host)
{
	struct amdgpu_dma_buf_peer *peer = attach->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	scoped_guard(spinlock, &amdgpu_dma_buf_peers_lock) {
		if (host)
			WARN_ON_ONCE(!peer->host_mappings--);
		else
			WARN_ON_ONCE(!peer->mappings--);
		if (!peer->mappings && !peer->host_mappings)
			peer->tell = false;
	}
	wake_up_all(&amdgpu_dma_buf_unmapped);
}

/*
 * A dma-buf whose importers are to be told, locked, with a reference. @locked:
 * there is one that somebody else has locked.
 */
static struct dma_buf *amdgpu_dma_buf_next(bool *locked)
{
	struct amdgpu_dma_buf_peer *peer;

	guard(spinlock)(&amdgpu_dma_buf_peers_lock);
	list_for_each_entry(peer, &amdgpu_dma_buf_peers, list) {
		if (!peer->tell)
			continue;
		if (!dma_resv_trylock(peer->dmabuf->resv)) {
			*locked = true;
			continue;
		}
		peer->tell = false;
		/* Without references it is being detached. */
		if (get_file_active(&peer->dmabuf->file))
			return peer->dmabuf;
		dma_resv_unlock(peer->dmabuf->resv);
	}
	return NULL;
}

static void amdgpu_dma_buf_tell(struct work_struct *work)
{
	struct dma_buf *dmabuf;
	bool locked = false;

	while ((dmabuf = amdgpu_dma_buf_next(&locked))) {
		dma_buf_invalidate_mappings(dmabuf);
		dma_resv_unlock(dmabuf->resv);
		dma_buf_put(dmabuf);
	}
	if (locked)
		queue_delayed_work(system_dfl_wq, &amdgpu_dma_buf_tell_work, 1);
}

/* Has it something of the device mapped, or, when that is @gone, anything? */
static bool amdgpu_dma_buf_peer_uses(const struct amdgpu_dma_buf_peer *peer,
				     const struct amdgpu_device *adev, bool gone)
{
	lockdep_assert_held(&amdgpu_dma_buf_peers_lock);

	return peer->adev == adev &&
	       (peer->mappings || (gone && peer->host_mappings));
}

static bool amdgpu_dma_buf_is_mapped(struct amdgpu_device *adev, bool gone)
{
	struct amdgpu_dma_buf_peer *peer;

	guard(spinlock)(&amdgpu_dma_buf_peers_lock);
	list_for_each_entry(peer, &amdgpu_dma_buf_peers, list)
		if (amdgpu_dma_buf_peer_uses(peer, adev, gone) && peer->revocable)
			return true;
	return false;
}

/*
 * Begin to tell importers. No new mappings are made from here on. Those who
 * cannot be told unmap some day: there is no use in waiting for them.
 */
static void amdgpu_dma_buf_begin(struct amdgpu_device *adev, bool gone)
{
	struct amdgpu_dma_buf_peer *peer;
	unsigned int deaf = 0;

	scoped_guard(spinlock, &amdgpu_dma_buf_peers_lock) {
		list_for_each_entry(peer, &amdgpu_dma_buf_peers, list) {
			if (!amdgpu_dma_buf_peer_uses(peer, adev, gone))
				continue;
			peer->tell = peer->revocable;
			deaf += !peer->revocable;
		}
	}
	mod_delayed_work(system_dfl_wq, &amdgpu_dma_buf_tell_work, 0);
	if (deaf)
		drm_warn(adev_to_drm(adev),
			 "%u importers have memory mapped and cannot be told to unmap\n",
			 deaf);
}

static void amdgpu_dma_buf_wait(struct amdgpu_device *adev, bool gone,
				unsigned long end)
{
	long left = max_t(long, end - jiffies, 0);

	if (!wait_event_timeout(amdgpu_dma_buf_unmapped,
				!amdgpu_dma_buf_is_mapped(adev, gone), left))
		drm_err(adev_to_drm(adev),
			"importers were told to unmap memory, and have not\n");
}

/**
 * amdgpu_dma_buf_revoke - end all access of other devices to the memory
 * @adev: the device with the memory, unplugged.
 *
 * Pinned importers take this for good. Returns when they have unmapped, or when
 * that takes too long, which is noted in the log: there is one limit for all of
 * them.
 *
 * Context: process context, no reservation lock and no lock of @adev that map
 * or unmap take.
 */
void amdgpu_dma_buf_revoke(struct amdgpu_device *adev)
{
	amdgpu_dma_buf_begin(adev, true);
	amdgpu_dma_buf_wait(adev, true, jiffies + AMDGPU_DMA_BUF_UNMAP_TIMEOUT);
}

/**
 * amdgpu_dma_buf_revoke_all - end all access to VRAM of devices to be reset
 * @devices: the devices, in a list of &amdgpu_device.reset_list.
 *
 * As amdgpu_dma_buf_revoke(), with one limit for all devices. An importer whose
 * buffer is locked by someone who waits for the end of the reset is told then.
 *
 * Context: the devices' &amdgpu_reset_domain.sem is held, their schedulers are
 * stopped, and the fences of what was on the rings have signalled.
 */
void amdgpu_dma_buf_revoke_all(struct list_head *devices)
{
	unsigned long end = jiffies + AMDGPU_DMA_BUF_UNMAP_TIMEOUT;
	struct amdgpu_device *adev;

	list_for_each_entry(adev, devices, reset_list) {
		lockdep_assert_held_write(&adev->reset_domain->sem);
		amdgpu_dma_buf_begin(adev, false);
	}
	list_for_each_entry(adev, devices, reset_list)
		amdgpu_dma_buf_wait(adev, false, end);
}

/**
 * amdgpu_dma_buf_fini - the module goes away
 *
 * There are no attachments any more.
 */
void amdgpu_dma_buf_fini(void)
{
	cancel_delayed_work_sync(&amdgpu_dma_buf_tell_work);
}
