// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* The two asynchronous DMA engines (si_dma.c; the packets are in sid.h). */
#include "oss/oss_1_0_d.h"
#include "oss/oss_1_0_sh_mask.h"
#include "sid.h"

#include "gpu.h"

/* si_dma.c: si_dma_sw_init() */
static const uint8_t trap_source[] = { [ENGINE_DMA0] = 224, [ENGINE_DMA1] = 244 };

#define PACKET_BYTES	(1u << 26)	/* COPY counts bytes, not words */
#define PACKET_TILED	(1u << 23)
#define PACKET_PTE	(1u << 21)	/* with bit 26: WRITE makes page table entries */
#define POLL_MEMORY	(1u << 27)

static uint32_t offset(const struct gpu_engine *engine)
{
	return engine->id == ENGINE_DMA0 ? DMA0_REGISTER_OFFSET : DMA1_REGISTER_OFFSET;
}

bool dma_enabled(const struct gpu *gpu, const struct gpu_engine *engine)
{
	return gpu->reg[mmDMA_GFX_RB_CNTL + offset(engine)] & DMA_GFX_RB_CNTL__RB_ENABLE_MASK;
}

/* dma_ring - a register of the ring was written */
void dma_ring(struct gpu *gpu, struct gpu_engine *engine)
{
	const uint32_t *reg = gpu->reg + offset(engine);
	uint32_t bits = gpu_field(reg[mmDMA_GFX_RB_CNTL], IH_RB_CNTL__RB_SIZE_MASK);

	engine->ring = (struct gpu_fetch){
		.base = (uint64_t)reg[mmDMA_GFX_RB_BASE] << 8,
		.mask = (1u << bits) - 1,
		.at = reg[mmDMA_GFX_RB_RPTR] >> 2,
		.end = reg[mmDMA_GFX_RB_WPTR] >> 2,
	};
}

/* dma_report - say how far it has come */
void dma_report(struct gpu *gpu, struct gpu_engine *engine)
{
	uint32_t *reg = gpu->reg + offset(engine), rptr = (engine->ring.at & engine->ring.mask) << 2;
	uint64_t at = reg[mmDMA_GFX_RB_RPTR_ADDR_LO] | (uint64_t)reg[mmDMA_GFX_RB_RPTR_ADDR_HI] << 32;

	if (reg[mmDMA_GFX_RB_RPTR] == rptr)
		return;
	reg[mmDMA_GFX_RB_RPTR] = rptr;
	if (reg[mmDMA_GFX_RB_CNTL] & DMA_GFX_RB_CNTL__RPTR_WRITEBACK_ENABLE_MASK)
		memory_write(gpu, 0, at & ~3ULL, &rptr, sizeof(rptr));
}

static uint64_t address(uint32_t low, uint32_t high)
{
	return low | (uint64_t)(high & 0xff) << 32;
}

static bool write_words(struct gpu *gpu, struct gpu_fetch *fetch, uint32_t words)
{
	uint32_t p[2], data[256], done, n;

	if (!engine_words(gpu, fetch, 1, p, 2))
		return false;
	for (done = 0; done < words; done += n) {
		n = words - done < 256 ? words - done : 256;
		if (!engine_words(gpu, fetch, 3 + done, data, n))
			return false;
		memory_write(gpu, fetch->vmid, address(p[0], p[1]) + 4ULL * done, data, 4ULL * n);
	}
	return true;
}

/* Entries with the same flags, for pages in a row. */
static bool write_ptes(struct gpu *gpu, struct gpu_fetch *fetch, uint32_t words)
{
	uint64_t to, flags, value, entries[256];
	uint32_t p[8], done, i, n;

	if (!engine_words(gpu, fetch, 1, p, 8))
		return false;
	to = address(p[0], p[1]);
	flags = p[2] | (uint64_t)p[3] << 32;
	value = p[4] | (uint64_t)p[5] << 32;
	for (done = 0; done < words / 2; done += n) {
		n = words / 2 - done < 256 ? words / 2 - done : 256;
		for (i = 0; i < n; i++, value += p[6])
			entries[i] = value | flags;
		memory_write(gpu, fetch->vmid, to + 8ULL * done, entries, 8ULL * n);
	}
	return true;
}

static bool poll(struct gpu *gpu, const struct gpu_fetch *fetch, uint32_t header, const uint32_t p[5])
{
	uint32_t value = 0;

	if (header & POLL_MEMORY)
		memory_read(gpu, fetch->vmid, address(p[0] & ~3u, p[1]), &value, sizeof(value));
	else
		value = register_read(gpu, p[0]);
	return engine_compare(value, p[3], p[2], p[4] >> 28);
}

bool dma_packet(struct gpu *gpu, struct gpu_engine *engine, struct gpu_fetch *fetch)
{
	uint32_t header, p[5], n, words;

	if (!engine_words(gpu, fetch, 0, &header, 1))
		return false;
	n = header & 0xfffff;

	switch (header >> 28) {
	case DMA_PACKET_NOP:
		words = 1;
		break;
	case DMA_PACKET_WRITE:
		if (header & PACKET_PTE) {
			words = 9;
			if (!write_ptes(gpu, fetch, n))
				goto unknown;
			break;
		}
		words = 3 + n;
		if (!write_words(gpu, fetch, n))
			goto unknown;
		break;
	case DMA_PACKET_COPY:
		words = 5;
		if (header & PACKET_TILED || !engine_words(gpu, fetch, 1, p, 4))
			goto unknown;
		memory_copy(gpu, fetch->vmid, address(p[0], p[2]), address(p[1], p[3]),
			    header & PACKET_BYTES ? n : 4ULL * n);
		break;
	case DMA_PACKET_CONSTANT_FILL:
		words = 4;
		if (!engine_words(gpu, fetch, 1, p, 3))
			goto unknown;
		memory_fill(gpu, fetch->vmid, address(p[0], p[2] >> 16), p[1], n);
		break;
	case DMA_PACKET_FENCE:
		words = 4;
		if (!engine_words(gpu, fetch, 1, p, 3))
			goto unknown;
		memory_write(gpu, fetch->vmid, address(p[0] & ~3u, p[1]), &p[2], 4);
		gpu->count.fences++;
		break;
	case DMA_PACKET_TRAP:
		words = 1;
		gpu->count.traps++;
		if (gpu->reg[mmDMA_CNTL + offset(engine)] & DMA_CNTL__TRAP_ENABLE_MASK)
			interrupt_post(gpu, trap_source[engine->id], 0, 0, (uint8_t)fetch->vmid);
		break;
	case DMA_PACKET_SRBM_WRITE:
		words = 3;
		if (fetch->vmid || !engine_words(gpu, fetch, 1, p, 2))
			goto unknown;
		register_write(gpu, p[0] & 0xffff, p[1]);
		break;
	case DMA_PACKET_POLL_REG_MEM:
		words = 6;
		if (!engine_words(gpu, fetch, 1, p, 5))
			goto unknown;
		if (!poll(gpu, fetch, header, p))
			return false;
		break;
	case DMA_PACKET_INDIRECT_BUFFER:
		words = 3;
		if (engine->in_indirect || !engine_words(gpu, fetch, 1, p, 2))
			goto unknown;
		engine->indirect = (struct gpu_fetch){
			.base = address(p[0] & ~0x1fu, p[1]), .mask = ~0u, .end = p[1] >> 12, .vmid = header >> 20 & 0xf,
		};
		engine->in_indirect = engine->indirect.end;
		break;
	default:
		goto unknown;
	}
	fetch->at = (fetch->at + words) & fetch->mask;
	return true;
unknown:
	engine_unknown(gpu, engine, header);
	return false;
}
