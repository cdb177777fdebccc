// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uses symbols of pl_gate: while pl_gate stands in its gate, loading this
 * waits, before its init function has run, for the owner of the symbols. There
 * are two, so that the test can spoil the name of the one that is looked up
 * last: a load that waits first and fails then.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "pl_ctl.h"

static unsigned int gate = PL_NR_GATES - 1;
module_param(gate, uint, 0444);
MODULE_PARM_DESC(gate, "the gate of pl_ctl that counts the runs of init");

/* For pl_chain. */
int pl_user_answer(void)
{
	return 0;
}
EXPORT_SYMBOL_GPL(pl_user_answer);

static int __init pl_user_init(void)
{
	return pl_gate_enter(gate, false) ?: pl_gate_answer() ?: pl_gate_other();
}

static void __exit pl_user_exit(void)
{
}

module_init(pl_user_init);
module_exit(pl_user_exit);

MODULE_DESCRIPTION("parallel_load: a module that needs symbols of pl_gate");
MODULE_LICENSE("GPL");
