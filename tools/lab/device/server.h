/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* The process around an emulated GPU: its options, VRAM that others may look at, the connection to QEMU, commands. */
#ifndef SERVER_H
#define SERVER_H

#include <argp.h>
#include <stdint.h>

#include "device.h"

struct server {
	const char *socket, *control, *vram, *summary;	/* paths; control, vram and summary may be NULL */
	uint64_t vram_size, bar_size;			/* bytes */
	struct device *device;
	int signals;					/* a descriptor that tells of SIGTERM and SIGINT */
	bool ended;					/* one has come */
};

/* --socket, --control, --vram, --vram-size, --bar-size, --summary; its input is a struct server with the defaults */
extern const struct argp server_argp;

/* server_vram - the file that is VRAM, as large as that; -1 with errno */
int server_vram(const struct server *server);

/* server_run - let the engines work, and serve one client after the other, until SIGTERM or SIGINT; the exit status of the program */
int server_run(struct server *server);

#endif
