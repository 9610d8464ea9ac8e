// SPDX-License-Identifier: GPL-2.0
/* Proprietary, uses an export of it. */
#include "gate.h"

USE(gate_livepatch_call);

MODULE_DESCRIPTION("Test of the GPL gate: user livepatch");
MODULE_LICENSE("Proprietary");
