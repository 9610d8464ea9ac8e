// SPDX-License-Identifier: GPL-2.0
/* Proprietary, and uses a GPL-only symbol. */
#include "gate.h"

USE_GATED;

MODULE_IMPORT_NS(GATED_NS);
MODULE_DESCRIPTION("Test of the GPL gate: proprietary");
MODULE_LICENSE("Proprietary");
