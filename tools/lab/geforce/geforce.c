// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* geforce: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's nouveau drives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nv44.h"
#include "server.h"

int main(int argc, char **argv)
{
	static struct nv44 nv44;
	struct server server = { .vram_size = 512 << 20, .bar_size = 256 << 20, .device = &nv44.device };
	int vram;

	argp_parse(&server_argp, argc, argv, 0, NULL, &server);
	vram = server_vram(&server);
	if (vram < 0 || !nv44_init(&nv44, vram, server.vram_size, server.bar_size)) {
		fprintf(stderr, "geforce: no %llu MiB of VRAM: %s\n", (unsigned long long)server.vram_size >> 20, strerror(errno));
		return EXIT_FAILURE;
	}
	return server_run(&server);
}
