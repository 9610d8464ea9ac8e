// SPDX-License-Identifier: GPL-2.0
/* The same, exported in a namespace. */
#include "gate.h"

USE(gate_shim_ns_call);

MODULE_IMPORT_NS("GATE_SHIM");
MODULE_DESCRIPTION("Test of the GPL gate: user ns");
MODULE_LICENSE("Proprietary");
