/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the hammer of parallel_load loads and unloads: modules whose init and exit
 * functions tell the log of pl_log that they have run. Every file that includes
 * this is such a module, and so is each of them under another name.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "pl_log.h"

int pl_hit0_answer(void);

static int tag;
module_param(tag, int, 0444);
MODULE_PARM_DESC(tag, "for the log, to tell the parameters of requests apart");

static int ret;
module_param(ret, int, 0444);
MODULE_PARM_DESC(ret, "what init returns");

static bool killable;
module_param(killable, bool, 0444);
MODULE_PARM_DESC(killable, "only a fatal signal cuts init short");

/* What else there is to do before init has run: 0 or an errno. */
static int pl_hit_prepare(void);

static int __init pl_hit_init(void)
{
	const struct pl_log_run run = {
		.name = THIS_MODULE->name, .tag = tag, .ret = ret,
		.killable = killable,
	};

	return pl_hit_prepare() ?: pl_log_run(&run);
}

static void __exit pl_hit_exit(void)
{
	const struct pl_log_run run = {
		.name = THIS_MODULE->name, .tag = tag, .killable = true,
		.exit = true,
	};

	pl_log_run(&run);
}

module_init(pl_hit_init);
module_exit(pl_hit_exit);

MODULE_DESCRIPTION("parallel_load: a module that tells when it comes and goes");
MODULE_LICENSE("GPL");
