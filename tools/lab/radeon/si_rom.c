// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Files that come with a card: the video BIOS (drivers/gpu/drm/amd/include/atombios.h), and microcode. Neither holds
 * code: the memory controller runs already, and the processors that would execute microcode are programs of ours.
 */
#include <stdio.h>
#include <string.h>

#include "expansion_rom.h"
#include "si.h"

enum {					/* where things are in the ROM */
	MAGIC = 0x30,			/* atom.h: ATOM_ATI_MAGIC_PTR */
	HEADER_POINTER = 0x48,
	DATE = 0x50,
	PART_NUMBER = 0x80,
	VERSION = 0xa0,
	PCIR = 0xe0,
	STRINGS = 0x100,
	HEADER = 0x140,
	COMMANDS = 0x180,
	DATA = 0x240,
	INIT = 0x300,
	FIRMWARE_INFO = 0x340,
	IIO = 0x3c0,
};

/* put_string - without the zero at its end, which the ROM is full of */
static void put_string(uint8_t *at, const char *string)
{
	while (*string)
		*at++ = (uint8_t)*string++;
}

/* table - the header that all tables have: size, format and content revision */
static void table(uint8_t *at, unsigned int size, uint8_t format, uint8_t content)
{
	put16(at, size);
	at[2] = format;
	at[3] = content;
}

void si_rom_make(uint8_t rom[SI_ROM], const struct pci_ids *ids)
{
	expansion_rom_begin(rom, SI_ROM, PCIR, ids);
	put_string(rom + MAGIC, " 761295520");
	put16(rom + HEADER_POINTER, HEADER);
	put_string(rom + DATE, "11/21/26 00:00");
	put_string(rom + PART_NUMBER, "netgpu-lab");
	put_string(rom + VERSION, "ATOMBIOSBK-AMD VER000.000.000.001");
	put_string(rom + STRINGS, "netgpu");
	put_string(rom + STRINGS + 7, "none");
	put_string(rom + STRINGS + 12, "1");

	table(rom + HEADER, 0x24, 1, 1);
	put_string(rom + HEADER + 4, "ATOM");
	put16(rom + HEADER + 0xc, STRINGS);
	put16(rom + HEADER + 0x1e, COMMANDS);
	put16(rom + HEADER + 0x20, DATA);

	table(rom + COMMANDS, DATA - COMMANDS, 1, 1);
	put16(rom + COMMANDS + 4, INIT);	/* ASIC_Init */
	table(rom + INIT, 7, 1, 1);
	rom[INIT + 6] = 91;			/* atom.h: ATOM_OP_EOT */

	table(rom + DATA, INIT - DATA, 1, 1);
	put16(rom + DATA + 0xc, FIRMWARE_INFO);
	put16(rom + DATA + 0x32, IIO);		/* empty */
	table(rom + FIRMWARE_INFO, 0x7c, 2, 1);
	put32(rom + FIRMWARE_INFO + 4, 1);
	put32(rom + FIRMWARE_INFO + 8, 60000);	/* engine clock, in 10 kHz */
	put32(rom + FIRMWARE_INFO + 0xc, 90000);	/* memory clock */
	put16(rom + FIRMWARE_INFO + 0x52, 2700);	/* reference clocks: PLL, core, memory */
	put16(rom + FIRMWARE_INFO + 0x6e, 2700);
	put16(rom + FIRMWARE_INFO + 0x70, 2700);
	table(rom + IIO, 6, 1, 1);

	expansion_rom_end(rom, SI_ROM);
}

/* firmware - amdgpu_ucode.h: a header of a version 1.0, and one word of code */
static int firmware(const char *directory, const char *name, unsigned int header)
{
	uint8_t file[256] = { 0 };
	char path[4096];
	FILE *f;
	int bad;

	put32(file, header + 4);		/* size of all */
	put32(file + 4, header);
	put16(file + 8, 1);			/* version of the header: 1.0 */
	put16(file + 12, 6);			/* of the block: 6.0 */
	put32(file + 16, 1);			/* of the code */
	put32(file + 20, 4);			/* its bytes */
	put32(file + 24, header);		/* and where they are */

	snprintf(path, sizeof(path), "%s/hainan_%s.bin", directory, name);
	f = fopen(path, "wb");
	if (!f) {
		perror(path);
		return -1;
	}
	bad = fwrite(file, 1, header + 4, f) != header + 4;
	if (fclose(f) || bad) {
		perror(path);
		return -1;
	}
	return 0;
}

int si_firmware_make(const char *directory)
{
	return firmware(directory, "mc", 40) || firmware(directory, "pfp", 44) || firmware(directory, "me", 44) ||
	       firmware(directory, "ce", 44) || firmware(directory, "rlc", 52) ? -1 : 0;
}
