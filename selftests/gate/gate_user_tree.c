// SPDX-License-Identifier: GPL-2.0
/*
 * Proprietary, uses the plain export of a module of the tree that uses GPL-only ones.
 */
#include <linux/i2c.h>

#include "gate.h"

USE(i2c_transfer);

MODULE_DESCRIPTION("Test of the GPL gate: user tree");
MODULE_LICENSE("Proprietary");
