// SPDX-License-Identifier: GPL-2.0
/*
 * dma-bufs, attached to devices, pinned and mapped.
 */
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

MODULE_IMPORT_NS("DMA_BUF");

/* Protects the lists of attachments and of regions. */
DEFINE_MUTEX(netgpu_lock);
static LIST_HEAD(netgpu_attachments);

static struct netgpu_attachment *
netgpu_attachment_find(const struct dma_buf *dmabuf, const struct device *dev,
		       enum dma_data_direction dir)
{
	struct netgpu_attachment *attachment;

	lockdep_assert_held(&netgpu_lock);

	list_for_each_entry(attachment, &netgpu_attachments, list)
		if (attachment->dmabuf == dmabuf && attachment->dev == dev &&
		    (attachment->dir == dir ||
		     attachment->dir == DMA_BIDIRECTIONAL) &&
		    !READ_ONCE(attachment->stale))
			return attachment;
	return NULL;
}

static struct netgpu_attachment *
netgpu_attachment_alloc(struct dma_buf *dmabuf, struct device *dev,
			enum dma_data_direction dir)
{
	struct netgpu_attachment *attachment;

	attachment = kzalloc_obj(*attachment, GFP_KERNEL_ACCOUNT);
	if (!attachment)
		return NULL;
	attachment->refs = 1;
	attachment->dmabuf = dmabuf;
	get_dma_buf(dmabuf);
	attachment->dev = get_device(dev);
	mutex_init(&attachment->lock);
	INIT_LIST_HEAD(&attachment->list);
	INIT_LIST_HEAD(&attachment->regions);
	attachment->dir = dir;
	return attachment;
}

static void netgpu_attachment_free(struct netgpu_attachment *attachment)
{
	put_device(attachment->dev);
	dma_buf_put(attachment->dmabuf);
	mutex_destroy(&attachment->lock);
	kfree(attachment);
}

static int netgpu_attach(struct netgpu_attachment *attachment,
			 const struct dma_buf_attach_ops *ops,
			 struct netlink_ext_ack *extack)
{
	struct dma_buf_attachment *attach;
	int err;

	/* Another one may be at it, and its exporter slow. */
	err = mutex_lock_interruptible(&attachment->lock);
	if (err)
		return err;
	if (attachment->attach)
		goto out_unlock;

	attach = dma_buf_dynamic_attach(attachment->dmabuf, attachment->dev,
					ops, attachment);
	if (IS_ERR(attach)) {
		err = PTR_ERR(attach);
		NL_SET_ERR_MSG_FMT(extack,
				   "exporter %s refused to attach the device, error %d%s",
				   attachment->dmabuf->exp_name, err,
				   err == -EOPNOTSUPP ? ": no path to it?" : "");
		goto out_unlock;
	}
	attachment->attach = attach;
	trace_netgpu_attach(attachment);
out_unlock:
	mutex_unlock(&attachment->lock);
	return err;
}

/**
 * netgpu_attachment_get - find or make the attachment of a dma-buf to a device
 * @dmabuf: the dma-buf.
 * @dev: the DMA device.
 * @share: with others that say so.
 * @dir: what it is going to be mapped for.
 * @ops: the importer's side, NULL for a static attachment.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Return: the attachment, not necessarily mapped, or an ERR_PTR: -ENOMEM,
 * -EINTR, or what the exporter said.
 */
struct netgpu_attachment *
netgpu_attachment_get(struct dma_buf *dmabuf, struct device *dev, bool share,
		      enum dma_data_direction dir,
		      const struct dma_buf_attach_ops *ops,
		      struct netlink_ext_ack *extack)
{
	struct netgpu_attachment *attachment, *other = NULL;
	int err;

	attachment = netgpu_attachment_alloc(dmabuf, dev, dir);
	if (!attachment)
		return ERR_PTR(-ENOMEM);

	scoped_guard(mutex, &netgpu_lock) {
		if (share)
			other = netgpu_attachment_find(dmabuf, dev, dir);
		if (other)
			other->refs++;
		else if (share)
			list_add_tail(&attachment->list, &netgpu_attachments);
	}
	if (other) {
		netgpu_attachment_free(attachment);
		attachment = other;
	}

	err = netgpu_attach(attachment, ops, extack);
	if (err) {
		netgpu_attachment_put(attachment);
		return ERR_PTR(err);
	}
	return attachment;
}

/**
 * netgpu_attachment_put - release what netgpu_attachment_get() returned
 * @attachment: the attachment.
 */
void netgpu_attachment_put(struct netgpu_attachment *attachment)
{
	scoped_guard(mutex, &netgpu_lock) {
		if (--attachment->refs)
			return;
		list_del(&attachment->list);
	}
	WARN_ON_ONCE(attachment->mapping);
	if (attachment->attach)
		dma_buf_detach(attachment->dmabuf, attachment->attach);
	netgpu_attachment_free(attachment);
}

/* Why a buffer cannot be mapped, as far as its exporter's error tells. */
static int netgpu_map_error(const struct dma_buf_attachment *attach, int err,
			    bool require_p2p, struct netlink_ext_ack *extack)
{
	switch (err) {
	case -EINTR:
	case -ERESTARTSYS:
	case -ENOMEM:
		return err;
	case -EINVAL:
	case -EREMOTEIO:
		if (!attach->peer2peer)
			break;
		NL_SET_ERR_MSG(extack,
			       "no peer-to-peer path to the buffer: put both devices below one PCIe switch, or use a host bridge that forwards between its ports");
		return require_p2p ? -EXDEV : err;
	}
	NL_SET_ERR_MSG_FMT(extack, "exporter %s could not map the buffer, error %d",
			   attach->dmabuf->exp_name, err);
	return err;
}

static int netgpu_pin(struct dma_buf_attachment *attach,
		      struct netlink_ext_ack *extack)
{
	int err;

	/* A static attachment is pinned by being mapped. */
	if (!attach->importer_ops)
		return 0;

	err = dma_buf_pin(attach);
	if (err && err != -ENOMEM && err != -EINTR && err != -ERESTARTSYS)
		NL_SET_ERR_MSG_FMT(extack, "exporter %s could not pin the buffer, error %d",
				   attach->dmabuf->exp_name, err);
	return err;
}

static void netgpu_unpin(struct dma_buf_attachment *attach)
{
	if (attach->importer_ops)
		dma_buf_unpin(attach);
}

/**
 * netgpu_attachment_map - pin and map an attachment, unless it is
 * @attachment: the attachment; the reservation lock is held.
 * @require_p2p: leave the buffer where it is when there is no path.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * The exporter may still be moving the content to where it is pinned.
 *
 * Return: 0, -ENODEV when it was revoked, -EXDEV when there is no path and
 * @require_p2p, or what the exporter said.
 */
int netgpu_attachment_map(struct netgpu_attachment *attachment,
			  bool require_p2p, struct netlink_ext_ack *extack)
{
	struct dma_buf_attachment *attach = attachment->attach;
	struct sg_table *mapping;
	int err;

	dma_resv_assert_held(attachment->dmabuf->resv);

	if (attachment->stale) {
		NL_SET_ERR_MSG(extack, "the exporter has just taken the memory back");
		return -ENODEV;
	}
	if (require_p2p && !attach->peer2peer) {
		NL_SET_ERR_MSG(extack,
			       "the exporter declined peer-to-peer: it knows no path to this network device, or no driver code for it; the buffer would be in host memory");
		return -EXDEV;
	}
	if (attachment->mapping)
		return 0;

	err = netgpu_pin(attach, extack);
	if (err)
		return err;

	mapping = dma_buf_map_attachment(attach, attachment->dir);
	if (IS_ERR(mapping)) {
		netgpu_unpin(attach);
		return netgpu_map_error(attach, PTR_ERR(mapping), require_p2p,
					extack);
	}
	attachment->mapping = mapping;
	return 0;
}

/**
 * netgpu_attachment_unmap - undo netgpu_attachment_map(), if it was done
 * @attachment: the attachment; the reservation lock is held.
 */
void netgpu_attachment_unmap(struct netgpu_attachment *attachment)
{
	struct sg_table *mapping = attachment->mapping;

	dma_resv_assert_held(attachment->dmabuf->resv);

	if (!mapping)
		return;
	if (iosys_map_is_set(&attachment->vmap)) {
		dma_buf_vunmap(attachment->dmabuf, &attachment->vmap);
		iosys_map_clear(&attachment->vmap);
	}
	attachment->mapping = NULL;
	dma_buf_unmap_attachment(attachment->attach, mapping, attachment->dir);
	netgpu_unpin(attachment->attach);
}
