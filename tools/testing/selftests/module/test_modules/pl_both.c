// SPDX-License-Identifier: GPL-2.0-only
/*
 * Needs a symbol of pl_gate and one of pl_gate2: while the owner of the one that is
 * looked up first stands in its gate, a load of this has the other wait before it.
 */
#include <linux/init.h>
#include <linux/module.h>

#include "pl_ctl.h"

static int __init pl_both_init(void)
{
	return pl_gate_answer() ?: pl_gate2_answer();
}

static void __exit pl_both_exit(void)
{
}

module_init(pl_both_init);
module_exit(pl_both_exit);

MODULE_DESCRIPTION("parallel_load: a module that needs symbols of two others");
MODULE_LICENSE("GPL");
