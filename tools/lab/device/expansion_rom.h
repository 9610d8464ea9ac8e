/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The outer form of an expansion ROM (PCI Firmware Specification, chapter 5), with nothing to run. */
#ifndef EXPANSION_ROM_H
#define EXPANSION_ROM_H

#include <stddef.h>
#include <stdint.h>

#include "pci.h"

static inline void put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value & 0xffff);
	put16(at + 2, value >> 16);
}

/* expansion_rom_begin - size bytes, a multiple of 512, of zeros, with the headers; the second is at pcir */
void expansion_rom_begin(uint8_t *rom, size_t size, unsigned int pcir, const struct pci_ids *ids);

/* expansion_rom_end - all of it is there: make its checksum right, by the last byte */
void expansion_rom_end(uint8_t *rom, size_t size);

#endif
