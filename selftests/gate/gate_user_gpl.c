// SPDX-License-Identifier: GPL-2.0
/* GPL: may use it. */
#include "gate.h"

USE(gate_shim_call);

MODULE_DESCRIPTION("Test of the GPL gate: user gpl");
MODULE_LICENSE("GPL");
