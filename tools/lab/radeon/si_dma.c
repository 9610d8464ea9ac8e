// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The two asynchronous DMA engines (si_dma.c; the packets are in sid.h). */
#include "oss/oss_1_0_d.h"
#include "oss/oss_1_0_sh_mask.h"
#include "sid.h"

#include "si.h"

/* si_dma.c: si_dma_sw_init() */
static const uint8_t trap_source[] = { [SI_DMA0] = 224, [SI_DMA1] = 244 };

#define PACKET_BYTES	(1u << 26)	/* COPY counts bytes, not words */
#define PACKET_TILED	(1u << 23)
#define PACKET_PTE	(1u << 21)	/* with bit 26: WRITE makes page table entries */
#define POLL_MEMORY	(1u << 27)

/* SRBM_SOFT_RESET; the kernel's radeon driver has them */
#define SOFT_RESET_DMA	(1u << 20)
#define SOFT_RESET_DMA1	(1u << 6)

/* registers_of - the engine's block of registers */
static uint32_t *registers_of(const struct engine *engine)
{
	return to_si(engine->device)->reg + (engine->id == SI_DMA0 ? DMA0_REGISTER_OFFSET : DMA1_REGISTER_OFFSET);
}

static struct engine *engine_at(struct device *device, uint32_t index)
{
	return &device->engine[index >= mmDMA_GFX_RB_CNTL + DMA1_REGISTER_OFFSET ? SI_DMA1 : SI_DMA0];
}

static bool enabled(const struct engine *engine)
{
	return registers_of(engine)[mmDMA_GFX_RB_CNTL] & DMA_GFX_RB_CNTL__RB_ENABLE_MASK;
}

static void submit(struct engine *engine)
{
	const uint32_t *reg = registers_of(engine);

	engine_ring(engine, 0, (uint64_t)reg[mmDMA_GFX_RB_BASE] << 8,
		    1ULL << field(reg[mmDMA_GFX_RB_CNTL], IH_RB_CNTL__RB_SIZE_MASK),
		    reg[mmDMA_GFX_RB_RPTR] >> 2, reg[mmDMA_GFX_RB_WPTR] >> 2);
}

static void report(struct engine *engine)
{
	uint32_t *reg = registers_of(engine), rptr = engine_read_pointer(engine) << 2;
	uint64_t at = reg[mmDMA_GFX_RB_RPTR_ADDR_LO] | (uint64_t)reg[mmDMA_GFX_RB_RPTR_ADDR_HI] << 32;

	if (reg[mmDMA_GFX_RB_RPTR] == rptr)
		return;
	reg[mmDMA_GFX_RB_RPTR] = rptr;
	if (reg[mmDMA_GFX_RB_CNTL] & DMA_GFX_RB_CNTL__RPTR_WRITEBACK_ENABLE_MASK)
		memory_write(engine->device, 0, at & ~3ULL, &rptr, sizeof(rptr));
}

static uint32_t length(const struct engine *engine, uint32_t header)
{
	(void)engine;
	switch (header >> 28) {
	case DMA_PACKET_NOP:
	case DMA_PACKET_TRAP:
		return 1;
	case DMA_PACKET_SRBM_WRITE:
	case DMA_PACKET_INDIRECT_BUFFER:
		return 3;
	case DMA_PACKET_CONSTANT_FILL:
	case DMA_PACKET_FENCE:
		return 4;
	case DMA_PACKET_COPY:
		return 5;
	case DMA_PACKET_POLL_REG_MEM:
		return 6;
	case DMA_PACKET_WRITE:
		return header & PACKET_PTE ? 9 : 3 + (header & 0xfffff);
	default:
		return 0;
	}
}

static uint64_t address(uint32_t low, uint32_t high)
{
	return low | (uint64_t)(high & 0xff) << 32;
}

static void write_words(struct engine *engine, const uint32_t *p, uint32_t words)
{
	uint32_t data[256], done, n;

	for (done = 0; done < words; done += n) {
		n = words - done < 256 ? words - done : 256;
		engine_words(engine, 3 + done, data, n);
		memory_write(engine->device, engine->packet.space, address(p[1], p[2]) + 4ULL * done, data, 4ULL * n);
	}
}

/* Entries with the same flags, for pages in a row. */
static void write_ptes(struct engine *engine, const uint32_t *p, uint32_t words)
{
	uint64_t to = address(p[1], p[2]), flags = p[3] | (uint64_t)p[4] << 32, value = p[5] | (uint64_t)p[6] << 32, entries[256];
	uint32_t done, i, n;

	for (done = 0; done < words / 2; done += n) {
		n = words / 2 - done < 256 ? words / 2 - done : 256;
		for (i = 0; i < n; i++, value += p[7])
			entries[i] = value | flags;
		memory_write(engine->device, engine->packet.space, to + 8ULL * done, entries, 8ULL * n);
	}
}

static bool poll(struct engine *engine, const uint32_t *p)
{
	uint32_t value = 0;

	if (p[0] & POLL_MEMORY)
		memory_read(engine->device, engine->packet.space, address(p[1] & ~3u, p[2]), &value, sizeof(value));
	else
		value = registers_read(engine->device, p[1] & 0xffff);
	return si_compare(value, p[4], p[3], p[5] >> 28);
}

static enum engine_step indirect_buffer(struct engine *engine, const uint32_t *p)
{
	struct fetch fetch = {
		.space = p[0] >> 20 & 0xf, .base = address(p[1] & ~0x1fu, p[2]), .mask = FETCH_NO_RING, .end = p[2] >> 12,
	};

	if (engine->depth)
		return ENGINE_UNKNOWN;
	return engine_call(engine, &fetch) ? ENGINE_DONE : ENGINE_UNKNOWN;
}

static enum engine_step execute(struct engine *engine, const uint32_t *p, uint32_t words)
{
	struct device *device = engine->device;
	uint64_t vmid = engine->packet.space;
	struct si *si = to_si(device);
	uint32_t n = p[0] & 0xfffff;

	(void)words;
	switch (p[0] >> 28) {
	case DMA_PACKET_NOP:
		break;
	case DMA_PACKET_WRITE:
		if (p[0] & PACKET_PTE)
			write_ptes(engine, p, n);
		else
			write_words(engine, p, n);
		break;
	case DMA_PACKET_COPY:
		if (p[0] & PACKET_TILED)
			return ENGINE_UNKNOWN;
		memory_copy(device, vmid, address(p[1], p[3]), address(p[2], p[4]), p[0] & PACKET_BYTES ? n : 4ULL * n);
		break;
	case DMA_PACKET_CONSTANT_FILL:
		memory_fill(device, vmid, address(p[1], p[3] >> 16), p[2], n);
		break;
	case DMA_PACKET_FENCE:
		memory_write(device, vmid, address(p[1] & ~3u, p[2]), &p[3], 4);
		si->fences++;
		break;
	case DMA_PACKET_TRAP:
		si->traps++;
		if (registers_of(engine)[mmDMA_CNTL] & DMA_CNTL__TRAP_ENABLE_MASK)
			si_ih_post(si, trap_source[engine->id], 0, 0, (uint8_t)vmid);
		break;
	case DMA_PACKET_SRBM_WRITE:
		if (vmid)
			return ENGINE_UNKNOWN;
		registers_write(device, p[1] & 0xffff, p[2]);
		break;
	case DMA_PACKET_POLL_REG_MEM:
		return poll(engine, p) ? ENGINE_DONE : ENGINE_WAITS;
	case DMA_PACKET_INDIRECT_BUFFER:
		return indirect_buffer(engine, p);
	default:
		return ENGINE_UNKNOWN;
	}
	return ENGINE_DONE;
}

const struct engine_ops si_dma_ops = {
	.head = 9,
	.enabled = enabled,
	.submit = submit,
	.length = length,
	.execute = execute,
	.report = report,
};

static void ring_written(struct device *device, uint32_t index, uint32_t before)
{
	(void)before;
	engine_submit(engine_at(device, index));
}

static void wptr_written(struct device *device, uint32_t index, uint32_t before)
{
	(void)before;
	engine_write_pointer(engine_at(device, index), to_si(device)->reg[index] >> 2);
}

static uint32_t status_read(struct device *device, uint32_t index)
{
	return engine_active(engine_at(device, index)) ? 0 : (uint32_t)DMA_STATUS_REG__IDLE_MASK;
}

static void soft_reset(struct device *device, uint32_t index, uint32_t before)
{
	uint32_t value = to_si(device)->reg[index];

	(void)before;
	if (value & SOFT_RESET_DMA)
		engine_reset(&device->engine[SI_DMA0]);
	if (value & SOFT_RESET_DMA1)
		engine_reset(&device->engine[SI_DMA1]);
}

bool si_dma_init(struct si *si)
{
#define BOTH(index, read, write) \
	{ (index) + DMA0_REGISTER_OFFSET, (index) + DMA0_REGISTER_OFFSET, read, write }, \
	{ (index) + DMA1_REGISTER_OFFSET, (index) + DMA1_REGISTER_OFFSET, read, write }
	static const struct register_hook hooks[] = {
		BOTH(mmDMA_GFX_RB_CNTL, NULL, ring_written),
		BOTH(mmDMA_GFX_RB_BASE, NULL, ring_written),
		BOTH(mmDMA_GFX_RB_RPTR, NULL, ring_written),
		BOTH(mmDMA_GFX_RB_WPTR, NULL, wptr_written),
		BOTH(mmDMA_STATUS_REG, status_read, NULL),
		{ mmSRBM_SOFT_RESET, mmSRBM_SOFT_RESET, NULL, soft_reset },
		/* those that are looked at, or only remember */
		BOTH(mmDMA_GFX_RB_RPTR_ADDR_HI, NULL, NULL),
		BOTH(mmDMA_GFX_RB_RPTR_ADDR_LO, NULL, NULL),
		BOTH(mmDMA_CNTL, NULL, NULL),
		BOTH(mmDMA_GFX_IB_CNTL, NULL, NULL),
		BOTH(0x340c, NULL, NULL),
		BOTH(mmDMA_SEM_INCOMPLETE_TIMER_CNTL, NULL, NULL),
		BOTH(mmDMA_SEM_WAIT_FAIL_TIMER_CNTL, NULL, NULL),
		BOTH(mmDMA_TILING_CONFIG, NULL, NULL),
		BOTH(mmDMA_POWER_CNTL, NULL, NULL),
		BOTH(mmDMA_CLK_CTRL, NULL, NULL),
		BOTH(mmDMA_PGFSM_CONFIG, NULL, NULL),
		BOTH(mmDMA_PGFSM_WRITE, NULL, NULL),
	};

	return registers_hook(&si->registers, hooks, ARRAY_SIZE(hooks));
}
