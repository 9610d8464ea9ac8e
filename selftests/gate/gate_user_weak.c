// SPDX-License-Identifier: GPL-2.0
/* The same, if it is there. */
#include "gate.h"

void gate_shim_call(void) __weak;

static bool got;
module_param(got, bool, 0444);

static int __init gate_user_weak_init(void)
{
	got = gate_shim_call;
	return 0;
}
module_init(gate_user_weak_init);

static void __exit gate_user_weak_exit(void)
{
}
module_exit(gate_user_weak_exit);

MODULE_DESCRIPTION("Test of the GPL gate: user weak");
MODULE_LICENSE("Proprietary");
