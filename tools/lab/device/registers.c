// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registers.h"

#define ALL_ONES	0xffffffffu

bool registers_init(struct registers *registers, uint32_t count, const char *(*name)(uint32_t index))
{
	*registers = (struct registers){ .count = count, .name = name };
	registers->value = calloc(count, sizeof(*registers->value));
	registers->known = calloc(count / 64, sizeof(*registers->known));
	registers->seen = calloc(count / 64, sizeof(*registers->seen));
	registers->hooked = calloc(count, sizeof(*registers->hooked));
	return registers->value && registers->known && registers->seen && registers->hooked;
}

static void know(struct registers *registers, uint32_t index)
{
	registers->known[index / 64] |= 1ULL << index % 64;
}

bool registers_hook(struct registers *registers, const struct register_hook *hooks, size_t count)
{
	const struct register_hook **all;
	uint32_t i;

	if (count > (size_t)UINT16_MAX - registers->hooks) {
		errno = ENOSPC;
		return false;
	}
	all = reallocarray(registers->hook, registers->hooks + count, sizeof(*all));
	if (!all)
		return false;
	registers->hook = all;
	for (; count; count--, hooks++) {
		all[registers->hooks++] = hooks;
		for (i = hooks->first; i <= hooks->last; i++) {
			know(registers, i);
			registers->hooked[i] = registers->hooks;
		}
	}
	return true;
}

void registers_plain(struct registers *registers, const struct register_range *ranges, size_t count)
{
	uint32_t i;

	for (; count; count--, ranges++)
		for (i = ranges->first; i <= ranges->last; i++)
			know(registers, i);
}

void registers_clear(struct registers *registers)
{
	memset(registers->value, 0, registers->count * sizeof(*registers->value));
}

static void check(struct device *device, uint32_t index, const char *what, uint32_t value)
{
	struct registers *registers = device->registers;

	if (registers->known[index / 64] >> index % 64 & 1)
		return;
	device->count.unknown_registers++;
	if (registers->seen[index / 64] >> index % 64 & 1)
		return;
	registers->seen[index / 64] |= 1ULL << index % 64;
	fprintf(stderr, "%s: %s of unknown register %#06x %s, %#x\n", device->ops->name, what, index,
		registers->name ? registers->name(index) : "", value);
}

static const struct register_hook *hook_of(const struct registers *registers, uint32_t index)
{
	return registers->hooked[index] ? registers->hook[registers->hooked[index] - 1] : NULL;
}

uint32_t registers_read(struct device *device, uint32_t index)
{
	struct registers *registers = device->registers;
	const struct register_hook *hook;

	if (index >= registers->count)
		return ALL_ONES;
	hook = hook_of(registers, index);
	if (hook && hook->read)
		return hook->read(device, index);
	check(device, index, "read", registers->value[index]);
	return registers->value[index];
}

void registers_write(struct device *device, uint32_t index, uint32_t value)
{
	struct registers *registers = device->registers;
	const struct register_hook *hook;
	uint32_t before;

	if (index >= registers->count)
		return;
	check(device, index, "write", value);
	before = registers->value[index];
	registers->value[index] = value;
	hook = hook_of(registers, index);
	if (hook && hook->write)
		hook->write(device, index, before);
}

void registers_read_only(struct device *device, uint32_t index, uint32_t before)
{
	device->registers->value[index] = before;
}

int registers_bar_read(struct device *device, uint64_t offset, void *data, size_t count)
{
	uint32_t value;

	if (offset % 4 || count != 4)
		return EINVAL;
	value = registers_read(device, (uint32_t)(offset / 4));
	memcpy(data, &value, sizeof(value));
	return 0;
}

int registers_bar_write(struct device *device, uint64_t offset, const void *data, size_t count)
{
	uint32_t value;

	if (offset % 4 || count != 4)
		return EINVAL;
	memcpy(&value, data, sizeof(value));
	registers_write(device, (uint32_t)(offset / 4), value);
	return 0;
}
