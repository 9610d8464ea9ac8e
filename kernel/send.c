// SPDX-License-Identifier: GPL-2.0
/*
 * What sends from a region: a binding for sockets, and rings of io_uring that have
 * the region as a registered buffer.
 *
 * A ring resolves the region once. Its sends name the buffer, with offsets as
 * addresses: there is no control message to parse, and nothing to look up by an id
 * that others could guess.
 */
#include <linux/io_uring/cmd.h>
#include <linux/netdevice.h>

#include "internal.h"

/**
 * netgpu_open_sender - let sockets send from a region
 * @region: the region, just made for that.
 * @phys: device that sends.
 * @netdev: device that connections go out by.
 * @extack: receives the reason of a refusal, may be NULL.
 *
 * Return: 0, -ENOMEM, -ENODEV when it was revoked, -ERESTARTSYS for a signal.
 */
int netgpu_open_sender(struct netgpu_region *region, struct net_device *phys,
		       struct net_device *netdev,
		       struct netlink_ext_ack *extack)
{
	struct net_devmem_dmabuf_binding *sender;

	sender = net_devmem_bind_region(region, phys,
					netdev == phys ? NULL : netdev, extack);
	if (IS_ERR(sender))
		return PTR_ERR(sender);
	region->sender = sender;
	return 0;
}

/**
 * netgpu_region_close - its user has closed a region
 * @region: the region, the reference of which is dropped.
 *
 * What has been given to sockets is still sent, and rings that have it registered
 * may go on.
 */
void netgpu_region_close(struct netgpu_region *region)
{
	if (region->sender)
		net_devmem_unbind_region(region->sender);
	netgpu_region_put(region);
}

static void netgpu_buffer_release(void *priv)
{
	struct netgpu_region *region = priv;

	net_devmem_put_sender(region->sender);
	netgpu_region_put(region);
}

static int netgpu_buffer_register(struct netgpu_region *region,
				  struct io_uring_cmd *cmd, u32 index,
				  unsigned int issue_flags)
{
	int err;

	if (!region->sender)
		return -EACCES;
	if (netgpu_region_is_revoked(region))
		return -ENODEV;
	if (!net_devmem_hold_sender(region->sender))
		return -ENODEV;
	netgpu_region_get(region);

	err = io_buffer_register_devmem(cmd, region, netgpu_buffer_release,
					index, issue_flags);
	if (err)
		netgpu_buffer_release(region);
	return err;
}

/**
 * netgpu_region_uring_cmd - IORING_OP_URING_CMD on a region
 * @cmd: the command, see &struct netgpu_uring_buffer.
 * @issue_flags: how it is issued.
 *
 * Return: what the completion says.
 */
int netgpu_region_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct netgpu_uring_buffer *buffer =
		io_uring_sqe_cmd(cmd->sqe, struct netgpu_uring_buffer);
	u32 index = READ_ONCE(buffer->index);

	if (READ_ONCE(buffer->flags) || cmd->flags & IORING_URING_CMD_MASK)
		return -EINVAL;
	if (READ_ONCE(buffer->resv))
		return -EBADR;

	switch (cmd->cmd_op) {
	case NETGPU_URING_BUFFER_REGISTER:
		return netgpu_buffer_register(cmd->file->private_data, cmd,
					      index, issue_flags);
	case NETGPU_URING_BUFFER_UNREGISTER:
		return io_buffer_unregister(cmd, index, issue_flags);
	}
	return -ENOTTY;
}
