// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The interrupt ring, which the driver reads at a message signalled interrupt (si_ih.c). */
#include "oss/oss_1_0_d.h"
#include "oss/oss_1_0_sh_mask.h"
#include "sid.h"

#include "gpu.h"

#define ENTRY	16u		/* bytes */

static void signal_it(struct gpu *gpu)
{
	if (!(gpu->reg[IH_CNTL] & ENABLE_INTR) || !gpu->interrupt_armed)
		return;
	if (gpu->interrupts_dropped || !vfio_user_interrupt(&gpu->user, VFIO_PCI_MSI_IRQ_INDEX, 0)) {
		gpu->count.interrupts_lost++;
		return;
	}
	gpu->count.interrupts++;
	if (gpu->reg[IH_CNTL] & RPTR_REARM)
		gpu->interrupt_armed = false;
}

void interrupt_rearm(struct gpu *gpu)
{
	gpu->interrupt_armed = true;
	if (gpu->reg[IH_RB_CNTL] & IH_RB_ENABLE && gpu->reg[IH_RB_RPTR] != gpu->reg[IH_RB_WPTR])
		signal_it(gpu);
}

void interrupt_post(struct gpu *gpu, uint8_t source, uint32_t data, uint8_t ring, uint8_t vmid)
{
	uint32_t cntl = gpu->reg[IH_RB_CNTL], mask, wptr = gpu->reg[IH_RB_WPTR], entry[4] = {
		source, data, ring | (uint32_t)vmid << 8, 0,
	};
	uint64_t base = (uint64_t)gpu->reg[IH_RB_BASE] << 8, report;

	if (!(cntl & IH_RB_ENABLE)) {
		gpu->count.interrupts_lost++;
		return;
	}
	mask = (4u << gpu_field(cntl, IH_RB_CNTL__RB_SIZE_MASK)) - 1;
	memory_write(gpu, 0, base + (wptr & mask), entry, sizeof(entry));
	wptr = (wptr + ENTRY) & mask;
	if (wptr == (gpu->reg[IH_RB_RPTR] & mask)) {
		gpu->count.ring_overflows++;
		wptr |= IH_RB_WPTR__RB_OVERFLOW_MASK;
	}
	gpu->reg[IH_RB_WPTR] = wptr;
	if (cntl & IH_WPTR_WRITEBACK_ENABLE) {
		report = gpu->reg[IH_RB_WPTR_ADDR_LO] | (uint64_t)gpu->reg[IH_RB_WPTR_ADDR_HI] << 32;
		memory_write(gpu, 0, report & ~3ULL, &wptr, sizeof(wptr));
	}
	signal_it(gpu);
}
