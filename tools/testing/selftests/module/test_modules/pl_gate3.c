// SPDX-License-Identifier: GPL-2.0-only
#include "pl_gated.h"
