// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small file that takes much memory when it is laid out. The way from the
 * system call to the layout is short next to the layout itself, so that of many
 * requests made at once, all that may lay it out do so at the same time, on
 * however few CPUs.
 */
#include <linux/compiler.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/types.h>

/* On 32 bit, all modules together may have to do with 16 MiB. */
#ifdef CONFIG_64BIT
#define PL_WIDE_SIZE	SZ_64M
#else
#define PL_WIDE_SIZE	SZ_4M
#endif

static u8 pl_wide_bss[PL_WIDE_SIZE] __used;

static int __init pl_wide_init(void)
{
	return 0;
}

static void __exit pl_wide_exit(void)
{
}

module_init(pl_wide_init);
module_exit(pl_wide_exit);

MODULE_DESCRIPTION("parallel_load: a small module that takes 64 MiB of memory");
MODULE_LICENSE("GPL");
