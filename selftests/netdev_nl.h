/* SPDX-License-Identifier: GPL-2.0 */
/* The netdev family of generic netlink. */
#ifndef NETDEV_NL_H
#define NETDEV_NL_H

#include <libmnl/libmnl.h>
#include <linux/netdev.h>

struct mnl_socket *netdev_nl_open(void);

/* A request in @buf, to which attributes can be added. */
struct nlmsghdr *netdev_nl_request(void *buf, int command, int flags);

/* Returns 0, or -errno with the kernel's sentence in netdev_nl_message. */
int netdev_nl_talk(struct mnl_socket *nl, struct nlmsghdr *nlh, mnl_cb_t callback, void *data);
extern char netdev_nl_message[256];

/* Bind a dma-buf to one receive queue, until the socket is closed. Returns as above. */
int netdev_nl_bind_rx(struct mnl_socket *nl, unsigned int ifindex, unsigned int queue, int dmabuf);
/* The same with buffers of @page_size bytes. */
int netdev_nl_bind_rx_pages(struct mnl_socket *nl, unsigned int ifindex, unsigned int queue,
			    int dmabuf, unsigned int page_size);
/* Bind a dma-buf for transmit, as above. */
int netdev_nl_bind_tx(struct mnl_socket *nl, unsigned int ifindex, int dmabuf);
/* The same, and the number that SCM_DEVMEM_DMABUF wants. */
int netdev_nl_bind_tx_id(struct mnl_socket *nl, unsigned int ifindex, int dmabuf, unsigned int *id);

/*
 * Lease receive queue @queue of @phys, a device of the network namespace that has
 * the number @nsid here, to the virtual device @ifindex. Returns the number of the
 * queue there, or as above.
 */
int netdev_nl_lease(struct mnl_socket *nl, unsigned int ifindex, unsigned int phys,
		    unsigned int queue, int nsid);

/*
 * Count the page pools that their driver has given up, but that still wait for
 * buffers, or whose buffers come from a memory provider. Returns as above.
 */
int netdev_nl_pools_leaked(struct mnl_socket *nl, unsigned int *leaked);

#endif
