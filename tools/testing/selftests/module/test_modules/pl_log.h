/* SPDX-License-Identifier: GPL-2.0-only */
/* The log of pl_log, as the kernel keeps it and as parallel_load reads it. */
#ifndef _PL_LOG_H
#define _PL_LOG_H

#include <linux/types.h>

/* A power of two. What is read less often than it fills is overwritten. */
#define PL_LOG_SIZE	65536

enum {
	PL_LOG_EXIT = 1,	/* the exit function, not init */
	PL_LOG_END = 2,		/* returns @ret */
};

struct pl_log_entry {
	__u64 time;		/* CLOCK_MONOTONIC, in ns */
	__s32 pid;		/* who runs it */
	__s32 ret;
	__s32 tag;		/* of the module's parameters */
	__u32 flags;
	char name[16];		/* the module's, cut */
};

struct pl_log {
	__u64 entries;		/* ever written: where the next one goes */
	struct pl_log_entry entry[PL_LOG_SIZE];
};

#ifdef __KERNEL__
struct pl_log_run {
	const char *name;
	int tag;
	int ret;		/* unless a signal comes in */
	bool killable;		/* but only a fatal one counts */
	bool exit;
};

int pl_log_run(const struct pl_log_run *run);
#endif

#endif /* _PL_LOG_H */
