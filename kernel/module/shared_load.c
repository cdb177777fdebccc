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
 *	shared_load_claim_file()	finit_module(): before the file is read
 *	shared_load_peek()		init_module(): before the image is copied
 *	shared_load_claim()		before any module memory is laid out
 *	   ... layout_and_allocate() ... do_init_module() ...
 *	shared_load_live()		whoever finds it now need not wait
 *	shared_load_end()		off the list, outcome known, waiters awake
 *
 * To claim a file, or a name, is to find no record there that has it. Whoever
 * finds one sleeps on that record's completion, and nobody else's, unless it says
 * that the module is live: -EEXIST. What a waiter makes of the outcome:
 *
 *  - the module is live: -EEXIST;
 *  - its init function refused the very parameters that the waiter asked with, or
 *    the owner of a symbol took too long: the same errno, to spare the same again;
 *  - the load failed before that, and the waiter asked for the same file with the
 *    same parameters and flags: the same errno, for the same reason;
 *  - anything else, such as a reason of the loading task's own (a signal, no
 *    memory, a bad pointer, no permission), says nothing about the waiter's
 *    request. It tries to claim again; one waiter wins, the rest wait for that one.
 *
 * A removal has a record too: who finds it waits until it is done and tries again.
 * It takes the record of the load, if that has not ended, off the list: the module
 * is not live any more. A load that needs a symbol of a module still being loaded
 * waits for that one.
 *
 * Locking: loads_lock protects running_loads and what of its records others look
 * at. A name is claimed, and a module becomes live or goes, under module_mutex as
 * well, which makes "nobody works on it and it is not loaded" one question. Who
 * asks for a file that somebody else has does not need the mutex.
 *
 * No sleeper is missed: a record is found, and leaves the list, under loads_lock,
 * and complete_all() comes after that: whoever found it is woken or, if late, does
 * not sleep, for the completion stays done. Who comes later yet starts afresh.
 *
 * No sleeper is freed: a waiter takes a reference under loads_lock, while the
 * record is on the list, and its own request puts its reference only after the
 * record has left the list. A task that dies in the middle of a load leaves its
 * record there, with that reference and the file: who waits for it can be killed,
 * and the inode, which is only compared, stays what it was.
 *
 * No outcome is read too early: it is written before complete_all() and read
 * after the wait, and the completion's lock orders the two.
 *
 * No circle of waiters comes from here alone: who has a file may wait for who has
 * the name, and that one for the owner of a symbol, who has all its own symbols
 * and only its init function left to run. A removal waits for nobody. Who has
 * peeked at a name waits for user memory, but for no other request.
 */

#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "internal.h"
#include "shared_load.h"

/* The requests that do the work. */
static LIST_HEAD(running_loads);
static DEFINE_SPINLOCK(loads_lock);

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

/* The record that @load has to wait for, with a reference, or NULL. */
static struct shared_load_info *find_other(const struct shared_load_info *load,
					   const char *name)
{
	struct shared_load_info *pos;

	lockdep_assert_held(&loads_lock);

	list_for_each_entry(pos, &running_loads, list) {
		if (pos != load && (name ? pos->named && !strcmp(pos->name, name) :
					   pos->inode == load->inode)) {
			refcount_inc(&pos->refs);
			return pos;
		}
	}
	return NULL;
}

/**
 * shared_load_find() - find out who else works on a module
 * @load: the record of this request, or %NULL if it has none of that name
 * @name: the name of the module
 *
 * Context: module_mutex held.
 * Return: The record of the load or removal, with a reference that
 * shared_load_wait() puts, or %NULL.
 */
struct shared_load_info *shared_load_find(const struct shared_load_info *load,
					  const char *name)
{
	struct shared_load_info *running;

	lockdep_assert_held(&module_mutex);

	spin_lock(&loads_lock);
	running = find_other(load, name);
	spin_unlock(&loads_lock);
	return running;
}

/* From now on, who asks for @name waits for @load. */
static void set_name(struct shared_load_info *load, const char *name)
{
	lockdep_assert_held(&module_mutex);

	spin_lock(&loads_lock);
	strscpy(load->name, name, sizeof(load->name));
	load->named = true;
	if (list_empty(&load->list))
		list_add(&load->list, &running_loads);
	spin_unlock(&loads_lock);
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

	spin_lock(&loads_lock);
	load->named = false;
	load->is_live = true;
	spin_unlock(&loads_lock);
	load->outcome = SHARED_LOAD_LIVE;
	complete_all(&load->live);
}

/* This request gets what another one came to. */
static int merge(struct shared_load_info *load, enum shared_load_outcome outcome,
		 int err)
{
	load->outcome = outcome;
	mod_stat_inc(&merged_requests);
	return err;
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
		return merge(load, SHARED_LOAD_LIVE, -EEXIST);
	case SHARED_LOAD_BROKEN:
		/* No claim before the copy for this one: see shared_load_peek(). */
		if (running->peeked)
			load->peeked = false;
		if (!load->inode || load->inode != running->inode ||
		    load->flags != running->flags)
			return 0;
		fallthrough;
	case SHARED_LOAD_REFUSED:
		if (strcmp(load->args, running->args))
			return 0;
		break;
	}
	return merge(load, running->outcome, running->err);
}

/* Sleeps until @running, a reference to which is given away here, has ended. */
static int wait_for_outcome(struct shared_load_info *load,
			    struct shared_load_info *running)
{
	int err;

	err = wait_for_completion_interruptible(&running->done);
	if (!err)
		err = shared_outcome(load, running);
	shared_load_put(running);
	return err;
}

/**
 * shared_load_claim_file() - become the one load of a file, or wait for it
 * @load: the record of this request, which was made for a file
 *
 * Context: Process context. Sleeps while another request has the file, and so
 * for as long as shared_load_claim() may.
 * Return:
 * * 0 - ours until shared_load_end()
 * * %-EEXIST - the module in it is live
 * * %-ERESTARTSYS - a signal came in while this request slept
 * * any other errno of the load that this request waited for, which is what
 *   this request would come to as well
 */
int shared_load_claim_file(struct shared_load_info *load)
{
	struct shared_load_info *running;
	bool is_live;
	int err;

	for (;;) {
		spin_lock(&loads_lock);
		running = find_other(load, NULL);
		is_live = running && running->is_live;
		if (!running)
			list_add(&load->list, &running_loads);
		spin_unlock(&loads_lock);

		if (!running)
			return 0;
		if (is_live) {
			shared_load_put(running);
			return merge(load, SHARED_LOAD_LIVE, -EEXIST);
		}
		err = wait_for_outcome(load, running);
		if (err)
			return err;
	}
}

/* Nobody works on @name: a module that has it is live, then. */
static int claim_unused(struct shared_load_info *load, const char *name)
{
	if (find_module_all(name, strlen(name), true)) {
		/* For shared_load_removing() to find. */
		if (!list_empty(&load->list))
			set_name(load, name);
		shared_load_live(load);
		return merge(load, SHARED_LOAD_LIVE, -EEXIST);
	}
	/* Loading may have been switched off while this request slept. */
	if (modules_disabled)
		return -EPERM;
	set_name(load, name);
	return 0;
}

/* The image of a request for @name was read in vain: for MODULE_STATS. */
static void count_duplicate(const char *name)
{
	lockdep_assert_held(&module_mutex);

	if (try_add_failed_module(name, FAIL_DUP_MOD_BECOMING))
		pr_warn("Could not add fail-tracking for module: %s\n", name);
}

static int claim_name(struct shared_load_info *load, const char *name, bool peek)
{
	struct shared_load_info *running;
	bool counted = peek;
	int err = 0;

	load->peeked = peek;
	do {
		mutex_lock(&module_mutex);
		running = shared_load_find(load, name);
		if (!running)
			err = claim_unused(load, name);
		if (!counted && (running || err == -EEXIST))
			count_duplicate(name);
		counted = true;
		mutex_unlock(&module_mutex);

		if (running)
			err = wait_for_outcome(load, running);
	} while (running && !err && load->peeked == peek);
	return err;
}

/**
 * shared_load_peek() - claim a name before it is known for sure, or wait for it
 * @load: the record of this request
 * @name: the module's name, as user space says
 *
 * The word of user space is good enough to wait, or not to load at all, but not to
 * load: shared_load_claim() has to follow, and refuses any other name. A claim like
 * this keeps the others from reading their images. But if one has turned out to be
 * broken, who waited for it makes none: that may be so of all of them, and it takes
 * less time if they find out at the same time.
 *
 * Context: as shared_load_claim()
 * Return: as shared_load_claim(), but that 0 need not mean that the name is ours.
 */
int shared_load_peek(struct shared_load_info *load, const char *name)
{
	return claim_name(load, name, true);
}

/**
 * shared_load_claim() - become the one load of a name, or wait for it
 * @load: the record of this request
 * @name: the module's name
 *
 * Context: Process context, module_mutex not held. Sleeps while another load or
 * a removal has it, which takes what the module's init or exit function takes.
 * Return:
 * * 0 - ours until shared_load_end(); no module of that name exists
 * * %-EEXIST - the module is live
 * * %-ERESTARTSYS - a signal came in while this request slept
 * * %-EPERM - module loading was switched off in the meantime
 * * %-ENOEXEC - this request has peeked at another name
 * * any other errno of the load that this request waited for, which is what
 *   this request would come to as well
 */
int shared_load_claim(struct shared_load_info *load, const char *name)
{
	if (load->named) {
		/* User memory has changed between the peek and the copy. */
		if (strcmp(load->name, name))
			return -ENOEXEC;
		load->peeked = false;
		return 0;
	}
	return claim_name(load, name, false);
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
	struct shared_load_info *pos, *next;

	lockdep_assert_held(&module_mutex);

	/* It was live to these, which have not quite ended. */
	spin_lock(&loads_lock);
	list_for_each_entry_safe(pos, next, &running_loads, list) {
		if (pos->is_live && !strcmp(pos->name, name))
			list_del_init(&pos->list);
	}
	spin_unlock(&loads_lock);
	set_name(load, name);
}

/**
 * shared_load_end() - publish the outcome of a request, and wake who waits for it
 * @load: the record of this request; not to be touched afterwards
 * @err: 0 if the module is live, or gone, else the errno of the request
 *
 * Context: The task that made the request. Does not sleep.
 * Return: @err
 */
int shared_load_end(struct shared_load_info *load, int err)
{
	bool own_reason = signal_pending(current) || err == -ENOMEM ||
			  err == -EFAULT || err == -EACCES;

	load->err = err;
	if (load->outcome == SHARED_LOAD_OWN && err && !own_reason)
		load->outcome = SHARED_LOAD_BROKEN;

	spin_lock(&loads_lock);
	list_del_init(&load->list);
	spin_unlock(&loads_lock);
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
