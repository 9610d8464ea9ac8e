// SPDX-License-Identifier: GPL-2.0
/* GPL, uses exports of a user of a GPL-only symbol and of a proprietary module. */
#include "gate.h"

USE(gate_shim_call);
USE(gate_base_a);

MODULE_DESCRIPTION("Test of the GPL gate: over both");
MODULE_LICENSE("GPL");
