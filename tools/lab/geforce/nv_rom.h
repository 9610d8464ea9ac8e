/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* A video BIOS of NVIDIA's with nothing to run and no display. */
#ifndef NV_ROM_H
#define NV_ROM_H

#include <stdint.h>

#include "pci.h"

#define NV_ROM	0x2000	/* bytes */

void nv_rom_make(uint8_t rom[NV_ROM], const struct pci_ids *ids);

#endif
