// SPDX-License-Identifier: GPL-2.0
/* Between a GPL-only symbol and a shim over a proprietary module. */
#include "gate.h"

USE_GATED;
USE(gate_base_shim_call);

MODULE_IMPORT_NS(GATED_NS);
MODULE_DESCRIPTION("Test of the GPL gate: base chain");
MODULE_LICENSE("GPL");
