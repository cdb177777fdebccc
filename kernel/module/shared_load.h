/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Concurrent loads of one module: see the theory of operation in shared_load.c.
 */
#ifndef _KERNEL_MODULE_SHARED_LOAD_H
#define _KERNEL_MODULE_SHARED_LOAD_H

#include <linux/buildid.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/module.h>

struct inode;
struct subprocess_info;
struct task_struct;

/* What the waiters of a request do when it ends. */
enum shared_load_outcome {
	SHARED_LOAD_RETRY = 0,	/* they try again, one at a time */
	SHARED_LOAD_LIVE,	/* they fail with -EEXIST */
	SHARED_LOAD_FAILED,	/* the same requests fail with its errno, others try again */
	SHARED_LOAD_BUSY,	/* they fail with -EBUSY */
};

/* What a waiter needs from the owner. */
enum shared_load_need {
	SHARED_LOAD_FILE = 0,
	SHARED_LOAD_NAME,
	SHARED_LOAD_SYMBOL,
};

/* A request to load or remove a module. shared_load.c describes the locking. */
struct shared_load_info {
	struct list_head list;		/* entry in running_loads, of an owner */
	struct list_head waiters;	/* the requests that wait for it */
	struct list_head wait;		/* entry in @owner's waiters */
	struct shared_load_info *owner;	/* the request that it waits for */
	enum shared_load_need need;	/* what it waits for */
	struct completion done;		/* ends its wait */
	struct task_struct *task;	/* made the request, and may have died */
	struct shared_load_helper *maker;	/* the helper that made this request */
	struct list_head made;		/* entry in @maker's requests */
	const struct inode *inode;	/* NULL if the image was in user memory */
	const char *args;		/* the parameters, NULL if they cannot be read */
	int flags;			/* of finit_module() */
	bool removal;			/* it removes the module @name */
	bool named;			/* it owns @name */
	bool unverified;		/* @name is that of an image which is not copied yet */
	bool failing;			/* the first cause of its failure was observed */
	bool late;			/* it joined @owner after that */
	bool enomem;			/* the owner before it failed with -ENOMEM */
	bool reported;			/* the log says that it takes long */
	bool initializing;		/* the init function was called */
	u32 since;			/* when it became an owner, in units of 16 jiffies */
	u64 wait_since;			/* when it began to wait, in ns */
	char name[MODULE_NAME_LEN];
	unsigned char build_id[BUILD_ID_SIZE_MAX];	/* all zero if there is none */
	enum shared_load_outcome outcome;
	int err;			/* the errno that goes with @outcome */
};

extern struct list_head running_loads;
extern spinlock_t loads_lock;

struct shared_load_info *shared_load_start(const struct inode *inode, const char __user *uargs,
					   int flags, gfp_t gfp);
int shared_load_peek(struct shared_load_info *req, const void __user *umod, unsigned long len);
bool module_peek(const void __user *umod, unsigned long len, char *name, unsigned char *build_id);
int shared_load_claim(struct shared_load_info *req, const char *name);
void shared_load_going(struct shared_load_info *req, struct module *mod);
long shared_load_wait_symbol(struct shared_load_info *req, const char *name, long timeout);
int shared_load_run_helper(struct subprocess_info *info, int wait);
void shared_load_find_maker(struct shared_load_info *req);
void shared_load_break_deadlocks(const struct shared_load_info *owner);
void shared_load_failing(struct shared_load_info *req, int err);
void shared_load_live(struct shared_load_info *req, struct module *mod);
void shared_load_wait_begin(struct shared_load_info *req, const struct shared_load_info *owner);
long shared_load_wait_or_report(struct shared_load_info *req, long timeout);
void shared_load_wait_end(const struct shared_load_info *req, const char *name, long left);
void shared_load_died(const struct shared_load_info *owner);
extern atomic_t merged_requests, taken_over_loads, dead_owners;
extern atomic_long_t longest_wait_ms;
int shared_load_end(struct shared_load_info *req, int err);

#endif /* _KERNEL_MODULE_SHARED_LOAD_H */
