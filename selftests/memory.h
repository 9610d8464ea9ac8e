/* SPDX-License-Identifier: GPL-2.0 */
/* dma-bufs for the tests, from what a machine without a GPU has. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/**
 * struct memory - a dma-buf that the test can look into
 * @dmabuf: file descriptor of the dma-buf.
 * @size: bytes.
 * @cpu: its mapping, NULL when there is none.
 * @device: vfio device file, -1 for other sources.
 * @drm: file of the GPU, -1 for other sources. It keeps the buffer's handle.
 */
struct memory {
	int dmabuf;
	size_t size;
	unsigned char *cpu;
	int device;
	int drm;
};

/*
 * @source is "heap" (system memory), "udmabuf" (a memfd), "scattered" (the same,
 * its pages out of order, each an entry of its own), "vfio:ADDRESS" (the
 * largest BAR of a PCI device bound to vfio-pci, @size 0 for all of it),
 * "gpu:NODE" (a GPU's own memory, where the CPU reaches it), "gpu-hidden:NODE" (the same,
 * where it need not), "gpu-asleep:NODE" (as gpu:NODE, of a GPU that has gone to sleep since), or
 * "export:PATH" (what an ioctl of a device file returns).
 * Ends the program with a message when there is no such thing.
 */
void memory_open(struct memory *mem, const char *source, size_t size);
void memory_close(struct memory *mem);

/*
 * Have the exporter take the memory away. @how is "disable", which turns off a
 * vfio device's memory decoding, "reset", "close", which closes the device and
 * keeps the dma-buf, "request", which closes it when vfio asks for that, or
 * "unbind", for which a GPU's driver lets it go. Returns microseconds, until the
 * exporter had it. The CPU's mapping of a vfio device faults from then on;
 * that of a GPU shows memory that nobody else has.
 */
long long memory_revoke(struct memory *mem, const char *how);

#endif
