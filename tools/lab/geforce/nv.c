// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nv.h"

#define REGISTERS	(16ul << 20)	/* bytes of BAR 0 */

enum {				/* byte addresses in BAR 0, and what nouveau takes them for */
	PTIMER_TIME_0 = 0x009400,	/* timer/regsnv04.h: ns */
	PTIMER_TIME_1 = 0x009410,
	PCI_CONFIG = 0x088000,		/* pci/nv40.c, nv46.c: configuration space */
	PROM = 0x300000,		/* bios/shadowrom.c */
};

void nv_reset(struct device *device)
{
	struct nv *nv = to_nv(device);

	memset(nv->registers, 0, REGISTERS);
	memcpy(nv->registers + PROM, nv->rom, NV_ROM);
}

static void fixed(struct nv *nv, const struct nv_value *values, size_t count)
{
	struct timespec now;
	uint64_t ns;
	size_t i;

	for (i = 0; i < count; i++)
		memcpy(nv->registers + values[i].at, &values[i].value, 4);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	memcpy(nv->registers + PTIMER_TIME_0, &ns, 4);
	ns >>= 32;
	memcpy(nv->registers + PTIMER_TIME_1, &ns, 4);
}

static bool in_config(uint64_t offset, size_t length)
{
	return offset >= PCI_CONFIG && offset + length <= PCI_CONFIG + PCI_CFG_SPACE_EXP_SIZE;
}

void nv_read(struct nv *nv, const struct nv_value *values, size_t count, uint64_t offset, void *data, size_t length)
{
	fixed(nv, values, count);
	if (in_config(offset, length))
		pci_read(&nv->device.pci, offset - PCI_CONFIG, data, length);
	else
		memcpy(data, nv->registers + offset, length);
}

void nv_write(struct nv *nv, uint64_t offset, const void *data, size_t length)
{
	if (in_config(offset, length))
		pci_write(&nv->device.pci, offset - PCI_CONFIG, data, length);
	else if (offset + length <= PROM || offset >= PROM + NV_ROM)
		memcpy(nv->registers + offset, data, length);
}

bool nv_init(struct nv *nv, const struct device_ops *ops, uint64_t vram_size,
	     int (*read)(struct device *device, uint64_t offset, void *data, size_t count),
	     int (*write)(struct device *device, uint64_t offset, const void *data, size_t count))
{
	struct device *device = &nv->device;

	nv->vram_size = vram_size;
	nv->registers = calloc(1, REGISTERS);
	if (!nv->registers)
		return false;
	nv_rom_make(nv->rom, &ops->ids);
	device->ops = ops;
	device->bar[0] = (struct bar){ .size = REGISTERS, .fd = -1, .read = read, .write = write };
	device->rom = nv->rom;
	device->rom_size = sizeof(nv->rom);
	return true;
}
