// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* Faults on demand, and figures: what a line on the control socket asks for. */
#include <stdio.h>
#include <string.h>

#include "gpu.h"

void control_summary(const struct gpu *gpu, int fd)
{
	const struct gpu_count *c = &gpu->count;
	unsigned int i;

	dprintf(fd, "{\"messages\": %llu, \"register_reads\": %llu, \"register_writes\": %llu, \"unknown_registers\": %llu, ",
		(unsigned long long)gpu->user.messages, (unsigned long long)c->register_reads,
		(unsigned long long)c->register_writes, (unsigned long long)c->unknown_registers);
	dprintf(fd, "\"unknown_packets\": %llu, \"faults\": %llu, \"unreachable_bytes\": %llu, \"interrupts\": %llu, ",
		(unsigned long long)c->unknown_packets, (unsigned long long)c->faults,
		(unsigned long long)c->unreachable_bytes, (unsigned long long)c->interrupts);
	dprintf(fd, "\"interrupts_lost\": %llu, \"ring_overflows\": %llu, \"bytes_copied\": %llu, \"bytes_filled\": %llu, ",
		(unsigned long long)c->interrupts_lost, (unsigned long long)c->ring_overflows,
		(unsigned long long)c->bytes_copied, (unsigned long long)c->bytes_filled);
	dprintf(fd, "\"fences\": %llu, \"traps\": %llu, \"resets\": %llu, \"packets\": {", (unsigned long long)c->fences,
		(unsigned long long)c->traps, (unsigned long long)c->resets);
	for (i = 0; i < ENGINES; i++)
		dprintf(fd, "%s\"%s\": %llu", i ? ", " : "", engine_names[i], (unsigned long long)gpu->engine[i].packets);
	dprintf(fd, "}}\n");
}

static struct gpu_engine *find(struct gpu *gpu, const char *name)
{
	struct gpu_engine *engine;

	for (engine = gpu->engine; engine < gpu->engine + ENGINES; engine++)
		if (!strcmp(engine_names[engine->id], name))
			return engine;
	return NULL;
}

void control_command(struct gpu *gpu, const char *line, int fd)
{
	char verb[16] = "", object[16] = "";
	struct gpu_engine *engine;
	unsigned int ms;

	sscanf(line, "%15s %15s", verb, object);
	engine = find(gpu, object);

	if (!strcmp(verb, "summary")) {
		control_summary(gpu, fd);
	} else if (engine && (!strcmp(verb, "stall") || !strcmp(verb, "resume"))) {
		engine->stalled = !strcmp(verb, "stall");
		dprintf(fd, "ok\n");
	} else if (!strcmp(verb, "interrupts") && (!strcmp(object, "drop") || !strcmp(object, "pass"))) {
		gpu->interrupts_dropped = !strcmp(object, "drop");
		if (!gpu->interrupts_dropped)
			interrupt_rearm(gpu);
		dprintf(fd, "ok\n");
	} else if (sscanf(line, "reset takes %u", &ms) == 1) {
		gpu->absence = ms;
		dprintf(fd, "ok\n");
	} else {
		dprintf(fd, "what is \"%.40s\"? There are: summary; stall ENGINE, resume ENGINE (sdma0, sdma1, gfx, compute0, compute1); interrupts drop, interrupts pass; reset takes MS\n",
			line);
	}
}
