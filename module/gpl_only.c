// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a module exports is GPL-only when it uses GPL-only symbols itself
 *
 * EXPORT_SYMBOL_GPL() keeps a symbol from modules that are not compatible with
 * the GPL. A module that is, and exports a plain EXPORT_SYMBOL() wrapper, would
 * hand it on to them. inherit_taint() stops the opposite, a module that uses
 * GPL-only symbols and those of a proprietary module.
 */
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include "internal.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "module."

static bool inherit_gpl_only_warn;
module_param(inherit_gpl_only_warn, bool, 0444);

/**
 * module_exports_gpl_only - is all that a module exports GPL-only?
 * @owner: the module, NULL for the kernel itself.
 *
 * Which symbols of the kernel and of the modules in its tree are GPL-only was
 * decided when they were merged, so this is about other modules. A livepatch
 * module resolves any symbol, whether exported or not.
 *
 * Context: module_mutex or the RCU read lock is held, and @owner has all of
 * its symbols.
 *
 * Return: true when it is, by what @owner uses and whatever its exports say.
 */
bool module_exports_gpl_only(struct module *owner)
{
	if (!owner || !test_bit(TAINT_OOT_MODULE, &owner->taints))
		return false;
	return owner->using_gplonly_symbols || is_livepatch_module(owner);
}

static bool uses_gpl_only_exports(struct module *mod)
{
	struct module_use *use;

	list_for_each_entry(use, &mod->target_list, target_list) {
		if (module_exports_gpl_only(use->target))
			return true;
	}
	return false;
}

/**
 * inherit_gpl_only - may a module use a symbol, considering what its owner uses?
 * @mod: the module that is being loaded. Has inherited the owner's taint.
 * @owner: module that exports the symbol, NULL for the kernel.
 * @name: the symbol.
 *
 * Context: module_mutex is held.
 *
 * Return: false when the symbol is refused.
 */
bool inherit_gpl_only(struct module *mod, struct module *owner,
		      const char *name)
{
	bool inherits = module_exports_gpl_only(owner);

	lockdep_assert_held(&module_mutex);

	if (!test_bit(TAINT_PROPRIETARY_MODULE, &mod->taints))
		return true;

	if (inherits)
		pr_warn("%s: module is not GPL-compatible and uses symbol %s of %s, which uses GPL-only symbols.\n",
			mod->name, name, owner->name);
	else if (owner && test_bit(TAINT_PROPRIETARY_MODULE, &owner->taints) &&
		 uses_gpl_only_exports(mod))
		pr_warn("%s: module uses symbol %s of proprietary module %s, and one of a module that uses GPL-only symbols.\n",
			mod->name, name, owner->name);
	else
		return true;

	return inherit_gpl_only_warn;
}

/**
 * inherit_gpl_only_end - a module that is being loaded has all of its symbols
 * @mod: the module. No other module can use its symbols yet.
 *
 * To use what others export as GPL-only by inheritance is to use GPL-only
 * symbols. This is not said any earlier, because inherit_taint() would refuse
 * symbols of proprietary modules for it, which is not meant when
 * inherit_gpl_only() only warns.
 */
void inherit_gpl_only_end(struct module *mod)
{
	if (uses_gpl_only_exports(mod))
		mod->using_gplonly_symbols = true;
}
