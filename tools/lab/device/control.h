/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
/* Faults on demand, and figures: what a line on the control socket asks for. README.md has the list. */
#ifndef CONTROL_H
#define CONTROL_H

#include "engine.h"

/* control_command - one line, answered at fd: ok, the figures, or what there is */
void control_command(struct device *device, const char *line, int fd);

/* control_summary - the figures, as one line of JSON */
void control_summary(struct device *device, int fd);

#endif
