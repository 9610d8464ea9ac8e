// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The card as PCI sees it: registers and the global table in BAR 0 (GTTMMADR), local memory in BAR 2. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "dg1.h"

#define BAR_REGISTERS	0
#define BAR_LMEM	2

#define CONFIG_GMCH	0x50	/* include/drm/intel/i915_drm.h: SNB_GMCH_CTRL */
#define GMCH_GGTT	(1u << 6)	/* 2 MiB: BDW_GMCH_GGMS_SHIFT */

static void reset(struct device *device)
{
	struct dg1 *dg1 = to_dg1(device);
	unsigned int i;

	dg1_registers_reset(dg1);
	memset(dg1->ggtt, 0, DG1_GGTT_SIZE);
	for (i = 0; i < DG1_ENGINES; i++) {
		engine_reset(&dg1->engine[i]);
		dg1->execlists[i].status = 0;	/* which outlives a reset of the engine */
	}
}

static void interrupts_pass(struct device *device)
{
	struct dg1 *dg1 = to_dg1(device);

	dg1->irq_told = false;
	dg1_irq_update(dg1);
}

static void figures(struct device *device, int fd)
{
	const struct dg1 *dg1 = to_dg1(device);

	dprintf(fd, ", \"requests\": %llu, \"switches\": %llu, \"preemptions\": %llu, \"guc_loads\": %llu, \"taken_off\": %llu, "
		"\"wraps\": %llu, \"unheard\": %llu",
		(unsigned long long)dg1->requests, (unsigned long long)dg1->switches, (unsigned long long)dg1->preemptions,
		(unsigned long long)dg1->loads, (unsigned long long)dg1->taken_off,
		(unsigned long long)dg1->wraps, (unsigned long long)dg1->unheard);
}

static int later(struct device *device)
{
	return dg1_guc_later(to_dg1(device));
}

/* The driver reads and writes 64 bits of two registers at once, too. */
static int registers_part(uint64_t offset, size_t count)
{
	return offset % 4 || (count != 4 && count != 8) ? EINVAL : 0;
}

static int bar_read(struct device *device, uint64_t offset, void *data, size_t count)
{
	uint32_t words[2];

	if (offset >= DG1_GGTT) {
		dg1_ggtt_read(to_dg1(device), offset - DG1_GGTT, data, count);
		return 0;
	}
	if (registers_part(offset, count))
		return EINVAL;
	words[0] = registers_read(device, WORD((uint32_t)offset));
	words[1] = count == 8 ? registers_read(device, WORD((uint32_t)offset) + 1) : 0;
	memcpy(data, words, count);
	return 0;
}

static int bar_write(struct device *device, uint64_t offset, const void *data, size_t count)
{
	uint32_t words[2];

	if (offset >= DG1_GGTT) {
		dg1_ggtt_write(to_dg1(device), offset - DG1_GGTT, data, count);
		return 0;
	}
	if (registers_part(offset, count))
		return EINVAL;
	memcpy(words, data, count);
	registers_write(device, WORD((uint32_t)offset), words[0]);
	if (count == 8)
		registers_write(device, WORD((uint32_t)offset) + 1, words[1]);
	return 0;
}

static const struct device_ops card = {
	.name = "dg1",
	.ids = {
		.vendor = 0x8086, .device = 0x4905, .subsystem_vendor = 0x8086, .subsystem = 0x4905,
		.class = 0x038000,	/* a display controller that is not for VGA */
		.revision = 1,		/* B0 */
		.capabilities = 0x70,
	},
	.reset = reset,
	.interrupts_pass = interrupts_pass,
	.translate = dg1_gtt_translate,
	.fault = dg1_gtt_fault,
	.later = later,
	.figures = figures,
};

bool dg1_init(struct dg1 *dg1, int vram, uint64_t vram_size, uint64_t bar_size)
{
	static const char *const names[] = { [DG1_RCS] = "rcs0", [DG1_BCS] = "bcs0" };
	struct device *device = &dg1->device;
	unsigned int i;

	dg1->lmem_size = vram_size;
	dg1->lmem = mmap(NULL, vram_size, PROT_READ | PROT_WRITE, MAP_SHARED, vram, 0);
	if (dg1->lmem == MAP_FAILED || !dg1_registers_init(dg1) || !dg1_irq_init(dg1) || !dg1_gtt_init(dg1) ||
	    !dg1_execlists_init(dg1) || !dg1_guc_init(dg1))
		return false;
	for (i = 0; i < DG1_ENGINES; i++)
		dg1->engine[i] = (struct engine){ .ops = &dg1_ops, .name = names[i], .device = device, .id = i };

	device->ops = &card;
	device->bar[BAR_REGISTERS] = (struct bar){
		.size = DG1_GTTMMADR, .flags = PCI_BASE_ADDRESS_MEM_TYPE_64, .fd = -1, .read = bar_read, .write = bar_write,
	};
	if (!device_bar_memory(device, BAR_LMEM, vram, bar_size, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH))
		return false;
	device->registers = &dg1->registers;
	device->engine = dg1->engine;
	device->engines = DG1_ENGINES;
	device_init(device);
	device->pci.config[CONFIG_GMCH] = GMCH_GGTT;
	pci_add_vendor(&device->pci, 1, 16);
	pci_add_resizable(&device->pci, BAR_LMEM, bar_size, vram_size);
	return true;
}
