// SPDX-License-Identifier: GPL-2.0
/* gate_shim, without the GPL-only symbol. */
#define GATE_PLAIN
#include "../gate_shim.c"
