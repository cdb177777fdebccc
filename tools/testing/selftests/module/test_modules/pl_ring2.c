// SPDX-License-Identifier: GPL-2.0-only
/* Needs a symbol of pl_ring1, which needs one of this: neither can be loaded. */
#include <linux/init.h>
#include <linux/module.h>

#include "pl_ctl.h"

int pl_ring2_answer(void)
{
	return 0;
}
EXPORT_SYMBOL_GPL(pl_ring2_answer);

static int __init pl_ring2_init(void)
{
	return pl_ring1_answer();
}

static void __exit pl_ring2_exit(void)
{
}

module_init(pl_ring2_init);
module_exit(pl_ring2_exit);

MODULE_DESCRIPTION("parallel_load: one of two modules that need each other");
MODULE_LICENSE("GPL");
