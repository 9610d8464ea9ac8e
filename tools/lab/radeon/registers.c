// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The register file. Most registers only remember what was written. Those that do something stand in register_read() and
 * register_write(); those that hold something from the start, in registers_reset().
 *
 * A register is known when it is named in one of those, or in plain.h: then somebody has looked at what the driver
 * wants of it. An access to any other is reported once, and counted.
 */
#include <stdio.h>
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

#include "gpu.h"

/* si.c has these without a header */
#define mmROM_INDEX	0x2a
#define mmROM_DATA	0x2b
#define AMDGPU_PCIE_INDEX_SI	0xc
#define AMDGPU_PCIE_DATA_SI	0xd

/* SRBM_SOFT_RESET; the kernel's radeon driver has them */
#define SOFT_RESET_DMA	(1u << 20)
#define SOFT_RESET_DMA1	(1u << 6)

static const struct {
	uint32_t index;
	const char *name;
} names[] = {
#include "names.h"		/* made from the kernel's headers, in the order of index */
};

/* What the driver sets up or reads back, and nothing here depends on. */
static const struct {
	uint32_t first, last;
} plain[] = {
#define ONE(index) { index, index }
#include "plain.h"
};

static int by_index(const void *key, const void *entry)
{
	uint32_t a = *(const uint32_t *)key, b = *(const uint32_t *)entry;

	return a < b ? -1 : a > b;
}

const char *register_name(uint32_t index)
{
	const void *found = bsearch(&index, names, sizeof(names) / sizeof(*names), sizeof(*names), by_index);

	return found ? ((const __typeof__(*names) *)found)->name : "";
}

static void know(struct gpu *gpu, uint32_t index)
{
	gpu->known[index / 64] |= 1ULL << index % 64;
}

void registers_init(struct gpu *gpu)
{
	static const uint32_t modelled[] = {
		mmMM_INDEX, mmMM_DATA, mmROM_INDEX, mmROM_DATA,
		AMDGPU_PCIE_INDEX_SI, AMDGPU_PCIE_DATA_SI, PCIE_PORT_INDEX, PCIE_PORT_DATA,
		mmSMC_IND_INDEX_0, mmSMC_IND_DATA_0, mmCG_SPLL_STATUS,
		mmCONFIG_MEMSIZE, mmMC_SEQ_SUP_CNTL, mmMC_SEQ_MISC0, mmMC_VM_FB_LOCATION, mmMC_ARB_RAMCFG,
		mmMC_SEQ_TRAIN_WAKEUP_CNTL, mmVM_INVALIDATE_REQUEST, mmVM_INVALIDATE_RESPONSE,
		mmVM_CONTEXT0_CNTL, mmVM_CONTEXT1_CNTL, mmVM_CONTEXT1_CNTL2,
		mmVM_CONTEXT0_PAGE_TABLE_START_ADDR, mmVM_CONTEXT0_PAGE_TABLE_END_ADDR,
		mmVM_CONTEXT1_PAGE_TABLE_START_ADDR, mmVM_CONTEXT1_PAGE_TABLE_END_ADDR,
		mmVM_CONTEXT1_PROTECTION_FAULT_ADDR, mmVM_CONTEXT1_PROTECTION_FAULT_STATUS,
		mmSRBM_STATUS, mmSRBM_SOFT_RESET, mmGRBM_STATUS, mmGRBM_SOFT_RESET, mmRLC_STAT,
		IH_RB_CNTL, IH_RB_BASE, IH_RB_RPTR, IH_RB_WPTR, IH_RB_WPTR_ADDR_LO, IH_RB_WPTR_ADDR_HI, IH_CNTL,
		mmCP_ME_CNTL, mmSCRATCH_REG0, mmHDP_MEM_COHERENCY_FLUSH_CNTL,
		mmCP_RB0_BASE, mmCP_RB0_CNTL, mmCP_RB0_RPTR, mmCP_RB0_WPTR, mmCP_RB0_RPTR_ADDR, mmCP_RB0_RPTR_ADDR_HI,
		mmCP_RB1_BASE, mmCP_RB1_CNTL, mmCP_RB1_RPTR, mmCP_RB1_WPTR, mmCP_RB1_RPTR_ADDR, mmCP_RB1_RPTR_ADDR_HI,
		mmCP_RB2_BASE, mmCP_RB2_CNTL, mmCP_RB2_RPTR, mmCP_RB2_WPTR, mmCP_RB2_RPTR_ADDR, mmCP_RB2_RPTR_ADDR_HI,
		mmCP_INT_CNTL_RING0, mmCP_INT_CNTL_RING1, mmCP_INT_CNTL_RING2,
	};
	static const uint32_t dma[] = {
		mmDMA_GFX_RB_CNTL, mmDMA_GFX_RB_BASE, mmDMA_GFX_RB_RPTR, mmDMA_GFX_RB_WPTR, mmDMA_GFX_RB_RPTR_ADDR_HI,
		mmDMA_GFX_RB_RPTR_ADDR_LO, mmDMA_CNTL, mmDMA_STATUS_REG,
		/* and those that only remember */
		mmDMA_GFX_IB_CNTL, 0x340c, mmDMA_SEM_INCOMPLETE_TIMER_CNTL, mmDMA_SEM_WAIT_FAIL_TIMER_CNTL,
		mmDMA_TILING_CONFIG, mmDMA_POWER_CNTL, mmDMA_CLK_CTRL, mmDMA_PGFSM_CONFIG, mmDMA_PGFSM_WRITE,
	};
	uint32_t i, j;

	for (i = 0; i < sizeof(modelled) / sizeof(*modelled); i++)
		know(gpu, modelled[i]);
	for (i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		for (j = plain[i].first; j <= plain[i].last; j++)
			know(gpu, j);
	for (i = 0; i < sizeof(dma) / sizeof(*dma); i++) {
		know(gpu, dma[i] + DMA0_REGISTER_OFFSET);
		know(gpu, dma[i] + DMA1_REGISTER_OFFSET);
	}
	for (i = 0; i < 8; i++) {
		know(gpu, mmVM_CONTEXT0_PAGE_TABLE_BASE_ADDR + i);
		know(gpu, mmVM_CONTEXT8_PAGE_TABLE_BASE_ADDR + i);
	}
}

/* What the card's BIOS leaves behind: memory that works, and no engine. */
void registers_reset(struct gpu *gpu)
{
	uint32_t first = 0xf400, mib = (uint32_t)(gpu->vram_size >> 20);

	memset(gpu->reg, 0, sizeof(gpu->reg));
	memset(gpu->pcie, 0, sizeof(gpu->pcie));
	memset(gpu->pcie_port, 0, sizeof(gpu->pcie_port));
	memset(gpu->smc, 0, sizeof(gpu->smc));
	gpu->reg[mmCONFIG_MEMSIZE] = mib;
	gpu->reg[mmMC_VM_FB_LOCATION] = first | (first + (mib + 15) / 16 - 1) << MC_VM_FB_LOCATION__FB_TOP__SHIFT;
	gpu->reg[mmMC_SEQ_SUP_CNTL] = MC_SEQ_SUP_CNTL__RUN_MASK;
	gpu->reg[mmMC_SEQ_TRAIN_WAKEUP_CNTL] = MC_SEQ_TRAIN_WAKEUP_CNTL__TRAIN_DONE_D0_MASK |
					       MC_SEQ_TRAIN_WAKEUP_CNTL__TRAIN_DONE_D1_MASK;
	gpu->reg[mmMC_SEQ_MISC0] = 5u << 28;					/* GDDR5 */
	gpu->reg[mmMC_ARB_RAMCFG] = 2u << MC_ARB_RAMCFG__NOOFCOLS__SHIFT;	/* rows of 4 KiB */
	gpu->reg[mmRLC_STAT] = GFX_CLOCK_STATUS | GFX_POWER_STATUS;
	gpu->reg[mmCG_SPLL_STATUS] = CG_SPLL_STATUS__SPLL_CHG_STATUS_MASK;
	gpu->reg[mmCP_ME_CNTL] = CP_ME_CNTL__ME_HALT_MASK | CP_ME_CNTL__PFP_HALT_MASK | CP_ME_CNTL__CE_HALT_MASK;
}

static void check(struct gpu *gpu, uint32_t index, const char *what, uint32_t value)
{
	if (gpu->known[index / 64] >> index % 64 & 1)
		return;
	gpu->count.unknown_registers++;
	if (gpu->seen[index / 64] >> index % 64 & 1)
		return;
	gpu->seen[index / 64] |= 1ULL << index % 64;
	fprintf(stderr, "radeon: %s of unknown register %#06x %s, %#x\n", what, index, register_name(index), value);
}

static bool active(const struct gpu *gpu, unsigned int first, unsigned int last)
{
	unsigned int i;

	for (i = first; i <= last; i++) {
		const struct gpu_engine *engine = &gpu->engine[i];

		if (engine->in_indirect || engine->ring.at != engine->ring.end)
			return true;
	}
	return false;
}

uint32_t register_read(struct gpu *gpu, uint32_t index)
{
	uint32_t value, at;

	switch (index) {
	case mmMM_DATA:
		at = gpu->reg[mmMM_INDEX] / 4;
		return at && at < GPU_REGISTERS && at != mmMM_DATA ? register_read(gpu, at) : 0;
	case mmROM_DATA:
		at = gpu->reg[mmROM_INDEX] & (GPU_ROM - 4);
		gpu->reg[mmROM_INDEX] += 4;
		memcpy(&value, gpu->rom + at, sizeof(value));
		return value;
	case AMDGPU_PCIE_DATA_SI:
		return gpu->pcie[gpu->reg[AMDGPU_PCIE_INDEX_SI] % GPU_INDIRECT];
	case PCIE_PORT_DATA:
		return gpu->pcie_port[gpu->reg[PCIE_PORT_INDEX] % GPU_INDIRECT];
	case mmSMC_IND_DATA_0:
		return gpu->smc[gpu->reg[mmSMC_IND_INDEX_0] / 4 % GPU_INDIRECT];
	case mmGRBM_STATUS:
		return active(gpu, ENGINE_CP0, ENGINE_CP2) ? (uint32_t)GRBM_STATUS__GUI_ACTIVE_MASK : 0;
	case mmDMA_STATUS_REG + DMA0_REGISTER_OFFSET:
		return active(gpu, ENGINE_DMA0, ENGINE_DMA0) ? 0 : (uint32_t)DMA_STATUS_REG__IDLE_MASK;
	case mmDMA_STATUS_REG + DMA1_REGISTER_OFFSET:
		return active(gpu, ENGINE_DMA1, ENGINE_DMA1) ? 0 : (uint32_t)DMA_STATUS_REG__IDLE_MASK;
	}
	check(gpu, index, "read", gpu->reg[index]);
	return gpu->reg[index];
}

/* Table entries are looked up each time, so there is nothing to invalidate: the answer is there at once. */
static void invalidate(struct gpu *gpu, uint32_t vmids)
{
	gpu->reg[mmVM_INVALIDATE_REQUEST] = 0;
	gpu->reg[mmVM_INVALIDATE_RESPONSE] = vmids;
}

static void soft_reset(struct gpu *gpu, unsigned int first, unsigned int last)
{
	unsigned int i;

	for (i = first; i <= last; i++)
		engine_reset(&gpu->engine[i]);
}

void register_write(struct gpu *gpu, uint32_t index, uint32_t value)
{
	uint32_t before = gpu->reg[index], at;

	if (index != mmMM_DATA)
		check(gpu, index, "write", value);
	gpu->reg[index] = value;

	switch (index) {
	case mmMM_DATA:
		at = gpu->reg[mmMM_INDEX] / 4;
		if (at && at < GPU_REGISTERS && at != mmMM_DATA)
			register_write(gpu, at, value);
		break;
	case AMDGPU_PCIE_DATA_SI:
		gpu->pcie[gpu->reg[AMDGPU_PCIE_INDEX_SI] % GPU_INDIRECT] = value;
		break;
	case PCIE_PORT_DATA:
		/* A change of the link's speed takes no time. */
		if (gpu->reg[PCIE_PORT_INDEX] == ixPCIE_LC_SPEED_CNTL)
			value &= ~(uint32_t)PCIE_LC_SPEED_CNTL__LC_INITIATE_LINK_SPEED_CHANGE_MASK;
		gpu->pcie_port[gpu->reg[PCIE_PORT_INDEX] % GPU_INDIRECT] = value;
		break;
	case mmSMC_IND_DATA_0:
		gpu->smc[gpu->reg[mmSMC_IND_INDEX_0] / 4 % GPU_INDIRECT] = value;
		break;
	case mmCONFIG_MEMSIZE:
	case mmMC_SEQ_TRAIN_WAKEUP_CNTL:
	case mmRLC_STAT:
	case mmCG_SPLL_STATUS:
		gpu->reg[index] = before;	/* read-only */
		break;
	case mmVM_INVALIDATE_REQUEST:
		invalidate(gpu, value);
		break;
	case mmVM_CONTEXT1_CNTL2:
		if (value & 1) {		/* the fault has been seen */
			gpu->reg[mmVM_CONTEXT1_PROTECTION_FAULT_ADDR] = 0;
			gpu->reg[mmVM_CONTEXT1_PROTECTION_FAULT_STATUS] = 0;
		}
		break;
	case mmSRBM_SOFT_RESET:
		if (value & SOFT_RESET_DMA)
			soft_reset(gpu, ENGINE_DMA0, ENGINE_DMA0);
		if (value & SOFT_RESET_DMA1)
			soft_reset(gpu, ENGINE_DMA1, ENGINE_DMA1);
		break;
	case mmGRBM_SOFT_RESET:
		if (value & GRBM_SOFT_RESET__SOFT_RESET_CP_MASK)
			soft_reset(gpu, ENGINE_CP0, ENGINE_CP2);
		break;
	case IH_CNTL:
	case IH_RB_RPTR:
		interrupt_rearm(gpu);
		break;
	case mmDMA_GFX_RB_CNTL + DMA0_REGISTER_OFFSET:
	case mmDMA_GFX_RB_BASE + DMA0_REGISTER_OFFSET:
	case mmDMA_GFX_RB_RPTR + DMA0_REGISTER_OFFSET:
		dma_ring(gpu, &gpu->engine[ENGINE_DMA0]);
		break;
	case mmDMA_GFX_RB_CNTL + DMA1_REGISTER_OFFSET:
	case mmDMA_GFX_RB_BASE + DMA1_REGISTER_OFFSET:
	case mmDMA_GFX_RB_RPTR + DMA1_REGISTER_OFFSET:
		dma_ring(gpu, &gpu->engine[ENGINE_DMA1]);
		break;
	case mmDMA_GFX_RB_WPTR + DMA0_REGISTER_OFFSET:
		gpu->engine[ENGINE_DMA0].ring.end = value >> 2;
		break;
	case mmDMA_GFX_RB_WPTR + DMA1_REGISTER_OFFSET:
		gpu->engine[ENGINE_DMA1].ring.end = value >> 2;
		break;
	case mmCP_RB0_BASE:
	case mmCP_RB0_CNTL:
	case mmCP_RB0_RPTR:
		cp_ring(gpu, &gpu->engine[ENGINE_CP0]);
		break;
	case mmCP_RB1_BASE:
	case mmCP_RB1_CNTL:
	case mmCP_RB1_RPTR:
		cp_ring(gpu, &gpu->engine[ENGINE_CP1]);
		break;
	case mmCP_RB2_BASE:
	case mmCP_RB2_CNTL:
	case mmCP_RB2_RPTR:
		cp_ring(gpu, &gpu->engine[ENGINE_CP2]);
		break;
	case mmCP_RB0_WPTR:
		gpu->engine[ENGINE_CP0].ring.end = value & gpu->engine[ENGINE_CP0].ring.mask;
		break;
	case mmCP_RB1_WPTR:
		gpu->engine[ENGINE_CP1].ring.end = value & gpu->engine[ENGINE_CP1].ring.mask;
		break;
	case mmCP_RB2_WPTR:
		gpu->engine[ENGINE_CP2].ring.end = value & gpu->engine[ENGINE_CP2].ring.mask;
		break;
	}
}

void register_set(struct gpu *gpu, uint32_t index, uint32_t value)
{
	if (index >= PACKET3_SET_CONFIG_REG_START)
		gpu->reg[index] = value;
	else
		register_write(gpu, index, value);
}
