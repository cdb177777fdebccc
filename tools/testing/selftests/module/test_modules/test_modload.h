/* SPDX-License-Identifier: GPL-2.0-only */
/* Gates and functions that the test modules and parallel_load share. */
enum test_modload_gate {
	GATE_INIT,	/* test_modload_gate: init function */
	GATE_PARAM,	/* test_modload_gate: parameter "hold" */
	GATE_ASYNC,	/* test_modload_gate: asynchronous part of init */
	GATE_EXIT,	/* test_modload_gate: exit function */
	GATE_USER,	/* test_modload_user: init function */
	GATE_GOING,	/* all modules but ctl: notifier of a failed load or a removal */
	GATE_COPY,	/* page fault in memory mapped from /dev/test_modload_ctl */
	GATE_READ,	/* read of /proc/test_modload_error, _oops or _zeros */
	NR_GATES
};

int test_modload_pass(enum test_modload_gate nr);
int test_modload_symbol1(void);
int test_modload_symbol2(void);
int test_modload_symbol3(void);
