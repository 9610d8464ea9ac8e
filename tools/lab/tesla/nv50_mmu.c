// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The MMU, for the windows through which the CPU and other devices look at VRAM: nvkm/subdev/bar/nv50.c says where the tables
 * are, nvkm/subdev/mmu/vmmnv50.c what is in them. Tables are read at each access, so that there is no TLB to be flushed.
 *
 *	BAR channel	PAGE_DIRECTORY: 2048 entries of 512 MiB each, and at each window's place its first and last address
 *	entry		a table in VRAM, of pages of 4 KiB or 64 KiB, for all or the first part of the 512 MiB
 *	its entry	the address of a page, or of the first of 2 to 128 pages in a row, for each of which it is the same
 */
#include <string.h>

#include "nv50.h"

enum {				/* byte addresses in BAR 0 */
	BAR_CHANNEL = 0x001704,		/* where, >> 12; bit 30: it is there */
	BAR_WINDOW = 0x001708,		/* of BAR 1; the next of BAR 3: where in the channel's memory, >> 4 */
};

#define CHANNEL_VALID		0x40000000u
#define WINDOW_VALID		0x80000000u
#define PAGE_DIRECTORY		0x1400u		/* in the channel's memory */
#define DIRECTORY_SHIFT		29
#define DIRECTORY_ENTRIES	2048u

#define PDE_PRESENT		0x1u
#define PDE_SMALL		0x2u		/* pages of 4 KiB */
#define PDE_TARGET		0xcu		/* 0: VRAM */
#define PDE_SIZE		0x60u		/* of a table of small pages: 1 MiB, 256, 128, 64 KiB */
#define PDE_ADDRESS		0xfffffff000ull

#define PTE_PRESENT		0x1u
#define PTE_READ_ONLY		0x8u
#define PTE_TARGET		0x30u
#define PTE_BLOCK		0x380u		/* log2 of how many pages in a row */
#define PTE_ADDRESS		0xfffffff000ull

#define TARGET_VRAM		0u
#define TARGET_HOST		2u		/* and 3, without snooping */

static uint32_t reg(const struct nv50 *nv50, uint32_t at)
{
	uint32_t value;

	memcpy(&value, nv50->nv.registers + at, sizeof(value));
	return value;
}

static bool vram_read(const struct nv50 *nv50, uint64_t at, void *to, size_t length)
{
	if (at > nv50->nv.vram_size || length > nv50->nv.vram_size - at)
		return false;
	memcpy(to, nv50->vram + at, length);
	return true;
}

/* virtual - the address of an offset into a window; false: it shows nothing there */
static bool virtual_address(const struct nv50 *nv50, enum nv50_window window, uint64_t channel, uint64_t offset, uint64_t *address)
{
	const uint32_t object = reg(nv50, BAR_WINDOW + 4 * window);
	uint32_t words[4];
	uint64_t first, last;

	if (!(object & WINDOW_VALID) || !vram_read(nv50, channel + ((uint64_t)(object & ~WINDOW_VALID) << 4), words, sizeof(words)))
		return false;
	last = words[1] | (uint64_t)(words[3] >> 24) << 32;
	first = words[2] | (uint64_t)(words[3] & 0xff) << 32;
	*address = first + offset;
	return *address <= last;
}

/* entry - of the page table that is for an address, and how large its pages are; false: there is none */
static bool entry(const struct nv50 *nv50, uint64_t channel, uint64_t address, uint64_t *pte, unsigned int *shift)
{
	static const uint64_t sizes[] = { 1 << 20, 256 << 10, 128 << 10, 64 << 10 };
	const uint64_t directory = address >> DIRECTORY_SHIFT;
	uint64_t pde, at;

	if (directory >= DIRECTORY_ENTRIES || !vram_read(nv50, channel + PAGE_DIRECTORY + directory * 8, &pde, sizeof(pde)))
		return false;
	if (!(pde & PDE_PRESENT) || pde & PDE_TARGET)
		return false;
	*shift = pde & PDE_SMALL ? 12 : 16;
	at = (address & ((1ull << DIRECTORY_SHIFT) - 1)) >> *shift << 3;
	if (pde & PDE_SMALL && at >= sizes[(pde & PDE_SIZE) >> 5])
		return false;
	return vram_read(nv50, (pde & PDE_ADDRESS) + at, pte, sizeof(*pte)) && *pte & PTE_PRESENT;
}

static void *nowhere(struct nv50 *nv50)
{
	nv50->count.faults++;
	return NULL;
}

void *nv50_translate(struct nv50 *nv50, enum nv50_window window, uint64_t offset, size_t *length, bool write)
{
	const uint32_t where = reg(nv50, BAR_CHANNEL);
	const uint64_t channel = (uint64_t)(where & ~CHANNEL_VALID) << 12;
	uint64_t address, pte, in_page, page;
	unsigned int shift;

	nv50->count.translated++;
	if (!(where & CHANNEL_VALID) || !virtual_address(nv50, window, channel, offset, &address) ||
	    !entry(nv50, channel, address, &pte, &shift))
		return nowhere(nv50);
	if (write && pte & PTE_READ_ONLY)
		return nowhere(nv50);
	in_page = address & ((1ull << shift) - 1);
	if (*length > (1ull << shift) - in_page)
		*length = (1ull << shift) - in_page;
	page = (address >> shift) & ((1ull << ((pte & PTE_BLOCK) >> 7)) - 1);	/* which of the block */
	address = (pte & PTE_ADDRESS) + (page << shift) + in_page;
	if ((pte & PTE_TARGET) >> 4 >= TARGET_HOST) {
		void *at = device_guest_memory(&nv50->nv.device, address, length, write);

		return at ? at : nowhere(nv50);
	}
	if ((pte & PTE_TARGET) >> 4 != TARGET_VRAM || address >= nv50->nv.vram_size || *length > nv50->nv.vram_size - address)
		return nowhere(nv50);
	return nv50->vram + address;
}
