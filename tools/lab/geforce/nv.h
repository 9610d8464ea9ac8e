/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * What cards of NVIDIA's have in common: registers in BAR 0, a timer, configuration space and the BIOS among them.
 *
 * Registers are known by their addresses in nouveau (nvkm/), and remember what is written, but for those that a generation says
 * are fixed. They are accessed by bytes too, and none is unknown: so they are memory here, and no register file.
 */
#ifndef NV_H
#define NV_H

#include "device.h"
#include "nv_rom.h"

struct nv_value {
	uint32_t at, value;	/* a byte address in BAR 0, and what is always read there */
};

struct nv {
	struct device device;
	uint8_t rom[NV_ROM];
	uint8_t *registers;
	uint64_t vram_size;	/* bytes */
};

static inline struct nv *to_nv(struct device *device)
{
	return container_of(device, struct nv, device);
}

/* nv_init - registers, their BAR, and the BIOS in the ROM; false with errno. device_init() comes when the generation has added its BARs. */
bool nv_init(struct nv *nv, const struct device_ops *ops, uint64_t vram_size,
	     int (*read)(struct device *device, uint64_t offset, void *data, size_t count),
	     int (*write)(struct device *device, uint64_t offset, const void *data, size_t count));

/* nv_reset - all registers are zero, but for the BIOS that they show */
void nv_reset(struct device *device);

/* nv_read, nv_write - what the generation has nothing of its own for: values are those that are fixed */
void nv_read(struct nv *nv, const struct nv_value *values, size_t count, uint64_t offset, void *data, size_t length);
void nv_write(struct nv *nv, uint64_t offset, const void *data, size_t length);

#endif
