/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * The device's side of the vfio-user protocol, as far as QEMU's vfio-user-pci speaks it (QEMU, docs/interop/vfio-user.rst).
 * It knows regions, interrupts and guest memory, and nothing of what the device is.
 */
#ifndef VFIO_USER_H
#define VFIO_USER_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of the device's address space: a BAR, the ROM, or configuration space. Size 0: there is none. */
struct vfio_user_region {
	uint64_t size;		/* bytes */
	uint32_t flags;		/* VFIO_REGION_INFO_FLAG_* */
	int fd;			/* what to map when the flags say MMAP, from offset 0 */
};

struct vfio_user_dma;

struct vfio_user {
	/* Set by the device. */
	void *device;
	struct vfio_user_region region[VFIO_PCI_NUM_REGIONS];
	uint32_t irqs[VFIO_PCI_NUM_IRQS];	/* how many there are of each kind */
	/* Both return 0 or an errno value. */
	int (*read)(void *device, unsigned int region, uint64_t offset, void *data, size_t count);
	int (*write)(void *device, unsigned int region, uint64_t offset, const void *data, size_t count);
	void (*reset)(void *device);

	int socket;
	int *irq_fd[VFIO_PCI_NUM_IRQS];
	bool intx_asserted, intx_masked;
	struct vfio_user_dma *dma;
	size_t dmas;
	void *message;
	uint64_t messages;	/* served */
	uint32_t reported;	/* commands that are not served: a bit each, the last for all others */
};

/**
 * vfio_user_init - prepare for a client
 * @user: what the device has set, the rest zero or as vfio_user_end() has left it.
 * @socket: connected to the client; closed by vfio_user_end(), and when this fails.
 *
 * Return: 0 or -1 with errno.
 */
int vfio_user_init(struct vfio_user *user, int socket);

/**
 * vfio_user_serve - read one message and answer it
 * @user: initialized.
 *
 * Return: 1, 0 when the client is gone, -1 with errno.
 */
int vfio_user_serve(struct vfio_user *user);

/**
 * vfio_user_memory - guest memory at a bus address
 * @user: initialized.
 * @address: bus address (IOVA).
 * @length: bytes wanted; becomes how many of them are there in one piece, at least 1.
 * @write: is it to be written to?
 *
 * Return: where it is mapped until the next message is served, or NULL when there is no such memory.
 */
void *vfio_user_memory(struct vfio_user *user, uint64_t address, size_t *length, bool write);

/**
 * vfio_user_interrupt - signal an interrupt
 * @user: initialized.
 * @index: VFIO_PCI_*_IRQ_INDEX.
 * @number: which of that kind, from 0.
 *
 * Return: false when the client listens to none.
 */
bool vfio_user_interrupt(struct vfio_user *user, unsigned int index, unsigned int number);

/**
 * vfio_user_listens - does the client listen to an interrupt?
 * @user: initialized.
 * @index: VFIO_PCI_*_IRQ_INDEX.
 * @number: which of that kind, from 0.
 */
bool vfio_user_listens(const struct vfio_user *user, unsigned int index, unsigned int number);

/**
 * vfio_user_intx - the level of INTA
 * @user: initialized, with one interrupt of VFIO_PCI_INTX_IRQ_INDEX.
 * @asserted: does the device want something?
 *
 * The client is told once, and again when it has unmasked the interrupt and the level is still asserted.
 */
void vfio_user_intx(struct vfio_user *user, bool asserted);

/**
 * vfio_user_end - give back what vfio_user_init() and the client took
 * @user: initialized.
 */
void vfio_user_end(struct vfio_user *user);

#endif
