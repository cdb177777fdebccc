// SPDX-License-Identifier: GPL-2.0-only
/* What the benchmark loads. Kbuild makes four modules of this, by size. */
#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* A first byte that is not 0 keeps it out of .bss and makes the file as large. */
#ifdef BENCH_BSS
static u8 bench_data[BENCH_SIZE] __used;
#else
static u8 bench_data[BENCH_SIZE] __used = { 1 };
#endif

static int ret;
module_param(ret, int, 0444);
MODULE_PARM_DESC(ret, "what init returns");

/* No counter of the kernel's tells how often an init function has run. */
static int __init bench_init(void)
{
#ifndef BENCH_SILENT
	pr_info("%s: init\n", KBUILD_MODNAME);
#endif
	return ret;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("benchmark of concurrent module loads");
MODULE_LICENSE("GPL");
