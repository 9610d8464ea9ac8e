// SPDX-License-Identifier: GPL-2.0
/* GPL, uses a plain export of such a module, and exports one itself. */
#include "gate.h"

void gate_chain_call(void)
{
	gate_shim_call();
}
EXPORT_SYMBOL(gate_chain_call);

MODULE_DESCRIPTION("Test of the GPL gate: chain");
MODULE_LICENSE("GPL");
