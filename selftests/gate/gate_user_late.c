// SPDX-License-Identifier: GPL-2.0
/* Proprietary, uses an export that was there before that. */
#include "gate.h"

USE(gate_late_call);

MODULE_DESCRIPTION("Test of the GPL gate: user late");
MODULE_LICENSE("Proprietary");
