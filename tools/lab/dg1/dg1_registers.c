// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The register file: fuses, forcewake, reset, the mailbox of the power controller; and what the driver sets up for no effect here. */
#include <errno.h>

#include <drm/intel/intel_pcode_regs.h>
#include <drm/intel/mchbar_regs.h>

#include "dg1.h"

#define GU_CNTL_PROTECTED	0x10100c	/* display/intel_display_regs.h */
/* xe/regs/xe_gt_regs.h, xe_regs.h, xe_oa_regs.h: what only xe asks for */
#define GMD_ID		0xd8c
#define FUSE2		0x9120
#define FUSE2_PRODUCTION	BIT(2)
#define OAG_OACONTROL	0xdaf4
#define OAG_OA_DEBUG	0xdaf8
#define VF_CAP		0x1901f8
#define NVM_STATUS	0x259c48		/* xe/regs/xe_gsc_regs.h: HECI_FWSTS2(DG1_GSC_HECI2_BASE) */
#define PVINFO		0x78000			/* i915_pvinfo.h: VGT_PVINFO_PAGE */
#define DFSM		0x51000			/* display/intel_display_regs.h: SKL_DFSM */
#define DFSM_PIPES	(BIT(30) | BIT(21) | BIT(28) | BIT(22))	/* none of four */
#define MEDIA_NONE	0xffffffffu		/* GEN11_GT_VEBOX_VDBOX_DISABLE: all */
#define SUBSLICES	0x3fu			/* six: Iris Xe MAX */
#define GSM_SIZE	(8u << 20)		/* a page table entry of 8 bytes for each page of the GGTT */
#define DSM_SIZE	(8u << 20)
#define WOPCM_SIZE	(2u << 20)		/* gt/intel_wopcm.c: GEN11_WOPCM_SIZE */

/* The header shifts a one into the sign. */
#define READY		BIT(31)			/* GEN6_PCODE_READY */

/* MHz in units of 50 (gt/intel_rps.c: gen6_rps_get_freq_caps()): what DG1 says of itself */
#define RATIO(mhz)	((mhz) / 50)

static const char *name_of(uint32_t index)
{
	static char text[16];
	static const char digits[] = "0123456789abcdef";
	uint32_t offset = 4 * index, i;

	text[0] = '(';
	for (i = 0; i < 6; i++)
		text[1 + i] = digits[offset >> (20 - 4 * i) & 15];
	text[7] = ')';
	return text;
}

static void wake(struct dg1 *dg1, uint32_t index, uint32_t ack, uint32_t before)
{
	const uint32_t now = dg1_masked(before, dg1->reg[index]);

	dg1->reg[index] = now;
	dg1->reg[WORD(ack)] = now;
}

static void wake_gt(struct device *device, uint32_t index, uint32_t before)
{
	wake(to_dg1(device), index, FORCEWAKE_ACK_GT_GEN9, before);
}

static void wake_render(struct device *device, uint32_t index, uint32_t before)
{
	wake(to_dg1(device), index, FORCEWAKE_ACK_RENDER_GEN9, before);
}

/* Media are fused off, which the driver has not read yet when it wakes all domains for the first time. */
static void wake_vdbox(struct device *device, uint32_t index, uint32_t before)
{
	wake(to_dg1(device), index, FORCEWAKE_ACK_MEDIA_VDBOX_GEN11(index - WORD(FORCEWAKE_MEDIA_VDBOX_GEN11(0))), before);
}

static void wake_vebox(struct device *device, uint32_t index, uint32_t before)
{
	wake(to_dg1(device), index, FORCEWAKE_ACK_MEDIA_VEBOX_GEN11(index - WORD(FORCEWAKE_MEDIA_VEBOX_GEN11(0))), before);
}

/* Done at once. */
static void domains_reset(struct device *device, uint32_t index, uint32_t before)
{
	static const uint32_t domain[DG1_ENGINES] = { [DG1_RCS] = GEN11_GRDOM_RENDER, [DG1_BCS] = GEN11_GRDOM_BLT };
	struct dg1 *dg1 = to_dg1(device);
	const uint32_t asked = dg1->reg[index];
	unsigned int i;

	(void)before;
	dg1->reg[index] = 0;
	if (!asked)
		return;
	for (i = 0; i < DG1_ENGINES; i++)
		if (asked & (GEN11_GRDOM_FULL | domain[i]))
			engine_reset(&dg1->engine[i]);
	if (asked & (GEN11_GRDOM_FULL | GEN11_GRDOM_GUC))
		dg1_guc_reset(dg1);
	device->count.resets++;
	device_absent(device);
}

/* Any request succeeds; one answer is looked at: that the card has set itself up (intel_pcode.c). */
static void mailbox(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);
	const uint32_t command = dg1->reg[index];

	(void)before;
	if (!(command & READY))
		return;
	dg1->reg[WORD(GEN6_PCODE_DATA)] = (command & 0xff) == DG1_PCODE_STATUS ? DG1_UNCORE_INIT_STATUS_COMPLETE : 0;
	dg1->reg[WORD(GEN6_PCODE_DATA1)] = 0;
	dg1->reg[index] = 0;
}

static void put64(uint32_t *low, uint64_t value)
{
	low[0] = (uint32_t)value;
	low[1] = (uint32_t)(value >> 32);
}

void dg1_registers_reset(struct dg1 *dg1)
{
	uint32_t *reg = dg1->reg;

	registers_clear(&dg1->registers);
	reg[WORD(GU_CNTL)] = LMEM_INIT;
	/* The end of local memory is the firmware's: for the GGTT (which is not kept there), stolen, at whose end is the GuC's. */
	put64(&reg[WORD(GEN6_GSMBASE)], dg1->lmem_size - DSM_SIZE - GSM_SIZE);
	put64(&reg[WORD(GEN6_DSMBASE)], dg1->lmem_size - DSM_SIZE);
	put64(&reg[WORD(GEN6_STOLEN_RESERVED)], (dg1->lmem_size - WOPCM_SIZE) | GEN8_STOLEN_RESERVED_2M);
	reg[WORD(DFSM)] = DFSM_PIPES;
	reg[WORD(FUSE2)] = FUSE2_PRODUCTION;
	reg[WORD(GEN11_GT_VEBOX_VDBOX_DISABLE)] = MEDIA_NONE;
	reg[WORD(GEN11_GT_SLICE_ENABLE)] = 1;
	reg[WORD(GEN12_GT_GEOMETRY_DSS_ENABLE)] = SUBSLICES;
	reg[WORD(GEN6_RP_STATE_CAP)] = RATIO(1650u) | RATIO(1650u) << 8 | RATIO(300u) << 16;
	reg[WORD(RPM_CONFIG0)] = GEN11_RPM_CONFIG0_CRYSTAL_CLOCK_FREQ_19_2_MHZ |
				 REG_FIELD_PREP(GEN10_RPM_CONFIG0_CTC_SHIFT_PARAMETER_MASK, 3);
	dg1_irq_reset(dg1);
	dg1_guc_reset(dg1);
}

bool dg1_registers_init(struct dg1 *dg1)
{
	static const struct register_hook hooks[] = {
		{ WORD(FORCEWAKE_GT_GEN9), WORD(FORCEWAKE_GT_GEN9), NULL, wake_gt },
		{ WORD(FORCEWAKE_RENDER_GEN9), WORD(FORCEWAKE_RENDER_GEN9), NULL, wake_render },
		{ WORD(FORCEWAKE_MEDIA_VDBOX_GEN11(0)), WORD(FORCEWAKE_MEDIA_VDBOX_GEN11(7)), NULL, wake_vdbox },
		{ WORD(FORCEWAKE_MEDIA_VEBOX_GEN11(0)), WORD(FORCEWAKE_MEDIA_VEBOX_GEN11(3)), NULL, wake_vebox },
		{ WORD(GEN6_GDRST), WORD(GEN6_GDRST), NULL, domains_reset },
		/* nothing is cached: what is to be made invalid is so at once, and the register zero */
		{ WORD(GEN12_GFX_TLB_INV_CR), WORD(GEN12_BLT_TLB_INV_CR), NULL, registers_read_only },
		{ WORD(GEN12_OA_TLB_INV_CR), WORD(GEN12_OA_TLB_INV_CR), NULL, registers_read_only },
		{ WORD(GEN12_CCS_AUX_INV), WORD(GEN12_CCS_AUX_INV), NULL, registers_read_only },
		{ WORD(GEN12_BCS0_AUX_INV), WORD(GEN12_BCS0_AUX_INV), NULL, registers_read_only },
		{ WORD(GEN6_PCODE_MAILBOX), WORD(GEN6_PCODE_MAILBOX), NULL, mailbox },
		/* fuses, and what the card says of itself */
		{ WORD(GU_CNTL), WORD(GU_CNTL), NULL, registers_read_only },
		{ WORD(GEN6_GSMBASE), WORD(GEN6_GSMBASE) + 1, NULL, registers_read_only },
		{ WORD(GEN6_DSMBASE), WORD(GEN6_DSMBASE) + 1, NULL, registers_read_only },
		{ WORD(GEN6_STOLEN_RESERVED), WORD(GEN6_STOLEN_RESERVED) + 1, NULL, registers_read_only },
		{ WORD(DFSM), WORD(DFSM), NULL, registers_read_only },
		{ WORD(FUSE2), WORD(FUSE2), NULL, registers_read_only },
		{ WORD(GEN11_EU_DISABLE), WORD(GEN11_EU_DISABLE), NULL, registers_read_only },
		{ WORD(GEN11_GT_SLICE_ENABLE), WORD(GEN11_GT_VEBOX_VDBOX_DISABLE), NULL, registers_read_only },
		{ WORD(GEN6_RP_STATE_CAP), WORD(GEN6_RP_STATE_CAP), NULL, registers_read_only },
		{ WORD(RPM_CONFIG0), WORD(RPM_CONFIG0), NULL, registers_read_only },
	};
	static const struct register_range plain[] = {
		{ WORD(FORCEWAKE_ACK_GT_GEN9), WORD(FORCEWAKE_ACK_GT_GEN9) },
		{ WORD(FORCEWAKE_ACK_RENDER_GEN9), WORD(FORCEWAKE_ACK_RENDER_GEN9) },
		{ WORD(FORCEWAKE_ACK_MEDIA_VDBOX_GEN11(0)), WORD(FORCEWAKE_ACK_MEDIA_VEBOX_GEN11(3)) },
		{ WORD(GEN6_PCODE_DATA), WORD(GEN6_PCODE_DATA1) },
		/* caches */
		{ WORD(GEN12_PAT_INDEX(0)), WORD(GEN12_PAT_INDEX(7)) }, { WORD(GEN8_GARBCNTL), WORD(GEN8_GARBCNTL) },
		{ WORD(GEN9_LNCFCMOCS(0)), WORD(GEN9_LNCFCMOCS(31)) },
		/* workarounds */
		{ WORD(GEN8_MCR_SELECTOR), WORD(GEN8_MCR_SELECTOR) }, { WORD(GEN8_WM_CHICKEN2), WORD(GEN8_WM_CHICKEN2) },
		{ WORD(GEN12_FF_MODE2), WORD(GEN12_FF_MODE2) }, { WORD(HIZ_CHICKEN), WORD(HIZ_CHICKEN) },
		{ WORD(GEN11_COMMON_SLICE_CHICKEN3), WORD(GEN11_COMMON_SLICE_CHICKEN3) },
		{ WORD(GEN10_MIRROR_FUSE3), WORD(GEN10_MIRROR_FUSE3) }, { WORD(GEN7_MISCCPCTL), WORD(GEN7_MISCCPCTL) },
		{ WORD(UNSLICE_UNIT_LEVEL_CLKGATE2), WORD(UNSLICE_UNIT_LEVEL_CLKGATE2) },
		{ WORD(SUBSLICE_UNIT_LEVEL_CLKGATE2), WORD(SUBSLICE_UNIT_LEVEL_CLKGATE2) },
		{ WORD(GEN10_DFR_RATIO_EN_AND_CHICKEN), WORD(GEN10_DFR_RATIO_EN_AND_CHICKEN) },
		{ WORD(GEN10_SAMPLER_MODE), WORD(GEN10_SAMPLER_MODE) }, { WORD(GEN8_ROW_CHICKEN2), WORD(GEN8_ROW_CHICKEN2) },
		/* power, frequency, time */
		{ WORD(MSG_IDLE_CS), WORD(MSG_IDLE_BCS) }, { WORD(GEN6_RC_CONTROL), WORD(GEN9_RENDER_PG_IDLE_HYSTERESIS) },
		{ WORD(GEN6_RPNSWREQ), WORD(GEN6_RPNSWREQ) }, { WORD(GEN6_RP_CONTROL), WORD(GEN6_RP_CONTROL) },
		{ WORD(GEN6_RP_DOWN_TIMEOUT), WORD(GEN6_RP_INTERRUPT_LIMITS) }, { WORD(GEN6_RP_UP_THRESHOLD), WORD(GEN6_RP_DOWN_THRESHOLD) },
		{ WORD(GEN6_RP_UP_EI), WORD(GEN6_RP_IDLE_HYSTERSIS) },
		{ WORD(GEN12_RPSTAT1), WORD(GEN12_RPSTAT1) },
		{ WORD(GEN6_PMINTRMSK), WORD(GEN6_PMINTRMSK) }, { WORD(GEN9_PG_ENABLE), WORD(GEN9_PG_ENABLE) },
		{ WORD(CTC_MODE), WORD(CTC_MODE) }, { WORD(GEN6_GT_GFX_RC6), WORD(GEN6_GT_GFX_RC6) },
		{ WORD(PCU_PWM_FAN_SPEED), WORD(PCU_PWM_FAN_SPEED) },
		{ WORD(PCU_PACKAGE_POWER_SKU_UNIT), WORD(PCU_PACKAGE_ENERGY_STATUS) }, { WORD(PCU_PACKAGE_RAPL_LIMIT), WORD(PCU_PACKAGE_RAPL_LIMIT) },
		{ WORD(GEN10_FREQ_INFO_REC), WORD(GEN10_FREQ_INFO_REC) },
		/* read when something has gone wrong */
		{ WORD(GEN12_AUX_ERR_DBG), WORD(GEN12_AUX_ERR_DBG) }, { WORD(GEN12_GAM_DONE), WORD(GEN12_GAM_DONE) },
		/* is there something that is not: a hypervisor's interface, memory on the package, accesses to nothing */
		{ WORD(PVINFO), WORD(PVINFO + 4) }, { WORD(HSW_EDRAM_CAP), WORD(HSW_EDRAM_CAP) }, { WORD(FPGA_DBG), WORD(FPGA_DBG) },
		{ WORD(GU_CNTL_PROTECTED), WORD(GU_CNTL_PROTECTED) }, { WORD(GMD_ID), WORD(GMD_ID) }, { WORD(VF_CAP), WORD(VF_CAP) },
		{ WORD(OAG_OACONTROL), WORD(OAG_OA_DEBUG) }, { WORD(GU_DEBUG), WORD(GU_DEBUG) }, { WORD(NVM_STATUS), WORD(NVM_STATUS) },
	};

	if (dg1->lmem_size <= GSM_SIZE + DSM_SIZE) {
		errno = ENOSPC;
		return false;
	}
	if (!registers_init(&dg1->registers, DG1_REGISTERS / 4, name_of))
		return false;
	dg1->reg = dg1->registers.value;
	registers_plain(&dg1->registers, plain, ARRAY_SIZE(plain));
	return registers_hook(&dg1->registers, hooks, ARRAY_SIZE(hooks));
}
