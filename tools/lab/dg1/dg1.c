// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* dg1: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's i915 drives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dg1.h"
#include "server.h"

static const char *firmware;

static const struct argp_option options[] = {
	{ "firmware", 'f', "DIRECTORY", 0, "Only write the files for the microcontrollers that the driver wants there", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'f':
		firmware = arg;
		break;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = { { &server_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { options, parse, NULL, "An emulated DG1.", children, NULL, NULL };
	static struct dg1 dg1;
	struct server server = { .vram_size = 512 << 20, .bar_size = 256 << 20, .device = &dg1.device };
	int vram;

	argp_parse(&argp, argc, argv, 0, NULL, &server);
	if (firmware)
		return dg1_guc_firmware(firmware) ? EXIT_FAILURE : EXIT_SUCCESS;

	vram = server_vram(&server);
	if (vram < 0 || !dg1_init(&dg1, vram, server.vram_size, server.bar_size)) {
		fprintf(stderr, "dg1: no %llu MiB of VRAM: %s\n", (unsigned long long)server.vram_size >> 20, strerror(errno));
		return EXIT_FAILURE;
	}
	return server_run(&server);
}
