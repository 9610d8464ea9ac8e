// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <stdio.h>

#include "engine.h"

#define SLICE	256		/* packets before messages are served again */
#define SLICE_BYTES	(32u << 20)	/* that they copy and fill: the same */
#define RETRY	1		/* ms, when engines wait for memory to change */

void engine_reset(struct engine *engine)
{
	engine->fetch[0] = (struct fetch){ .mask = 0 };
	engine->depth = 0;
	engine->waiting = false;
	engine->stalled = false;
	engine->hung = false;
	if (engine->ops->reset)
		engine->ops->reset(engine);
}

void engine_submit(struct engine *engine)
{
	engine->ops->submit(engine);
}

void engine_ring(struct engine *engine, uint64_t space, uint64_t base, uint64_t words, uint32_t at, uint32_t end)
{
	uint32_t mask = (uint32_t)(words - 1);

	engine->fetch[0] = (struct fetch){ .space = space, .base = base, .mask = mask, .at = at & mask, .end = end & mask };
	engine->waiting = false;
}

void engine_write_pointer(struct engine *engine, uint32_t end)
{
	engine->fetch[0].end = end & engine->fetch[0].mask;
}

uint32_t engine_read_pointer(const struct engine *engine)
{
	return engine->fetch[0].at & engine->fetch[0].mask;
}

bool engine_active(const struct engine *engine)
{
	return engine->depth || engine->fetch[0].at != engine->fetch[0].end;
}

static bool runnable(const struct engine *engine)
{
	return !engine->stalled && !engine->hung && !device_gone(engine->device) && engine->ops->enabled(engine) &&
	       engine_active(engine);
}

static uint32_t words_left(const struct fetch *fetch)
{
	return (fetch->end - fetch->at) & fetch->mask;
}

bool engine_words(struct engine *engine, uint32_t skip, uint32_t *to, uint32_t words)
{
	const struct fetch *fetch = &engine->packet;
	uint32_t left = words_left(fetch), at, n;

	if (skip > left || words > left - skip)
		return false;
	while (words) {
		at = (fetch->at + skip) & fetch->mask;
		n = words;
		if (fetch->mask != FETCH_NO_RING && n > fetch->mask + 1 - at)
			n = fetch->mask + 1 - at;
		memory_read(engine->device, fetch->space, fetch->base + 4ULL * at, to, 4ULL * n);
		to += n;
		skip += n;
		words -= n;
	}
	return true;
}

bool engine_call(struct engine *engine, const struct fetch *fetch)
{
	if (engine->depth + 1 >= ENGINE_DEPTH)
		return false;
	engine->fetch[++engine->depth] = *fetch;
	return true;
}

void engine_jump(struct engine *engine, const struct fetch *fetch)
{
	engine->fetch[engine->depth] = *fetch;
}

bool engine_return(struct engine *engine)
{
	if (!engine->depth)
		return false;
	engine->depth--;
	return true;
}

/* The hardware would hang, or worse; the driver's timeout finds it and resets. */
static void unknown(struct engine *engine, uint32_t header)
{
	engine->device->count.unknown_packets++;
	engine->hung = true;
	fprintf(stderr, "%s: %s hangs at packet %#010x, word %u of %s at %#llx (space %#llx)\n", engine->device->ops->name,
		engine->name, header, engine->packet.at, engine->depth ? "the indirect buffer" : "the ring",
		(unsigned long long)engine->packet.base, (unsigned long long)engine->packet.space);
}

static enum engine_step step(struct engine *engine)
{
	static uint32_t packet[ENGINE_HEAD];
	const struct engine_ops *ops = engine->ops;
	struct fetch *fetch = &engine->fetch[engine->depth];
	enum engine_step result = ENGINE_UNKNOWN;
	uint32_t length, head;

	engine->packet = *fetch;
	engine->skip = 0;
	engine_words(engine, 0, packet, 1);
	length = ops->length(engine, packet[0]);
	head = length < ops->head ? length : ops->head;
	if (length && length <= words_left(fetch) && engine_words(engine, 1, packet + 1, head - 1))
		result = ops->execute(engine, packet, length);

	switch (result) {
	case ENGINE_DONE:
		fetch->at = (fetch->at + length + engine->skip) & fetch->mask;
		break;
	case ENGINE_UNKNOWN:
		unknown(engine, packet[0]);
		break;
	case ENGINE_JUMPED:
	case ENGINE_WAITS:
		break;
	}
	return result;
}

static void run(struct engine *engine)
{
	const struct device_count *count = &engine->device->count;
	const uint64_t before = count->bytes_copied + count->bytes_filled;
	unsigned int i;

	engine->waiting = false;
	for (i = 0; i < SLICE && count->bytes_copied + count->bytes_filled - before < SLICE_BYTES && runnable(engine); i++) {
		enum engine_step result = step(engine);

		if (result == ENGINE_UNKNOWN)
			break;
		if (result == ENGINE_WAITS) {
			engine->waiting = true;
			break;
		}
		engine->packets++;
		while (engine->depth && engine->fetch[engine->depth].at >= engine->fetch[engine->depth].end)
			engine->depth--;
		if (engine->ops->empty && !engine_active(engine))
			engine->ops->empty(engine);
	}
	engine->ops->report(engine);
}

int engines_run(struct device *device)
{
	unsigned int i;
	int timeout;

	if (device->ops->later)
		device->ops->later(device);
	for (i = 0; i < device->engines; i++)
		if (runnable(&device->engine[i]))
			run(&device->engine[i]);
	/* It may give an engine something to do. */
	timeout = device->ops->later ? device->ops->later(device) : -1;
	for (i = 0; i < device->engines; i++) {
		const struct engine *engine = &device->engine[i];

		if (!runnable(engine))
			continue;
		if (!engine->waiting)
			timeout = 0;
		else if (timeout < 0 || timeout > RETRY)
			timeout = RETRY;
	}
	return timeout;
}
