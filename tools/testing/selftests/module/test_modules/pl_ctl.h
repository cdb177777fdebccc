/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _PL_CTL_H
#define _PL_CTL_H

#include <linux/types.h>

#define PL_NR_GATES	3

int pl_gate_enter(unsigned int nr, bool killable);
int pl_gate_answer(void);
int pl_gate_other(void);
int pl_gate2_answer(void);
int pl_user_answer(void);
int pl_ring1_answer(void);
int pl_ring2_answer(void);

#endif /* _PL_CTL_H */
