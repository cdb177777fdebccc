// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module that make measure loads. It does nothing but log that its init function ran,
 * which the kernel does not count. The program gives bench_pad the size that it measures.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>

#ifndef BENCH_SIZE
#define BENCH_SIZE 16
#endif

/* The program finds the section by this text. */
static char bench_pad[BENCH_SIZE] __used __section(".bench_pad") = "pad of measure";

static int __init bench_init(void)
{
	/* A message on a serial console could take longer than the load. */
	printk(KERN_DEBUG "%s: init\n", KBUILD_MODNAME);
	return 0;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("measurement of concurrent module loads");
MODULE_LICENSE("GPL");
