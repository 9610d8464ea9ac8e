/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The process around an emulated GPU: its options, VRAM that others may look at, the connection to QEMU, commands. */
#ifndef SERVER_H
#define SERVER_H

#include <stdint.h>

#include "device.h"

/* A generation's card, as its program has it. */
struct card {
	const char *name;		/* of the program */
	struct device *device;
	/* vram: a file of that size, of which the BAR shows the start; sizes in bytes; false with errno */
	bool (*init)(int vram, uint64_t vram_size, uint64_t bar_size);
	/* write the files that the driver wants to load into that directory, -1 when that fails, which it has said; NULL: it wants none */
	int (*firmware)(const char *directory);
};

/*
 * server_main - the program: its options, then let the engines work, and serve one client after the other, until SIGTERM or SIGINT;
 * the exit status
 */
int server_main(int argc, char **argv, const struct card *card);

#endif
