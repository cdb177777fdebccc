/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One load per module name: see the theory of operation in shared_load.c.
 */
#ifndef _KERNEL_MODULE_SHARED_LOAD_H
#define _KERNEL_MODULE_SHARED_LOAD_H

#include <linux/list.h>
#include <linux/module.h>
#include <linux/refcount.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>
#include <linux/wait.h>

struct inode;
struct pid;
struct task_struct;

/**
 * enum shared_load_outcome - what a request came to, for those who wait for it
 * @SHARED_LOAD_OWN: nothing that would concern another request: a removal, or the
 *	reason was the task's own
 * @SHARED_LOAD_LIVE: the module is live
 * @SHARED_LOAD_REFUSED: the module's init function said no to these parameters,
 *	or the owner of a symbol that it needs took too long
 * @SHARED_LOAD_BROKEN: the image, with these flags and parameters, does not get
 *	as far as the init function
 * @SHARED_LOAD_DEAD: the task is dead, and the module in an unknown state
 */
enum shared_load_outcome {
	SHARED_LOAD_OWN = 0,
	SHARED_LOAD_LIVE,
	SHARED_LOAD_REFUSED,
	SHARED_LOAD_BROKEN,
	SHARED_LOAD_DEAD,
};

/**
 * enum shared_load_state - how far a request is, for people to read
 * @SHARED_LOAD_READING: it reads the image, or waits for whoever has the name
 * @SHARED_LOAD_LOADING: it checks the image and lays it out
 * @SHARED_LOAD_INITIALIZING: the module's init function runs
 * @SHARED_LOAD_FINISHING: the module is live
 * @SHARED_LOAD_REMOVING: the module's exit function runs, or has run
 */
enum shared_load_state {
	SHARED_LOAD_READING = 0,
	SHARED_LOAD_LOADING,
	SHARED_LOAD_INITIALIZING,
	SHARED_LOAD_FINISHING,
	SHARED_LOAD_REMOVING,
};

extern const char * const shared_load_state_names[];

/**
 * struct shared_load_info - one request to load a module, or to remove one
 * @list: entry in running_loads while this request does the work for @inode or
 *	@name; protected by loads_lock
 * @refs: one for the request itself and one for each request that waits for it
 * @until_live: who waits for @is_live or @ended sleeps here
 * @until_end: who waits for @ended sleeps here
 * @task: who makes the request; never changed
 * @death: runs if @task exits before the end of the request, or else does nothing
 * @state: what @task does to the module; written by @task alone
 * @inode: the file to load, or NULL; never changed
 * @named: this request works on @name; protected by loads_lock
 * @is_live: the module of that @name is live; set under loads_lock, for good
 * @ended: the outcome is known; set under loads_lock, for good
 * @peeked: nothing but user memory says yet that the image has that @name; the
 *	request's own before @ended
 * @name: the module's name, as long as @named or @is_live; protected by loads_lock
 * @args: the parameters as user space gave them; never changed
 * @flags: the flags of finit_module(); never changed
 * @begun: when the request began, in ticks of loads_clock; never changed
 * @dated: when the outcome was known, to this request or to the one that it has it
 *	from; valid after @ended, the request's own before
 * @outcome: valid after @ended, the request's own before
 * @err: 0 or the errno of the request; valid after @ended
 * @bytes: the module memory it has laid out, or that the one which it waited for has;
 *	as @err
 * @since: when the request came or, if it waited then, got its name; in jiffies,
 *	protected by loads_lock
 * @waits_since: when it last began to wait, in ns, or 0; its own, as @has_waited
 * @has_waited: it has waited for another load, which failed
 * @nr_waiters: how many requests wait for this one; protected by loads_lock, as all
 *	that follows
 * @nr_reports: how many times that was logged
 * @symbol: the symbol that this request waits for, if that is what it waits for
 * @waits_for: the record that this request sleeps for, which has its reference as
 *	long
 * @refused: that would have been for ever
 * @asks: @task waits for a helper, of which it has asked for a module
 * @helper: that helper, if it runs
 * @serves: the helper, of another load, that @task is or descends from
 * @serving: entry in serving_requests if there is one
 * @walk: entry in a walk from load to load
 * @before: the one before in a circle of those who wait for each other
 * @after: the one after
 */
struct shared_load_info {
	struct list_head list;
	refcount_t refs;
	wait_queue_head_t until_live;
	wait_queue_head_t until_end;
	struct task_struct *task;
	struct callback_head death;
	enum shared_load_state state;
	const struct inode *inode;
	bool named;
	bool is_live;
	bool ended;
	bool peeked;
	char name[MODULE_NAME_LEN];
	char *args;
	int flags;
	u64 begun;
	u64 dated;
	enum shared_load_outcome outcome;
	int err;
	unsigned long bytes;
	unsigned long since;
	u64 waits_since;
	bool has_waited;
	unsigned int nr_waiters;
	unsigned int nr_reports;
	const char *symbol;
	struct shared_load_info *waits_for;
	bool refused;
	bool asks;
	struct pid *helper;
	struct pid *serves;
	struct list_head serving;
	struct list_head walk;
	struct shared_load_info *before;
	struct shared_load_info *after;
};

/* The requests that do the work, and the lock of all that is said to be protected. */
extern struct list_head running_loads;
extern spinlock_t loads_lock;

struct shared_load_info *shared_load_alloc(void);
void shared_load_put(struct shared_load_info *load);
struct shared_load_info *shared_load_start(const struct inode *inode,
					   const char __user *uargs, int flags);
int shared_load_claim_file(struct shared_load_info *load);
int shared_load_peek(struct shared_load_info *load, const char *name);
int shared_load_claim(struct shared_load_info *load, const char *name);
void shared_load_initializing(struct shared_load_info *load);
void shared_load_decided(struct shared_load_info *load);
void shared_load_refused(struct shared_load_info *load, int err);
void shared_load_removing(struct shared_load_info *load, const char *name);
void shared_load_live(struct shared_load_info *load);
int shared_load_end(struct shared_load_info *load, int err);

struct shared_load_info *shared_load_find(const char *name);
long shared_load_wait(struct shared_load_info *load, struct shared_load_info *running,
		      const char *symbol, long timeout);

/* load_deadlock.c */
struct shared_load_info *shared_load_asks(void);
void shared_load_helper_starts(struct shared_load_info *load);
void shared_load_answered(struct shared_load_info *load);
void shared_load_find_helper(struct shared_load_info *load);
void shared_load_starts_to_wait(struct shared_load_info *load,
				struct shared_load_info *running, const char *symbol);
int shared_load_stops_waiting(struct shared_load_info *load);

/* load_report.c */
unsigned long shared_load_report_due(unsigned int nth);
void shared_load_report(struct shared_load_info *running, unsigned int nth);
void shared_load_trace_wait(struct shared_load_info *load,
			    const struct shared_load_info *running);
void shared_load_trace_answer(const struct shared_load_info *load,
			      const struct shared_load_info *running, int err);
void shared_load_trace_late_answer(const struct shared_load_info *load,
				   const char *name, int err);
void shared_load_trace_takeover(const struct shared_load_info *load);

#endif /* _KERNEL_MODULE_SHARED_LOAD_H */
