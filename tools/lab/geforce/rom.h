/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef ROM_H
#define ROM_H

#include <stdint.h>

#include "pci.h"

#define ROM_SIZE	0x2000	/* bytes of the video BIOS */

/* rom_make - a video BIOS with nothing to run and no display */
void rom_make(uint8_t rom[ROM_SIZE], const struct pci_ids *ids);

#endif
