// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* radeon: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's amdgpu drives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "si.h"

static const char *firmware;

static const struct argp_option options[] = {
	{ "firmware", 'f', "DIRECTORY", 0, "Only write the microcode files that the driver wants there", 0 },
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
	static const struct argp argp = { options, parse, NULL,
		"An emulated GPU of the Southern Islands family.", children, NULL, NULL };
	static struct si si;
	struct server server = { .vram_size = 512 << 20, .bar_size = 256 << 20 };
	int vram;

	argp_parse(&argp, argc, argv, 0, NULL, &server);
	if (firmware)
		return si_firmware_make(firmware) ? EXIT_FAILURE : EXIT_SUCCESS;

	vram = server_vram(&server);
	if (vram < 0 || !si_init(&si, vram, server.vram_size, server.bar_size)) {
		fprintf(stderr, "radeon: no %llu MiB of VRAM: %s\n", (unsigned long long)server.vram_size >> 20, strerror(errno));
		return EXIT_FAILURE;
	}
	server.device = &si.device;
	return server_run(&server);
}
