// SPDX-License-Identifier: GPL-2.0
/* A livepatch module as the loader knows it, without GPL-only symbols. */
#include "gate.h"

void gate_livepatch_call(void)
{
}
EXPORT_SYMBOL(gate_livepatch_call);

MODULE_INFO(livepatch, "Y");

MODULE_DESCRIPTION("Test of the GPL gate: livepatch");
MODULE_LICENSE("GPL");
