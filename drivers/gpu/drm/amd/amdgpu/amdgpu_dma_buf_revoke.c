// SPDX-License-Identifier: GPL-2.0-only
/*
 * Revocation: VRAM that other devices have mapped is about to go away.
 *
 * Importers hear of an eviction by amdgpu_bo_move_notify(). But what they have
 * pinned is not evicted, and neither an unplug nor a reset of the whole GPU
 * moves anything: so this keeps count of the mappings, to end them.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <drm/drm_drv.h>
#include <drm/drm_print.h>

#include "amdgpu.h"
#include "amdgpu_dma_buf.h"

/* Importers promise to unmap in bounded time; this is for those that do not. */
#define AMDGPU_DMA_BUF_REVOKE_TIMEOUT	(10 * HZ)

/**
 * struct amdgpu_dma_buf_peer - an attachment that may access VRAM
 * @list: in amdgpu_dma_buf_peers.
 * @adev: the device with the VRAM.
 * @dmabuf: the dma-buf; it outlives the attachment.
 * @mappings: of VRAM, that are in use.
 * @told: to unmap, since the last mapping was made.
 */
struct amdgpu_dma_buf_peer {
	struct list_head list;
	struct amdgpu_device *adev;
	struct dma_buf *dmabuf;
	unsigned int mappings;
	bool told;
};

/* Protects the list and the counts. Nests inside reservation locks. */
static DEFINE_SPINLOCK(amdgpu_dma_buf_peers_lock);
static LIST_HEAD(amdgpu_dma_buf_peers);
static DECLARE_WAIT_QUEUE_HEAD(amdgpu_dma_buf_unmapped);

/**
 * amdgpu_dma_buf_peer_attach - an importer has attached
 * @adev: the device with the memory.
 * @attach: the attachment; what peer2peer says is final.
 *
 * Return: 0 or -ENOMEM.
 */
int amdgpu_dma_buf_peer_attach(struct amdgpu_device *adev,
			       struct dma_buf_attachment *attach)
{
	struct amdgpu_dma_buf_peer *peer;

	if (!attach->peer2peer)
		return 0;

	peer = kzalloc_obj(*peer);
	if (!peer)
		return -ENOMEM;
	peer->adev = adev;
	peer->dmabuf = attach->dmabuf;
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

	if (!peer)
		return;
	WARN_ON_ONCE(peer->mappings);
	scoped_guard(spinlock, &amdgpu_dma_buf_peers_lock)
		list_del(&peer->list);
	attach->priv = NULL;
	kfree(peer);
}

/**
 * amdgpu_dma_buf_peer_map - an importer is about to have VRAM mapped
 * @attach: the attachment; the reservation lock is held.
 *
 * Return: 0, or -ENODEV when the device is gone.
 */
int amdgpu_dma_buf_peer_map(struct dma_buf_attachment *attach)
{
	struct amdgpu_dma_buf_peer *peer = attach->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!peer)
		return 0;

	guard(spinlock)(&amdgpu_dma_buf_peers_lock);
	if (drm_dev_is_unplugged(adev_to_drm(peer->adev)))
		return -ENODEV;
	peer->mappings++;
	peer->told = false;
	return 0;
}

/**
 * amdgpu_dma_buf_peer_unmap - undo amdgpu_dma_buf_peer_map()
 * @attach: the attachment; the reservation lock is held.
 */
void amdgpu_dma_buf_peer_unmap(struct dma_buf_attachment *attach)
{
	struct amdgpu_dma_buf_peer *peer = attach->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!peer)
		return;
	scoped_guard(spinlock, &amdgpu_dma_buf_peers_lock)
		WARN_ON_ONCE(!peer->mappings--);
	wake_up_all(&amdgpu_dma_buf_unmapped);
}

/* A dma-buf of which VRAM is mapped, and nobody was told yet. With a reference. */
static struct dma_buf *amdgpu_dma_buf_next(struct amdgpu_device *adev)
{
	struct amdgpu_dma_buf_peer *peer;

	guard(spinlock)(&amdgpu_dma_buf_peers_lock);
	list_for_each_entry(peer, &amdgpu_dma_buf_peers, list) {
		if (peer->adev != adev || !peer->mappings || peer->told)
			continue;
		peer->told = true;
		/* Without references it is being detached. */
		if (get_file_active(&peer->dmabuf->file))
			return peer->dmabuf;
	}
	return NULL;
}

static bool amdgpu_dma_buf_is_mapped(struct dma_buf *dmabuf)
{
	struct amdgpu_dma_buf_peer *peer;

	guard(spinlock)(&amdgpu_dma_buf_peers_lock);
	list_for_each_entry(peer, &amdgpu_dma_buf_peers, list)
		if (peer->dmabuf == dmabuf && peer->mappings)
			return true;
	return false;
}

/**
 * amdgpu_dma_buf_revoke - end all access of other devices to VRAM
 * @adev: the device with the VRAM.
 *
 * Pinned importers take this for good. Returns when they have unmapped, or when
 * that takes too long, which is noted in the log.
 *
 * Context: process context, no reservation lock and no lock of @adev that map
 * or unmap take.
 */
void amdgpu_dma_buf_revoke(struct amdgpu_device *adev)
{
	struct dma_buf *dmabuf;

	while ((dmabuf = amdgpu_dma_buf_next(adev))) {
		dma_resv_lock(dmabuf->resv, NULL);
		dma_buf_invalidate_mappings(dmabuf);
		dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP,
				      false, AMDGPU_DMA_BUF_REVOKE_TIMEOUT);
		dma_resv_unlock(dmabuf->resv);

		if (!wait_event_timeout(amdgpu_dma_buf_unmapped,
					!amdgpu_dma_buf_is_mapped(dmabuf),
					AMDGPU_DMA_BUF_REVOKE_TIMEOUT))
			drm_err(adev_to_drm(adev),
				"an importer was told to unmap %zu bytes of VRAM, and has not\n",
				dmabuf->size);
		dma_buf_put(dmabuf);
	}
}
