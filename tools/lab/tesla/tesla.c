// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* tesla: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's nouveau drives. */
#include "nv50.h"
#include "server.h"

static struct nv50 nv50;

static bool init(int vram, uint64_t vram_size, uint64_t bar_size)
{
	return nv50_init(&nv50, vram, vram_size, bar_size);
}

int main(int argc, char **argv)
{
	static const struct card card = {
		.name = "tesla", .device = &nv50.nv.device, .init = init,
	};

	return server_main(argc, argv, &card);
}
