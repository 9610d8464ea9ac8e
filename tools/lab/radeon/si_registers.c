// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The register file: names, what registers hold from the start, which ones only remember (si_plain.h), and the spaces that are
 * reached through an index and a data register. Registers that do more have hooks in the file of their block.
 */
#include <stdlib.h>
#include <string.h>

#include "bif/bif_3_0_d.h"
#include "bif/bif_3_0_sh_mask.h"
#include "gca/gfx_6_0_d.h"
#include "gca/gfx_6_0_sh_mask.h"
#include "gmc/gmc_6_0_d.h"
#include "gmc/gmc_6_0_sh_mask.h"
#include "oss/oss_1_0_d.h"
#include "oss/oss_1_0_sh_mask.h"
#include "smu/smu_6_0_d.h"
#include "smu/smu_6_0_sh_mask.h"
#include "si_enums.h"
#include "sid.h"

#include "si.h"

/* si.c has these without a header */
#define mmROM_INDEX	0x2a
#define mmROM_DATA	0x2b
#define AMDGPU_PCIE_INDEX_SI	0xc
#define AMDGPU_PCIE_DATA_SI	0xd

static const struct {
	uint32_t index;
	const char *name;
} names[] = {
#include "names.h"		/* made from the kernel's headers, in the order of index */
};

/* What the driver sets up or reads back, and nothing here depends on. */
static const struct register_range plain[] = {
#define ONE(index) { index, index }
#include "si_plain.h"
};

static int by_index(const void *key, const void *entry)
{
	uint32_t a = *(const uint32_t *)key, b = *(const uint32_t *)entry;

	return a < b ? -1 : a > b;
}

static const char *name_of(uint32_t index)
{
	const void *found = bsearch(&index, names, sizeof(names) / sizeof(*names), sizeof(*names), by_index);

	return found ? ((const __typeof__(*names) *)found)->name : "";
}

/* The spaces behind an index and a data register. */

static uint32_t mm_data_read(struct device *device, uint32_t index)
{
	uint32_t at = to_si(device)->reg[mmMM_INDEX] / 4;

	return at && at < SI_REGISTERS && at != index ? registers_read(device, at) : 0;
}

static void mm_data_written(struct device *device, uint32_t index, uint32_t before)
{
	struct si *si = to_si(device);
	uint32_t at = si->reg[mmMM_INDEX] / 4;

	(void)before;
	if (at && at < SI_REGISTERS && at != index)
		registers_write(device, at, si->reg[index]);
}

static uint32_t rom_data_read(struct device *device, uint32_t index)
{
	struct si *si = to_si(device);
	uint32_t value;

	(void)index;
	memcpy(&value, si->rom + (si->reg[mmROM_INDEX] & (SI_ROM - 4)), sizeof(value));
	si->reg[mmROM_INDEX] += 4;
	return value;
}

/* indirect - the word that is behind a data register */
static uint32_t *indirect(struct si *si, uint32_t index)
{
	switch (index) {
	case AMDGPU_PCIE_DATA_SI:
		return &si->pcie[si->reg[AMDGPU_PCIE_INDEX_SI] % SI_INDIRECT];
	case PCIE_PORT_DATA:
		return &si->pcie_port[si->reg[PCIE_PORT_INDEX] % SI_INDIRECT];
	default:
		return &si->smc[si->reg[mmSMC_IND_INDEX_0] / 4 % SI_INDIRECT];
	}
}

static uint32_t indirect_read(struct device *device, uint32_t index)
{
	return *indirect(to_si(device), index);
}

static void indirect_written(struct device *device, uint32_t index, uint32_t before)
{
	struct si *si = to_si(device);
	uint32_t value = si->reg[index];

	(void)before;
	/* A change of the link's speed takes no time. */
	if (index == PCIE_PORT_DATA && si->reg[PCIE_PORT_INDEX] == ixPCIE_LC_SPEED_CNTL)
		value &= ~(uint32_t)PCIE_LC_SPEED_CNTL__LC_INITIATE_LINK_SPEED_CHANGE_MASK;
	*indirect(si, index) = value;
}

bool si_registers_init(struct si *si)
{
	static const struct register_hook hooks[] = {
		{ mmMM_DATA, mmMM_DATA, mm_data_read, mm_data_written },
		{ mmROM_DATA, mmROM_DATA, rom_data_read, NULL },
		{ AMDGPU_PCIE_DATA_SI, AMDGPU_PCIE_DATA_SI, indirect_read, indirect_written },
		{ PCIE_PORT_DATA, PCIE_PORT_DATA, indirect_read, indirect_written },
		{ mmSMC_IND_DATA_0, mmSMC_IND_DATA_0, indirect_read, indirect_written },
		{ mmCONFIG_MEMSIZE, mmCONFIG_MEMSIZE, NULL, registers_read_only },
		{ mmMC_SEQ_TRAIN_WAKEUP_CNTL, mmMC_SEQ_TRAIN_WAKEUP_CNTL, NULL, registers_read_only },
		{ mmRLC_STAT, mmRLC_STAT, NULL, registers_read_only },
		{ mmCG_SPLL_STATUS, mmCG_SPLL_STATUS, NULL, registers_read_only },
	};

	if (!registers_init(&si->registers, SI_REGISTERS, name_of))
		return false;
	si->reg = si->registers.value;
	registers_plain(&si->registers, plain, ARRAY_SIZE(plain));
	return registers_hook(&si->registers, hooks, ARRAY_SIZE(hooks));
}

/* What the card's BIOS leaves behind: memory that works, and no engine. */
void si_registers_reset(struct si *si)
{
	uint32_t first = 0xf400, mib = (uint32_t)(si->vram_size >> 20);

	registers_clear(&si->registers);
	memset(si->pcie, 0, sizeof(si->pcie));
	memset(si->pcie_port, 0, sizeof(si->pcie_port));
	memset(si->smc, 0, sizeof(si->smc));
	si->reg[mmCONFIG_MEMSIZE] = mib;
	si->reg[mmMC_VM_FB_LOCATION] = first | (first + (mib + 15) / 16 - 1) << MC_VM_FB_LOCATION__FB_TOP__SHIFT;
	si->reg[mmMC_SEQ_SUP_CNTL] = MC_SEQ_SUP_CNTL__RUN_MASK;
	si->reg[mmMC_SEQ_TRAIN_WAKEUP_CNTL] = MC_SEQ_TRAIN_WAKEUP_CNTL__TRAIN_DONE_D0_MASK |
					       MC_SEQ_TRAIN_WAKEUP_CNTL__TRAIN_DONE_D1_MASK;
	si->reg[mmMC_SEQ_MISC0] = 5u << 28;					/* GDDR5 */
	si->reg[mmMC_ARB_RAMCFG] = 2u << MC_ARB_RAMCFG__NOOFCOLS__SHIFT;	/* rows of 4 KiB */
	si->reg[mmRLC_STAT] = GFX_CLOCK_STATUS | GFX_POWER_STATUS;
	si->reg[mmCG_SPLL_STATUS] = CG_SPLL_STATUS__SPLL_CHG_STATUS_MASK;
	si->reg[mmCP_ME_CNTL] = CP_ME_CNTL__ME_HALT_MASK | CP_ME_CNTL__PFP_HALT_MASK | CP_ME_CNTL__CE_HALT_MASK;
}

void si_register_set(struct si *si, uint32_t index, uint32_t value)
{
	if (index >= PACKET3_SET_CONFIG_REG_START)
		si->reg[index] = value;
	else
		registers_write(&si->device, index, value);
}
