// SPDX-License-Identifier: GPL-2.0-only
/* Needs a symbol of pl_hit0. */
#include "pl_hit.h"

static int pl_hit_prepare(void)
{
	return pl_hit0_answer();
}
