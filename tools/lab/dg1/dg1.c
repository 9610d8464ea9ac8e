// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* dg1: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's i915 drives. */
#include "dg1.h"
#include "server.h"

static struct dg1 dg1;

static bool init(int vram, uint64_t vram_size, uint64_t bar_size)
{
	return dg1_init(&dg1, vram, vram_size, bar_size);
}

int main(int argc, char **argv)
{
	static const struct card card = {
		.name = "dg1", .device = &dg1.device, .init = init, .firmware = dg1_guc_firmware,
	};

	return server_main(argc, argv, &card);
}
