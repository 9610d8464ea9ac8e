// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The card as PCI sees it: registers in BAR 0, VRAM in BAR 1, instance memory in BAR 3, the BIOS in the ROM.
 *
 * Registers are known by their addresses in nouveau (nvkm/), and remember what is written, but for those below. They are
 * accessed by bytes too, and none is unknown: so they are memory here, and no register file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "nv44.h"

#define REGISTERS	(16ul << 20)	/* bytes of BAR 0 */
#define INSTANCES	(16ul << 20)	/* of BAR 3, memory of the GPU's own */

enum {
	BAR_REGISTERS = 0,
	BAR_VRAM = 1,
	BAR_INSTANCES = 3,
};

enum {				/* byte addresses in BAR 0, and what nouveau takes them for */
	PMC_BOOT_0 = 0x000000,		/* device/base.c: which GPU */
	PMC_BOOT_1 = 0x000004,		/* which byte order: 0, little */
	PMC_INTR = 0x000100,		/* mc/nv04.c: who wants to be looked at */
	UNITS = 0x001540,		/* instmem/nv40.c: the 3D engine's */
	PTIMER_TIME_0 = 0x009400,	/* timer/regsnv04.h: ns */
	PTIMER_TIME_1 = 0x009410,
	PFB_SIZE = 0x10020c,		/* fb/ramnv44.c: bytes of VRAM */
	PFB_TYPE = 0x100474,
	PFB_FLUSHED = 0x100808,		/* mmu/vmmnv44.c: the MMU has read its table */
	PCI_CONFIG = 0x088000,		/* pci/nv40.c: configuration space */
	PROM = 0x300000,		/* bios/shadowrom.c */
};

#define NV44_BOOT_0	0x044000a1u
#define TYPE_DDR2	2u
#define FLUSHED		1u

static struct nv44 *to_nv44(struct device *device)
{
	return container_of(device, struct nv44, device);
}

static void fixed(struct nv44 *nv44)
{
	const struct { uint32_t at, value; } values[] = {
		{ PMC_BOOT_0, NV44_BOOT_0 }, { PMC_BOOT_1, 0 }, { PMC_INTR, 0 }, { UNITS, 0x100 },
		{ PFB_SIZE, (uint32_t)nv44->vram_size }, { PFB_TYPE, TYPE_DDR2 }, { PFB_FLUSHED, FLUSHED },
	};
	struct timespec now;
	uint64_t ns;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		memcpy(nv44->registers + values[i].at, &values[i].value, 4);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	memcpy(nv44->registers + PTIMER_TIME_0, &ns, 4);
	ns >>= 32;
	memcpy(nv44->registers + PTIMER_TIME_1, &ns, 4);
}

static void reset(struct device *device)
{
	struct nv44 *nv44 = to_nv44(device);

	memset(nv44->registers, 0, REGISTERS);
	memcpy(nv44->registers + PROM, nv44->rom, NV_ROM);
}

static bool in_config(uint64_t offset, size_t count)
{
	return offset >= PCI_CONFIG && offset + count <= PCI_CONFIG + PCI_CFG_SPACE_EXP_SIZE;
}

static int read_registers(struct device *device, uint64_t offset, void *data, size_t count)
{
	struct nv44 *nv44 = to_nv44(device);

	fixed(nv44);
	if (in_config(offset, count))
		pci_read(&device->pci, offset - PCI_CONFIG, data, count);
	else
		memcpy(data, nv44->registers + offset, count);
	return 0;
}

static int write_registers(struct device *device, uint64_t offset, const void *data, size_t count)
{
	struct nv44 *nv44 = to_nv44(device);

	if (in_config(offset, count))
		pci_write(&device->pci, offset - PCI_CONFIG, data, count);
	else if (offset + count <= PROM || offset >= PROM + NV_ROM)
		memcpy(nv44->registers + offset, data, count);
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
	.reset = reset,
	.figures = figures,
};

bool nv44_init(struct nv44 *nv44, int vram, uint64_t vram_size, uint64_t bar_size)
{
	int instances = memfd_create("instances", MFD_CLOEXEC);
	struct device *device = &nv44->device;

	nv44->vram_size = vram_size;
	nv44->registers = calloc(1, REGISTERS);
	if (!nv44->registers || instances < 0 || ftruncate(instances, INSTANCES))
		return false;
	nv_rom_make(nv44->rom, &ops.ids);

	device->ops = &ops;
	device->bar[BAR_REGISTERS] = (struct bar){
		.size = REGISTERS, .fd = -1, .read = read_registers, .write = write_registers,
	};
	if (!device_bar_memory(device, BAR_VRAM, vram, bar_size, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH) ||
	    !device_bar_memory(device, BAR_INSTANCES, instances, INSTANCES, PCI_BASE_ADDRESS_MEM_TYPE_64))
		return false;
	device->rom = nv44->rom;
	device->rom_size = sizeof(nv44->rom);
	device_init(device);
	return true;
}
