// SPDX-License-Identifier: LGPL-2.1 OR MIT
#include <stdio.h>
#include <string.h>

#include "control.h"

void control_summary(struct device *device, int fd)
{
	const struct device_count *c = &device->count;
	const struct { const char *name; uint64_t value; } all[] = {
		{ "messages", device->user.messages }, { "register_reads", c->register_reads },
		{ "register_writes", c->register_writes }, { "failed_reads", c->failed_reads },
		{ "unknown_registers", c->unknown_registers }, { "unknown_packets", c->unknown_packets },
		{ "faults", c->faults }, { "unreachable_bytes", c->unreachable_bytes }, { "interrupts", c->interrupts },
		{ "interrupts_lost", c->interrupts_lost }, { "bytes_copied", c->bytes_copied },
		{ "bytes_filled", c->bytes_filled }, { "resets", c->resets },
	};
	unsigned int i;

	dprintf(fd, "{\"name\": \"%s\"", device->ops->name);
	for (i = 0; i < ARRAY_SIZE(all); i++)
		dprintf(fd, ", \"%s\": %llu", all[i].name, (unsigned long long)all[i].value);
	if (device->ops->figures)
		device->ops->figures(device, fd);
	dprintf(fd, ", \"packets\": {");
	for (i = 0; i < device->engines; i++)
		dprintf(fd, "%s\"%s\": %llu", i ? ", " : "", device->engine[i].name, (unsigned long long)device->engine[i].packets);
	dprintf(fd, "}}\n");
}

static struct engine *find(struct device *device, const char *name)
{
	unsigned int i;

	for (i = 0; i < device->engines; i++)
		if (!strcmp(device->engine[i].name, name))
			return &device->engine[i];
	return NULL;
}

/* What is it about: false when the words do not fit. */

static bool engine_fault(struct device *device, const char *verb, const char *object)
{
	struct engine *engine = find(device, object);

	if (!engine)
		return false;
	if (!strcmp(verb, "stall"))
		engine->stalled = true;
	else if (!strcmp(verb, "resume"))
		engine->stalled = false;
	else if (!strcmp(verb, "hang"))
		engine->hung = true;
	else
		return false;
	return true;
}

static bool interrupt_fault(struct device *device, const char *line)
{
	struct faults *faults = &device->faults;
	unsigned int n;

	if (!strcmp(line, "interrupts drop")) {
		faults->interrupts_dropped = true;
	} else if (!strcmp(line, "interrupts pass")) {
		faults->interrupts_dropped = false;
		faults->interrupts_lose = 0;
		device_intx(device, device->intx_level);
		if (device->ops->interrupts_pass && !faults->vanished)
			device->ops->interrupts_pass(device);
	} else if (sscanf(line, "interrupts lose %u", &n) == 1) {
		faults->interrupts_lose = n;
	} else {
		return false;
	}
	return true;
}

static bool read_fault(struct device *device, const char *line)
{
	unsigned long long times = UINT64_MAX, offset = 0;
	struct faults *faults = &device->faults;
	unsigned int bar;
	int words;

	if (!strcmp(line, "reads pass")) {
		faults->times = 0;
		return true;
	}
	words = sscanf(line, "reads fail %u %lli %llu", &bar, (long long *)&offset, &times);
	if (words < 1 || bar >= PCI_STD_NUM_BARS || !device->bar[bar].size || device->bar[bar].fd >= 0 ||
	    offset >= device->bar[bar].size)
		return false;
	faults->bar = (int)bar;
	faults->all = words == 1;
	faults->offset = offset & ~3ULL;
	faults->times = times;
	return true;
}

/* Back on the bus, as after power-on. */
static void appear(struct device *device)
{
	if (!device->faults.vanished)
		return;
	device->faults.vanished = false;
	device_power_on(device);
}

static bool whole_fault(struct device *device, const char *line)
{
	unsigned int ms;

	if (!strcmp(line, "vanish"))
		device->faults.vanished = true;
	else if (!strcmp(line, "appear"))
		appear(device);
	else if (sscanf(line, "reset takes %u", &ms) == 1)
		device->faults.reset_takes = ms;
	else
		return false;
	return true;
}

void control_command(struct device *device, const char *line, int fd)
{
	char verb[16] = "", object[16] = "";
	unsigned int i;

	sscanf(line, "%15s %15s", verb, object);
	if (!strcmp(line, "summary")) {
		control_summary(device, fd);
		return;
	}
	if (engine_fault(device, verb, object) || interrupt_fault(device, line) || read_fault(device, line) || whole_fault(device, line)) {
		dprintf(fd, "ok\n");
		return;
	}
	dprintf(fd, "what is \"%.40s\"? There are: summary; stall, resume and hang ENGINE (", line);
	for (i = 0; i < device->engines; i++)
		dprintf(fd, "%s%s", i ? ", " : "", device->engine[i].name);
	dprintf(fd, "%s); interrupts drop, pass and lose N; reads fail BAR [OFFSET [TIMES]], reads pass; reset takes MS; vanish, appear\n",
		device->engines ? "" : "none");
}
