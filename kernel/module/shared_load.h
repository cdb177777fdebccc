/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One load per module name: see the theory of operation in shared_load.c.
 */
#ifndef _KERNEL_MODULE_SHARED_LOAD_H
#define _KERNEL_MODULE_SHARED_LOAD_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct inode;

/**
 * enum shared_load_outcome - what a request came to, for those who wait for it
 * @SHARED_LOAD_OWN: nothing that would concern another request: a removal, or the
 *	reason was the task's own
 * @SHARED_LOAD_LIVE: the module is live
 * @SHARED_LOAD_REFUSED: the module's init function said no to these parameters,
 *	or the owner of a symbol that it needs took too long
 * @SHARED_LOAD_BROKEN: the image, with these flags and parameters, does not get
 *	as far as the init function
 */
enum shared_load_outcome {
	SHARED_LOAD_OWN = 0,
	SHARED_LOAD_LIVE,
	SHARED_LOAD_REFUSED,
	SHARED_LOAD_BROKEN,
};

/**
 * struct shared_load_info - one request to load a module, or to remove one
 * @list: entry in running_loads while this request does the work for @inode or
 *	@name; protected by loads_lock
 * @refs: one for the request itself and one for each request that waits for it
 * @live: completed when the module is live, and at the end
 * @done: completed at the end, when the outcome is known
 * @inode: the file to load, or NULL; never changed
 * @named: this request works on @name; protected by loads_lock
 * @is_live: the module of that @name is live; protected by loads_lock
 * @peeked: nothing but user memory says yet that the image has that @name; the
 *	request's own before @done
 * @name: the module's name, as long as @named or @is_live; protected by loads_lock
 * @args: the parameters as user space gave them; never changed
 * @flags: the flags of finit_module(); never changed
 * @outcome: valid after @done, the request's own before
 * @err: 0 or the errno of the request; valid after @done
 */
struct shared_load_info {
	struct list_head list;
	refcount_t refs;
	struct completion live;
	struct completion done;
	const struct inode *inode;
	bool named;
	bool is_live;
	bool peeked;
	char name[MODULE_NAME_LEN];
	char *args;
	int flags;
	enum shared_load_outcome outcome;
	int err;
};

struct shared_load_info *shared_load_alloc(void);
struct shared_load_info *shared_load_start(const struct inode *inode,
					   const char __user *uargs, int flags);
int shared_load_claim_file(struct shared_load_info *load);
int shared_load_peek(struct shared_load_info *load, const char *name);
int shared_load_claim(struct shared_load_info *load, const char *name);
void shared_load_refused(struct shared_load_info *load, int err);
void shared_load_removing(struct shared_load_info *load, const char *name);
void shared_load_live(struct shared_load_info *load);
int shared_load_end(struct shared_load_info *load, int err);

struct shared_load_info *shared_load_find(const struct shared_load_info *load,
					  const char *name);
long shared_load_wait(struct shared_load_info *load, long timeout);

#endif /* _KERNEL_MODULE_SHARED_LOAD_H */
