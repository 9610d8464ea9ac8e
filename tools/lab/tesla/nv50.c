// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The card as PCI sees it: registers in BAR 0, what the MMU maps in BAR 1 and BAR 3, the BIOS in the ROM. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "nv50.h"

#define INSTANCES	(32ul << 20)	/* of BAR 3 */
#define PRAMIN_SIZE	(1ul << 20)

enum {
	BAR_VRAM = 1,
	BAR_INSTANCES = 3,
};

enum {				/* byte addresses in BAR 0, and what nouveau takes them for */
	PMC_BOOT_0 = 0x000000,		/* device/base.c: which GPU */
	PMC_BOOT_1 = 0x000004,		/* which byte order: 0, little */
	PMC_INTR = 0x000100,		/* mc/nv04.c: who wants to be looked at */
	UNITS = 0x001540,		/* fb/ramnv50.c: bits 16 to 23, partitions of memory */
	PRAMIN_WINDOW = 0x001700,	/* instmem/nv50.c: what PRAMIN shows, >> 16 */
	FLUSH = 0x00330c,		/* bar/nv50.c: bit 1, until what was written is there */
	PFB_RANKS = 0x100200,		/* fb/ramnv50.c: bit 2, a second rank */
	PFB_GEOMETRY = 0x100204,	/* columns, rows, banks */
	PFB_SIZE = 0x10020c,		/* bytes of VRAM: 39 to 32 in the lowest byte */
	PFB_TYPE = 0x100714,
	MMU_FLUSH = 0x100c80,		/* mmu/vmmnv50.c: bit 0, until the TLB is empty */
	PRAMIN = 0x700000,		/* a MiB of VRAM */
};

#define NV50_BOOT_0	0x050000a2u
#define TYPE_GDDR3	2u
#define PARTITIONS	0x00030000u		/* two */
#define EIGHT_BANKS	(1u << 24)
#define COLUMNS		(10u << 12)		/* bits */
#define ROW_BITS	17u			/* of two partitions, eight banks, and columns of 8 bytes: log2 of bytes in a row */

/* rows - bits of a row's number, less 8; what is no power of two has too few, of which nouveau warns */
static uint32_t rows(uint64_t size)
{
	unsigned int bits = 0;

	while (size >> (bits + 1))
		bits++;
	return bits > ROW_BITS + 8 ? (uint32_t)(bits - ROW_BITS - 8) << 16 : 0;
}

/* pramin - where in VRAM an access is, if it is to be there; NULL: nowhere */
static uint8_t *pramin(struct nv50 *nv50, uint64_t offset, size_t count)
{
	uint32_t window;
	uint64_t at;

	memcpy(&window, nv50->nv.registers + PRAMIN_WINDOW, sizeof(window));
	at = ((uint64_t)window << 16) + (offset - PRAMIN);
	return at < nv50->nv.vram_size && count <= nv50->nv.vram_size - at ? nv50->vram + at : NULL;
}

static bool in_pramin(uint64_t offset, size_t count)
{
	return offset >= PRAMIN && offset + count <= PRAMIN + PRAMIN_SIZE;
}

static int read_registers(struct device *device, uint64_t offset, void *data, size_t count)
{
	struct nv50 *nv50 = to_nv50(device);
	const uint64_t size = nv50->nv.vram_size;
	const struct nv_value values[] = {
		{ PMC_BOOT_0, NV50_BOOT_0 }, { PMC_BOOT_1, 0 }, { PMC_INTR, 0 }, { UNITS, PARTITIONS }, { FLUSH, 0 },
		{ PFB_RANKS, 0 }, { PFB_GEOMETRY, EIGHT_BANKS | COLUMNS | rows(size) },
		{ PFB_SIZE, (uint32_t)size | (uint32_t)(size >> 32) }, { PFB_TYPE, TYPE_GDDR3 }, { MMU_FLUSH, 0 },
	};
	const uint8_t *at;

	if (!in_pramin(offset, count)) {
		nv_read(&nv50->nv, values, ARRAY_SIZE(values), offset, data, count);
		return 0;
	}
	at = pramin(nv50, offset, count);
	if (at)
		memcpy(data, at, count);
	else
		memset(data, 0xff, count);
	return 0;
}

static int write_registers(struct device *device, uint64_t offset, const void *data, size_t count)
{
	struct nv50 *nv50 = to_nv50(device);
	uint8_t *at;

	if (!in_pramin(offset, count)) {
		nv_write(&nv50->nv, offset, data, count);
		return 0;
	}
	at = pramin(nv50, offset, count);
	if (at)
		memcpy(at, data, count);
	return 0;
}

/* What cannot be read is all ones, and what cannot be written is lost, as on the bus. */
static int window_read(struct device *device, enum nv50_window window, uint64_t offset, void *data, size_t count)
{
	uint8_t *to = data;

	while (count) {
		size_t n = count;
		const void *at = nv50_translate(to_nv50(device), window, offset, &n, false);

		if (at)
			memcpy(to, at, n);
		else
			memset(to, 0xff, n);
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static int window_write(struct device *device, enum nv50_window window, uint64_t offset, const void *data, size_t count)
{
	const uint8_t *from = data;

	while (count) {
		size_t n = count;
		void *at = nv50_translate(to_nv50(device), window, offset, &n, true);

		if (at)
			memcpy(at, from, n);
		from += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static int read_bar1(struct device *device, uint64_t offset, void *data, size_t count)
{
	return window_read(device, NV50_BAR1, offset, data, count);
}

static int write_bar1(struct device *device, uint64_t offset, const void *data, size_t count)
{
	return window_write(device, NV50_BAR1, offset, data, count);
}

static int read_bar3(struct device *device, uint64_t offset, void *data, size_t count)
{
	return window_read(device, NV50_BAR3, offset, data, count);
}

static int write_bar3(struct device *device, uint64_t offset, const void *data, size_t count)
{
	return window_write(device, NV50_BAR3, offset, data, count);
}

static void figures(struct device *device, int fd)
{
	const struct nv50_count *count = &to_nv50(device)->count;

	dprintf(fd, ", \"gpu\": \"NV50\", \"translated\": %llu, \"mmu_faults\": %llu", (unsigned long long)count->translated,
		(unsigned long long)count->faults);
}

static const struct device_ops ops = {
	.name = "tesla",
	.ids = {
		.vendor = 0x10de, .device = 0x0191, .subsystem_vendor = 0x10de, .subsystem = 0x0191,
		.class = 0x038000, .revision = 0xa2,	/* a display controller that is not for VGA */
	},
	.reset = nv_reset,
	.figures = figures,
};

bool nv50_init(struct nv50 *nv50, int vram, uint64_t vram_size, uint64_t bar_size)
{
	struct device *device = &nv50->nv.device;

	nv50->vram = mmap(NULL, vram_size, PROT_READ | PROT_WRITE, MAP_SHARED, vram, 0);
	if (nv50->vram == MAP_FAILED || !nv_init(&nv50->nv, &ops, vram_size, read_registers, write_registers))
		return false;
	device->bar[BAR_VRAM] = (struct bar){
		.size = bar_size, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
		.fd = -1, .read = read_bar1, .write = write_bar1,
	};
	device->bar[BAR_INSTANCES] = (struct bar){
		.size = INSTANCES, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64, .fd = -1, .read = read_bar3, .write = write_bar3,
	};
	device_init(device);
	return true;
}
