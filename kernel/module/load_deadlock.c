// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deadlocks of loads and removals that request modules
 *
 * An init or exit function may call request_module(), which runs a helper and waits for it. If
 * a request of the helper waits for that function, directly or through other loads, this is a
 * deadlock. One request in it fails with -EDEADLK.
 *
 * What waits for what is a graph with two kinds of edges:
 *	request -> its owner, until it gets a result or becomes the owner
 *	request -> each request that its helper or a descendant made, until the helper ends
 *
 * A request has edges of one kind at a time, since its task sleeps in one place. It was made by
 * one helper at most, since no helper descends from another one.
 *
 * Protection: loads_lock protects all fields of helpers, and @maker and @made of requests.
 *
 * No missed cycles: a new request waits for nothing, and a new helper has made no request. So only
 * a request that joins an owner, or is moved to one, closes a cycle. Both search for cycles before
 * they drop the lock. A waiter that became the owner, and a request that takes an unverified name,
 * wait for nothing. Requests that are moved to them close no cycle.
 *
 * Victim: a request that was made by a helper and waits for an owner. Each cycle has one, because
 * edges through helpers alone lead to ever newer requests. The victim need not be the request that
 * closes the cycle. The other requests in the cycle go on waiting.
 *
 * Lifetime: a helper is on the stack of the task that waits for it. That task can be killed and
 * return before the process of the helper starts. So the process looks up the helper by number.
 *
 * Limits: a request by a task that does not descend from a helper is never refused.
 */

#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/umh.h>
#include "internal.h"
#include "shared_load.h"

struct shared_load_helper {
	struct list_head list;		/* entry in helpers */
	struct list_head requests;	/* made by it or its descendants */
	struct shared_load_info *load;	/* the request whose task waits for it */
	unsigned long nr;
	struct pid *tgid;		/* NULL before its process starts */
	struct shared_load_helper *next;	/* found next in a search */
	struct shared_load_info *via;		/* the request that led here */
	struct shared_load_info *cause;		/* its request in the cycle */
};

static LIST_HEAD(helpers);

/* Find the request of the current task, if another request can wait for it. */
static struct shared_load_info *find_current(void)
{
	struct shared_load_helper *helper;
	struct shared_load_info *req;

	list_for_each_entry(req, &running_loads, list)
		if (req->task == current)
			return req;
	/* A request owns nothing before it claims, and after its module is live. */
	list_for_each_entry(helper, &helpers, list)
		list_for_each_entry(req, &helper->requests, made)
			if (req->task == current)
				return req;
	return NULL;
}

/* Record the process of the helper. This runs in that process, before it executes a program. */
static int start_helper(struct subprocess_info *info, struct cred *new)
{
	struct shared_load_helper *helper;

	spin_lock(&loads_lock);
	list_for_each_entry(helper, &helpers, list)
		if (helper->nr == (unsigned long)info->data)
			helper->tgid = get_pid(task_tgid(current));
	spin_unlock(&loads_lock);
	return 0;
}

/**
 * shared_load_run_helper() - run a helper that can make requests, and wait for it
 * @info: the helper
 * @wait: how to wait
 * Context: Process context. Sleeps.
 * Return: What call_usermodehelper_exec() returns.
 */
int shared_load_run_helper(struct subprocess_info *info, int wait)
{
	struct shared_load_helper helper = { .requests = LIST_HEAD_INIT(helper.requests) };
	struct shared_load_info *req, *next;
	static unsigned long last_nr;
	int ret;

	spin_lock(&loads_lock);
	if (wait & UMH_WAIT_PROC)
		helper.load = find_current();
	if (helper.load) {
		helper.nr = ++last_nr;
		list_add(&helper.list, &helpers);
		info->init = start_helper;
		info->data = (void *)helper.nr;
	}
	spin_unlock(&loads_lock);

	ret = call_usermodehelper_exec(info, wait);
	if (!helper.load)
		return ret;

	spin_lock(&loads_lock);
	list_del(&helper.list);
	list_for_each_entry_safe(req, next, &helper.requests, made) {
		list_del(&req->made);
		req->maker = NULL;
	}
	spin_unlock(&loads_lock);
	put_pid(helper.tgid);
	return ret;
}

/**
 * shared_load_find_maker() - record which helper makes a request
 * @req: the record of the request
 * Context: The task of the request.
 */
void shared_load_find_maker(struct shared_load_info *req)
{
	struct shared_load_helper *helper;
	struct task_struct *task;

	/* A helper is on the list before its process or a descendant can come here. */
	if (list_empty(&helpers))
		return;

	spin_lock(&loads_lock);
	rcu_read_lock();
	for (task = current; task != &init_task; task = rcu_dereference(task->real_parent))
		list_for_each_entry(helper, &helpers, list)
			if (!req->maker && helper->tgid && helper->tgid == task_tgid(task))
				req->maker = helper;
	if (req->maker)
		list_add_tail(&req->made, &req->maker->requests);
	rcu_read_unlock();
	spin_unlock(&loads_lock);
}

/* Return the helper that @req waits for, directly or through owners, or NULL. */
static struct shared_load_helper *find_helper(const struct shared_load_info *req)
{
	struct shared_load_helper *helper;

	while (req->owner)
		req = req->owner;
	list_for_each_entry(helper, &helpers, list)
		if (helper->load == req)
			return helper;
	return NULL;
}

/* Return whether @helper waits for itself. Search breadth-first, and keep the way in ->via. */
static bool is_in_cycle(struct shared_load_helper *helper)
{
	struct shared_load_helper *pos, *found, *last = helper;
	struct shared_load_info *req;

	list_for_each_entry(pos, &helpers, list) {
		pos->via = NULL;
		pos->next = NULL;
	}
	for (pos = helper; pos && !helper->via; pos = pos->next) {
		list_for_each_entry(req, &pos->requests, made) {
			found = find_helper(req);
			if (!found || found->via)
				continue;
			found->via = req;
			if (found == helper)
				break;
			last->next = found;
			last = found;
		}
	}
	return helper->via;
}

/* Find a helper that waits for itself. */
static struct shared_load_helper *find_cycle(void)
{
	struct shared_load_helper *helper;

	list_for_each_entry(helper, &helpers, list)
		if (is_in_cycle(helper))
			return helper;
	return NULL;
}

/* Refuse and report a request in the cycle of @helper. The report takes much of the stack. */
static noinline void refuse(const struct shared_load_helper *helper)
	__must_hold(&loads_lock)
{
	struct shared_load_info *victim = helper->via, *req;
	const char *arrow = "";
	char text[512];
	int len;

	while (!victim->owner)
		victim = victim->maker->via;
	req = victim;
	do {
		req->maker->cause = req;
		req = req->maker->via;
	} while (req != victim);

	len = scnprintf(text, sizeof(text), "%s: refusing load by %s[%d], would deadlock: ",
			*victim->name ? victim->name : victim->owner->name,
			victim->task->comm, task_pid_nr(victim->task));
	do {
		len += scnprintf(text + len, sizeof(text) - len,
				 req->named ? "%s%s (%s[%d])" : "%s%.0s%s[%d]", arrow, req->name,
				 req->task->comm, task_pid_nr(req->task));
		req = req->owner ?: find_helper(req)->cause;
		arrow = " -> ";
	} while (req != victim);

	list_del(&victim->wait);
	victim->owner = NULL;
	victim->err = -EDEADLK;
	spin_unlock(&loads_lock);
	pr_warn("%s\n", text);
	/* The victim may free its record now. */
	complete(&victim->done);
	spin_lock(&loads_lock);
}

/**
 * shared_load_break_deadlocks() - refuse a request in each deadlock that new waiters close
 * @owner: the owner that the waiters wait for
 * Context: loads_lock held. If there is a deadlock, the lock is dropped and taken again.
 */
void shared_load_break_deadlocks(const struct shared_load_info *owner)
	__must_hold(&loads_lock)
{
	struct shared_load_helper *helper = find_helper(owner);

	if (helper && !is_in_cycle(helper))
		helper = NULL;
	for (; helper; helper = find_cycle())
		refuse(helper);
}
