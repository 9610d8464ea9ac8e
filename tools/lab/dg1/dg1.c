// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* dg1: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's i915 drives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dg1.h"
#include "server.h"

int main(int argc, char **argv)
{
	static struct dg1 dg1;
	struct server server = { .vram_size = 512 << 20, .bar_size = 256 << 20, .device = &dg1.device };
	int vram;

	argp_parse(&server_argp, argc, argv, 0, NULL, &server);
	vram = server_vram(&server);
	if (vram < 0 || !dg1_init(&dg1, vram, server.vram_size, server.bar_size)) {
		fprintf(stderr, "dg1: no %llu MiB of VRAM: %s\n", (unsigned long long)server.vram_size >> 20, strerror(errno));
		return EXIT_FAILURE;
	}
	return server_run(&server);
}
