// SPDX-License-Identifier: GPL-2.0
/*
 * A controller whose receive queues do not stop, as igb sees it: while the
 * module is enabled, RXDCTL always reads as enabled.
 */
#include <linux/io.h>
#include <linux/livepatch.h>

#define RXDCTL_ENABLE		BIT(25)

/* how igb's struct e1000_hw begins */
struct e1000_hw {
	void *back;
	u8 __iomem *hw_addr;
};

static int seen;
module_param(seen, int, 0444);
MODULE_PARM_DESC(seen, "how often a queue did not stop");

static bool is_rxdctl(u32 reg)
{
	return (reg >= 0x02828 && reg < 0x02c00 && (reg & 0xff) == 0x28) ||
	       (reg >= 0x0c028 && reg < 0x0c400 && (reg & 0x3f) == 0x28);
}

static u32 stuck_rd32(struct e1000_hw *hw, u32 reg)
{
	u8 __iomem *hw_addr = READ_ONCE(hw->hw_addr);
	u32 value;

	if (!hw_addr)
		return ~0;
	value = readl(hw_addr + reg);
	if (is_rxdctl(reg) && !(value & RXDCTL_ENABLE)) {
		seen++;
		value |= RXDCTL_ENABLE;
	}
	return value;
}

static struct klp_func funcs[] = {
	{ .old_name = "igb_rd32", .new_func = stuck_rd32 },
	{ }
};

static struct klp_object objects[] = {
	{ .name = "igb", .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init queue_stuck_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(queue_stuck_init);

static void __exit queue_stuck_exit(void)
{
}
module_exit(queue_stuck_exit);

MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Test: receive queues that do not stop");
MODULE_LICENSE("GPL");
