// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The video BIOS: what nouveau looks for (nouveau_bios.c, nvkm/subdev/bios/bit.c, dcb.c), a BIT with the tables it insists
 * on, and a DCB without outputs.
 */
#include <string.h>

#include "expansion_rom.h"
#include "nv_rom.h"

enum {					/* where things are */
	DCB_POINTER = 0x36,
	PCIR = 0x80,
	BIT = 0x100,
	INFORMATION = 0x180,
	INIT = 0x1a0,
	DCB = 0x200,
};

#define DCB_SIGNATURE	0x4edcbdcb

/* token - an entry of the BIT: which table, and where; a table of version 0 is all zero */
static uint8_t *token(uint8_t *at, char id, unsigned int length, unsigned int offset)
{
	at[0] = (uint8_t)id;
	at[1] = 1;
	put16(at + 2, length);
	put16(at + 4, offset);
	return at + 6;
}

void nv_rom_make(uint8_t rom[NV_ROM], const struct pci_ids *ids)
{
	static const uint8_t bit[] = { 0xff, 0xb8, 'B', 'I', 'T' };
	uint8_t *at;

	expansion_rom_begin(rom, NV_ROM, PCIR, ids);
	put16(rom + DCB_POINTER, DCB);

	memcpy(rom + BIT, bit, sizeof(bit));
	rom[BIT + 8] = 12;			/* bytes of this header */
	rom[BIT + 9] = 6;			/* of a token */
	rom[BIT + 10] = 2;
	at = token(rom + BIT + 12, 'i', 16, INFORMATION);
	token(at, 'I', 18, INIT);

	rom[DCB] = 0x30;			/* version 3.0 */
	rom[DCB + 1] = 27;			/* bytes of this header */
	rom[DCB + 3] = 8;			/* of an entry; there are none */
	put32(rom + DCB + 6, DCB_SIGNATURE);

	expansion_rom_end(rom, NV_ROM);
}
