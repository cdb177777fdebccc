// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reports about concurrent loads
 *
 * The log gets a line for each load that takes long while requests wait, and for each owner that
 * died. modules/loads in debugfs lists all owners. loads_lock protects @since and @reported. Only
 * the task of a request writes @wait_since and @initializing. Others print the latter.
 */
#include <linux/debugfs.h>
#include <linux/timekeeping.h>
#include <trace/events/module.h>
#include "shared_load.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "module."
static unsigned int load_report_secs = 30;
module_param(load_report_secs, uint, 0644);
atomic_t merged_requests, taken_over_loads, dead_owners;
atomic_long_t longest_wait_ms;
#define MAX_LINE	256
#define AGE(owner)	(((u32)(get_jiffies_64() / 16) + 1 - (owner)->since) * 16ULL)
static const char * const needs[] = { "file", "name", "symbol" };

static const char *name_of(const struct shared_load_info *owner)
{
	return owner->named ? owner->name : "-";
}

static void describe(char *buf, const char *event, const struct shared_load_info *owner)
{
	bool dead = data_race(READ_ONCE(owner->task->flags)) & PF_EXITING; /* never cleared */
	const char *state = dead ? "dead" : owner->removal ? "removing" :
			    !owner->named ? "reading" : owner->failing ? "failing" :
			    READ_ONCE(owner->initializing) ? "initializing" : "loading";
	const struct list_head *pos;
	unsigned int waiters = 0;

	list_for_each(pos, &owner->waiters)
		waiters++;
	snprintf(buf, MAX_LINE, "%s: %s%s (%s[%d]), %llu s, %u waiters, %s%s%s", name_of(owner),
		 owner->removal ? "removal" : "load", event, owner->task->comm,
		 task_pid_nr(owner->task), div_u64(AGE(owner), HZ), waiters, state,
		 owner->owner ? ", waits for " : "", owner->owner ? name_of(owner->owner) : "");
}

/* Report the owner if @req waited long enough. Return the jiffies until the next check. */
static u64 report_if_due(const struct shared_load_info *req)
{
	u64 secs = READ_ONCE(load_report_secs), waited = ktime_get_ns() - req->wait_since;
	struct shared_load_info *owner;
	char line[MAX_LINE] = "";

	/* A sleep of n jiffies can be shorter by almost one. */
	if (!secs || waited + TICK_NSEC < secs * NSEC_PER_SEC)
		return secs ? nsecs_to_jiffies64(secs * NSEC_PER_SEC - waited) + 1 : U64_MAX;

	spin_lock(&loads_lock);
	/* The owner of a file can wait for the owner of a name, and that for a symbol. */
	for (owner = req->owner; owner && owner->owner;)
		owner = owner->owner;
	/* @req may have waited for an earlier owner. The age can be too high by 16 jiffies. */
	if (owner && !owner->reported && AGE(owner) >= secs * HZ) {
		owner->reported = true;
		describe(line, " takes long", owner);
	}
	spin_unlock(&loads_lock);
	/* Printing can take too long for a spinlock. */
	if (*line)
		pr_warn("%s\n", line);
	return U64_MAX;
}

/**
 * shared_load_wait_begin() - store and trace when @req begins to wait for @owner
 * @req: the record of the request
 * @owner: the record of the owner
 * Context: loads_lock held.
 */
void shared_load_wait_begin(struct shared_load_info *req, const struct shared_load_info *owner)
{
	req->wait_since = ktime_get_ns();
	trace_module_wait_begin(name_of(owner), task_pid_nr(owner->task), needs[req->need]);
}

/**
 * shared_load_wait_or_report() - sleep until a request is completed, and report a slow owner
 * @req: the record of the request
 * @timeout: how long to sleep at most, in jiffies
 * Context: Sleeps.
 * Return: What is left of @timeout, at least 1, if @req was completed. 0 if @timeout elapsed.
 * %-ERESTARTSYS if a signal arrived, which must be fatal if @req needs a symbol.
 */
long shared_load_wait_or_report(struct shared_load_info *req, long timeout)
{
	long slice, left;

	do {
		slice = min_t(u64, timeout, report_if_due(req));
		/* A load that has allocated module memory should not start over. */
		if (req->need == SHARED_LOAD_SYMBOL)
			left = wait_for_completion_killable_timeout(&req->done, slice);
		else
			left = wait_for_completion_interruptible_timeout(&req->done, slice);
		timeout -= slice - max(left, 0L);
	} while (!left && timeout);
	/* The caller may give up now, so this is the last check. */
	if (!left)
		report_if_due(req);
	return left < 0 ? left : timeout;
}

/**
 * shared_load_wait_end() - count and trace the end of a wait
 * @req: the record of the request
 * @name: the name that it waited for, or NULL for a file
 * @left: the result of the wait, above 0 if @req goes on
 * Context: Any.
 */
void shared_load_wait_end(const struct shared_load_info *req, const char *name, long left)
{
	u64 ns = ktime_get_ns() - req->wait_since;
	long ms = div_u64(ns, NSEC_PER_MSEC), longest = atomic_long_read(&longest_wait_ms);

	while (ms > longest && !atomic_long_try_cmpxchg(&longest_wait_ms, &longest, ms))
		;
	atomic_add(left > 0 && req->need != SHARED_LOAD_SYMBOL && !list_empty(&req->list),
		   &taken_over_loads);
	trace_module_wait_end(name ?: "-", needs[req->need], left > 0 ? 0 : left ?: -EBUSY, ns);
}

/**
 * shared_load_died() - count and report an owner whose task died
 * @owner: the record of the owner, which is never freed
 * Context: Any, loads_lock not held.
 */
void shared_load_died(const struct shared_load_info *owner)
{
	atomic_inc(&dead_owners);
	pr_warn("%s: owner died (%s[%d]), %s\n", name_of(owner), owner->task->comm,
		task_pid_nr(owner->task),
		owner->outcome == SHARED_LOAD_BUSY ? "requests fail with -EBUSY until reboot" :
						     "waiters retry");
}

static int loads_show(struct seq_file *m, void *v)
{
	const struct shared_load_info *owner;
	char line[MAX_LINE];

	spin_lock(&loads_lock);
	list_for_each_entry(owner, &running_loads, list) {
		/* seq_file calls again with a larger buffer. Hold the lock no longer. */
		if (seq_has_overflowed(m))
			break;
		describe(line, "", owner);
		seq_printf(m, "%s\n", line);
	}
	spin_unlock(&loads_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(loads);

/* Create modules/loads. Other code may have created the directory, which stays. */
static int __init load_report_init(void)
{
	debugfs_create_file("loads", 0400, debugfs_lookup("modules", NULL) ?:
			    debugfs_create_dir("modules", NULL), NULL, &loads_fops);
	return 0;
}
late_initcall(load_report_init);
