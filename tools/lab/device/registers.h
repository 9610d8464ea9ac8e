/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/*
 * A file of 32-bit registers, each a number of words from the start of its BAR. Most registers only remember what was written.
 * Those that do something have a hook, which the file that models their block adds.
 *
 * A register is known when it has a hook, or is listed as plain: then somebody has looked at what the driver wants of it.
 * An access to any other is reported once, and counted.
 */
#ifndef REGISTERS_H
#define REGISTERS_H

#include "device.h"

struct register_range {
	uint32_t first, last;
};

/* Registers that do something. A hook may call registers_read() and registers_write() for others. */
struct register_hook {
	uint32_t first, last;
	/* what is read; NULL: what is remembered */
	uint32_t (*read)(struct device *device, uint32_t index);
	/* value[index] has been written to, and was before; NULL: nothing happens, and the register is known */
	void (*write)(struct device *device, uint32_t index, uint32_t before);
};

struct registers {
	uint32_t *value;
	uint32_t count;				/* words */
	const char *(*name)(uint32_t index);	/* for reports; NULL: they have none */
	uint64_t *known, *seen;			/* bits: looked at by somebody; reported */
	uint16_t *hooked;			/* of each register: its hook's place, plus one; 0: none */
	const struct register_hook **hook;
	uint16_t hooks;
};

/* registers_init - count registers, a multiple of 64; false with errno */
bool registers_init(struct registers *registers, uint32_t count, const char *(*name)(uint32_t index));

/* registers_hook - add hooks, which have to stay; false with errno */
bool registers_hook(struct registers *registers, const struct register_hook *hooks, size_t count);

/* registers_plain - these only remember */
void registers_plain(struct registers *registers, const struct register_range *ranges, size_t count);

/* registers_clear - all are zero */
void registers_clear(struct registers *registers);

/* An index that is out of the file reads as all ones, and a write to it is lost. */
uint32_t registers_read(struct device *device, uint32_t index);
void registers_write(struct device *device, uint32_t index, uint32_t value);

/* registers_read_only - a hook: what is written is lost */
void registers_read_only(struct device *device, uint32_t index, uint32_t before);

/* For struct bar: words only; anything else is EINVAL. */
int registers_bar_read(struct device *device, uint64_t offset, void *data, size_t count);
int registers_bar_write(struct device *device, uint64_t offset, const void *data, size_t count);

/* field - of a register: the bits of a mask, as a number */
static inline uint32_t field(uint32_t value, uint32_t mask)
{
	return (value & mask) / (mask & -mask);
}

#endif
