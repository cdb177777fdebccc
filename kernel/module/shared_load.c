// SPDX-License-Identifier: GPL-2.0-only
/*
 * Concurrent loads of one module
 *
 * Many tasks may request the same module at the same time. One request does the work. The
 * others wait for it before they allocate module memory.
 *
 * Life of a request, in the task that makes it:
 *	shared_load_start()	allocate the record
 *	shared_load_peek()	own the name of an image in user memory, or wait for the owner
 *	shared_load_claim()	own the file, then the name, or wait for the owner
 *	shared_load_live()	deliver -EEXIST to the waiters
 *	shared_load_end()	deliver any other outcome, free the record
 *
 * A file or a name has at most one owner. Other requests join the owner's waiters, and each sleeps
 * on a completion of its own. The owner delivers its outcome. Of the waiters that do not share it,
 * the one that has waited longest becomes the owner. The others move to it without waking up.
 * Files and names are handed over separately, because waiters for a file have no image yet.
 * Requests that join a failing load do not share its errno. The owner of a file may wait for a
 * name. A removal owns the name of its module. A load that needs a symbol waits for the owner of
 * the exporting module's name. It then looks for the symbol again.
 *
 * A name that was peeked at in user memory is unverified until the image has been copied and
 * checked, and the copy can take forever. So a request with a checked image takes the name away
 * from an unverified owner, together with its waiters. The waiters of an unverified owner have
 * not copied their images either. They do so after a second, or if that owner's image is bad.
 *
 * Protection:
 *	list, waiters, wait, owner, need,	loads_lock
 *	named, removal, failing, late, unverified
 *	outcome, err, enomem			own task; loads_lock if it waits or died
 *	name					own task; constant while it waits or is named
 *	build_id				own task; constant while it waits
 *	task, inode, args, flags		constant
 *
 * Invariant: a listed module is live, or its name has an owner, or that owner died. A load takes
 * the name before it adds the module. It gives the name up as it sets MODULE_STATE_LIVE under
 * loads_lock, or once the module is off the list. A removal takes it as it sets MODULE_STATE_GOING.
 *
 * No lost wakeups: a request joins an owner on running_loads, under loads_lock. An owner leaves
 * running_loads first, and then empties its waiters under the lock.
 *
 * Lifetime: a task frees its own record, which then is off running_loads, has no waiters, and
 * waits for no owner. If another task took it off a list of waiters, that task's last access is
 * complete(), and the record's task waits for that. The record of a task that died is never freed.
 *
 * Ordering: complete() orders what a deliverer writes to a record before what the waiter reads.
 *
 * No deadlock: the owner of a file may wait for the owner of a name. That owner may wait for the
 * load of a module that exports a symbol. Such a load has resolved its own symbols. If init and
 * exit functions wait for requests of a helper, load_deadlock.c finds cycles. An exit function may
 * wait for other requests, so requests wait for a removal for 5 s only.
 */

#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <uapi/linux/module.h>
#include "internal.h"
#include "shared_load.h"

LIST_HEAD(running_loads);
DEFINE_SPINLOCK(loads_lock);

/**
 * shared_load_start() - allocate the record of a request
 * @inode: the file to load, held open until shared_load_end(), or NULL
 * @uargs: the parameters in user memory. If NULL or unreadable, no other request is the same
 * @flags: the flags of finit_module()
 * @gfp: allocation flags
 *
 * Context: Process context. Sleeps.
 * Return: The record, which shared_load_end() frees, or NULL if out of memory.
 */
struct shared_load_info *shared_load_start(const struct inode *inode, const char __user *uargs,
					   int flags, gfp_t gfp)
{
	struct shared_load_info *req = kmalloc(sizeof(*req), gfp);
	char first;

	if (!req)
		return NULL;
	*req = (struct shared_load_info){ .inode = inode, .flags = flags };
	INIT_LIST_HEAD(&req->list);
	INIT_LIST_HEAD(&req->waiters);
	init_completion(&req->done);
	req->task = get_task_struct(current);
	shared_load_find_maker(req);
	if (!uargs || get_user(first, uargs))
		return req;
	req->args = first ? strndup_user(uargs, ~0UL >> 1) : "";
	if (IS_ERR(req->args))
		req->args = NULL;
	return req;
}

/* Return true if both requests have the same image, parameters and flags. */
static bool is_same(const struct shared_load_info *a, const struct shared_load_info *b)
{
	if (!a->args || !b->args || strcmp(a->args, b->args))
		return false;
	if (a->inode && a->inode == b->inode)
		return a->flags == b->flags;
	/* A compressed and an uncompressed file can hold the same image. */
	return !((a->flags ^ b->flags) & ~MODULE_INIT_COMPRESSED_FILE) &&
	       memchr_inv(a->build_id, 0, sizeof(a->build_id)) &&
	       !memcmp(a->build_id, b->build_id, sizeof(a->build_id));
}

/* Record an errno. Waiters do not share one that is specific to the task. */
static void set_failed(struct shared_load_info *req, int err, bool any_errno)
{
	bool own = fatal_signal_pending(current) || (err == -EINTR && signal_pending(current)) ||
		   (err <= -ERESTARTSYS && err >= -ERESTART_RESTARTBLOCK) ||
		   (!any_errno && (err == -EFAULT || err == -EACCES || err == -EPERM ||
				   err == -EDEADLK || (err == -ENOMEM && !req->enomem)));

	req->outcome = own ? SHARED_LOAD_RETRY : SHARED_LOAD_FAILED;
	/* To user space, -EEXIST means that the module is live. */
	req->err = err == -EEXIST ? -EBUSY : err;
}

/* Give @req its result. Later requests must not share it, so @req leaves running_loads. */
static void set_result(struct shared_load_info *req, enum shared_load_outcome outcome, int err)
{
	req->outcome = outcome;
	req->err = err;
	list_del_init(&req->list);
}

/* Return the owner of the file @inode, or of the name @name, or NULL. */
static struct shared_load_info *find_owner(enum shared_load_need need, const char *name,
					   const struct inode *inode)
{
	struct shared_load_info *pos;

	list_for_each_entry(pos, &running_loads, list) {
		if (need == SHARED_LOAD_FILE ? pos->inode == inode :
					       pos->named && !strcmp(pos->name, name))
			return pos;
		if (need != SHARED_LOAD_FILE && !pos->named)
			break;
	}
	return NULL;
}

/* Make @req the owner of what it needs. Owners of a name come first on running_loads. */
static void take_over(struct shared_load_info *req)
{
	req->named = req->need == SHARED_LOAD_NAME;
	req->since = get_jiffies_64() / 16;
	if (req->named)
		list_move(&req->list, &running_loads);
	else
		list_move_tail(&req->list, &running_loads);
}

/* Take the name and its waiters away from @owner, whose image is not checked yet. */
static void take_name(struct shared_load_info *req, struct shared_load_info *owner)
{
	struct shared_load_info *pos;

	list_for_each_entry(pos, &owner->waiters, wait) {
		pos->owner = req;
		pos->late = false;
	}
	list_splice_tail_init(&owner->waiters, &req->waiters);
	owner->named = false;
	list_del_init(&owner->list);
	take_over(req);
}

/* Give each waiter of @owner a result, make it an owner, move it to one, or let it copy. */
static void deliver_and_unlock(struct shared_load_info *owner)
	__releases(&loads_lock)
{
	struct shared_load_info *req, *next, *pos, *heir, *heirs[] = { NULL, NULL };
	LIST_HEAD(delivered);

	list_for_each_entry_safe(req, next, &owner->waiters, wait) {
		if (req->need == SHARED_LOAD_SYMBOL) {
			req->err = owner->outcome == SHARED_LOAD_BUSY ? -EBUSY : 0;
		} else if (owner->unverified && owner->outcome == SHARED_LOAD_FAILED) {
			/* The image was bad. @req copies its own, as do the other waiters. */
			req->err = 0;
		} else if (owner->outcome != SHARED_LOAD_FAILED ? owner->outcome :
			   !req->late && is_same(owner, req)) {
			set_result(req, owner->outcome, owner->err);
		} else {
			/* Waiters that joined before the next load can share its errno. */
			req->late = false;
			list_for_each_entry(pos, &req->waiters, wait)
				pos->late = false;
			/* If @owner lost the file, another request can own it by now. */
			heir = heirs[req->need] ?:
			       find_owner(req->need, req->name, req->inode);
			if (heir && heir->unverified && !req->unverified) {
				take_name(req, heir);
				heir = NULL;
			}
			heirs[req->need] = heir ?: req;
			if (heir) {
				req->owner = heir;
				list_move_tail(&req->wait, &heir->waiters);
				continue;
			}
			req->enomem = owner->err == -ENOMEM;
			take_over(req);
		}
		req->owner = NULL;
		list_move_tail(&req->wait, &delivered);
	}
	/* A new owner waits for nothing. An older owner of the file may wait for a name. */
	if (heirs[SHARED_LOAD_FILE])
		shared_load_break_deadlocks(heirs[SHARED_LOAD_FILE]);
	spin_unlock(&loads_lock);
	/* Each request may free its record as soon as it is completed. */
	while ((req = list_first_entry_or_null(&delivered, struct shared_load_info, wait))) {
		list_del(&req->wait);
		complete(&req->done);
	}
}

static int state_of_module(const char *name)
{
	const struct module *mod;
	int state;

	rcu_read_lock_sched();
	mod = find_module_all(name, strlen(name), true);
	/* Changes from and to MODULE_STATE_LIVE need loads_lock. Others make no difference. */
	state = mod ? data_race(READ_ONCE(mod->state)) : -ENOENT;
	rcu_read_unlock_sched();
	return state;
}

/* If @owner or its own owner died, deliver its outcome. Return true if that dropped the lock. */
static bool retire_if_dead(struct shared_load_info *owner)
{
	if (!(data_race(READ_ONCE(owner->task->flags)) & PF_EXITING))	/* never cleared */
		return owner->owner && retire_if_dead(owner->owner);
	/* If @owner had a module, its state is unknown, so waiters must not retry. */
	set_result(owner, owner->named && !owner->unverified ? SHARED_LOAD_BUSY :
							       SHARED_LOAD_RETRY, -EBUSY);
	deliver_and_unlock(owner);
	shared_load_died(owner);
	spin_lock(&loads_lock);
	return true;
}

/*
 * Join @owner, drop the lock and sleep. Return the rest of @timeout, at least 1, if @req became an
 * owner, must look for a symbol again, or copy its image. Return 0 on timeout, or an errno.
 */
static long wait_for_owner(struct shared_load_info *req, struct shared_load_info *owner,
			   long timeout)
	__releases(&loads_lock)
{
	long slice, left, period = owner->removal ? 5L * HZ : req->unverified ? HZ : 30L * HZ;
	bool must_leave;

	shared_load_wait_begin(req, owner);
	req->owner = owner;
	/* The owner of a file can fail with the errno of the name's owner. */
	req->late = owner->failing || (owner->owner && owner->need == SHARED_LOAD_NAME &&
				       owner->owner->failing);
	list_add_tail(&req->wait, &owner->waiters);
	shared_load_break_deadlocks(owner);
	spin_unlock(&loads_lock);

	do {
		/* After @period, leave a removal, or look for dead or unverified owners. */
		slice = min(timeout, period);
		left = shared_load_wait_or_report(req, slice);
		if (timeout != MAX_SCHEDULE_TIMEOUT)
			timeout -= slice - max(left, 0L);
		if (left > 0)
			return req->err ?: max(timeout, 1L);

		spin_lock(&loads_lock);
		/* @req can have moved to another owner that died. */
		while (req->owner && retire_if_dead(req->owner))
			;
		must_leave = left < 0 || !timeout;
		if (req->owner && (must_leave || req->owner->removal || req->owner->unverified)) {
			list_del(&req->wait);
			if (!must_leave && req->owner->removal)
				set_result(req, SHARED_LOAD_BUSY, -EBUSY);
			req->owner = NULL;
			spin_unlock(&loads_lock);
			return must_leave ? left : req->err ?: 1;
		}
		spin_unlock(&loads_lock);
		period = min(2 * period, 30L * HZ);
	} while (!must_leave);

	/* A deliverer will complete @req. If @req is an owner now, shared_load_end() hands over. */
	wait_for_completion(&req->done);
	return req->err ?: left ?: 1;
}

/* Mark the image of @req, named @name, as checked. Return whether @req owns that name. */
static bool verify(struct shared_load_info *req, const char *name)
{
	bool is_owner;

	spin_lock(&loads_lock);
	req->unverified = false;
	is_owner = req->named && !strcmp(req->name, name);
	if (!req->named || is_owner) {
		spin_unlock(&loads_lock);
		return is_owner;
	}
	/* The image had another name before it was copied. */
	req->named = false;
	list_del_init(&req->list);
	deliver_and_unlock(req);
	return false;
}

/**
 * shared_load_claim() - become the owner, or wait for the owner's outcome
 * @req: the record of the request, with the build ID of a checked image
 * @name: the name in the checked image, NULL to claim the file, or @req->name after a peek
 *
 * Context: Process context. Sleeps.
 * Return: 0 if @req is the owner until shared_load_live() or shared_load_end(), and no module has
 * the name. After a peek, 0 also if the image must be copied. %-EEXIST if the module is live.
 * %-EBUSY if the owner died, or a removal takes too long.
 * %-ERESTARTSYS if a signal arrived. %-EPERM if loading modules was disabled meanwhile.
 * %-EDEADLK if the owner waits for @req.
 * %-ENOEXEC if @name has no NUL. Otherwise the errno of an owner that made the same request.
 */
int shared_load_claim(struct shared_load_info *req, const char *name)
{
	struct shared_load_info *owner;
	int state;
	long left;

	if (req->unverified && name != req->name && verify(req, name))
		return 0;
	if (name && name != req->name)
		memcpy(req->name, name, MODULE_NAME_LEN);
	if (req->name[MODULE_NAME_LEN - 1])
		return -ENOEXEC;

	spin_lock(&loads_lock);
	req->need = name ? SHARED_LOAD_NAME : SHARED_LOAD_FILE;
	while ((owner = find_owner(req->need, req->name, req->inode)) && retire_if_dead(owner))
		;
	if (owner && owner->unverified && !req->unverified) {
		/* As long as @owner had the name, no module had it. */
		take_name(req, owner);
		spin_unlock(&loads_lock);
		return 0;
	}
	if (owner) {
		left = wait_for_owner(req, owner, MAX_SCHEDULE_TIMEOUT);
		shared_load_wait_end(req, name, left);
		return left > 0 ? may_init_module() : left;
	}
	state = name ? state_of_module(req->name) : -ENOENT;
	if (state == -ENOENT)
		take_over(req);
	else if (state == MODULE_STATE_LIVE)
		set_result(req, SHARED_LOAD_LIVE, -EEXIST);
	else /* An owner died and left this module. */
		set_result(req, SHARED_LOAD_BUSY, -EBUSY);
	spin_unlock(&loads_lock);
	return req->err;
}

/**
 * shared_load_peek() - claim the name of an image in user memory, or wait for its owner
 * @req: the record of the request
 * @umod: the image
 * @len: its length in bytes
 *
 * Context: Process context. Sleeps.
 * Return: 0 if the image must be copied. @req may own its name then, until a request with a
 * checked image takes it away. An errno of shared_load_claim() if @req has its result.
 */
int shared_load_peek(struct shared_load_info *req, const void __user *umod, unsigned long len)
{
	int err = 0;

	if (module_peek(umod, len, req->name, req->build_id)) {
		req->unverified = true;
		err = shared_load_claim(req, req->name);
	}
	/* The image can have another build ID, or none, when it is copied. */
	memset(req->build_id, 0, sizeof(req->build_id));
	return err;
}

/**
 * shared_load_going() - take a live module's name and set MODULE_STATE_GOING
 * @req: the record of the removal
 * @mod: the module, whose name has no owner because the module is live
 *
 * Context: module_mutex held since the module was seen to be live.
 */
void shared_load_going(struct shared_load_info *req, struct module *mod)
{
	lockdep_assert_held(&module_mutex);

	memcpy(req->name, mod->name, MODULE_NAME_LEN);
	spin_lock(&loads_lock);
	req->removal = true;
	req->need = SHARED_LOAD_NAME;
	take_over(req);
	mod->state = MODULE_STATE_GOING;
	spin_unlock(&loads_lock);
}

/**
 * shared_load_wait_symbol() - wait for the load of a module that exports a symbol
 * @req: the record of the request that needs the symbol
 * @name: the name of the module
 * @timeout: how long to wait at most, in jiffies
 *
 * Context: Process context. Sleeps.
 * Return: What is left of @timeout, at least 1, to look for the symbol again. 0 if @timeout
 * elapsed. %-EBUSY if the owner died. %-ERESTARTSYS if a fatal signal arrived. %-EDEADLK if the
 * owner waits for this request.
 */
long shared_load_wait_symbol(struct shared_load_info *req, const char *name, long timeout)
{
	struct shared_load_info *owner;
	bool coming;

	spin_lock(&loads_lock);
	req->need = SHARED_LOAD_SYMBOL;
	while ((owner = find_owner(req->need, name, NULL)) && retire_if_dead(owner))
		;
	coming = state_of_module(name) == MODULE_STATE_COMING;
	if (owner && coming) {
		timeout = wait_for_owner(req, owner, timeout);
		shared_load_wait_end(req, name, timeout);
		return timeout;
	}
	spin_unlock(&loads_lock);
	return coming ? -EBUSY : timeout;
}

/**
 * shared_load_failing() - do not share the errno of a load with requests that join later
 * @req: the record of the request
 * @err: the errno of the init function or of the blacklist, otherwise 0
 */
void shared_load_failing(struct shared_load_info *req, int err)
{
	spin_lock(&loads_lock);
	req->failing = true;
	spin_unlock(&loads_lock);
	if (err)
		set_failed(req, err, true);
}

/**
 * shared_load_live() - make a module live and deliver -EEXIST
 * @req: the record of the request
 * @mod: the module
 */
void shared_load_live(struct shared_load_info *req, struct module *mod)
{
	spin_lock(&loads_lock);
	mod->state = MODULE_STATE_LIVE;
	set_result(req, SHARED_LOAD_LIVE, -EEXIST);
	deliver_and_unlock(req);
}

/**
 * shared_load_end() - deliver the outcome of a request and free its record
 * @req: the record of the request
 * @err: 0 or the errno of the request
 *
 * Return: @err
 */
int shared_load_end(struct shared_load_info *req, int err)
{
	if (err && req->outcome == SHARED_LOAD_RETRY)
		set_failed(req, err, false);
	else if (err && !req->failing)
		atomic_inc(&merged_requests);

	spin_lock(&loads_lock);
	list_del_init(&req->list);
	if (req->maker)
		list_del(&req->made);
	deliver_and_unlock(req);
	put_task_struct(req->task);
	kfree_const(req->args);
	kfree(req);
	return err;
}

#ifdef CONFIG_MODULE_SHARED_LOAD_KUNIT_TEST
#include "tests/shared_load_kunit.c"
#endif
