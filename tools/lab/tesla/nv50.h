/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A G80 (GeForce 8800), the first of the Tesla generation: what BAR 1 and BAR 3 show is in VRAM wherever the GPU's MMU says.
 * nouveau drives it without acceleration and display (noaccel=1, modeset=2), and copies by the CPU.
 *
 * The files here call only those before them in this order, and what is in ../device (device.h): nv_rom and nv (of ../geforce),
 * nv50_mmu, nv50, tesla.
 */
#ifndef NV50_H
#define NV50_H

#include "nv.h"

struct nv50 {
	struct nv nv;
	uint8_t *vram;		/* all of it */
	struct nv50_count {
		uint64_t translated, faults;	/* accesses by the MMU, and those that led nowhere */
	} count;
};

enum nv50_window {		/* what has a range of virtual addresses of its own */
	NV50_BAR1,
	NV50_BAR3,
};

static inline struct nv50 *to_nv50(struct device *device)
{
	return container_of(to_nv(device), struct nv50, nv);
}

/* nv50_mmu.c: what a window shows at that offset, and of how many of *length bytes that is the place; NULL: nothing, counted */
void *nv50_translate(struct nv50 *nv50, enum nv50_window window, uint64_t offset, size_t *length, bool write);

/* nv50.c: the card; false with errno */
bool nv50_init(struct nv50 *nv50, int vram, uint64_t vram_size, uint64_t bar_size);

#endif
