// SPDX-License-Identifier: GPL-2.0-only
/* A module that needs two symbols of test_modload_gate. */
#include <linux/module.h>

#include "test_modload.h"

static int tag;	/* makes parameter strings differ */
module_param(tag, int, 0);

static int __init test_modload_user_init(void)
{
	int nr = test_modload_pass(GATE_USER);

	return nr < 0 ? nr : test_modload_symbol1() + test_modload_symbol2();
}

static void __exit test_modload_user_exit(void)
{
}

module_init(test_modload_user_init);
module_exit(test_modload_user_exit);

MODULE_DESCRIPTION("A module that needs symbols of another");
MODULE_LICENSE("GPL");
