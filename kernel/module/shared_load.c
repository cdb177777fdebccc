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
 * finds one sleeps until that record has ended, unless it says that the module is
 * live: -EEXIST. The end of no other load wakes it. What a waiter makes of the outcome:
 *
 *  - the module is live: -EEXIST;
 *  - its init function refused the very parameters that the waiter asked with, or
 *    the owner of a symbol took too long: the same errno, to spare the same again;
 *  - the load failed before that, and the waiter asked for the same file with the
 *    same parameters and flags: the same errno, for the same reason;
 *  - anything else, such as a reason of the loading task's own (a signal, no
 *    memory, a bad pointer, EACCES), says nothing about the waiter's
 *    request. It tries to claim again; one waiter wins, the rest wait for that one.
 *
 * A request that has its file, and waits for another that has the name, can still be
 * found when that one has ended. So an outcome is dated, and of no account to those
 * who came later than it.
 *
 * A removal has a record too: who finds it waits until it is done and tries again.
 * It takes the record of the load, if that has not ended, off the list: the module
 * is not live any more. A load that needs a symbol of a module still being loaded
 * waits for that one.
 *
 * Locking: loads_lock protects running_loads and what of its records others look
 * at. A load has its record there from before its module is in the list of modules
 * until it is live, or out of that list again; a removal has one until then. So "nobody
 * works on it and it is not loaded" is one question, asked under loads_lock, and a crowd
 * of requests does not queue for module_mutex with those who work. What makes a module
 * live, or removes it, holds the mutex meanwhile: who finds one that is neither live nor
 * in anybody's record waits for the mutex, and finds that record.
 *
 * No sleeper is missed: a record is found, and leaves the list as @ended is set,
 * under loads_lock, and the waiters are woken after that: whoever found it is in the
 * queue by then, and woken, or is late, and does not sleep, for @ended stays. Who
 * comes later yet starts afresh.
 *
 * No sleeper is freed: a waiter takes a reference under loads_lock, while the
 * record is on the list, and its own request puts its reference only after it has
 * left the list and woken all.
 *
 * No outcome is read too early: it is written before @ended is set and read after
 * @ended has been seen, with release and acquire.
 *
 * A task that dies in the middle of a load, by an oops in the module's init function
 * as a rule, runs loader_died() on its way out. Its record has ended, then, but it
 * stays on the list, with that reference and the file, for nobody knows what state
 * the module is in: who finds it gets -EBUSY without sleeping.
 *
 * No circle of waiters comes from here alone: who has a file may wait for who has
 * the name, and that one for the owner of a symbol, who has all its own symbols
 * and only its init function left to run. A removal waits for nobody. Who has
 * peeked at a name waits for user memory, but for no other request. With what an
 * init or exit function asks for there can be circles: see load_deadlock.c.
 */

#define pr_fmt(fmt) "module: " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/task_work.h>
#include <linux/wait.h>

#include "internal.h"
#include "shared_load.h"

LIST_HEAD(running_loads);
DEFINE_SPINLOCK(loads_lock);

/* Ticks as requests begin and end, to tell what came first. */
static atomic64_t loads_clock;

const char * const shared_load_state_names[] = {
	[SHARED_LOAD_READING]		= "reading",
	[SHARED_LOAD_LOADING]		= "loading",
	[SHARED_LOAD_INITIALIZING]	= "initializing",
	[SHARED_LOAD_FINISHING]		= "finishing",
	[SHARED_LOAD_REMOVING]		= "removing",
};

/**
 * shared_load_put() - put a reference to a request
 * @load: the record of the request, or %NULL
 *
 * Context: Any.
 */
void shared_load_put(struct shared_load_info *load)
{
	if (!load || !refcount_dec_and_test(&load->refs))
		return;
	put_pid(load->serves);
	put_task_struct(load->task);
	kfree(load->args);
	kfree(load);
}

/*
 * The task is exiting, and the request it was at will not come to its end. Or somebody
 * runs task works in the middle of a load, as usermode drivers have done in an init
 * function: it lives, then, and is no longer watched.
 */
static void loader_died(struct callback_head *death)
{
	struct shared_load_info *load = container_of(death, typeof(*load), death);
	bool in_the_way;

	if (!(current->flags & PF_POSTCOREDUMP))
		return;

	spin_lock(&loads_lock);
	in_the_way = !list_empty(&load->list) && !load->is_live;
	if (in_the_way) {
		list_del_init(&load->serving);
		load->outcome = SHARED_LOAD_DEAD;
		load->err = -EBUSY;
		/* As in shared_load_end(). */
		smp_store_release(&load->ended, true);
	}
	spin_unlock(&loads_lock);

	if (!in_the_way) {
		shared_load_end(load, 0);
		return;
	}
	pr_err("%s: %s[%d] has died while %s it: requests for it get EBUSY from now on\n",
	       load->name[0] ? load->name : "a module", load->task->comm,
	       task_pid_nr(load->task), shared_load_state_names[load->state]);
	wake_up_all(&load->until_live);
	wake_up_all(&load->until_end);
}

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
	init_task_work(&load->death, loader_died);
	if (task_work_add(current, &load->death, TWA_NONE)) {
		kfree(load);
		return NULL;
	}
	refcount_set(&load->refs, 1);
	load->begun = atomic64_inc_return(&loads_clock);
	load->task = get_task_struct(current);
	load->since = jiffies;
	init_waitqueue_head(&load->until_live);
	init_waitqueue_head(&load->until_end);
	INIT_LIST_HEAD(&load->list);
	INIT_LIST_HEAD(&load->serving);
	INIT_LIST_HEAD(&load->walk);
	return load;
}

/**
 * shared_load_start() - make the record of a request to load a module
 * @inode: the file, held open until shared_load_end(), or %NULL: user memory
 * @uargs: the module's parameters, a string in user memory
 * @flags: the flags of finit_module()
 *
 * Context: Process context, may sleep.
 * Return:
 * * the record, for shared_load_end() whatever comes
 * * ERR_PTR(-EFAULT) - @uargs cannot be read
 * * ERR_PTR(-EINVAL) - @uargs is longer than any string may be
 * * ERR_PTR(-ENOMEM) - out of memory
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

/* Pairs with the waiter, who is in @queue before it looks at what it waits for. */
static void wake_waiters(wait_queue_head_t *queue)
{
	if (wq_has_sleeper(queue))
		wake_up_all(queue);
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
 * @name: the name of the module
 *
 * Context: module_mutex held.
 * Return: The record of the load or removal, with a reference that
 * shared_load_wait() puts, or %NULL.
 */
struct shared_load_info *shared_load_find(const char *name)
{
	struct shared_load_info *running;

	lockdep_assert_held(&module_mutex);

	spin_lock(&loads_lock);
	running = find_other(NULL, name);
	spin_unlock(&loads_lock);
	return running;
}

/* From now on, who asks for @name waits for @load. */
static void set_name(struct shared_load_info *load, const char *name,
		     enum shared_load_state state)
{
	lockdep_assert_held(&loads_lock);

	shared_load_find_helper(load);
	strscpy(load->name, name, sizeof(load->name));
	load->named = true;
	load->state = state;
	/* How long the work takes is what counts: it has only waited so far. */
	if (load->waits_since)
		load->since = jiffies;
	if (list_empty(&load->list))
		list_add(&load->list, &running_loads);
}

static void set_live(struct shared_load_info *load)
{
	lockdep_assert_held(&loads_lock);

	load->named = false;
	load->state = SHARED_LOAD_FINISHING;
	WRITE_ONCE(load->is_live, true);
}

/**
 * shared_load_live() - note that the module is live, for all to find
 * @load: the record of this request
 *
 * Who waits for a symbol of the module need wait no longer. Who waits for the
 * load still does, for shared_load_end(): it may have more to do.
 *
 * Context: The task that made the request, module_mutex held since the module
 * became MODULE_STATE_LIVE.
 */
void shared_load_live(struct shared_load_info *load)
{
	lockdep_assert_held(&module_mutex);

	spin_lock(&loads_lock);
	set_live(load);
	spin_unlock(&loads_lock);
	load->outcome = SHARED_LOAD_LIVE;
	wake_waiters(&load->until_live);
}

/* This request gets what another one came to, having waited for that or not. */
static int merge(struct shared_load_info *load, enum shared_load_outcome outcome, int err)
{
	load->outcome = outcome;
	mod_stat_inc(&merged_requests);
	mod_stat_add_long(load->bytes, &merged_bytes);
	return err;
}

/* What @running, which has ended, means to @load: an errno, or 0 to try again. */
static int shared_outcome(struct shared_load_info *load,
			  const struct shared_load_info *running)
{
	load->has_waited |= running->state != SHARED_LOAD_REMOVING &&
			    running->outcome != SHARED_LOAD_LIVE;
	load->bytes = running->bytes;
	switch (running->outcome) {
	case SHARED_LOAD_OWN:
		return 0;
	case SHARED_LOAD_DEAD:
		break;
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
		if (strcmp(load->args, running->args) || running->dated < load->begun)
			return 0;
		load->dated = running->dated;
		break;
	}
	return merge(load, running->outcome, running->err);
}

static bool has_ended(const struct shared_load_info *running)
{
	/* Pairs with shared_load_end(). */
	return smp_load_acquire(&running->ended);
}

/* Does not @load have to sleep for @running, or for a @symbol of it, any more? */
static bool is_over(const struct shared_load_info *load,
		    const struct shared_load_info *running, const char *symbol)
{
	return has_ended(running) || READ_ONCE(load->refused) ||
	       (symbol && READ_ONCE(running->is_live));
}

/*
 * wait_event_interruptible_timeout(), but that who was woken does not, as a rule, go to
 * @queue once more, the lock of which is held until all the others are awake.
 */
static long sleep_in(wait_queue_head_t *queue, const struct shared_load_info *load,
		     const struct shared_load_info *running, const char *symbol, long timeout)
{
	DEFINE_WAIT(wait);
	long err;

	do {
		err = prepare_to_wait_event(queue, &wait, TASK_INTERRUPTIBLE);
		if (err || is_over(load, running, symbol))
			break;
		timeout = schedule_timeout(timeout);
	} while (timeout && !is_over(load, running, symbol));
	finish_wait(queue, &wait);
	if (is_over(load, running, symbol))
		return timeout ?: 1;
	return err ?: timeout;
}

/*
 * Sleeps until @running has ended or, for a @symbol of it, its module is live. Returns
 * what is left of @timeout and at least 1, 0 if it ran out, or an errno.
 */
static long sleep_on(struct shared_load_info *load, struct shared_load_info *running,
		     const char *symbol, long timeout)
{
	wait_queue_head_t *queue = symbol ? &running->until_live : &running->until_end;
	unsigned long slept = 0, due;
	unsigned int nth = 0;
	long slice, left;
	int refused;

	shared_load_starts_to_wait(load, running, symbol);
	for (;;) {
		/* Once for both: the parameter can be written at any time. */
		while ((due = shared_load_report_due(nth)) <= slept)
			nth++;
		slice = min_t(unsigned long, timeout, due - slept);
		left = sleep_in(queue, load, running, symbol, slice);
		if (left)
			break;
		slept += slice;
		/* Before it gives up, if that comes to the same time. */
		if (shared_load_report_due(nth) <= slept)
			shared_load_report(running, nth);
		if (slice == timeout)
			break;
		if (timeout != MAX_SCHEDULE_TIMEOUT)
			timeout -= slice;
	}
	refused = shared_load_stops_waiting(load);
	if (left <= 0)
		return left;
	return refused ?: timeout - (slice - left);
}

/* Sleeps until @running, a reference to which is given away here, has ended. */
static int wait_for_outcome(struct shared_load_info *load,
			    struct shared_load_info *running)
{
	long err;

	err = sleep_on(load, running, NULL, MAX_SCHEDULE_TIMEOUT);
	if (err > 0)
		err = shared_outcome(load, running);
	shared_load_trace_answer(load, running, err);
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
 * * %-EBUSY - the task that loaded it is dead
 * * %-EDEADLK - the load waits for this request
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
		if (!running) {
			shared_load_find_helper(load);
			list_add(&load->list, &running_loads);
		}
		spin_unlock(&loads_lock);

		if (!running)
			return 0;
		if (is_live) {
			shared_load_trace_late_answer(load, running->name, -EEXIST);
			shared_load_put(running);
			return merge(load, SHARED_LOAD_LIVE, -EEXIST);
		}
		err = wait_for_outcome(load, running);
		if (err)
			return err;
	}
}

/* The image of a request for @name was read in vain: for MODULE_STATS. */
static void count_duplicate(const char *name)
{
	int err;

	if (!IS_ENABLED(CONFIG_MODULE_STATS))
		return;
	mutex_lock(&module_mutex);
	err = try_add_failed_module(name, FAIL_DUP_MOD_BECOMING);
	mutex_unlock(&module_mutex);
	if (err)
		pr_warn("Could not add fail-tracking for module: %s\n", name);
}

/* An enum module_state, or -ENOENT. */
static int state_of_module(const char *name)
{
	const struct module *mod;
	int state = -ENOENT;

	rcu_read_lock_sched();
	mod = find_module_all(name, strlen(name), true);
	if (mod) {
		/* Written plainly, by one task at a time: the old state or the new. */
		state = data_race(READ_ONCE(mod->state));
	}
	rcu_read_unlock_sched();
	return state;
}

/*
 * Nobody works on @name. So a module that has it is live, unless somebody is just about to
 * remove it: -EAGAIN.
 */
static int claim_unused(struct shared_load_info *load, const char *name)
{
	lockdep_assert_held(&loads_lock);

	switch (state_of_module(name)) {
	case MODULE_STATE_LIVE:
		/* For shared_load_removing() to find. */
		if (!list_empty(&load->list))
			set_name(load, name, SHARED_LOAD_FINISHING);
		set_live(load);
		return -EEXIST;
	case -ENOENT:
		break;
	case MODULE_STATE_GOING:
		return -EAGAIN;
	default:
		/* Without a record, nothing else happens to a module. */
		WARN_ON_ONCE(1);
		return -EBUSY;
	}
	/* Loading may have been switched off while this request slept. */
	if (READ_ONCE(modules_disabled))
		return -EPERM;
	load->bytes = 0;
	set_name(load, name, load->peeked ? SHARED_LOAD_READING : SHARED_LOAD_LOADING);
	return 0;
}

/* What to wait for, with a reference, or NULL: @err tells what has come of the claim. */
static struct shared_load_info *find_or_claim(struct shared_load_info *load, const char *name,
					      int *err)
{
	struct shared_load_info *running;

	/* A crowd that comes late, and has nothing to note, need not queue for a lock. */
	*err = -EEXIST;
	if (list_empty(&load->list) && state_of_module(name) == MODULE_STATE_LIVE)
		return NULL;

	for (;;) {
		spin_lock(&loads_lock);
		running = find_other(load, name);
		*err = running ? 0 : claim_unused(load, name);
		spin_unlock(&loads_lock);
		if (*err != -EAGAIN)
			return running;

		/* Whoever is about to remove it holds this until that shows. */
		mutex_lock(&module_mutex);
		mutex_unlock(&module_mutex);
	}
}

static int claim_name(struct shared_load_info *load, const char *name, bool peek)
{
	struct shared_load_info *running;
	bool counted = peek;
	int err;

	load->peeked = peek;
	do {
		running = find_or_claim(load, name, &err);
		if (!counted && (running || err == -EEXIST))
			count_duplicate(name);
		counted = true;

		if (running) {
			err = wait_for_outcome(load, running);
		} else if (err) {
			if (err == -EEXIST)
				merge(load, SHARED_LOAD_LIVE, err);
			shared_load_trace_late_answer(load, name, err);
		} else if (load->has_waited) {
			shared_load_trace_takeover(load);
		}
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
 * * %-EBUSY - the task that loaded or removed the module is dead
 * * %-EDEADLK - the load or the removal waits for this request
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
		WRITE_ONCE(load->state, SHARED_LOAD_LOADING);
		return 0;
	}
	return claim_name(load, name, false);
}

/* The system call is to be restarted, which is between a task and its signals. */
static bool is_restart(int err)
{
	return err == -ERESTARTSYS || err == -ERESTARTNOINTR ||
	       err == -ERESTARTNOHAND || err == -ERESTART_RESTARTBLOCK;
}

/**
 * shared_load_decided() - note that from here on a load can only fail
 * @load: the record of this request, which has claimed its name
 *
 * Who asks from now on is not told of it: what the load failed for, a symbol or a
 * device, may be there by then.
 *
 * Context: The task that runs the load, before shared_load_end().
 */
void shared_load_decided(struct shared_load_info *load)
{
	if (!load->dated)
		load->dated = atomic64_inc_return(&loads_clock);
}

/**
 * shared_load_initializing() - note that the module's init function runs
 * @load: the record of this request, which has claimed its name
 *
 * Context: The task that runs the load.
 */
void shared_load_initializing(struct shared_load_info *load)
{
	WRITE_ONCE(load->state, SHARED_LOAD_INITIALIZING);
}

/**
 * shared_load_refused() - note a failure that is for all who ask the same
 * @load: the record of this request, which has claimed its name
 * @err: what the init function returned, or %-EBUSY for the owner of a symbol
 *
 * An init function that gave up because its task was interrupted, or killed, has not
 * refused anything: whoever waits may do better.
 *
 * Context: The task that runs the load, before shared_load_end().
 */
void shared_load_refused(struct shared_load_info *load, int err)
{
	bool own_reason = fatal_signal_pending(current) || is_restart(err) ||
			  (signal_pending(current) && err == -EINTR);

	shared_load_decided(load);
	if (!own_reason)
		load->outcome = SHARED_LOAD_REFUSED;
}

/**
 * shared_load_removing() - have the requests for a module wait for its removal
 * @load: the record of this request
 * @name: the name of the module, which has just become MODULE_STATE_GOING
 *
 * Context: module_mutex held since the module was live, for who claims its name.
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
	set_name(load, name, SHARED_LOAD_REMOVING);
	spin_unlock(&loads_lock);
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
			  err == -EFAULT || err == -EACCES || err == -EDEADLK ||
			  is_restart(err);

	task_work_cancel(current, &load->death);

	load->err = err;
	shared_load_decided(load);
	if (load->outcome == SHARED_LOAD_OWN && err && !own_reason)
		load->outcome = SHARED_LOAD_BROKEN;

	spin_lock(&loads_lock);
	list_del_init(&load->list);
	list_del_init(&load->serving);
	/* Whoever sees it sees the outcome as well: has_ended(). */
	smp_store_release(&load->ended, true);
	spin_unlock(&loads_lock);
	wake_waiters(&load->until_live);
	wake_waiters(&load->until_end);
	shared_load_put(load);
	return err;
}

/**
 * shared_load_wait() - wait until a module is live, or the work on it has ended
 * @load: the record of this request
 * @running: what shared_load_find() found; not to be touched afterwards
 * @symbol: the symbol of it that this request needs
 * @timeout: how long to wait at most, in jiffies
 *
 * Context: Process context, module_mutex not held. Sleeps.
 * Return:
 * * what is left of @timeout, and at least 1
 * * 0 - it ran out, or the task that loaded the module is dead
 * * %-EDEADLK - the load waits for this request
 * * %-ERESTARTSYS - a signal came in
 */
long shared_load_wait(struct shared_load_info *load, struct shared_load_info *running,
		      const char *symbol, long timeout)
{
	timeout = sleep_on(load, running, symbol, timeout);
	if (timeout > 0 && has_ended(running) && running->outcome == SHARED_LOAD_DEAD)
		timeout = 0;
	shared_load_trace_answer(load, running, timeout > 0 ? 0 : timeout ?: -EBUSY);
	shared_load_put(running);
	return timeout;
}
