// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The card as PCI sees it: VRAM in BAR 0, registers in BAR 2, the BIOS in the ROM. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "gpu.h"

#define BAR_VRAM	0
#define BAR_REGISTERS	2

#define CONFIG_RESET		0x7c		/* amdgpu_device.c: amdgpu_device_pci_config_reset() */
#define CONFIG_RESET_DATA	0x39d5e86b	/* amdgpu.h: AMDGPU_ASIC_RESET_DATA */

static const struct pci_ids hainan = {
	.vendor = 0x1002, .device = 0x6660, .subsystem_vendor = 0x1002, .subsystem = 0x6660,
	.class = 0x038000,	/* a display controller that is not for VGA */
};

void gpu_reset(struct gpu *gpu)
{
	unsigned int i;

	registers_reset(gpu);
	for (i = 0; i < ENGINES; i++)
		engine_reset(&gpu->engine[i]);
	gpu->interrupt_armed = true;
	gpu->count.resets++;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_absent(struct gpu *gpu)
{
	if (gpu->absent_until && now_ms() >= gpu->absent_until)
		gpu->absent_until = 0;
	return gpu->absent_until;
}

static void reset(void *device)
{
	struct gpu *gpu = device;

	gpu_reset(gpu);
}

static int read_region(void *device, unsigned int region, uint64_t offset, void *data, size_t count)
{
	struct gpu *gpu = device;
	uint32_t value;

	switch (region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		pci_read(&gpu->pci, offset, data, count);
		return 0;
	case VFIO_PCI_ROM_REGION_INDEX:
		memcpy(data, gpu->rom + offset, count);
		return 0;
	case BAR_VRAM:
		memcpy(data, gpu->vram + offset, count);
		return 0;
	case BAR_REGISTERS:
		if (offset % 4 || count != 4)
			return EINVAL;
		gpu->count.register_reads++;
		value = is_absent(gpu) ? ~0u : register_read(gpu, (uint32_t)(offset / 4));
		memcpy(data, &value, 4);
		return 0;
	default:
		return EINVAL;
	}
}

static int write_region(void *device, unsigned int region, uint64_t offset, const void *data, size_t count)
{
	struct gpu *gpu = device;
	uint32_t value = 0;

	switch (region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		memcpy(&value, data, count < 4 ? count : 4);
		if (offset == CONFIG_RESET && value == CONFIG_RESET_DATA) {
			gpu_reset(gpu);
			gpu->absent_until = gpu->absence ? now_ms() + gpu->absence : 0;
		}
		pci_write(&gpu->pci, offset, data, count);
		return 0;
	case VFIO_PCI_ROM_REGION_INDEX:
		return 0;
	case BAR_VRAM:
		memcpy(gpu->vram + offset, data, count);
		return 0;
	case BAR_REGISTERS:
		if (offset % 4 || count != 4)
			return EINVAL;
		gpu->count.register_writes++;
		memcpy(&value, data, 4);
		if (!is_absent(gpu))
			register_write(gpu, (uint32_t)(offset / 4), value);
		return 0;
	default:
		return EINVAL;
	}
}

int gpu_init(struct gpu *gpu, int vram, uint64_t vram_size, uint64_t bar_size)
{
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	unsigned int i;

	memset(gpu, 0, sizeof(*gpu));
	gpu->vram_size = vram_size;
	gpu->bar_size = bar_size;
	gpu->vram = mmap(NULL, vram_size, PROT_READ | PROT_WRITE, MAP_SHARED, vram, 0);
	if (gpu->vram == MAP_FAILED)
		return -1;

	pci_init(&gpu->pci, &hainan);
	pci_add_bar(&gpu->pci, BAR_VRAM, bar_size, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	pci_add_bar(&gpu->pci, BAR_REGISTERS, 4 * GPU_REGISTERS, PCI_BASE_ADDRESS_MEM_TYPE_64);
	pci_add_rom(&gpu->pci, GPU_ROM);
	pci_add_endpoint(&gpu->pci);
	pci_add_vendor(&gpu->pci, 1, 16);
	pci_add_resizable(&gpu->pci, BAR_VRAM, bar_size, vram_size);
	rom_make(gpu->rom, &hainan);
	registers_init(gpu);

	gpu->user.device = gpu;
	gpu->user.read = read_region;
	gpu->user.write = write_region;
	gpu->user.reset = reset;
	gpu->user.irqs[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	gpu->user.irqs[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	gpu->user.irqs[VFIO_PCI_REQ_IRQ_INDEX] = 1;
	gpu->user.region[BAR_VRAM] = (struct vfio_user_region){ bar_size, both | VFIO_REGION_INFO_FLAG_MMAP, vram };
	gpu->user.region[BAR_REGISTERS] = (struct vfio_user_region){ 4 * GPU_REGISTERS, both, -1 };
	gpu->user.region[VFIO_PCI_ROM_REGION_INDEX] =
		(struct vfio_user_region){ GPU_ROM, VFIO_REGION_INFO_FLAG_READ, -1 };
	gpu->user.region[VFIO_PCI_CONFIG_REGION_INDEX] =
		(struct vfio_user_region){ sizeof(gpu->pci.config), both, -1 };

	for (i = 0; i < ENGINES; i++)
		gpu->engine[i].id = i;
	gpu_reset(gpu);
	gpu->count.resets = 0;
	return 0;
}
