// SPDX-License-Identifier: GPL-2.0-only
/*
 * A log of the init and exit functions that have run, for the hammer of
 * parallel_load: who ran which, from when to when, and what it returned. It is
 * in debugfs, as one struct pl_log, and outlives the modules that it is about.
 */
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "pl_log.h"

static unsigned int delay_us;
module_param(delay_us, uint, 0644);
MODULE_PARM_DESC(delay_us, "how long an init or exit function takes");

static struct pl_log pl_log;
static DEFINE_SPINLOCK(pl_log_lock);

static struct debugfs_blob_wrapper pl_log_blob = {
	.data = &pl_log,
	.size = sizeof(pl_log),
};

static struct dentry *pl_log_file;

static void pl_log_add(const struct pl_log_run *run, u32 flags, int ret)
{
	struct pl_log_entry *entry;

	spin_lock(&pl_log_lock);
	entry = &pl_log.entry[pl_log.entries % PL_LOG_SIZE];
	entry->time = ktime_get_ns();
	entry->pid = task_pid_nr(current);
	entry->ret = ret;
	entry->tag = run->tag;
	entry->flags = flags | (run->exit ? PL_LOG_EXIT : 0);
	strscpy(entry->name, run->name, sizeof(entry->name));
	/* Whoever reads the number finds the entry. */
	smp_store_release(&pl_log.entries, pl_log.entries + 1);
	spin_unlock(&pl_log_lock);
}

/**
 * pl_log_run - be an init or exit function: take some time, and tell the log
 * @run: what to tell, and what to return
 *
 * Return: what @run says, or -EINTR when a signal came in.
 */
int pl_log_run(const struct pl_log_run *run)
{
	ktime_t delay = ns_to_ktime((u64)READ_ONCE(delay_us) * NSEC_PER_USEC);
	int ret = run->ret;

	pl_log_add(run, 0, 0);
	if (delay) {
		set_current_state(run->killable ? TASK_KILLABLE : TASK_INTERRUPTIBLE);
		if (schedule_hrtimeout_range(&delay, 0, HRTIMER_MODE_REL) &&
		    signal_pending(current))
			ret = -EINTR;
	}
	pl_log_add(run, PL_LOG_END, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(pl_log_run);

static int __init pl_log_init(void)
{
	pl_log_file = debugfs_create_blob("pl_log", 0400, NULL, &pl_log_blob);
	return PTR_ERR_OR_ZERO(pl_log_file);
}

static void __exit pl_log_exit(void)
{
	debugfs_remove(pl_log_file);
}

module_init(pl_log_init);
module_exit(pl_log_exit);

MODULE_DESCRIPTION("parallel_load: a log of init and exit functions");
MODULE_LICENSE("GPL");
