// SPDX-License-Identifier: GPL-2.0-only
/* A module that the benchmark loads. Kbuild makes seven of it. */
#include <linux/compiler.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* A first byte other than 0 keeps the array out of .bss, so that the file is as large. */
#ifdef BENCH_BSS
static u8 bench_data[BENCH_SIZE] __used;
#else
static u8 bench_data[BENCH_SIZE] __used = { 1 };
#endif

static int ret;
module_param(ret, int, 0444);
MODULE_PARM_DESC(ret, "what init returns");

#ifndef BENCH_SILENT
static int hold;
module_param(hold, int, 0644);
MODULE_PARM_DESC(hold, "init waits until this is 0");

static int nr;
module_param(nr, int, 0444);
MODULE_PARM_DESC(nr, "makes requests differ");
#endif

#ifdef BENCH_BAD
/* No module exports this. */
int bench_missing(void);
#else
static int bench_missing(void) { return 0; }
#endif

static int __init bench_init(void)
{
#ifndef BENCH_SILENT
	/* The kernel does not count how often an init function runs. */
	pr_info("%s: init\n", KBUILD_MODNAME);
	while (READ_ONCE(hold))
		msleep(20);
#endif
	return ret ?: bench_missing();
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("benchmark of concurrent module loads");
MODULE_LICENSE("GPL");
