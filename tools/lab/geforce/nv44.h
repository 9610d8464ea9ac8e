/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * An NV44 (GeForce 6200 TurboCache), whose BAR 1 is the start of VRAM. nouveau drives it without acceleration and display
 * (noaccel=1, modeset=2), and copies by the CPU.
 *
 * The files here call only those before them in this order, and what is in ../device (device.h): nv_rom, nv44, geforce.
 */
#ifndef NV44_H
#define NV44_H

#include "device.h"
#include "nv_rom.h"

struct nv44 {
	struct device device;
	uint8_t rom[NV_ROM];
	uint8_t *registers;
	uint64_t vram_size;	/* bytes */
};

/* nv44.c: the card; false with errno */
bool nv44_init(struct nv44 *nv44, int vram, uint64_t vram_size, uint64_t bar_size);

#endif
