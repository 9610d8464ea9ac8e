/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * Memory as the GPU's engines see it: an address in one of its address spaces. Which ones there are, and how an address is
 * found, is the generation's matter: device_ops.translate.
 *
 * translate(device, space, address, &length, write, &cause): the place of an address, and of how many of length bytes it is
 * the place in one piece (at least 1; at most to the end of the page, say). It may ask for memory of the card, which is mapped
 * anyway, and for the guest's (device_guest_memory()). NULL when it is nowhere, with cause: 0 when the translation was right
 * and leads to nothing, else what fault() is told.
 *
 * space is a number, as the generation counts: a VMID, or where the first table is.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "device.h"

/* What cannot be read is zero, and what cannot be written is lost, as on the bus. False when any of it was so. */
bool memory_read(struct device *device, uint64_t space, uint64_t address, void *to, size_t length);
bool memory_write(struct device *device, uint64_t space, uint64_t address, const void *from, size_t length);
bool memory_copy(struct device *device, uint64_t space, uint64_t to, uint64_t from, size_t length);
bool memory_fill(struct device *device, uint64_t space, uint64_t to, uint32_t value, size_t words);

#endif
