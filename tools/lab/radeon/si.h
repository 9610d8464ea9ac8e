/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A GPU of the Southern Islands family, as far as the kernel's amdgpu needs it: Hainan, which has no display.
 *
 * Registers, their fields and the packets have the names of the kernel's headers (drivers/gpu/drm/amd/include/asic_reg,
 * sid.h), and come from there; what they do was read in the driver. A register is a number of 32-bit words from the start
 * of its BAR.
 *
 * The files here call only those before them in this order, and what is in ../device (device.h): si_rom, si_registers,
 * si_ih, si_gmc, si_dma, si_cp, si, radeon.
 */
#ifndef LAB_SI_H
#define LAB_SI_H

#include "engine.h"
#include "registers.h"

#define SI_REGISTERS	0x10000u	/* words of the register BAR, 256 KiB */
#define SI_INDIRECT	0x1000		/* words of each space that is reached by an index and a data register */
#define SI_ROM		0x2000		/* bytes of the video BIOS */
#define SI_ADDRESSES	(1ULL << 40)	/* bytes that the memory controller addresses */
#define SI_PAGE		4096ULL

enum si_engine {
	SI_DMA0,
	SI_DMA1,
	SI_CP0,			/* graphics and compute */
	SI_CP1,			/* compute */
	SI_CP2,
	SI_ENGINES,
};

struct si {
	struct device device;
	struct registers registers;
	struct engine engine[SI_ENGINES];
	uint32_t *reg;			/* of registers, what they remember */
	uint32_t pcie[SI_INDIRECT], pcie_port[SI_INDIRECT], smc[SI_INDIRECT];
	uint8_t *vram;
	uint64_t vram_size;		/* bytes; the BAR is the start of VRAM */
	uint8_t rom[SI_ROM];
	bool ih_armed;			/* the next interrupt is signalled */
	uint64_t fences, traps, ring_overflows;
};

static inline struct si *to_si(struct device *device)
{
	return container_of(device, struct si, device);
}

/* si_compare - the functions of POLL_REG_MEM and WAIT_REG_MEM */
static inline bool si_compare(uint32_t value, uint32_t reference, uint32_t mask, uint32_t function)
{
	value &= mask;
	switch (function) {
	case 1:
		return value < reference;
	case 2:
		return value <= reference;
	case 3:
		return value == reference;
	case 4:
		return value != reference;
	case 5:
		return value >= reference;
	case 6:
		return value > reference;
	default:
		return true;
	}
}

/* si_rom.c: files that come with such a card */
void si_rom_make(uint8_t rom[SI_ROM], const struct pci_ids *ids);
int si_firmware_make(const char *directory);

/* si_registers.c: the register file, with the blocks that are nothing but registers; each init is false with errno */
bool si_registers_init(struct si *si);
void si_registers_reset(struct si *si);
/* si_register_set - by a packet: as registers_write(), but state that only the 3D engine uses is not looked at */
void si_register_set(struct si *si, uint32_t index, uint32_t value);

/* si_ih.c: the interrupt ring */
bool si_ih_init(struct si *si);
void si_ih_post(struct si *si, uint8_t source, uint32_t data, uint8_t ring, uint8_t vmid);
void si_ih_rearm(struct si *si);

/* si_gmc.c: the memory controller; a space is a VMID, 0 is the kernel's (memory.h) */
bool si_gmc_init(struct si *si);
void *si_gmc_translate(struct device *device, uint64_t vmid, uint64_t address, size_t *length, bool write, uint32_t *cause);
void si_gmc_fault(struct device *device, uint64_t vmid, uint64_t address, bool write, uint32_t cause);

/* si_dma.c, si_cp.c: the engines */
extern const struct engine_ops si_dma_ops, si_cp_ops;
bool si_dma_init(struct si *si);
bool si_cp_init(struct si *si);

/* si.c: the card; false with errno */
bool si_init(struct si *si, int vram, uint64_t vram_size, uint64_t bar_size);

#endif
