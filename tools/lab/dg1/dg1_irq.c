// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * Interrupts. An engine, or the GuC, has causes that are enabled and not masked; a bit of GEN11_GT_INTR_DW(0) for each that has some;
 * who selects that bit finds the causes in the identity register. All of it is below a master, whose message is sent once
 * until the driver has turned it off (i915_irq.c: dg1_irq_handler(), gt/intel_gt_irq.c).
 */
#include <drm/intel/intel_gmd_interrupt_regs.h>

#include "dg1.h"

/* The header shifts a one into the sign. */
#define DATA_VALID	BIT(31)		/* GEN11_INTR_DATA_VALID */

static const struct {
	uint32_t bit;
	uint32_t class;				/* in the identity: enum intel_engine_class (gt/intel_engine_types.h) */
	uint32_t enable, enable_field;		/* where it is enabled, */
	uint32_t mask;				/* and masked, in the upper half */
} source[DG1_SOURCES] = {
	[DG1_RCS] = { BIT(GEN11_RCS0), 0, GEN11_RENDER_COPY_INTR_ENABLE, ENGINE1_MASK, GEN11_RCS0_RSVD_INTR_MASK },
	[DG1_BCS] = { BIT(GEN11_BCS), 3, GEN11_RENDER_COPY_INTR_ENABLE, ENGINE0_MASK, GEN11_BCS_RSVD_INTR_MASK },
	[DG1_GUC] = { BIT(GEN11_GUC), 4, GEN11_GUC_SG_INTR_ENABLE, ENGINE1_MASK, GEN11_GUC_SG_INTR_MASK },
};

void dg1_irq_update(struct dg1 *dg1)
{
	unsigned int i;

	for (i = 0; i < DG1_SOURCES; i++)
		if (dg1->irq[i])
			dg1->irq_latched |= source[i].bit;
	if (!dg1->irq_latched || dg1->irq_told || !(dg1->reg[WORD(DG1_MSTR_TILE_INTR)] & DG1_MSTR_IRQ))
		return;
	dg1->irq_told = device_message(&dg1->device);
}

void dg1_irq_raise(struct dg1 *dg1, unsigned int from, uint32_t bits)
{
	const uint32_t enable = field(dg1->reg[WORD(source[from].enable)], source[from].enable_field);
	const uint32_t masked = field(dg1->reg[WORD(source[from].mask)], ENGINE1_MASK);

	dg1->irq[from] |= (uint16_t)(bits & enable & ~masked);
	dg1_irq_update(dg1);
}

void dg1_irq_reset(struct dg1 *dg1)
{
	unsigned int i;

	for (i = 0; i < DG1_SOURCES; i++)
		dg1->irq[i] = 0;
	dg1->irq_latched = 0;
	dg1->irq_told = false;
}

static uint32_t master_read(struct device *device, uint32_t index)
{
	struct dg1 *dg1 = to_dg1(device);

	return (dg1->reg[index] & DG1_MSTR_IRQ) | (dg1->irq_latched ? DG1_MSTR_TILE(0) : 0);
}

/* The driver writes what it has read, too: only the bit that turns it on is kept. */
static void master_written(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	(void)before;
	dg1->reg[index] &= DG1_MSTR_IRQ;
	if (!dg1->reg[index])
		dg1->irq_told = false;
	dg1_irq_update(dg1);
}

static uint32_t tile_read(struct device *device, uint32_t index)
{
	(void)index;
	return to_dg1(device)->irq_latched ? GEN11_GT_DW_IRQ(0) : 0;
}

static uint32_t latched_read(struct device *device, uint32_t index)
{
	(void)index;
	return to_dg1(device)->irq_latched;
}

static void latched_written(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	(void)before;
	dg1->irq_latched &= ~dg1->reg[index];
	dg1_irq_update(dg1);
}

static void select_written(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);
	unsigned int i;

	(void)before;
	for (i = 0; i < DG1_SOURCES; i++) {
		if (dg1->reg[index] != source[i].bit)
			continue;
		dg1->reg[WORD(GEN11_INTR_IDENTITY_REG(0))] = DATA_VALID | source[i].class << 16 | dg1->irq[i];
		dg1->irq[i] = 0;
	}
}

static void identity_written(struct device *device, uint32_t index, uint32_t before)
{
	struct dg1 *dg1 = to_dg1(device);

	dg1->reg[index] = dg1->reg[index] & DATA_VALID ? 0 : before;
}

bool dg1_irq_init(struct dg1 *dg1)
{
	static const struct register_hook hooks[] = {
		{ WORD(DG1_MSTR_TILE_INTR), WORD(DG1_MSTR_TILE_INTR), master_read, master_written },
		{ WORD(GEN11_GFX_MSTR_IRQ), WORD(GEN11_GFX_MSTR_IRQ), tile_read, NULL },
		{ WORD(GEN11_GT_INTR_DW(0)), WORD(GEN11_GT_INTR_DW(0)), latched_read, latched_written },
		{ WORD(GEN11_IIR_REG_SELECTOR(0)), WORD(GEN11_IIR_REG_SELECTOR(0)), NULL, select_written },
		{ WORD(GEN11_INTR_IDENTITY_REG(0)), WORD(GEN11_INTR_IDENTITY_REG(0)), NULL, identity_written },
		/* what has nothing to say: zero */
		{ WORD(GEN8_PCU_IIR), WORD(GEN8_PCU_IIR), NULL, registers_read_only },
		{ WORD(GEN11_GU_MISC_IIR), WORD(GEN11_GU_MISC_IIR), NULL, registers_read_only },
	};
	/* Looked at when something happens, or of engines that are not there. */
	static const struct register_range used[] = {
		{ WORD(GEN11_GT_INTR_DW(1)), WORD(GEN11_GT_INTR_DW(1)) },
		{ WORD(GEN11_RENDER_COPY_INTR_ENABLE), WORD(GEN12_CCS_RSVD_INTR_ENABLE) },
		{ WORD(GEN11_INTR_IDENTITY_REG(1)), WORD(GEN11_INTR_IDENTITY_REG(1)) },
		{ WORD(GEN11_IIR_REG_SELECTOR(1)), WORD(GEN11_IIR_REG_SELECTOR(1)) },
		{ WORD(GEN11_RCS0_RSVD_INTR_MASK), WORD(GEN12_CCS2_CCS3_INTR_MASK) },
		{ WORD(GEN8_PCU_IMR), WORD(GEN8_PCU_IER) }, { WORD(GEN11_GU_MISC_IMR), WORD(GEN11_GU_MISC_IER) },
	};

	registers_plain(&dg1->registers, used, ARRAY_SIZE(used));
	return registers_hook(&dg1->registers, hooks, ARRAY_SIZE(hooks));
}
