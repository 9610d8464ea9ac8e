// SPDX-License-Identifier: GPL-2.0
/* GPL, gets a GPL-only symbol long after it has exported its own. */
#include "gate.h"

static int gate_late_set(const char *val, const struct kernel_param *kp)
{
	if (!symbol_get(GATED))
		return -ENOENT;
	symbol_put(GATED);
	return 0;
}

static const struct kernel_param_ops gate_late_ops = {
	.set = gate_late_set,
};
module_param_cb(now, &gate_late_ops, NULL, 0200);

void gate_late_call(void)
{
}
EXPORT_SYMBOL(gate_late_call);

MODULE_DESCRIPTION("Test of the GPL gate: late");
MODULE_LICENSE("GPL");
