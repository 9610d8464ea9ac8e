// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <string.h>

#include "expansion_rom.h"

#define PCIR_SIGNATURE	0x52494350	/* "PCIR" */
#define PCIR_LENGTH	0x18
#define PCIR_LAST	0x80	/* of the images */
#define RETURN		0xcb	/* what the machine's firmware calls */

void expansion_rom_begin(uint8_t *rom, size_t size, unsigned int pcir, const struct pci_ids *ids)
{
	memset(rom, 0, size);
	put16(rom, 0xaa55);
	rom[2] = (uint8_t)(size / 512);
	rom[3] = RETURN;
	put16(rom + 0x18, pcir);

	rom += pcir;
	put32(rom, PCIR_SIGNATURE);
	put16(rom + 4, ids->vendor);
	put16(rom + 6, ids->device);
	put16(rom + 0xa, PCIR_LENGTH);
	put32(rom + 0xd, ids->class);
	put16(rom + 0x10, (unsigned int)(size / 512));
	rom[0x15] = PCIR_LAST;
}

void expansion_rom_end(uint8_t *rom, size_t size)
{
	uint8_t sum = 0;
	size_t i;

	rom[size - 1] = 0;
	for (i = 0; i < size; i++)
		sum += rom[i];
	rom[size - 1] = (uint8_t)-sum;
}
