// SPDX-License-Identifier: GPL-2.0-only
/* A module that is expensive to load: 8 MiB to read, to lay out and to copy. */
#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* The first byte keeps it out of .bss, which would cost nothing to read. */
static u8 pl_big_data[SZ_8M] __used = { 1 };

static int ret;
module_param(ret, int, 0444);
MODULE_PARM_DESC(ret, "what init returns");

static int __init pl_big_init(void)
{
	return ret;
}

static void __exit pl_big_exit(void)
{
}

module_init(pl_big_init);
module_exit(pl_big_exit);

MODULE_DESCRIPTION("parallel_load: a module of 8 MiB");
MODULE_LICENSE("GPL");
