// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The card as PCI sees it: registers in BAR 0, VRAM in BAR 1, instance memory in BAR 3, the BIOS in the ROM. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nv44.h"

#define INSTANCES	(16ul << 20)	/* of BAR 3, memory of the GPU's own */

enum {
	BAR_VRAM = 1,
	BAR_INSTANCES = 3,
};

enum {				/* byte addresses in BAR 0, and what nouveau takes them for */
	PMC_BOOT_0 = 0x000000,		/* device/base.c: which GPU */
	PMC_BOOT_1 = 0x000004,		/* which byte order: 0, little */
	PMC_INTR = 0x000100,		/* mc/nv04.c: who wants to be looked at */
	UNITS = 0x001540,		/* instmem/nv40.c: the 3D engine's */
	PFB_SIZE = 0x10020c,		/* fb/ramnv44.c: bytes of VRAM */
	PFB_TYPE = 0x100474,
	PFB_FLUSHED = 0x100808,		/* mmu/vmmnv44.c: the MMU has read its table */
};

#define NV44_BOOT_0	0x044000a1u
#define TYPE_DDR2	2u
#define FLUSHED		1u

static int read_registers(struct device *device, uint64_t offset, void *data, size_t count)
{
	struct nv *nv = to_nv(device);
	const struct nv_value values[] = {
		{ PMC_BOOT_0, NV44_BOOT_0 }, { PMC_BOOT_1, 0 }, { PMC_INTR, 0 }, { UNITS, 0x100 },
		{ PFB_SIZE, (uint32_t)nv->vram_size }, { PFB_TYPE, TYPE_DDR2 }, { PFB_FLUSHED, FLUSHED },
	};

	nv_read(nv, values, ARRAY_SIZE(values), offset, data, count);
	return 0;
}

static int write_registers(struct device *device, uint64_t offset, const void *data, size_t count)
{
	nv_write(to_nv(device), offset, data, count);
	return 0;
}

static void figures(struct device *device, int fd)
{
	(void)device;
	dprintf(fd, ", \"gpu\": \"NV44\"");
}

static const struct device_ops ops = {
	.name = "geforce",
	.ids = {
		.vendor = 0x10de, .device = 0x0161, .subsystem_vendor = 0x10de, .subsystem = 0x0161,
		.class = 0x038000, .revision = 0xa1,	/* a display controller that is not for VGA */
	},
	.reset = nv_reset,
	.figures = figures,
};

bool nv44_init(struct nv *nv, int vram, uint64_t vram_size, uint64_t bar_size)
{
	int instances = memfd_create("instances", MFD_CLOEXEC);
	struct device *device = &nv->device;

	if (instances < 0 || ftruncate(instances, INSTANCES) || !nv_init(nv, &ops, vram_size, read_registers, write_registers))
		return false;
	if (!device_bar_memory(device, BAR_VRAM, vram, bar_size, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH) ||
	    !device_bar_memory(device, BAR_INSTANCES, instances, INSTANCES, PCI_BASE_ADDRESS_MEM_TYPE_64))
		return false;
	device_init(device);
	return true;
}
