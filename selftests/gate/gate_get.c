// SPDX-License-Identifier: GPL-2.0
/* symbol_get() of the symbol with the name of the parameter; was it got? */
#include "gate.h"

static char *name = "";
module_param(name, charp, 0444);

static bool got;
module_param(got, bool, 0444);

static int __init gate_get_init(void)
{
	got = __symbol_get(name);
	return 0;
}
module_init(gate_get_init);

static void __exit gate_get_exit(void)
{
	if (got)
		__symbol_put(name);
}
module_exit(gate_get_exit);

MODULE_DESCRIPTION("Test of the GPL gate: get");
MODULE_LICENSE("GPL");
