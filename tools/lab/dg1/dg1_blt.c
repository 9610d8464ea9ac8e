// SPDX-License-Identifier: LGPL-2.1 OR MIT
/*
 * The blitter: rectangles of pixels, copied and filled, of memory that is linear. What is tiled, or drawn by another operation
 * than a copy, is not modelled: the engine hangs (gt/intel_migrate.c; Programmer's Reference Manual, volume 2a).
 */
#include "dg1.h"

#define OPCODE(header)	((header) >> 22 & 0x7f)
#define COLOR		OPCODE(XY_COLOR_BLT_CMD)
#define COPY		OPCODE(XY_SRC_COPY_BLT_CMD)
#define FAST_COPY	OPCODE(GEN9_XY_FAST_COPY_BLT_CMD)
#define FAST_COLOR	OPCODE(XY_FAST_COLOR_BLT_CMD)
#define FAST_PITCH	0x3ffffu	/* of the control word of a fast fill: bytes, less one */
#define FAST_TILED	(3u << 30)
#define FAST_DEPTH	(7u << 19)	/* of its header */
#define DEPTH(control)	((control) >> 24 & 3)
#define ROP(control)	((control) & 0xff0000u)
#define CLIPPED		BIT(30)		/* of the control word */
#define LARGE		BIT(26)		/* of that of a fast copy: pixels of 8 and 16 bytes */
#define MOST		(1ULL << 30)	/* bytes of a command: more would take too long; a line is at least a page */

/* A rectangle of lines of bytes. */
struct lines {
	uint64_t at;		/* of the first byte */
	int64_t pitch;
	uint64_t width, height;
};

uint32_t dg1_blt_length(uint32_t header)
{
	switch (OPCODE(header)) {
	case COLOR:
	case COPY:
	case FAST_COPY:
	case FAST_COLOR:
		return (header & 0xff) + 2;
	default:
		return 0;
	}
}

static uint64_t pixel(uint32_t control)
{
	static const uint8_t bytes[] = { 1, 2, 2, 4 };

	return bytes[DEPTH(control)];
}

static bool is_bounded(const struct lines *lines)
{
	return (lines->width < DG1_PAGE ? DG1_PAGE : lines->width) * lines->height <= MOST;
}

/* target - the rectangle of words 2 and 3 at the address in words 4 and 5; false when it is none */
static bool target(const uint32_t *packet, struct lines *lines)
{
	const uint32_t x1 = packet[2] & 0xffff, y1 = packet[2] >> 16, x2 = packet[3] & 0xffff, y2 = packet[3] >> 16;

	if (x2 < x1 || y2 < y1 || packet[1] & CLIPPED)
		return false;
	lines->pitch = (int16_t)(packet[1] & 0xffff);
	lines->width = (x2 - x1) * pixel(packet[1]);
	lines->height = y2 - y1;
	lines->at = dg1_address(packet + 4) + (uint64_t)(y1 * lines->pitch) + x1 * pixel(packet[1]);
	return is_bounded(lines);
}

static enum engine_step copy(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const uint64_t space = dg1_contexts(engine)->space;
	struct lines to, from;
	uint64_t y;

	if (length != 10 || !target(packet, &to))
		return ENGINE_UNKNOWN;
	from.pitch = (int16_t)(packet[7] & 0xffff);
	from.at = dg1_address(packet + 8) + (uint64_t)((packet[6] >> 16) * from.pitch) + (packet[6] & 0xffff) * pixel(packet[1]);
	if (to.pitch == from.pitch && to.pitch == (int64_t)to.width) {
		memory_copy(engine->device, space, to.at, from.at, to.width * to.height);
		return ENGINE_DONE;
	}
	for (y = 0; y < to.height; y++)
		memory_copy(engine->device, space, to.at + y * (uint64_t)to.pitch, from.at + y * (uint64_t)from.pitch, to.width);
	return ENGINE_DONE;
}

static enum engine_step fill_lines(struct engine *engine, const struct lines *to, uint32_t value)
{
	const uint64_t space = dg1_contexts(engine)->space;
	uint64_t y;

	if (to->width % 4 || to->at % 4 || to->pitch % 4)
		return ENGINE_UNKNOWN;
	for (y = 0; y < to->height; y++)
		memory_fill(engine->device, space, to->at + y * (uint64_t)to->pitch, value, to->width / 4);
	return ENGINE_DONE;
}

/* xe's way to clear (xe_migrate.c: emit_clear_main_copy()): 32 bits a pixel, by Intel's manual */
static enum engine_step fast_fill(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const uint32_t x1 = packet[2] & 0xffff, y1 = packet[2] >> 16, x2 = packet[3] & 0xffff, y2 = packet[3] >> 16;
	struct lines to = { .pitch = (int64_t)(packet[1] & FAST_PITCH) + 1 };

	if (length != 11 || (packet[0] & FAST_DEPTH) != XY_FAST_COLOR_BLT_DEPTH_32 || packet[1] & FAST_TILED || x2 < x1 || y2 < y1)
		return ENGINE_UNKNOWN;
	to.width = (x2 - x1) * 4ull;
	to.height = y2 - y1;
	to.at = dg1_address(packet + 4) + y1 * (uint64_t)to.pitch + x1 * 4ull;
	return is_bounded(&to) ? fill_lines(engine, &to, packet[7]) : ENGINE_UNKNOWN;
}

static enum engine_step fill(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	struct lines to;
	uint32_t value;

	if (length != 7 || !target(packet, &to))
		return ENGINE_UNKNOWN;
	value = packet[6];
	if (pixel(packet[1]) == 2)
		value = (value & 0xffff) * 0x10001u;
	else if (pixel(packet[1]) == 1)
		value = (value & 0xff) * 0x1010101u;
	return fill_lines(engine, &to, value);
}

/* All bytes of a pixel are written. */
static bool is_whole(uint32_t header, uint32_t control)
{
	return pixel(control) < 4 || (header & BLT_WRITE_RGBA) == BLT_WRITE_RGBA;
}

enum engine_step dg1_blt_execute(struct engine *engine, const uint32_t *packet, uint32_t length)
{
	const uint32_t header = packet[0];

	if (engine->id != DG1_BCS)
		return ENGINE_UNKNOWN;
	switch (OPCODE(header)) {
	case COLOR:
		if (ROP(packet[1]) != BLT_ROP_COLOR_COPY || header & XY_SRC_COPY_BLT_DST_TILED || !is_whole(header, packet[1]))
			return ENGINE_UNKNOWN;
		return fill(engine, packet, length);
	case COPY:
		if (ROP(packet[1]) != BLT_ROP_SRC_COPY || !is_whole(header, packet[1]) ||
		    header & (XY_SRC_COPY_BLT_SRC_TILED | XY_SRC_COPY_BLT_DST_TILED))
			return ENGINE_UNKNOWN;
		return copy(engine, packet, length);
	case FAST_COPY:
		if (packet[1] & LARGE || header & (XY_FAST_COPY_BLT_D0_SRC_TILING_MASK | XY_FAST_COPY_BLT_D0_DST_TILING_MASK))
			return ENGINE_UNKNOWN;
		return copy(engine, packet, length);
	case FAST_COLOR:
		return fast_fill(engine, packet, length);
	default:
		return ENGINE_UNKNOWN;
	}
}
