// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small file that takes much memory when it is laid out. The way from the
 * system call to the layout is short next to the layout itself, so that of many
 * requests made at once, all that may lay it out do so at the same time, on
 * however few CPUs.
 */
#include <linux/compiler.h>
#include <linux/sizes.h>
#include <linux/types.h>

#include "pl_gated.h"

/* On 32 bit, all modules together may have to do with 16 MiB. */
#ifdef CONFIG_64BIT
#define PL_WIDE_SIZE	SZ_64M
#else
#define PL_WIDE_SIZE	SZ_4M
#endif

static u8 pl_wide_bss[PL_WIDE_SIZE] __used;
