// SPDX-License-Identifier: GPL-2.0
/* GPL, but does not import the namespace. */
#include "gate.h"

USE_GATED;

MODULE_DESCRIPTION("Test of the GPL gate: bare");
MODULE_LICENSE("GPL");
