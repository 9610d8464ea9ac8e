/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * An NV44 (GeForce 6200 TurboCache), whose BAR 1 is the start of VRAM. nouveau drives it without acceleration and display
 * (noaccel=1, modeset=2), and copies by the CPU.
 *
 * The files here call only those before them in this order, and what is in ../device (device.h): nv_rom, nv, nv44, geforce.
 */
#ifndef NV44_H
#define NV44_H

#include "nv.h"

/* nv44.c: the card; false with errno */
bool nv44_init(struct nv *nv, int vram, uint64_t vram_size, uint64_t bar_size);

#endif
