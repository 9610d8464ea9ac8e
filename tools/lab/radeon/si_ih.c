// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The interrupt ring, which the driver reads at a message signalled interrupt (si_ih.c there). */
#include "oss/oss_1_0_d.h"
#include "oss/oss_1_0_sh_mask.h"
#include "sid.h"

#include "si.h"

#define ENTRY	16u		/* bytes */

static void signal_it(struct si *si)
{
	if (!(si->reg[IH_CNTL] & ENABLE_INTR) || !si->ih_armed)
		return;
	if (device_message(&si->device) && si->reg[IH_CNTL] & RPTR_REARM)
		si->ih_armed = false;
}

void si_ih_rearm(struct si *si)
{
	si->ih_armed = true;
	if (si->reg[IH_RB_CNTL] & IH_RB_ENABLE && si->reg[IH_RB_RPTR] != (si->reg[IH_RB_WPTR] & ~(uint32_t)IH_RB_WPTR__RB_OVERFLOW_MASK))
		signal_it(si);
}

static void report_wptr(struct si *si)
{
	uint64_t report = si->reg[IH_RB_WPTR_ADDR_LO] | (uint64_t)si->reg[IH_RB_WPTR_ADDR_HI] << 32;

	if (si->reg[IH_RB_CNTL] & IH_WPTR_WRITEBACK_ENABLE)
		memory_write(&si->device, 0, report & ~3ULL, &si->reg[IH_RB_WPTR], sizeof(si->reg[IH_RB_WPTR]));
}

void si_ih_post(struct si *si, uint8_t source, uint32_t data, uint8_t ring, uint8_t vmid)
{
	uint32_t cntl = si->reg[IH_RB_CNTL], mask, wptr = si->reg[IH_RB_WPTR], entry[4] = {
		source, data, ring | (uint32_t)vmid << 8, 0,
	};
	uint64_t base = (uint64_t)si->reg[IH_RB_BASE] << 8;
	uint32_t overflow = wptr & IH_RB_WPTR__RB_OVERFLOW_MASK;

	if (!(cntl & IH_RB_ENABLE)) {
		si->device.count.interrupts_lost++;
		return;
	}
	mask = (4u << field(cntl, IH_RB_CNTL__RB_SIZE_MASK)) - 1;
	wptr &= mask & ~(uint32_t)IH_RB_WPTR__RB_OVERFLOW_MASK;
	memory_write(&si->device, 0, base + wptr, entry, sizeof(entry));
	wptr = (wptr + ENTRY) & mask;
	if (wptr == (si->reg[IH_RB_RPTR] & mask)) {
		si->ring_overflows++;
		overflow = IH_RB_WPTR__RB_OVERFLOW_MASK;
	}
	si->reg[IH_RB_WPTR] = wptr | overflow;	/* until the driver has said that it knows */
	report_wptr(si);
	signal_it(si);
}

static void written(struct device *device, uint32_t index, uint32_t before)
{
	(void)index;
	(void)before;
	si_ih_rearm(to_si(device));
}

/* The bit that says so does not stay. */
static void cntl_written(struct device *device, uint32_t index, uint32_t before)
{
	struct si *si = to_si(device);

	(void)index;
	(void)before;
	if (!(si->reg[IH_RB_CNTL] & IH_RB_CNTL__WPTR_OVERFLOW_CLEAR_MASK))
		return;
	si->reg[IH_RB_CNTL] &= ~(uint32_t)IH_RB_CNTL__WPTR_OVERFLOW_CLEAR_MASK;
	si->reg[IH_RB_WPTR] &= ~(uint32_t)IH_RB_WPTR__RB_OVERFLOW_MASK;
	report_wptr(si);
}

bool si_ih_init(struct si *si)
{
	static const struct register_hook hooks[] = {
		{ IH_CNTL, IH_CNTL, NULL, written },
		{ IH_RB_RPTR, IH_RB_RPTR, NULL, written },
		{ IH_RB_CNTL, IH_RB_CNTL, NULL, cntl_written },
		{ IH_RB_BASE, IH_RB_BASE, NULL, NULL },
		{ IH_RB_WPTR, IH_RB_WPTR, NULL, NULL },
		{ IH_RB_WPTR_ADDR_LO, IH_RB_WPTR_ADDR_LO, NULL, NULL },
		{ IH_RB_WPTR_ADDR_HI, IH_RB_WPTR_ADDR_HI, NULL, NULL },
	};

	return registers_hook(&si->registers, hooks, ARRAY_SIZE(hooks));
}
