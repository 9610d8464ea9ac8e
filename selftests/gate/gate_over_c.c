// SPDX-License-Identifier: GPL-2.0
/* Between a GPL-only symbol and a proprietary module. */
#include "gate.h"

USE_GATED;
USE(gate_base_c);

MODULE_IMPORT_NS(GATED_NS);
MODULE_DESCRIPTION("Test of the GPL gate: over a proprietary module");
MODULE_LICENSE("GPL");
