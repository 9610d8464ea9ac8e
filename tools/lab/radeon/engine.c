// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* What the engines have in common: they fetch packets from a ring, and from the indirect buffers that it names. */
#include <stdio.h>
#include <string.h>

#include "gpu.h"

#define SLICE	256		/* packets before messages are served again */
#define RETRY	1		/* ms, when engines wait for memory to change */

const char *const engine_names[ENGINES] = {
	[ENGINE_DMA0] = "sdma0", [ENGINE_DMA1] = "sdma1",
	[ENGINE_CP0] = "gfx", [ENGINE_CP1] = "compute0", [ENGINE_CP2] = "compute1",
};

static bool is_dma(const struct gpu_engine *engine)
{
	return engine->id <= ENGINE_DMA1;
}

void engine_reset(struct gpu_engine *engine)
{
	engine->ring = (struct gpu_fetch){ .mask = 0 };
	engine->in_indirect = false;
	engine->waiting = false;
	engine->stalled = false;
	engine->hung = false;
}

bool engine_runnable(const struct gpu *gpu, const struct gpu_engine *engine)
{
	if (engine->stalled || engine->hung)
		return false;
	if (!(is_dma(engine) ? dma_enabled(gpu, engine) : cp_enabled(gpu, engine)))
		return false;
	return engine->in_indirect || engine->ring.at != engine->ring.end;
}

/* engine_words - copy words of a packet, without going on; false when the buffer ends before them */
bool engine_words(struct gpu *gpu, struct gpu_fetch *fetch, uint32_t skip, uint32_t *to, uint32_t words)
{
	uint32_t left = (fetch->end - fetch->at) & fetch->mask, at, n;

	if (skip > left || words > left - skip)
		return false;
	while (words) {
		at = (fetch->at + skip) & fetch->mask;
		n = words;
		if (fetch->mask != ~0u && n > fetch->mask + 1 - at)
			n = fetch->mask + 1 - at;
		memory_read(gpu, fetch->vmid, fetch->base + 4ULL * at, to, 4ULL * n);
		to += n;
		skip += n;
		words -= n;
	}
	return true;
}

/* engine_compare - the functions of POLL_REG_MEM and WAIT_REG_MEM */
bool engine_compare(uint32_t value, uint32_t reference, uint32_t mask, uint32_t function)
{
	value &= mask;
	switch (function) {
	case 1:
		return value < reference;
	case 2:
		return value <= reference;
	case 3:
		return value == reference;
	case 4:
		return value != reference;
	case 5:
		return value >= reference;
	case 6:
		return value > reference;
	default:
		return true;
	}
}

/* The hardware would hang, or worse; the driver's timeout finds it and resets. */
void engine_unknown(struct gpu *gpu, struct gpu_engine *engine, uint32_t header)
{
	const struct gpu_fetch *fetch = engine->in_indirect ? &engine->indirect : &engine->ring;

	gpu->count.unknown_packets++;
	engine->hung = true;
	fprintf(stderr, "radeon: %s hangs at packet %#010x, word %u of %s at %#llx (vmid %u)\n", engine_names[engine->id],
		header, fetch->at, engine->in_indirect ? "the indirect buffer" : "the ring",
		(unsigned long long)fetch->base, fetch->vmid);
}

static void run(struct gpu *gpu, struct gpu_engine *engine)
{
	unsigned int i;

	engine->waiting = false;
	for (i = 0; i < SLICE && engine_runnable(gpu, engine); i++) {
		struct gpu_fetch *fetch = engine->in_indirect ? &engine->indirect : &engine->ring;

		if (!(is_dma(engine) ? dma_packet : cp_packet)(gpu, engine, fetch)) {
			engine->waiting = !engine->hung;
			break;
		}
		engine->packets++;
		if (engine->in_indirect && engine->indirect.at >= engine->indirect.end)
			engine->in_indirect = false;
	}
	if (is_dma(engine))
		dma_report(gpu, engine);
	else
		cp_report(gpu, engine);
}

int gpu_run(struct gpu *gpu)
{
	int timeout = -1;
	unsigned int i;

	for (i = 0; i < ENGINES; i++) {
		struct gpu_engine *engine = &gpu->engine[i];

		if (!engine_runnable(gpu, engine))
			continue;
		run(gpu, engine);
		if (!engine_runnable(gpu, engine))
			continue;
		if (!engine->waiting)
			timeout = 0;
		else if (timeout < 0)
			timeout = RETRY;
	}
	return timeout;
}
