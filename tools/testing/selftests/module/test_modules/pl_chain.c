// SPDX-License-Identifier: GPL-2.0-only
/* The end of a chain: needs a symbol of pl_user, which needs pl_gate. */
#include <linux/init.h>
#include <linux/module.h>

#include "pl_ctl.h"

static int __init pl_chain_init(void)
{
	return pl_user_answer();
}

static void __exit pl_chain_exit(void)
{
}

module_init(pl_chain_init);
module_exit(pl_chain_exit);

MODULE_DESCRIPTION("parallel_load: a module that needs a symbol of pl_user");
MODULE_LICENSE("GPL");
