// SPDX-License-Identifier: GPL-2.0
/* Proprietary, with exports of both kinds. */
#include "gate.h"

void gate_base_call(void)
{
}
EXPORT_SYMBOL(gate_base_call);

void gate_base_gpl(void)
{
}
EXPORT_SYMBOL_GPL(gate_base_gpl);

void gate_base_a(void)
{
}
EXPORT_SYMBOL(gate_base_a);

void gate_base_b(void)
{
}
EXPORT_SYMBOL(gate_base_b);

void gate_base_c(void)
{
}
EXPORT_SYMBOL(gate_base_c);

void gate_base_d(void)
{
}
EXPORT_SYMBOL(gate_base_d);

MODULE_DESCRIPTION("Test of the GPL gate: base");
MODULE_LICENSE("Proprietary");
