// SPDX-License-Identifier: GPL-2.0
/* A livepatch, which puts its mark in /proc/cmdline. */
#include <linux/livepatch.h>
#include <linux/seq_file.h>

#include "gate.h"

static int gate_klp_show(struct seq_file *m, void *v)
{
	seq_puts(m, "gate_klp\n");
	return 0;
}

static struct klp_func gate_klp_funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = gate_klp_show },
	{ }
};

static struct klp_object gate_klp_objects[] = {
	{ .funcs = gate_klp_funcs },
	{ }
};

static struct klp_patch gate_klp_patch = {
	.mod = THIS_MODULE,
	.objs = gate_klp_objects,
};

void gate_klp_call(void)
{
}
EXPORT_SYMBOL(gate_klp_call);

static int __init gate_klp_init(void)
{
	return klp_enable_patch(&gate_klp_patch);
}
module_init(gate_klp_init);

static void __exit gate_klp_exit(void)
{
}
module_exit(gate_klp_exit);

MODULE_INFO(livepatch, "Y");

MODULE_DESCRIPTION("Test of the GPL gate: klp");
MODULE_LICENSE("GPL");
