// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* geforce: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's nouveau drives. */
#include "nv44.h"
#include "server.h"

static struct nv nv44;

static bool init(int vram, uint64_t vram_size, uint64_t bar_size)
{
	return nv44_init(&nv44, vram, vram_size, bar_size);
}

int main(int argc, char **argv)
{
	static const struct card card = {
		.name = "geforce", .device = &nv44.device, .init = init,
	};

	return server_main(argc, argv, &card);
}
