// SPDX-License-Identifier: GPL-2.0
/* Proprietary, uses the plain export of a user of a GPL-only symbol. */
#include "gate.h"

USE(gate_shim_call);

MODULE_DESCRIPTION("Test of the GPL gate: user");
MODULE_LICENSE("Proprietary");
