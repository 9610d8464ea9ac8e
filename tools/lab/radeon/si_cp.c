// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The command processor with its three rings (gfx_v6_0.c; the packets are in sid.h). What sets registers, moves data, waits
 * and signals is done. Drawing and dispatching is not: there is nothing behind it, and the state for it is only remembered.
 */
#include "gca/gfx_6_0_d.h"
#include "gca/gfx_6_0_sh_mask.h"
#include "sid.h"

#include "si.h"

#define SOURCE_EOP	181		/* gfx_v6_0.c: gfx_v6_0_sw_init() */

static const struct {
	uint32_t base, cntl, rptr, wptr, report, report_high, interrupts;
} rings[] = {
	[SI_CP0] = { mmCP_RB0_BASE, mmCP_RB0_CNTL, mmCP_RB0_RPTR, mmCP_RB0_WPTR, mmCP_RB0_RPTR_ADDR,
			 mmCP_RB0_RPTR_ADDR_HI, mmCP_INT_CNTL_RING0 },
	[SI_CP1] = { mmCP_RB1_BASE, mmCP_RB1_CNTL, mmCP_RB1_RPTR, mmCP_RB1_WPTR, mmCP_RB1_RPTR_ADDR,
			 mmCP_RB1_RPTR_ADDR_HI, mmCP_INT_CNTL_RING1 },
	[SI_CP2] = { mmCP_RB2_BASE, mmCP_RB2_CNTL, mmCP_RB2_RPTR, mmCP_RB2_WPTR, mmCP_RB2_RPTR_ADDR,
			 mmCP_RB2_RPTR_ADDR_HI, mmCP_INT_CNTL_RING2 },
};

static bool enabled(const struct engine *engine)
{
	uint32_t halted = CP_ME_CNTL__ME_HALT_MASK | CP_ME_CNTL__PFP_HALT_MASK;
	const struct si *si = to_si(engine->device);

	return !(si->reg[mmCP_ME_CNTL] & halted) && si->reg[rings[engine->id].base];
}

static void submit(struct engine *engine)
{
	const uint32_t *reg = to_si(engine->device)->reg;

	engine_ring(engine, 0, (uint64_t)reg[rings[engine->id].base] << 8,
		    2ULL << field(reg[rings[engine->id].cntl], CP_RB0_CNTL__RB_BUFSZ_MASK),
		    reg[rings[engine->id].rptr], reg[rings[engine->id].wptr]);
}

static void report(struct engine *engine)
{
	uint32_t *reg = to_si(engine->device)->reg, rptr = engine_read_pointer(engine);
	uint64_t at = reg[rings[engine->id].report] | (uint64_t)reg[rings[engine->id].report_high] << 32;

	if (reg[rings[engine->id].rptr] == rptr)
		return;
	reg[rings[engine->id].rptr] = rptr;
	memory_write(engine->device, 0, at & ~3ULL, &rptr, sizeof(rptr));
}

static uint32_t length(const struct engine *engine, uint32_t header)
{
	(void)engine;
	switch (header >> 30) {
	case 2:
		return 1;
	case 3:
		return (header >> 16 & 0x3fff) + 2;
	default:
		return 0;
	}
}

static uint64_t address(uint32_t low, uint32_t high)
{
	return low | (uint64_t)(high & 0xff) << 32;
}

/* Fences: data when all before it is done, and an interrupt. */
static void event_write_eop(struct engine *engine, const uint32_t *p)
{
	struct device *device = engine->device;
	struct si *si = to_si(device);
	uint64_t vmid = engine->packet.space;
	uint64_t to = address(p[1] & ~3u, p[2]);
	uint32_t data = p[2] >> 29, interrupt = p[2] >> 24 & 7;
	uint64_t clock = engine->packets;

	if (data == 1)
		memory_write(device, vmid, to, &p[3], 4);
	else if (data == 2)
		memory_write(device, vmid, to, &p[3], 8);
	else if (data == 3)
		memory_write(device, vmid, to, &clock, 8);
	si->fences++;
	if (!interrupt)
		return;
	si->traps++;
	if (si->reg[rings[engine->id].interrupts] & CP_INT_CNTL_RING0__TIME_STAMP_INT_ENABLE_MASK)
		si_ih_post(si, SOURCE_EOP, 0, (uint8_t)(engine->id - SI_CP0), (uint8_t)vmid);
}

static bool wait_reg_mem(struct engine *engine, const uint32_t *p)
{
	uint32_t value = 0;

	if (p[0] & WAIT_REG_MEM_MEM_SPACE(1))
		memory_read(engine->device, engine->packet.space, address(p[1] & ~3u, p[2]), &value, sizeof(value));
	else
		value = registers_read(engine->device, p[1] & 0xffff);
	return si_compare(value, p[3], p[4], p[0] & 7);
}

static bool write_data(struct engine *engine, const uint32_t *p, uint32_t words)
{
	uint32_t i, step = p[0] & WR_ONE_ADDR ? 0 : 1;
	struct device *device = engine->device;
	uint64_t vmid = engine->packet.space, to = address(p[1] & ~3u, p[2]);

	switch (p[0] >> 8 & 0xf) {
	case 0:
		for (i = 0; i < words - 3; i++)
			si_register_set(to_si(device), (p[1] + i * step) & 0xffff, p[3 + i]);
		return true;
	case 1:
	case 2:
	case 5:
		for (i = 0; !step && i < words - 3; i++)
			memory_write(device, vmid, to, &p[3 + i], 4);
		if (step)
			memory_write(device, vmid, to, &p[3], 4ULL * (words - 3));
		return true;
	default:
		return false;
	}
}

static bool cp_dma(struct engine *engine, const uint32_t *p)
{
	struct device *device = engine->device;
	uint64_t vmid = engine->packet.space;
	uint32_t bytes = p[4] & 0x1fffff, source = p[1] >> 29 & 3;

	/* Neither the global data share nor registers as an end of it are modelled. */
	if (p[1] >> 20 & 3 || p[4] & (PACKET3_CP_DMA_CMD_SAS | PACKET3_CP_DMA_CMD_DAS))
		return false;
	if (source == 0)
		memory_copy(device, vmid, address(p[2], p[3]), address(p[0], p[1]), bytes);
	else if (source == 2)
		memory_fill(device, vmid, address(p[2], p[3]), p[0], bytes / 4);
	else
		return false;
	return true;
}

static bool set_registers(struct si *si, const uint32_t *p, uint32_t words, uint32_t start, uint32_t end)
{
	uint32_t first = start + (p[0] & 0xffff), i;

	if (first + words - 1 > end)
		return false;
	for (i = 1; i < words; i++)
		si_register_set(si, first + i - 1, p[i]);
	return true;
}

static bool indirect(struct engine *engine, const uint32_t *p)
{
	struct fetch fetch = {
		.space = p[2] >> 24 & 0xf, .base = address(p[0] & ~3u, p[1]), .mask = FETCH_NO_RING, .end = p[2] & 0xfffff,
	};

	return !engine->depth && engine_call(engine, &fetch);
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

/* packet3 - false when it is not known; *wait when it has to be looked at again */
static bool packet3(struct engine *engine, uint32_t opcode, const uint32_t *p, uint32_t words, bool *wait)
{
	struct si *si = to_si(engine->device);
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
		return set_registers(si, p, words, PACKET3_SET_CONFIG_REG_START, PACKET3_SET_CONFIG_REG_END);
	case PACKET3_SET_CONTEXT_REG:
		return set_registers(si, p, words, PACKET3_SET_CONTEXT_REG_START, PACKET3_SET_CONTEXT_REG_END);
	case PACKET3_SET_SH_REG:
		return set_registers(si, p, words, PACKET3_SET_SH_REG_START, PACKET3_SET_SH_REG_END);
	case PACKET3_WRITE_DATA:
		return write_data(engine, p, words);
	case PACKET3_CP_DMA:
		return cp_dma(engine, p);
	case PACKET3_WAIT_REG_MEM:
		*wait = !wait_reg_mem(engine, p);
		return true;
	case PACKET3_EVENT_WRITE_EOP:
		event_write_eop(engine, p);
		return true;
	case PACKET3_COND_EXEC:
		memory_read(engine->device, engine->packet.space, address(p[0] & ~3u, p[1]), &value, sizeof(value));
		engine->skip = value ? 0 : p[2] & 0x3fff;
		return true;
	case PACKET3_INDIRECT_BUFFER:
	case PACKET3_INDIRECT_BUFFER_CONST:
		return indirect(engine, p);
	default:
		return false;
	}
}

static enum engine_step execute(struct engine *engine, const uint32_t *packet, uint32_t words)
{
	bool wait = false;

	if (packet[0] >> 30 == 2)
		return ENGINE_DONE;
	if (!packet3(engine, packet[0] >> 8 & 0xff, packet + 1, words - 1, &wait))
		return ENGINE_UNKNOWN;
	return wait ? ENGINE_WAITS : ENGINE_DONE;
}

const struct engine_ops si_cp_ops = {
	.head = 0x4001,			/* all of it */
	.enabled = enabled,
	.submit = submit,
	.length = length,
	.execute = execute,
	.report = report,
};

/* engine_at - the engine that has a register for its ring */
static struct engine *engine_at(struct device *device, uint32_t index)
{
	unsigned int id;

	for (id = SI_CP0; id < SI_CP2; id++)
		if (index == rings[id].base || index == rings[id].cntl || index == rings[id].rptr || index == rings[id].wptr)
			break;
	return &device->engine[id];
}

static void ring_written(struct device *device, uint32_t index, uint32_t before)
{
	(void)before;
	engine_submit(engine_at(device, index));
}

static void wptr_written(struct device *device, uint32_t index, uint32_t before)
{
	(void)before;
	engine_write_pointer(engine_at(device, index), to_si(device)->reg[index]);
}

static uint32_t status_read(struct device *device, uint32_t index)
{
	unsigned int id;

	(void)index;
	for (id = SI_CP0; id <= SI_CP2; id++)
		if (engine_active(&device->engine[id]))
			return GRBM_STATUS__GUI_ACTIVE_MASK;
	return 0;
}

static void soft_reset(struct device *device, uint32_t index, uint32_t before)
{
	unsigned int id;

	(void)before;
	if (to_si(device)->reg[index] & GRBM_SOFT_RESET__SOFT_RESET_CP_MASK)
		for (id = SI_CP0; id <= SI_CP2; id++)
			engine_reset(&device->engine[id]);
}

bool si_cp_init(struct si *si)
{
#define RING(n) \
	{ mmCP_RB##n##_BASE, mmCP_RB##n##_BASE, NULL, ring_written }, \
	{ mmCP_RB##n##_CNTL, mmCP_RB##n##_CNTL, NULL, ring_written }, \
	{ mmCP_RB##n##_RPTR, mmCP_RB##n##_RPTR, NULL, ring_written }, \
	{ mmCP_RB##n##_WPTR, mmCP_RB##n##_WPTR, NULL, wptr_written }
	static const struct register_hook hooks[] = {
		RING(0), RING(1), RING(2),
		{ mmGRBM_STATUS, mmGRBM_STATUS, status_read, NULL },
		{ mmGRBM_SOFT_RESET, mmGRBM_SOFT_RESET, NULL, soft_reset },
	};
	/* Looked at when a ring is executed. */
	static const struct register_range used[] = {
		{ mmCP_ME_CNTL, mmCP_ME_CNTL }, { mmSCRATCH_REG0, mmSCRATCH_REG0 },
		{ mmCP_RB0_RPTR_ADDR, mmCP_RB0_RPTR_ADDR }, { mmCP_RB0_RPTR_ADDR_HI, mmCP_RB0_RPTR_ADDR_HI },
		{ mmCP_RB1_RPTR_ADDR, mmCP_RB1_RPTR_ADDR }, { mmCP_RB1_RPTR_ADDR_HI, mmCP_RB1_RPTR_ADDR_HI },
		{ mmCP_RB2_RPTR_ADDR, mmCP_RB2_RPTR_ADDR }, { mmCP_RB2_RPTR_ADDR_HI, mmCP_RB2_RPTR_ADDR_HI },
		{ mmCP_INT_CNTL_RING0, mmCP_INT_CNTL_RING0 }, { mmCP_INT_CNTL_RING1, mmCP_INT_CNTL_RING1 },
		{ mmCP_INT_CNTL_RING2, mmCP_INT_CNTL_RING2 },
	};

	registers_plain(&si->registers, used, ARRAY_SIZE(used));
	return registers_hook(&si->registers, hooks, ARRAY_SIZE(hooks));
}
