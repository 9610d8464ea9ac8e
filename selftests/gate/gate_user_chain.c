// SPDX-License-Identifier: GPL-2.0
/* Proprietary, at the end of a chain. */
#include "gate.h"

USE(gate_chain_call);

MODULE_DESCRIPTION("Test of the GPL gate: user chain");
MODULE_LICENSE("Proprietary");
