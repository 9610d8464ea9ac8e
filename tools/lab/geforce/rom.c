// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The video BIOS: PCI Firmware Specification for the outer form; inside, what nouveau looks for (nouveau_bios.c,
 * nvkm/subdev/bios/bit.c, dcb.c): a BIT with the tables it insists on, and a DCB without outputs.
 */
#include <string.h>

#include "rom.h"

enum {					/* where things are */
	DCB_POINTER = 0x36,
	PCIR = 0x80,
	BIT = 0x100,
	INFORMATION = 0x180,
	INIT = 0x1a0,
	DCB = 0x200,
};

#define DCB_SIGNATURE	0x4edcbdcb

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

/* token - an entry of the BIT: which table, and where; a table of version 0 is all zero */
static uint8_t *token(uint8_t *at, char id, unsigned int length, unsigned int offset)
{
	at[0] = (uint8_t)id;
	at[1] = 1;
	put16(at + 2, length);
	put16(at + 4, offset);
	return at + 6;
}

void rom_make(uint8_t rom[ROM_SIZE], const struct pci_ids *ids)
{
	uint8_t sum = 0, *at;
	unsigned int i;

	memset(rom, 0, ROM_SIZE);
	put16(rom, 0xaa55);
	rom[2] = ROM_SIZE / 512;
	rom[3] = 0xcb;				/* what the machine's firmware calls: return */
	put16(rom + 0x18, PCIR);
	put16(rom + DCB_POINTER, DCB);

	memcpy(rom + PCIR, "PCIR", 4);
	put16(rom + PCIR + 4, ids->vendor);
	put16(rom + PCIR + 6, ids->device);
	put16(rom + PCIR + 0xa, 0x18);
	put32(rom + PCIR + 0xd, ids->class);
	put16(rom + PCIR + 0x10, ROM_SIZE / 512);
	rom[PCIR + 0x15] = 0x80;		/* the last image */

	memcpy(rom + BIT, "\xff\xb8" "BIT", 5);
	rom[BIT + 8] = 12;			/* bytes of this header */
	rom[BIT + 9] = 6;			/* of a token */
	rom[BIT + 10] = 2;
	at = token(rom + BIT + 12, 'i', 16, INFORMATION);
	token(at, 'I', 18, INIT);

	rom[DCB] = 0x30;			/* version 3.0 */
	rom[DCB + 1] = 27;			/* bytes of this header */
	rom[DCB + 3] = 8;			/* of an entry; there are none */
	put32(rom + DCB + 6, DCB_SIGNATURE);

	for (i = 0; i < ROM_SIZE; i++)
		sum += rom[i];
	rom[ROM_SIZE - 1] = (uint8_t)-sum;
}
