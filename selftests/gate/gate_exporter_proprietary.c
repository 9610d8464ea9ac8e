// SPDX-License-Identifier: GPL-2.0
/* An exporter of dma-bufs, proprietary. */
#define GATE_LICENCE "Proprietary"
#include "gate_exporter_gpl.c"
