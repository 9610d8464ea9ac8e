// SPDX-License-Identifier: GPL-2.0
/* GPL, uses a GPL-only symbol unless GATE_PLAIN, and exports to anyone. */
#include <linux/delay.h>

#include "gate.h"

static unsigned int delay_ms;
module_param(delay_ms, uint, 0444);

#ifndef GATE_PLAIN
USE_GATED;
#endif

void gate_shim_call(void)
{
}
EXPORT_SYMBOL(gate_shim_call);

void gate_shim_ns_call(void)
{
}
EXPORT_SYMBOL_NS(gate_shim_ns_call, "GATE_SHIM");

static int __init gate_shim_init(void)
{
	msleep(delay_ms);
	return 0;
}
module_init(gate_shim_init);

static void __exit gate_shim_exit(void)
{
}
module_exit(gate_shim_exit);

MODULE_IMPORT_NS(GATED_NS);
MODULE_DESCRIPTION("Test of the GPL gate: shim");
MODULE_LICENSE("GPL");
