// SPDX-License-Identifier: GPL-2.0
/* Proprietary, and uses symbol_get(). */
#include "gate.h"

USE(__symbol_get);

MODULE_DESCRIPTION("Test of the GPL gate: get proprietary");
MODULE_LICENSE("Proprietary");
