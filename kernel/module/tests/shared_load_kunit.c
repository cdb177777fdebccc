// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of shared loads, included by shared_load.c
 *
 * The requests are kernel threads that claim a name which no module has. A request that owns
 * what it needs stops at a gate. One that waits is seen asleep before the next one begins.
 */
#include <kunit/test.h>
#include <linux/iopoll.h>
#include <linux/kthread.h>

#define FILE(_n)	((const struct inode *)&requests[_n])	/* only compared */
#define LEFT		1L	/* result of a wait that ended before its timeout */
#define BEGIN(...)	begin(test, &(struct test_request){ __VA_ARGS__ })

/* Wait until @cond, but not so long that the test looks stuck. */
#define wait_until(_cond) ({ bool _true;							\
	!read_poll_timeout((bool), _true, _true, 1000, 60 * USEC_PER_SEC, false, _cond); })

struct test_request {
	long ret;		/* the result: wanted in a table, then real */
	const struct inode *inode;
	const char *args;
	long symbol;		/* wait for a symbol, for so many jiffies */
	int end;		/* errno of its own load, 0 if the module goes live */
	bool init, removal;	/* the errno is that of init; it removes the module */
	bool dies, dies_early;	/* its task exits as the owner of the name, or of the file only */
	struct shared_load_info *req;
	struct task_struct *task;
	struct completion owns, gate, ended;
	unsigned long switches;	/* voluntary context switches when seen asleep */
};

static struct module test_module = { .name = "no_such_module" };
static struct test_request requests[8];
static int nr_requests;

static long claim(struct test_request *r)
{
	struct shared_load_info *owner;
	long ret = 0;

	if (r->symbol) {
		spin_lock(&loads_lock);
		r->req->need = SHARED_LOAD_SYMBOL;
		owner = find_owner(SHARED_LOAD_SYMBOL, test_module.name, NULL);
		return wait_for_owner(r->req, owner, r->symbol) ?: -ETIME;
	}
	if (r->removal) {
		mutex_lock(&module_mutex);
		shared_load_going(r->req, &test_module);
		mutex_unlock(&module_mutex);
		return 0;
	}
	if (r->inode)
		ret = shared_load_claim(r->req, NULL);
	return ret || r->dies_early ? ret : shared_load_claim(r->req, test_module.name);
}

static int make_request(void *data)
{
	struct test_request *r = data;

	allow_signal(SIGTERM);
	r->req = shared_load_start(r->inode, NULL, 0, GFP_KERNEL | __GFP_NOFAIL);
	r->req->args = r->args ?: "";
	r->req->build_id[0] = 1;
	r->ret = claim(r);
	if (!r->ret) {
		complete(&r->owns);
		wait_for_completion(&r->gate);
		if (r->dies || r->dies_early)
			return 0;
		if (!r->end && !r->removal)
			shared_load_live(r->req, &test_module);
		if (r->init)
			shared_load_failing(r->req, r->end);
		r->ret = r->end;
	}
	shared_load_end(r->req, min(r->ret, 0L));
	complete(&r->ended);
	return 0;
}

/* Begin a request, and see that it owns what it needs, sleeps or has ended. */
static struct test_request *begin(struct kunit *test, const struct test_request *what)
{
	struct test_request *r = &requests[nr_requests++];
	unsigned int state = what->symbol ? TASK_KILLABLE : TASK_INTERRUPTIBLE;

	*r = *what;
	init_completion(&r->owns);
	init_completion(&r->gate);
	init_completion(&r->ended);
	r->task = kthread_create(make_request, r, "shared_load_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(r->task));
	get_task_struct(r->task);
	wake_up_process(r->task);
	KUNIT_ASSERT_TRUE(test, wait_until(completion_done(&r->owns) ||
					   completion_done(&r->ended) ||
					   (r->switches = wait_task_inactive(r->task, state))));
	return r;
}

/* Return the result of a request. Open its gate if it comes to it. */
static long finish(struct test_request *r)
{
	complete(&r->gate);
	if (r->dies || r->dies_early)
		return wait_until(READ_ONCE(r->task->flags) & PF_EXITING) ? 0 : -ETIMEDOUT;
	return wait_until(completion_done(&r->ended)) ? min(r->ret, LEFT) : -ETIMEDOUT;
}

/* Return whether the waiters of @owner are @numbers, in this order. */
static bool has_waiters(const struct test_request *owner, const char *numbers)
{
	const struct shared_load_info *pos;
	bool ok = true;

	spin_lock(&loads_lock);
	list_for_each_entry(pos, &owner->req->waiters, wait)
		ok = ok && *numbers && pos == requests[*numbers++ - '0'].req;
	spin_unlock(&loads_lock);
	return ok && !*numbers;
}

/* Compare two requests with every combination of differences. */
static void requests_same(struct kunit *test)
{
	enum { ARGS = 1, NO_ARGS = 2, FLAG = 4, COMPRESSED = 8, INODE = 16, NO_INODE = 32,
	       BUILD_ID = 64, NO_BUILD_ID = 128, ALL = 256 };	/* differences */
	struct shared_load_info a = { .args = "a=1", .inode = FILE(0), .build_id = { 1 } }, b;
	int diff;

	for (diff = 0; diff < ALL; diff++) {
		bool same = !(diff & (ARGS | NO_ARGS | FLAG)) &&
			    (diff & (INODE | NO_INODE) ? !(diff & (BUILD_ID | NO_BUILD_ID)) :
							 !(diff & COMPRESSED));

		b = a;
		b.args = diff & NO_ARGS ? NULL : diff & ARGS ? "a=12" : a.args;
		b.flags = (diff & FLAG ? MODULE_INIT_IGNORE_VERMAGIC : 0) |
			  (diff & COMPRESSED ? MODULE_INIT_COMPRESSED_FILE : 0);
		b.inode = diff & NO_INODE ? NULL : diff & INODE ? FILE(1) : FILE(0);
		b.build_id[0] = !(diff & NO_BUILD_ID);
		b.build_id[BUILD_ID_SIZE_MAX - 1] = (diff & (BUILD_ID | NO_BUILD_ID)) == BUILD_ID;
		KUNIT_EXPECT_EQ_MSG(test, same, is_same(&a, &b), "0x%x", diff);
		KUNIT_EXPECT_EQ_MSG(test, same, is_same(&b, &a), "0x%x", diff);
	}
	/* What both lack is not equal. */
	a.args = NULL;
	b = (struct shared_load_info){ .args = "" };
	KUNIT_EXPECT_FALSE(test, is_same(&a, &a) || is_same(&b, &b));
}

static bool is_shared(int err, bool init, bool enomem)
{
	struct shared_load_info req = { .enomem = enomem };

	set_failed(&req, err, init);
	return req.outcome == SHARED_LOAD_FAILED && req.err == (err == -EEXIST ? -EBUSY : err);
}

static void errnos_shared(struct kunit *test)
{
	static const struct {
		int err;
		bool before_init, in_init;	/* shared? */
	} e[] = {
		{ -ENOENT, 1, 1 }, { -ENOEXEC, 1, 1 }, { -EEXIST, 1, 1 }, { -EINTR, 1, 1 },
		{ -ENOMEM, 0, 1 }, { -EFAULT, 0, 1 }, { -EACCES, 0, 1 }, { -EPERM, 0, 1 },
		{ -EDEADLK, 0, 1 }, { -ERESTARTSYS, 0, 0 }, { -ERESTARTNOINTR, 0, 0 },
		{ -ERESTARTNOHAND, 0, 0 }, { -ERESTART_RESTARTBLOCK, 0, 0 },
		{ -ERESTARTSYS + 1, 1, 1 }, { -ERESTART_RESTARTBLOCK - 1, 1, 1 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(e); i++) {
		KUNIT_EXPECT_EQ(test, e[i].before_init, is_shared(e[i].err, false, false));
		KUNIT_EXPECT_EQ(test, e[i].in_init, is_shared(e[i].err, true, false));
	}
	KUNIT_EXPECT_TRUE(test, is_shared(-ENOMEM, false, true));

	/* A pending signal explains -EINTR. A fatal one explains every errno. */
	allow_signal(SIGTERM);
	allow_signal(SIGKILL);
	send_sig(SIGTERM, current, 1);
	KUNIT_EXPECT_FALSE(test, is_shared(-EINTR, true, false));
	KUNIT_EXPECT_TRUE(test, is_shared(-ENODEV, true, false));
	send_sig(SIGKILL, current, 1);
	KUNIT_EXPECT_FALSE(test, is_shared(-ENODEV, true, false));
	flush_signals(current);
}

static void owners_ordered(struct kunit *test)
{
	struct test_request *file = BEGIN(.inode = FILE(0), .dies_early = true);
	struct test_request *both = BEGIN(.inode = FILE(1));
	const char *name = test_module.name;

	/* Nothing changes while both are at their gates. */
	KUNIT_EXPECT_PTR_EQ(test, find_owner(SHARED_LOAD_FILE, NULL, FILE(0)), file->req);
	KUNIT_EXPECT_PTR_EQ(test, find_owner(SHARED_LOAD_FILE, NULL, FILE(1)), both->req);
	KUNIT_EXPECT_TRUE(test, !find_owner(SHARED_LOAD_FILE, name, FILE(2)));
	KUNIT_EXPECT_PTR_EQ(test, find_owner(SHARED_LOAD_NAME, name, FILE(0)), both->req);
	KUNIT_EXPECT_TRUE(test, !find_owner(SHARED_LOAD_NAME, "no_such_modul", FILE(0)));
	KUNIT_EXPECT_PTR_EQ(test, running_loads.next, &both->req->list);
	KUNIT_EXPECT_PTR_EQ(test, running_loads.prev, &file->req->list);
	spin_lock(&loads_lock);
	list_del_init(&file->req->list);
	spin_unlock(&loads_lock);
	KUNIT_EXPECT_EQ(test, 0, finish(both));
	KUNIT_EXPECT_EQ(test, 0, finish(file));
}

/* Check that the longest waiting become owners, and that the others move without waking up. */
static void heirs_ordered(struct kunit *test)
{
	struct test_request *owner = BEGIN(.inode = FILE(0), .end = -EFAULT);
	struct test_request *file = BEGIN(.inode = FILE(0)), *name = BEGIN();
	int i;

	for (i = 3; i < 7; i++)
		BEGIN(.inode = i % 2 ? FILE(0) : NULL);
	KUNIT_EXPECT_TRUE(test, has_waiters(owner, "123456"));
	KUNIT_EXPECT_EQ(test, -EFAULT, finish(owner));
	KUNIT_EXPECT_TRUE(test, wait_until(completion_done(&name->owns)));
	KUNIT_EXPECT_TRUE(test, wait_until(has_waiters(name, "461")));
	KUNIT_EXPECT_TRUE(test, has_waiters(file, "35"));
	for (i = 3; i < 7; i++)
		KUNIT_EXPECT_EQ(test, requests[i].switches,
				wait_task_inactive(requests[i].task, TASK_INTERRUPTIBLE));
	KUNIT_EXPECT_EQ(test, 0, finish(name));
	KUNIT_EXPECT_EQ(test, -EEXIST, finish(file));
	for (i = 3; i < 7; i++)
		KUNIT_EXPECT_EQ(test, -EEXIST, finish(&requests[i]));
}

/* Let a signal arrive when a waiter has become the owner, and before it is completed. */
static void interrupted_heir_hands_over(struct kunit *test)
{
	struct test_request *owner = BEGIN(), *heir = BEGIN(), *waiter = BEGIN();

	spin_lock(&loads_lock);
	list_del_init(&owner->req->list);
	list_del(&heir->req->wait);
	heir->req->owner = NULL;
	take_over(heir->req);
	list_move_tail(&waiter->req->wait, &heir->req->waiters);
	waiter->req->owner = heir->req;
	spin_unlock(&loads_lock);
	send_sig(SIGTERM, heir->task, 1);
	KUNIT_EXPECT_TRUE(test, wait_until(wait_task_inactive(heir->task, TASK_UNINTERRUPTIBLE)));
	complete(&heir->req->done);
	KUNIT_EXPECT_EQ(test, -ERESTARTSYS, finish(heir));
	KUNIT_EXPECT_TRUE(test, wait_until(completion_done(&waiter->owns)));
	KUNIT_EXPECT_EQ(test, 0, finish(waiter));
	KUNIT_EXPECT_EQ(test, 0, finish(owner));
}

/* Requests in their order, with their results. An event happens when @begun have begun. */
static const struct test_row {
	const char *name;
	int nr, begun;
	enum { NONE, FAILING, DEATH, TIMEOUT, SIGNAL } event;
	struct test_request requests[5];
} rows[] = {
	{ "live", 5, 0, NONE, { { 0, FILE(0) }, { -EEXIST }, { -EEXIST, .args = "a" },
				{ -EEXIST, FILE(0) }, { LEFT, .symbol = 60 * HZ } } },
	{ "init_error", 4, 0, NONE, { { -EPERM, .end = -EPERM, .init = true }, { -EPERM },
				      { 0, .args = "a" }, { LEFT, .symbol = 60 * HZ } } },
	{ "second_enomem", 3, 0, NONE, { { -ENOMEM, .end = -ENOMEM }, { -ENOMEM, .end = -ENOMEM },
					 { -ENOMEM } } },
	/* A waiter that is late began before the load of its next owner. */
	{ "late", 4, 2, FAILING, { { -ENODEV, .end = -ENODEV }, { -ENODEV },
				   { -ENOEXEC, .end = -ENOEXEC }, { -ENOEXEC } } },
	/* The owner of a file fails with the errno of the owner of the name. */
	{ "late_file", 4, 3, FAILING, { { -ENODEV, .end = -ENODEV }, { -ENODEV, FILE(0) },
					{ -ENODEV, FILE(0) }, { 0, FILE(0) } } },
	{ "removal", 3, 0, NONE, { { 0, .removal = true }, { 0 }, { -EEXIST } } },
	{ "symbol_timeout", 2, 2, TIMEOUT, { { 0 }, { -ETIME, .symbol = 1 } } },
	{ "signal", 3, 3, SIGNAL, { { 0 }, { -ERESTARTSYS }, { -EEXIST } } },
	/* The next request sees that the owner died. There is no module, so it loads one. */
	{ "dead_owner", 5, 3, DEATH, { { 0, .dies = true }, { -EBUSY },
				       { -EBUSY, .symbol = 60 * HZ }, { 0 }, { -EEXIST } } },
	{ "dead_file_owner", 3, 2, DEATH, { { 0, FILE(0), .dies_early = true }, { 0, FILE(0) },
					    { -EEXIST, FILE(0) } } },
};

static void requests_ended(struct kunit *test)
{
	const struct test_row *row = test->param_value;
	int i;

	for (i = 0; i < row->nr; i++) {
		begin(test, &row->requests[i]);
		KUNIT_EXPECT_TRUE(test, !i || row->event == DEATH ||
				  !completion_done(&requests[i].owns));
		if (i + 1 != row->begun)
			continue;
		if (row->event == SIGNAL)
			send_sig(SIGTERM, requests[1].task, 1);
		if (row->event == FAILING)
			shared_load_failing(requests[0].req, 0);
		else
			finish(&requests[row->event == DEATH ? 0 : 1]);
	}
	for (i = 0; i < row->nr; i++)
		KUNIT_EXPECT_EQ_MSG(test, row->requests[i].ret, finish(&requests[i]), "%d", i);
}

static void get_name(const struct test_row *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(rows, rows, get_name);

/* Check that no request is left. Free the records of those that died. */
static void free_requests(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, list_empty(&running_loads));
	while (nr_requests) {
		struct test_request *r = &requests[--nr_requests];

		if (r->dies || r->dies_early) {
			put_task_struct(r->req->task);
			kfree(r->req);
		}
		put_task_struct(r->task);
	}
}

static struct kunit_case shared_load_cases[] = {
	KUNIT_CASE(requests_same),
	KUNIT_CASE(errnos_shared),
	KUNIT_CASE(owners_ordered),
	KUNIT_CASE(heirs_ordered),
	KUNIT_CASE(interrupted_heir_hands_over),
	KUNIT_CASE_PARAM(requests_ended, rows_gen_params),
	{}
};

static struct kunit_suite shared_load_suite = {
	.name = "shared_load",
	.exit = free_requests,
	.test_cases = shared_load_cases,
};

kunit_test_suite(shared_load_suite);
