// SPDX-License-Identifier: GPL-2.0
/* GPL, over the proprietary module. */
#include "gate.h"

void gate_base_shim_call(void)
{
	gate_base_call();
}
EXPORT_SYMBOL(gate_base_shim_call);

MODULE_DESCRIPTION("Test of the GPL gate: base shim");
MODULE_LICENSE("GPL");
