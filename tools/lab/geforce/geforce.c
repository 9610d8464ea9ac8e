// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* geforce: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's nouveau drives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nv44.h"
#include "server.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct server *server = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = server;
		break;
	case ARGP_KEY_END:
		if (!server->socket)
			argp_error(state, "where shall QEMU connect to? Give --socket PATH");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = { { &server_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { NULL, parse, NULL, "An emulated NV44 for QEMU's vfio-user-pci.", children, NULL, NULL };
	static struct nv44 nv44;
	struct server server = { .vram_size = 512 << 20, .bar_size = 256 << 20, .device = &nv44.device };
	int vram;

	argp_parse(&argp, argc, argv, 0, NULL, &server);
	vram = server_vram(&server);
	if (vram < 0 || !nv44_init(&nv44, vram, server.vram_size, server.bar_size)) {
		fprintf(stderr, "geforce: no %llu MiB of VRAM: %s\n", (unsigned long long)server.vram_size >> 20, strerror(errno));
		return EXIT_FAILURE;
	}
	return server_run(&server);
}
