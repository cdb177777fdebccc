// SPDX-License-Identifier: GPL-2.0-only
/* Exports a symbol that a changed test_modload_user needs. */
#include <linux/module.h>

#include "test_modload.h"

int test_modload_symbol3(void)
{
	return 0;
}
EXPORT_SYMBOL_GPL(test_modload_symbol3);

MODULE_DESCRIPTION("A module that exports a symbol");
MODULE_LICENSE("GPL");
