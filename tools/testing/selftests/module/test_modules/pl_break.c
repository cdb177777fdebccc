// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breaks the kernel that loads it, so that the QEMU harness can be seen to
 * notice. No test loads it.
 */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/string.h>

static char *how = "";
module_param(how, charp, 0444);
MODULE_PARM_DESC(how, "oops, warn or lockup");

static int __init pl_break_init(void)
{
	if (!strcmp(how, "oops"))
		WRITE_ONCE(*(int *)NULL, 0);
	if (!strcmp(how, "warn"))
		WARN(1, "pl_break was told to");
	if (!strcmp(how, "lockup")) {
		preempt_disable();
		for (;;)
			cpu_relax();
	}
	return -EINVAL;
}

static void __exit pl_break_exit(void)
{
}

module_init(pl_break_init);
module_exit(pl_break_exit);

MODULE_DESCRIPTION("parallel_load: breaks the kernel");
MODULE_LICENSE("GPL");
