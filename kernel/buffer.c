// SPDX-License-Identifier: GPL-2.0
/*
 * dma-bufs that have regions, and their attachments to devices.
 */
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

MODULE_IMPORT_NS("DMA_BUF");

/* Protects the lists of buffers and of regions, and who is charged. */
DEFINE_MUTEX(netgpu_lock);
LIST_HEAD(netgpu_buffers);

static const struct dma_buf_attach_ops netgpu_attach_pinned_ops = {
	.allow_peer2peer = true,
};

static const struct dma_buf_attach_ops netgpu_attach_pinned_revocable_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = netgpu_invalidate,
};

static struct netgpu_buffer *netgpu_buffer_find(struct dma_buf *dmabuf)
{
	struct netgpu_buffer *buffer;

	lockdep_assert_held(&netgpu_lock);

	list_for_each_entry(buffer, &netgpu_buffers, list)
		if (buffer->dmabuf == dmabuf)
			return buffer;
	return NULL;
}

static void netgpu_buffer_drop(struct netgpu_buffer *buffer)
{
	lockdep_assert_held(&netgpu_lock);

	if (--buffer->refs)
		return;
	WARN_ON_ONCE(!list_empty(&buffer->attachments));
	WARN_ON_ONCE(!list_empty(&buffer->charges));
	list_del(&buffer->list);
	mutex_destroy(&buffer->lock);
	dma_buf_put(buffer->dmabuf);
	kfree(buffer);
}

/**
 * netgpu_buffer_get - find or make the buffer of a dma-buf
 * @dmabuf: the dma-buf; a new buffer takes a reference of its own.
 * @user: whom its size is charged to, unless it already is.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Return: the buffer, to be released with netgpu_buffer_put() for the same
 * @user, or an ERR_PTR: -EPERM for memory of a proprietary module, -ENOMEM,
 * -EDQUOT.
 */
struct netgpu_buffer *netgpu_buffer_get(struct dma_buf *dmabuf,
					struct user_struct *user,
					struct netlink_ext_ack *extack)
{
	struct netgpu_buffer *buffer;
	int err;

	err = netgpu_check_exporter(dmabuf, extack);
	if (err)
		return ERR_PTR(err);

	guard(mutex)(&netgpu_lock);

	buffer = netgpu_buffer_find(dmabuf);
	if (!buffer) {
		buffer = kzalloc_obj(*buffer, GFP_KERNEL_ACCOUNT);
		if (!buffer)
			return ERR_PTR(-ENOMEM);
		get_dma_buf(dmabuf);
		buffer->dmabuf = dmabuf;
		mutex_init(&buffer->lock);
		INIT_LIST_HEAD(&buffer->charges);
		INIT_LIST_HEAD(&buffer->attachments);
		INIT_LIST_HEAD(&buffer->bound);
		list_add_tail(&buffer->list, &netgpu_buffers);
	}
	buffer->refs++;

	err = netgpu_charge(buffer, user, extack);
	if (err) {
		netgpu_buffer_drop(buffer);
		return ERR_PTR(err);
	}
	return buffer;
}

/**
 * netgpu_buffer_put - release what netgpu_buffer_get() returned
 * @buffer: the buffer.
 * @user: who got it.
 */
void netgpu_buffer_put(struct netgpu_buffer *buffer, struct user_struct *user)
{
	guard(mutex)(&netgpu_lock);

	netgpu_uncharge(buffer, user);
	netgpu_buffer_drop(buffer);
}

/**
 * netgpu_attachment_get - find or make the attachment of a buffer to a device
 * @buffer: the buffer, locked.
 * @dev: the DMA device.
 * @dir: direction of DMA. Exporters map for a direction, so there is one
 *	attachment for each.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * One that was revoked is not found: the exporter may have the memory again,
 * and decides anew.
 *
 * Return: the attachment, not necessarily mapped, or an ERR_PTR: -ENOMEM, or
 * what the exporter said.
 */
struct netgpu_attachment *
netgpu_attachment_get(struct netgpu_buffer *buffer, struct device *dev,
		      enum dma_data_direction dir,
		      struct netlink_ext_ack *extack)
{
	const struct dma_buf_attach_ops *ops = &netgpu_attach_pinned_revocable_ops;
	struct netgpu_attachment *attachment;
	int err;

	lockdep_assert_held(&buffer->lock);

	list_for_each_entry(attachment, &buffer->attachments, list) {
		if (attachment->dev == dev && attachment->dir == dir &&
		    !READ_ONCE(attachment->revoked)) {
			attachment->refs++;
			return attachment;
		}
	}

	attachment = kzalloc_obj(*attachment, GFP_KERNEL_ACCOUNT);
	if (!attachment)
		return ERR_PTR(-ENOMEM);
	attachment->refs = 1;
	attachment->buffer = buffer;
	attachment->dir = dir;
	INIT_LIST_HEAD(&attachment->regions);

	if (dir == DMA_TO_DEVICE)
		ops = &netgpu_attach_pinned_ops;
	attachment->attach = dma_buf_dynamic_attach(buffer->dmabuf, dev, ops,
						    attachment);
	if (IS_ERR(attachment->attach)) {
		err = PTR_ERR(attachment->attach);
		NL_SET_ERR_MSG_FMT(extack, "exporter %s refused to attach the device, error %d",
				   buffer->dmabuf->exp_name, err);
		kfree(attachment);
		return ERR_PTR(err);
	}
	attachment->dev = get_device(dev);
	list_add_tail(&attachment->list, &buffer->attachments);
	trace_netgpu_attach(attachment);
	return attachment;
}

/**
 * netgpu_attachment_put - release what netgpu_attachment_get() returned
 * @attachment: the attachment; its buffer is locked.
 */
void netgpu_attachment_put(struct netgpu_attachment *attachment)
{
	lockdep_assert_held(&attachment->buffer->lock);

	if (--attachment->refs)
		return;
	WARN_ON_ONCE(attachment->mapping);
	list_del(&attachment->list);
	dma_buf_detach(attachment->buffer->dmabuf, attachment->attach);
	put_device(attachment->dev);
	kfree(attachment);
}

/**
 * netgpu_check_peer2peer - may an attachment be pinned or mapped?
 * @attach: the attachment.
 * @require_p2p: not when the exporter has declined peer-to-peer: it would move
 *	the buffer to host memory, and leave it there.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Return: 0 or -EXDEV.
 */
int netgpu_check_peer2peer(const struct dma_buf_attachment *attach,
			   bool require_p2p, struct netlink_ext_ack *extack)
{
	if (!require_p2p || attach->peer2peer)
		return 0;
	NL_SET_ERR_MSG(extack,
		       "the exporter declined peer-to-peer, so the buffer would be in host memory: put both devices below one PCIe switch, or drop REQUIRE_P2P");
	return -EXDEV;
}

/*
 * Payload that came in host memory is written by the CPU, into what is mapped
 * for a device to write. The exporter syncs for that, and the DMA API wants the
 * mapping to be for both directions then. Without vmap there are no copies.
 */
static enum dma_data_direction netgpu_map_dir(const struct dma_buf *dmabuf,
					      enum dma_data_direction dir)
{
	return dir == DMA_FROM_DEVICE && dmabuf->ops->vmap ? DMA_BIDIRECTIONAL :
							     dir;
}

/**
 * netgpu_map - map a dma-buf, or say why not
 * @attach: the attachment; the reservation lock is held.
 * @dir: direction of DMA.
 * @require_p2p: only decides about the error when there is no path.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Return: the mapping, or an ERR_PTR: -EXDEV when there is no path and
 * @require_p2p, or what the exporter said.
 */
struct sg_table *netgpu_map(struct dma_buf_attachment *attach,
			    enum dma_data_direction dir, bool require_p2p,
			    struct netlink_ext_ack *extack)
{
	struct sg_table *mapping;

	mapping = dma_buf_map_attachment(attach,
					 netgpu_map_dir(attach->dmabuf, dir));
	if (!IS_ERR(mapping))
		return mapping;

	NL_SET_ERR_MSG(extack,
		       "no peer-to-peer path to the buffer: put both devices below one PCIe switch, or use a host bridge that forwards between its ports");
	if (PTR_ERR(mapping) == -EINVAL && require_p2p)
		return ERR_PTR(-EXDEV);
	return mapping;
}

/**
 * netgpu_unmap - undo netgpu_map()
 * @attach: the attachment; the reservation lock is held.
 * @mapping: what netgpu_map() returned.
 * @dir: as it was mapped.
 */
void netgpu_unmap(struct dma_buf_attachment *attach, struct sg_table *mapping,
		  enum dma_data_direction dir)
{
	dma_buf_unmap_attachment(attach, mapping,
				 netgpu_map_dir(attach->dmabuf, dir));
}

/**
 * netgpu_attachment_map - pin and map an attachment, unless it is
 * @attachment: the attachment; the reservation lock is held.
 * @require_p2p: leave the buffer where it is when there is no path.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Return: 0, -ENODEV when it was revoked, -EXDEV when there is no path and
 * @require_p2p, or what the exporter said.
 */
int netgpu_attachment_map(struct netgpu_attachment *attachment,
			  bool require_p2p, struct netlink_ext_ack *extack)
{
	struct dma_buf *dmabuf = attachment->buffer->dmabuf;
	struct sg_table *mapping;
	long err;

	dma_resv_assert_held(dmabuf->resv);

	if (attachment->revoked) {
		NL_SET_ERR_MSG(extack, "the exporter has just taken the memory back");
		return -ENODEV;
	}

	err = netgpu_check_peer2peer(attachment->attach, require_p2p, extack);
	if (err)
		return err;
	if (attachment->mapping)
		return 0;

	err = dma_buf_pin(attachment->attach);
	if (err) {
		NL_SET_ERR_MSG(extack,
			       "the exporter could not pin the buffer where this device can reach it");
		return err;
	}

	mapping = netgpu_map(attachment->attach, attachment->dir, require_p2p,
			     extack);
	if (IS_ERR(mapping)) {
		err = PTR_ERR(mapping);
		goto err_unpin;
	}

	/* The exporter may still be moving the content to where it is pinned. */
	err = dma_resv_wait_timeout(dmabuf->resv, DMA_RESV_USAGE_KERNEL, false,
				    MAX_SCHEDULE_TIMEOUT);
	if (err < 0)
		goto err_unmap;

	WRITE_ONCE(attachment->mapping, mapping);
	return 0;

err_unmap:
	netgpu_unmap(attachment->attach, mapping, attachment->dir);
err_unpin:
	dma_buf_unpin(attachment->attach);
	return err;
}

/**
 * netgpu_attachment_unmap - undo netgpu_attachment_map(), if it was done
 * @attachment: the attachment; the reservation lock is held.
 */
void netgpu_attachment_unmap(struct netgpu_attachment *attachment)
{
	struct dma_buf *dmabuf = attachment->buffer->dmabuf;
	struct sg_table *mapping = attachment->mapping;

	dma_resv_assert_held(dmabuf->resv);

	if (!mapping)
		return;
	if (iosys_map_is_set(&attachment->vmap)) {
		dma_buf_vunmap(dmabuf, &attachment->vmap);
		iosys_map_clear(&attachment->vmap);
	}
	WRITE_ONCE(attachment->mapping, NULL);
	netgpu_unmap(attachment->attach, mapping, attachment->dir);
	dma_buf_unpin(attachment->attach);
}
