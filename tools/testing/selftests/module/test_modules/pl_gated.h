/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A module whose init function goes through a gate of pl_ctl and then returns
 * what it was told to; its exit function may have a gate as well. In between
 * they ask for modules, or break the kernel, if they are told to. Every file
 * that includes this is such a module.
 */
#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/kmod.h>
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

static char *ask = "";
module_param(ask, charp, 0444);
MODULE_PARM_DESC(ask, "what init asks for, with request_module()");

static bool nowait;
module_param(nowait, bool, 0444);
MODULE_PARM_DESC(nowait, "it asks with request_module_nowait()");

static unsigned int then_gate = PL_NR_GATES;
module_param(then_gate, uint, 0444);
MODULE_PARM_DESC(then_gate, "the gate to go through after that, if there is one");

static bool oops;
module_param(oops, bool, 0444);
MODULE_PARM_DESC(oops, "init writes to where nothing is");

static char *exit_ask = "";
module_param(exit_ask, charp, 0444);
MODULE_PARM_DESC(exit_ask, "what the exit function asks for, after its gate");

static int __init pl_gated_init(void)
{
	int err = pl_gate_enter(gate, killable);

	if (err)
		return err;
	/* Whoever is asked tells the test what came of it. */
	if (*ask && nowait)
		request_module_nowait("%s", ask);
	else if (*ask)
		request_module("%s", ask);
	if (oops)
		WRITE_ONCE(*(int *)NULL, 0);
	pl_gate_enter(then_gate, killable);
	return ret;
}

static void __exit pl_gated_exit(void)
{
	pl_gate_enter(exit_gate, false);
	if (*exit_ask)
		request_module("%s", exit_ask);
}

module_init(pl_gated_init);
module_exit(pl_gated_exit);

MODULE_DESCRIPTION("parallel_load: a module with a gate in its init function");
MODULE_LICENSE("GPL");
