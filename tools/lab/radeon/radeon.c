// SPDX-License-Identifier: LGPL-2.1 OR MIT
/* radeon: an emulated GPU, which QEMU's vfio-user-pci connects to and the kernel's amdgpu drives. */
#include "si.h"
#include "server.h"

static struct si si;

static bool init(int vram, uint64_t vram_size, uint64_t bar_size)
{
	return si_init(&si, vram, vram_size, bar_size);
}

int main(int argc, char **argv)
{
	static const struct card card = {
		.name = "radeon", .device = &si.device, .init = init, .firmware = si_firmware_make,
	};

	return server_main(argc, argv, &card);
}
