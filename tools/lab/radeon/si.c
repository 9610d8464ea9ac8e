// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The card as PCI sees it: VRAM in BAR 0, registers in BAR 2, the BIOS in the ROM. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "si.h"

#define BAR_VRAM	0
#define BAR_REGISTERS	2

#define CONFIG_RESET		0x7c		/* amdgpu_device.c: amdgpu_device_pci_config_reset() */
#define CONFIG_RESET_DATA	0x39d5e86b	/* amdgpu.h: AMDGPU_ASIC_RESET_DATA */

static void reset(struct device *device)
{
	struct si *si = to_si(device);
	unsigned int i;

	si_registers_reset(si);
	for (i = 0; i < SI_ENGINES; i++)
		engine_reset(&si->engine[i]);
	si->ih_armed = true;
}

static void config_write(struct device *device, uint64_t offset, const void *data, size_t count)
{
	uint32_t value = 0;

	memcpy(&value, data, count < 4 ? count : 4);
	if (offset == CONFIG_RESET && value == CONFIG_RESET_DATA) {
		device_reset(device);
		device_absent(device);
	}
}

static void interrupts_pass(struct device *device)
{
	si_ih_rearm(to_si(device));
}

static void figures(struct device *device, int fd)
{
	const struct si *si = to_si(device);

	dprintf(fd, ", \"fences\": %llu, \"traps\": %llu, \"ring_overflows\": %llu", (unsigned long long)si->fences,
		(unsigned long long)si->traps, (unsigned long long)si->ring_overflows);
}

static const struct device_ops hainan = {
	.name = "radeon",
	.ids = {
		.vendor = 0x1002, .device = 0x6660, .subsystem_vendor = 0x1002, .subsystem = 0x6660,
		.class = 0x038000,	/* a display controller that is not for VGA */
	},
	.reset = reset,
	.config_write = config_write,
	.interrupts_pass = interrupts_pass,
	.translate = si_gmc_translate,
	.fault = si_gmc_fault,
	.figures = figures,
};

bool si_init(struct si *si, int vram, uint64_t vram_size, uint64_t bar_size)
{
	static const char *const names[] = {
		[SI_DMA0] = "sdma0", [SI_DMA1] = "sdma1", [SI_CP0] = "gfx", [SI_CP1] = "compute0", [SI_CP2] = "compute1",
	};
	struct device *device = &si->device;
	unsigned int i;

	si->vram_size = vram_size;
	si->vram = mmap(NULL, vram_size, PROT_READ | PROT_WRITE, MAP_SHARED, vram, 0);
	if (si->vram == MAP_FAILED || !si_registers_init(si) || !si_ih_init(si) || !si_gmc_init(si) || !si_dma_init(si) ||
	    !si_cp_init(si))
		return false;
	si_rom_make(si->rom, &hainan.ids);
	for (i = 0; i < SI_ENGINES; i++)
		si->engine[i] = (struct engine){
			.ops = i <= SI_DMA1 ? &si_dma_ops : &si_cp_ops, .name = names[i], .device = device, .id = i,
		};

	device->ops = &hainan;
	if (!device_bar_memory(device, BAR_VRAM, vram, bar_size, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH))
		return false;
	device->bar[BAR_REGISTERS] = (struct bar){
		.size = 4ULL * SI_REGISTERS, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64, .fd = -1,
		.read = registers_bar_read, .write = registers_bar_write,
	};
	device->rom = si->rom;
	device->rom_size = sizeof(si->rom);
	device->registers = &si->registers;
	device->engine = si->engine;
	device->engines = SI_ENGINES;
	device_init(device);
	pci_add_vendor(&device->pci, 1, 16);
	pci_add_resizable(&device->pci, BAR_VRAM, bar_size, vram_size);
	return true;
}
