// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <string.h>

#include "memory.h"

/* place - where an address is; else NULL, counted, and the fault reported, for *length bytes */
static uint8_t *place(struct device *device, uint64_t space, uint64_t address, size_t *length, bool write)
{
	uint32_t cause = 0;
	uint8_t *at = device->ops->translate(device, space, address, length, write, &cause);

	if (at)
		return at;
	if (!cause) {
		device->count.unreachable_bytes += *length;
		return NULL;
	}
	device->count.faults++;
	if (device->ops->fault)
		device->ops->fault(device, space, address, write, cause);
	return NULL;
}

bool memory_read(struct device *device, uint64_t space, uint64_t address, void *to, size_t length)
{
	bool all = true;
	uint8_t *p = to;

	while (length) {
		size_t n = length;
		uint8_t *at = place(device, space, address, &n, false);

		if (at)
			memcpy(p, at, n);
		else
			memset(p, 0, n);
		all = all && at;
		p += n;
		address += n;
		length -= n;
	}
	return all;
}

bool memory_write(struct device *device, uint64_t space, uint64_t address, const void *from, size_t length)
{
	const uint8_t *p = from;
	bool all = true;

	while (length) {
		size_t n = length;
		uint8_t *at = place(device, space, address, &n, true);

		if (at)
			memcpy(at, p, n);
		all = all && at;
		p += n;
		address += n;
		length -= n;
	}
	return all;
}

bool memory_copy(struct device *device, uint64_t space, uint64_t to, uint64_t from, size_t length)
{
	bool all = true;

	device->count.bytes_copied += length;
	while (length) {
		size_t n = length;
		uint8_t *source = place(device, space, from, &n, false), *target = place(device, space, to, &n, true);

		if (source && target)
			memmove(target, source, n);
		else if (target)
			memset(target, 0, n);
		all = all && source && target;
		from += n;
		to += n;
		length -= n;
	}
	return all;
}

bool memory_fill(struct device *device, uint64_t space, uint64_t to, uint32_t value, size_t words)
{
	uint8_t pattern[sizeof(value)];
	size_t length = words * sizeof(value), i;
	unsigned int phase = 0;		/* a piece may end inside of a word */
	bool all = true;

	memcpy(pattern, &value, sizeof(value));
	device->count.bytes_filled += length;
	to &= ~3ULL;
	while (length) {
		size_t n = length;
		uint8_t *at = place(device, space, to, &n, true);

		if (at && !phase)
			for (i = 0; i + sizeof(value) <= n; i += sizeof(value))
				memcpy(at + i, pattern, sizeof(value));
		else
			i = 0;
		for (; at && i < n; i++)
			at[i] = pattern[(phase + i) % sizeof(value)];
		phase = (unsigned int)((phase + n) % sizeof(value));
		all = all && at;
		to += n;
		length -= n;
	}
	return all;
}
