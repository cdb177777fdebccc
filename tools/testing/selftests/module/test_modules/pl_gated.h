/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A module whose init function goes through a gate of pl_ctl and then returns
 * what it was told to; its exit function may have a gate as well. Every file
 * that includes this is such a module.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "pl_ctl.h"

static unsigned int gate;
module_param(gate, uint, 0444);
MODULE_PARM_DESC(gate, "the gate of pl_ctl to go through");

static unsigned int exit_gate = PL_NR_GATES;
module_param(exit_gate, uint, 0444);
MODULE_PARM_DESC(exit_gate, "the gate to go through on the way out, if there is one");

static bool killable;
module_param(killable, bool, 0444);
MODULE_PARM_DESC(killable, "only a fatal signal ends the wait in the gate");

static int ret;
module_param(ret, int, 0444);
MODULE_PARM_DESC(ret, "what init returns");

static int tag;
module_param(tag, int, 0444);
MODULE_PARM_DESC(tag, "no meaning: makes the parameters of requests differ");

static int __init pl_gated_init(void)
{
	return pl_gate_enter(gate, killable) ?: ret;
}

static void __exit pl_gated_exit(void)
{
	pl_gate_enter(exit_gate, false);
}

module_init(pl_gated_init);
module_exit(pl_gated_exit);

MODULE_DESCRIPTION("parallel_load: a module with a gate in its init function");
MODULE_LICENSE("GPL");
