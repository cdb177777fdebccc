// SPDX-License-Identifier: GPL-2.0-only
/*
 * One load per module name
 *
 * Many CPUs may ask for the same module at the same moment. One request does the
 * work; the others wait for it here, and learn what came of it.
 *
 * Theory of operation
 *
 * Each request has a record, on running_loads while the request does work that
 * others need not do again:
 *
 *	shared_load_start()		the record; nobody else can see it
 *	shared_load_claim(NULL)		finit_module(): before the file is read
 *	shared_load_claim(name)		before any module memory is laid out
 *	   ... layout_and_allocate() ... do_init_module() ...
 *	shared_load_live()		off the list, the module speaks for itself
 *	shared_load_end()		off the list, outcome known, waiters awake
 *
 * To claim a file, or a name, is to find no record there that has it. Whoever
 * finds one sleeps on that record's completion, and nobody else's. What a waiter
 * makes of the outcome:
 *
 *  - the module is live: -EEXIST;
 *  - its init function refused the very parameters that the waiter asked with, or
 *    the owner of a symbol took too long: the same errno, to spare the same again;
 *  - the load failed before that, and the waiter asked for the same file with the
 *    same parameters and flags: the same errno, for the same reason;
 *  - anything else, such as a reason of the loading task's own (a signal, no
 *    memory, a bad pointer), says nothing about the waiter's request. It tries to
 *    claim again; one waiter wins, the rest wait for that one.
 *
 * A removal has a record too: who finds it waits until it is done and tries again.
 * A load that needs a symbol of a module still being loaded waits for that one.
 *
 * Locking: module_mutex protects running_loads and the names in it, and makes
 * "nobody works on it and it is not loaded" one question. Who is woken to an
 * answer does not need it.
 *
 * No sleeper is missed: a record is found, and leaves the list, under module_mutex,
 * and complete_all() comes after that: whoever found it is woken or, if late, does
 * not sleep, for the completion stays done. Who comes later yet starts afresh.
 *
 * No sleeper is freed: a waiter takes a reference under module_mutex, where the
 * record's own request still holds one, put only after the record has left the
 * list. A task that dies in the middle of a load leaves its record there, with that
 * reference and the file: who waits for it can be killed, and the inode, which is
 * only compared, stays what it was.
 *
 * No outcome is read too early: it is written before complete_all() and read
 * after the wait, and the completion's lock orders the two.
 *
 * No circle of waiters comes from here alone: who has a file may wait for who has
 * the name, and that one for the owner of a symbol, who has all its own symbols
 * and only its init function left to run. A removal waits for nobody.
 */

#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"
#include "shared_load.h"

/* The requests that do the work. Under module_mutex. */
static LIST_HEAD(running_loads);

/**
 * shared_load_alloc() - make the record of a request
 *
 * Context: Process context, may sleep.
 * Return: The record, for shared_load_end() whatever comes, or %NULL: no memory.
 */
struct shared_load_info *shared_load_alloc(void)
{
	struct shared_load_info *load;

	load = kzalloc(sizeof(*load), GFP_KERNEL);
	if (!load)
		return NULL;
	refcount_set(&load->refs, 1);
	init_completion(&load->live);
	init_completion(&load->done);
	INIT_LIST_HEAD(&load->list);
	return load;
}

static void shared_load_put(struct shared_load_info *load)
{
	if (!refcount_dec_and_test(&load->refs))
		return;
	kfree(load->args);
	kfree(load);
}

/**
 * shared_load_live() - note that the module is live, for all to find
 * @load: the record of this request
 *
 * Who waits for a symbol of the module need wait no longer. Who waits for the
 * load still does, for shared_load_end(): it may have more to do.
 *
 * Context: The task that made the request, module_mutex held since the module
 * became, or was found, MODULE_STATE_LIVE.
 */
void shared_load_live(struct shared_load_info *load)
{
	lockdep_assert_held(&module_mutex);

	load->outcome = SHARED_LOAD_LIVE;
	list_del_init(&load->list);
	complete_all(&load->live);
}

/**
 * shared_load_find() - find out who works on a module
 * @inode: the file that the module is in, looked at if there is no @name
 * @name: the name of the module, or %NULL
 *
 * Context: module_mutex held.
 * Return: The record of the load or removal, with a reference that
 * shared_load_wait() puts, or %NULL.
 */
struct shared_load_info *shared_load_find(const struct inode *inode, const char *name)
{
	struct shared_load_info *load;

	lockdep_assert_held(&module_mutex);

	list_for_each_entry(load, &running_loads, list) {
		if (name ? load->named && !strcmp(load->name, name) :
			   load->inode == inode) {
			refcount_inc(&load->refs);
			return load;
		}
	}
	return NULL;
}

/* What @running, which has ended, means to @load: an errno, or 0 to try again. */
static int shared_outcome(struct shared_load_info *load,
			  const struct shared_load_info *running)
{
	switch (running->outcome) {
	case SHARED_LOAD_OWN:
		return 0;
	case SHARED_LOAD_LIVE:
		/* Who waits for our file must not miss that it goes again. */
		if (!list_empty(&load->list))
			return 0;
		break;
	case SHARED_LOAD_BROKEN:
		if (!load->inode || load->inode != running->inode ||
		    load->flags != running->flags)
			return 0;
		fallthrough;
	case SHARED_LOAD_REFUSED:
		if (strcmp(load->args, running->args))
			return 0;
		break;
	}
	load->outcome = running->outcome;
	mod_stat_inc(&merged_requests);
	return running->outcome == SHARED_LOAD_LIVE ? -EEXIST : running->err;
}

static void publish(struct shared_load_info *load, const char *name)
{
	if (name)
		strscpy(load->name, name, sizeof(load->name));
	load->named = name;
	if (list_empty(&load->list))
		list_add(&load->list, &running_loads);
}

/* Nobody works on what is to be claimed; a module of that name is live, then. */
static int claim_unused(struct shared_load_info *load, const char *name)
{
	if (name && find_module_all(name, strlen(name), true)) {
		shared_load_live(load);
		return -EEXIST;
	}
	/* Loading may have been switched off while this request slept. */
	if (modules_disabled)
		return -EPERM;
	publish(load, name);
	return 0;
}

/* The image of a request for @name was read in vain: for MODULE_STATS. */
static void count_duplicate(const char *name)
{
	lockdep_assert_held(&module_mutex);

	if (try_add_failed_module(name, FAIL_DUP_MOD_BECOMING))
		pr_warn("Could not add fail-tracking for module: %s\n", name);
}

/**
 * shared_load_start() - make the record of a request to load a module
 * @inode: the file, held open until shared_load_end(), or %NULL: user memory
 * @uargs: the module's parameters, a string in user memory
 * @flags: the flags of finit_module()
 *
 * Context: Process context, may sleep.
 * Return: The record, for shared_load_end() whatever comes, or an ERR_PTR():
 * * %-EFAULT - @uargs cannot be read
 * * %-EINVAL - @uargs is longer than any string may be
 * * %-ENOMEM - out of memory
 */
struct shared_load_info *shared_load_start(const struct inode *inode,
					   const char __user *uargs, int flags)
{
	struct shared_load_info *load;
	char *args;

	args = strndup_user(uargs, ~0UL >> 1);
	if (IS_ERR(args))
		return ERR_CAST(args);

	load = shared_load_alloc();
	if (!load) {
		kfree(args);
		return ERR_PTR(-ENOMEM);
	}
	load->inode = inode;
	load->args = args;
	load->flags = flags;
	return load;
}

/**
 * shared_load_claim() - become the one load of a file or a name, or wait for it
 * @load: the record of this request
 * @name: the module's name; %NULL to claim the file
 *
 * Context: Process context, module_mutex not held. Sleeps while another load or
 * a removal has it, which takes what the module's init or exit function takes.
 * Return:
 * * 0 - ours until shared_load_end(); no module of that name exists
 * * %-EEXIST - the module is live
 * * %-ERESTARTSYS - a signal came in while this request slept
 * * %-EPERM - module loading was switched off in the meantime
 * * any other errno of the load that this request waited for, which is what
 *   this request would come to as well
 */
int shared_load_claim(struct shared_load_info *load, const char *name)
{
	struct shared_load_info *running;
	bool waited = false;
	int err;

	mutex_lock(&module_mutex);
	while ((running = shared_load_find(load->inode, name))) {
		if (name && !waited)
			count_duplicate(name);
		waited = true;
		mutex_unlock(&module_mutex);

		err = wait_for_completion_interruptible(&running->done);
		if (!err)
			err = shared_outcome(load, running);
		shared_load_put(running);
		if (err)
			return err;

		mutex_lock(&module_mutex);
	}
	err = claim_unused(load, name);
	if (name && err && !waited)
		count_duplicate(name);
	mutex_unlock(&module_mutex);
	return err;
}

/**
 * shared_load_refused() - note a failure that is for all who ask the same
 * @load: the record of this request, which has claimed its name
 * @err: what the init function returned, or %-EBUSY for the owner of a symbol
 *
 * An init function that gave up because its task was interrupted has not refused
 * anything: whoever waits may do better.
 *
 * Context: The task that runs the load, before shared_load_end().
 */
void shared_load_refused(struct shared_load_info *load, int err)
{
	if (!signal_pending(current) || (err != -EINTR && err != -ERESTARTSYS))
		load->outcome = SHARED_LOAD_REFUSED;
}

/**
 * shared_load_removing() - have the requests for a module wait for its removal
 * @load: the record of this request
 * @name: the name of the module, which has just become MODULE_STATE_GOING
 *
 * Context: module_mutex held since the module was live.
 */
void shared_load_removing(struct shared_load_info *load, const char *name)
{
	lockdep_assert_held(&module_mutex);

	publish(load, name);
}

/**
 * shared_load_end() - publish the outcome of a request, and wake who waits for it
 * @load: the record of this request; not to be touched afterwards
 * @err: 0 if the module is live, or gone, else the errno of the request
 *
 * Context: The task that made the request, module_mutex not held. May sleep.
 * Return: @err
 */
int shared_load_end(struct shared_load_info *load, int err)
{
	bool own_reason = signal_pending(current) || err == -ENOMEM || err == -EFAULT;

	load->err = err;
	if (load->outcome == SHARED_LOAD_OWN && err && !own_reason)
		load->outcome = SHARED_LOAD_BROKEN;

	/* Only this task puts the record on the list, or takes it off. */
	if (!list_empty(&load->list)) {
		mutex_lock(&module_mutex);
		list_del_init(&load->list);
		mutex_unlock(&module_mutex);
	}
	complete_all(&load->live);
	complete_all(&load->done);
	shared_load_put(load);
	return err;
}

/**
 * shared_load_wait() - wait until a module is live, or the work on it has ended
 * @load: what shared_load_find() found; not to be touched afterwards
 * @timeout: how long to wait at most, in jiffies
 *
 * Context: Process context, module_mutex not held. Sleeps.
 * Return: What is left of @timeout and at least 1, 0 if it ran out, or
 * %-ERESTARTSYS if a signal came in.
 */
long shared_load_wait(struct shared_load_info *load, long timeout)
{
	timeout = wait_for_completion_interruptible_timeout(&load->live, timeout);
	shared_load_put(load);
	return timeout;
}
