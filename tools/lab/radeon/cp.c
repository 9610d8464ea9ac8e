// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The command processor with its three rings (gfx_v6_0.c; the packets are in sid.h). What sets registers, moves data, waits
 * and signals is done. Drawing and dispatching is not: there is nothing behind it, and the state for it is only remembered.
 */
#include "gca/gfx_6_0_d.h"
#include "gca/gfx_6_0_sh_mask.h"
#include "sid.h"

#include "gpu.h"

#define SOURCE_EOP	181		/* gfx_v6_0.c: gfx_v6_0_sw_init() */
#define MAX_BODY	0x4000u		/* words of a packet, without its header */

static const struct {
	uint32_t base, cntl, rptr, wptr, report, report_high, interrupts;
} rings[] = {
	[ENGINE_CP0] = { mmCP_RB0_BASE, mmCP_RB0_CNTL, mmCP_RB0_RPTR, mmCP_RB0_WPTR, mmCP_RB0_RPTR_ADDR,
			 mmCP_RB0_RPTR_ADDR_HI, mmCP_INT_CNTL_RING0 },
	[ENGINE_CP1] = { mmCP_RB1_BASE, mmCP_RB1_CNTL, mmCP_RB1_RPTR, mmCP_RB1_WPTR, mmCP_RB1_RPTR_ADDR,
			 mmCP_RB1_RPTR_ADDR_HI, mmCP_INT_CNTL_RING1 },
	[ENGINE_CP2] = { mmCP_RB2_BASE, mmCP_RB2_CNTL, mmCP_RB2_RPTR, mmCP_RB2_WPTR, mmCP_RB2_RPTR_ADDR,
			 mmCP_RB2_RPTR_ADDR_HI, mmCP_INT_CNTL_RING2 },
};

bool cp_enabled(const struct gpu *gpu, const struct gpu_engine *engine)
{
	uint32_t halted = CP_ME_CNTL__ME_HALT_MASK | CP_ME_CNTL__PFP_HALT_MASK;

	return !(gpu->reg[mmCP_ME_CNTL] & halted) && gpu->reg[rings[engine->id].base];
}

void cp_ring(struct gpu *gpu, struct gpu_engine *engine)
{
	uint32_t bits = gpu_field(gpu->reg[rings[engine->id].cntl], CP_RB0_CNTL__RB_BUFSZ_MASK);

	engine->ring = (struct gpu_fetch){
		.base = (uint64_t)gpu->reg[rings[engine->id].base] << 8,
		.mask = (2u << bits) - 1,
		.at = gpu->reg[rings[engine->id].rptr],
		.end = gpu->reg[rings[engine->id].wptr],
	};
}

void cp_report(struct gpu *gpu, struct gpu_engine *engine)
{
	uint32_t rptr = engine->ring.at & engine->ring.mask;
	uint64_t at = gpu->reg[rings[engine->id].report] | (uint64_t)gpu->reg[rings[engine->id].report_high] << 32;

	if (gpu->reg[rings[engine->id].rptr] == rptr)
		return;
	gpu->reg[rings[engine->id].rptr] = rptr;
	memory_write(gpu, 0, at & ~3ULL, &rptr, sizeof(rptr));
}

static uint64_t address(uint32_t low, uint32_t high)
{
	return low | (uint64_t)(high & 0xff) << 32;
}

/* Fences: data when all before it is done, and an interrupt. */
static void event_write_eop(struct gpu *gpu, struct gpu_engine *engine, const struct gpu_fetch *fetch, const uint32_t *p)
{
	uint64_t to = address(p[1] & ~3u, p[2]);
	uint32_t data = p[2] >> 29, interrupt = p[2] >> 24 & 7;
	uint64_t clock = engine->packets;

	if (data == 1)
		memory_write(gpu, fetch->vmid, to, &p[3], 4);
	else if (data == 2)
		memory_write(gpu, fetch->vmid, to, &p[3], 8);
	else if (data == 3)
		memory_write(gpu, fetch->vmid, to, &clock, 8);
	gpu->count.fences++;
	if (!interrupt)
		return;
	gpu->count.traps++;
	if (gpu->reg[rings[engine->id].interrupts] & CP_INT_CNTL_RING0__TIME_STAMP_INT_ENABLE_MASK)
		interrupt_post(gpu, SOURCE_EOP, 0, (uint8_t)(engine->id - ENGINE_CP0), (uint8_t)fetch->vmid);
}

static bool wait_reg_mem(struct gpu *gpu, const struct gpu_fetch *fetch, const uint32_t *p)
{
	uint32_t value = 0;

	if (p[0] & WAIT_REG_MEM_MEM_SPACE(1))
		memory_read(gpu, fetch->vmid, address(p[1] & ~3u, p[2]), &value, sizeof(value));
	else
		value = register_read(gpu, p[1] & 0xffff);
	return engine_compare(value, p[3], p[4], p[0] & 7);
}

static bool write_data(struct gpu *gpu, const struct gpu_fetch *fetch, const uint32_t *p, uint32_t words)
{
	uint32_t i, step = p[0] & WR_ONE_ADDR ? 0 : 1;

	switch (p[0] >> 8 & 0xf) {
	case 0:
		for (i = 0; i < words - 3; i++)
			register_set(gpu, (p[1] + i * step) & 0xffff, p[3 + i]);
		return true;
	case 1:
	case 2:
	case 5:
		for (i = 0; !step && i < words - 3; i++)
			memory_write(gpu, fetch->vmid, address(p[1] & ~3u, p[2]), &p[3 + i], 4);
		if (step)
			memory_write(gpu, fetch->vmid, address(p[1] & ~3u, p[2]), &p[3], 4ULL * (words - 3));
		return true;
	default:
		return false;
	}
}

static bool cp_dma(struct gpu *gpu, const struct gpu_fetch *fetch, const uint32_t *p)
{
	uint32_t bytes = p[4] & 0x1fffff, source = p[1] >> 29 & 3;

	/* Neither the global data share nor registers as an end of it are modelled. */
	if (p[1] >> 20 & 3 || p[4] & (PACKET3_CP_DMA_CMD_SAS | PACKET3_CP_DMA_CMD_DAS))
		return false;
	if (source == 0)
		memory_copy(gpu, fetch->vmid, address(p[2], p[3]), address(p[0], p[1]), bytes);
	else if (source == 2)
		memory_fill(gpu, fetch->vmid, address(p[2], p[3]), p[0], bytes / 4);
	else
		return false;
	return true;
}

static bool set_registers(struct gpu *gpu, const uint32_t *p, uint32_t words, uint32_t start, uint32_t end)
{
	uint32_t first = start + (p[0] & 0xffff), i;

	if (first + words - 1 > end)
		return false;
	for (i = 1; i < words; i++)
		register_set(gpu, first + i - 1, p[i]);
	return true;
}

static bool indirect(struct gpu_engine *engine, const uint32_t *p)
{
	if (engine->in_indirect)
		return false;
	engine->indirect = (struct gpu_fetch){
		.base = address(p[0] & ~3u, p[1]), .mask = ~0u, .end = p[2] & 0xfffff, .vmid = p[2] >> 24 & 0xf,
	};
	engine->in_indirect = engine->indirect.end;
	return true;
}

/* How many words the packets that are looked into have at least, without the header. */
static uint32_t least(uint32_t opcode)
{
	switch (opcode) {
	case PACKET3_EVENT_WRITE_EOP:
	case PACKET3_CP_DMA:
		return 5;
	case PACKET3_WAIT_REG_MEM:
		return 6;
	case PACKET3_WRITE_DATA:
	case PACKET3_COND_EXEC:
	case PACKET3_INDIRECT_BUFFER:
	case PACKET3_INDIRECT_BUFFER_CONST:
		return 3;
	default:
		return 1;
	}
}

/* packet3 - false when it is not known; *wait when it has to be looked at again, *skip words after it are not executed */
static bool packet3(struct gpu *gpu, struct gpu_engine *engine, struct gpu_fetch *fetch, uint32_t opcode,
		    const uint32_t *p, uint32_t words, bool *wait, uint32_t *skip)
{
	uint32_t value = 0;

	if (words < least(opcode))
		return false;

	switch (opcode) {
	case PACKET3_NOP:
	case PACKET3_SET_BASE:
	case PACKET3_CLEAR_STATE:
	case PACKET3_CONTEXT_CONTROL:
	case PACKET3_PFP_SYNC_ME:
	case PACKET3_SURFACE_SYNC:
	case PACKET3_ME_INITIALIZE:
	case PACKET3_EVENT_WRITE:
	case PACKET3_PREAMBLE_CNTL:
	case PACKET3_SWITCH_BUFFER:
		return true;
	case PACKET3_SET_CONFIG_REG:
		return set_registers(gpu, p, words, PACKET3_SET_CONFIG_REG_START, PACKET3_SET_CONFIG_REG_END);
	case PACKET3_SET_CONTEXT_REG:
		return set_registers(gpu, p, words, PACKET3_SET_CONTEXT_REG_START, PACKET3_SET_CONTEXT_REG_END);
	case PACKET3_SET_SH_REG:
		return set_registers(gpu, p, words, PACKET3_SET_SH_REG_START, PACKET3_SET_SH_REG_END);
	case PACKET3_WRITE_DATA:
		return write_data(gpu, fetch, p, words);
	case PACKET3_CP_DMA:
		return cp_dma(gpu, fetch, p);
	case PACKET3_WAIT_REG_MEM:
		*wait = !wait_reg_mem(gpu, fetch, p);
		return true;
	case PACKET3_EVENT_WRITE_EOP:
		event_write_eop(gpu, engine, fetch, p);
		return true;
	case PACKET3_COND_EXEC:
		memory_read(gpu, fetch->vmid, address(p[0] & ~3u, p[1]), &value, sizeof(value));
		*skip = value ? 0 : p[2] & 0x3fff;
		return true;
	case PACKET3_INDIRECT_BUFFER:
	case PACKET3_INDIRECT_BUFFER_CONST:
		return indirect(engine, p);
	default:
		return false;
	}
}

bool cp_packet(struct gpu *gpu, struct gpu_engine *engine, struct gpu_fetch *fetch)
{
	uint32_t header, body[MAX_BODY], words, skip = 0;
	bool wait = false;

	if (!engine_words(gpu, fetch, 0, &header, 1))
		return false;

	switch (header >> 30) {
	case 2:
		words = 0;
		break;
	case 3:
		words = (header >> 16 & 0x3fff) + 1;
		/* A NOP may be the filling up to the end of the ring, longer than what there is. */
		if (!engine_words(gpu, fetch, 1, body, words) ||
		    !packet3(gpu, engine, fetch, header >> 8 & 0xff, body, words, &wait, &skip))
			goto unknown;
		break;
	default:
		goto unknown;
	}
	if (wait)
		return false;
	fetch->at = (fetch->at + 1 + words + skip) & fetch->mask;
	return true;
unknown:
	engine_unknown(gpu, engine, header);
	return false;
}
