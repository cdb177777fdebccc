// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who loads what, who waits for it, and since when: for the log, for tracing, and
 * for /sys/kernel/debug/modules/loads. Nothing here is needed to load a module, and
 * nothing is done for a load that nobody waits for.
 */

#define pr_fmt(fmt) "module: " fmt

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/time64.h>
#include <trace/events/module.h>

#include "internal.h"
#include "shared_load.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "module."
static unsigned int load_report_secs = 30;
module_param(load_report_secs, uint, 0644);

static const char *state_of(const struct shared_load_info *load)
{
	if (load->ended)
		return "dead";
	return shared_load_state_names[READ_ONCE(load->state)];
}

static const char *name_of(const struct shared_load_info *load, const char *none)
{
	return load->named || load->is_live ? load->name : none;
}

/* What @load itself sleeps for, or "". */
static void print_wait(char *buf, int size, const struct shared_load_info *load)
{
	const struct shared_load_info *other = load->waits_for;

	buf[0] = '\0';
	if (other && load->symbol)
		scnprintf(buf, size, "symbol %s of %s", load->symbol, other->name);
	else if (other)
		scnprintf(buf, size, "%s of %s[%d]", name_of(other, "a file"),
			  other->task->comm, task_pid_nr(other->task));
	else if (load->helper)
		scnprintf(buf, size, "helper [%d]", pid_nr(load->helper));
}

/**
 * shared_load_report_due() - when to report that a request still waits
 * @nth: how many times it could have been reported already
 *
 * Return: How long it has to have waited, in jiffies, or %MAX_SCHEDULE_TIMEOUT:
 * it is not to be reported.
 */
unsigned long shared_load_report_due(unsigned int nth)
{
	unsigned long secs = READ_ONCE(load_report_secs);

	if (!secs || nth >= BITS_PER_LONG || secs > (MAX_SCHEDULE_TIMEOUT / HZ) >> nth)
		return MAX_SCHEDULE_TIMEOUT;
	return (secs * HZ) << nth;
}

/**
 * shared_load_report() - log that requests have waited for a load for long
 * @running: the record of the load, with a reference
 * @nth: how many times a request that waits could have done that before
 *
 * Of all the requests that wait, the first one to come here speaks for all.
 *
 * Context: Process context.
 */
void shared_load_report(struct shared_load_info *running, unsigned int nth)
{
	unsigned int waiters, secs;
	char what[160], name[MODULE_NAME_LEN];
	const char *state;

	spin_lock(&loads_lock);
	if (running->ended || running->nr_reports > nth) {
		spin_unlock(&loads_lock);
		return;
	}
	running->nr_reports = nth + 1;
	waiters = running->nr_waiters;
	secs = (jiffies - running->since) / HZ;
	state = state_of(running);
	strscpy(name, name_of(running, "a file"), sizeof(name));
	print_wait(what, sizeof(what), running);
	spin_unlock(&loads_lock);

	pr_warn("%s: %s[%d] has been %s it for %u s%s%s; %u request%s\n", name,
		running->task->comm, task_pid_nr(running->task), state, secs,
		what[0] ? ", waiting for " : "", what, waiters,
		waiters == 1 ? " waits" : "s wait");
}

static const char *why(const struct shared_load_info *load,
		       const struct shared_load_info *running)
{
	if (load->symbol)
		return "symbol";
	if (READ_ONCE(running->state) == SHARED_LOAD_REMOVING)
		return "removal";
	return load->inode && load->inode == running->inode ? "file" : "name";
}

/**
 * shared_load_trace_wait() - note that a request starts to wait
 * @load: the record of the request
 * @running: what it waits for
 *
 * Context: loads_lock held.
 */
void shared_load_trace_wait(struct shared_load_info *load,
			    const struct shared_load_info *running)
{
	load->waits_since = ktime_get_ns();
	trace_module_load_wait(name_of(running, "?"), task_pid_nr(running->task),
			       why(load, running));
}

/**
 * shared_load_trace_answer() - note what a request has waited for
 * @load: the record of the request
 * @running: what it has waited for
 * @err: what came of it: an errno, or 0, and it goes on
 *
 * Context: Process context, loads_lock not held.
 */
void shared_load_trace_answer(const struct shared_load_info *load,
			      const struct shared_load_info *running, int err)
{
	u64 ns = ktime_get_ns() - load->waits_since;

	spin_lock(&loads_lock);
	mod_stat_note_wait(div_u64(ns, NSEC_PER_MSEC));
	trace_module_load_wait_end(running->name[0] ? running->name : "?", err, ns);
	spin_unlock(&loads_lock);
}

/**
 * shared_load_trace_late_answer() - note an answer that took no more waiting
 * @load: the record of the request; if it has not waited before, nothing is noted
 * @name: the module's name
 * @err: the answer, an errno
 *
 * Context: Any.
 */
void shared_load_trace_late_answer(const struct shared_load_info *load,
				   const char *name, int err)
{
	if (load->waits_since)
		trace_module_load_answer(name, err);
}

/**
 * shared_load_trace_takeover() - note that a request goes on where another failed
 * @load: the record of the request
 *
 * Context: The task that made the request, which has claimed its name.
 */
void shared_load_trace_takeover(const struct shared_load_info *load)
{
	mod_stat_inc(&taken_over_loads);
	trace_module_load_takeover(load->name);
}

static int loads_show(struct seq_file *m, void *v)
{
	struct shared_load_info *pos;
	char what[160];

	seq_puts(m, "# module state task age waiters waits-for\n");
	spin_lock(&loads_lock);
	list_for_each_entry(pos, &running_loads, list) {
		print_wait(what, sizeof(what), pos);
		seq_printf(m, "%s %s %s[%d] %lus %u %s\n", name_of(pos, "-"),
			   state_of(pos), pos->task->comm, task_pid_nr(pos->task),
			   (jiffies - pos->since) / HZ, pos->nr_waiters,
			   what[0] ? what : "-");
	}
	spin_unlock(&loads_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(loads);

/* Later than others who may have made the directory. */
static int __init load_report_init(void)
{
	struct dentry *found = debugfs_lookup("modules", NULL);

	debugfs_create_file("loads", 0400, found ?: debugfs_create_dir("modules", NULL),
			    NULL, &loads_fops);
	/* An error is all that a kernel without debugfs finds. */
	if (!IS_ERR(found))
		dput(found);
	return 0;
}
late_initcall(load_report_init);
