// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of shared loads, without modules: the requests are kernel threads
 * which claim names that no module has.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../internal.h"
#include "../shared_load.h"

#define NAME		"no_such_module"
#define MANY		1000
#define TURNS		100

/* One kernel thread that makes one request, and goes on if that is its own. */
struct request {
	const char *name;
	const char *args;
	const struct inode *inode;
	int flags;
	int end;		/* what its own load comes to, 0: it is live */
	bool refuse;		/* -> its init function said so */
	atomic_t *leaders;	/* how many are at work, if somebody counts */
	int most_leaders;

	struct completion started;
	struct completion go;	/* lets a load of its own end */
	struct completion ended;
	int err;
	bool led;
};

static struct shared_load_info *make_load(const char *args, const struct inode *inode,
					  int flags)
{
	struct shared_load_info *load = shared_load_alloc();

	if (load) {
		load->args = kstrdup(args, GFP_KERNEL);
		load->inode = inode;
		load->flags = flags;
	}
	return load;
}

static void go_live(struct shared_load_info *load)
{
	mutex_lock(&module_mutex);
	shared_load_live(load);
	mutex_unlock(&module_mutex);
}

static int claim(struct shared_load_info *load, const char *name)
{
	int err = 0;

	if (load->inode)
		err = shared_load_claim_file(load);
	return err ?: shared_load_claim(load, name);
}

/* The work of the one that has claimed the name. */
static int lead(struct request *req, struct shared_load_info *load)
{
	req->led = true;
	if (req->leaders)
		req->most_leaders = atomic_inc_return(req->leaders);
	complete(&req->started);
	wait_for_completion(&req->go);
	if (req->refuse)
		shared_load_refused(load, req->end);
	if (req->leaders)
		atomic_dec(req->leaders);
	if (!req->end)
		go_live(load);
	return req->end;
}

static int make_request(void *data)
{
	struct request *req = data;
	struct shared_load_info *load;

	load = make_load(req->args, req->inode, req->flags);
	if (load) {
		req->err = claim(load, req->name);
		if (!req->err)
			req->err = lead(req, load);
		shared_load_end(load, req->err);
	} else {
		req->err = -ENOMEM;
	}
	complete(&req->started);
	complete(&req->ended);
	return 0;
}

static void start_request(struct kunit *test, struct request *req)
{
	struct task_struct *task;

	req->name = req->name ?: NAME;
	req->args = req->args ?: "";
	init_completion(&req->started);
	init_completion(&req->go);
	init_completion(&req->ended);
	task = kthread_run(make_request, req, "shared_load_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
}

/* A request that has claimed its name, and stays there until @go. */
static void start_leader(struct kunit *test, struct request *req)
{
	start_request(test, req);
	wait_for_completion(&req->started);
	KUNIT_ASSERT_TRUE(test, req->led);
}

/* How many wait for the request that works on @name; -1: there is none. */
static int count_waiters(const char *name)
{
	struct shared_load_info *pos;
	int n = -1;

	spin_lock(&loads_lock);
	list_for_each_entry(pos, &running_loads, list) {
		if (pos->named && !strcmp(pos->name, name))
			n = pos->nr_waiters;
	}
	spin_unlock(&loads_lock);
	return n;
}

static void await_waiters(struct kunit *test, const char *name, int n)
{
	int tries = 60 * 50;

	while (count_waiters(name) != n && tries--)
		msleep(20);
	KUNIT_ASSERT_EQ(test, n, count_waiters(name));
}

static void await_file_waiters(struct kunit *test, struct shared_load_info *load,
			       unsigned int n)
{
	unsigned int waiters = 0;
	int tries = 60 * 50;

	do {
		spin_lock(&loads_lock);
		waiters = load->nr_waiters;
		spin_unlock(&loads_lock);
	} while (waiters != n && tries-- && (msleep(20), true));
	KUNIT_ASSERT_EQ(test, n, waiters);
}

static int finish(struct request *req)
{
	complete(&req->go);
	wait_for_completion(&req->ended);
	return req->err;
}

static bool list_is_empty(void)
{
	bool empty;

	spin_lock(&loads_lock);
	empty = list_empty(&running_loads);
	spin_unlock(&loads_lock);
	return empty;
}

static void a_claim_is_listed_until_its_end(struct kunit *test)
{
	struct shared_load_info *load = make_load("", NULL, 0);

	KUNIT_ASSERT_NOT_NULL(test, load);
	KUNIT_EXPECT_TRUE(test, list_is_empty());
	KUNIT_EXPECT_EQ(test, 0, shared_load_claim(load, NAME));
	KUNIT_EXPECT_EQ(test, 0, count_waiters(NAME));
	KUNIT_EXPECT_EQ(test, -ENODEV, shared_load_end(load, -ENODEV));
	KUNIT_EXPECT_TRUE(test, list_is_empty());
}

static void a_waiter_gets_eexist_once_it_is_live(struct kunit *test)
{
	struct request leader = {}, waiter = {};

	start_leader(test, &leader);
	start_request(test, &waiter);
	await_waiters(test, NAME, 1);
	KUNIT_EXPECT_FALSE(test, completion_done(&waiter.ended));
	KUNIT_EXPECT_EQ(test, 0, finish(&leader));
	KUNIT_EXPECT_EQ(test, -EEXIST, finish(&waiter));
	KUNIT_EXPECT_FALSE(test, waiter.led);
	KUNIT_EXPECT_TRUE(test, list_is_empty());
}

static void a_waiter_gets_the_refusal_of_init(struct kunit *test)
{
	struct request leader = { .end = -ENODEV, .refuse = true };
	struct request same = {}, other = { .args = "other=1" };

	start_leader(test, &leader);
	start_request(test, &same);
	start_request(test, &other);
	await_waiters(test, NAME, 2);
	KUNIT_EXPECT_EQ(test, -ENODEV, finish(&leader));
	KUNIT_EXPECT_EQ(test, -ENODEV, finish(&same));
	KUNIT_EXPECT_EQ(test, 0, finish(&other));
	KUNIT_EXPECT_FALSE(test, same.led);
	KUNIT_EXPECT_TRUE(test, other.led);
}

static void a_broken_file_is_tried_once(struct kunit *test)
{
	/* Compared, and not looked at. */
	const struct inode *inode = (void *)&test;
	struct request leader = { .end = -ENOEXEC, .inode = inode };
	struct request same = { .inode = inode };
	struct request flags = { .inode = inode, .flags = 1, .end = -EINVAL };

	start_leader(test, &leader);
	start_request(test, &same);
	await_waiters(test, NAME, 1);
	start_request(test, &flags);
	await_waiters(test, NAME, 2);
	KUNIT_EXPECT_EQ(test, -ENOEXEC, finish(&leader));
	KUNIT_EXPECT_EQ(test, -ENOEXEC, finish(&same));
	KUNIT_EXPECT_FALSE(test, same.led);
	KUNIT_EXPECT_EQ(test, -EINVAL, finish(&flags));
	KUNIT_EXPECT_TRUE(test, flags.led);
	KUNIT_EXPECT_TRUE(test, list_is_empty());
}

static void one_takes_over_for_a_reason_of_ones_own(struct kunit *test)
{
	static const int reasons[] = { -ENOMEM, -EFAULT, -EACCES, -EDEADLK };
	int i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		struct request leader = { .end = reasons[i] }, a = {}, b = {};

		start_leader(test, &leader);
		start_request(test, &a);
		start_request(test, &b);
		await_waiters(test, NAME, 2);
		KUNIT_EXPECT_EQ(test, reasons[i], finish(&leader));
		await_waiters(test, NAME, 1);
		complete(&a.go);
		complete(&b.go);
		wait_for_completion(&a.ended);
		wait_for_completion(&b.ended);
		KUNIT_EXPECT_EQ(test, 1, a.led + b.led);
		KUNIT_EXPECT_EQ(test, a.led ? 0 : -EEXIST, a.err);
		KUNIT_EXPECT_EQ(test, b.led ? 0 : -EEXIST, b.err);
	}
}

static void a_request_waits_for_a_removal_and_loads(struct kunit *test)
{
	struct shared_load_info *removal = shared_load_alloc();
	struct request req = {};

	KUNIT_ASSERT_NOT_NULL(test, removal);
	mutex_lock(&module_mutex);
	shared_load_removing(removal, NAME);
	mutex_unlock(&module_mutex);
	start_request(test, &req);
	await_waiters(test, NAME, 1);
	shared_load_end(removal, 0);
	wait_for_completion(&req.started);
	KUNIT_EXPECT_TRUE(test, req.led);
	KUNIT_EXPECT_EQ(test, 0, finish(&req));
}

static void a_peek_is_a_claim_to_that_name_alone(struct kunit *test)
{
	struct shared_load_info *load = make_load("", NULL, 0);
	struct request waiter = { .end = -ENOMEM };

	KUNIT_ASSERT_NOT_NULL(test, load);
	KUNIT_EXPECT_EQ(test, 0, shared_load_peek(load, NAME));
	start_request(test, &waiter);
	await_waiters(test, NAME, 1);
	KUNIT_EXPECT_EQ(test, -ENOEXEC, shared_load_claim(load, NAME "2"));
	shared_load_end(load, -ENOEXEC);
	KUNIT_EXPECT_EQ(test, -ENOMEM, finish(&waiter));
	KUNIT_EXPECT_TRUE(test, waiter.led);
}

static void who_comes_after_the_end_starts_afresh(struct kunit *test)
{
	struct request first = { .end = -ENODEV, .refuse = true }, late = {};

	start_leader(test, &first);
	KUNIT_EXPECT_EQ(test, -ENODEV, finish(&first));
	start_leader(test, &late);
	KUNIT_EXPECT_EQ(test, 0, finish(&late));
}

/* It has its file still, and an outcome from another which had the name. */
static void an_outcome_is_not_for_who_came_after_it(struct kunit *test)
{
	const struct inode *inode = (void *)&test;
	struct shared_load_info *first = make_load("", NULL, 0);
	struct shared_load_info *second = make_load("", inode, 0);
	struct request early = { .inode = inode }, late = { .inode = inode };

	KUNIT_ASSERT_NOT_NULL(test, first);
	KUNIT_ASSERT_NOT_NULL(test, second);
	KUNIT_ASSERT_EQ(test, 0, shared_load_claim(first, NAME));
	KUNIT_ASSERT_EQ(test, 0, shared_load_claim_file(second));
	start_request(test, &early);
	await_file_waiters(test, second, 1);
	refcount_inc(&first->refs);
	shared_load_refused(first, -ENODEV);
	shared_load_end(first, -ENODEV);
	start_request(test, &late);
	await_file_waiters(test, second, 2);

	second->outcome = first->outcome;
	second->dated = first->dated;
	shared_load_put(first);
	shared_load_end(second, -ENODEV);
	KUNIT_EXPECT_EQ(test, -ENODEV, finish(&early));
	KUNIT_EXPECT_FALSE(test, early.led);
	KUNIT_EXPECT_EQ(test, 0, finish(&late));
	KUNIT_EXPECT_TRUE(test, late.led);
}

/* What it failed for may be there by the time that somebody asks. */
static void an_error_is_dated_when_it_is_known(struct kunit *test)
{
	struct shared_load_info *leader = make_load("", NULL, 0);
	struct request early = {}, late = {};

	KUNIT_ASSERT_NOT_NULL(test, leader);
	KUNIT_ASSERT_EQ(test, 0, shared_load_claim(leader, NAME));
	start_request(test, &early);
	await_waiters(test, NAME, 1);
	shared_load_refused(leader, -ENODEV);
	start_request(test, &late);
	await_waiters(test, NAME, 2);
	shared_load_end(leader, -ENODEV);
	KUNIT_EXPECT_EQ(test, -ENODEV, finish(&early));
	KUNIT_EXPECT_FALSE(test, early.led);
	KUNIT_EXPECT_EQ(test, 0, finish(&late));
	KUNIT_EXPECT_TRUE(test, late.led);
}

/* As when one of the notifiers of a module that is live asks for another. */
static void a_circle_through_a_live_load_is_refused(struct kunit *test)
{
	const struct inode *inode = (void *)&test;
	struct shared_load_info *live = make_load("", NULL, 0);
	struct shared_load_info *helped, *asks;
	struct request waiter = { .inode = inode };

	KUNIT_ASSERT_NOT_NULL(test, live);
	KUNIT_ASSERT_EQ(test, 0, shared_load_claim(live, NAME));
	start_request(test, &waiter);
	await_waiters(test, NAME, 1);
	go_live(live);

	/* This task is its own helper, for there is no other. */
	asks = shared_load_asks();
	KUNIT_EXPECT_PTR_EQ(test, live, asks);
	shared_load_helper_starts(asks);
	helped = make_load("", inode, 0);
	KUNIT_ASSERT_NOT_NULL(test, helped);
	KUNIT_EXPECT_EQ(test, -EDEADLK, shared_load_claim_file(helped));
	shared_load_end(helped, -EDEADLK);
	shared_load_answered(asks);
	shared_load_put(asks);

	/* Nobody has loaded a module here, so the waiter finds none. */
	shared_load_end(live, 0);
	KUNIT_EXPECT_EQ(test, 0, finish(&waiter));
	KUNIT_EXPECT_TRUE(test, waiter.led);
}

/* It is between a task and its signals, and user space is not to see it. */
static void nobody_is_told_to_restart(struct kunit *test)
{
	static const int errs[] = {
		-ERESTARTSYS, -ERESTARTNOINTR, -ERESTARTNOHAND, -ERESTART_RESTARTBLOCK
	};

	for (size_t i = 0; i < ARRAY_SIZE(errs); i++) {
		struct shared_load_info *leader = make_load("", NULL, 0);
		struct request waiter = {};

		KUNIT_ASSERT_NOT_NULL(test, leader);
		KUNIT_ASSERT_EQ(test, 0, shared_load_claim(leader, NAME));
		start_request(test, &waiter);
		await_waiters(test, NAME, 1);
		shared_load_refused(leader, errs[i]);
		shared_load_end(leader, errs[i]);
		KUNIT_EXPECT_EQ(test, 0, finish(&waiter));
		KUNIT_EXPECT_TRUE(test, waiter.led);
	}
}

static void other_names_do_not_wait(struct kunit *test)
{
	struct request a = {}, b = { .name = NAME "2" };

	start_leader(test, &a);
	start_leader(test, &b);
	KUNIT_EXPECT_EQ(test, 0, finish(&b));
	KUNIT_EXPECT_EQ(test, 0, finish(&a));
}

/* Both ends of what a name can be: one letter, and all that there is room for. */
static void names_are_compared_to_their_last_letter(struct kunit *test)
{
	char *name = kunit_kzalloc(test, MODULE_NAME_LEN, GFP_KERNEL);
	char *other = kunit_kzalloc(test, MODULE_NAME_LEN, GFP_KERNEL);
	struct request a = { .name = name }, b = { .name = other }, c = { .name = name };
	struct request d = { .name = "n" };

	KUNIT_ASSERT_NOT_NULL(test, name);
	KUNIT_ASSERT_NOT_NULL(test, other);
	memset(name, 'n', MODULE_NAME_LEN - 1);
	memset(other, 'n', MODULE_NAME_LEN - 1);
	other[MODULE_NAME_LEN - 2] = 'm';

	start_leader(test, &a);
	start_leader(test, &b);
	start_leader(test, &d);
	start_request(test, &c);
	await_waiters(test, name, 1);
	KUNIT_EXPECT_EQ(test, 0, count_waiters(other));
	KUNIT_EXPECT_EQ(test, 0, finish(&a));
	KUNIT_EXPECT_EQ(test, -EEXIST, finish(&c));
	KUNIT_EXPECT_EQ(test, 0, finish(&b));
	KUNIT_EXPECT_EQ(test, 0, finish(&d));
}

static void the_last_reference_is_the_waiters(struct kunit *test)
{
	struct shared_load_info *load = make_load("", NULL, 0), *found;

	KUNIT_ASSERT_NOT_NULL(test, load);
	KUNIT_EXPECT_EQ(test, 0, shared_load_claim(load, NAME));
	mutex_lock(&module_mutex);
	found = shared_load_find(NAME);
	mutex_unlock(&module_mutex);
	KUNIT_EXPECT_PTR_EQ(test, load, found);
	KUNIT_EXPECT_EQ(test, 2, refcount_read(&load->refs));
	shared_load_end(load, -ENODEV);
	KUNIT_EXPECT_EQ(test, 1, refcount_read(&found->refs));
	KUNIT_EXPECT_TRUE(test, found->ended);
	shared_load_put(found);
}

/* Each of them fails for a reason of its own, so that each has its turn. */
static void of_many_there_is_one_at_a_time(struct kunit *test)
{
	struct request *req = kunit_kcalloc(test, TURNS, sizeof(*req), GFP_KERNEL);
	atomic_t leaders = ATOMIC_INIT(0);
	int i, led = 0;

	KUNIT_ASSERT_NOT_NULL(test, req);
	for (i = 0; i < TURNS; i++) {
		req[i].end = -ENOMEM;
		req[i].leaders = &leaders;
	}
	start_leader(test, &req[0]);
	for (i = 1; i < TURNS; i++)
		start_request(test, &req[i]);
	await_waiters(test, NAME, TURNS - 1);
	for (i = 0; i < TURNS; i++)
		complete(&req[i].go);
	for (i = 0; i < TURNS; i++) {
		wait_for_completion(&req[i].ended);
		led += req[i].led;
		KUNIT_EXPECT_EQ(test, -ENOMEM, req[i].err);
		KUNIT_EXPECT_EQ(test, 1, req[i].most_leaders);
	}
	KUNIT_EXPECT_EQ(test, TURNS, led);
	KUNIT_EXPECT_TRUE(test, list_is_empty());
}

static void of_many_one_loads_and_all_hear_of_it(struct kunit *test)
{
	struct request *req = kunit_kcalloc(test, MANY, sizeof(*req), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, req);
	start_leader(test, &req[0]);
	for (i = 1; i < MANY; i++)
		start_request(test, &req[i]);
	await_waiters(test, NAME, MANY - 1);
	KUNIT_EXPECT_EQ(test, 0, finish(&req[0]));
	for (i = 1; i < MANY; i++)
		KUNIT_EXPECT_EQ(test, -EEXIST, finish(&req[i]));
	KUNIT_EXPECT_TRUE(test, list_is_empty());
}

static struct kunit_case shared_load_cases[] = {
	KUNIT_CASE(a_claim_is_listed_until_its_end),
	KUNIT_CASE(a_waiter_gets_eexist_once_it_is_live),
	KUNIT_CASE(a_waiter_gets_the_refusal_of_init),
	KUNIT_CASE(a_broken_file_is_tried_once),
	KUNIT_CASE(one_takes_over_for_a_reason_of_ones_own),
	KUNIT_CASE(a_request_waits_for_a_removal_and_loads),
	KUNIT_CASE(a_peek_is_a_claim_to_that_name_alone),
	KUNIT_CASE(who_comes_after_the_end_starts_afresh),
	KUNIT_CASE(an_outcome_is_not_for_who_came_after_it),
	KUNIT_CASE(an_error_is_dated_when_it_is_known),
	KUNIT_CASE(a_circle_through_a_live_load_is_refused),
	KUNIT_CASE(nobody_is_told_to_restart),
	KUNIT_CASE(other_names_do_not_wait),
	KUNIT_CASE(names_are_compared_to_their_last_letter),
	KUNIT_CASE(the_last_reference_is_the_waiters),
	KUNIT_CASE(of_many_there_is_one_at_a_time),
	KUNIT_CASE(of_many_one_loads_and_all_hear_of_it),
	{}
};

static struct kunit_suite shared_load_suite = {
	.name = "shared_load",
	.test_cases = shared_load_cases,
};

kunit_test_suite(shared_load_suite);

MODULE_DESCRIPTION("KUnit tests of shared loads");
MODULE_LICENSE("GPL");
