// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests that would wait for themselves
 *
 * A module's init function may ask for other modules with request_module(), and
 * wait for the helper that loads them. If one of those is the module itself,
 * or one that asks for it in turn, the helper's request would wait for a load
 * which waits for the helper.
 *
 * So each load says which helper it waits for, and each request knows which
 * helper it serves, if any: the one that it finds among the ancestors of its
 * task. With what each request sleeps for, that makes a graph of who waits for
 * whom:
 *
 *	a load		waits for the requests that serve its helper
 *	a request	waits for the load or removal that it sleeps for
 *
 * All of it is protected by loads_lock, under which a request says what it is
 * about to sleep for and looks whether it has closed a circle. So of those who
 * close it together the last one sees it, whoever that is. There is a request in
 * each circle that serves the load before it and sleeps: that one is refused,
 * with -EDEADLK, even if it sleeps already and another closed the circle. The
 * others had every right to wait.
 *
 * What cannot be seen: a request by a task that does not descend from the helper,
 * such as a kernel thread that asks in the module's stead, or a daemon that the
 * helper asks. It waits, interruptibly. Not waited for, and so never refused: the
 * requests that serve request_module_nowait().
 */

#define pr_fmt(fmt) "module: " fmt

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "internal.h"
#include "shared_load.h"

/* The requests that serve a helper, and how many loads have one. */
static LIST_HEAD(serving_requests);
static unsigned int nr_helpers;

/**
 * shared_load_asks() - note that the current task is about to run a helper
 *
 * Context: Process context.
 * Return: The request that the task is at, with a reference, or %NULL. To be handed
 * to shared_load_helper_starts() by the helper, and to shared_load_answered().
 */
struct shared_load_info *shared_load_asks(void)
{
	struct shared_load_info *pos, *load = NULL;

	spin_lock(&loads_lock);
	list_for_each_entry(pos, &running_loads, list) {
		if (pos->task == current) {
			load = pos;
			load->asks = true;
			refcount_inc(&load->refs);
			break;
		}
	}
	spin_unlock(&loads_lock);
	return load;
}

/**
 * shared_load_helper_starts() - note that the current task is the helper
 * @load: what shared_load_asks() has returned, or %NULL
 *
 * Context: The helper's task, before it runs its program.
 */
void shared_load_helper_starts(struct shared_load_info *load)
{
	if (!load)
		return;
	spin_lock(&loads_lock);
	/* It may have been killed, and not wait any more. */
	if (load->asks && !load->helper) {
		load->helper = get_pid(task_tgid(current));
		nr_helpers++;
	}
	spin_unlock(&loads_lock);
}

/**
 * shared_load_answered() - note that the current task no longer waits for its helper
 * @load: what shared_load_asks() has returned, or %NULL
 *
 * Context: The task that called shared_load_asks(), whether the helper ran or not.
 */
void shared_load_answered(struct shared_load_info *load)
{
	struct pid *helper;

	if (!load)
		return;
	spin_lock(&loads_lock);
	helper = load->helper;
	if (helper)
		nr_helpers--;
	load->helper = NULL;
	load->asks = false;
	spin_unlock(&loads_lock);
	put_pid(helper);
}

static bool is_helper(const struct pid *pid)
{
	struct shared_load_info *pos;

	list_for_each_entry(pos, &running_loads, list) {
		if (pos->helper && pos->helper == pid)
			return true;
	}
	return false;
}

/**
 * shared_load_find_helper() - find out which helper a request serves
 * @load: the record of the current task's request
 *
 * Context: loads_lock held.
 */
void shared_load_find_helper(struct shared_load_info *load)
{
	struct task_struct *task;
	struct pid *pid;

	lockdep_assert_held(&loads_lock);

	if (!nr_helpers || load->serves)
		return;

	rcu_read_lock();
	for (task = current; task != &init_task; task = rcu_dereference(task->real_parent)) {
		pid = task_tgid(task);
		if (is_helper(pid)) {
			load->serves = get_pid(pid);
			list_add(&load->serving, &serving_requests);
			break;
		}
	}
	rcu_read_unlock();
}

static bool waits_for_request(const struct shared_load_info *load,
			      const struct shared_load_info *request)
{
	return load->helper && load->helper == request->serves;
}

/*
 * Adds @next to the walk, unless it is there or need not be waited for any more. Of a
 * module that is live one has the symbols, but its load can take longer: one of its
 * notifiers may ask for modules.
 */
static void walk_to(struct shared_load_info *next, struct shared_load_info *from,
		    struct list_head *walk)
{
	if (next->ended || (next->is_live && from->symbol) || !list_empty(&next->walk))
		return;
	next->before = from;
	list_add_tail(&next->walk, walk);
}

/*
 * Does what @load sleeps for wait for @load? If so, the way back from there is in
 * @before of the records.
 */
static bool closes_circle(struct shared_load_info *load)
{
	struct shared_load_info *pos, *next;
	bool found = false;
	LIST_HEAD(walk);

	if (list_empty(&serving_requests))
		return false;

	walk_to(load->waits_for, load, &walk);
	list_for_each_entry(pos, &walk, walk) {
		found = pos == load;
		if (found)
			break;
		if (pos->waits_for && !pos->refused)
			walk_to(pos->waits_for, pos, &walk);
		list_for_each_entry(next, &serving_requests, serving) {
			if (waits_for_request(pos, next))
				walk_to(next, pos, &walk);
		}
	}
	list_for_each_entry_safe(pos, next, &walk, walk)
		list_del_init(&pos->walk);
	return found;
}

/* Who in the circle of @load is to be refused. Fills in @after all around it. */
static struct shared_load_info *choose_victim(struct shared_load_info *load)
{
	struct shared_load_info *pos = load, *victim = NULL;

	do {
		if (!victim && pos->waits_for && waits_for_request(pos->before, pos))
			victim = pos;
		pos->before->after = pos;
		pos = pos->before;
	} while (pos != load);
	/* There is one unless somebody waits for a request without serving a load. */
	return victim ?: load;
}

static int print_request(char *buf, int size, const struct shared_load_info *load)
{
	if (load->named)
		return scnprintf(buf, size, "%s of %s[%d]", load->name, load->task->comm,
				 task_pid_nr(load->task));
	return scnprintf(buf, size, "%s[%d]", load->task->comm, task_pid_nr(load->task));
}

static void print_circle(char *buf, int size, const struct shared_load_info *victim)
{
	const struct shared_load_info *pos = victim;
	int len = print_request(buf, size, victim);

	do {
		pos = pos->after;
		len += scnprintf(buf + len, size - len, pos->before == victim ?
				 " is not to wait for " : ", which waits for ");
		len += print_request(buf + len, size - len, pos);
	} while (pos != victim);
	if (len == size - 1)
		strscpy(buf + size - sizeof("..."), "...", sizeof("..."));
}

/**
 * shared_load_starts_to_wait() - note what a request is about to sleep for
 * @load: the record of this request
 * @running: what it is about to sleep for, with a reference until
 *	shared_load_stops_waiting()
 * @symbol: the symbol of it that the request needs, or %NULL if that is not why;
 *	to stay there as long
 *
 * If that closes a circle, somebody in it is refused: see shared_load_stops_waiting().
 *
 * Context: Process context.
 */
void shared_load_starts_to_wait(struct shared_load_info *load,
				struct shared_load_info *running, const char *symbol)
{
	struct shared_load_info *victim;
	char circle[512];

	spin_lock(&loads_lock);
	shared_load_find_helper(load);
	load->refused = false;
	load->waits_for = running;
	load->symbol = symbol;
	running->nr_waiters++;
	shared_load_trace_wait(load, running);
	while (!load->refused && closes_circle(load)) {
		victim = choose_victim(load);
		WRITE_ONCE(victim->refused, true);
		wake_up_process(victim->task);
		mod_stat_inc(&refused_recursions);
		print_circle(circle, sizeof(circle), victim);

		spin_unlock(&loads_lock);
		pr_warn("%s: refused\n", circle);
		spin_lock(&loads_lock);
	}
	spin_unlock(&loads_lock);
}

/**
 * shared_load_stops_waiting() - note that a request does not sleep any more
 * @load: the record of this request
 *
 * Context: Process context.
 * Return: %-EDEADLK if it was refused, else 0.
 */
int shared_load_stops_waiting(struct shared_load_info *load)
{
	int err;

	spin_lock(&loads_lock);
	load->waits_for->nr_waiters--;
	load->waits_for = NULL;
	load->symbol = NULL;
	err = load->refused ? -EDEADLK : 0;
	spin_unlock(&loads_lock);
	return err;
}
