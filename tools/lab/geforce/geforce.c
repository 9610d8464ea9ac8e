// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * geforce: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's nouveau drives: an NV44, whose BAR 1 is
 * the start of VRAM. nouveau runs it without acceleration and display (noaccel=1, modeset=2), and copies by the CPU.
 *
 * Registers are known by their addresses in nouveau (nvkm/), and remember what is written, but for those below.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pci.h"
#include "rom.h"
#include "server.h"

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

#define NV44		0x044000a1u
#define TYPE_DDR2	2u
#define FLUSHED		1u

static const struct pci_ids nv44 = {
	.vendor = 0x10de, .device = 0x0161, .subsystem_vendor = 0x10de, .subsystem = 0x0161,
	.class = 0x038000, .revision = 0xa1,	/* a display controller that is not for VGA */
};

struct geforce {
	struct vfio_user user;
	struct pci pci;
	uint8_t rom[ROM_SIZE];
	uint8_t *registers, *instances, *vram;
	uint64_t vram_size;
	uint64_t reads, writes, resets;
};

static void fixed(struct geforce *gpu)
{
	const struct { uint32_t at, value; } values[] = {
		{ PMC_BOOT_0, NV44 }, { PMC_BOOT_1, 0 }, { PMC_INTR, 0 }, { UNITS, 0x100 },
		{ PFB_SIZE, (uint32_t)gpu->vram_size }, { PFB_TYPE, TYPE_DDR2 }, { PFB_FLUSHED, FLUSHED },
	};
	struct timespec now;
	uint64_t ns;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		memcpy(gpu->registers + values[i].at, &values[i].value, 4);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	memcpy(gpu->registers + PTIMER_TIME_0, &ns, 4);
	ns >>= 32;
	memcpy(gpu->registers + PTIMER_TIME_1, &ns, 4);
}

static void reset(void *device)
{
	struct geforce *gpu = device;

	memset(gpu->registers, 0, REGISTERS);
	memcpy(gpu->registers + PROM, gpu->rom, ROM_SIZE);
	gpu->resets++;
}

static int read_region(void *device, unsigned int region, uint64_t offset, void *data, size_t count)
{
	struct geforce *gpu = device;

	switch (region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		pci_read(&gpu->pci, offset, data, count);
		return 0;
	case VFIO_PCI_ROM_REGION_INDEX:
		memcpy(data, gpu->rom + offset, count);
		return 0;
	case BAR_REGISTERS:
		gpu->reads++;
		fixed(gpu);
		if (offset >= PCI_CONFIG && offset + count <= PCI_CONFIG + PCI_CFG_SPACE_EXP_SIZE)
			pci_read(&gpu->pci, offset - PCI_CONFIG, data, count);
		else
			memcpy(data, gpu->registers + offset, count);
		return 0;
	case BAR_VRAM:
		memcpy(data, gpu->vram + offset, count);
		return 0;
	case BAR_INSTANCES:
		memcpy(data, gpu->instances + offset, count);
		return 0;
	default:
		return EINVAL;
	}
}

static int write_region(void *device, unsigned int region, uint64_t offset, const void *data, size_t count)
{
	struct geforce *gpu = device;

	switch (region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		pci_write(&gpu->pci, offset, data, count);
		return 0;
	case BAR_REGISTERS:
		gpu->writes++;
		if (offset >= PCI_CONFIG && offset + count <= PCI_CONFIG + PCI_CFG_SPACE_EXP_SIZE)
			pci_write(&gpu->pci, offset - PCI_CONFIG, data, count);
		else if (offset < PROM || offset >= PROM + ROM_SIZE)
			memcpy(gpu->registers + offset, data, count);
		return 0;
	case BAR_VRAM:
		memcpy(gpu->vram + offset, data, count);
		return 0;
	case BAR_INSTANCES:
		memcpy(gpu->instances + offset, data, count);
		return 0;
	default:
		return EINVAL;
	}
}

static void figures(void *device, int fd)
{
	const struct geforce *gpu = device;

	dprintf(fd, "{\"gpu\": \"NV44\", \"register_reads\": %llu, \"register_writes\": %llu, \"resets\": %llu}\n",
		(unsigned long long)gpu->reads, (unsigned long long)gpu->writes, (unsigned long long)gpu->resets);
}

static int init(struct geforce *gpu, const struct server *server)
{
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	const uint32_t mapped = both | VFIO_REGION_INFO_FLAG_MMAP;
	int vram = server_vram(server), instances = memfd_create("instances", MFD_CLOEXEC);

	if (vram < 0 || instances < 0 || ftruncate(instances, INSTANCES))
		return -1;
	gpu->vram_size = server->vram_size;
	gpu->registers = calloc(1, REGISTERS);
	gpu->vram = mmap(NULL, server->bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, vram, 0);
	gpu->instances = mmap(NULL, INSTANCES, PROT_READ | PROT_WRITE, MAP_SHARED, instances, 0);
	if (!gpu->registers || gpu->vram == MAP_FAILED || gpu->instances == MAP_FAILED)
		return -1;

	pci_init(&gpu->pci, &nv44);
	pci_add_bar(&gpu->pci, BAR_REGISTERS, REGISTERS, 0);
	pci_add_bar(&gpu->pci, BAR_VRAM, server->bar_size, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	pci_add_bar(&gpu->pci, BAR_INSTANCES, INSTANCES, PCI_BASE_ADDRESS_MEM_TYPE_64);
	pci_add_rom(&gpu->pci, ROM_SIZE);
	pci_add_endpoint(&gpu->pci);
	rom_make(gpu->rom, &nv44);

	gpu->user.device = gpu;
	gpu->user.read = read_region;
	gpu->user.write = write_region;
	gpu->user.reset = reset;
	gpu->user.irqs[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	gpu->user.irqs[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	gpu->user.irqs[VFIO_PCI_REQ_IRQ_INDEX] = 1;
	gpu->user.region[BAR_REGISTERS] = (struct vfio_user_region){ REGISTERS, both, -1 };
	gpu->user.region[BAR_VRAM] = (struct vfio_user_region){ server->bar_size, mapped, vram };
	gpu->user.region[BAR_INSTANCES] = (struct vfio_user_region){ INSTANCES, mapped, instances };
	gpu->user.region[VFIO_PCI_ROM_REGION_INDEX] = (struct vfio_user_region){ ROM_SIZE, VFIO_REGION_INFO_FLAG_READ, -1 };
	gpu->user.region[VFIO_PCI_CONFIG_REGION_INDEX] = (struct vfio_user_region){ sizeof(gpu->pci.config), both, -1 };
	reset(gpu);
	gpu->resets = 0;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct server *server = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = server;
		break;
	case ARGP_KEY_END:
		if (!server->socket)
			argp_error(state, "where shall QEMU connect to? Give --socket PATH");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = { { &server_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { NULL, parse, NULL, "An emulated NV44 for QEMU's vfio-user-pci.", children, NULL, NULL };
	static struct geforce gpu;
	struct server server = {
		.vram_size = 512 << 20, .bar_size = 256 << 20, .user = &gpu.user, .device = &gpu,
		.gone = reset, .figures = figures,
	};

	argp_parse(&argp, argc, argv, 0, NULL, &server);
	if (init(&gpu, &server)) {
		fprintf(stderr, "geforce: no %llu MiB of VRAM: %s\n", (unsigned long long)server.vram_size >> 20, strerror(errno));
		return EXIT_FAILURE;
	}
	return server_run(&server);
}
